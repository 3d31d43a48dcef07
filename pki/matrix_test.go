package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"
)

type certs = []*x509.Certificate

// A verdict is one question to a client: does it accept this chain with these anchors?
type verdict struct {
	name    string
	chain   certs
	anchors certs
	client  bool   // a client's certificate, judged by a server
	host    string // "" = no name check
	// strict: VerifyChain may refuse what the client accepts. OpenSSL may go by the
	// order of its truststore; crypto/x509 is stricter about wildcards.
	strict bool
}

const svc = "my-ep-ibm-eventprocessing-svc"

// A world holds an authority in the middle of a rollover from G1 to G2.
type world struct {
	now                              time.Time
	from, to                         time.Time
	g1, g2, other, impostor          Issuer
	i1, i2, i2expired                Issuer
	l1, l2, l2expired, l2odd         *x509.Certificate
	cross, crossExpired, crossFuture *x509.Certificate
}

func newWorld(now time.Time) world {
	w := world{now: now, from: now.Add(-time.Hour), to: now.Add(300 * day)}
	w.g1 = makeRoot("acme CA", now.Add(-9*year), now.Add(year))
	w.g2 = makeRoot("acme CA G2", now.Add(-30*day), now.Add(10*year))
	w.other = makeRoot("other CA", w.from, now.Add(10*year))
	w.impostor = makeRoot("acme CA G2", w.from, now.Add(10*year))
	c := NamespaceConstraints("prod", "cluster.local", "apps.x.com", []string{svc})
	w.i1 = makeIntermediate(w.g1, "acme prod", &c, w.from, w.to)
	w.i2 = makeIntermediate(w.g2, "acme prod G2", &c, now.Add(-9*day), w.to)
	w.i2expired = Issuer{Key: w.i2.Key, Certificate: must(NewIntermediate(w.g2, IntermediateRequest{
		Subject: Subject{CommonName: "acme prod G2"}, Key: w.i2.Key,
		NotBefore: now.Add(-9 * day), NotAfter: now.Add(-day), Constraints: &c}))}
	w.l1 = w.leaf(w.i1, w.from, w.to)
	w.l2 = w.leaf(w.i2, w.from, w.to)
	w.l2expired = w.leaf(w.i2, now.Add(-9*day), now.Add(-day))
	w.l2odd = handmade(w.i2, svc, w.from, w.to, func(c *x509.Certificate) {
		c.DNSNames, c.KeyUsage = []string{svc, "somewhere.else"}, x509.KeyUsageDigitalSignature
	}).Certificate
	w.cross = must(CrossSign(w.g1, w.g2.Certificate, w.from))
	w.crossExpired = w.crossWith(now.Add(-day))
	w.crossFuture = must(CrossSign(w.g1, w.g2.Certificate, now.Add(30*day)))
	return w
}

func (w world) leaf(issuer Issuer, from, to time.Time) *x509.Certificate {
	return must(NewLeaf(issuer, LeafRequest{
		CommonName: svc, Subject: Subject{Organization: "Acme", EmailAddress: "pki@example.com"},
		DNSNames: []string{svc, svc + ".prod", svc + ".prod.svc", svc + ".prod.svc.cluster.local", "*.apps.x.com"},
		Server:   true, Client: true, Key: ecKey(), NotBefore: from, NotAfter: to,
	}))
}

// crossWith makes a cross certificate with another end, as an older one would have.
func (w world) crossWith(end time.Time) *x509.Certificate {
	return handmadeFor(w.g1, w.g2.Key, "", end.Add(-year), end, func(c *x509.Certificate) {
		c.RawSubject, c.SubjectKeyId = w.g2.Certificate.RawSubject, w.g2.Certificate.SubjectKeyId
		c.IsCA, c.KeyUsage, c.EmailAddresses = true, caUsage, w.g2.Certificate.EmailAddresses
	}).Certificate
}

// rollover is every presented chain against every truststore that a rollover, a
// mistake in one, or a user's idea of a truststore may bring together.
func (w world) rollover() []verdict {
	i1, i2, g1, g2 := w.i1.Certificate, w.i2.Certificate, w.g1.Certificate, w.g2.Certificate
	chains := []struct {
		name  string
		chain certs
	}{
		{"g1", certs{w.l1, i1}},
		{"g1+root", certs{w.l1, i1, g1}},
		{"g2", certs{w.l2, i2}},
		{"g2+root", certs{w.l2, i2, g2}},
		{"g2+cross", certs{w.l2, i2, w.cross}},
		{"g2+cross+root", certs{w.l2, i2, w.cross, g1}},
		{"g2+root+cross", certs{w.l2, i2, g2, w.cross}},
		{"g2+crossExpired", certs{w.l2, i2, w.crossExpired}},
		{"g2+crossFuture", certs{w.l2, i2, w.crossFuture}},
		{"g2+crossExpired+cross", certs{w.l2, i2, w.crossExpired, w.cross}},
		{"unordered", certs{w.l2, w.cross, i2}},
		{"unrelated", certs{w.l2, i2, w.other.Certificate}},
		{"unrelatedFirst", certs{w.l2, w.other.Certificate, i2}},
		{"leafOnly", certs{w.l2}},
		{"leafExpired", certs{w.l2expired, i2, w.cross}},
		{"intermediateExpired", certs{w.l2, w.i2expired.Certificate, w.cross}},
		{"bothIntermediates", certs{w.l2, w.i2expired.Certificate, i2}},
		{"wrongIntermediate", certs{w.l2, i1}},
		{"oddNames", certs{w.l2odd, i2}},
		{"repeated", certs{w.l2, i2, i2}},
	}
	anchors := []struct {
		name      string
		anchors   certs
		ambiguous bool
	}{
		{"G1", certs{g1}, false},
		{"G2", certs{g2}, false},
		{"G1+G2", certs{g1, g2}, false},
		{"other", certs{w.other.Certificate}, false},
		{"other+G1+G2", certs{w.other.Certificate, g1, g2}, false},
		{"impostor", certs{w.impostor.Certificate}, false},
		{"impostor+G2", certs{w.impostor.Certificate, g2}, false},
		{"impostor+G1", certs{w.impostor.Certificate, g1}, false},
		{"I2", certs{i2}, false},
		{"I2+G1", certs{i2, g1}, false},
		{"I2+G2", certs{i2, g2}, false},
		{"I2expired", certs{w.i2expired.Certificate}, false},
		{"I2expired+I2+G2", certs{w.i2expired.Certificate, i2, g2}, false},
		{"cross", certs{w.cross}, false},
		{"cross+G1", certs{w.cross, g1}, false},
		{"cross+G2", certs{w.cross, g2}, true},
		{"crossExpired+G1", certs{w.crossExpired, g1}, false},
		{"crossExpired+G2", certs{w.crossExpired, g2}, false},
		{"crossExpired+cross+G1", certs{w.crossExpired, w.cross, g1}, false},
		{"leaf", certs{w.l2}, false},
		{"leaf+G1", certs{w.l2, g1}, false},
		{"leafExpired", certs{w.l2expired}, false},
	}
	var out []verdict
	for _, c := range chains {
		for _, a := range anchors {
			out = append(out, verdict{name: "rollover/" + c.name + "/" + a.name, chain: c.chain, anchors: a.anchors, strict: a.ambiguous})
		}
	}
	return out
}

func caOf(edit func(*x509.Certificate)) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage = true, caUsage
		if edit != nil {
			edit(c)
		}
	}
}

func serverOf(edit func(*x509.Certificate)) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.DNSNames, c.KeyUsage = []string{svc}, x509.KeyUsageDigitalSignature
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if edit != nil {
			edit(c)
		}
	}
}

// users are authorities as users and databases bring them.
func (w world) users() []verdict {
	var out []verdict
	add := func(name string, anchors certs, chain ...*x509.Certificate) {
		out = append(out, verdict{name: "user/" + name, chain: chain, anchors: anchors})
	}
	ca := func(parent Issuer, cn string, edit func(*x509.Certificate)) Issuer {
		return handmade(parent, cn, w.from, w.to, caOf(edit))
	}
	server := func(parent Issuer, edit func(*x509.Certificate)) *x509.Certificate {
		return handmade(parent, svc, w.from, w.to, serverOf(edit)).Certificate
	}
	root := ca(Issuer{}, "user root", nil)
	add("rootSigned", certs{root.Certificate}, server(root, nil))

	// Roots whose own fields speak against the chain.
	old := handmade(Issuer{}, "old root", w.now.Add(-3*year), w.now.Add(-day), caOf(nil))
	add("expiredRoot", certs{old.Certificate}, server(old, nil))
	p0 := ca(Issuer{}, "root pathLen 0", func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	p0sub := ca(p0, "below pathLen 0", nil)
	add("rootPathLen0", certs{p0.Certificate}, server(p0, nil))
	add("rootPathLen0+intermediate", certs{p0.Certificate}, server(p0sub, nil), p0sub.Certificate)
	p1 := ca(Issuer{}, "root pathLen 1", func(c *x509.Certificate) { c.MaxPathLen = 1 })
	p1sub := ca(p1, "below pathLen 1", nil)
	p1subsub := ca(p1sub, "two below pathLen 1", nil)
	add("rootPathLen1+2", certs{p1.Certificate}, server(p1subsub, nil), p1subsub.Certificate, p1sub.Certificate)
	subP0 := ca(root, "sub pathLen 0", func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	subsubP0 := ca(subP0, "below sub pathLen 0", nil)
	add("subPathLen0", certs{root.Certificate}, server(subsubP0, nil), subsubP0.Certificate, subP0.Certificate)
	narrow := ca(Issuer{}, "narrow root", func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"only.example"}, true
	})
	add("rootConstraints", certs{narrow.Certificate}, server(narrow, nil))
	clientRoot := ca(Issuer{}, "client root", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	add("rootClientOnly", certs{clientRoot.Certificate}, server(clientRoot, nil))
	noSign := handmade(Issuer{}, "root that may not sign", w.from, w.to, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageDigitalSignature
	})
	add("rootNoCertSign", certs{noSign.Certificate}, server(noSign, nil))

	out = append(out, w.unordered(out)...)

	// Intermediates.
	sub := ca(root, "user sub", nil)
	add("sub", certs{root.Certificate}, server(sub, nil), sub.Certificate)
	add("subAlone", certs{sub.Certificate}, server(sub, nil))
	add("subAlone+sent", certs{sub.Certificate}, server(sub, nil), sub.Certificate)
	add("subAlone+rootSent", certs{sub.Certificate}, server(sub, nil), sub.Certificate, root.Certificate)
	clientSub := ca(root, "client sub", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	add("subClientOnly", certs{root.Certificate}, server(clientSub, nil), clientSub.Certificate)
	subNoSign := handmade(root, "sub that may not sign", w.from, w.to, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageDigitalSignature
	})
	add("subNoCertSign", certs{root.Certificate}, server(subNoSign, nil), subNoSign.Certificate)
	notCA := handmade(root, "sub without CA", w.from, w.to, serverOf(nil))
	add("subNotCA", certs{root.Certificate}, server(notCA, nil), notCA.Certificate)

	out = append(out, w.identifiers(root)...)
	out = append(out, w.usages(root)...)
	return append(out, w.constrained(root)...)
}

// unordered are the same with a stray certificate in between, which makes Java build
// a path instead of validating the one presented.
func (w world) unordered(in []verdict) []verdict {
	var out []verdict
	for _, v := range in {
		v.name += "/unordered"
		v.chain = append(certs{v.chain[0], w.other.Certificate}, v.chain[1:]...)
		out = append(out, v)
	}
	return out
}

// identifiers: roots made again, and two of one name.
func (w world) identifiers(root Issuer) []verdict {
	var out []verdict
	add := func(name string, anchors certs, ambiguous bool, chain ...*x509.Certificate) {
		out = append(out, verdict{name: "identifiers/" + name, chain: chain, anchors: anchors, strict: ambiguous})
	}
	leaf := handmade(root, svc, w.from, w.to, serverOf(nil)).Certificate
	again := handmadeFor(Issuer{}, root.Key, "user root", w.from, w.to, caOf(nil))
	add("sameKeyAgain", certs{again.Certificate}, false, leaf)
	add("sameKeyTwice", certs{again.Certificate, root.Certificate}, false, leaf)
	otherSKI := handmadeFor(Issuer{}, root.Key, "user root", w.from, w.to, caOf(func(c *x509.Certificate) { c.SubjectKeyId = []byte("another identifier") }))
	add("sameKeyOtherSKI", certs{otherSKI.Certificate}, false, leaf)
	add("sameKeyOtherSKI+first", certs{otherSKI.Certificate, root.Certificate}, false, leaf)

	withSerial := handmade(root, svc, w.from, w.to, serverOf(func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{akiWithSerial(root.Certificate)} })).Certificate
	add("serialInAKI", certs{root.Certificate}, false, withSerial)
	add("serialInAKI/again", certs{again.Certificate}, false, withSerial)

	// Without identifiers OpenSSL cannot tell two CAs of one name apart: FACTS section 4.
	plainCA := func() Issuer {
		return handmade(Issuer{}, "plain root", w.from, w.to, caOf(func(c *x509.Certificate) {
			// A self-signed template without an SKI gets one from crypto/x509 unless it is no CA;
			// an identifier that nobody refers to comes to the same.
			c.SubjectKeyId = nil
		}))
	}
	a, b := plainCA(), plainCA()
	noAKI := handmade(Issuer{Certificate: withoutSKI(a.Certificate), Key: a.Key}, svc, w.from, w.to, serverOf(nil)).Certificate
	add("noAKI", certs{a.Certificate}, false, noAKI)
	add("noAKI/wrong", certs{b.Certificate}, false, noAKI)
	add("noAKI/both", certs{a.Certificate, b.Certificate}, true, noAKI)
	add("noAKI/both/otherOrder", certs{b.Certificate, a.Certificate}, true, noAKI)

	self := handmade(Issuer{}, svc, w.from, w.to, serverOf(nil)).Certificate
	selfOld := handmade(Issuer{}, svc, w.now.Add(-year), w.now.Add(-day), serverOf(nil)).Certificate
	selfCA := handmade(Issuer{}, svc, w.from, w.to, serverOf(caOf(nil))).Certificate
	add("selfSigned", certs{self}, false, self)
	add("selfSigned/other", certs{root.Certificate}, false, self)
	add("selfSigned/expired", certs{selfOld}, false, selfOld)
	add("selfSigned/sameName", certs{self}, false, selfOld)
	add("selfSignedCA", certs{selfCA}, false, selfCA)
	twin := handmade(Issuer{}, svc, w.from, w.to, serverOf(nil)).Certificate
	add("selfSigned/twin", certs{twin}, false, self)
	add("selfSigned/twin+itself", certs{twin, self}, true, self)
	return out
}

func withoutSKI(c *x509.Certificate) *x509.Certificate {
	seen := *c
	seen.SubjectKeyId = nil
	return &seen
}

// akiWithSerial is openssl's authorityKeyIdentifier=keyid,issuer:always.
func akiWithSerial(ca *x509.Certificate) pkix.Extension {
	var issuer asn1.RawValue
	must(asn1.Unmarshal(ca.RawIssuer, &issuer))
	dirName := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: ca.RawIssuer}
	value := must(asn1.Marshal(struct {
		KeyID  []byte          `asn1:"tag:0"`
		Issuer []asn1.RawValue `asn1:"tag:1"`
		Serial *big.Int        `asn1:"tag:2"`
	}{ca.SubjectKeyId, []asn1.RawValue{dirName}, ca.SerialNumber}))
	return pkix.Extension{Id: oidAuthorityKeyID, Value: value}
}

// usages: what leaves say of themselves.
func (w world) usages(root Issuer) []verdict {
	var out []verdict
	for _, u := range []struct {
		name string
		ku   x509.KeyUsage
		eku  []x509.ExtKeyUsage
	}{
		{"none", 0, nil},
		{"server", x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
		{"client", x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
		{"any", x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageAny}},
		{"email", x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}},
		{"encipherment", x509.KeyUsageKeyEncipherment, nil},
		{"both", x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, nil},
		{"agreement", x509.KeyUsageKeyAgreement, nil},
		{"certSign", x509.KeyUsageCertSign, nil},
	} {
		edit := func(c *x509.Certificate) { c.DNSNames, c.KeyUsage, c.ExtKeyUsage = []string{svc}, u.ku, u.eku }
		ec := handmade(root, svc, w.from, w.to, edit).Certificate
		rsa := handmadeFor(root, rsa2048(), svc, w.from, w.to, edit).Certificate
		for _, client := range []bool{false, true} {
			anchors := certs{root.Certificate}
			out = append(out,
				verdict{name: fmt.Sprintf("usage/ECDSA/%s/client=%v", u.name, client), chain: certs{ec}, anchors: anchors, client: client},
				verdict{name: fmt.Sprintf("usage/RSA/%s/client=%v", u.name, client), chain: certs{rsa}, anchors: anchors, client: client})
		}
	}
	return out
}

// constrained: what leaves under a constrained intermediate may be called.
func (w world) constrained(root Issuer) []verdict {
	permitted := &Constraints{PermittedDNS: []string{"prod", "prod.svc", "apps.x.com", svc}}
	withIP := &Constraints{PermittedDNS: []string{"prod"}, PermittedIPs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	subs := map[string]Issuer{
		"noIP":   makeIntermediate(root, "constrained", permitted, w.from, w.to),
		"someIP": makeIntermediate(root, "constrained with IP", withIP, w.from, w.to),
		"excluded": handmade(root, "excluding", w.from, w.to, caOf(func(c *x509.Certificate) {
			c.ExcludedDNSDomains, c.PermittedDNSDomainsCritical = []string{"prod", "a.apps.x.com"}, true
		})),
	}
	var out []verdict
	for sub, issuer := range subs {
		for _, n := range []struct {
			name, cn string
			dns      []string
			ips      []net.IP
		}{
			{"inside", "x", []string{"a.prod", "prod"}, nil},
			{"upper", "x", []string{"A.PROD"}, nil},
			{"deep", "x", []string{"a.b.c.prod"}, nil},
			{"suffixOnly", "x", []string{"notprod"}, nil},
			{"outside", "x", []string{"a.prod", "b.dev"}, nil},
			{"wildcard", "x", []string{"*.apps.x.com"}, nil},
			{"wildcardOver", "x", []string{"*.x.com"}, nil},
			{"ipv4", "x", []string{"a.prod"}, []net.IP{net.IPv4(10, 1, 2, 3).To4()}},
			{"ipv4other", "x", []string{"a.prod"}, []net.IP{net.IPv4(10, 2, 2, 3).To4()}},
			{"ipv6", "x", []string{"a.prod"}, []net.IP{net.ParseIP("fd00::1")}},
			{"cnHost", "a.dev", nil, nil},
			{"cnInside", "a.prod", nil, nil},
			{"cnLabel", "flink-client", nil, nil},
			{"cnWords", "Flink client", nil, nil},
			{"cnBesideSAN", "a.dev", []string{"a.prod"}, nil},
			{"cnIP", "10.9.9.9", nil, nil},
			{"cnIPBesideSAN", "10.9.9.9", []string{"a.prod"}, nil},
			{"cnUnderscore", "flink_client", nil, nil},
			{"cnUnderscoreHost", "flink_client.dev", nil, nil},
		} {
			leaf := handmade(issuer, n.cn, w.from, w.to, func(c *x509.Certificate) {
				c.DNSNames, c.IPAddresses, c.KeyUsage = n.dns, n.ips, x509.KeyUsageDigitalSignature
			}).Certificate
			out = append(out, verdict{
				name:  fmt.Sprintf("constrained/%s/%s", sub, n.name),
				chain: certs{leaf, issuer.Certificate}, anchors: certs{root.Certificate},
				strict: sub == "excluded" && n.name == "wildcard",
			})
		}
	}
	return out
}

// hosts: names that certificates hold against names that clients dial.
func (w world) hosts() []verdict {
	root := makeRoot("host root", w.from, w.to)
	leaf := handmade(root, "in-cn.example.com", w.from, w.to, func(c *x509.Certificate) {
		c.DNSNames = []string{"my-ep-svc", "my-ep-svc.prod.svc", "*.apps.x.com", "*.local", "UPPER.example.com"}
		c.IPAddresses = []net.IP{net.IPv4(10, 1, 2, 3).To4(), net.ParseIP("fd00::1")}
		c.KeyUsage = x509.KeyUsageDigitalSignature
	}).Certificate
	var out []verdict
	for _, host := range []string{
		"my-ep-svc", "MY-EP-SVC", "my-ep-svc.prod.svc", "my-ep-svc.prod", "other",
		"a.apps.x.com", "a.b.apps.x.com", "apps.x.com", "a.local", "upper.example.com",
		"in-cn.example.com", "10.1.2.3", "10.1.2.4", "fd00::1", "fd00::2",
	} {
		out = append(out, verdict{name: "host/" + host, chain: certs{leaf}, anchors: certs{root.Certificate}, host: host})
	}
	return out
}

func (w world) all() []verdict {
	var out []verdict
	for _, part := range [][]verdict{w.rollover(), w.users(), w.hosts()} {
		out = append(out, part...)
	}
	return out
}

func (v verdict) ask(p Profile, at time.Time) error {
	if v.client {
		p.Usage = x509.ExtKeyUsageClientAuth
	}
	return VerifyChain(p, v.chain, v.anchors, v.host, at)
}

// report prints one summary of a comparison, with the cases that differ.
func report(t *testing.T, client string, all []verdict, real map[string]string, p Profile, at time.Time) {
	t.Helper()
	accepted := 0
	for _, v := range all {
		err := v.ask(p, at)
		why, refused := real[v.name]
		if err == nil {
			accepted++
		}
		if (err == nil) == !refused || v.strict && err != nil {
			continue
		}
		if refused {
			t.Errorf("%s: %s refuses (%s), VerifyChain accepts", v.name, client, why)
		} else {
			t.Errorf("%s: %s accepts, VerifyChain refuses: %v", v.name, client, err)
		}
	}
	t.Logf("%s: %d cases, %d accepted", client, len(all), accepted)
	if accepted < len(all)/10 || accepted > len(all)*9/10 {
		t.Errorf("%d of %d accepted: the matrix does not tell much", accepted, len(all))
	}
}
