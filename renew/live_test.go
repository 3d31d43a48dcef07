package renew

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// TestFirstWiringIsWaitedFor: the pods of an instance that is wired for the first time use no older version, and one may have
// started between the making of a version and the change of the resource.
func TestFirstWiringIsWaitedFor(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	for after, want := range map[time.Duration]string{operatorDelay - time.Second: "pod my-ep-0 may have started before ", operatorDelay: ""} {
		state := s.observe(testNow.Add(after))
		i := slices.IndexFunc(state.resources, func(r deploy.Resource) bool { return r.Kind == deploy.EventProcessingKind })
		ep := state.resources[i]
		ep.Status = map[string]any{"phase": deploy.PhaseRunning}
		pod := deploy.Pod{Namespace: ep.Namespace, Name: "my-ep-0", Labels: map[string]string{"app.kubernetes.io/instance": ep.Name}, Ready: true, Started: testNow.Add(time.Second)}
		if name := deploy.References(ep).TrustStore; name != "" {
			pod.Secrets = []string{name}
		}
		state.Live = &secrets.Live{Running: deploy.Running{Pods: []deploy.Pod{pod}}}
		if h := state.health(ep); !strings.HasPrefix(h.Rolling, want) || (want == "") != (h.Rolling == "") {
			t.Errorf("%s after the versions were made: %q, want %q", after, h.Rolling, want)
		}
	}
}
