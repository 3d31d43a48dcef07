package truststore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

var (
	pemBegin = []byte("-----BEGIN ")
	pemRule  = []byte("-----")
)

func encodeTrustPEM(entries []Entry) []byte {
	var out bytes.Buffer
	for _, e := range entries {
		out.Write(certificatePEM(e.Certificate))
	}
	return out.Bytes()
}

func encodeKeyPEM(key KeyEntry, password string) ([]byte, error) {
	if password != "" {
		return nil, errors.New("the private key is not encrypted, so there is no use for a password")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.Key)
	if err != nil {
		return nil, fmt.Errorf("alias %q: %w", key.Alias, err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, c := range key.Chain {
		out = append(out, certificatePEM(c)...)
	}
	return out, nil
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// openPEM reads the certificates and private keys of a PEM file. Certificates
// that lead up from a key are its chain, the others are trusted.
func openPEM(data []byte, password *string) (*Store, error) {
	blocks, err := pemBlocks(data)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	var found []foundKey
	seen := map[string]bool{}
	var unlock *unlocker // one for all keys, because it bounds the work
	if password != nil {
		unlock = newUnlocker(*password)
	}
	for i, b := range blocks {
		switch b.Type {
		case "CERTIFICATE":
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, fmt.Errorf("block %d: cannot read the certificate: %w", i+1, err)
			}
			if !seen[string(c.Raw)] {
				seen[string(c.Raw)] = true
				certificates = append(certificates, c)
			}
		case "EC PARAMETERS": // openssl ecparam -genkey writes it before the key, which repeats it
		default:
			key, err := pemKey(b, unlock)
			if err != nil {
				return nil, fmt.Errorf("block %d: %w", i+1, err)
			}
			found = append(found, foundKey{key: key})
		}
	}
	if len(found) == 1 && found[0].key == nil && len(certificates) > 0 {
		found[0].leaf = certificates[0] // the usual order, and all there is to go by
	}
	return pemStore(found, certificates), nil
}

// pemStore gives the certificates to the keys, and names everything.
func pemStore(found []foundKey, certificates []*x509.Certificate) *Store {
	store := &Store{}
	used := map[*x509.Certificate]bool{}
	for i, k := range found {
		entry := KeyEntry{Key: k.key, Chain: k.chain(certificates)}
		entry.Alias = fmt.Sprint(i + 1)
		if len(entry.Chain) > 0 {
			entry.Alias = hexFingerprint(entry.Chain[0])
		}
		for _, c := range entry.Chain {
			used[c] = true
		}
		store.Keys = append(store.Keys, entry)
	}
	for _, c := range certificates {
		if !used[c] {
			store.Trusted = append(store.Trusted, Entry{Alias: hexFingerprint(c), Certificate: c})
		}
	}
	return store
}

// pemBlocks decodes all blocks. Explanatory text around them is allowed (RFC
// 7468, section 2; CA bundles have it), a block that does not decode is not:
// encoding/pem would silently pass over it, and a CA would be lost.
func pemBlocks(data []byte) ([]*pem.Block, error) {
	var blocks []*pem.Block
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // Windows editors write it, OpenSSL passes over it
	for {
		start := bytes.Index(data, pemBegin)
		if start < 0 {
			break
		}
		if bytes.Contains(data[:start], pemRule) {
			return nil, fmt.Errorf("after block %d: a line with ----- that begins no block", len(blocks))
		}
		if start > 0 && data[start-1] != '\n' {
			return nil, fmt.Errorf("block %d does not begin at the start of its line, so OpenSSL passes over it", len(blocks)+1)
		}
		block, rest := pem.Decode(data[start:])
		if block == nil {
			return nil, fmt.Errorf("block %d does not decode: it is cut off or damaged", len(blocks)+1)
		}
		consumed := data[start : len(data)-len(rest)]
		if bytes.Count(consumed, pemBegin) != 1 {
			return nil, fmt.Errorf("block %d does not decode: it is cut off or damaged", len(blocks)+1)
		}
		blocks = append(blocks, block)
		data = rest
	}
	lastLine := data[bytes.LastIndexByte(data, '\n')+1:]
	cutOff := len(lastLine) > 0 && bytes.HasPrefix(pemRule, lastLine)
	if cutOff || bytes.Contains(data, pemRule) {
		return nil, fmt.Errorf("after block %d: a line with ----- that begins no block", len(blocks))
	}
	return blocks, nil
}

// pemKey reads one private key. It is nil where it is encrypted and there is no
// password.
func pemKey(b *pem.Block, unlock *unlocker) (crypto.Signer, error) {
	if b.Headers["DEK-Info"] != "" {
		return nil, errors.New("a private key in OpenSSL's old encryption is not supported: convert it with openssl pkcs8 -topk8")
	}
	switch b.Type {
	case "PRIVATE KEY":
		return parsePKCS8(b.Bytes)
	case "RSA PRIVATE KEY":
		return parseKey(b.Bytes, func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) })
	case "EC PRIVATE KEY":
		return parseKey(b.Bytes, func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) })
	case "ENCRYPTED PRIVATE KEY":
		if unlock == nil {
			return nil, nil
		}
		return unlock.key(b.Bytes)
	}
	return nil, fmt.Errorf("%q is neither a certificate nor a private key", b.Type)
}

// maxKeySize is the length in bytes of the longest private key that is parsed;
// RSA 16384 has 9300. Checking a number of a megabyte would take minutes.
const maxKeySize = 16 << 10

func parsePKCS8(der []byte) (crypto.Signer, error) {
	return parseKey(der, x509.ParsePKCS8PrivateKey)
}

// parseKey parses a private key and keeps its bytes out of the error.
func parseKey(der []byte, parse func([]byte) (any, error)) (crypto.Signer, error) {
	if len(der) > maxKeySize {
		return nil, fmt.Errorf("a private key of %d bytes is too long (%d at most)", len(der), maxKeySize)
	}
	key, err := parse(der)
	if err != nil {
		return nil, errors.New("cannot read the private key: it is damaged or of an unknown kind")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a private key of type %T cannot sign", key)
	}
	return signer, nil
}
