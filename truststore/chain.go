package truststore

import (
	"bytes"
	"crypto"
	"crypto/x509"
)

// maxChain is the number of certificates of the longest chain that is followed.
const maxChain = 16

// foundKey is a private key in a file that does not say which certificates
// belong to it.
type foundKey struct {
	key  crypto.Signer     // nil if it was not decrypted
	leaf *x509.Certificate // what the file names as its certificate, or nil
}

// chain returns the key's certificates, leaf first, as far up as they are found.
func (k foundKey) chain(certificates []*x509.Certificate) []*x509.Certificate {
	leaf := k.leaf
	if k.key != nil && (leaf == nil || !certifies(leaf, k.key)) {
		leaf = nil
		for _, c := range certificates {
			if certifies(c, k.key) {
				leaf = c
				break
			}
		}
	}
	if leaf == nil {
		return nil
	}
	chain := []*x509.Certificate{leaf}
	for len(chain) < maxChain {
		last := chain[len(chain)-1]
		if bytes.Equal(last.RawIssuer, last.RawSubject) {
			break
		}
		next := issuer(last, chain, certificates)
		if next == nil {
			break
		}
		chain = append(chain, next)
	}
	return chain
}

// issuer finds the issuer of c by name and key identifier, as the JDK does
// (PKCS12KeyStore.findIssuer), so that the chain is the one a JVM would send. It
// checks no signature: a hostile file could ask for millions.
func issuer(c *x509.Certificate, chain, certificates []*x509.Certificate) *x509.Certificate {
	var fallback *x509.Certificate
	for _, candidate := range certificates {
		if !bytes.Equal(candidate.RawSubject, c.RawIssuer) || contains(chain, candidate) {
			continue
		}
		switch {
		case len(c.AuthorityKeyId) == 0, bytes.Equal(candidate.SubjectKeyId, c.AuthorityKeyId):
			return candidate
		case len(candidate.SubjectKeyId) == 0:
			fallback = candidate
		}
	}
	return fallback
}

func contains(chain []*x509.Certificate, c *x509.Certificate) bool {
	for _, other := range chain {
		if bytes.Equal(other.Raw, c.Raw) {
			return true
		}
	}
	return false
}
