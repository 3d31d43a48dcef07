package double

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/tools"
)

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

const session = `
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: session}
spec:
  serviceAccount: flink
  flinkConfiguration:
    high-availability.type: kubernetes
    high-availability.storageDir: file:///ha
    kubernetes.secrets: session-tls:/opt/flink/tls-cert
  jobManager: {replicas: 1}
  taskManager: {replicas: 2}
`

const application = `
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: application}
spec:
  image: flink.example.com/mine:2
  flinkVersion: v1_20
  flinkConfiguration:
    high-availability: {type: kubernetes, storageDir: file:///ha}
    execution.checkpointing.savepoint-dir: file:///sp
  podTemplate:
    spec:
      containers:
      - {name: flink-main-container, volumeMounts: [{name: truststore, mountPath: /certs}]}
      volumes: [{name: truststore, secret: {secretName: trust-1, items: [{key: truststore.jks, path: truststore.jks}]}}]
  job: {jarURI: local:///job.jar, parallelism: 1, upgradeMode: savepoint, state: running}
`

const eventProcessing = `
apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata: {name: ep}
spec:
  flink: {tls: {secretName: trust-1, secretKeyRef: {name: trust-1, key: password}}}
  authoring:
    tls: {secretName: ep-cert-1, trustedCertificates: [{secretName: ep-cert-1, certificate: ca.crt}]}
    template:
      pod:
        spec:
          containers: [{name: backend, env: [{name: A, value: b}], volumeMounts: [{name: truststore, mountPath: /opt/ibm/sp-backend/certs}]}]
          volumes: [{name: truststore, secret: {secretName: trust-1}}]
`

// A stage is a test's own namespace with a double in it.
type stage struct {
	*testing.T
	*cluster.Cluster
	d         *Double
	namespace string
}

func newStage(t *testing.T) stage {
	t.Helper()
	c := cluster.Shared(t)
	namespace := c.Namespace(t)
	return stage{t, c, Start(t, c, namespace), namespace}
}

func (s stage) apply(documents string) {
	s.Helper()
	s.Apply(s.T, s.namespace, []byte(documents))
}

// secret makes a Secret that has what every resource above asks for.
func (s stage) secret(name, content string) {
	s.Helper()
	s.apply(fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s}\nstringData: {truststore.jks: %s, password: p}\n", name, content))
}

// patch changes a resource by a JSON merge patch.
func (s stage) patch(kind, name, change string) {
	s.Helper()
	if _, err := s.Dynamic.Resource(resources[kind]).Namespace(s.namespace).Patch(s.Context(), name,
		types.MergePatchType, []byte(change), metav1.PatchOptions{}); err != nil {
		s.Fatal(err)
	}
}

func (s stage) get(kind, name string) *unstructured.Unstructured {
	s.Helper()
	u, err := s.Dynamic.Resource(resources[kind]).Namespace(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return u
}

// running returns the names of the running pods with the Secrets that they loaded, sorted, without what Kubernetes
// makes up.
func (s stage) running() []string {
	s.Helper()
	pods, err := s.d.Running(s.Context(), s.namespace)
	if err != nil {
		s.Fatal(err)
	}
	var out []string
	for _, pod := range pods {
		var loaded []string
		for name, l := range pod.Secrets {
			loaded = append(loaded, name+"="+string(l.Data["truststore.jks"]))
		}
		slices.Sort(loaded)
		out = append(out, generated.ReplaceAllString(pod.Name, "")+" "+strings.Join(loaded, " "))
	}
	slices.Sort(out)
	return out
}

// generated is what a ReplicaSet's pods have behind the name of the Deployment.
var generated = regexp.MustCompile(`-[0-9a-f]{10}-[0-9a-z]{5}$`)

func (s stage) expect(what string, got, want []string) {
	s.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// follow collects every different status of a FlinkDeployment until the returned function is called, which tells them.
func (s stage) follow(name string, fields ...string) (states func() []string) {
	s.Helper()
	watch, err := s.Dynamic.Resource(resources["FlinkDeployment"]).Namespace(s.namespace).Watch(s.Context(),
		metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		s.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	version := ""
	go func() {
		for event := range watch.ResultChan() {
			u, ok := event.Object.(*unstructured.Unstructured)
			if !ok {
				continue
			}
			var state []string
			for _, path := range fields {
				state = append(state, field(u.Object, append([]string{"status"}, strings.Split(path, ".")...)...))
			}
			mu.Lock()
			version = u.GetResourceVersion()
			if line := strings.TrimSpace(strings.Join(state, " ")); line != "" && (len(seen) == 0 || line != seen[len(seen)-1]) {
				seen = append(seen, line)
			}
			mu.Unlock()
		}
	}()
	return func() []string {
		s.Helper()
		s.until("a watch that has seen everything", func() []string {
			now := s.get("FlinkDeployment", name).GetResourceVersion()
			mu.Lock()
			defer mu.Unlock()
			return []string{fmt.Sprint(version == now)}
		}, []string{"true"})
		watch.Stop()
		return seen
	}
}

var flinkFields = []string{"lifecycleState", "jobManagerDeploymentStatus", "jobStatus.state", "reconciliationStatus.state"}

// TestApplicationCluster: the states in their order, at first and in an upgrade, and the pods that come and go.
func TestApplicationCluster(t *testing.T) {
	s := newStage(t)
	s.secret("trust-1", "one")
	s.secret("trust-2", "two")
	states := s.follow("application", flinkFields...)
	s.apply(application)
	s.d.WaitFlink(t, s.namespace, "application", "STABLE")
	s.expect("first deployment", states(), []string{
		"CREATED",
		"DEPLOYED DEPLOYING RECONCILING DEPLOYED",
		"DEPLOYED DEPLOYED_NOT_READY RECONCILING DEPLOYED",
		"STABLE READY RUNNING DEPLOYED",
	})
	s.expect("pods", s.running(), []string{"application trust-1=one", "application-taskmanager-1-1 trust-1=one"})

	states = s.follow("application", flinkFields...)
	s.patch("FlinkDeployment", "application", `{"spec":{"podTemplate":{"spec":{"volumes":[{"name":"truststore","secret":{"secretName":"trust-2"}}]}}}}`)
	s.d.WaitFlink(t, s.namespace, "application", "STABLE")
	s.expect("upgrade", states(), []string{
		"STABLE READY RUNNING DEPLOYED",
		"UPGRADING MISSING FINISHED UPGRADING",
		"DEPLOYED DEPLOYING RECONCILING DEPLOYED",
		"DEPLOYED DEPLOYED_NOT_READY RECONCILING DEPLOYED",
		"STABLE READY RUNNING DEPLOYED",
	})
	s.expect("pods after the upgrade", s.running(), []string{"application trust-2=two", "application-taskmanager-1-1 trust-2=two"})
	if losses, faults := s.d.Losses(), s.d.Faults(); len(losses)+len(faults) != 0 || s.d.Restarts(s.namespace, "application") != 1 {
		t.Errorf("lost %q, faults %q, restarts %d", losses, faults, s.d.Restarts(s.namespace, "application"))
	}
	f, err := readFlink(s.get("FlinkDeployment", "application"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{f.status.ReconciliationStatus.LastReconciledSpec, f.status.ReconciliationStatus.LastStableSpec} {
		if !strings.Contains(text, `"secretName":"trust-2"`) || !strings.Contains(text, `"resource_metadata":{"apiVersion":"flink.apache.org/v1beta1"`) {
			t.Errorf("snapshot %s", text)
		}
	}
	deployment := s.get("Deployment", "application")
	if got := deployment.GetAnnotations()[generationAnnotation]; got != fmt.Sprint(f.object.GetGeneration()) {
		t.Errorf("the Deployment is for generation %s, want %d", got, f.object.GetGeneration())
	}
}

// TestSessionCluster: what a user leaves out is filled in; what does not restart does not; TaskManagers come back.
func TestSessionCluster(t *testing.T) {
	s := newStage(t)
	s.secret("session-tls", "one")
	s.apply(session)
	s.d.WaitFlink(t, s.namespace, "session", "STABLE")
	if u := s.get("FlinkDeployment", "session"); field(u.Object, "spec", "image") != flinkImage || field(u.Object, "spec", "flinkVersion") != flinkVersion {
		t.Errorf("spec %v", u.Object["spec"])
	}
	pods := []string{"session session-tls=one", "session-taskmanager-1-1 session-tls=one", "session-taskmanager-1-2 session-tls=one"}
	s.until("pods", s.running, pods)
	before := s.d.Started()

	// Neither a key of the operator's, nor metadata, nor the content of a Secret restarts anything.
	s.patch("FlinkDeployment", "session", `{"metadata":{"annotations":{"a":"b"}},"spec":{"flinkConfiguration":{"kubernetes.operator.a":"b"}}}`)
	s.secret("session-tls", "other")
	s.d.WaitFlink(t, s.namespace, "session", "STABLE")
	if len(s.d.Started()) != len(before) || s.d.Restarts(s.namespace, "session") != 0 {
		t.Errorf("%d pods were started for a change that restarts nothing", len(s.d.Started())-len(before))
	}

	// A pod that goes by itself comes back, with what the Secret has now.
	if err := s.d.core.Pods(s.namespace).Delete(t.Context(), "session-taskmanager-1-2", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	pods[2] = "session-taskmanager-1-2 session-tls=other"
	s.until("pods after one was deleted", s.running, pods)
}

// until waits for a value that does not come with a status.
func (s stage) until(what string, get func() []string, want []string) {
	s.Helper()
	for ctx, cancel := context.WithTimeout(s.Context(), patience); ; {
		if got := get(); slices.Equal(got, want) || ctx.Err() != nil {
			cancel()
			s.expect(what, got, want)
			return
		}
	}
}

func TestLosses(t *testing.T) {
	for _, tt := range []struct{ name, resource, change, loss string }{
		{"session with HA", session, "", ""},
		{"session without HA", session, `{"spec":{"flinkConfiguration":{"high-availability.type":"NONE"}}}`, "jobs lost"},
		{"stateless job", application, `{"spec":{"job":{"upgradeMode":"stateless"}}}`, "state lost"},
		{"savepoint", application, "", ""},
		{"last-state", application, `{"spec":{"job":{"upgradeMode":"last-state"}}}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.secret("session-tls", "one")
			s.secret("trust-1", "one")
			object := cluster.Parse(t, []byte(tt.resource))[0]
			s.apply(tt.resource)
			s.d.WaitFlink(t, s.namespace, object.GetName(), "STABLE")
			if tt.change != "" {
				s.patch("FlinkDeployment", object.GetName(), tt.change)
				s.d.WaitFlink(t, s.namespace, object.GetName(), "STABLE")
			}
			before := len(s.d.Losses())
			s.patch("FlinkDeployment", object.GetName(), `{"spec":{"restartNonce":1}}`)
			s.d.WaitFlink(t, s.namespace, object.GetName(), "STABLE")
			losses := s.d.Losses()[before:]
			if tt.loss == "" && len(losses) != 0 || tt.loss != "" && (len(losses) != 1 || !strings.Contains(losses[0], tt.loss)) {
				t.Errorf("lost %q, want %q", losses, tt.loss)
			}
		})
	}
}

func TestUpgradeThatIsRefused(t *testing.T) {
	s := newStage(t)
	s.secret("trust-1", "one")
	s.apply(application)
	s.d.WaitFlink(t, s.namespace, "application", "STABLE")
	s.patch("FlinkDeployment", "application", `{"spec":{"job":{"upgradeMode":"last-state"},"flinkConfiguration":{"high-availability":null}}}`)
	s.until("error", func() []string {
		return []string{field(s.get("FlinkDeployment", "application").Object, "status", "error")}
	}, []string{"Job could not be upgraded with last-state while HA disabled"})
	if s.d.Restarts(s.namespace, "application") != 0 {
		t.Error("it was restarted")
	}
}

func TestUpgradeThatFails(t *testing.T) {
	s := newStage(t)
	s.secret("trust-1", "one")
	s.apply(application)
	s.d.WaitFlink(t, s.namespace, "application", "STABLE")
	s.d.FailNext(s.namespace, "application", "the JobManager crashes")
	s.patch("FlinkDeployment", "application", `{"spec":{"restartNonce":1}}`)
	s.until("status", func() []string {
		status := s.get("FlinkDeployment", "application").Object["status"].(map[string]any)
		return []string{str(status["lifecycleState"]), str(status["jobManagerDeploymentStatus"]), str(status["error"])}
	}, []string{"DEPLOYED", "ERROR", "the JobManager crashes"})
	s.patch("FlinkDeployment", "application", `{"spec":{"restartNonce":2}}`)
	s.d.WaitFlink(t, s.namespace, "application", "STABLE")
	if u := s.get("FlinkDeployment", "application"); field(u.Object, "status", "error") != "" {
		t.Errorf("status %v", u.Object["status"])
	}
}

// TestRollback: the last stable spec comes back, and with it the Secret that it names.
func TestRollback(t *testing.T) {
	s := newStage(t)
	s.secret("trust-1", "one")
	s.secret("trust-2", "two")
	s.apply(application)
	s.d.WaitFlink(t, s.namespace, "application", "STABLE")
	s.d.RollBackNext(s.namespace, "application")
	states := s.follow("application", "lifecycleState", "reconciliationStatus.state")
	s.patch("FlinkDeployment", "application", `{"spec":{"podTemplate":{"spec":{"volumes":[{"name":"truststore","secret":{"secretName":"trust-2"}}]}}}}`)
	s.d.WaitFlink(t, s.namespace, "application", "ROLLED_BACK")
	s.expect("states", states(), []string{"STABLE DEPLOYED", "UPGRADING UPGRADING", "DEPLOYED DEPLOYED", "ROLLING_BACK ROLLING_BACK", "ROLLED_BACK ROLLED_BACK"})
	s.until("pods", s.running, []string{"application trust-1=one", "application-taskmanager-1-1 trust-1=one"})
	status := s.get("FlinkDeployment", "application").Object
	if stable := field(status, "status", "reconciliationStatus", "lastStableSpec"); !strings.Contains(stable, "trust-1") {
		t.Errorf("last stable spec %s", stable)
	}
	if last := field(status, "status", "reconciliationStatus", "lastReconciledSpec"); !strings.Contains(last, "trust-2") {
		t.Errorf("last reconciled spec %s", last)
	}
}

// TestChangeDuringUpgrade: it is a fault, and a second restart.
func TestChangeDuringUpgrade(t *testing.T) {
	s := newStage(t)
	s.secret("session-tls", "one")
	s.apply(session)
	s.d.WaitFlink(t, s.namespace, "session", "STABLE")
	release := s.d.HoldUpgrade(s.namespace, "session")
	s.patch("FlinkDeployment", "session", `{"spec":{"restartNonce":1}}`)
	s.d.WaitFlink(t, s.namespace, "session", "UPGRADING")
	s.until("pods while upgrading", s.running, nil)
	s.patch("FlinkDeployment", "session", `{"spec":{"restartNonce":2}}`)
	s.d.WaitFlink(t, s.namespace, "session", "UPGRADING")
	release()
	s.d.WaitFlink(t, s.namespace, "session", "STABLE")
	if faults := s.d.Faults(); len(faults) != 1 || !strings.Contains(faults[0], "while UPGRADING") || s.d.Restarts(s.namespace, "session") != 2 {
		t.Errorf("faults %q, restarts %d", faults, s.d.Restarts(s.namespace, "session"))
	}
}

// TestPodsWaitForSecrets: a pod is Pending until what it mounts is there, with the key that it asks for.
func TestPodsWaitForSecrets(t *testing.T) {
	s := newStage(t)
	s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: trust-1}\nstringData: {other: x}\n")
	s.apply(application)
	pending := func() []string {
		list, err := s.d.core.Pods(s.namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, pod := range list.Items {
			if pod.Status.Phase == corev1.PodPending && len(pod.Status.ContainerStatuses) > 0 {
				out = append(out, pod.Status.ContainerStatuses[0].State.Waiting.Reason)
			}
		}
		return out
	}
	s.until("waiting", pending, []string{"ContainerCreating"})
	s.d.WaitFlink(t, s.namespace, "application", "DEPLOYED")
	if started := s.d.Started(); len(started) != 0 {
		t.Errorf("started %v", started)
	}
	s.secret("trust-1", "one")
	s.d.WaitFlink(t, s.namespace, "application", "STABLE")
}

// TestEventProcessing: Pending until its Secrets are there, Running then; a change rolls the pod, a deleted pod comes back.
func TestEventProcessing(t *testing.T) {
	s := newStage(t)
	s.apply(eventProcessing)
	s.d.WaitEventProcessing(t, s.namespace, "ep", "Pending")
	s.secret("trust-1", "one")
	s.secret("ep-cert-1", "one")
	s.secret("ep-cert-2", "two")
	s.d.WaitEventProcessing(t, s.namespace, "ep", "Running")
	s.expect("pods", s.running(), []string{"ep-ibm-ep-sts-0 ep-cert-1=one trust-1=one"})

	s.patch("EventProcessing", "ep", `{"spec":{"authoring":{"tls":{"secretName":"ep-cert-2"}}}}`)
	s.d.WaitEventProcessing(t, s.namespace, "ep", "Running")
	s.expect("pods after a change", s.running(), []string{"ep-ibm-ep-sts-0 ep-cert-1=one ep-cert-2=two trust-1=one"})
	if len(s.d.Started()) != 2 {
		t.Errorf("%d pods were started, want 2", len(s.d.Started()))
	}

	pod, err := s.d.core.Pods(s.namespace).Get(t.Context(), "ep-ibm-ep-sts-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pod.Labels[instanceLabel] != "ep" || pod.Labels["controller-revision-hash"] == "" || !ready(pod) {
		t.Errorf("labels %v, conditions %v", pod.Labels, pod.Status.Conditions)
	}
	s.secret("ep-cert-2", "again")
	if err := s.d.core.Pods(s.namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.until("pods after one was deleted", s.running, []string{"ep-ibm-ep-sts-0 ep-cert-1=one ep-cert-2=again trust-1=one"})
	if faults := s.d.Faults(); len(faults) != 0 {
		t.Errorf("faults %q", faults)
	}
}

// TestEventProcessingBeforeItRan: to replace the pod of an instance that has never been Running is a fault.
func TestEventProcessingBeforeItRan(t *testing.T) {
	s := newStage(t)
	s.secret("trust-1", "one")
	s.secret("ep-cert-1", "one")
	release := s.d.HoldReady(s.namespace, "ep")
	s.apply(eventProcessing)
	s.until("pods", s.running, []string{"ep-ibm-ep-sts-0 ep-cert-1=one trust-1=one"})
	s.d.WaitEventProcessing(t, s.namespace, "ep", "Pending")
	first := s.d.Started()[0].UID
	if err := s.d.core.Pods(s.namespace).Delete(t.Context(), "ep-ibm-ep-sts-0", *metav1.NewPreconditionDeleteOptions(string(first))); err != nil {
		t.Fatal(err)
	}
	s.until("pods started", func() []string { return make([]string, len(s.d.Started())) }, make([]string, 2))
	release()
	s.d.WaitEventProcessing(t, s.namespace, "ep", "Running")
	if faults := s.d.Faults(); len(faults) != 1 || !strings.Contains(faults[0], "before it had been Running once") {
		t.Errorf("faults %q", faults)
	}
}

// TestGarbage: what belonged to a resource goes with it.
func TestGarbage(t *testing.T) {
	s := newStage(t)
	s.secret("trust-1", "one")
	s.secret("ep-cert-1", "one")
	s.apply(application)
	s.apply(eventProcessing)
	s.d.WaitFlink(t, s.namespace, "application", "STABLE")
	s.d.WaitEventProcessing(t, s.namespace, "ep", "Running")
	for kind, name := range map[string]string{"FlinkDeployment": "application", "EventProcessing": "ep"} {
		if err := s.Dynamic.Resource(resources[kind]).Namespace(s.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.until("left", func() []string {
		var out []string
		for _, kind := range []string{"Deployment", "ReplicaSet", "StatefulSet", "Pod"} {
			list, err := s.Dynamic.Resource(resources[kind]).Namespace(s.namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range list.Items {
				out = append(out, kind+" "+item.GetName())
			}
		}
		return out
	}, nil)
}

// TestSamples: the vendor's sample resources come up, where they are there, and ours of the same shape where not.
func TestSamples(t *testing.T) {
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	samples, err := filepath.Glob(filepath.Join(root, "..", "shared", "data", "samples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	documents := []string{session, application, eventProcessing}
	for _, sample := range samples {
		text, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, placeholder.ReplaceAllString(string(text), "$1"))
	}
	s := newStage(t)
	for _, name := range []string{"session-tls", "trust-1", "ep-cert-1", "jks-secret", "application-cluster-prod",
		"jks-truststore-secret", "custom-root-ca", "custom-ui-cert", "keycloak-ca"} {
		s.secret(name, "one")
	}
	s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: truststore-password-secret}\nstringData: {key-containing-password: p}\n")
	for _, document := range documents {
		s.apply(document)
	}
	for _, document := range documents {
		switch object := cluster.Parse(t, []byte(document))[0]; object.GetKind() {
		case "FlinkDeployment":
			s.d.WaitFlink(t, s.namespace, object.GetName(), "STABLE")
		case "EventProcessing":
			s.d.WaitEventProcessing(t, s.namespace, object.GetName(), "Running")
		}
	}
	if losses, faults := s.d.Losses(), s.d.Faults(); len(losses)+len(faults) != 0 {
		t.Errorf("lost %q, faults %q", losses, faults)
	}
}

// placeholder is what the samples leave to the reader.
var placeholder = regexp.MustCompile(`<([A-Za-z_-]+)>`)

// TestOutage: the double goes on after a crash of the API server.
func TestOutage(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	s := stage{t, c, Start(t, c, namespace), namespace}
	s.secret("session-tls", "one")
	s.apply(session)
	s.d.WaitFlink(t, namespace, "session", "STABLE")
	c.KillAPIServer(t)
	c.StartAPIServer(t)
	s.patch("FlinkDeployment", "session", `{"spec":{"restartNonce":1}}`)
	s.d.WaitFlink(t, namespace, "session", "STABLE")
	if s.d.Restarts(namespace, "session") != 1 {
		t.Errorf("%d restarts", s.d.Restarts(namespace, "session"))
	}
}

// TestAnotherUnderTheName: what belonged to an object that was deleted while nobody watched is looked at, although there is
// another of its name.
func TestAnotherUnderTheName(t *testing.T) {
	object := func(kind, name, uid, owner string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
		u.SetNamespace("ns")
		u.SetName(name)
		u.SetUID(types.UID(uid))
		if owner != "" {
			u.SetOwnerReferences([]metav1.OwnerReference{{Kind: "ReplicaSet", Name: "set", UID: types.UID(owner)}})
		}
		return u
	}
	pods := cache.NewStore(cache.MetaNamespaceKeyFunc)
	for name, owner := range map[string]string{"old": "1", "new": "2"} {
		if err := pods.Add(object("Pod", name, name, owner)); err != nil {
			t.Fatal(err)
		}
	}
	queued := func(before *unstructured.Unstructured) map[key]bool {
		d := &Double{stores: map[string]map[string]cache.Store{"ns": {"Pod": pods}}}
		d.queue = workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[key]())
		defer d.queue.ShutDown()
		d.updated(before, object("ReplicaSet", "set", "2", ""))
		out := map[key]bool{}
		for d.queue.Len() > 0 {
			k, _ := d.queue.Get()
			out[k] = true
		}
		return out
	}
	set, old := key{"ReplicaSet", "ns", "set"}, key{"Pod", "ns", "old"}
	if got := queued(object("ReplicaSet", "set", "1", "")); !got[set] || !got[old] || len(got) != 2 {
		t.Errorf("another: %v", got)
	}
	if got := queued(object("ReplicaSet", "set", "2", "")); !got[set] || len(got) != 1 {
		t.Errorf("the same: %v", got)
	}
}
