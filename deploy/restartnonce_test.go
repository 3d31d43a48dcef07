package deploy

import (
	"strings"
	"testing"
)

// TestRestartNonce: it is counted on from the resource's own and from the one that
// the operator acted upon, and nothing else in the specification changes.
func TestRestartNonce(t *testing.T) {
	for _, tt := range []struct {
		name, spec, reconciled string
		want                   int64 // 0: refused
	}{
		{"none yet", "{}", "", 1},
		{"the author's", "{restartNonce: 41}", `{"spec":{"restartNonce":40}}`, 42},
		{"a string", `{restartNonce: "41"}`, "", 42},
		{"taken out since", "{}", `{"spec":{"restartNonce":3}}`, 4},
		{"put back since", "{restartNonce: 1}", `{"spec":{"restartNonce":3}}`, 4},
		{"a placeholder", "{restartNonce: <nonce>}", "", 1},
		{"no number", "{restartNonce: soon}", "", 0},
		{"a history that does not read", "{}", "{", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := resource(t, "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: session}\nspec: "+tt.spec+"\n")
			r.Status = map[string]any{"reconciliationStatus": map[string]any{"lastReconciledSpec": tt.reconciled}}
			result := FlinkDeployment(r, FlinkWiring{Restart: true})
			if tt.want == 0 {
				if len(result.Conflicts) != 1 || !strings.Contains(result.Conflicts[0].Error(), "not a whole number") {
					t.Errorf("conflicts %v", result.Conflicts)
				}
				return
			}
			if len(result.Conflicts) > 0 || len(result.Edits) != 1 || result.Edits[0].Path.String() != "spec.restartNonce" || result.Edits[0].Value != tt.want {
				t.Fatalf("edits %v, conflicts %v, want %d", result.Edits, result.Conflicts, tt.want)
			}
			back, kept, err := Revert(resource(t, string(result.Source)))
			if err != nil || len(kept) > 0 || !strings.HasSuffix(string(back), "spec: "+tt.spec+"\n") {
				t.Errorf("taken back: %s, kept %v, %v", back, kept, err)
			}
		})
	}
}
