package renew

import (
	"crypto/x509"
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
