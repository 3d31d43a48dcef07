package renew

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestGoneBackToAReplacedVersion: somebody brings back a manifest from before a change
// of CA. What it refers to is in use again, whatever was said of it: no time ends that,
// the wait says what does, and it is in use until it has been said again.
func TestGoneBackToAReplacedVersion(t *testing.T) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	s := userSite(t, first.manifest(t, first.key, first.cert))
	s.apply(testNow)
	before := s.files()["flink.yaml"]
	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	now := testNow
	for range 3 {
		s.apply(now)
		s.sayDeployed(now)
		now = now.Add(25 * time.Hour)
	}
	s.write("flink.yaml", before)
	waits := func() []Wait {
		return slices.DeleteFunc(slices.Clone(s.plan(now).Waits), func(w Wait) bool { return w.Target != "flinkDeployment/ea/session" })
	}
	if got := waits(); len(got) != 1 || strings.Contains(got[0].For, "counts as in use until") || !strings.Contains(got[0].For, "run flowcert apply --deployed") {
		t.Errorf("it waits for %v", got)
	}
	for range 3 {
		s.sayDeployed(now)
		now = now.Add(25 * time.Hour)
		s.onePass(now)
	}
	if got := waits(); len(got) > 0 {
		t.Errorf("it waits for ever: %v", got)
	}
}
