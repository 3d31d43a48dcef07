package renew

import (
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/secrets"
)

// TestTwoConfigurations: a resource that another flowcert wired is left alone, and
// what else this one looks after goes on.
func TestTwoConfigurations(t *testing.T) {
	s := newSite(t, unseenConfig, map[string]string{"ep.yaml": farEventProcessing, "flink.yaml": haFlink})
	s.apply(testNow)
	now := testNow.AddDate(0, 10, 0)
	started := map[string]time.Time{session: now, farEP: now}
	state := s.asItRuns(now, started)
	for i, r := range state.resources {
		if r.String() == farEP {
			annotations := r.Object["metadata"].(map[string]any)["annotations"].(map[string]any)
			annotations["flowcert.io/root"] = strings.Repeat("0", 64)
			state.resources[i] = r
		}
	}
	plan := NewPlan(s.cfg, state)
	if len(plan.Faults) != 1 || plan.Faults[0].Target != farEP || !strings.Contains(plan.Faults[0].Err.Error(), "another authority") || RemedyOf(plan.Faults[0].Err) == "" {
		t.Errorf("faults: %v", plan.Faults)
	}
	if issues(plan, farEP) || !issues(plan, session) {
		t.Errorf("it does %v", objects(plan))
	}
	// An earlier root of this one's is no other authority.
	s.wishRoot(testNow.Add(time.Hour), false)
	s.apply(testNow.Add(time.Hour))
	if plan := NewPlan(s.cfg, s.asItRuns(now, started)); len(plan.Faults) > 0 {
		t.Errorf("faults: %v", plan.Faults)
	}
	if n := len(s.observe(now).versions[slot{s.authorityTarget(), secrets.RoleRoot}]); n != 2 {
		t.Errorf("%d roots", n)
	}
}
