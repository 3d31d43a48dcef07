//go:build e2e

package operator

import (
	"net"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowcert/flowcert/test/double"
	"github.com/flowcert/flowcert/test/flink"
	"github.com/flowcert/flowcert/test/operator"
	"github.com/flowcert/flowcert/test/tools"
)

const oneCluster = `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkOperator: {namespace: NAMESPACE}
flinkDeployments: [{name: session}]
truststores: [{sources: [{name: orders-db, authority: true}]}]
`

// TestRealFlink has the operator call the REST endpoint of a real Flink, which serves the key store that flowcert made, with the
// configuration that flowcert wrote. The operator's Flink client is of another version than the cluster.
func TestRealFlink(t *testing.T) {
	o, _ := realOperator(t)
	s := newSite(t, "")
	pods := double.StartWithoutOperators(t, s.Cluster, s.namespace)
	s.write(t, "flowcert.yaml", oneCluster)
	s.givePassword(t, s.namespace)
	s.flowcert(t, "3", "apply")
	if err := o.Mount(s.secret(t, s.namespace, "flink-operator-cert")); err != nil {
		t.Fatal(err)
	}
	jobs := playJobManagers(s, pods)
	port := jobs.listen(t, o, "session")
	s.Apply(t, s.namespace, s.expand(strings.ReplaceAll(testdata(t, "session.yaml"), "PORT", port)))
	t.Cleanup(func() { s.removeClusters(t) })
	s.waitStable(t, "session")

	// From now on nobody answers, until the real one is there.
	jobs.passOn("session", "127.0.0.1:1")
	if out := s.flowcert(t, "1", "apply", "--timeout", "1s"); !strings.Contains(out, "edited flinkDeployment/"+s.namespace+"/session") {
		t.Fatalf("it is not wired: %s", out)
	}
	distribution := flink.Find(t, "1.20")
	real := flink.Start(t, distribution, "session", s.namespace, s.pod(t, "session"))
	jobs.passOn("session", net.JoinHostPort(real.Address, flink.RESTPort))
	s.waitStable(t, "session")
	wait(t, "the operator to know the real Flink's version", func() (bool, string) {
		u, err := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace).Get(t.Context(), "session", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		version, _, _ := unstructured.NestedString(u.Object, "status", "clusterInfo", "flink-version")
		return version == distribution.Version, "version " + version
	})
	s.flowcert(t, "0", "apply")
}

// pod is what the JobManager of a cluster finds: its configuration, and the Secrets that flowcert's fields name.
func (s *site) pod(t *testing.T, name string) flink.Pod {
	t.Helper()
	conf := s.configuration(t, name)
	wired := s.references(t, name)
	return flink.Pod{Conf: conf, JDK: tools.JDKs(t)[0], Secrets: map[string]map[string][]byte{
		"/opt/flink/tls-cert": s.secret(t, s.namespace, wired.tls), "/certs": s.secret(t, s.namespace, wired.trust)}}
}

// TestPasswordOfTheResource gives a resource another password of its truststore than the operator's stores have. The Flink client in the operator
// opens the operator's file with it at each deployment, and fails once; then the operator goes on with its own password.
func TestPasswordOfTheResource(t *testing.T) {
	operator.Needs(t, operator.OwnStores, "it opens its stores with the resource's password alone, as TestRollouts sees")
	o, _ := realOperator(t)
	s := newSite(t, "")
	pods := double.StartWithoutOperators(t, s.Cluster, s.namespace)
	s.write(t, "flowcert.yaml", oneCluster)
	s.givePassword(t, s.namespace)
	s.flowcert(t, "3", "apply")
	if err := o.Mount(s.secret(t, s.namespace, "flink-operator-cert")); err != nil {
		t.Fatal(err)
	}
	r := &rollouts{s, o, playJobManagers(s, pods), []string{"session"}}
	s.Apply(t, s.namespace, s.expand(strings.ReplaceAll(testdata(t, "session.yaml"), "PORT", r.jobs.listen(t, o, "session"))))
	t.Cleanup(func() { s.removeClusters(t) })
	s.waitStable(t, "session")
	s.flowcert(t, "0", "apply")
	s.waitStable(t, "session")
	log := len(o.Log())

	patch := `{"spec": {"flinkConfiguration": {"security.ssl.truststore-password": "another-one"}}}`
	if _, err := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace).Patch(t.Context(), "session", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	s.waitStable(t, "session")
	r.called(t, "session", true)
	if failed := strings.Count(o.Log()[log:], "Failed to initialize SSLContext for the REST client"); failed == 0 {
		t.Error("the operator opens its truststore although the resource has another password: that is new")
	}
	if n := s.replaced(t, "session"); n != 2 {
		t.Errorf("the Deployment was replaced %d times, want once for the wiring and once for the password", n)
	}
}
