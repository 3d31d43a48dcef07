package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// maxIntermediate bounds an intermediate's DER in bytes. It travels in every
// handshake, and Java refuses Certificate messages over 32 KB.
const maxIntermediate = 8 << 10

// RootRequest asks for a self-signed root. The subject needs a common name, unique
// per generation: OpenSSL may pick the wrong one of two CAs with one subject.
type RootRequest struct {
	Subject   Subject
	Key       crypto.Signer
	NotBefore time.Time
	NotAfter  time.Time
}

// NewRoot makes a self-signed root: CA:TRUE without a pathLen (with one, a cross
// certificate would break the chain), keyCertSign and cRLSign, both critical.
func NewRoot(r RootRequest) (*x509.Certificate, error) {
	cert, err := newRoot(r)
	if err != nil {
		return nil, fmt.Errorf("root %q: %w", r.Subject.CommonName, err)
	}
	return cert, nil
}

func newRoot(r RootRequest) (*x509.Certificate, error) {
	if err := checkCA(r.Subject, r.Key, r.NotBefore, r.NotAfter); err != nil {
		return nil, err
	}
	template := caTemplate(r.NotBefore, r.NotAfter)
	template.Subject, template.EmailAddresses = r.Subject.Name(), r.Subject.emails()
	cert, err := sign(template, nil, r.Key.Public(), r.Key)
	if err != nil {
		return nil, err
	}
	return cert, made(cert, cert, r.Key)
}

// IntermediateRequest asks for an intermediate that signs leaves only (pathLen 0).
type IntermediateRequest struct {
	Subject   Subject
	Key       crypto.Signer
	NotBefore time.Time
	NotAfter  time.Time
	// Constraints nil: none, it may sign for any name.
	Constraints *Constraints
}

// NewIntermediate makes an intermediate under root, which may itself be a
// subordinate CA of a user. It refuses one that comes out larger than 8 KB: split
// the names over several.
func NewIntermediate(root Issuer, r IntermediateRequest) (*x509.Certificate, error) {
	cert, err := newIntermediate(root, r)
	if err != nil {
		return nil, fmt.Errorf("intermediate %q: %w", r.Subject.CommonName, err)
	}
	return cert, nil
}

func newIntermediate(root Issuer, r IntermediateRequest) (*x509.Certificate, error) {
	if err := root.validate(); err != nil {
		return nil, err
	}
	if err := checkCA(r.Subject, r.Key, r.NotBefore, r.NotAfter); err != nil {
		return nil, err
	}
	if err := checkBelow(root.Certificate, r.Key, r.Subject.CommonName, r.NotAfter); err != nil {
		return nil, err
	}
	template := caTemplate(r.NotBefore, r.NotAfter)
	template.Subject, template.EmailAddresses = r.Subject.Name(), r.Subject.emails()
	template.MaxPathLen, template.MaxPathLenZero = 0, true
	if r.Constraints != nil {
		if err := r.Constraints.validate(); err != nil {
			return nil, err
		}
		r.Constraints.apply(template)
	}
	cert, err := sign(template, root.Certificate, r.Key.Public(), root.Key)
	if err != nil {
		return nil, err
	}
	if len(cert.Raw) > maxIntermediate {
		return nil, fmt.Errorf("%d bytes with its name constraints, at most %d are allowed; split the names over several intermediates",
			len(cert.Raw), maxIntermediate)
	}
	return cert, made(cert, root.Certificate, r.Key)
}

func checkBelow(root *x509.Certificate, key crypto.Signer, cn string, notAfter time.Time) error {
	if err := maySignCAs(root, 1); err != nil {
		return err
	}
	if SameKey(root, key) {
		return errors.New("its key is the issuer's; an intermediate needs one of its own")
	}
	if err := checkOutlives(root, notAfter); err != nil {
		return err
	}
	dns, ips := namesToConstrain(cn, nil, nil)
	return CheckConstraints(root, dns, ips)
}

// CrossSign makes a certificate for newRoot's key signed by the older root: same
// subject, key and SKI bytes, no pathLen, ending with the earlier of the two. A client that
// knows only the old root then accepts what the new one signed.
func CrossSign(old Issuer, newRoot *x509.Certificate, notBefore time.Time) (*x509.Certificate, error) {
	cert, err := crossSign(old, newRoot, notBefore)
	if err != nil {
		return nil, fmt.Errorf("cross certificate: %w", err)
	}
	return cert, nil
}

func crossSign(old Issuer, newRoot *x509.Certificate, notBefore time.Time) (*x509.Certificate, error) {
	if err := old.validate(); err != nil {
		return nil, err
	}
	if err := checkCross(old.Certificate, newRoot); err != nil {
		return nil, err
	}
	notAfter := newRoot.NotAfter
	if old.Certificate.NotAfter.Before(notAfter) {
		notAfter = old.Certificate.NotAfter
	}
	if err := checkPeriod(notBefore, notAfter); err != nil {
		return nil, err
	}
	template := caTemplate(notBefore, notAfter)
	template.RawSubject, template.EmailAddresses = newRoot.RawSubject, newRoot.EmailAddresses
	template.SubjectKeyId = newRoot.SubjectKeyId
	cert, err := sign(template, old.Certificate, newRoot.PublicKey, old.Key)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(cert.RawSubject, newRoot.RawSubject) || !bytes.Equal(cert.SubjectKeyId, newRoot.SubjectKeyId) ||
		!bytes.Equal(cert.RawSubjectPublicKeyInfo, newRoot.RawSubjectPublicKeyInfo) {
		return nil, fmt.Errorf("it does not stand for %q", displayName(newRoot))
	}
	return cert, verifyMade(cert, old.Certificate, x509.ExtKeyUsageAny)
}

func checkCross(old, newRoot *x509.Certificate) error {
	if newRoot == nil {
		return errors.New("no new root")
	}
	if err := mayIssue(newRoot); err != nil {
		return fmt.Errorf("new root: %w", err)
	}
	switch {
	case !IsSelfSigned(newRoot):
		return fmt.Errorf("%q is not self-signed, only roots are cross-signed", displayName(newRoot))
	case len(newRoot.SubjectKeyId) == 0:
		return fmt.Errorf("%q has no subject key identifier", displayName(newRoot))
	case bytes.Equal(old.RawSubject, newRoot.RawSubject):
		return fmt.Errorf("both roots have the subject %q; clients could not tell them apart", displayName(old))
	case bytes.Equal(old.RawSubjectPublicKeyInfo, newRoot.RawSubjectPublicKeyInfo):
		return errors.New("both roots have the same key")
	}
	// Below the old root stand the cross certificate and the intermediate.
	return maySignCAs(old, 2)
}

func checkCA(s Subject, key crypto.Signer, notBefore, notAfter time.Time) error {
	if s.CommonName == "" {
		return errors.New("no common name")
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return err
	}
	return checkPeriod(notBefore, notAfter)
}

func caTemplate(notBefore, notAfter time.Time) *x509.Certificate {
	return &x509.Certificate{
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              caUsage,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            -1,
	}
}

// made checks a new CA certificate against its key and issuer.
func made(cert, issuer *x509.Certificate, key crypto.Signer) error {
	if !SameKey(cert, key) {
		return errors.New("the certificate came out for another key")
	}
	if cert != issuer && bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return fmt.Errorf("its subject is its issuer's, %q", displayName(issuer))
	}
	if cert == issuer {
		return cert.CheckSignatureFrom(cert)
	}
	return verifyMade(cert, issuer, x509.ExtKeyUsageAny)
}

// verifyMade verifies a new certificate against its issuer alone, as a client would
// at the first moment when both are valid: signature, dates, pathLen, constraints.
func verifyMade(cert, issuer *x509.Certificate, usage x509.ExtKeyUsage) error {
	at := cert.NotBefore
	if issuer.NotBefore.After(at) {
		at = issuer.NotBefore
	}
	if err := verifyPath([]*x509.Certificate{cert, issuer}, usage, at); err != nil {
		return fmt.Errorf("it does not verify against its issuer: %w", err)
	}
	return nil
}
