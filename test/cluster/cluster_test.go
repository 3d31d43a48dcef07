package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/flowcert/flowcert/test/tools"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

const readerOfSecrets = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
---
apiVersion: v1
kind: Secret
metadata: {name: there}
stringData: {greeting: hello}
`

func coreClient(t *testing.T, config *rest.Config) *corev1client.CoreV1Client {
	t.Helper()
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestRBACAndAudit: a ServiceAccount may do what its Role says and nothing else, and the log has it all.
func TestRBACAndAudit(t *testing.T) {
	c := Shared(t)
	namespace, elsewhere := c.Namespace(t), c.Namespace(t)
	c.Apply(t, namespace, []byte(readerOfSecrets))
	reader := coreClient(t, c.User(t, namespace, "reader"))
	secret, err := reader.Secrets(namespace).Get(t.Context(), "there", metav1.GetOptions{})
	if err != nil || string(secret.Data["greeting"]) != "hello" {
		t.Fatalf("%v, %v", secret, err)
	}
	if _, err := reader.Secrets(namespace).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing is not forbidden: %v", err)
	}
	if _, err := reader.Secrets(elsewhere).Get(t.Context(), "there", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another namespace is not forbidden: %v", err)
	}
	watch, err := c.core.Secrets(namespace).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()

	want := []string{"get secrets there 200", "list secrets  403", "get secrets there 403"}
	var got []string
	watches := 0
	for _, r := range c.Requests(t) {
		if r.User == UserName(namespace, "reader") {
			got = append(got, strings.Join([]string{r.Verb, r.Resource, r.Name, map[int]string{200: "200", 403: "403"}[r.Code]}, " "))
		}
		if r.Verb == "watch" && r.Resource == "secrets" && r.Namespace == namespace {
			watches++
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log has %q, want %q", got, want)
	}
	if watches != 1 {
		t.Errorf("the log has %d watches that have begun, want 1", watches)
	}
}

// TestTokenEnds: a token is worth nothing once its ServiceAccount is gone.
func TestTokenEnds(t *testing.T) {
	c := Shared(t)
	namespace := c.Namespace(t)
	c.Apply(t, namespace, []byte(readerOfSecrets))
	config := c.User(t, namespace, "reader")
	if err := c.core.ServiceAccounts(namespace).Delete(t.Context(), "reader", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// The server looks the account up in its own copy, which learns of the end a moment later, and remembers a token that
	// it has taken for ten seconds.
	reader := coreClient(t, config).Secrets(namespace)
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, err = reader.Get(t.Context(), "there", metav1.GetOptions{}); apierrors.IsUnauthorized(err) {
			return
		}
	}
	t.Errorf("%v, want unauthorized", err)
}

func TestKubeConfigAndKubectl(t *testing.T) {
	c := Shared(t)
	namespace := c.Namespace(t)
	c.Apply(t, namespace, []byte(readerOfSecrets))
	user := c.User(t, namespace, "reader")
	out, err := c.Kubectl(t, user, namespace, nil, "get", "secret", "there", "-o", "jsonpath={.data.greeting}")
	if err != nil || out != "aGVsbG8=" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := c.Kubectl(t, user, namespace, nil, "get", "secrets"); err == nil || !strings.Contains(out, "cannot list resource") {
		t.Errorf("%q, %v", out, err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.KubeConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := coreClient(t, config).Secrets("").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
}

// TestDefinitions: what a manifest of ours says is stored as it is said, and a dry run by kubectl finds a fault.
func TestDefinitions(t *testing.T) {
	c := Shared(t)
	namespace := c.Namespace(t)
	for _, document := range Parse(t, []byte(resources)) {
		data, err := document.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if out, err := c.Kubectl(t, c.Config, namespace, data, "apply", "--dry-run=server", "-f", "-"); err != nil {
			t.Errorf("%s: %s", document.GetKind(), out)
		}
	}
	if out, err := c.Kubectl(t, c.Config, namespace, []byte("apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: A_B}\n"),
		"apply", "--dry-run=server", "-f", "-"); err == nil {
		t.Errorf("a name that is not one was accepted: %s", out)
	}
}

const resources = `
apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata: {name: ep}
spec: {authoring: {tls: {secretName: a}}}
---
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: flink}
spec: {flinkConfiguration: {a: b}}
---
apiVersion: flink.apache.org/v1beta1
kind: FlinkSessionJob
metadata: {name: job}
spec: {deploymentName: flink}
---
apiVersion: flink.apache.org/v1beta1
kind: FlinkStateSnapshot
metadata: {name: snapshot}
spec: {savepoint: {disposeOnDelete: false}}
---
apiVersion: config.openshift.io/v1
kind: Ingress
metadata: {name: cluster}
spec: {domain: apps.example.com}
`

// TestOutages: what was written is there after a crash of the API server and after a pause of etcd, at
// the same address. The stand-ins for Flink's definitions are installed here.
func TestOutages(t *testing.T) {
	t.Parallel()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	standIns, err := filepath.Glob(filepath.Join(root, "test", "cluster", "testdata", "crds", "*.yaml"))
	if err != nil || len(standIns) != 3 {
		t.Fatalf("%q, %v", standIns, err)
	}
	c := startWith(t, standIns)
	namespace := c.Namespace(t)
	c.Apply(t, namespace, []byte(resources))
	user := c.User(t, namespace, "somebody")

	c.KillAPIServer(t)
	if _, err := c.core.Namespaces().Get(t.Context(), namespace, metav1.GetOptions{}); err == nil {
		t.Error("an API server that was killed answers")
	}
	c.StartAPIServer(t)
	if _, err := c.core.Namespaces().Get(t.Context(), namespace, metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	// The token is still good: the API server has its keys.
	if _, err := coreClient(t, user).Secrets(namespace).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("%v, want forbidden", err)
	}

	resume := c.PauseEtcd(t)
	answered := make(chan error, 1)
	go func() {
		_, err := c.core.ConfigMaps(namespace).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "waits"}}, metav1.CreateOptions{})
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("a write was answered while etcd was paused: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	resume()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
