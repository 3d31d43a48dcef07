package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
)

var oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}

// authorityKeyID is RFC 5280 4.2.1.1. crypto/x509 reads only its first field.
type authorityKeyID struct {
	KeyID  []byte        `asn1:"optional,tag:0"`
	Issuer asn1.RawValue `asn1:"optional,tag:1"`
	Serial *big.Int      `asn1:"optional,tag:2"`
}

// matchesKeyID reports whether ca can have signed cert as far as cert's AKI says:
// OpenSSL and Java do not try a CA whose key identifier or serial number differs,
// even if its key would fit. What either side leaves out does not count.
func matchesKeyID(ca, cert *x509.Certificate) bool {
	if len(cert.AuthorityKeyId) > 0 && len(ca.SubjectKeyId) > 0 && !bytes.Equal(cert.AuthorityKeyId, ca.SubjectKeyId) {
		return false
	}
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(oidAuthorityKeyID) {
			continue
		}
		var aki authorityKeyID
		if err := unmarshalAll(ext.Value, &aki); err == nil && aki.Serial != nil {
			return aki.Serial.Cmp(ca.SerialNumber) == 0
		}
	}
	return true
}

// couldIssue reports whether clients that look for cert's issuer would consider ca:
// by subject, and by the AKI. The signature is not tried.
func couldIssue(ca, cert *x509.Certificate) bool {
	return bytes.Equal(ca.RawSubject, cert.RawIssuer) && matchesKeyID(ca, cert)
}
