package renew

import (
	"context"
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

// frozen is a store that, like a cluster, keeps what is in an immutable Secret.
type frozen struct {
	Store
	t *testing.T
}

func (f *frozen) UpdateSecret(ctx context.Context, s *secrets.Secret) error {
	snap, err := f.Store.Read(ctx)
	if err != nil {
		return err
	}
	if have := snap.Secrets[s.Ref]; have != nil && have.Immutable && !sameData(have, s) {
		f.t.Errorf("%s is immutable, and is to be changed", s.Ref)
	}
	return f.Store.UpdateSecret(ctx, s)
}

// TestGivenUpNameIsNotUsedAgain: the leaf in use is to stand beside the roots again
// that it once stood beside, in a version that has been given up since.
func TestGivenUpNameIsNotUsedAgain(t *testing.T) {
	first, second := makeCA(t, caTemplate("Corporate root"), generate(t), nil), makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	s := newSite(t, userConfig+"truststores: [{publicCAs: false, sources: [{name: db, file: db.pem}]}]\n",
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": first.manifest(t, first.key, first.cert)})
	const target = "flinkDeployment/ea/session"
	leaf := func(now time.Time) (name, fingerprint string) {
		secret := s.version(now, target, secrets.RoleFlinkTLS)
		id, err := newPlanner(s.cfg, s.observe(now)).storesOf(secret)
		if err != nil {
			t.Fatal(err)
		}
		return secret.Name, pki.Fingerprint(id.Chain[0])
	}
	now := testNow
	pass := func() {
		plan := s.plan(now)
		s.noFaults(plan)
		if err := Apply(t.Context(), plan, &frozen{s.store, t}, now, func(Action) {}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	pass()
	given, kept := leaf(now)
	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	pass()
	s.sayDeployed(now) // of the version that has the first root alone beside the leaf
	s.write("ca.yaml", first.manifest(t, first.key, first.cert))
	s.write("db.pem", string(pki.EncodeCertificates(newCA(t, "another database CA", testNow).root))) // Flink restarts for it
	pass()
	name, fingerprint := leaf(now)
	if name == given || fingerprint != kept {
		t.Errorf("%s, with a new leaf %v; want a name of its own around the same leaf", name, fingerprint != kept)
	}
	if left := s.plan(now).Actions; len(left) > 0 {
		t.Errorf("left to do: %v", objects(s.plan(now)))
	}
}
