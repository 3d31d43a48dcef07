package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxPEM caps what is parsed, in bytes: the public CAs of a JVM take 250 KB.
const maxPEM = 1 << 20

// Errors of the parse functions that callers tell apart. Their texts continue a
// sentence that begins with the file's or the Secret's name.
var (
	ErrNoCertificate = errors.New("holds no certificate")
	ErrPrivateKey    = errors.New("holds a private key where only certificates belong")
)

// A block is one PEM block with the line it begins on.
type block struct {
	*pem.Block
	line int
}

func (b block) isPrivateKey() bool { return strings.HasSuffix(b.Type, "PRIVATE KEY") }

// ParseCertificates reads PEM: any number of CERTIFICATE blocks, in their order,
// repeated ones included. One certificate in DER is accepted as well, as keytool
// does. Comments and what openssl x509 -text writes may stand between the blocks.
//
// A private key is [ErrPrivateKey], nothing at all [ErrNoCertificate]. Blocks of
// other types, damaged or cut-off blocks, and more than 1 MiB are refused: a
// certificate that is silently left out is a handshake that fails later.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%d bytes, at most %d are read", len(data), maxPEM)
	}
	if isDER(data) || looksLikeKey(data) {
		return parseDER(data)
	}
	blocks, err := scanPEM(data)
	for _, b := range blocks {
		if b.isPrivateKey() {
			return nil, fmt.Errorf("line %d: %w", b.line, ErrPrivateKey)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(blocks) == 0 {
		return nil, ErrNoCertificate
	}
	certs := make([]*x509.Certificate, 0, len(blocks))
	for i, b := range blocks {
		cert, err := parseBlock(b)
		if err != nil {
			return nil, fmt.Errorf("certificate %d, line %d: %w", i+1, b.line, err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

func parseBlock(b block) (*x509.Certificate, error) {
	switch {
	case b.Type != "CERTIFICATE":
		return nil, fmt.Errorf("a %q block; only CERTIFICATE blocks are read", shorten(b.Type))
	case len(b.Headers) > 0:
		return nil, errors.New("a CERTIFICATE block with PEM headers")
	}
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, plain(err)
	}
	return cert, nil
}

// isDER: a SEQUENCE of more than 127 bytes, as every certificate is. The second byte
// tells it from text that begins with the character 0.
func isDER(data []byte) bool {
	return len(data) > 1 && data[0] == 0x30 && data[1] >= 0x81 && data[1] <= 0x84
}

func parseDER(data []byte) ([]*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(data)
	if err == nil {
		return []*x509.Certificate{cert}, nil
	}
	if looksLikeKey(data) {
		return nil, ErrPrivateKey
	}
	return nil, fmt.Errorf("%w: neither PEM nor one certificate in DER (a PKCS12 store, perhaps): %w", ErrNoCertificate, plain(err))
}

func looksLikeKey(der []byte) bool {
	if len(der) == 0 || len(der) > maxKeyDER || der[0] != 0x30 {
		return false
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return true
	}
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return true
	}
	_, err := x509.ParseECPrivateKey(der)
	return err == nil
}

// scanPEM finds every block. Unlike pem.Decode alone it skips nothing that looks like
// part of a block. The blocks found before an error are returned with it. Errors
// tell lines, never content: it may be a key.
func scanPEM(data []byte) ([]block, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // Windows editors write it
	if err := checkText(data); err != nil {
		return nil, err
	}
	var blocks []block
	begin, start, line := -1, 0, 0 // offset and line of the open block
	for offset := 0; offset < len(data); {
		line++
		text, end := cutLine(data, offset)
		switch kind, err := classify(text); {
		case err != nil:
			return blocks, fmt.Errorf("line %d: %w", line, err)
		case kind == beginLine && begin >= 0:
			return blocks, fmt.Errorf("line %d: a PEM block begins inside the one of line %d, which has no end", line, start)
		case kind == beginLine:
			begin, start = offset, line
		case kind == endLine && begin < 0:
			return blocks, fmt.Errorf("line %d: the end of a PEM block that has no beginning", line)
		case kind == endLine:
			p, rest := pem.Decode(data[begin:end])
			if p == nil || len(rest) > 0 {
				return blocks, fmt.Errorf("line %d: a damaged PEM block (ends on line %d)", start, line)
			}
			blocks = append(blocks, block{p, start})
			begin = -1
		case kind == base64Line && begin < 0:
			return blocks, fmt.Errorf("line %d: base64 outside of a PEM block; is its BEGIN line missing?", line)
		}
		offset = end
	}
	if begin >= 0 {
		return blocks, fmt.Errorf("line %d: a PEM block without an end", start)
	}
	return blocks, nil
}

// checkText names the binary formats that people take for PEM.
func checkText(data []byte) error {
	switch {
	case bytes.HasPrefix(data, []byte{0xFE, 0xED, 0xFE, 0xED}):
		return fmt.Errorf("%w: it is a JKS store, not PEM", ErrNoCertificate)
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}), bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		return fmt.Errorf("%w: it is UTF-16 text; save it as UTF-8", ErrNoCertificate)
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return fmt.Errorf("%w: neither PEM nor one certificate in DER", ErrNoCertificate)
	}
	return nil
}

func cutLine(data []byte, offset int) (text []byte, end int) {
	end = len(data)
	if i := bytes.IndexByte(data[offset:], '\n'); i >= 0 {
		end = offset + i + 1
	}
	return bytes.TrimRight(data[offset:end], " \t\r\n"), end
}

type lineKind int

const (
	otherLine lineKind = iota
	beginLine
	endLine
	base64Line
)

// classify tells what a line is to PEM. A marker that is not alone on its line is an
// error: pem.Decode would take it for a comment.
func classify(text []byte) (lineKind, error) {
	switch {
	case isMarker(text, "-----BEGIN "):
		return beginLine, nil
	case isMarker(text, "-----END "):
		return endLine, nil
	case bytes.Contains(text, []byte("-----BEGIN")), bytes.Contains(text, []byte("-----END")):
		return otherLine, errors.New("a PEM marker that is damaged, indented or not alone on its line")
	case isBase64(text):
		return base64Line, nil
	}
	return otherLine, nil
}

// isMarker: the label stands between the dashes, and holds none itself (RFC 7468 3).
func isMarker(text []byte, start string) bool {
	label, ok := bytes.CutPrefix(text, []byte(start))
	if !ok {
		return false
	}
	label, ok = bytes.CutSuffix(label, []byte("-----"))
	return ok && len(label) > 0 && !bytes.Contains(label, []byte("--"))
}

// isBase64: 60 characters or more without a blank, and not hexadecimal, which is how
// people note fingerprints.
func isBase64(text []byte) bool {
	const few = 60
	if len(text) < few {
		return false
	}
	hex := true
	for _, c := range bytes.TrimRight(text, "=") {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		case 'g' <= c && c <= 'z', 'G' <= c && c <= 'Z', c == '+', c == '/':
			hex = false
		default:
			return false
		}
	}
	return !hex
}

// EncodeCertificates writes CERTIFICATE blocks in the given order, and nothing else.
func EncodeCertificates(certs ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, c := range certs {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return out.Bytes()
}

// plain drops the "x509: " in front, which says nothing to the people who read it.
func plain(err error) error { return plainError{err} }

type plainError struct{ err error }

func (e plainError) Error() string { return strings.TrimPrefix(e.err.Error(), "x509: ") }
func (e plainError) Unwrap() error { return e.err }
