package renew

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

var (
	testNow  = time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	testKey  = pki.KeySpec{Algorithm: "ECDSA", Size: 256}
	testName = "session-rest"
)

// generation of an authority, with everything that a server under it needs.
type testCA struct {
	root         *x509.Certificate
	rootKey      crypto.Signer
	intermediate *x509.Certificate
	interKey     crypto.Signer
	cross        []*x509.Certificate
}

func newCA(t *testing.T, name string, from time.Time) *testCA {
	t.Helper()
	ca := &testCA{rootKey: generate(t), interKey: generate(t)}
	var err error
	ca.root, err = pki.NewRoot(pki.RootRequest{Subject: pki.Subject{CommonName: name}, Key: ca.rootKey, NotBefore: from, NotAfter: from.AddDate(10, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	ca.reissueIntermediate(t, from)
	return ca
}

func (ca *testCA) reissueIntermediate(t *testing.T, from time.Time) {
	t.Helper()
	var err error
	ca.intermediate, err = pki.NewIntermediate(pki.Issuer{Certificate: ca.root, Key: ca.rootKey}, pki.IntermediateRequest{
		Subject: pki.Subject{CommonName: ca.root.Subject.CommonName + " intermediate " + from.Format(time.DateOnly)},
		Key:     ca.interKey, NotBefore: from, NotAfter: from.AddDate(2, 0, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// crossedBy lets an older root vouch for this one.
func (ca *testCA) crossedBy(t *testing.T, old *testCA) {
	t.Helper()
	c, err := pki.CrossSign(pki.Issuer{Certificate: old.root, Key: old.rootKey}, ca.root, ca.root.NotBefore)
	if err != nil {
		t.Fatal(err)
	}
	ca.cross = append(ca.cross, c)
}

// serving is a new leaf with the chain that a server sends, and its key.
func (ca *testCA) serving(t *testing.T, from time.Time) ([]*x509.Certificate, crypto.Signer) {
	t.Helper()
	key := generate(t)
	leaf, err := pki.NewLeaf(pki.Issuer{Certificate: ca.intermediate, Key: ca.interKey}, pki.LeafRequest{
		CommonName: testName, DNSNames: []string{testName}, Server: true, Key: key, NotBefore: from, NotAfter: from.AddDate(1, 0, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	return append([]*x509.Certificate{leaf, ca.intermediate}, ca.cross...), key
}

// flinkLeaf is a leaf for Flink's session cluster: RSA, for both ends.
func (ca *testCA) flinkLeaf(t *testing.T, from time.Time) secrets.Identity {
	t.Helper()
	key, err := pki.GenerateKey(pki.KeySpec{Algorithm: pki.RSA, Size: 2048})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := pki.NewLeaf(pki.Issuer{Certificate: ca.intermediate, Key: ca.interKey}, pki.LeafRequest{
		CommonName: "session-rest", DNSNames: []string{"session-rest", "session-rest.ea"}, Server: true, Client: true,
		Key: key, NotBefore: from, NotAfter: from.AddDate(1, 0, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	return secrets.Identity{Key: key, Chain: []*x509.Certificate{leaf, ca.intermediate}, Roots: []*x509.Certificate{ca.root}}
}

func generate(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := pki.GenerateKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// handshake runs a real TLS handshake between a client with these anchors and a
// server with this chain.
func handshake(t *testing.T, anchors, chain []*x509.Certificate, key crypto.Signer) error {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	cert := tls.Certificate{PrivateKey: key}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	go func() {
		defer server.Close()
		tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}, Time: func() time.Time { return testNow }}).Handshake()
	}()
	return tls.Client(client, &tls.Config{RootCAs: pool(anchors), ServerName: testName, Time: func() time.Time { return testNow }}).Handshake()
}

// rotation is one kind of change: what client and server have before and after.
type rotation struct {
	name                 string
	oldTrust, newTrust   []*x509.Certificate
	oldServer, newServer func(*testing.T) ([]*x509.Certificate, crypto.Signer)
	// may the server switch while a client still has the old trust; may the
	// client switch while a server still has the old leaf
	serverFirst, clientFirst bool
}

func rotations(t *testing.T) []rotation {
	start := testNow.AddDate(-1, 0, 1)
	g1 := newCA(t, "CA", start)
	renewedIntermediate := *g1
	renewedIntermediate.reissueIntermediate(t, testNow.Add(-backdate))
	crossed := newCA(t, "CA G2", testNow.Add(-backdate))
	crossed.crossedBy(t, g1)
	stranger := newCA(t, "CA of somebody", testNow.Add(-backdate))
	serve := func(ca *testCA, from time.Time) func(*testing.T) ([]*x509.Certificate, crypto.Signer) {
		return func(t *testing.T) ([]*x509.Certificate, crypto.Signer) { return ca.serving(t, from) }
	}
	roots := func(cas ...*testCA) (out []*x509.Certificate) {
		for _, ca := range cas {
			out = append(out, ca.root)
		}
		return out
	}
	old, now := serve(g1, start), testNow.Add(-backdate)
	return []rotation{
		{"renewal of a leaf", roots(g1), roots(g1), old, serve(g1, now), true, true},
		{"another intermediate", roots(g1), roots(g1), old, serve(&renewedIntermediate, now), true, true},
		{"cross-signed rollover", roots(g1), roots(g1, crossed), old, serve(crossed, now), true, true},
		{"cross-signed, old root retired too early", roots(g1), roots(crossed), old, serve(crossed, now), true, false},
		{"rollover without a cross certificate", roots(g1), roots(g1, stranger), old, serve(stranger, now), false, true},
		{"a client that forgets the old root", roots(g1), roots(stranger), old, serve(stranger, now), false, false},
	}
}

// TestRotationMatrix compares the rule's verdict in every cell of old and new
// client × old and new server with a real handshake.
func TestRotationMatrix(t *testing.T) {
	for _, r := range rotations(t) {
		t.Run(r.name, func(t *testing.T) {
			oldChain, oldKey := r.oldServer(t)
			newChain, newKey := r.newServer(t)
			cells := []struct {
				client, server string
				trust, chain   []*x509.Certificate
				key            crypto.Signer
				want           bool
			}{
				{"old", "old", r.oldTrust, oldChain, oldKey, true},
				{"old", "new", r.oldTrust, newChain, newKey, r.serverFirst},
				{"new", "old", r.newTrust, oldChain, oldKey, r.clientFirst},
				{"new", "new", r.newTrust, newChain, newKey, true},
			}
			for _, c := range cells {
				edge := Edge{Client: c.client, Server: c.server, Profile: pki.JVM(), Trust: []Trust{{Version: c.client, Anchors: c.trust}}}
				allowed := len(MayServe([]Edge{edge}, Serving{Chain: c.chain, From: testNow})) == 0
				err := handshake(t, c.trust, c.chain, c.key)
				if allowed != (err == nil) || allowed != c.want {
					t.Errorf("%s client, %s server: the rule allows %v, the handshake says %v, want %v", c.client, c.server, allowed, err, c.want)
				}
			}
		})
	}
}

// TestMayServeEveryVersion: one trust version in use that does not verify the
// new chain is enough to forbid it, whichever it is.
func TestMayServeEveryVersion(t *testing.T) {
	start := testNow.AddDate(-1, 0, 1)
	g1, other := newCA(t, "CA", start), newCA(t, "other", start)
	chain, _ := g1.serving(t, testNow.Add(-backdate))
	good, bad := Trust{Version: "good", Anchors: []*x509.Certificate{g1.root}}, Trust{Version: "bad", Anchors: []*x509.Certificate{other.root}}
	tests := []struct {
		trust []Trust
		want  int
	}{
		{nil, 0}, {[]Trust{good}, 0}, {[]Trust{good, bad}, 1}, {[]Trust{bad, good}, 1}, {[]Trust{bad, bad}, 2},
		{[]Trust{{Version: "both", Anchors: []*x509.Certificate{other.root, g1.root}}}, 0}, {[]Trust{{Version: "empty", Anchors: nil}}, 1},
	}
	for i, tt := range tests {
		edges := []Edge{{Client: "c", Server: "s", Profile: pki.JVM(), Trust: tt.trust}}
		if got := MayServe(edges, Serving{Chain: chain, From: testNow}); len(got) != tt.want {
			t.Errorf("%d: %d refusals, want %d: %v", i, len(got), tt.want, got)
		}
	}
}

// TestMayServeUntilTheEnd: a chain that stops verifying before its leaf ends is
// refused now, not when it breaks.
func TestMayServeUntilTheEnd(t *testing.T) {
	g1 := newCA(t, "CA", testNow.AddDate(-9, -6, 0)) // the root ends in half a year
	g2 := newCA(t, "CA G2", testNow.Add(-backdate))
	g2.crossedBy(t, g1)
	chain, _ := g2.serving(t, testNow.Add(-backdate)) // for a year
	onlyOld := []Edge{{Client: "c", Server: "s", Profile: pki.JVM(), Trust: []Trust{{Version: "G1", Anchors: []*x509.Certificate{g1.root}}}}}
	// Java ignores an anchor's own dates, but the cross certificate ends with
	// the root that signed it.
	if len(MayServe(onlyOld, Serving{Chain: chain, From: testNow})) == 0 {
		t.Error("a leaf that outlives the cross certificate it needs was allowed")
	}
	both := []Edge{{Client: "c", Server: "s", Profile: pki.JVM(), Trust: []Trust{{Version: "both", Anchors: []*x509.Certificate{g1.root, g2.root}}}}}
	if refused := MayServe(both, Serving{Chain: chain, From: testNow}); len(refused) > 0 {
		t.Errorf("refused although the new root is trusted: %v", refused)
	}
}

// TestMayServeDepth: nginx follows one intermediate by default, so the chain of
// a cross-signed rollover is too deep for it (a 502).
func TestMayServeDepth(t *testing.T) {
	g1 := newCA(t, "CA", testNow.AddDate(-1, 0, 1))
	g2 := newCA(t, "CA G2", testNow.Add(-backdate))
	g2.crossedBy(t, g1)
	chain, _ := g2.serving(t, testNow.Add(-backdate))
	for _, tt := range []struct {
		profile pki.Profile
		trust   []*x509.Certificate
		want    bool
	}{
		{pki.Nginx(), []*x509.Certificate{g1.root}, false},
		{pki.OpenSSL(), []*x509.Certificate{g1.root}, true},
		{pki.Nginx(), []*x509.Certificate{g1.root, g2.root}, true},
	} {
		edges := []Edge{{Client: "ingress", Server: "ui", Profile: tt.profile, Trust: []Trust{{Version: "t", Anchors: tt.trust}}}}
		if got := len(MayServe(edges, Serving{Chain: chain, From: testNow})) == 0; got != tt.want {
			t.Errorf("%s with %d roots: allowed %v, want %v", tt.profile.Name, len(tt.trust), got, tt.want)
		}
		// The same verdict before the leaf exists, before the intermediate does, and
		// where a client can know the old root alone, before the new root does.
		proofs := map[string]*issuer{
			"intermediate": {proofs: []proof{{chain[1:], 1}}},
			"root":         {proofs: below([]proof{{[]*x509.Certificate{g2.root}, 0}, {g2.cross, 1}})},
		}
		if len(tt.trust) == 1 {
			proofs["vouching root"] = &issuer{proofs: below([]proof{{[]*x509.Certificate{g1.root}, 1}})}
		}
		for name, i := range proofs {
			if got := len(mayIssue(edges, i, testNow, chain[0].NotAfter)) == 0; got != tt.want {
				t.Errorf("%s with %d roots, judged by the %s: may be issued %v, want %v", tt.profile.Name, len(tt.trust), name, got, tt.want)
			}
		}
	}
}

// TestRootThatSignsLeaves: the cross certificate alone stands between the leaf
// and the old root, which even nginx follows.
func TestRootThatSignsLeaves(t *testing.T) {
	g1, g2 := newCA(t, "CA", testNow.AddDate(-1, 0, 1)), newCA(t, "CA G2", testNow.Add(-backdate))
	g2.crossedBy(t, g1)
	for _, anchors := range [][]*x509.Certificate{{g1.root}, {g2.root}, {g1.root, g2.root}} {
		edges := []Edge{{Client: "ingress", Server: "ui", Profile: pki.Nginx(), Trust: []Trust{{Version: "t", Anchors: anchors}}}}
		i := &issuer{proofs: []proof{{[]*x509.Certificate{g2.root}, 0}, {g2.cross, 1}}}
		if refused := mayIssue(edges, i, testNow, testNow.AddDate(1, 0, 0)); len(refused) > 0 {
			t.Errorf("%d roots: %v", len(anchors), refused)
		}
	}
}

// TestMayTrust: a root leaves a truststore only if the rest verifies every leaf
// in use at the server.
func TestMayTrust(t *testing.T) {
	g1 := newCA(t, "CA", testNow.AddDate(-1, 0, 1))
	g2 := newCA(t, "CA G2", testNow.Add(-backdate))
	oldChain, _ := g1.serving(t, testNow.AddDate(-1, 0, 1))
	newChain, _ := g2.serving(t, testNow.Add(-backdate))
	ended, _ := g1.serving(t, testNow.AddDate(-1, 0, -1))
	for name, tt := range map[string]struct {
		anchors []*x509.Certificate
		leaves  [][]*x509.Certificate
		want    int
	}{
		"both leaves, both roots":       {[]*x509.Certificate{g1.root, g2.root}, [][]*x509.Certificate{oldChain, newChain}, 0},
		"the old leaf is still in use":  {[]*x509.Certificate{g2.root}, [][]*x509.Certificate{oldChain, newChain}, 1},
		"only the new leaf is in use":   {[]*x509.Certificate{g2.root}, [][]*x509.Certificate{newChain}, 0},
		"an ended leaf does not count":  {[]*x509.Certificate{g2.root}, [][]*x509.Certificate{ended}, 0},
		"nothing is left":               {nil, [][]*x509.Certificate{oldChain, newChain}, 2},
		"a server that is not this one": {nil, nil, 0},
	} {
		edges := []Edge{{Client: "c", Server: "s", Profile: pki.JVM()}}
		leaves := map[string][][]*x509.Certificate{"s": tt.leaves}
		if got := MayTrust(edges, tt.anchors, leaves, testNow); len(got) != tt.want {
			t.Errorf("%s: %d refusals, want %d: %v", name, len(got), tt.want, got)
		}
	}
}

func ExampleRefusal_String() {
	fmt.Println(Refusal{Edge: Edge{Client: "eventProcessing/ea/my-ep", Server: "flinkDeployment/ea/session"}, Version: "my-ep-flink-trust-1", Err: fmt.Errorf("no anchor")})
	// Output: eventProcessing/ea/my-ep still uses trust my-ep-flink-trust-1, which does not verify flinkDeployment/ea/session: no anchor
}
