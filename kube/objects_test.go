package kube

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// When a pod started is told by its node's clock, which may be wrong by hours; what it is compared with is not.
func TestStarted(t *testing.T) {
	const scheduled = "2030-05-01T12:10:00Z"
	for what, tt := range map[string]struct{ start, want string }{
		"no kubelet has it":  {"", ""},
		"as it should be":    {"2030-05-01T12:10:02Z", "2030-05-01T12:10:02Z"},
		"a little ahead":     {"2030-05-01T12:11:59Z", "2030-05-01T12:11:59Z"},
		"hours ahead":        {"2030-05-01T15:10:00Z", scheduled},
		"a little behind":    {"2030-05-01T12:09:00Z", "2030-05-01T12:09:00Z"},
		"hours behind":       {"2030-05-01T09:10:00Z", scheduled},
		"no time that reads": {"soon", ""},
	} {
		status := map[string]any{"conditions": []any{
			map[string]any{"type": "Ready", "status": "False", "lastTransitionTime": "2030-05-01T13:00:00Z"},
			map[string]any{"type": "PodScheduled", "status": "True", "lastTransitionTime": scheduled},
		}}
		if tt.start != "" {
			status["startTime"] = tt.start
		}
		pod := &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": "my-ep-0"}, "status": status,
		}}
		want, _ := time.Parse(time.RFC3339, tt.want)
		if got := podFrom(pod).Started; !got.Equal(want) {
			t.Errorf("%s: %s, want %q", what, got, tt.want)
		}
	}
}
