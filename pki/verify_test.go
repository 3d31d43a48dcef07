package pki

import (
	"crypto/x509"
	"fmt"
	"testing"
	"time"
)

func TestVerifyChainErrors(t *testing.T) {
	w := newWorld(start)
	g1, g2, i2 := w.g1.Certificate, w.g2.Certificate, w.i2.Certificate
	old := handmade(Issuer{}, "old root", start.Add(-3*year), start.Add(-day), caOf(nil))
	underOld := handmade(old, "leaf", start.Add(-2*day), start.Add(day), serverOf(nil)).Certificate
	noEncipherment := handmadeFor(w.i2, rsa2048(), svc, w.from, w.to, serverOf(nil)).Certificate
	notCA := handmade(Issuer{}, "no CA", w.from, w.to, serverOf(nil))
	underNotCA := handmade(notCA, "leaf", w.from, w.to, serverOf(nil)).Certificate
	many := make(certs, maxChain+1)
	for i := range many {
		many[i] = w.l2
	}
	for _, c := range []struct {
		name    string
		profile Profile
		chain   certs
		anchors certs
		host    string
		want    string
	}{
		{"empty chain", Go(), nil, certs{g2}, "", "no certificate is presented"},
		{"nil in the chain", Go(), certs{w.l2, nil}, certs{g2}, "", "a certificate is missing"},
		{"nil anchor", Go(), certs{w.l2}, certs{nil}, "", "a certificate is missing"},
		{"endless chain", OpenSSL(), many, certs{g2}, "", "at most 100 are looked at"},
		{"endless chain, JVM", JVM(), many[:11], certs{g2}, "", "a JVM takes at most 10"},
		{"no anchors", JVM(), certs{w.l2, i2}, nil, "", `no anchor verifies "my-ep-ibm-eventprocessing-svc": its issuer "acme CA G2" is not among`},
		{"name", Go(), certs{w.l2, i2}, certs{g2}, "other", `the certificate of "my-ep-ibm-eventprocessing-svc" is not for "other"`},
		{"address", Go(), certs{w.l2, i2}, certs{g2}, "10.0.0.1", `is not for "10.0.0.1"`},
		{"right name", Go(), certs{w.l2, i2}, certs{g2}, svc + ".prod.svc", ""},
		{"old root alone", Go(), certs{w.l2, i2}, certs{g1}, "", `its issuer "acme CA G2" is not among the trusted certificates`},
		{"leaf alone", OpenSSL(), certs{w.l2}, certs{g2}, "", `its issuer "acme prod G2" is not among`},
		{"impostor", Go(), certs{w.l2, i2}, certs{w.impostor.Certificate}, "", `the trusted "acme CA G2" did not sign "acme prod G2", it has another key`},
		{"impostor, JVM", JVM(), certs{w.l2, i2}, certs{w.impostor.Certificate}, "", `it has another key`},
		{"impostor, OpenSSL", OpenSSL(), certs{w.l2, i2}, certs{w.impostor.Certificate}, "", `it has another key`},
		{"own root sent, not trusted", OpenSSL(), certs{w.l2, i2, g2}, certs{g1}, "", `"acme CA G2" is not among the trusted certificates`},
		{"anchor is no CA", JVM(), certs{underNotCA}, certs{notCA.Certificate}, "", `"no CA" is not a CA`},
		{"anchor is no CA, OpenSSL", OpenSSL(), certs{underNotCA}, certs{notCA.Certificate}, "", `"no CA" is not a CA`},
		{"leaf expired", JVM(), certs{w.l2expired, i2}, certs{g2}, "", `"my-ep-ibm-eventprocessing-svc" expired on 2026-02-28T12:00:00Z`},
		{"intermediate expired", OpenSSL(), certs{w.l2, w.i2expired.Certificate}, certs{g2}, "", `"acme prod G2" expired on`},
		{"cross expired", OpenSSL(), certs{w.l2, i2, w.crossExpired}, certs{g1}, "", `expired on`},
		{"cross not yet valid", JVM(), certs{w.l2, i2, w.crossFuture}, certs{g1}, "", `"acme CA G2" is not valid before 2026-03-31`},
		{"root expired", Go(), certs{underOld}, certs{old.Certificate}, "", `"old root" expired on`},
		{"root expired, JVM", JVM(), certs{underOld}, certs{old.Certificate}, "", ""},
		{"too deep", Nginx(), certs{w.l2, i2, w.cross}, certs{g1}, "", `2 intermediates up to "acme CA", nginx takes at most 1`},
		{"not too deep", Nginx(), certs{w.l2, i2, w.cross}, certs{g1, g2}, "", ""},
		{"no intermediate allowed", Profile{MaxIntermediates: -1}, certs{w.l2, i2}, certs{g2}, "", "1 intermediates up to \"acme CA G2\", the client takes at most 0"},
		{"partial", OpenSSL(), certs{w.l2, i2}, certs{i2}, "", `the path ends in "acme prod G2", which is not self-signed; OpenSSL wants the root`},
		{"partial, any path", Profile{NoPartialChains: true}, certs{w.l2, i2}, certs{i2}, "", "which is not self-signed"},
		{"partial with its root", Profile{NoPartialChains: true}, certs{w.l2}, certs{i2, g2}, "", ""},
		{"partial, Go", Go(), certs{w.l2}, certs{i2}, "", ""},
		{"constraints", JVM(), certs{w.l2odd, i2}, certs{g2}, "", `has a name that a CA above it may not sign: DNS name "somewhere.else"`},
		{"usage", Profile{Usage: x509.ExtKeyUsageCodeSigning}, certs{w.l2, i2}, certs{g2}, "", "is not for this use"},
		{"usage, JVM", Profile{JVM: true, Usage: x509.ExtKeyUsageCodeSigning}, certs{w.l2, i2}, certs{g2}, "", "extended key usage"},
		{"key usage, JVM", JVM(), certs{noEncipherment, i2}, certs{g2}, "", "lacks digitalSignature or keyEncipherment"},
		{"key usage, OpenSSL", OpenSSL(), certs{noEncipherment, i2}, certs{g2}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, VerifyChain(c.profile, c.chain, c.anchors, c.host, start), c.want)
		})
	}
	wantError(t, VerifyChain(Go(), certs{w.l2}, certs{g2}, "", time.Time{}), "no time")
}

// A chain too large for Java's handshake is refused although its trust manager would
// take it: FACTS section 4, 700 names.
func TestVerifyChainTooLargeForJVM(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	for n, want := range map[int]string{500: "", 4000: "a JVM takes at most 32768"} {
		leaf := handmade(root, "leaf", start, start.Add(year), serverOf(func(c *x509.Certificate) {
			for i := range n {
				c.DNSNames = append(c.DNSNames, fmt.Sprintf("name-%d", i))
			}
		})).Certificate
		wantError(t, VerifyChain(JVM(), certs{leaf}, certs{root.Certificate}, "", start), want)
	}
}

func TestVerifyUntil(t *testing.T) {
	w := newWorld(start)
	g1, g2, i2 := w.g1.Certificate, w.g2.Certificate, w.i2.Certificate
	soon := w.crossWith(start.Add(20 * day))
	end := w.l2.NotAfter
	for _, c := range []struct {
		name        string
		chain       certs
		anchors     certs
		from, until time.Time
		want        string
	}{
		{"plain", certs{w.l2, i2}, certs{g2}, start, end, ""},
		{"to the last second", certs{w.l2, i2}, certs{g2}, start, end.Add(time.Second), "expired on"},
		{"one instant", certs{w.l2, i2}, certs{g2}, start, start, ""},
		{"backwards", certs{w.l2, i2}, certs{g2}, end, start, "ends"},
		{"before the leaf begins", certs{w.l2, i2}, certs{g2}, w.l2.NotBefore.Add(-time.Second), end, `"my-ep-ibm-eventprocessing-svc" is not valid before`},
		{"cross for long enough", certs{w.l2, i2, w.cross}, certs{g1}, start, end, ""},
		{"cross expires", certs{w.l2, i2, soon}, certs{g1}, start, end, `from 2026-03-21T12:00:00Z on: "acme CA G2" expired`},
		{"cross expires later", certs{w.l2, i2, soon}, certs{g1}, start, start.Add(20 * day), ""},
		{"cross expires beside the new root", certs{w.l2, i2, soon}, certs{g1, g2}, start, end, ""},
		{"cross begins later", certs{w.l2, i2, w.crossFuture}, certs{g1}, start.Add(31 * day), end, ""},
		{"a gap", certs{w.l2, i2, soon, w.crossFuture}, certs{g1}, start, end, "from 2026-03-21"},
		{"the old root ends", certs{w.l1, w.i1.Certificate}, certs{g1}, start, end, ""},
		{"rejected from the start", certs{w.l2, i2}, certs{w.other.Certificate}, start, end, "no anchor verifies"},
	} {
		for _, p := range []Profile{JVM(), OpenSSL(), Go()} {
			t.Run(c.name+"/"+p.Name, func(t *testing.T) {
				wantError(t, VerifyUntil(p, c.chain, c.anchors, "", c.from, c.until), c.want)
			})
		}
	}
}

// VerifyUntil agrees with VerifyChain at many instants in between.
func TestVerifyUntilHoldsInBetween(t *testing.T) {
	w := newWorld(start)
	from, until, step := start.Add(-2*day), start.Add(400*day), 134*day
	all := w.rollover()
	for i, p := range []Profile{JVM(), OpenSSL(), Go()} {
		for n := i; n < len(all); n += 5 { // the cases of each are many, and alike
			v := all[n]
			for span := from; span.Before(until); span = span.Add(step) {
				whole := VerifyUntil(p, v.chain, v.anchors, "", span, span.Add(step))
				var failed error
				for at := span; !at.After(span.Add(step)); at = at.Add(15*day + 7*time.Hour) {
					if err := VerifyChain(p, v.chain, v.anchors, "", at); err != nil {
						failed = err
					}
				}
				if whole == nil && failed != nil {
					t.Errorf("%s %s from %s: accepted for good, but %v", p.Name, v.name, span, failed)
				}
			}
		}
	}
}

// Many public CAs in the truststore must not slow every verification down, nor count
// as changes.
func TestVerifyUntilIgnoresOtherAnchors(t *testing.T) {
	w := newWorld(start)
	anchors := certs{w.g2.Certificate}
	for i := range 50 {
		anchors = append(anchors, makeRoot(fmt.Sprintf("public %d", i), start, start.Add(time.Duration(i+1)*day)).Certificate)
	}
	chain := certs{w.l2, w.i2.Certificate}
	if got := relevant(chain, anchors); len(got) != 1 || got[0] != w.g2.Certificate {
		t.Errorf("%d anchors are relevant, want 1", len(got))
	}
	if err := VerifyUntil(JVM(), chain, anchors, "", start, w.l2.NotAfter); err != nil {
		t.Error(err)
	}
}

// Subordinate CAs of one subject that sign one another cost bounded work.
func TestVerifyOpenSSLIsBounded(t *testing.T) {
	key := ecKey()
	root := makeRoot("root", start, start.Add(year))
	var ring certs
	for i := range 30 {
		ring = append(ring, handmadeFor(Issuer{Certificate: withSubject(root.Certificate, "ring"), Key: root.Key}, key, "ring",
			start, start.Add(time.Duration(i+2)*day), caOf(func(c *x509.Certificate) { c.SubjectKeyId = root.Certificate.SubjectKeyId })).Certificate)
	}
	leaf := handmade(Issuer{Certificate: ring[0], Key: key}, "leaf", start, start.Add(day), serverOf(nil)).Certificate
	done := make(chan error, 1)
	go func() { done <- VerifyChain(OpenSSL(), append(certs{leaf}, ring...), ring, "", start) }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("accepted a ring")
		}
	case <-time.After(time.Minute):
		t.Fatal("does not end")
	}
}

func withSubject(c *x509.Certificate, cn string) *x509.Certificate {
	seen := *c
	seen.RawSubject = nil
	seen.Subject.CommonName, seen.Subject.Names = cn, nil
	seen.Subject.Organization = nil
	return &seen
}
