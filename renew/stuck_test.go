package renew

import (
	"slices"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
)

// TestStuckPods: a pod is deleted if it cannot start, nothing will bring what it
// lacks, and the next one does not need it.
func TestStuckPods(t *testing.T) {
	s := newSite(t, testConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": haFlink})
	s.apply(testNow)
	const gone = "my-ep-cert-0123456789"
	for _, tt := range []struct {
		name   string
		change func(*State, *deploy.Pod, *deploy.Controller)
		want   bool
	}{
		{"stuck", func(*State, *deploy.Pod, *deploy.Controller) {}, true},
		{"it runs", func(_ *State, p *deploy.Pod, _ *deploy.Controller) { p.Pending = false }, false},
		{"it goes already", func(_ *State, p *deploy.Pod, _ *deploy.Controller) { p.Leaving = true }, false},
		{"it lacks nothing", func(_ *State, p *deploy.Pod, _ *deploy.Controller) { p.Secrets = p.Secrets[1:] }, false},
		{"somebody's Secret", func(_ *State, p *deploy.Pod, _ *deploy.Controller) { p.Secrets[0] = "company-ca" }, false},
		{"the next one needs it too", func(_ *State, _ *deploy.Pod, c *deploy.Controller) { c.Secrets = []string{gone} }, false},
		{"the template may change yet", func(_ *State, _ *deploy.Pod, c *deploy.Controller) { c.Generation++ }, false},
		{"a Deployment replaces it", func(_ *State, _ *deploy.Pod, c *deploy.Controller) { c.Kind = "Deployment" }, false},
		{"somebody keeps putting it back", func(s *State, _ *deploy.Pod, _ *deploy.Controller) { s.Held = map[string]string{both[0]: "why"} }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state := s.asItRuns(testNow.Add(time.Hour), map[string]time.Time{both[0]: testNow, both[1]: testNow})
			state.Live.Controllers = []deploy.Controller{{Kind: "StatefulSet", Namespace: "ea", Name: "my-ep-sts", Labels: map[string]string{"app.kubernetes.io/instance": "my-ep"}, Replicas: 1, Generation: 1, Observed: 1}}
			i := slices.IndexFunc(state.Live.Pods, func(p deploy.Pod) bool { return p.Name == "my-ep-0" })
			pod := &state.Live.Pods[i]
			pod.Pending, pod.Ready, pod.Secrets = true, false, append([]string{gone}, pod.Secrets...)
			tt.change(state, pod, &state.Live.Controllers[0])
			var deleted []string
			for _, a := range NewPlan(s.cfg, state).Actions {
				if r, ok := a.(*Restart); ok {
					for _, p := range r.Pods {
						deleted = append(deleted, p.UID)
					}
				}
			}
			if got := slices.Equal(deleted, []string{"my-ep"}); got != tt.want || len(deleted) > 1 {
				t.Errorf("deleted %v, want it deleted: %v", deleted, tt.want)
			}
		})
	}
}
