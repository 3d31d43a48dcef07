//go:build e2e

package operator

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/operator"
)

// accepted checks that the operator's validator, which is its webhook's too, has nothing to say of FlinkDeployments.
func accepted(t *testing.T, resources ...*unstructured.Unstructured) {
	t.Helper()
	var lines []string
	for _, u := range resources {
		text, err := u.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(string(text)))
	}
	for i, answer := range operator.Call(t, "Validate", lines) {
		if answer != `""` {
			t.Errorf("%s: the operator's validator says %s", resources[i].GetName(), answer)
		}
	}
}

// olderFlink gives a resource a version of Flink, and names of options, that an operator before Flink120 knows.
var olderFlink = strings.NewReplacer("v1_20", "v1_18",
	"execution.checkpointing.dir", "state.checkpoints.dir", "execution.checkpointing.savepoint-dir", "state.savepoints.dir")

// TestExamplesAreAccepted wires the examples in a directory: the API server takes them by the operator's own definition, and its
// validator accepts them.
func TestExamplesAreAccepted(t *testing.T) {
	realOperator(t) // its definitions
	s := newSite(t, "flink")
	if err := os.CopyFS(s.dir, os.DirFS("../../../examples/quickstart")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "flink-*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if operator.Since(t, operator.Flink120) {
			break
		}
		if err := os.WriteFile(file, []byte(olderFlink.Replace(string(text))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), program, "apply", "--dir", s.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var resources []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range cluster.Parse(t, text) {
			if u.GetKind() != "FlinkDeployment" {
				continue
			}
			u.SetNamespace(s.namespace)
			if _, err := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace).Create(t.Context(), u,
				metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}); err != nil {
				t.Error(err)
			}
			if conf, _, _ := unstructured.NestedString(u.Object, "spec", "flinkConfiguration", "security.ssl.rest.enabled"); conf != "true" {
				t.Errorf("%s is not wired", u.GetName())
			}
			resources = append(resources, u)
		}
	}
	if len(resources) < 2 {
		t.Fatalf("%d examples", len(resources))
	}
	accepted(t, resources...)
}

// TestValidatorRefuses makes sure that accepted can fail.
func TestValidatorRefuses(t *testing.T) {
	u := cluster.Parse(t, []byte(session("flinkVersion: v1_18")))[0]
	text, err := u.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if answer := operator.Call(t, "Validate", []string{strings.TrimSpace(string(text))})[0]; !strings.Contains(answer, "JobManager resource memory") {
		t.Errorf("of a resource without memory the validator says %s", answer)
	}
}

// session is a FlinkDeployment with these lines in its specification.
func session(lines ...string) string {
	return "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: session}\nspec:\n  " + strings.Join(lines, "\n  ") + "\n"
}

// TestNestedConfiguration records which operators' definitions take nested and mixed configuration: those from NestedConfiguration on. What
// flowcert makes of it is seen in TestRollouts.
func TestNestedConfiguration(t *testing.T) {
	realOperator(t)
	s := newSite(t, "flink")
	for name, conf := range map[string]string{
		"nested": "flinkConfiguration: {security: {ssl: {rest: {enabled: 'true'}}}}",
		"mixed":  "flinkConfiguration: {rest.port: '8081', security: {ssl: {rest: {enabled: 'true'}}}}",
	} {
		u := cluster.Parse(t, []byte(session("flinkVersion: v1_18", conf)))[0]
		made, err := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace).Create(t.Context(), u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if !operator.Since(t, operator.NestedConfiguration) {
			t.Logf("operator %s refuses %s configuration", operator.Version(t), name)
			if err == nil || !strings.Contains(err.Error(), `spec.flinkConfiguration.security: Invalid value`) {
				t.Errorf("%s configuration: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s configuration: %v", name, err)
		} else if rest, _, _ := unstructured.NestedString(made.Object, "spec", "flinkConfiguration", "security", "ssl", "rest", "enabled"); rest != "true" {
			t.Errorf("%s configuration has become %v", name, made.Object["spec"])
		}
	}
}
