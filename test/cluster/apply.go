package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Manager is the field manager of what Apply writes.
const Manager = "test"

// Apply writes the objects in a stream of YAML documents by server-side apply, as the administrator. Objects that
// live in a namespace and name none get the given one. What a binding grants is granted when it returns.
func (c *Cluster) Apply(t testing.TB, namespace string, documents []byte) {
	t.Helper()
	for _, object := range Parse(t, documents) {
		client, err := c.clientFor(object, namespace)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		force := true
		if _, err := client.Patch(t.Context(), object.GetName(), types.ApplyPatchType, data,
			metav1.PatchOptions{FieldManager: Manager, Force: &force}); err != nil {
			t.Fatalf("applying %s %q: %v", object.GetKind(), object.GetName(), err)
		}
		if kind := object.GetKind(); kind == "RoleBinding" || kind == "ClusterRoleBinding" {
			c.awaitGranted(t, object)
		}
	}
}

// Parse reads the objects in a stream of YAML documents.
func Parse(t testing.TB, documents []byte) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(documents), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// clientFor is a client for objects of this kind, in the object's namespace or else the given one. It names that
// namespace in the object, as server-side apply wants it.
func (c *Cluster) clientFor(object *unstructured.Unstructured, namespace string) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	// It may have been defined since, and the server's list of kinds lags behind its definitions.
	for end := time.Now().Add(patience); meta.IsNoMatchError(err) && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	resources := c.Dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return resources, nil
	}
	if object.GetNamespace() == "" {
		object.SetNamespace(namespace)
	}
	return resources.Namespace(object.GetNamespace()), nil
}

// Kubectl runs kubectl in a namespace as the user of a configuration, with the documents as its
// standard input, and returns what it printed.
func (c *Cluster) Kubectl(t testing.TB, config *rest.Config, namespace string, documents []byte, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(c.bin, "kubectl"),
		append([]string{"--kubeconfig", KubeConfig(t, config, namespace), "--cache-dir", t.TempDir()}, args...)...)
	cmd.Stdin = bytes.NewReader(documents)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
