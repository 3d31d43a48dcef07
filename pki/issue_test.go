package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"

	"github.com/google/go-cmp/cmp"
)

func TestNewRoot(t *testing.T) {
	key := ecKey()
	from := start.Add(123 * time.Millisecond).In(time.FixedZone("x", 3600))
	cert, err := NewRoot(RootRequest{Subject: Subject{CommonName: "acme CA"}, Key: key, NotBefore: from, NotAfter: start.Add(30 * year)})
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case !IsSelfSigned(cert), !SameKey(cert, key):
		t.Error("not signed with its own key")
	case cert.Version != 3, !cert.IsCA, !cert.BasicConstraintsValid, cert.MaxPathLen != -1, cert.KeyUsage != caUsage:
		t.Errorf("not a root: version %d, CA %v, pathLen %d, usage %b", cert.Version, cert.IsCA, cert.MaxPathLen, cert.KeyUsage)
	case len(cert.SubjectKeyId) != 20, !bytes.Equal(cert.SubjectKeyId, cert.AuthorityKeyId):
		t.Errorf("identifiers %x and %x", cert.SubjectKeyId, cert.AuthorityKeyId)
	case !cert.NotBefore.Equal(start), !cert.NotAfter.Equal(start.Add(30 * year)):
		t.Errorf("period %s to %s", cert.NotBefore, cert.NotAfter)
	case cert.SerialNumber.Sign() <= 0, cert.SerialNumber.BitLen() > 128, cert.SerialNumber.BitLen() < 64:
		t.Errorf("serial number %d", cert.SerialNumber)
	}
	for _, id := range []string{"2.5.29.19", "2.5.29.15"} {
		if !critical(cert, id) {
			t.Errorf("extension %s is not critical", id)
		}
	}
	again := must(NewRoot(RootRequest{Subject: Subject{CommonName: "acme CA"}, Key: key, NotBefore: start, NotAfter: start.Add(year)}))
	if again.SerialNumber.Cmp(cert.SerialNumber) == 0 {
		t.Error("two certificates with one serial number")
	}
	if !bytes.Equal(again.SubjectKeyId, cert.SubjectKeyId) {
		t.Error("one key with two identifiers")
	}
}

func critical(cert *x509.Certificate, id string) bool {
	for _, e := range cert.Extensions {
		if e.Id.String() == id {
			return e.Critical
		}
	}
	return false
}

func TestNewRootRefusals(t *testing.T) {
	good := RootRequest{Subject: Subject{CommonName: "root"}, Key: ecKey(), NotBefore: start, NotAfter: start.Add(year)}
	for _, c := range []struct {
		name string
		edit func(*RootRequest)
		want string
	}{
		{"good", func(*RootRequest) {}, ""},
		{"no name", func(r *RootRequest) { r.Subject.CommonName = "" }, "no common name"},
		{"bad subject", func(r *RootRequest) { r.Subject.Country = "USA" }, "country"},
		{"no key", func(r *RootRequest) { r.Key = nil }, "no key"},
		{"no period", func(r *RootRequest) { r.NotAfter = time.Time{} }, "no validity period"},
		{"backwards", func(r *RootRequest) { r.NotAfter = start.Add(-year) }, "before it starts"},
		{"less than a second", func(r *RootRequest) { r.NotAfter = start.Add(time.Millisecond) }, "before it starts"},
		{"after the year 9999", func(r *RootRequest) { r.NotAfter = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "sign"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good
			c.edit(&r)
			_, err := NewRoot(r)
			wantError(t, err, c.want)
		})
	}
}

func TestNewIntermediate(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	sub := makeIntermediate(root, "sub", &Constraints{PermittedDNS: []string{"prod"}}, start, start.Add(100*day)).Certificate
	switch {
	case !sub.IsCA, sub.MaxPathLen != 0, !sub.MaxPathLenZero, sub.KeyUsage != caUsage:
		t.Errorf("CA %v, pathLen %d, usage %b", sub.IsCA, sub.MaxPathLen, sub.KeyUsage)
	case !bytes.Equal(sub.AuthorityKeyId, root.Certificate.SubjectKeyId), !bytes.Equal(sub.RawIssuer, root.Certificate.RawSubject):
		t.Error("does not name its issuer")
	case !critical(sub, "2.5.29.30"):
		t.Error("name constraints are not critical")
	}
}

func TestNewIntermediateRefusals(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	noPath := handmade(Issuer{}, "pathLen 0", start, start.Add(year), caOf(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }))
	narrow := handmade(Issuer{}, "narrow", start, start.Add(year), caOf(func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"only.example"}, true
	}))
	leaf := handmade(root, "leaf", start, start.Add(year), serverOf(nil))
	many := &Constraints{}
	for i := range 600 {
		many.PermittedDNS = append(many.PermittedDNS, fmt.Sprintf("service-%d", i))
	}
	good := IntermediateRequest{Subject: Subject{CommonName: "a sub"}, Key: ecKey(), NotBefore: start, NotAfter: start.Add(year)}
	for _, c := range []struct {
		name   string
		issuer Issuer
		edit   func(*IntermediateRequest)
		want   string
	}{
		{"good", root, func(*IntermediateRequest) {}, ""},
		{"no issuer", Issuer{}, func(*IntermediateRequest) {}, "issuer without a certificate"},
		{"no issuer key", Issuer{Certificate: root.Certificate}, func(*IntermediateRequest) {}, "has no key"},
		{"wrong issuer key", Issuer{Certificate: root.Certificate, Key: ecKey()}, func(*IntermediateRequest) {}, "the key is not the certificate's"},
		{"issuer is a leaf", leaf, func(*IntermediateRequest) {}, "is not a CA"},
		{"pathLen", noPath, func(*IntermediateRequest) {}, "pathLen 0"},
		{"outlives", root, func(r *IntermediateRequest) { r.NotAfter = start.Add(year + time.Second) }, "after its issuer"},
		{"too large", root, func(r *IntermediateRequest) { r.Constraints = many }, "at most 8192 are allowed"},
		{"issuer's subject", root, func(r *IntermediateRequest) {
			r.Subject = Subject{CommonName: "root", Organization: "Acme", EmailAddress: "pki@example.com"}
		}, "its subject is its issuer's"},
		{"issuer's key", root, func(r *IntermediateRequest) { r.Key = root.Key }, "its key is the issuer's"},
		{"a name that Java takes for a host", narrow, func(r *IntermediateRequest) { r.Subject.CommonName = "sub" }, "outside the name constraints"},
		{"a name that it does not", narrow, func(*IntermediateRequest) {}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good
			c.edit(&r)
			_, err := NewIntermediate(c.issuer, r)
			wantError(t, err, c.want)
		})
	}
}

func TestCrossSign(t *testing.T) {
	g1 := makeRoot("G1", start.Add(-year), start.Add(year))
	g2 := makeRoot("G2", start, start.Add(10*year))
	cross, err := CrossSign(g1, g2.Certificate, start)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case !bytes.Equal(cross.RawSubject, g2.Certificate.RawSubject), !bytes.Equal(cross.SubjectKeyId, g2.Certificate.SubjectKeyId), !SameKey(cross, g2.Key):
		t.Error("does not stand for the new root")
	case !bytes.Equal(cross.RawIssuer, g1.Certificate.RawSubject), !bytes.Equal(cross.AuthorityKeyId, g1.Certificate.SubjectKeyId):
		t.Error("does not name the old root")
	case cross.MaxPathLen != -1, !cross.IsCA, IsSelfSigned(cross):
		t.Errorf("CA %v, pathLen %d", cross.IsCA, cross.MaxPathLen)
	case !cross.NotAfter.Equal(start.Add(year)):
		t.Errorf("ends %s, want the old root's end", cross.NotAfter)
	}
	// A user's root has the identifier that its maker computed.
	users := handmade(Issuer{}, "users", start, start.Add(day), caOf(func(c *x509.Certificate) { c.SubjectKeyId = []byte("SHA-1, say") })).Certificate
	if got := must(CrossSign(g1, users, start)).SubjectKeyId; string(got) != "SHA-1, say" {
		t.Errorf("identifier %q, want the root's", got)
	}
	short := makeRoot("G3", start, start.Add(day))
	if got := must(CrossSign(g1, short.Certificate, start)).NotAfter; !got.Equal(start.Add(day)) {
		t.Errorf("ends %s, want the new root's end", got)
	}
}

func TestCrossSignRefusals(t *testing.T) {
	g1 := makeRoot("G1", start.Add(-year), start.Add(year))
	g2 := makeRoot("G2", start, start.Add(10*year))
	sub := makeIntermediate(g2, "sub", nil, start, start.Add(year))
	path1 := handmade(Issuer{}, "pathLen 1", start, start.Add(year), caOf(func(c *x509.Certificate) { c.MaxPathLen = 1 }))
	path2 := handmade(Issuer{}, "pathLen 2", start, start.Add(year), caOf(func(c *x509.Certificate) { c.MaxPathLen = 2 }))
	for _, c := range []struct {
		name string
		old  Issuer
		root *x509.Certificate
		from time.Time
		want string
	}{
		{"no new root", g1, nil, start, "no new root"},
		{"not a root", g1, sub.Certificate, start, "only roots are cross-signed"},
		{"one subject", g1, makeRoot("G1", start, start.Add(year)).Certificate, start, "both roots have the subject"},
		{"itself", g1, g1.Certificate, start, "both roots have the subject"},
		{"old key is lost", Issuer{Certificate: g1.Certificate}, g2.Certificate, start, "has no key"},
		{"after the old one's end", g1, g2.Certificate, start.Add(2 * year), "before it starts"},
		{"pathLen too short", path1, g2.Certificate, start, "pathLen 1"},
		{"pathLen long enough", path2, g2.Certificate, start, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := CrossSign(c.old, c.root, c.from)
			wantError(t, err, c.want)
		})
	}
}

func TestNewLeaf(t *testing.T) {
	root := makeRoot("root", start.Add(-day), start.Add(year))
	for _, c := range []struct {
		key  crypto.Signer
		want x509.KeyUsage
	}{
		{rsa2048(), x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment},
		{ecKey(), x509.KeyUsageDigitalSignature},
		{mustKey(KeySpec{ECDSA, 384}), x509.KeyUsageDigitalSignature},
		{mustKey(KeySpec{Ed25519, 0}), x509.KeyUsageDigitalSignature},
	} {
		leaf, err := NewLeaf(root, LeafRequest{
			CommonName: "my-ep", Subject: Subject{CommonName: "ignored", Organization: "Acme"},
			DNSNames:    []string{"z", "a.prod", "Z", "a.prod"},
			IPAddresses: []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
			Server:      true, Key: c.key, NotBefore: start, NotAfter: start.Add(90 * day),
		})
		if err != nil {
			t.Fatal(err)
		}
		if leaf.KeyUsage != c.want || leaf.IsCA || !SameKey(leaf, c.key) {
			t.Errorf("%T: usage %b, CA %v", c.key, leaf.KeyUsage, leaf.IsCA)
		}
		if got, want := fmt.Sprint(leaf.DNSNames, leaf.IPAddresses, leaf.ExtKeyUsage, leaf.Subject), "[z a.prod] [10.0.0.1 fd00::1] [serverAuth] CN=my-ep,O=Acme"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestNewLeafRefusals(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	sub := makeIntermediate(root, "sub", &Constraints{PermittedDNS: []string{"prod"}}, start, start.Add(year))
	noSign := handmade(Issuer{}, "no keyCertSign", start, start.Add(year), func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageDigitalSignature })
	clients := handmade(Issuer{}, "for clients", start, start.Add(year), caOf(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }))
	leaf := Issuer{Certificate: must(NewLeaf(root, leafRequest("leaf"))), Key: ecKey()}
	ip := []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	for _, c := range []struct {
		name   string
		issuer Issuer
		edit   func(*LeafRequest)
		want   string
	}{
		{"good", root, func(*LeafRequest) {}, ""},
		{"inside constraints", sub, func(*LeafRequest) {}, ""},
		{"no issuer", Issuer{}, func(*LeafRequest) {}, "issuer without a certificate"},
		{"wrong issuer key", Issuer{Certificate: root.Certificate, Key: ecKey()}, func(*LeafRequest) {}, "the key is not the certificate's"},
		{"issuer is a leaf", Issuer{Certificate: leaf.Certificate, Key: leaf.Key}, func(*LeafRequest) {}, "the key is not the certificate's"},
		{"issuer may not sign", noSign, func(*LeafRequest) {}, "lacks keyCertSign"},
		{"issuer is for clients", clients, func(*LeafRequest) {}, "incompatible key usage"},
		{"outlives by a second", root, func(r *LeafRequest) { r.NotAfter = start.Add(year + time.Second) }, "after its issuer"},
		{"ends with it", root, func(r *LeafRequest) { r.NotAfter = start.Add(year) }, ""},
		{"backwards", root, func(r *LeafRequest) { r.NotAfter = start.Add(-day) }, "before it starts"},
		{"before its issuer begins", root, func(r *LeafRequest) { r.NotBefore, r.NotAfter = start.Add(-9*day), start.Add(-8*day) }, "does not verify"},
		{"outside constraints", sub, func(r *LeafRequest) { r.DNSNames = append(r.DNSNames, "a.dev") }, `DNS name "a.dev" is outside the name constraints of "sub"`},
		{"address outside", sub, func(r *LeafRequest) { r.IPAddresses = ip }, "10.0.0.1 is outside"},
		{"CN outside, no SAN", sub, func(r *LeafRequest) { r.DNSNames, r.Server, r.CommonName = nil, false, "client" }, `"client" is outside`},
		{"CN of words, no SAN", sub, func(r *LeafRequest) { r.DNSNames, r.Server, r.CommonName = nil, false, "a client" }, ""},
		{"CN inside, no SAN", sub, func(r *LeafRequest) { r.DNSNames, r.Server, r.CommonName = nil, false, "client.prod" }, ""},
		{"CN is an address", sub, func(r *LeafRequest) { r.CommonName = "10.0.0.1" }, "10.0.0.1 is outside"},
		{"no usage", root, func(r *LeafRequest) { r.Server, r.Client = false, false }, "neither for a server nor for a client"},
		{"server without names", root, func(r *LeafRequest) { r.DNSNames = nil }, "needs a DNS name or an IP address"},
		{"address alone", root, func(r *LeafRequest) { r.DNSNames, r.IPAddresses = nil, ip }, ""},
		{"nothing at all", root, func(r *LeafRequest) { r.DNSNames, r.Server, r.CommonName = nil, false, "" }, "neither a subject nor a name"},
		{"names without a subject", root, func(r *LeafRequest) { r.CommonName = "" }, ""},
		{"bad name", root, func(r *LeafRequest) { r.DNSNames = []string{"a_b"} }, "DNS name"},
		{"zone", root, func(r *LeafRequest) { r.IPAddresses = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")} }, "zones"},
		{"unset address", root, func(r *LeafRequest) { r.IPAddresses = []netip.Addr{{}} }, "not set"},
		{"CN of 65", root, func(r *LeafRequest) { r.CommonName = strings.Repeat("a", 65) }, "at most 64"},
		{"no key", root, func(r *LeafRequest) { r.Key = nil }, "no key"},
		{"issuer's key", root, func(r *LeafRequest) { r.Key = root.Key }, "its key is the issuer's"},
		{"issuer's subject", root, func(r *LeafRequest) {
			r.CommonName, r.Subject = "root", Subject{Organization: "Acme", EmailAddress: "pki@example.com"}
		}, "its subject is its issuer's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := leafRequest("a.prod", "*.b.prod")
			r.CommonName = "a.prod"
			c.edit(&r)
			_, err := NewLeaf(c.issuer, r)
			wantError(t, err, c.want)
		})
	}
}

func TestIssuerChain(t *testing.T) {
	w := newWorld(start)
	sub := w.i2
	sub.Cross = certs{w.cross}
	if diff := cmp.Diff(certs{w.l2, w.i2.Certificate, w.cross}, sub.Chain(w.l2)); diff != "" {
		t.Errorf("intermediate (-want +got):\n%s", diff)
	}
	if got := w.g1.Chain(w.l1); len(got) != 1 || got[0] != w.l1 {
		t.Errorf("a root's chain has %d certificates, want the leaf alone", len(got))
	}
}

// kinds is one of every certificate that this package makes, for every kind of key.
func kinds(t *testing.T) map[string]*x509.Certificate {
	t.Helper()
	all := make(map[string]*x509.Certificate)
	full := Subject{"acme CA", "MyOrg", "MyOU", "US", "New York", "New York", "pki@example.com"}
	for _, spec := range []KeySpec{{RSA, 2048}, {ECDSA, 256}, {ECDSA, 384}, {Ed25519, 0}} {
		key := func() crypto.Signer { return mustKey(spec) }
		rootKey, subKey := key(), key()
		root := Issuer{Key: rootKey, Certificate: must(NewRoot(RootRequest{full, rootKey, start, start.Add(10 * year)}))}
		g2 := full
		g2.CommonName = "acme CA G2"
		next := must(NewRoot(RootRequest{g2, key(), start, start.Add(40 * year)}))
		c := NamespaceConstraints("prod", "cluster.local", "apps.x.com", []string{svc, "10.0.0.1"})
		free := Subject{CommonName: "acme prod"}
		sub := Issuer{Key: subKey, Certificate: must(NewIntermediate(root, IntermediateRequest{free, subKey, start, start.Add(year), &c}))}
		leaf := LeafRequest{CommonName: svc, Subject: full, DNSNames: []string{svc, "*.apps.x.com"}, Server: true, Key: key(), NotBefore: start, NotAfter: start.Add(day)}
		both := leaf
		both.Client, both.IPAddresses = true, []netip.Addr{netip.MustParseAddr("10.0.0.1")}
		client := LeafRequest{CommonName: "a client", Client: true, Key: key(), NotBefore: start, NotAfter: start.Add(day)}
		bare := leaf
		bare.CommonName, bare.Subject = "", Subject{}
		for name, cert := range map[string]*x509.Certificate{
			"root": root.Certificate, "next root": next, "intermediate": sub.Certificate,
			"free intermediate": must(NewIntermediate(root, IntermediateRequest{free, key(), start, start.Add(year), nil})),
			"cross":             must(CrossSign(root, next, start)),
			"server":            must(NewLeaf(sub, leaf)), "server and client": must(NewLeaf(sub, both)),
			"client": must(NewLeaf(sub, client)), "without a subject": must(NewLeaf(sub, bare)), "under the root": must(NewLeaf(root, leaf)),
		} {
			all[spec.String()+" "+name] = cert
		}
	}
	return all
}

func TestZlint(t *testing.T) {
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{IncludeSources: lint.SourceList{lint.RFC5280}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(registry.Names()); n < 50 {
		t.Fatalf("only %d lints", n)
	}
	for name, cert := range kinds(t) {
		parsed, err := zx509.ParseCertificate(cert.Raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for id, r := range zlint.LintCertificateEx(parsed, registry).Results {
			if r.Status >= lint.Warn {
				t.Errorf("%s: %s: %s %s", name, id, r.Status, r.Details)
			}
		}
	}
}

// OpenSSL's strict mode checks what RFC 5280 asks of every certificate in the chain.
func TestOpenSSLStrict(t *testing.T) {
	openssl, dir := tool(t, "openssl"), t.TempDir()
	all := kinds(t)
	write := func(name string, cs ...*x509.Certificate) string {
		path := filepath.Join(dir, name+".pem")
		if err := os.WriteFile(path, EncodeCertificates(cs...), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, spec := range []KeySpec{{RSA, 2048}, {ECDSA, 256}, {ECDSA, 384}, {Ed25519, 0}} {
		get := func(name string) *x509.Certificate { return all[spec.String()+" "+name] }
		root, sub := write("root", get("root")), write("sub", get("intermediate"))
		for _, leaf := range []string{"server", "server and client", "client", "without a subject", "under the root", "cross"} {
			out, err := exec.Command(openssl, "verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-attime", fmt.Sprint(start.Add(time.Hour).Unix()),
				"-CAfile", root, "-untrusted", sub, write("leaf", get(leaf))).CombinedOutput()
			if err != nil {
				t.Errorf("%s %s: %s", spec, leaf, out)
			}
		}
	}
}
