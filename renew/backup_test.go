package renew

import (
	"context"
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// secondRoot adds the authority's next root to the site, cross-signed.
func (s *testSite) secondRoot() *secrets.Secret {
	s.t.Helper()
	ca := newCA(s.t, "ea CA G2", testNow)
	root := secrets.New(secrets.Ref{Namespace: "ea", Name: "ea-root-g2"}, authorityTarget(s.cfg), secrets.RoleRoot, testNow)
	if err := root.PutIdentity(secrets.Identity{Key: ca.rootKey, Chain: rootOf(ca), Roots: rootOf(ca)}, secrets.DefaultKeys()); err != nil {
		s.t.Fatal(err)
	}
	for _, old := range s.observe(testNow).Secrets {
		if old.Role() != secrets.RoleRoot {
			continue
		}
		id, err := old.Identity(secrets.DefaultKeys())
		if err != nil {
			s.t.Fatal(err)
		}
		cross, err := pki.CrossSign(pki.Issuer{Certificate: id.Chain[0], Key: id.Key}, ca.root, ca.root.NotBefore)
		if err != nil {
			s.t.Fatal(err)
		}
		root.Data["cross-g1.crt"] = pki.EncodeCertificates(cross)
	}
	if err := s.store.CreateSecret(context.Background(), root); err != nil {
		s.t.Fatal(err)
	}
	return root
}

// saved is a backup of the site.
func (s *testSite) saved() []*secrets.Secret {
	s.t.Helper()
	all, err := Backup(s.cfg, s.observe(testNow))
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func (s *testSite) planRestore(saved []*secrets.Secret) (*Restoring, error) {
	s.t.Helper()
	return PlanRestore(s.cfg, s.observe(testNow), saved)
}

func (s *testSite) deleteAll(all ...*secrets.Secret) {
	s.t.Helper()
	there := s.observe(testNow).Secrets
	for _, secret := range all {
		if err := s.store.DeleteSecret(context.Background(), there[secret.Ref]); err != nil {
			s.t.Fatal(err)
		}
	}
	s.observe(testNow)
}

func secretNames(all []*secrets.Secret) string {
	var out []string
	for _, s := range all {
		out = append(out, s.Name)
	}
	return strings.Join(out, " ")
}

// TestBackupIsWhole: every generation and every further key of a Secret is in it,
// and nothing that can be made again.
func TestBackupIsWhole(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	s.secondRoot()
	saved := s.saved()
	if got := secretNames(saved); !strings.HasPrefix(got, "ea-root-g1 ea-root-g2 ea-intermediate-") || len(saved) != 4 {
		t.Errorf("the backup holds %s", got)
	}
	if len(saved[1].Data["cross-g1.crt"]) == 0 {
		t.Error("the cross certificate is not in it")
	}
}

// killed is a store that a kill cuts off after so many writes: nothing is taken
// back. full is one that takes no more Secrets, and lets go of those it has.
func killed(s *testSite, writes int) Store { return &failing{Store: s.store, left: writes} }

type full struct{ failing }

func (f *full) DeleteSecret(ctx context.Context, s *secrets.Secret) error {
	return f.Store.DeleteSecret(ctx, s)
}

// TestRestoreStoppedAfterEveryWrite: after a kill no pass makes another root, nor
// takes an old one for the newest; the next import brings the rest. Where a
// write fails, what was written is taken back.
func TestRestoreStoppedAfterEveryWrite(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	newest := s.secondRoot()
	whole, saved := s.files(), s.saved()
	for n := range saved {
		s.deleteAll(saved...)
		empty := s.files()
		r, err := s.planRestore(saved)
		if err != nil || len(r.Missing) != len(saved) {
			t.Fatalf("%v, %v", r, err)
		}
		if err := Restore(context.Background(), &full{failing{Store: s.store, left: n}}, r); err == nil {
			t.Fatal("a full disk was not noticed")
		}
		if !maps.Equal(s.files(), empty) {
			t.Errorf("after %d writes: something stays", n)
		}
		if err := Restore(context.Background(), killed(s, n), r); err == nil {
			t.Fatal("not stopped")
		}
		plan := s.plan(testNow)
		for _, a := range plan.Actions {
			if _, makes := a.(*MakeRoot); makes {
				t.Errorf("after %d writes: %s", n, a.Object())
			}
		}
		newestIs := slices.ContainsFunc(plan.Items, func(i Item) bool { return i.Role == secrets.RoleRoot && i.Name == newest.Name })
		if len(plan.Faults) == 0 && !newestIs {
			t.Errorf("after %d writes another root is taken for the newest", n)
		}
		if r, err = s.planRestore(saved); err != nil || len(r.Present) != n {
			t.Fatalf("after %d writes: %v, %v", n, r, err)
		}
		if err := Restore(context.Background(), s.store, r); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(s.files(), whole) {
			t.Errorf("after %d writes and another import the directory is another one", n)
		}
	}
}

// TestOlderBackup: a backup must not bring a root back that was given up since.
func TestOlderBackup(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	old := s.saved()
	s.secondRoot()
	if r, err := s.planRestore(old); err != nil || len(r.Missing) > 0 {
		t.Errorf("a backup of which everything is there: %v, %v", r, err)
	}
	s.deleteAll(old[0])
	if _, err := s.planRestore(old); err == nil || !strings.Contains(err.Error(), "ea-root-g2 is newer than every root of the backup") {
		t.Errorf("error %v", err)
	}
}

// TestNewestRootLost: an older root that is still there does not go on alone, and
// a resource that came from elsewhere stops nobody.
func TestNewestRootLost(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	newest := s.secondRoot()
	s.apply(testNow)
	whole, saved := s.files(), s.saved()
	s.deleteAll(newest)
	plan := s.plan(testNow)
	if len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), "the authority's newest root is not there") || len(plan.Actions) > 0 {
		t.Errorf("faults %v, actions %v", plan.Faults, objects(plan))
	}
	r, err := s.planRestore(saved)
	if err != nil || secretNames(r.Missing) != newest.Name {
		t.Fatalf("%v, %v", r, err)
	}
	if err := Restore(context.Background(), s.store, r); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(s.files(), whole) {
		t.Error("the directory is another one")
	}
	s.converged(testNow)

	s.edit("flink.yaml", "flowcert.io/root: ", "flowcert.io/root: 00")
	s.noFaults(s.plan(testNow))
}

// TestNotOfThisAuthority: what a backup holds is looked at before anything is
// written, whoever wrote it.
func TestNotOfThisAuthority(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	saved := s.saved()
	another := newCA(t, "another", testNow)
	tests := map[string]struct {
		change func(root *secrets.Secret)
		want   string
	}{
		"somebody else's": {func(r *secrets.Secret) { delete(r.Labels, secrets.ManagedLabel) }, "is not of an authority"},
		"another role":    {func(r *secrets.Secret) { r.Annotations[secrets.RoleAnnotation] = "truststore" }, "is not of an authority"},
		"another target":  {func(r *secrets.Secret) { r.Annotations[secrets.TargetAnnotation] = "authority/ea/b" }, "is of authority/ea/b, but flowcert.yaml is about authority/ea/ea"},
		"elsewhere":       {func(r *secrets.Secret) { r.Namespace = "other" }, "does not stand in namespace ea"},
		"another key":     {func(r *secrets.Secret) { r.Data[secrets.TLSKey] = encodeKey(t) }, "the key does not belong to the certificate"},
		"no key":          {func(r *secrets.Secret) { delete(r.Data, secrets.TLSKey) }, `no key "tls.key"`},
		"a leaf": {func(r *secrets.Secret) {
			chain, key := another.serving(t, testNow)
			if err := r.PutIdentity(secrets.Identity{Key: key, Chain: chain, Roots: rootOf(another)}, secrets.DefaultKeys()); err != nil {
				t.Fatal(err)
			}
		}, "is not a CA's certificate with its issuer beside it"},
		"no issuer": {func(r *secrets.Secret) {
			id := secrets.Identity{Key: another.interKey, Chain: []*x509.Certificate{another.intermediate}, Roots: rootOf(newCA(t, "stranger", testNow))}
			if err := r.PutIdentity(id, secrets.DefaultKeys()); err != nil {
				t.Fatal(err)
			}
		}, "is not a CA's certificate with its issuer beside it"},
	}
	for name, tt := range tests {
		root := *saved[0]
		root.Labels, root.Annotations, root.Data = maps.Clone(root.Labels), maps.Clone(root.Annotations), maps.Clone(root.Data)
		tt.change(&root)
		if _, err := s.planRestore(append([]*secrets.Secret{&root}, saved[1:]...)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.planRestore(saved[1:]); err == nil || !strings.Contains(err.Error(), "holds no root of authority/ea/ea") {
		t.Errorf("no root: %v", err)
	}
	if _, err := s.planRestore(nil); err == nil || !strings.Contains(err.Error(), "holds no Secret") {
		t.Errorf("nothing: %v", err)
	}
}

// TestNotesDoNotCount: a wish that was recorded since is no other content.
func TestNotesDoNotCount(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	saved := s.saved()
	if err := s.store.UpdateSecret(context.Background(), marking(saved[0], wishAnnotation, testNow)); err != nil {
		t.Fatal(err)
	}
	if r, err := s.planRestore(saved); err != nil || len(r.Missing) > 0 {
		t.Errorf("%v, %v", r, err)
	}
}

func rootOf(ca *testCA) []*x509.Certificate { return []*x509.Certificate{ca.root} }
