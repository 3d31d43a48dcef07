package renew

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// TestWaitSpeaksOfItsOwnNamespace: one truststore in two namespaces has one name.
// The word that it is deployed in the one says nothing of the other.
func TestWaitSpeaksOfItsOwnNamespace(t *testing.T) {
	s := quickSite(t)
	const name = "ssl-truststore-0123456789"
	version := func(namespace string) *secrets.Secret {
		return secrets.New(secrets.Ref{Namespace: namespace, Name: name}, truststoreTarget(namespace, "ssl-truststore"), secrets.RoleTruststore, testNow)
	}
	here, there := version("ea"), version("other")
	there = marking(there, deployedAnnotation, testNow)
	state := s.observe(testNow)
	for _, v := range []*secrets.Secret{here, there} {
		k := slot{v.Target(), v.Role()}
		state.Secrets[v.Ref], state.versions[k] = v, []*secrets.Secret{v}
	}
	p := newPlanner(s.cfg, state)
	old, stranger := newCA(t, "old", testNow.AddDate(-1, 0, 0)), newCA(t, "new", testNow.AddDate(-1, 0, 0))
	for _, tt := range []struct {
		of   *secrets.Secret
		want string
	}{
		{here, "roll the resources out, then run flowcert apply --deployed"},
		{there, "it counts as in use until " + testNow.Add(24*time.Hour).Format(time.RFC3339)},
	} {
		for range 20 { // maps have no order
			w := leafWant{edges: []Edge{{Client: "c", Server: "s", Profile: pki.JVM(), Trust: []Trust{{Version: name, Anchors: []*x509.Certificate{old.root}, Of: tt.of}}}}}
			i := &issuer{proofs: []proof{{path: []*x509.Certificate{stranger.root}}}}
			if got := p.forbids(w, i, testNow.AddDate(0, 1, 0)); !strings.Contains(got, tt.want) {
				t.Fatalf("%s: %q, want %q", tt.of.Ref, got, tt.want)
			}
		}
	}
}

// TestEarlierChainsAddUp: as long as nobody says that a Secret which is updated in
// place was rolled out, its readers may serve any of the chains that it ever held.
func TestEarlierChainsAddUp(t *testing.T) {
	s := newSite(t, testConfig+"certificates: [{secretName: db-server, dnsNames: [db]}]\n", map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	var held []string // fingerprints, in the order of making
	served := func(now time.Time) []string {
		var out []string
		for _, chain := range newPlanner(s.cfg, s.observe(now)).certificateLeaves(s.cfg.Certificates[0]) {
			if len(chain) < 2 || chain[0].IsCA || chain[0].CheckSignatureFrom(chain[1]) != nil {
				t.Errorf("a chain is torn: %d certificates", len(chain))
			}
			out = append(out, pki.Fingerprint(chain[0]))
		}
		slices.Sort(out)
		return out
	}
	now := testNow
	update := func() {
		s.onePass(now)
		id, err := s.version(now, "certificate/ea/db-server", secrets.RoleCertificate).Identity(secrets.DefaultKeys())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, pki.Fingerprint(id.Chain[0]))
	}
	want := func(from int) {
		t.Helper()
		if got := served(now); !slices.Equal(got, slices.Sorted(slices.Values(held[from:]))) {
			t.Errorf("%s: %d chains count, want %d", day(now), len(got), len(held)-from)
		}
	}
	update()
	for range 2 {
		now = now.AddDate(0, 9, 0)
		update()
	}
	want(0) // all three
	s.sayDeployed(now)
	want(0) // the soak time is not over
	now = now.Add(24 * time.Hour)
	want(2)
	now = now.AddDate(0, 9, 0)
	update() // what was before the word does not come back
	want(2)
	now = now.AddDate(0, 9, 0)
	update()
	want(2)
}
