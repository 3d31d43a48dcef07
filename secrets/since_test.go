package secrets

import (
	"testing"
	"time"
)

// TestSince: what was handed to the cluster later than flowcert wrote it has its
// data since then; a writer of annotations alone changes nothing.
func TestSince(t *testing.T) {
	writer := func(at, field string) any {
		return map[string]any{"manager": "kubectl", "time": at, "fieldsV1": map[string]any{field: map[string]any{}}}
	}
	for _, tt := range []struct {
		name    string
		writers []any
		want    string
	}{
		{"in a directory", nil, "2026-11-22T10:00:00Z"},
		{"handed over later", []any{writer("2026-11-22T12:00:00Z", "f:data")}, "2026-11-22T12:00:00Z"},
		{"by two", []any{writer("2026-11-22T12:00:00Z", "f:data"), writer("2026-11-22T13:00:00Z", "f:data")}, "2026-11-22T13:00:00Z"},
		{"annotated later", []any{writer("2026-11-22T12:00:00Z", "f:metadata")}, "2026-11-22T10:00:00Z"},
		{"by a clock that is behind", []any{writer("2026-11-22T09:59:58Z", "f:data")}, "2026-11-22T10:00:00Z"},
		{"nonsense", []any{writer("soon", "f:data"), "x"}, "2026-11-22T10:00:00Z"},
	} {
		s, err := FromObject(map[string]any{"kind": "Secret", "metadata": map[string]any{
			"name": "x", "managedFields": tt.writers, "annotations": map[string]any{CreatedAnnotation: "2026-11-22T10:00:00Z"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Since().Format(time.RFC3339); got != tt.want {
			t.Errorf("%s: since %s, want %s", tt.name, got, tt.want)
		}
	}
}
