package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Fingerprint is the SHA-256 of the certificate in lower-case hex, without colons.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// IsSelfSigned reports whether the certificate is signed with its own key, as roots
// are. Where the signature is of a kind that crypto/x509 does not verify any more
// (MD5: on a trusted root it does not matter) names and identifiers decide.
func IsSelfSigned(cert *x509.Certificate) bool {
	if !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return false
	}
	err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	var insecure x509.InsecureAlgorithmError
	if errors.As(err, &insecure) {
		return matchesKeyID(cert, cert)
	}
	return err == nil
}

// Roots splits certificates into self-signed ones and others, each in its order.
func Roots(certs []*x509.Certificate) (roots, others []*x509.Certificate) {
	for _, c := range certs {
		if IsSelfSigned(c) {
			roots = append(roots, c)
		} else {
			others = append(others, c)
		}
	}
	return roots, others
}

// Chain orders a bag of certificates into one chain, from the one that signed none
// of the others up to the root or as far as the bag goes. Repeated certificates
// are dropped; one that does not belong to the chain is an error that names it.
func Chain(certs []*x509.Certificate) ([]*x509.Certificate, error) {
	certs = distinct(certs)
	if len(certs) == 0 {
		return nil, ErrNoCertificate
	}
	issued := func(ca *x509.Certificate) bool {
		return slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return c != ca && signed(ca, c) })
	}
	var ends []*x509.Certificate
	for _, c := range certs {
		if !issued(c) {
			ends = append(ends, c)
		}
	}
	switch len(ends) {
	case 0:
		return nil, errors.New("the certificates sign each other in a circle")
	case 1:
	default:
		return nil, fmt.Errorf("not one chain: neither %q nor %q signed another of the certificates",
			displayName(ends[0]), displayName(ends[1]))
	}
	chain := ends
	for len(chain) < len(certs) {
		top := chain[len(chain)-1]
		i := slices.IndexFunc(certs, func(ca *x509.Certificate) bool {
			return !IsSelfSigned(top) && !slices.Contains(chain, ca) && signed(ca, top)
		})
		if i < 0 {
			return nil, fmt.Errorf("not one chain: %d of %d certificates lead up from %q", len(chain), len(certs), displayName(chain[0]))
		}
		chain = append(chain, certs[i])
	}
	return chain, nil
}

func signed(ca, cert *x509.Certificate) bool {
	return bytes.Equal(ca.RawSubject, cert.RawIssuer) && cert.CheckSignatureFrom(ca) == nil
}

func distinct(certs []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range certs {
		if !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}
