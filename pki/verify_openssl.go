package pki

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// verifyOpenSSL accepts if every path that OpenSSL may build is good.
func verifyOpenSSL(p Profile, chain, anchors []*x509.Certificate, at time.Time) error {
	b := opensslBuilder{profile: p, anchors: anchors, at: at, budget: 1000}
	paths, err := b.fromPresented(chain[:1:1], chain[1:])
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := verifyOpenSSLPath(p, path, at); err != nil {
			if len(paths) > 1 {
				return fmt.Errorf("%w (several certificates fit, and %s may choose this way)", err, p.client())
			}
			return err
		}
	}
	return nil
}

func verifyOpenSSLPath(p Profile, path []*x509.Certificate, at time.Time) error {
	// Before the signatures: a chain that is too long is not verified at all.
	if err := checkShape(p, path); err != nil {
		return err
	}
	if err := verifyPath(path, p.usage(), at); err != nil {
		return err
	}
	// check_purpose_ssl_server: anyExtendedKeyUsage does not stand for it.
	for _, c := range path {
		if !allowsUsage(c, p.usage(), false) {
			return usageError(c, p.usage())
		}
	}
	if err := checkTLSUsage(path[0], p.usage()); err != nil {
		return err
	}
	return checkLeafCommonName(path)
}

// checkTLSUsage: KU_TLS in v3_purp.c, one of these bits; for a client one of two.
func checkTLSUsage(leaf *x509.Certificate, usage x509.ExtKeyUsage) error {
	need := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
	if usage == x509.ExtKeyUsageServerAuth {
		need |= x509.KeyUsageKeyEncipherment
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&need == 0 {
		return fmt.Errorf("the key usage of %q is not for TLS", displayName(leaf))
	}
	return nil
}

// checkLeafCommonName: NAME_CONSTRAINTS_check_CN binds a leaf's CN that reads as a host
// name of two labels or more, where no DNS name stands beside it.
func checkLeafCommonName(path []*x509.Certificate) error {
	leaf := path[0]
	cn := leaf.Subject.CommonName
	if len(leaf.DNSNames) > 0 || !strings.Contains(cn, ".") || !couldBeDNS(cn) {
		return nil
	}
	for _, ca := range path[1:] {
		if err := CheckConstraints(ca, []string{cn}, nil); err != nil {
			return err
		}
	}
	return nil
}

// An opensslBuilder follows build_chain in x509_vfy.c (OpenSSL 1.1 to 3). Where
// OpenSSL takes the first of several that fit, it follows each.
type opensslBuilder struct {
	profile Profile
	anchors []*x509.Certificate
	at      time.Time
	budget  int // bounds the work on hostile input
}

type path = []*x509.Certificate

// fromPresented extends a path of presented certificates: by a trusted issuer if there
// is one, else by a presented one.
func (b *opensslBuilder) fromPresented(sofar path, presented []*x509.Certificate) ([]path, error) {
	if b.budget--; b.budget < 0 {
		return nil, fmt.Errorf("too many ways to build the chain")
	}
	top := sofar[len(sofar)-1]
	selfSigned := IsSelfSigned(top)
	trusted := b.preferred(b.anchors, top)
	if selfSigned {
		return b.atPresentedRoot(sofar, trusted)
	}
	if len(trusted) > 0 {
		return b.each(trusted, func(ca *x509.Certificate) ([]path, error) {
			return b.fromTrusted(append(slices.Clip(sofar), ca))
		})
	}
	next := b.preferred(presented, top)
	if len(next) == 0 {
		return b.atEnd(sofar)
	}
	return b.each(next, func(ca *x509.Certificate) ([]path, error) {
		rest := slices.DeleteFunc(slices.Clone(presented), ca.Equal)
		return b.fromPresented(append(slices.Clip(sofar), ca), rest)
	})
}

// atPresentedRoot: a self-signed certificate in the presented chain is the end of it,
// and must be the very one that the truststore has for this subject.
func (b *opensslBuilder) atPresentedRoot(sofar path, trusted []*x509.Certificate) ([]path, error) {
	top := sofar[len(sofar)-1]
	if len(trusted) == 0 || slices.ContainsFunc(trusted, func(c *x509.Certificate) bool { return !c.Equal(top) }) {
		return b.atEnd(sofar)
	}
	return []path{sofar}, nil
}

// atEnd: nobody trusted signed the last one. With partial chains a trusted leaf still
// saves the day.
func (b *opensslBuilder) atEnd(sofar path) ([]path, error) {
	if !b.profile.NoPartialChains && slices.ContainsFunc(b.anchors, sofar[0].Equal) {
		return []path{sofar}, nil
	}
	return nil, x509.UnknownAuthorityError{Cert: sofar[len(sofar)-1]}
}

// fromTrusted goes on from a trusted certificate: a root is the end, from any other
// the issuer is looked for in the truststore alone.
func (b *opensslBuilder) fromTrusted(sofar path) ([]path, error) {
	if b.budget--; b.budget < 0 {
		return nil, fmt.Errorf("too many ways to build the chain")
	}
	top := sofar[len(sofar)-1]
	if !b.profile.NoPartialChains || IsSelfSigned(top) {
		return []path{sofar}, nil
	}
	above := slices.DeleteFunc(b.preferred(b.anchors, top), func(c *x509.Certificate) bool { return slices.ContainsFunc(sofar, c.Equal) })
	if len(above) == 0 {
		return nil, partialError(b.profile, top)
	}
	return b.each(above, func(ca *x509.Certificate) ([]path, error) {
		return b.fromTrusted(append(slices.Clip(sofar), ca))
	})
}

// each joins the paths through every choice; one that leads nowhere fails all.
func (b *opensslBuilder) each(cas []*x509.Certificate, walk func(*x509.Certificate) ([]path, error)) ([]path, error) {
	var all []path
	for _, ca := range cas {
		paths, err := walk(ca)
		if err != nil {
			return nil, err
		}
		all = append(all, paths...)
	}
	return all, nil
}

// preferred are the certificates that OpenSSL may take for cert's issuer: those
// valid now, or else the ones that ended last (get1_best_issuer_sk).
func (b *opensslBuilder) preferred(from []*x509.Certificate, cert *x509.Certificate) []*x509.Certificate {
	var valid, other []*x509.Certificate
	for _, ca := range from {
		switch {
		case !couldIssue(ca, cert):
		case validAt(ca, b.at):
			valid = append(valid, ca)
		case len(other) == 0 || ca.NotAfter.After(other[0].NotAfter):
			other = []*x509.Certificate{ca}
		case ca.NotAfter.Equal(other[0].NotAfter):
			other = append(other, ca)
		}
	}
	if len(valid) > 0 {
		return valid
	}
	return other
}

func validAt(c *x509.Certificate, at time.Time) bool {
	return !at.Before(c.NotBefore) && !at.After(c.NotAfter)
}
