// Package incluster_test runs flowcert, as people run it, against a real Kubernetes API server. The operators and the
// kubelet are played by test/double.
package incluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/flowcert/flowcert/test/cluster"
)

// program is the binary under test.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "flowcert-incluster-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "flowcert")
	build := exec.Command("go", "build", "-o", program, "../../cmd/flowcert")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building flowcert:", err)
		os.Exit(1)
	}
	code := cluster.Run(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

// Resources that the tests look at.
var (
	secretsGVR = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	epGVR      = schema.GroupVersionResource{Group: "events.ibm.com", Version: "v1beta1", Resource: "eventprocessings"}
	podGVR     = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	bindingGVR = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}
	accountGVR = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
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
}

// newSite makes a namespace of the shared control plane and a folder for a configuration.
func newSite(t *testing.T) *site {
	t.Helper()
	return siteOn(t, cluster.Shared(t))
}

func siteOn(t *testing.T, c *cluster.Cluster) *site {
	t.Helper()
	s := &site{Cluster: c, namespace: c.Namespace(t), dir: t.TempDir()}
	s.as(t, c.Config)
	return s
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
	cmd := s.command(ctx, args...)
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
