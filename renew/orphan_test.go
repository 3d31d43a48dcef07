package renew

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// liveDir is a directory that says it were a cluster in which nothing runs yet.
type liveDir struct{ *secrets.Dir }

func (s liveDir) Read(ctx context.Context) (*secrets.Snapshot, error) {
	snap, err := s.Dir.Read(ctx)
	if err == nil {
		snap.Live = &secrets.Live{Closed: map[string]error{}}
	}
	return snap, err
}

// slow is a writer whose changes of resources come too late.
type slow struct{ liveDir }

func (slow) WriteResource(context.Context, deploy.Resource, []byte) error { return secrets.ErrChanged }

func (s *testSite) livePlan(now time.Time) *Plan {
	s.t.Helper()
	state, err := Observe(context.Background(), s.cfg, liveDir{s.store}, now)
	if err != nil {
		s.t.Fatal(err)
	}
	return NewPlan(s.cfg, state)
}

func (s *testSite) carryOut(plan *Plan, store Store, now time.Time) error {
	s.t.Helper()
	s.noFaults(plan)
	return Apply(context.Background(), plan, store, now, func(Action) {})
}

func (s *testSite) secretNames() []string {
	s.t.Helper()
	snap, err := s.store.Read(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for ref := range snap.Secrets {
		out = append(out, ref.Name)
	}
	slices.Sort(out)
	return out
}

func TestTwoWritersLeaveNothingBehind(t *testing.T) {
	s := quickSite(t)
	if err := s.carryOut(s.livePlan(testNow), liveDir{s.store}, testNow); err != nil {
		t.Fatal(err)
	}
	first := s.secretNames()

	// Both find the same leaves due, and both make new ones: one of them switches.
	due := testNow.AddDate(0, 9, 0)
	fast, late := s.livePlan(due), s.livePlan(due)
	if err := s.carryOut(fast, liveDir{s.store}, due); err != nil {
		t.Fatal(err)
	}
	want := s.secretNames()
	if err := s.carryOut(late, slow{liveDir{s.store}}, due); !errors.Is(err, secrets.ErrChanged) {
		t.Fatalf("the one that came late: %v", err)
	}
	orphans := slices.DeleteFunc(s.secretNames(), func(name string) bool { return slices.Contains(want, name) })
	if len(orphans) == 0 {
		t.Fatal("there is no orphan")
	}

	if plan := s.livePlan(due.Add(orphanAge - time.Second)); len(plan.Actions) > 0 {
		t.Errorf("what may still be on its way is removed: %v", plan.Actions[0].Object())
	}
	now := due.Add(orphanAge)
	plan := s.livePlan(now)
	for _, a := range plan.Actions {
		if f, ok := a.(*Forget); !ok || !slices.Contains(orphans, f.Secret.Name) || !strings.Contains(f.Because, "is in use") {
			t.Errorf("it does more than to remove orphans: %s, %s", a.Object(), a.Reason())
		}
	}
	if err := s.carryOut(plan, liveDir{s.store}, now); err != nil {
		t.Fatal(err)
	}
	if got := s.secretNames(); !slices.Equal(got, want) {
		t.Errorf("there is %v, want %v", got, want)
	}
	for _, name := range first {
		if !slices.Contains(s.secretNames(), name) {
			t.Errorf("%s, which was in use, is gone", name)
		}
	}
}

func TestWhatWasInUseIsNoOrphan(t *testing.T) {
	s := quickSite(t)
	if err := s.carryOut(s.livePlan(testNow), liveDir{s.store}, testNow); err != nil {
		t.Fatal(err)
	}
	git := s.files()["flink.yaml"]
	now := testNow.AddDate(0, 9, 0)
	if err := s.carryOut(s.livePlan(now), liveDir{s.store}, now); err != nil {
		t.Fatal(err)
	}
	want := s.secretNames()
	// Somebody puts the resource back: it finds its old version, and when it is due
	// goes to the one that is there.
	s.write("flink.yaml", git)
	now = now.Add(time.Hour)
	if err := s.carryOut(s.livePlan(now), liveDir{s.store}, now); err != nil {
		t.Fatal(err)
	}
	if got := s.secretNames(); !slices.Equal(got, want) {
		t.Errorf("there is %v, want %v", got, want)
	}
}

func TestATruststoresNameThatIsTaken(t *testing.T) {
	s := quickSite(t)
	if err := s.carryOut(s.livePlan(testNow), liveDir{s.store}, testNow); err != nil {
		t.Fatal(err)
	}
	name := s.nameOf(secrets.RoleTruststore)
	file := "secrets/ea." + name + ".yaml"
	s.edit(file, secrets.ManagedLabel+": "+secrets.ManagedValue, "app: mine")
	plan := s.livePlan(testNow)
	if len(plan.Actions) > 0 {
		t.Errorf("it would do something: %s", plan.Actions[0].Object())
	}
	if len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), "secret ea/"+name+" is there already, not made by flowcert") {
		t.Errorf("faults: %v", plan.Faults)
	}
}

func (s *testSite) nameOf(role secrets.Role) string {
	s.t.Helper()
	for _, secret := range s.observe(testNow).Secrets {
		if secret.Role() == role {
			return secret.Name
		}
	}
	s.t.Fatalf("there is no %s", role)
	return ""
}
