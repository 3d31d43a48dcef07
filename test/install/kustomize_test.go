package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/install"
)

// bases copies the kustomize bases, so that an overlay can lie beside them.
func bases(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "install", "kustomize"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestKustomize: an overlay that only names the namespace gives what flowcert manifests prints for it.
func TestKustomize(t *testing.T) {
	dir := bases(t)
	for _, kind := range install.Kinds() {
		write(t, filepath.Join(dir, "mine", "kustomization.yaml"), "namespace: main\nresources: [../"+string(kind)+"]\n")
		same(t, string(kind), kustomize(t, filepath.Join(dir, "mine")), objects(t, manifests(t, install.Options{Kind: kind, Namespace: "main"})))
	}
}

// TestKustomizeForTheCluster: the optional bases too, but that flowcert manifests ends names that count in the whole
// cluster with the namespace.
func TestKustomizeForTheCluster(t *testing.T) {
	dir := bases(t)
	write(t, filepath.Join(dir, "mine", "kustomization.yaml"), "resources: [main, operators]\n")
	write(t, filepath.Join(dir, "mine", "main", "kustomization.yaml"), "namespace: main\nresources: [../../daemon, ../../openshift, ../../webhook]\n")
	write(t, filepath.Join(dir, "mine", "operators", "kustomization.yaml"), "namespace: event-automation\nresources: [../../served, ../../operator]\n"+
		"patches:\n- target: {kind: RoleBinding}\n  patch: |\n    - op: add\n      path: /subjects/0/namespace\n      value: main\n")
	// The namespace is the one that the base has, for people to replace.
	text := manifests(t, install.Options{Namespace: "main", OpenShift: true, WebhookNamespace: "event-automation"})
	for _, name := range []string{"flowcert-ingress-domain", "flowcert-webhook"} {
		text = []byte(strings.ReplaceAll(string(text), "name: "+name+"-main\n", "name: "+name+"\n"))
	}
	same(t, "openshift and webhook", kustomize(t, filepath.Join(dir, "mine")), objects(t, text))
}

// TestSeveralNamespaces: so does the example.
func TestSeveralNamespaces(t *testing.T) {
	dir := filepath.Join(root, "install", "kustomize", "several-namespaces")
	same(t, "several-namespaces", kustomize(t, dir), objects(t, manifests(t, install.Options{
		Namespace: "event-automation", Served: []string{"orders", "payments"}, Image: "registry.example.com/flowcert:1.0.0",
		Config: map[string][]byte{"flowcert.yaml": read(t, filepath.Join(dir, "main", "flowcert.yaml"))},
	})))
}
