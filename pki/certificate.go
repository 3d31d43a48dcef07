package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
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

func distinct(certs []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range certs {
		if !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

func signed(ca, cert *x509.Certificate) bool {
	return bytes.Equal(ca.RawSubject, cert.RawIssuer) && Signed(ca, cert)
}
