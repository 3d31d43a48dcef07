package deploy

import (
	"strings"
	"testing"
)

// What GitOps does: the specification is put back, the annotations stay.
func TestAVersionThatWasPutBackIsStillOurs(t *testing.T) {
	versions := []string{"my-ep-cert-0000000001", "my-ep-cert-0000000002", "my-ep-ui-cert-0000000001", "my-ep-ui-cert-0000000002", "other-0000000003"}
	wire := func(source, certificate, ui string) (string, Result) {
		r := resource(t, source)
		r.Versions = versions
		result := EventProcessing(r, EventProcessingWiring{Certificate: certificate, UI: ui, Root: "root"})
		if len(result.Conflicts) > 0 {
			return source, result
		}
		return string(result.Source), result
	}
	original := `apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata:
  name: my-ep
spec:
  authoring:
    endpoints: []
`
	first, _ := wire(original, versions[0], versions[2])
	second, _ := wire(first, versions[1], versions[3])
	if first == "" || second == "" || first == second {
		t.Fatal("the wiring does not work")
	}
	putBack := strings.NewReplacer(versions[1]+"\n", versions[0]+"\n", versions[3]+"\n", versions[2]+"\n").Replace(second)
	if putBack == second {
		t.Fatalf("nothing was put back:\n%s", second)
	}
	again, result := wire(putBack, versions[1], versions[3])
	if len(result.Conflicts) > 0 {
		t.Fatalf("flowcert's own version is somebody else's: %v", result.Conflicts)
	}
	for what, source := range map[string]string{"as it was put back": putBack, "wired again": again} {
		r := resource(t, source)
		r.Versions = versions
		got, kept, err := Revert(r)
		if err != nil || len(kept) > 0 || string(got) != original {
			t.Errorf("%s, reverted: %v, kept %v\n%s", what, err, kept, got)
		}
	}

	// What is no version of the kind is somebody else's.
	for _, name := range []string{"mine", "other-0000000003"} {
		if _, result := wire(strings.ReplaceAll(second, versions[1]+"\n", name+"\n"), versions[1], versions[3]); len(result.Conflicts) == 0 {
			t.Errorf("%s was taken for flowcert's", name)
		}
	}
}
