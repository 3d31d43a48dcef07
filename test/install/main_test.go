// Package install holds what is in install/, and what make image and make bundle make, against the tools that users have
// for them: kubectl, kustomize, helm, promtool, skopeo.
package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/install"
	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/tools"
)

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// root is the module's folder.
const root = "../.."

// output runs a program and returns what it printed on standard output. It fails the test if the program fails.
func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	out, errOut, err := try(t, name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", filepath.Base(name), args, err, out, errOut)
	}
	return out
}

// try is output for a program that may fail.
func try(t *testing.T, name string, args ...string) (stdout, stderr []byte, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	return out.Bytes(), errOut.Bytes(), err
}

// kustomize builds a kustomization with kubectl.
func kustomize(t *testing.T, dir string) map[string]map[string]any {
	t.Helper()
	return objects(t, output(t, filepath.Join(tools.ControlPlane(t), "kubectl"), "kustomize", dir))
}

// manifests are what flowcert manifests prints.
func manifests(t *testing.T, o install.Options) []byte {
	t.Helper()
	docs, err := install.Manifests(o)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join(docs, []byte("---\n"))
}

// objects reads a stream of YAML: "Kind namespace/name" -> object, with every number as JSON has it.
func objects(t *testing.T, stream []byte) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, u := range cluster.Parse(t, stream) {
		key := keyOf(u)
		if out[key] != nil {
			t.Errorf("there are two of %s", key)
		}
		text, err := json.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		var obj map[string]any
		if err := json.Unmarshal(text, &obj); err != nil {
			t.Fatal(err)
		}
		out[key] = obj
	}
	return out
}

func keyOf(u *unstructured.Unstructured) string {
	return fmt.Sprintf("%s %s/%s", u.GetKind(), u.GetNamespace(), u.GetName())
}

func same(t *testing.T, what string, got, want map[string]map[string]any) {
	t.Helper()
	if len(want) == 0 {
		t.Fatalf("%s: nothing is wanted", what)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs from flowcert manifests (-want +got):\n%s", what, diff)
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
