package truststore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/flowcert/flowcert/pki"
)

// EncodeTrust makes a truststore. The same entries, in any order, and the same
// password give the same bytes. Entries are sorted by alias and each certificate
// is written once, under its first alias; aliases are written in lower case.
//
// It refuses no entries at all (a JVM fails on an empty truststore), one alias
// for two certificates, aliases that are not printable ASCII, and passwords that
// [CheckPassword] refuses. A PEM truststore has neither aliases nor password:
// the password is not looked at.
//
// JKS entries carry the certificate's NotBefore as their date. The salts of
// PKCS12 (PBES2 with AES-256-CBC and HMAC-SHA-256, which Java 12 and OpenSSL
// 1.1.1 read) are derived from the entries; certificates are public, and so are
// salts.
func EncodeTrust(f Format, entries []Entry, password string) ([]byte, error) {
	sorted, err := normalise(entries)
	if err != nil {
		return nil, fmt.Errorf("%s truststore: %w", f, err)
	}
	if len(sorted) == 0 {
		return nil, fmt.Errorf("%s truststore: no certificates, and a JVM does not start with none", f)
	}
	if f != PEM {
		if err := CheckPassword(password); err != nil {
			return nil, fmt.Errorf("%s truststore: %w", f, err)
		}
	}
	var out []byte
	switch f {
	case JKS:
		out, err = encodeTrustJKS(sorted, password)
	case PKCS12:
		out, err = encodeTrustPKCS12(sorted, password)
	case PEM:
		out = encodeTrustPEM(sorted)
	default:
		err = errors.New("unknown store format")
	}
	return sized(out, err, f, "truststore")
}

// EncodeKey makes a key store with one private key and its chain, leaf first.
// The key's password is the store's, as Flink and Netty expect where only one is
// configured. Every call takes fresh randomness from crypto/rand.
//
// Keys are RSA, ECDSA P-256 or P-384, or Ed25519. The leaf must belong to the
// key and every certificate must be issued by the next: Java rebuilds the chain
// of a PKCS12 file by issuer and would drop the others. A root at the end is
// neither required nor refused.
//
// A PKCS12 key store has no alias (go-pkcs12 writes none): Java shows it as "1".
// A PEM key store is not encrypted, so a password for it is refused.
func EncodeKey(f Format, key KeyEntry, password string) ([]byte, error) {
	if err := checkKeyEntry(key); err != nil {
		return nil, fmt.Errorf("%s key store: %w", f, err)
	}
	if f != PEM {
		if err := CheckPassword(password); err != nil {
			return nil, fmt.Errorf("%s key store: %w", f, err)
		}
	}
	var out []byte
	var err error
	switch f {
	case JKS:
		out, err = encodeKeyJKS(key, password)
	case PKCS12:
		out, err = encodeKeyPKCS12(key, password)
	case PEM:
		out, err = encodeKeyPEM(key, password)
	default:
		err = errors.New("unknown store format")
	}
	return sized(out, err, f, "key store")
}

// sized refuses what Open would not read back and a Secret would not hold.
func sized(out []byte, err error, f Format, kind string) ([]byte, error) {
	if err == nil && len(out) > MaxSize {
		err = fmt.Errorf("%d bytes are more than a store may have (%d)", len(out), MaxSize)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", f, kind, err)
	}
	return out, nil
}

// checkKeyEntry refuses a key store that no TLS client would accept.
func checkKeyEntry(entry KeyEntry) error {
	if err := checkAlias(entry.Alias); err != nil {
		return err
	}
	if err := checkKey(entry.Key); err != nil {
		return fmt.Errorf("alias %q: %w", entry.Alias, err)
	}
	if len(entry.Chain) == 0 {
		return fmt.Errorf("alias %q: the key has no certificate", entry.Alias)
	}
	for i, c := range entry.Chain {
		if c == nil || len(c.Raw) == 0 {
			return fmt.Errorf("alias %q: certificate %d of the chain is missing", entry.Alias, i+1)
		}
	}
	if !certifies(entry.Chain[0], entry.Key) {
		return fmt.Errorf("alias %q: the leaf %q does not belong to the key", entry.Alias, entry.Chain[0].Subject)
	}
	for i, c := range entry.Chain[1:] {
		// A store is made in each format of what was just issued and verified: Signed remembers.
		if !pki.Signed(c, entry.Chain[i]) {
			err := entry.Chain[i].CheckSignatureFrom(c)
			return fmt.Errorf("alias %q: %q is not the issuer of %q: %w", entry.Alias, c.Subject, entry.Chain[i].Subject, err)
		}
	}
	return nil
}

// checkKey refuses kinds of keys that are not known to work in Java and those
// whose private part is elsewhere, such as in an HSM.
func checkKey(key crypto.Signer) error {
	switch k := key.(type) {
	case nil:
		return errors.New("there is no private key")
	case *rsa.PrivateKey:
		if k == nil || k.N == nil || len(k.Primes) < 2 {
			return errors.New("there is no private key")
		}
		return nil
	case *ecdsa.PrivateKey:
		if k == nil || k.Curve == nil {
			return errors.New("there is no private key")
		}
		if name := k.Params().Name; name != "P-256" && name != "P-384" {
			return fmt.Errorf("ECDSA key on %s: P-256 and P-384 are supported", name)
		}
		return nil
	case ed25519.PrivateKey:
		if len(k) != ed25519.PrivateKeySize {
			return errors.New("there is no private key")
		}
		return nil
	}
	return fmt.Errorf("a key of type %T cannot be stored: RSA, ECDSA and Ed25519 are supported", key)
}

// certifies reports whether the certificate is for the key.
func certifies(c *x509.Certificate, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}
