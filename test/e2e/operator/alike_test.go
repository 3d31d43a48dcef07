//go:build e2e

package operator

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowcert/flowcert/test/double"
	"github.com/flowcert/flowcert/test/operator"
)

// TestKeysThatBeginAlike shows why flowcert refuses env.java.opts in the configuration of Flink 2: the operator runs such a cluster, and
// takes it down when the options of a role come to it.
func TestKeysThatBeginAlike(t *testing.T) {
	operator.Needs(t, operator.NestedConfiguration, "it does not know Flink 2")
	o, _ := realOperator(t)
	s := newSite(t, "")
	pods := double.StartWithoutOperators(t, s.Cluster, s.namespace)
	s.write(t, "flowcert.yaml", strings.Replace(oneCluster, "{name: session}", "{name: mixed}", 1))
	s.givePassword(t, s.namespace)
	port := playJobManagers(s, pods).listen(t, o, "mixed")
	manifest := strings.NewReplacer("PORT", port, "env.java:\n      opts.all:", "env.java.opts:").Replace(testdata(t, "mixed.yaml"))
	s.Apply(t, s.namespace, s.expand(manifest))
	t.Cleanup(func() { s.removeClusters(t) })
	s.waitStable(t, "mixed")
	before := s.get(t, flinkGVR, s.namespace, "mixed")

	out := s.flowcert(t, "1", "apply")
	if !strings.Contains(out, `spec.flinkConfiguration["env.java.opts"]: begins like env.java.opts.taskmanager`) || !strings.Contains(out, "name it env.java.opts.all") {
		t.Errorf("flowcert does not say why: %s", out)
	}
	if after := s.get(t, flinkGVR, s.namespace, "mixed"); after.GetGeneration() != before.GetGeneration() || len(after.GetAnnotations()) != len(before.GetAnnotations()) {
		t.Errorf("flowcert has edited it: %v", after.Object)
	}

	patch := `{"spec": {"flinkConfiguration": {"env.java.opts.taskmanager": "-Dfoo=bar"}}}`
	if _, err := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace).Patch(t.Context(), "mixed", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	wait(t, "the operator to refuse the configuration", func() (bool, string) {
		text, _, _ := unstructured.NestedString(s.get(t, flinkGVR, s.namespace, "mixed").Object, "status", "error")
		return strings.Contains(text, "Overlapping key prefixes detected (env.java.opts -> env.java.opts.taskmanager)"), text
	})
	if s.replaced(t, "mixed") != 1 {
		t.Error("the operator has not taken the cluster down")
	}
}
