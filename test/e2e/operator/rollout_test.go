//go:build e2e

package operator

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/test/double"
)

const configuration = `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkOperator: {namespace: OPERATOR}
flinkDeployments:
- {name: session}
truststores: [{sources: [{name: orders-db, authority: true}]}]
`

const session = `
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: session}
spec:
  image: flink:1.18
  flinkVersion: v1_18
  serviceAccount: flink
  flinkConfiguration:
    rest.port: "PORT"
    taskmanager.numberOfTaskSlots: "2"
    high-availability.type: kubernetes
    high-availability.storageDir: file:///opt/flink/volume/ha
  jobManager: {replicas: 1, resource: {memory: 2048m, cpu: 0.5}}
  taskManager: {resource: {memory: 2048m, cpu: 0.5}}
`

func TestRollouts(t *testing.T) {
	o, ns := realOperator(t)
	s := newSite(t, ns)
	pods := double.StartWithoutOperators(t, s.Cluster, s.namespace)
	j := playJobManagers(s, pods)
	s.write(t, "flowcert.yaml", configuration)
	t.Log(s.flowcert(t, "3", "apply"))
	if err := o.Mount(s.secret(t, ns, "flink-operator-cert")); err != nil {
		t.Fatal(err)
	}
	s.Apply(t, s.namespace, s.expand(strings.ReplaceAll(session, "PORT", j.listen(t, o, "session"))))
	s.waitStable(t, "session")
	t.Log(j.taken())
	t.Log(s.flowcert(t, "0", "apply", "--timeout", "40s"))
}

// secret is the data of a Secret.
func (s *site) secret(t *testing.T, namespace, name string) map[string][]byte {
	t.Helper()
	data, _, err := unstructured.NestedStringMap(s.get(t, secretsGVR, namespace, name).Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for key, text := range data {
		if out[key], err = base64.StdEncoding.DecodeString(text); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// waitStable waits until the operator has brought a FlinkDeployment to its latest specification, without an error.
func (s *site) waitStable(t *testing.T, name string) {
	t.Helper()
	wait(t, name+" to be STABLE", func() (bool, string) {
		u, err := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		status, _, _ := unstructured.NestedMap(u.Object, "status")
		text, _ := json.Marshal(status)
		reconciled, _, _ := unstructured.NestedString(status, "reconciliationStatus", "lastReconciledSpec")
		stable, _, _ := unstructured.NestedString(status, "reconciliationStatus", "lastStableSpec")
		return status["lifecycleState"] == "STABLE" && status["jobManagerDeploymentStatus"] == "READY" && status["error"] == nil &&
			reconciled == stable && generationOf(reconciled) == u.GetGeneration(), string(text)
	})
}

// generationOf is the generation of a specification that the operator wrote down.
func generationOf(snapshot string) int64 {
	var s struct {
		Resource struct{ Metadata metav1.ObjectMeta } `json:"resource_metadata"`
	}
	_ = json.Unmarshal([]byte(snapshot), &s)
	return s.Resource.Metadata.Generation
}
