package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// VerifyChain decides whether a client with this profile and exactly these trust
// anchors would accept the presented chain (leaf first) for this host name or IP
// address at this time. An empty name means no name check. The error tells in one
// clause what is wrong.
//
// Where the models of [JVM] and [OpenSSL] cannot follow the real client they are
// stricter: SHA-1 signatures, subjects that differ in bytes but not in meaning, names in
// the CN alone and critical extensions that crypto/x509 does not know are refused. A
// validity period includes both its ends (RFC 5280 4.1.2.5); OpenSSL stops one second
// before.
func VerifyChain(p Profile, chain, anchors []*x509.Certificate, name string, at time.Time) error {
	if err := checkInput(chain, anchors, at); err != nil {
		return err
	}
	leaf := chain[0]
	if err := checkHost(p, leaf, name); err != nil {
		return err
	}
	anchors = relevant(chain, anchors)
	var err error
	switch {
	case p.JVM:
		err = verifyJVM(p, chain, anchors, at)
	case p.OneCAPerSubject:
		err = verifyOpenSSL(p, chain, anchors, at)
	default:
		err = verifyAny(p, chain, anchors, at)
	}
	if err != nil {
		return explain(err, chain, anchors, at)
	}
	return nil
}

// VerifyUntil decides whether [VerifyChain] would accept at every instant from one
// time to the other, both included. What a client accepts changes only when a
// certificate begins or ends, so it is tried at each of these moments: an expiring
// cross certificate beside another path does no harm, one without it does.
func VerifyUntil(p Profile, chain, anchors []*x509.Certificate, name string, from, until time.Time) error {
	if until.Before(from) {
		return fmt.Errorf("the period ends (%s) before it starts (%s)", stamp(until), stamp(from))
	}
	if err := checkInput(chain, anchors, from); err != nil {
		return err
	}
	anchors = relevant(chain, anchors)
	for _, at := range boundaries(slices.Concat(chain, anchors), from, until) {
		if err := VerifyChain(p, chain, anchors, name, at); err != nil {
			if at.Equal(from) {
				return err
			}
			return fmt.Errorf("from %s on: %w", stamp(at.Round(time.Second)), err)
		}
	}
	return nil
}

// boundaries are from, and the first instants of every later state of the
// certificates up to until, in order.
func boundaries(certs []*x509.Certificate, from, until time.Time) []time.Time {
	times := []time.Time{from}
	for _, c := range certs {
		for _, t := range []time.Time{c.NotBefore, c.NotAfter.Add(time.Nanosecond)} {
			if t.After(from) && !t.After(until) {
				times = append(times, t)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return slices.CompactFunc(times, time.Time.Equal)
}

// maxChain bounds what is looked at; OpenSSL's bound is 100, Java's 10.
const maxChain = 100

func checkInput(chain, anchors []*x509.Certificate, at time.Time) error {
	switch {
	case len(chain) == 0:
		return errors.New("no certificate is presented")
	case len(chain) > maxChain:
		return fmt.Errorf("%d certificates are presented, at most %d are looked at", len(chain), maxChain)
	case slices.Contains(chain, nil) || slices.Contains(anchors, nil):
		return errors.New("a certificate is missing from the chain or the anchors")
	case at.IsZero():
		return errors.New("no time to verify at")
	}
	return nil
}

// VerifyHost decides the part of [VerifyChain] that depends on the host name or IP
// address alone: whether the leaf is for it. An empty name means no check.
func VerifyHost(p Profile, leaf *x509.Certificate, name string) error {
	if leaf == nil {
		return errors.New("no certificate is presented")
	}
	return checkHost(p, leaf, name)
}

// checkHost checks the leaf's names. OpenSSL matches no wildcard with fewer than two
// labels after it (valid_star in v3_utl.c).
func checkHost(p Profile, leaf *x509.Certificate, name string) error {
	if name == "" {
		return nil
	}
	seen := *leaf
	if p.OneCAPerSubject {
		seen.DNSNames = slices.DeleteFunc(slices.Clone(leaf.DNSNames), func(n string) bool {
			return strings.HasPrefix(n, "*") && strings.Count(n, ".") < 2
		})
	}
	if err := seen.VerifyHostname(name); err != nil {
		return fmt.Errorf("the certificate of %q is not for %q", displayName(leaf), shorten(name))
	}
	return nil
}

// relevant keeps the anchors that can play a part: the presented certificates
// themselves and whatever has the subject of an issuer on the way up.
func relevant(chain, anchors []*x509.Certificate) []*x509.Certificate {
	wanted := make(map[string]bool)
	for _, c := range chain {
		wanted[string(c.RawIssuer)] = true
		wanted[string(c.RawSubject)] = true
	}
	bySubject := make(map[string][]*x509.Certificate)
	for _, a := range anchors {
		bySubject[string(a.RawSubject)] = append(bySubject[string(a.RawSubject)], a)
	}
	for again := true; again; {
		again = false
		for subject := range wanted {
			for _, a := range bySubject[subject] {
				if !wanted[string(a.RawIssuer)] {
					wanted[string(a.RawIssuer)], again = true, true
				}
			}
		}
	}
	return distinct(slices.DeleteFunc(slices.Clone(anchors), func(a *x509.Certificate) bool {
		return !wanted[string(a.RawSubject)]
	}))
}

// verifyAny accepts any path that crypto/x509 finds and the profile allows.
func verifyAny(p Profile, chain, anchors []*x509.Certificate, at time.Time) error {
	extra := chain[1:]
	if p.NoPartialChains {
		_, subordinate := Roots(anchors)
		extra = slices.Concat(extra, subordinate)
	}
	paths, err := findPaths(chain[0], extra, anchors, p.usage(), at)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err = checkShape(p, path); err == nil {
			return nil
		}
	}
	return err
}

func findPaths(leaf *x509.Certificate, extra, anchors []*x509.Certificate, usage x509.ExtKeyUsage, at time.Time) ([][]*x509.Certificate, error) {
	return leaf.Verify(x509.VerifyOptions{
		Roots:         pool(anchors),
		Intermediates: pool(extra),
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

// verifyPath checks this one path, leaf first and anchor last, and no other. The certificates are as they were parsed
// (the key usage of the first does not count here): for others see verifyAltered.
func verifyPath(path []*x509.Certificate, usage x509.ExtKeyUsage, at time.Time) error {
	if provenPath(path, usage, at) {
		return nil
	}
	if err := verifyAltered(path, usage, at); err != nil {
		return err
	}
	provePath(path)
	return nil
}

// verifyAltered is verifyPath where fields may contradict the bytes, as those of relax do: nothing is remembered.
func verifyAltered(path []*x509.Certificate, usage x509.ExtKeyUsage, at time.Time) error {
	var between []*x509.Certificate
	if len(path) > 2 {
		between = path[1 : len(path)-1]
	}
	found, err := findPaths(path[0], between, path[len(path)-1:], usage, at)
	if err != nil {
		return err
	}
	same := func(got []*x509.Certificate) bool {
		return slices.EqualFunc(got, path, func(a, b *x509.Certificate) bool { return bytes.Equal(a.Raw, b.Raw) })
	}
	if !slices.ContainsFunc(found, same) {
		return errors.New("the certificates of the path do not sign one another")
	}
	return nil
}

// checkShape checks what the profile says of a path as a whole.
func checkShape(p Profile, path []*x509.Certificate) error {
	top := path[len(path)-1]
	if n := len(path) - 2; p.MaxIntermediates != 0 && n > max(p.MaxIntermediates, 0) {
		return fmt.Errorf("%d intermediates up to %q, %s takes at most %d",
			n, displayName(top), p.client(), max(p.MaxIntermediates, 0))
	}
	if p.NoPartialChains && !IsSelfSigned(top) {
		return partialError(p, top)
	}
	return nil
}

func partialError(p Profile, top *x509.Certificate) error {
	return fmt.Errorf("the path ends in %q, which is not self-signed; %s wants the root among the trusted certificates",
		displayName(top), p.client())
}

func (p Profile) client() string {
	if p.Name == "" {
		return "the client"
	}
	return p.Name
}

// allowsUsage reports whether the extended key usages of one certificate, if it has
// any, include this one; anyToo says whether anyExtendedKeyUsage stands for it.
func allowsUsage(cert *x509.Certificate, usage x509.ExtKeyUsage, anyToo bool) bool {
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(cert.ExtKeyUsage, usage) || anyToo && slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// CheckUsage refuses a CA under which clients accept no leaf for this usage: its own
// extended key usage, where it has one, bounds what it may vouch for (OpenSSL, Go).
func CheckUsage(ca *x509.Certificate, usage x509.ExtKeyUsage) error {
	if !allowsUsage(ca, usage, true) {
		return usageError(ca, usage)
	}
	return nil
}

func usageError(cert *x509.Certificate, usage x509.ExtKeyUsage) error {
	what := map[x509.ExtKeyUsage]string{
		x509.ExtKeyUsageServerAuth: "server authentication",
		x509.ExtKeyUsageClientAuth: "client authentication",
	}[usage]
	if what == "" {
		what = "this"
	}
	return fmt.Errorf("%q is not for %s (extended key usage)", displayName(cert), what)
}
