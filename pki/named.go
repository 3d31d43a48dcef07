package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
)

// CheckNamed refuses a certificate that Java does not read, and for which it reads
// nothing of a store that holds it: one whose issuer has no name, and one whose subject
// has none either in a critical subjectAltName (X509CertInfo.verifyCert; RFC 5280
// 4.1.2.4, 4.2.1.6). The error continues a sentence that names the certificate.
func CheckNamed(cert *x509.Certificate) error {
	switch {
	case nameless(cert.RawIssuer):
		return errors.New("its issuer has no name, and Java reads no store that holds it")
	case nameless(cert.RawSubject) && !hasCriticalNames(cert):
		return errors.New("it has no subject, and Java reads no store that holds it")
	}
	return nil
}

// nameless: an empty SEQUENCE.
func nameless(name []byte) bool { return bytes.Equal(name, []byte{0x30, 0}) }

func hasCriticalNames(cert *x509.Certificate) bool {
	for _, e := range cert.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			return e.Critical
		}
	}
	return false
}
