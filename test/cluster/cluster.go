// Package cluster runs a real Kubernetes API server for tests: a kube-apiserver with its etcd, as
// `make tools` built them, with RBAC on, and the custom resource definitions of Event Processing and Flink.
//
// A package's TestMain says
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }
//
// and its tests share one control plane, each in namespaces of its own:
//
//	c := cluster.Shared(t)
//	namespace := c.Namespace(t)
//	config := c.User(t, namespace, "flowcert")
//	c.Apply(t, namespace, manifests)
//
// A test that stops the API server or pauses etcd starts a control plane for itself, with Start.
//
// Nothing else of Kubernetes runs. There is no kube-controller-manager: no Pod is made from a
// Deployment, nothing is collected as garbage when its owner goes, a deleted namespace stays in
// the phase Terminating with everything in it, and a namespace has no ServiceAccount "default". There are no nodes: package
// test/double plays the operators and the kubelet. Everything listens on 127.0.0.1 alone and ends with the test binary,
// also where that is killed.
package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	v1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flowcert/flowcert/test/tools"
)

// A Cluster is a running control plane.
type Cluster struct {
	// Config is the administrator's, who may do everything. It has no client-side limits to speak of.
	Config *rest.Config
	// Dynamic is a client of the administrator's.
	Dynamic dynamic.Interface

	core   *v1.CoreV1Client
	mapper *restmapper.DeferredDiscoveryRESTMapper
	env    *envtest.Environment
	dir    string   // certificates, data, logs
	bin    string   // kube-apiserver, etcd, kubectl
	output *os.File // of the processes
	audit  auditLog
}

// Start runs a control plane that ends with the test. It takes some seconds: a test that stops nothing uses Shared.
func Start(t testing.TB) *Cluster {
	t.Helper()
	return startWith(t, definitions(t))
}

// startWith is Start with other definitions.
func startWith(t testing.TB, crds []string) *Cluster {
	t.Helper()
	c, err := start(tools.ControlPlane(t), crds)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// shared is the control plane of a test binary.
var shared struct {
	sync.Mutex
	running bool // by Run
	cluster *Cluster
	err     error
}

// Run runs the tests of a package, and then stops the control plane that they shared, if one was started. It
// returns the exit code for TestMain.
func Run(m *testing.M) int {
	// What client-go and envtest log of broken connections is what the tests of outages are about.
	klog.SetLogger(logr.Discard())
	log.SetLogger(logr.Discard())
	shared.running = true
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// Shared returns the control plane that all tests of the binary share; the first call starts it.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	bin, crds := tools.ControlPlane(t), definitions(t)
	shared.Lock()
	defer shared.Unlock()
	if !shared.running {
		t.Fatal("nobody would stop the control plane: let TestMain call cluster.Run")
	}
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = start(bin, crds)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// start runs a control plane and installs the definitions in the files.
func start(bin string, crds []string) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "flowcert-cluster-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, audit: auditLog{path: filepath.Join(dir, "audit.log")}}
	if err := c.launch(crds); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the control plane: %w\n%s", err, c.lastLog()), c.stop())
	}
	if err := c.connect(); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// connect makes the administrator's clients.
func (c *Cluster) connect() error {
	var err error
	if c.Dynamic, err = dynamic.NewForConfig(c.Config); err != nil {
		return err
	}
	if c.core, err = v1.NewForConfig(c.Config); err != nil {
		return err
	}
	client, err := discovery.NewDiscoveryClientForConfig(c.Config)
	if err != nil {
		return err
	}
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client))
	return nil
}

// stop ends the processes and removes their files.
func (c *Cluster) stop() error {
	var err error
	if c.env != nil {
		err = c.env.Stop()
	}
	if c.output != nil {
		err = errors.Join(err, c.output.Close())
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}
