// Package truststore encodes, decodes and compares the stores that Java and
// OpenSSL programs read: JKS, PKCS12 and PEM, truststores and key stores.
//
// To make a truststore, name its certificates with [Entries] and hand the
// result to [EncodeTrust]; to make a key store, call [EncodeKey]. To read
// whatever a person or another tool made, call [Open] with the password, or
// [OpenWithoutPassword] for what can be seen without one. [Diff] compares
// contents: never compare encodings, because no two tools write the same bytes.
//
// Truststores are byte-stable: the same entries and password give the same
// bytes, so that a store which has not changed does not look as if it had.
// Key stores take fresh randomness every time.
//
// The package refuses files over [MaxSize], structures that are cut off or
// followed by other data, PKCS12 in BER instead of DER, JCEKS and BKS, key
// derivation that would keep the processor busy for minutes, passwords that a
// JVM option cannot carry ([CheckPassword]) and aliases that Java cannot read.
// Whether a certificate is expired, or is a CA at all, is not its matter. It
// does no I/O and knows no time. No error holds a password or bytes of a key.
package truststore

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// MaxSize is the size in bytes of the largest store that is read or written,
// 1 MiB: what a Kubernetes Secret holds at most.
const MaxSize = 1 << 20

// ErrPassword is wrapped by the errors of [Open] and [OpenWithoutPassword] when
// the password is wrong or missing. The formats have one checksum for both
// purposes, so a damaged file that kept its structure gives this error too.
var ErrPassword = errors.New("wrong password")

// Format is the format of a store. The zero value is none.
type Format string

// The formats that this package knows.
const (
	JKS    Format = "JKS"
	PKCS12 Format = "PKCS12"
	PEM    Format = "PEM"
)

// Extension is the file name extension without a dot: jks, p12 or pem, and
// empty for an unknown format. Event Processing's documentation ties the format
// of a store to its extension, so the two must agree.
func (f Format) Extension() string {
	switch f {
	case JKS:
		return "jks"
	case PKCS12:
		return "p12"
	case PEM:
		return "pem"
	}
	return ""
}

// ParseFormat returns the format named s, in upper or lower case: JKS, PKCS12
// or PEM.
func ParseFormat(s string) (Format, error) {
	switch f := Format(strings.ToUpper(s)); f {
	case JKS, PKCS12, PEM:
		return f, nil
	}
	return "", fmt.Errorf("unknown store format %q: JKS, PKCS12 and PEM are known", s)
}

// Entry is one trusted certificate and the name that Java shows for it.
type Entry struct {
	Alias       string
	Certificate *x509.Certificate
}

// KeyEntry is a private key and its certificates, leaf first, each issued by
// the next.
type KeyEntry struct {
	Alias string
	Key   crypto.Signer // nil where OpenWithoutPassword could not read it
	Chain []*x509.Certificate
}

// Store is what was found in a file, in the file's order.
type Store struct {
	Format  Format
	Trusted []Entry
	Keys    []KeyEntry

	// Unlisted are certificates that a PKCS12 file holds and Java does not
	// show, so no JVM trusts them: those without Java's trust attribute
	// outside the chain of any key (openssl pkcs12 -export -nokeys makes
	// such files), and those whose alias a later entry uses again.
	Unlisted []Entry
}

// Detect tells the format of a store by its content: JKS by its magic number,
// PKCS12 by the start of its outer sequence, PEM by its first BEGIN line.
func Detect(data []byte) (Format, bool) {
	switch {
	case bytes.HasPrefix(data, jksMagic):
		return JKS, true
	case looksLikePKCS12(data):
		return PKCS12, true
	case bytes.Contains(data, pemBegin):
		return PEM, true
	}
	return "", false
}

// Open reads a store, detects its format by content and checks its integrity
// where the format can. The error wraps [ErrPassword] if the password does not
// open the store or one of its private keys. A PKCS12 file without password
// (no checksum, nothing encrypted) opens with any, as in Java; in a PEM file
// the password is for encrypted private keys.
//
// PKCS12 aliases are in lower case, and an entry without a name is called 1, 2,
// …, both as keytool shows them. PEM has no aliases: entries are named by the
// hexadecimal SHA-256 of their certificate.
func Open(data []byte, password string) (*Store, error) {
	return open(data, &password)
}

// OpenWithoutPassword reads what a store shows to anybody; nothing proves that
// it was not altered. Of JKS that is every certificate, and private keys with
// their chain and a nil Key. A PKCS12 file with encrypted certificates, which
// is what all tools make by default, gives an error that wraps [ErrPassword].
// To try the empty password, call [Open].
func OpenWithoutPassword(data []byte) (*Store, error) {
	return open(data, nil)
}

// open reads a store. A nil password stands for none.
func open(data []byte, password *string) (*Store, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%d bytes are more than a store may have (%d)", len(data), MaxSize)
	}
	format, ok := Detect(data)
	if !ok {
		return nil, unknownContent(data)
	}
	var store *Store
	var err error
	switch format {
	case JKS:
		store, err = openJKS(data, password)
	case PKCS12:
		store, err = openPKCS12(data, password)
	default:
		store, err = openPEM(data, password)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format, err)
	}
	store.Format = format
	return store, nil
}

// unknownContent says what a file is that is no store, where that is cheap to
// tell, because the conversion is one command.
func unknownContent(data []byte) error {
	if len(data) == 0 {
		return errors.New("the file is empty")
	}
	if bytes.HasPrefix(data, jceksMagic) {
		return errors.New("a JCEKS store is not supported: convert it with keytool -importkeystore -deststoretype PKCS12")
	}
	if _, err := x509.ParseCertificate(data); err == nil {
		return errors.New("a single DER certificate is not a store: convert it with openssl x509 -inform DER")
	}
	return errors.New("neither a JKS nor a PKCS12 nor a PEM file")
}

// parseCertificate parses DER and names the entry it belongs to in the error.
func parseCertificate(der []byte, alias string) (*x509.Certificate, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("entry %q: cannot read its certificate: %w", alias, err)
	}
	return certificate, nil
}

// fingerprint identifies a certificate by content.
func fingerprint(c *x509.Certificate) [sha256.Size]byte {
	return sha256.Sum256(c.Raw)
}

func hexFingerprint(c *x509.Certificate) string {
	return fmt.Sprintf("%x", fingerprint(c))
}
