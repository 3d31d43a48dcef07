package incluster_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestManyCertificates: whose names they are is known from a list, and one that is taken is refused; the others are made.
func TestManyCertificates(t *testing.T) {
	const many = 150
	s := newSite(t)
	conf := "apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: NAMESPACE\n" +
		"authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}\ndefaults: {key: {algorithm: ECDSA, size: 256}}\ncertificates:\n"
	for i := range many {
		conf += fmt.Sprintf("- {secretName: server-%d, dnsNames: [server-%d.NAMESPACE.svc]}\n", i, i)
	}
	s.write(t, "flowcert.yaml", conf)
	taken := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "stringData": map[string]any{"tls.key": "somebody's"}}}
	taken.SetName("server-77")
	s.create(t, secretsGVR, taken)
	version := s.get(t, secretsGVR, "server-77").GetResourceVersion()

	before := len(s.Requests(t))
	if r := s.must(t, 1, "apply"); !strings.Contains(r.stderr, "secret "+s.namespace+"/server-77") {
		t.Errorf("it does not name what is taken: %s", r)
	}
	asked := 0
	for _, q := range s.Requests(t)[before:] {
		if q.Namespace == s.namespace && q.Resource == "secrets" && q.Verb == "get" {
			asked++
		}
	}
	if asked > 10 {
		t.Errorf("%d Secrets were asked for one by one", asked)
	}
	made := 0
	for _, u := range s.list(t, secretsGVR) {
		if strings.HasPrefix(u.GetName(), "server-") && u.GetLabels()["app.kubernetes.io/managed-by"] == "flowcert" {
			made++
		}
	}
	if made != many-1 {
		t.Errorf("%d certificates were made, want %d", made, many-1)
	}
	if s.get(t, secretsGVR, "server-77").GetResourceVersion() != version {
		t.Error("somebody's Secret was written to")
	}
	s.deleteSecret(t, "server-77")
	s.must(t, 0, "apply")
	if r := s.must(t, 0, "apply"); !strings.Contains(r.stdout, "Nothing to do") {
		t.Errorf("there is more to do: %s", r)
	}
}
