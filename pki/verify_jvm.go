package pki

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Java's limits for a Certificate message (jdk.tls.maxHandshakeMessageSize and
// jdk.tls.maxCertificateChainLength). Each certificate has a length of 3 bytes
// before it, and in TLS 1.3 at least 2 after it; the message has 8 in front.
const (
	jvmMessage = 32 << 10
	jvmChain   = 10
)

// verifyJVM follows PKIXValidator.engineValidate.
func verifyJVM(p Profile, chain, anchors []*x509.Certificate, at time.Time) error {
	if err := checkMessage(chain); err != nil {
		return err
	}
	leaf := chain[0]
	if slices.ContainsFunc(anchors, leaf.Equal) {
		return nil // trusted as it is: Java looks at nothing else, not even its dates
	}
	if err := checkJVMUsage(leaf, p.usage()); err != nil {
		return err
	}
	var err error
	paths, ordered := jvmPaths(chain, anchors)
	if !ordered {
		if paths, err = jvmBuild(chain, anchors, at); err != nil {
			return err
		}
	}
	for _, path := range paths {
		if err = verifyJVMPath(p, path, at); err == nil {
			return nil
		}
	}
	if err == nil {
		return x509.UnknownAuthorityError{Cert: leaf}
	}
	return err
}

func checkMessage(chain []*x509.Certificate) error {
	size := 8
	for _, c := range chain {
		size += len(c.Raw) + 5
	}
	switch {
	case len(chain) > jvmChain:
		return fmt.Errorf("%d certificates are presented, a JVM takes at most %d", len(chain), jvmChain)
	case size > jvmMessage:
		return fmt.Errorf("the chain has %d bytes, a JVM takes at most %d", size, jvmMessage)
	}
	return nil
}

// checkJVMUsage is EndEntityChecker: keyEncipherment for the key exchange RSA,
// digitalSignature for all others. Which one a handshake takes is not known here.
func checkJVMUsage(leaf *x509.Certificate, usage x509.ExtKeyUsage) error {
	if !allowsUsage(leaf, usage, true) {
		return usageError(leaf, usage)
	}
	need := x509.KeyUsageDigitalSignature
	if leaf.PublicKeyAlgorithm == x509.RSA && usage == x509.ExtKeyUsageServerAuth {
		need |= x509.KeyUsageKeyEncipherment
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&need != need {
		return fmt.Errorf("the key usage of %q lacks digitalSignature or keyEncipherment, which a JVM asks for", displayName(leaf))
	}
	return nil
}

// jvmPaths are the paths that Java validates without building: the presented chain,
// cut below the first certificate that is trusted or stands for a trusted one, with
// each fitting anchor. Not ordered: Java falls back to its path builder.
func jvmPaths(chain, anchors []*x509.Certificate) (paths [][]*x509.Certificate, ordered bool) {
	part := chain
	for i := 1; i < len(chain); i++ {
		if string(chain[i].RawSubject) != string(chain[i-1].RawIssuer) {
			return nil, false
		}
		if slices.ContainsFunc(anchors, func(a *x509.Certificate) bool { return sameSubjectAndKey(a, chain[i]) }) {
			part = chain[:i]
			break
		}
	}
	last := part[len(part)-1]
	known := false
	for _, a := range anchors {
		if string(a.RawSubject) != string(last.RawIssuer) {
			continue
		}
		known = true
		if matchesKeyID(a, last) {
			paths = append(paths, append(slices.Clone(part), a))
		}
	}
	return paths, known
}

func sameSubjectAndKey(a, b *x509.Certificate) bool {
	return string(a.RawSubject) == string(b.RawSubject) &&
		string(a.RawSubjectPublicKeyInfo) == string(b.RawSubjectPublicKeyInfo)
}

// jvmBuild stands for SunCertPathBuilder, which tries every path. Its ForwardBuilder
// checks no dates of an anchor above the leaf itself, but those of one further up:
// the selector that it keeps has them set by then.
func jvmBuild(chain, anchors []*x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	var usable []*x509.Certificate
	for _, a := range anchors {
		if validAt(a, at) || couldIssue(a, chain[0]) {
			usable = append(usable, relax(a))
		}
	}
	return findPaths(chain[0], chain[1:], usable, x509.ExtKeyUsageAny, at)
}

// verifyJVMPath checks one path; the anchor counts for its name and key, and must be a
// CA that may sign (PKIXValidator.verifyTrustAnchor), which verifyJVMSignatures looks at too.
func verifyJVMPath(p Profile, path []*x509.Certificate, at time.Time) error {
	path, err := collapse(path, at)
	if err != nil {
		return err
	}
	if err := verifyJVMSignatures(path, at); err != nil {
		return err
	}
	if err := checkCommonNames(path[:len(path)-1]); err != nil {
		return err
	}
	return checkShape(p, path)
}

// verifyJVMSignatures verifies up to the last intermediate, and apart from that, because it is the same for many
// leaves, that the anchor signed it. What does not verify so is verified as a whole, which says why.
func verifyJVMSignatures(path []*x509.Certificate, at time.Time) error {
	below, anchor := path[:len(path)-1], path[len(path)-1]
	if mayPart(below, anchor) && Signed(anchor, below[len(below)-1]) && verifyPath(below, x509.ExtKeyUsageAny, at) == nil {
		return nil
	}
	return verifyAltered(append(slices.Clone(below), relax(anchor)), x509.ExtKeyUsageAny, at)
}

// mayPart reports whether crypto/x509 looks at the last of these certificates no less closely where it is the anchor of
// the others: there it need not say that it is a CA, and its policies do not count.
func mayPart(below []*x509.Certificate, anchor *x509.Certificate) bool {
	last := below[len(below)-1]
	return len(below) > 1 && last.BasicConstraintsValid && last.IsCA && string(last.RawIssuer) == string(anchor.RawSubject) &&
		!slices.ContainsFunc(below, func(c *x509.Certificate) bool {
			return sameSubjectAndKey(c, anchor) || c.RequireExplicitPolicy > 0 || c.RequireExplicitPolicyZero
		})
}

// collapse leaves out a CA that is followed by another certificate for its name and
// key, as when a server sends its root and the cross certificate after it:
// crypto/x509 takes them for a loop, Java walks over both.
func collapse(path []*x509.Certificate, at time.Time) ([]*x509.Certificate, error) {
	out := path[:1:1]
	for i, c := range path[1:] {
		if i+2 == len(path) || !sameSubjectAndKey(c, path[i+2]) {
			out = append(out, c)
			continue
		}
		if !validAt(c, at) {
			return nil, x509.CertificateInvalidError{Cert: c, Reason: x509.Expired}
		}
		if err := mayIssue(c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// relax is the anchor as Java sees it: it ignores the dates, pathLen, usages and name
// constraints of a trusted certificate ("For compatibility, conservatively…" in
// ForwardBuilder; FACTS: constraints on a root). Only for this package's own use:
// the copy's fields contradict its bytes.
func relax(anchor *x509.Certificate) *x509.Certificate {
	a := *anchor
	a.NotBefore = time.Time{}
	a.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	a.MaxPathLen, a.MaxPathLenZero = -1, false
	a.PermittedDNSDomains, a.ExcludedDNSDomains = nil, nil
	a.PermittedIPRanges, a.ExcludedIPRanges = nil, nil
	a.PermittedEmailAddresses, a.ExcludedEmailAddresses = nil, nil
	a.PermittedURIDomains, a.ExcludedURIDomains = nil, nil
	a.UnhandledCriticalExtensions = nil
	return &a
}

// checkCommonNames holds each CA's constraints against the common names below it, as
// Java does where a certificate has no SAN of that kind; crypto/x509 looks at SANs only.
func checkCommonNames(path []*x509.Certificate) error {
	for i, ca := range path {
		for _, c := range path[:i] {
			if string(c.RawSubject) == string(c.RawIssuer) {
				continue
			}
			cn := c.Subject.CommonName
			if strings.Contains(cn, "_") {
				continue // no name to Java
			}
			dns, ips := namesToConstrain(cn, c.DNSNames, addresses(c))
			if err := CheckConstraints(ca, dns, ips); err != nil {
				return err
			}
		}
	}
	return nil
}

func addresses(c *x509.Certificate) []netip.Addr {
	var out []netip.Addr
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, a.Unmap())
		}
	}
	return out
}
