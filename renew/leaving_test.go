package renew

import (
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// TestPodThatDoesNotLeave: a pod on a lost node is waited for a while, and not until
// the certificate ends; what it has loaded counts as long as it is listed.
func TestPodThatDoesNotLeave(t *testing.T) {
	s := newSite(t, testConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": haFlink})
	s.apply(testNow)
	first := s.version(testNow, session, secrets.RoleFlinkTLS)
	s.apply(testNow.AddDate(0, 10, 0))
	now := testNow.AddDate(0, 10, 1)
	for what, overdue := range map[string]bool{"on its way": false, "stuck": true} {
		state := s.asItRuns(now, map[string]time.Time{session: now, both[0]: now})
		stuck := deploy.Pod{
			Namespace: "ea", Name: "session-taskmanager-1", Ready: true, Leaving: true, LeavesBy: now.Add(-leavingDelay + time.Second), Started: testNow,
			Secrets: []string{first.Name}, Labels: map[string]string{"app": "session", "type": "flink-native-kubernetes"},
		}
		if overdue {
			stuck.LeavesBy = now.Add(-leavingDelay - time.Second)
		}
		state.Live.Pods = append(state.Live.Pods, stuck)
		plan := NewPlan(s.cfg, state)
		if rolls := len(plan.Rolling) > 0; rolls == overdue {
			t.Errorf("%s: it is waited for: %v", what, plan.Rolling)
		}
		if told := noticed(plan, "kubectl delete pod --force session-taskmanager-1 -n ea"); told != overdue {
			t.Errorf("%s: %s", what, strings.Join(plan.Notices, "\n"))
		}
		if newPlanner(s.cfg, state).retired(first) {
			t.Errorf("%s: what it has loaded does not count", what)
		}
	}
}
