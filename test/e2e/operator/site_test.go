//go:build e2e

package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/operator"
)

// patience is how long the operator may take to get somewhere. It only decides when a test that hangs is given up.
const patience = 2 * time.Minute

var (
	secretsGVR    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMapGVR  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	eventGVR      = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	podGVR        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	deploymentGVR = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	flinkGVR      = schema.GroupVersionResource{Group: "flink.apache.org", Version: "v1beta1", Resource: "flinkdeployments"}
)

// the is the operator that the tests share; the first one that needs it starts it.
var the struct {
	sync.Mutex
	operator   *operator.Operator
	namespace  string
	kubeconfig string // its own
	err        error
}

// quick has the operator look more often than once a minute. Nothing here collects garbage while its owner waits.
var quick = map[string]string{
	"kubernetes.operator.reconcile.interval":               "1 s",
	"kubernetes.operator.observer.progress-check.interval": "500 ms",
	"kubernetes.operator.observer.rest-ready.delay":        "500 ms",
	"kubernetes.operator.rate-limiter.limit":               "100",
	"kubernetes.operator.retry.initial.interval":           "500 ms",
	"kubernetes.operator.retry.max.interval":               "2 s",
	"kubernetes.operator.retry.max.attempts":               "1000",
	"kubernetes.operator.resource.deletion.propagation":    "Background",
	"kubernetes.operator.health.probe.enabled":             "false", // it has a fixed port
}

// storePassword is what an operator that opens its own stores has in its environment: its one process serves sites that begin later.
const storePassword = "changeit-for-tests"

// givePassword puts that password where the operator's chart wants its user to put it, and where flowcert finds it. Before such operators
// flowcert makes one of its own.
func (s *site) givePassword(t *testing.T, namespace string) {
	t.Helper()
	if operator.Since(t, operator.OwnStores) {
		s.Apply(t, namespace, []byte("{apiVersion: v1, kind: Secret, metadata: {name: operator-certificate-password}, stringData: {password: "+storePassword+"}}"))
	}
}

// realOperator is the operator, and the namespace that it is in. It reads no Secret of that namespace by itself: see mount.
func realOperator(t *testing.T) (*operator.Operator, string) {
	t.Helper()
	c := cluster.Shared(t)
	the.Lock()
	defer the.Unlock()
	if the.operator == nil && the.err == nil {
		installDefinitions(t, c)
		the.namespace = c.Namespace(t)
		the.kubeconfig = account(t, c, the.namespace)
		the.operator, the.err = operator.Start(t, operator.Options{
			KubeConfig: the.kubeconfig, Namespace: the.namespace, Config: quick, Password: storePassword})
	}
	if the.err != nil {
		t.Fatal(the.err)
	}
	log := len(the.operator.Log())
	t.Cleanup(func() {
		if t.Failed() || the.operator.Ended() {
			t.Logf("log of the operator:\n%s", the.operator.Log()[log:])
		}
	})
	return the.operator, the.namespace
}

func stopOperator() error {
	if the.operator == nil {
		return nil
	}
	return the.operator.Stop()
}

// account is a kubeconfig file, which outlives the test, of a ServiceAccount that may do everything.
func account(t *testing.T, c *cluster.Cluster, namespace string) string {
	t.Helper()
	const name = "flink-operator"
	config := c.User(t, namespace, name)
	c.Apply(t, "", fmt.Appendf(nil, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: %s},
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin},
subjects: [{kind: ServiceAccount, name: %s, namespace: %s}]}`, name, name, namespace))
	text, err := os.ReadFile(cluster.KubeConfig(t, config, namespace))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(program), "operator.kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// installDefinitions puts the operator's own definitions in the place of the stand-ins, and waits until the API server
// goes by them: they alone know a list of Flink's versions.
func installDefinitions(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, definition := range operator.Definitions(t) {
		c.Apply(t, "", definition)
	}
	unknown := cluster.Parse(t, []byte("{apiVersion: flink.apache.org/v1beta1, kind: FlinkDeployment, metadata: {name: x}, spec: {flinkVersion: v0_1}}"))[0]
	wait(t, "the operator's definitions", func() (bool, string) {
		_, err := c.Dynamic.Resource(flinkGVR).Namespace(metav1.NamespaceDefault).Create(t.Context(), unknown.DeepCopy(),
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), "spec.flinkVersion: Unsupported value"), fmt.Sprint(err)
	})
}

// wait waits until something is so; the text says how far it is.
func wait(t *testing.T, what string, reached func() (bool, string)) {
	t.Helper()
	var last string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var ok bool
		if ok, last = reached(); ok {
			return
		}
		if the.operator != nil && the.operator.Ended() {
			t.Fatalf("the operator ended before %s: %s", what, last)
		}
	}
	t.Fatalf("waited %v for %s: %s", patience, what, last)
}

// A site is a namespace with a configuration for it.
type site struct {
	*cluster.Cluster
	namespace, operator string // namespaces
	dir                 string // with flowcert.yaml
	kubeconfig          string
}

func newSite(t *testing.T, operatorNamespace string) *site {
	t.Helper()
	c := cluster.Shared(t)
	s := &site{Cluster: c, namespace: c.Namespace(t), operator: operatorNamespace, dir: t.TempDir()}
	s.kubeconfig = cluster.KubeConfig(t, c.Config, s.namespace)
	return s
}

func (s *site) expand(text string) []byte {
	return []byte(strings.NewReplacer("NAMESPACE", s.namespace, "OPERATOR", s.operator).Replace(text))
}

// write puts a file beside the configuration.
func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), s.expand(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// flowcert runs it in the site's folder, and wants one of the exit statuses.
func (s *site) flowcert(t *testing.T, want string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if code := fmt.Sprint(cmd.ProcessState.ExitCode()); !strings.Contains(want, code) {
		t.Fatalf("flowcert %v: exit status %s, want %s\n%s", args, code, want, &output)
	}
	return output.String()
}

func (s *site) get(t *testing.T, gvr schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	u, err := s.Dynamic.Resource(gvr).Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return u
}
