package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// forget empties what is remembered.
func forget() { paths.known, signatures.known = nil, nil }

// TestRememberedChangesNoVerdict: every question of the matrix has the same answer, word for word, whatever was asked
// before it.
func TestRememberedChangesNoVerdict(t *testing.T) {
	questions := newWorld(start).all() // made once: a certificate that is made again is another one
	profiles := []Profile{JVM(), OpenSSL(), Go(), {Usage: x509.ExtKeyUsageClientAuth}}
	times := []time.Time{start, start.Add(-8 * day), start.Add(year)}
	ask := func(before func()) (answers []string) {
		for _, v := range questions {
			for _, p := range profiles {
				for _, at := range times {
					before()
					answers = append(answers, fmt.Sprintf("%s, %s at %s: %v", v.name, p.Name, stamp(at), VerifyChain(p, v.chain, v.anchors, v.host, at)))
				}
			}
		}
		return answers
	}
	afresh := ask(forget)
	ask(func() {}) // all that can be remembered is now
	for i, got := range ask(func() {}) {
		if got != afresh[i] {
			t.Errorf("remembered: %s\n    afresh: %s", got, afresh[i])
		}
	}
}

// TestProvenPath: a path is remembered, and another one is not.
func TestProvenPath(t *testing.T) {
	w := newWorld(start)
	forget()
	path, end := certs{w.l2, w.i2.Certificate}, w.l2.NotAfter
	if provenPath(path, x509.ExtKeyUsageAny, start) {
		t.Fatal("proven before it was looked at")
	}
	wantError(t, VerifyChain(JVM(), path, certs{w.g2.Certificate}, "", start), "")
	damaged := *w.l2
	damaged.Raw = slices.Clone(w.l2.Raw)
	damaged.Raw[len(damaged.Raw)-1] ^= 1
	for _, c := range []struct {
		name  string
		path  certs
		usage x509.ExtKeyUsage
		at    time.Time
		want  bool
	}{
		{"the same", path, x509.ExtKeyUsageAny, start, true},
		{"to its end", path, x509.ExtKeyUsageAny, end, true},
		{"a usage that it has", path, x509.ExtKeyUsageServerAuth, start, true},
		{"a usage that it has not", path, x509.ExtKeyUsageCodeSigning, start, false},
		{"after its end", path, x509.ExtKeyUsageAny, end.Add(time.Second), false},
		{"before it began", path, x509.ExtKeyUsageAny, w.l2.NotBefore.Add(-time.Second), false},
		{"another leaf of the issuer", certs{w.l2odd, w.i2.Certificate}, x509.ExtKeyUsageAny, start, false},
		{"another issuer of the name and the key", certs{w.l2, w.i2expired.Certificate}, x509.ExtKeyUsageAny, start, false},
		{"another signature", certs{&damaged, w.i2.Certificate}, x509.ExtKeyUsageAny, start, false},
		{"upside down", certs{w.i2.Certificate, w.l2}, x509.ExtKeyUsageAny, start, false},
		{"longer", append(path, w.g2.Certificate), x509.ExtKeyUsageAny, start, false},
	} {
		if got := provenPath(c.path, c.usage, c.at); got != c.want {
			t.Errorf("%s: proven is %v", c.name, got)
		}
	}
}

// TestProvenSignatures: whoever asks for the signatures of a path that was verified does not have them verified again.
func TestProvenSignatures(t *testing.T) {
	w := newWorld(start)
	forget()
	wantError(t, VerifyChain(OpenSSL(), certs{w.l2, w.i2.Certificate}, certs{w.g2.Certificate}, "", start), "")
	for _, c := range []struct {
		name     string
		ca, cert *x509.Certificate
		want     bool
	}{
		{"leaf", w.i2.Certificate, w.l2, true},
		{"intermediate", w.g2.Certificate, w.i2.Certificate, true},
		{"not the next but one", w.g2.Certificate, w.l2, false},
		{"not the other way round", w.l2, w.i2.Certificate, false},
		{"not of an impostor", w.impostor.Certificate, w.i2.Certificate, false},
	} {
		if got := signatures.has(keyOf(c.cert, c.ca)); got != c.want {
			t.Errorf("%s: remembered is %v", c.name, got)
		}
	}
}

// TestRefusedTwice: a bad signature, and an impostor of the issuer's name, are refused although the good ones are
// remembered, and refused again.
func TestRefusedTwice(t *testing.T) {
	w := newWorld(start)
	der := slices.Clone(w.l2.Raw)
	der[len(der)-1] ^= 1
	damaged := must(x509.ParseCertificate(der))
	i2, g2 := w.i2.Certificate, w.g2.Certificate
	for _, p := range []Profile{JVM(), OpenSSL(), Go()} {
		wantError(t, VerifyChain(p, certs{w.l2, i2}, certs{g2}, "", start), "")
		for range 2 {
			wantError(t, VerifyChain(p, certs{damaged, i2}, certs{g2}, "", start), "no anchor verifies")
			wantError(t, VerifyChain(p, certs{w.l2, i2}, certs{w.impostor.Certificate}, "", start), "it has another key")
		}
	}
	for range 2 {
		for _, c := range []struct {
			name     string
			ca, cert *x509.Certificate
			want     bool
		}{
			{"the issuer", g2, i2, true},
			{"an impostor", w.impostor.Certificate, i2, false},
			{"a bad signature", i2, damaged, false},
			{"the other way round", i2, g2, false},
			{"its own", w.l2, w.l2, false},
		} {
			if got := Signed(c.ca, c.cert); got != c.want {
				t.Errorf("%s: signed is %v", c.name, got)
			}
		}
	}
}

// TestExpiredRoot: a JVM does not look at the dates of what it trusts; that it accepts a path is not remembered for
// clients that do.
func TestExpiredRoot(t *testing.T) {
	old := handmade(Issuer{}, "old root", start.Add(-3*year), start.Add(-day), caOf(nil))
	leaf := handmade(old, "leaf", start.Add(-2*day), start.Add(day), serverOf(nil)).Certificate
	exact := handmade(Issuer{}, "narrow root", start.Add(-day), start.Add(year), caOf(func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"elsewhere"}, true
	}))
	outside := handmade(exact, "leaf", start.Add(-day), start.Add(day), serverOf(nil)).Certificate
	for range 2 {
		wantError(t, VerifyChain(JVM(), certs{leaf}, certs{old.Certificate}, "", start), "")
		wantError(t, VerifyChain(Go(), certs{leaf}, certs{old.Certificate}, "", start), "expired")
		wantError(t, VerifyChain(OpenSSL(), certs{leaf}, certs{old.Certificate}, "", start), "expired")
		wantError(t, VerifyChain(JVM(), certs{outside}, certs{exact.Certificate}, "", start), "")
		wantError(t, VerifyChain(Go(), certs{outside}, certs{exact.Certificate}, "", start), "may not sign")
		wantError(t, VerifyChain(OpenSSL(), certs{outside}, certs{exact.Certificate}, "", start), "may not sign")
	}
}

// TestPartedPath: what crypto/x509 holds against an intermediate and not against an anchor is held against an
// intermediate, where the path is verified in two parts.
func TestPartedPath(t *testing.T) {
	root := makeRoot("root", start.Add(-day), start.Add(year))
	// requireExplicitPolicy 0 (RFC 5280 4.2.1.11): every certificate below has to name a policy, and the leaf names none.
	policies := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 36}, Critical: true, Value: []byte{0x30, 3, 0x80, 1, 0}}
	strict := handmade(root, "strict", start.Add(-day), start.Add(year), caOf(func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{policies} }))
	short := handmade(root, "short", start.Add(-day), start.Add(year), caOf(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }))
	below := handmade(short, "below", start.Add(-day), start.Add(year), caOf(nil))
	old := handmade(root, "version 1", start.Add(-day), start.Add(year), caOf(nil))
	leafOf := func(i Issuer) *x509.Certificate {
		return handmade(i, "leaf", start.Add(-day), start.Add(day), serverOf(nil)).Certificate
	}
	underOld := leafOf(old)
	version1 := *old.Certificate // crypto/x509 makes none
	version1.Version, version1.BasicConstraintsValid, version1.IsCA, version1.KeyUsage = 1, false, false, 0
	for range 2 {
		for _, c := range []struct {
			name  string
			chain certs
			want  string
		}{
			{"policies", certs{leafOf(strict), strict.Certificate}, "policies"},
			{"pathLen", certs{leafOf(below), below.Certificate, short.Certificate}, "pathLen"},
			{"version 1", certs{underOld, &version1}, `"version 1" is not a CA`},
			{"good", certs{leafOf(short), short.Certificate}, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				wantError(t, VerifyChain(JVM(), c.chain, certs{root.Certificate}, "", start), c.want)
			})
		}
	}
}

// TestProvenIsBounded: memory does not grow with the certificates, and many may ask at once.
func TestProvenIsBounded(t *testing.T) {
	var p proven
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := range maxProven {
				key := [32]byte{byte(part), byte(i), byte(i >> 8)}
				p.add(key)
				p.has(key)
			}
		})
	}
	all.Wait()
	if n := len(p.known); n > maxProven {
		t.Errorf("%d are remembered, at most %d should be", n, maxProven)
	}
	if last := [32]byte{9}; p.has(last) {
		t.Error("one was never added")
	} else if p.add(last); !p.has(last) {
		t.Error("the last one is forgotten")
	}
}
