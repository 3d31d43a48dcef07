// Package incluster_test runs flowcert, as people run it, against a real Kubernetes API server. The operators and the
// kubelet are played by test/double.
package incluster_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/test/tools"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/flowcert/flowcert/test/cluster"
)

// program is the binary under test.
var program string

func TestMain(m *testing.M) {
	os.Exit(tools.WithFlowcert(func(built string) int {
		program = built
		return cluster.Run(m)
	}))
}

// Resources that the tests look at.
var (
	secretsGVR = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	epGVR      = schema.GroupVersionResource{Group: "events.ibm.com", Version: "v1beta1", Resource: "eventprocessings"}
	podGVR     = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	bindingGVR = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}
	eventGVR   = schema.GroupVersionResource{Group: "events.k8s.io", Version: "v1", Resource: "events"}
	leaseGVR   = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	flinkGVR   = schema.GroupVersionResource{Group: "flink.apache.org", Version: "v1beta1", Resource: "flinkdeployments"}
)

// site is a namespace with a configuration for it.
type site struct {
	*cluster.Cluster
	namespace  string
	dir        string // with flowcert.yaml
	kubeconfig string
	beside     []string // namespaces beside its own
}

// newSite makes a namespace of the shared control plane and a folder for a configuration.
func newSite(t *testing.T) *site {
	t.Helper()
	return siteOn(t, cluster.Shared(t))
}

func siteOn(t *testing.T, c *cluster.Cluster) *site {
	t.Helper()
	s := &site{Cluster: c, namespace: c.Namespace(t), dir: t.TempDir()}
	s.grant(t)
	s.as(t, c.User(t, s.namespace, account))
	return s
}

// account is the ServiceAccount as which flowcert runs.
const account = "flowcert"

// grant binds what `flowcert manifests` prints, and nothing else: every test runs under RBAC.
func (s *site) grant(t *testing.T, flags ...string) {
	t.Helper()
	printed, err := exec.CommandContext(t.Context(), program, append([]string{"manifests", "-n", s.namespace}, flags...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range cluster.Parse(t, printed) {
		if kind := object.GetKind(); kind == "ServiceAccount" || strings.HasPrefix(kind, "Role") || strings.HasPrefix(kind, "ClusterRole") {
			text, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			s.Apply(t, s.namespace, text)
		}
	}
}

// as lets flowcert run with other credentials.
func (s *site) as(t *testing.T, config *rest.Config) {
	t.Helper()
	s.kubeconfig = cluster.KubeConfig(t, config, s.namespace)
}

// write puts a file beside the configuration. NAMESPACE in it stands for the site's own.
func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), s.expand(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *site) expand(text string) []byte {
	return bytes.ReplaceAll([]byte(text), []byte("NAMESPACE"), []byte(s.namespace))
}

// result is what a run of flowcert gave.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit status %d\n--- stdout\n%s--- stderr\n%s", r.code, r.stdout, r.stderr)
}

// command is flowcert in the site's folder.
func (s *site) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig)
	return cmd
}

// run runs flowcert to its end.
func (s *site) run(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	return finished(t, s.command(ctx, args...))
}

// finished runs a command to its end.
func finished(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs flowcert and wants an exit status.
func (s *site) must(t *testing.T, code int, args ...string) result {
	t.Helper()
	r := s.run(t, args...)
	if r.code != code {
		t.Fatalf("flowcert %v: want exit status %d, got %s", args, code, r)
	}
	return r
}

// get reads an object.
func (s *site) get(t *testing.T, gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	t.Helper()
	u, err := s.Dynamic.Resource(gvr).Namespace(s.namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// list reads all objects of a kind.
func (s *site) list(t *testing.T, gvr schema.GroupVersionResource) []unstructured.Unstructured {
	t.Helper()
	l, err := s.Dynamic.Resource(gvr).Namespace(s.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return l.Items
}

// data is a value of the one Secret whose name begins so.
func (s *site) data(t *testing.T, prefix, key string) []byte {
	t.Helper()
	for _, u := range s.list(t, secretsGVR) {
		if !strings.HasPrefix(u.GetName(), prefix) {
			continue
		}
		text, _, _ := unstructured.NestedString(u.Object, "data", key)
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(value) == 0 {
			t.Fatalf("secret %s: key %q: %v", u.GetName(), key, err)
		}
		return value
	}
	t.Fatalf("there is no secret %s…", prefix)
	return nil
}
