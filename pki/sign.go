package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/cas/softcas"
)

// caUsage is what roots, intermediates and cross certificates may do with their keys.
const caUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign

// Issuer is a CA that signs: its certificate and the key for it.
type Issuer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
	// Cross are certificates for the root's key signed by older roots, newest first.
	// They travel in the chain so that clients that know only an older root accept it.
	Cross []*x509.Certificate
}

// Chain is what a server presents for a leaf of this issuer: the leaf, the issuer
// where it is an intermediate, the cross certificates. The root is not sent: a
// client that needs it has it.
func (i Issuer) Chain(leaf *x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	if !IsSelfSigned(i.Certificate) {
		chain = append(chain, i.Certificate)
	}
	return append(chain, i.Cross...)
}

// validate checks that the issuer may sign certificates, with the key it brings.
func (i Issuer) validate() error {
	switch {
	case i.Certificate == nil:
		return errors.New("issuer without a certificate")
	case i.Key == nil:
		return fmt.Errorf("issuer %q has no key", displayName(i.Certificate))
	case !SameKey(i.Certificate, i.Key):
		return fmt.Errorf("issuer %q: the key is not the certificate's", displayName(i.Certificate))
	}
	return mayIssue(i.Certificate)
}

func mayIssue(ca *x509.Certificate) error {
	switch {
	case !ca.BasicConstraintsValid || !ca.IsCA:
		return fmt.Errorf("issuer %q is not a CA (basicConstraints CA:TRUE is missing)", displayName(ca))
	case ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("issuer %q may not sign certificates (its key usage lacks keyCertSign)", displayName(ca))
	case len(ca.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("issuer %q has the critical extension %s, which is not understood", displayName(ca), ca.UnhandledCriticalExtensions[0])
	}
	return nil
}

// maySignCAs checks that the issuer's pathLen has room for further CAs below it.
func maySignCAs(ca *x509.Certificate, below int) error {
	if ca.MaxPathLen >= 0 && (ca.MaxPathLen > 0 || ca.MaxPathLenZero) && ca.MaxPathLen < below {
		return fmt.Errorf("issuer %q has pathLen %d: it allows %d CA certificates below it, %d are needed",
			displayName(ca), ca.MaxPathLen, ca.MaxPathLen, below)
	}
	return nil
}

// checkKey refuses keys that clients refuse: RSA below 2048 bits, unknown kinds.
func checkKey(key crypto.Signer) error {
	if key == nil {
		return errors.New("no key")
	}
	spec, err := SpecOf(key.Public())
	if err != nil {
		return err
	}
	if spec.Algorithm == RSA && spec.Size < minRSABits {
		return fmt.Errorf("RSA key of %d bits: at least %d are needed", spec.Size, minRSABits)
	}
	return nil
}

func checkPeriod(notBefore, notAfter time.Time) error {
	switch {
	case notBefore.IsZero() || notAfter.IsZero():
		return errors.New("no validity period")
	case !notBefore.Truncate(time.Second).Before(notAfter.Truncate(time.Second)):
		return fmt.Errorf("it would end (%s) before it starts (%s)", stamp(notAfter), stamp(notBefore))
	}
	return nil
}

// checkOutlives refuses what would end after its issuer: clients would refuse it
// from then on, although its own date says that it is good.
func checkOutlives(ca *x509.Certificate, notAfter time.Time) error {
	if notAfter.Truncate(time.Second).After(ca.NotAfter) {
		return fmt.Errorf("it would end on %s, after its issuer %q (%s)", stamp(notAfter), displayName(ca), stamp(ca.NotAfter))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// sign completes the template and signs it. A nil parent signs with its own key.
func sign(template, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	var err error
	if template.SerialNumber, err = serial(); err != nil {
		return nil, err
	}
	if template.SubjectKeyId == nil {
		if template.SubjectKeyId, err = keyID(pub); err != nil {
			return nil, err
		}
	}
	template.PublicKey = pub
	template.NotBefore = template.NotBefore.UTC().Truncate(time.Second)
	template.NotAfter = template.NotAfter.UTC().Truncate(time.Second)
	// Left unset, softcas repeats the issuer's own scheme: PSS where it was signed so.
	template.SignatureAlgorithm = scheme(signer.Public())
	if parent == nil {
		template.AuthorityKeyId = template.SubjectKeyId
		parent = template
	}
	cas := &softcas.SoftCAS{CertificateChain: []*x509.Certificate{parent}, Signer: signer}
	resp, err := cas.CreateCertificate(&apiv1.CreateCertificateRequest{
		Template: template,
		Lifetime: template.NotAfter.Sub(template.NotBefore),
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return resp.Certificate, nil
}

// scheme is the signature scheme that every client of ours knows for this key. Zero
// (an unknown curve, say) leaves the choice to crypto/x509.
func scheme(pub crypto.PublicKey) x509.SignatureAlgorithm {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return x509.SHA256WithRSA
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return x509.ECDSAWithSHA256
		case 384:
			return x509.ECDSAWithSHA384
		}
	}
	return x509.UnknownSignatureAlgorithm
}

// serial is random and positive, 127 bits, so that no two certificates of one
// issuer share it: curl and Firefox refuse the second (RFC 5280 4.1.2.2: unique,
// positive, at most 20 octets).
func serial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

// keyID is the subject key identifier: the leftmost 160 bits of the SHA-256 of the
// public key's bits (RFC 7093 section 2, method 1). Not SHA-1 as in RFC 5280
// 4.2.1.2 (1): that is unavailable under GODEBUG=fips140=only. Set by us and not
// left to a library, because its default has changed before and one key must keep
// one identifier: OpenSSL and Java match certificates of a key by it.
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	sum := sha256.Sum256(info.Key.Bytes)
	return sum[:20], nil
}

// displayName names a certificate in messages: its CN, or else its whole subject.
func displayName(cert *x509.Certificate) string {
	if cert.Subject.CommonName != "" {
		return cert.Subject.CommonName
	}
	if s := cert.Subject.String(); s != "" {
		return s
	}
	if len(cert.DNSNames) > 0 {
		return cert.DNSNames[0]
	}
	return "certificate " + Fingerprint(cert)[:16]
}
