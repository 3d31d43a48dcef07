package incluster_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowcert/flowcert/test/double"
)

// running is a site with operators, in which everything in the manifests runs.
func running(t *testing.T, manifests, configuration string) (*site, *double.Double) {
	t.Helper()
	s := newSite(t)
	d := double.Start(t, s.Cluster, s.namespace)
	s.write(t, "flowcert.yaml", configuration)
	s.Apply(t, s.namespace, s.expand(manifests))
	return s, d
}

// well fails the test if a job was lost, or an operator was asked for what it should not be.
func well(t *testing.T, d *double.Double) {
	t.Helper()
	for _, l := range d.Losses() {
		t.Error("lost:", l)
	}
	for _, f := range d.Faults() {
		t.Error("fault:", f)
	}
}

// patch is a JSON merge patch.
func (s *site) patch(t *testing.T, gvr schema.GroupVersionResource, name, text string) {
	t.Helper()
	if _, err := s.Dynamic.Resource(gvr).Namespace(s.namespace).Patch(t.Context(), name, types.MergePatchType, []byte(text), metav1.PatchOptions{FieldManager: "test"}); err != nil {
		t.Fatal(err)
	}
}

func TestApplyWaitsForRollouts(t *testing.T) {
	s, d := running(t, plain, config)
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	d.WaitEventProcessing(t, s.namespace, "my-ep", "Running")
	release := d.HoldReady(s.namespace, "session")
	if r := s.run(t, "apply", "--timeout", "20s"); r.code != 1 || !strings.Contains(r.stderr, "not finished within --timeout: flinkDeployment/"+s.namespace+"/session") {
		t.Errorf("while the session cluster hangs: %s", r)
	}
	release()
	r := s.must(t, 0, "apply")
	t.Log(r)
	for _, name := range []string{"session", "my-ep"} {
		if n := s.restarts(t, d, name); n != 1 {
			t.Errorf("%s restarted %d times", name, n)
		}
	}
	well(t, d)

	// A renewal: one restart each, and nothing else.
	s.must(t, 0, "renew", "eventProcessing/"+s.namespace+"/my-ep")
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	s.must(t, 0, "apply")
	for _, name := range []string{"session", "my-ep"} {
		if n := s.restarts(t, d, name); n != 2 {
			t.Errorf("after the renewal %s has restarted %d times", name, n)
		}
	}
	s.must(t, 0, "plan")
	well(t, d)

	// Another root: one restart each, because the old one vouches for it.
	s.must(t, 0, "renew", "--ca")
	t.Log(s.must(t, 0, "apply"))
	for _, name := range []string{"session", "my-ep"} {
		if n := s.restarts(t, d, name); n != 3 {
			t.Errorf("after the rollover %s has restarted %d times", name, n)
		}
	}
	well(t, d)
	t.Log(s.must(t, 0, "status"))
}

// restarts counts how often the first pod of a resource has been replaced.
func (s *site) restarts(t *testing.T, d *double.Double, name string) int {
	t.Helper()
	n := 0
	for _, p := range d.Started() {
		jobManager := p.Labels["app"] == name && p.Labels["component"] == "jobmanager"
		if p.Namespace == s.namespace && (jobManager || p.Labels["app.kubernetes.io/instance"] == name) {
			n++
		}
	}
	return n - 1
}

// withoutHA is a session cluster that forgets its jobs when it restarts.
const withoutHA = `
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: session}
spec:
  image: flink:1.20
  flinkVersion: v1_20
  serviceAccount: flink
  flinkConfiguration: {taskmanager.numberOfTaskSlots: "2"}
  jobManager: {replicas: 1, resource: {memory: 2048m, cpu: 0.5}}
  taskManager: {resource: {memory: 2048m, cpu: 0.5}}
`

const onlyFlink = `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkDeployments: [{name: session}]
`

func TestJobsAreNotLost(t *testing.T) {
	s, d := running(t, withoutHA, onlyFlink)
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	r := s.must(t, 3, "apply")
	if !strings.Contains(r.stdout, "its jobs would be lost") || !strings.Contains(r.stdout, "rotation.flink.allowSessionWithoutHA") {
		t.Errorf("what it waits for: %s", r)
	}
	if n := s.restarts(t, d, "session"); n != 0 {
		t.Errorf("it restarted %d times", n)
	}
	well(t, d)
	for _, u := range s.list(t, secretsGVR) {
		if strings.HasPrefix(u.GetName(), "session-tls") {
			t.Errorf("secret %s was made although nothing may switch to it", u.GetName())
		}
	}
	s.write(t, "flowcert.yaml", onlyFlink+"rotation: {flink: {allowSessionWithoutHA: true}}\n")
	s.must(t, 0, "apply")
	if n := s.restarts(t, d, "session"); n != 1 {
		t.Errorf("once allowed, it restarted %d times", n)
	}
}

func TestFirstWiringOfWhatNeverRan(t *testing.T) {
	// The instance refers to a Secret that does not exist: without cert-manager it cannot start.
	s, d := running(t, strings.ReplaceAll(plain, "    authConfig:", "    tls: {secretName: <my-ep-cert>}\n    authConfig:"), config)
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	s.must(t, 0, "apply")
	d.WaitEventProcessing(t, s.namespace, "my-ep", "Running")
	well(t, d)
}

func TestUnhealthyIsLeftAlone(t *testing.T) {
	s, d := running(t, plain, config)
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	d.WaitEventProcessing(t, s.namespace, "my-ep", "Running")
	s.must(t, 0, "apply")
	d.EditStatus(t, "FlinkDeployment", s.namespace, "session", func(status map[string]any) { status["error"] = "boom" })
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	r := s.must(t, 3, "apply")
	if !strings.Contains(r.stdout, "its operator reports an error") {
		t.Errorf("what it waits for: %s", r)
	}
	if n := s.restarts(t, d, "session"); n != 1 {
		t.Errorf("it restarted %d times", n)
	}
	well(t, d)
}

func TestRolledBack(t *testing.T) {
	s, d := running(t, plain, config)
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	d.WaitEventProcessing(t, s.namespace, "my-ep", "Running")
	s.must(t, 0, "apply")
	d.RollBackNext(s.namespace, "session")
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	r := s.must(t, 1, "apply")
	if !strings.Contains(r.stderr, "rolled the last change back") {
		t.Errorf("what it says: %s", r)
	}
	well(t, d)
}

func TestResourceToCome(t *testing.T) {
	s, d := running(t, withoutHA, config)
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	s.write(t, "flowcert.yaml", config+"rotation: {flink: {allowSessionWithoutHA: true}}\n")
	if r := s.must(t, 3, "apply"); !strings.Contains(r.stdout, "eventProcessing/"+s.namespace+"/my-ep: it does not exist yet") {
		t.Errorf("what it waits for: %s", r)
	}
	documents := strings.SplitN(plain, "---", 2)
	s.Apply(t, s.namespace, s.expand(documents[0]))
	s.must(t, 0, "apply")
	d.WaitEventProcessing(t, s.namespace, "my-ep", "Running")
}
