package renew

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/secrets"
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

// TestLeavingAFixedName: the user's word about what a Secret of a fixed name held before
// is not one about the Secret, which is left for a version.
func TestLeavingAFixedName(t *testing.T) {
	w := walkThrough(t, withFlink("fa"), withTruststore("fixed", walkSource{Name: "db", File: "db.pem"}),
		does("another source", func(w *walker) {
			w.conf.Truststores[0].Sources = append(w.conf.Truststores[0].Sources, walkSource{Name: "other", File: "other.pem"})
		}),
		does("versions", func(w *walker) {
			w.later()
			w.conf.Truststores[0].Naming = "versioned"
		}))
	p := newPlanner(w.cfg, w.observe(w.now))
	left := p.state.Secrets[secrets.Ref{Namespace: "ea", Name: "ssl-truststore"}]
	if p.referenced[left.Ref] || p.retired(left) {
		t.Errorf("referred to: %v; pods that run with it are forgotten: %v", p.referenced[left.Ref], p.retired(left))
	}
	w.rollOut()
	w.now = w.now.Add(25 * time.Hour)
	if p = newPlanner(w.cfg, w.observe(w.now)); !p.retired(p.state.Secrets[left.Ref]) {
		t.Error("it is in use for ever")
	}
}
