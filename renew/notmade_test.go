package renew

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/yamledit"
)

// unwritable refuses roots, as an API server may refuse any write.
type unwritable struct{ liveDir }

func (s unwritable) CreateSecret(ctx context.Context, secret *secrets.Secret) error {
	if secret.Role() == secrets.RoleRoot {
		return secrets.ErrChanged
	}
	return s.liveDir.CreateSecret(ctx, secret)
}

func TestNothingTrustsARootThatWasNotWritten(t *testing.T) {
	s := quickSite(t)
	if err := s.carryOut(s.livePlan(testNow), unwritable{liveDir{s.store}}, testNow); !errors.Is(err, secrets.ErrChanged) {
		t.Fatal(err)
	}
	for _, secret := range s.observe(testNow).Secrets {
		if secret.Role() != secrets.RolePassword && secret.Role() != secrets.RoleTruststore {
			t.Errorf("%s was made (%s)", secret.Ref, secret.Role())
		}
	}
	if err := s.carryOut(s.livePlan(testNow), liveDir{s.store}, testNow); err != nil {
		t.Fatal(err)
	}
	before := s.secretNames()

	// The same with the root after it: what stays in use gets no root that is not there beside it.
	s.wishRoot(testNow, false)
	if err := s.carryOut(s.livePlan(testNow), unwritable{liveDir{s.store}}, testNow); !errors.Is(err, secrets.ErrChanged) {
		t.Fatal(err)
	}
	if after := s.secretNames(); len(after) != len(before) {
		t.Errorf("there is %v, want %v", after, before)
	}
	if err := s.carryOut(s.livePlan(testNow), liveDir{s.store}, testNow); err != nil {
		t.Fatal(err)
	}
}

// untouchable refuses changes of truststores.
type untouchable struct{ liveDir }

func (s untouchable) UpdateSecret(ctx context.Context, secret *secrets.Secret) error {
	if secret.Role() == secrets.RoleTruststore {
		return secrets.ErrChanged
	}
	return s.liveDir.UpdateSecret(ctx, secret)
}

// What refers to a truststore that could not be put right is left alone, and nobody waits for it.
func TestASpoiltTruststoreThatIsNotWritten(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	before := s.files()["flink.yaml"]
	due := testNow.AddDate(0, 10, 0)
	s.replaceData("truststore/ea/ssl-truststore", secrets.RoleTruststore, "truststore.jks", []byte("spoilt"))
	plan := s.livePlan(due)
	s.noFaults(plan)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := Apply(ctx, plan, untouchable{liveDir{s.store}}, due, func(Action) {})
	if !errors.Is(err, secrets.ErrChanged) || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
	if s.files()["flink.yaml"] != before {
		t.Error("the session cluster, which mounts it, was changed")
	}
}

// stamp is wiring that needs nothing but the root's name.
type stamp struct{ Wiring }

func (stamp) versions() []*Version { return nil }

func (stamp) Edits(r deploy.Resource, root string) deploy.Result {
	return deploy.Result{Edits: []yamledit.Edit{{}}, Source: []byte("# " + root)}
}

// A root that this round leaves out, because it failed in the last one, is named nowhere.
func TestNothingNamesARootThatIsLeftOut(t *testing.T) {
	s := quickSite(t)
	if err := s.carryOut(s.livePlan(testNow), liveDir{s.store}, testNow); err != nil {
		t.Fatal(err)
	}
	s.wishRoot(testNow, false)
	plan := s.livePlan(testNow)
	for i, a := range plan.Actions {
		if w, ok := a.(*Rewire); ok {
			plan.Actions[i] = &Rewire{Resource: w.Resource, Wiring: stamp{w.Wiring}}
		}
	}
	before := s.files()
	if err := Apply(context.Background(), plan.Without(map[string]bool{authorityTarget(s.cfg): true}), liveDir{s.store}, testNow, func(Action) {}); !errors.Is(err, errNotMade) && err != nil {
		t.Error(err)
	}
	for name, text := range s.files() {
		if strings.Contains(text, "(new)") || strings.HasSuffix(name, ".yaml") && !strings.Contains(name, "/") && text != before[name] {
			t.Errorf("%s was written: %s", name, text)
		}
	}
}

// What somebody puts into a Secret of a fixed name after it was read is not lost: the API server compares versions.
func TestAFixedNameIsWrittenOverWhatWasRead(t *testing.T) {
	ours := &secrets.Secret{Labels: map[string]string{secrets.ManagedLabel: secrets.ManagedValue}, ResourceVersion: "7"}
	for want, old := range map[string]*secrets.Secret{"7": ours, "": {ResourceVersion: "7"}} { // somebody else's was set aside
		next := &secrets.Secret{Labels: map[string]string{}, Annotations: map[string]string{}, Data: map[string][]byte{}}
		leaf := &MakeLeaf{Replaces: old}
		leaf.keepEarlier(next)
		if next.ResourceVersion != want {
			t.Errorf("it is written over version %q, want %q", next.ResourceVersion, want)
		}
	}
}
