// Package kube is flowcert's side of a Kubernetes cluster: the store that
// [github.com/flowcert/flowcert/renew] plans on, the lease that lets one flowcert
// at a time write, watches that say when to look again, and Events.
//
// Call [Connect], then [NewStore]. It is the only package that knows client-go,
// and it knows it by the dynamic and the metadata client, and one of its own for
// Secrets: the typed clientset would be most of the binary.
//
// It refuses to write over what changed since it was read
// ([secrets.ErrChanged]), a Secret whose name is taken ([secrets.ErrExists]), and
// one that does not carry flowcert's label.
package kube

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/transport"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"

	"github.com/go-logr/logr"

	"github.com/flowcert/flowcert/deploy"
)

// Options say which cluster, and as whom.
type Options struct {
	// KubeConfig is a file; empty: $KUBECONFIG, ~/.kube/config, or, in a pod, the
	// ServiceAccount's own credentials.
	KubeConfig string
	// Context is one of the file's; empty: its current one.
	Context string
	// UserAgent names this program in the API server's audit log.
	UserAgent string
}

// Client talks to one API server.
type Client struct {
	dynamic  dynamic.Interface
	metadata metadata.Interface
	secrets  *secretClient
	clock    *clock
	// Namespace is that of the context, or of the pod; empty: not said.
	Namespace string
	// Host is the API server's address.
	Host string
}

// Requests a second, and in a burst. The API server shares itself out fairly by
// itself (API Priority and Fairness); this bound is for one that does not.
const (
	qps   = 400
	burst = 800
)

// requestTimeout bounds one request, not a watch.
const requestTimeout = 30 * time.Second

// Connect reads the credentials. Nothing is sent yet.
func Connect(o Options) (*Client, error) {
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: o.KubeConfig, Precedence: clientcmd.NewDefaultClientConfigLoadingRules().Precedence},
		&clientcmd.ConfigOverrides{CurrentContext: o.Context})
	cfg, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, ErrNoCluster
	}
	if err != nil {
		return nil, err
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, err
	}
	c, err := newClient(cfg, o.UserAgent)
	if err != nil {
		return nil, err
	}
	c.Namespace = namespace
	return c, nil
}

// ErrNoCluster is returned where nothing says which cluster is meant.
var ErrNoCluster = errors.New("no cluster is configured: there is no kubeconfig, and this is no pod with a ServiceAccount")

// What client-go logs by itself would go past everything that we print; what it says is in the errors, too.
func init() { klog.SetLogger(logr.Discard()) }

func newClient(cfg *rest.Config, userAgent string) (*Client, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.UserAgent = userAgent
	cfg.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(qps, burst) // one for all of the clients
	// Deprecation warnings would go to standard error, past everything that we print.
	cfg.WarningHandler = rest.NoWarnings{}
	clock := &clock{}
	cfg.WrapTransport = transport.Wrappers(cfg.WrapTransport, clock.wrap)
	d, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", cfg.Host, err)
	}
	m, err := metadata.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", cfg.Host, err)
	}
	s, err := newSecretClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", cfg.Host, err)
	}
	return &Client{dynamic: d, metadata: m, secrets: s, clock: clock, Host: cfg.Host}, nil
}

// clock learns the API server's time from its answers.
type clock struct {
	ahead atomic.Int64 // of this one, in nanoseconds
}

func (c *clock) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil {
			return resp, err
		}
		if there, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.ahead.Store(int64(time.Until(there)))
		}
		return resp, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Resources that flowcert asks for.
var (
	secretResource          = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMapResource       = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	podResource             = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	eventResource           = schema.GroupVersionResource{Group: "events.k8s.io", Version: "v1", Resource: "events"}
	deploymentResource      = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	statefulSetResource     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	replicaSetResource      = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	leaseResource           = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	eventProcessingResource = schema.GroupVersionResource{Group: "events.ibm.com", Version: "v1beta1", Resource: "eventprocessings"}
	flinkDeploymentResource = schema.GroupVersionResource{Group: "flink.apache.org", Version: "v1beta1", Resource: "flinkdeployments"}
	validatingResource      = schema.GroupVersionResource{Group: deploy.AdmissionGroup, Version: "v1", Resource: "validatingwebhookconfigurations"}
	mutatingResource        = schema.GroupVersionResource{Group: deploy.AdmissionGroup, Version: "v1", Resource: "mutatingwebhookconfigurations"}
	ingressConfigResource   = schema.GroupVersionResource{Group: "config.openshift.io", Version: "v1", Resource: "ingresses"}
)
