package install

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/install"
	"github.com/flowcert/flowcert/test/cluster"
)

// TestAPIServer: a real one takes every manifest, and finds nothing in the pods that the Pod Security Standard
// "restricted" forbids.
func TestAPIServer(t *testing.T) {
	c := cluster.Shared(t)
	main, other := c.Namespace(t), c.Namespace(t)
	for _, ns := range []string{main, other} {
		c.Apply(t, "", []byte("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: "+ns+"\n  labels:\n"+
			"    pod-security.kubernetes.io/enforce: restricted\n    pod-security.kubernetes.io/warn: restricted\n"))
	}
	dryRun := func(documents []byte) (string, error) {
		return c.Kubectl(t, c.Config, main, documents, "apply", "--dry-run=server", "-f", "-")
	}
	stream := manifests(t, install.Options{
		Kind: install.Both, Namespace: main, Served: []string{other}, OpenShift: true, WebhookNamespace: other, Ports: []int{9093},
		Reads:  []install.Read{{Namespace: other, Secrets: []string{"a"}, ConfigMaps: []string{"b"}}},
		Config: map[string][]byte{"flowcert.yaml": []byte("a: b\n"), "ca.crt": {0xff}},
	})
	out, err := dryRun(stream)
	if err != nil || strings.Contains(out, "Warning") {
		t.Errorf("%v\n%s", err, out)
	}
	created := strings.Count(out, " created (server dry run)")
	if want := len(objects(t, stream)); created != want {
		t.Errorf("%d objects, want %d:\n%s", created, want, out)
	}

	// The pods themselves are let in.
	for key, obj := range objects(t, stream) {
		spec, _ := obj["spec"].(map[string]any)
		template, ok := spec["template"].(map[string]any)
		if !ok {
			continue
		}
		pod, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "pod"}, "spec": template["spec"]})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := dryRun(pod); err != nil {
			t.Errorf("a pod of %s: %v\n%s", key, err, out)
		}
	}
	// It would have found something; kubectl says the same thing once.
	loose := []byte(strings.ReplaceAll(string(stream), "runAsNonRoot: true", "runAsNonRoot: false"))
	if out, err := dryRun(loose); err != nil || !strings.Contains(out, "would violate PodSecurity") {
		t.Errorf("pods that may be root: %v\n%s", err, out)
	}
}
