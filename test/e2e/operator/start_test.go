//go:build e2e

package operator

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowcert/flowcert/test/double"
)

const session = `
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: session}
spec:
  image: flink:1.18
  flinkVersion: v1_18
  serviceAccount: flink
  flinkConfiguration:
    taskmanager.numberOfTaskSlots: "2"
    high-availability.type: kubernetes
    high-availability.storageDir: file:///opt/flink/volume/ha
  jobManager: {replicas: 1, resource: {memory: 2048m, cpu: 0.5}}
  taskManager: {resource: {memory: 2048m, cpu: 0.5}}
`

func TestThin(t *testing.T) {
	o, ns := realOperator(t)
	s := newSite(t, ns)
	double.StartWithoutOperators(t, s.Cluster, s.namespace)
	s.Apply(t, s.namespace, s.expand(session))
	wait(t, "deployment", func() (bool, string) {
		_, err := s.Dynamic.Resource(deploymentGVR).Namespace(s.namespace).Get(t.Context(), "session", metav1.GetOptions{})
		return err == nil || o.Ended(), fmt.Sprint(err)
	})
}
