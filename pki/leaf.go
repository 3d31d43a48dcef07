package pki

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// LeafRequest asks for the certificate of a server or a client.
type LeafRequest struct {
	CommonName string
	// Subject brings the other parts of the distinguished name; its CommonName does not count.
	Subject     Subject
	DNSNames    []string     // in this order; repeated ones are dropped
	IPAddresses []netip.Addr // in this order; repeated ones are dropped
	// Server and Client are the extended key usages; at least one is needed, and
	// a server needs a DNS name or an IP address.
	Server, Client bool
	Key            crypto.Signer
	NotBefore      time.Time
	NotAfter       time.Time
}

// NewLeaf makes a leaf under issuer. It refuses an issuer that is not a CA, may not
// sign or does not own its key; a leaf that outlives it or is outside its name
// constraints; names that are not DNS names; an empty period. What was signed is
// verified against issuer, key and every name before it is returned.
func NewLeaf(issuer Issuer, r LeafRequest) (*x509.Certificate, error) {
	cert, err := newLeaf(issuer, r)
	if err != nil {
		return nil, fmt.Errorf("leaf %q: %w", r.CommonName, err)
	}
	return cert, nil
}

func newLeaf(issuer Issuer, r LeafRequest) (*x509.Certificate, error) {
	r.Subject.CommonName = r.CommonName
	var err error
	if r.DNSNames, err = checkNames(r.DNSNames); err != nil {
		return nil, err
	}
	if r.IPAddresses, err = checkIPs(r.IPAddresses); err != nil {
		return nil, err
	}
	if err := checkLeaf(issuer, r); err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               r.Subject.Name(),
		NotBefore:             r.NotBefore,
		NotAfter:              r.NotAfter,
		DNSNames:              r.DNSNames,
		EmailAddresses:        r.Subject.emails(),
		KeyUsage:              leafUsage(r.Key.Public(), r.Server),
		ExtKeyUsage:           r.usages(),
		BasicConstraintsValid: true,
	}
	for _, ip := range r.IPAddresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
	}
	cert, err := sign(template, issuer.Certificate, r.Key.Public(), issuer.Key)
	if err != nil {
		return nil, err
	}
	return cert, verifyLeaf(cert, issuer.Certificate, r)
}

func checkLeaf(issuer Issuer, r LeafRequest) error {
	if err := issuer.validate(); err != nil {
		return err
	}
	switch {
	case !r.Server && !r.Client:
		return errors.New("neither for a server nor for a client")
	case r.Server && len(r.DNSNames)+len(r.IPAddresses) == 0:
		return errors.New("a server's leaf needs a DNS name or an IP address; clients do not look at the common name")
	case r.Subject == Subject{} && len(r.DNSNames)+len(r.IPAddresses) == 0:
		return errors.New("neither a subject nor a name")
	}
	if err := r.Subject.Validate(); err != nil {
		return err
	}
	if err := checkKey(r.Key); err != nil {
		return err
	}
	if SameKey(issuer.Certificate, r.Key) {
		return errors.New("its key is the issuer's")
	}
	if err := checkPeriod(r.NotBefore, r.NotAfter); err != nil {
		return err
	}
	if err := checkOutlives(issuer.Certificate, r.NotAfter); err != nil {
		return err
	}
	dns, ips := namesToConstrain(r.CommonName, r.DNSNames, r.IPAddresses)
	return CheckConstraints(issuer.Certificate, dns, ips)
}

func checkIPs(ips []netip.Addr) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, ip := range ips {
		switch {
		case !ip.IsValid():
			return nil, errors.New("an IP address is not set")
		case ip.Zone() != "":
			return nil, fmt.Errorf("IP address %s: certificates hold no zones", ip)
		}
		if ip = ip.Unmap(); !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	return out, nil
}

// leafUsage: a server's RSA key gets keyEncipherment beside digitalSignature, without
// which a JVM refuses the RSA suites; for other keys it would be wrong (RFC 8813,
// RFC 8410 5), and for clients (RFC 5280 4.2.1.12).
func leafUsage(pub crypto.PublicKey, server bool) x509.KeyUsage {
	if _, ok := pub.(*rsa.PublicKey); ok && server {
		return x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	}
	return x509.KeyUsageDigitalSignature
}

func (r LeafRequest) usages() []x509.ExtKeyUsage {
	var u []x509.ExtKeyUsage
	if r.Server {
		u = append(u, x509.ExtKeyUsageServerAuth)
	}
	if r.Client {
		u = append(u, x509.ExtKeyUsageClientAuth)
	}
	return u
}

// verifyLeaf checks what came out, against what was asked for.
func verifyLeaf(cert, issuer *x509.Certificate, r LeafRequest) error {
	if !SameKey(cert, r.Key) {
		return errors.New("the certificate came out for another key")
	}
	if bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return fmt.Errorf("its subject is its issuer's, %q", displayName(issuer))
	}
	if cert.IsCA {
		return errors.New("the certificate came out as a CA")
	}
	for _, usage := range r.usages() {
		if err := verifyMade(cert, issuer, usage); err != nil {
			return err
		}
	}
	for _, name := range r.DNSNames {
		// A wildcard is no host name: ask for one that it stands for.
		if err := cert.VerifyHostname(strings.Replace(name, "*", "any", 1)); err != nil {
			return fmt.Errorf("it does not stand for %q: %w", name, err)
		}
	}
	for _, ip := range r.IPAddresses {
		if err := cert.VerifyHostname(ip.String()); err != nil {
			return fmt.Errorf("it does not stand for %s: %w", ip, err)
		}
	}
	return nil
}
