package incluster_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/truststore"
)

const webhookConfig = `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkOperator: {namespace: NAMESPACE, webhook: true}
flinkDeployments: [{name: session}]
`

// webhookConfigurations are the chart's, but for the address: there is no Service here that leads anywhere.
const webhookConfigurations = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: flink-operator-NAMESPACE-webhook-configuration}
webhooks:
- name: validationwebhook.flink.apache.org
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://ADDRESS/validate"}
  failurePolicy: Fail
  sideEffects: None
  rules: [{apiGroups: [flink.apache.org], apiVersions: ["*"], scope: Namespaced, operations: [CREATE, UPDATE], resources: [flinkdeployments]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: flink-operator-NAMESPACE-webhook-configuration}
webhooks:
- name: mutationwebhook.flink.apache.org
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://ADDRESS/mutate"}
  failurePolicy: Fail
  sideEffects: None
  rules: [{apiGroups: [flink.apache.org], apiVersions: ["*"], scope: Namespaced, operations: [CREATE, UPDATE], resources: [flinkdeployments]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
`

var (
	validatingGVR = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"}
	mutatingGVR   = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}
	podsGVR       = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
)

// webhook plays the Flink operator's: it serves what it loaded from the key store in webhook-server-cert, as
// the operator's JVM does, and allows everything. It does not listen before it has loaded one.
type webhook struct {
	site    *site
	address string

	mutex  sync.Mutex
	serves *tls.Certificate
	fixed  bool // it serves what it has, whatever comes into the Secret
	calls  int
}

// newWebhook reserves an address and installs the configurations. The server begins when load is called.
func newWebhook(t *testing.T, s *site, configurations string) *webhook {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &webhook{site: s, address: strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Apply(t, s.namespace, s.expand(strings.NewReplacer("ADDRESS", w.address, "PORT", w.port()).Replace(configurations)))
	t.Cleanup(func() { w.uninstall(t) })
	return w
}

// port is the one of its address.
func (w *webhook) port() string { return w.address[strings.LastIndex(w.address, ":")+1:] }

// uninstall takes the configurations away: they live in no namespace of the test's.
func (w *webhook) uninstall(t *testing.T) {
	for _, gvr := range []schema.GroupVersionResource{validatingGVR, mutatingGVR} {
		if err := w.site.Dynamic.Resource(gvr).Delete(context.Background(), w.configuration(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	}
}

func (w *webhook) configuration() string {
	return "flink-operator-" + w.site.namespace + "-webhook-configuration"
}

// load reads the key store, and begins to listen if this is the first one.
func (w *webhook) load(t *testing.T) error {
	secret, err := w.site.secret("webhook-server-cert")
	if err != nil {
		return err
	}
	password, err := w.site.secret("flink-operator-webhook-secret")
	if err != nil {
		return err
	}
	store, err := truststore.Open(secret["keystore.p12"], string(password["password"]))
	if err != nil {
		return err
	}
	cert := tls.Certificate{PrivateKey: store.Keys[0].Key}
	for _, c := range store.Keys[0].Chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	w.serve(t, &cert)
	return nil
}

// serve takes a certificate, and begins to listen if this is the first one.
func (w *webhook) serve(t *testing.T, cert *tls.Certificate) {
	w.mutex.Lock()
	first := w.serves == nil
	w.serves = cert
	w.mutex.Unlock()
	if !first {
		return
	}
	l, err := net.Listen("tcp", strings.Replace(w.address, "localhost", "127.0.0.1", 1))
	if err != nil {
		t.Error(err)
		return
	}
	server := &http.Server{Handler: w, TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		return w.serves, nil
	}}}
	server.SetKeepAlivesEnabled(false) // each call is a handshake
	go func() { _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
}

func (w *webhook) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mutex.Lock()
	w.calls++
	w.mutex.Unlock()
	var review struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Request    struct {
			UID string `json:"uid"`
		} `json:"request"`
	}
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(out).Encode(map[string]any{
		"apiVersion": review.APIVersion, "kind": review.Kind,
		"response": map[string]any{"uid": review.Request.UID, "allowed": true},
	})
}

func (w *webhook) called() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.calls
}

func (w *webhook) isFixed() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.fixed
}

// serving is what the server has loaded.
func (w *webhook) serving() []byte {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.serves == nil {
		return nil
	}
	return w.serves.Certificate[0]
}

// follow loads whatever comes into the Secret, as a kubelet and a restart of the pod would, until the test ends.
func (w *webhook) follow(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			if leaf := w.site.leaf("webhook-server-cert"); leaf != nil && !w.isFixed() && !bytes.Equal(leaf.Raw, w.serving()) {
				_ = w.load(t)
			}
			time.Sleep(300 * time.Millisecond)
		}
	})
	t.Cleanup(func() { stop(); done.Wait() })
}

// secret is a Secret's data.
func (s *site) secret(name string) (map[string][]byte, error) {
	u, err := s.Dynamic.Resource(secretsGVR).Namespace(s.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	values, _, err := unstructured.NestedStringMap(u.Object, "data")
	out := map[string][]byte{}
	for k, v := range values {
		if out[k], err = base64.StdEncoding.DecodeString(v); err != nil {
			return nil, err
		}
	}
	return out, err
}

// leaf is the certificate in a Secret; nil: there is none.
func (s *site) leaf(name string) *x509.Certificate {
	data, err := s.secret(name)
	if err != nil {
		return nil
	}
	block, _ := pem.Decode(data["tls.crt"])
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

// bundle is the caBundle of a configuration.
func (w *webhook) bundle(t *testing.T, gvr schema.GroupVersionResource) []byte {
	t.Helper()
	u, err := w.site.Dynamic.Resource(gvr).Get(t.Context(), w.configuration(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hooks, _, _ := unstructured.NestedSlice(u.Object, "webhooks")
	text, _, _ := unstructured.NestedString(hooks[0].(map[string]any), "clientConfig", "caBundle")
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// askForAnother asks the API server for another FlinkDeployment, which is called on the webhooks and then not made.
func (s *site) askForAnother() error {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "metadata": map[string]any{"name": "another", "namespace": s.namespace},
		"spec": map[string]any{"image": "flink:1.20", "flinkVersion": "v1_20", "serviceAccount": "flink"},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace).Create(ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// creating asks for a FlinkDeployment again and again, until the returned function is called: none may be refused.
func (s *site) creating(t *testing.T, what string) (enough func()) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	var made int
	var failed []error
	go func() {
		defer close(done)
		for {
			if err := s.askForAnother(); err != nil {
				failed = append(failed, err)
			}
			made++
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() {
		t.Helper()
		close(stop)
		<-done
		t.Logf("%s: %d FlinkDeployments", what, made)
		if len(failed) > 0 {
			t.Errorf("%s: %d of %d FlinkDeployments were refused, the first: %v", what, len(failed), made, failed[0])
		}
	}
}

// TestWebhook: the API server calls the webhook before, during and after a renewal, another root, and a
// root that nothing vouches for; no FlinkDeployment is refused.
func TestWebhook(t *testing.T) {
	s := newSite(t)
	s.grant(t, "--webhook-namespace", s.namespace)
	s.write(t, "flowcert.yaml", webhookConfig)
	s.Apply(t, s.namespace, s.expand(plain))
	w := newWebhook(t, s, webhookConfigurations)
	if err := s.askForAnother(); err == nil {
		t.Fatal("the API server does not ask the webhook")
	}

	// The server listens when it has its certificate, and Flink is wired when it listens.
	w.follow(t)
	t.Log(s.must(t, 0, "apply"))
	if err := s.askForAnother(); err != nil {
		t.Fatal(err)
	}
	if w.called() < 4 { // flowcert's change of the session cluster, and the one above
		t.Errorf("the webhook was called %d times", w.called())
	}
	if conf, _, _ := unstructured.NestedStringMap(s.get(t, flinkGVR, "session").Object, "spec", "flinkConfiguration"); conf["security.ssl.rest.enabled"] != "true" {
		t.Errorf("the session cluster is not wired: %v", conf)
	}
	s.must(t, 0, "verify")
	s.must(t, 0, "plan")
	first := w.bundle(t, validatingGVR)
	if n := bytes.Count(first, []byte("BEGIN")); n != 1 || !bytes.Equal(first, w.bundle(t, mutatingGVR)) {
		t.Errorf("the caBundles: %d certificates, or they differ", n)
	}

	target := "flinkOperator/" + s.namespace + "/flink-operator-webhook-service"
	for _, step := range []struct {
		what  string
		ask   []string
		roots int // in the caBundle afterwards
	}{
		{"a renewal", []string{"renew", target}, 1},
		{"another root", []string{"renew", "--ca"}, 0}, // the old one stays while Flink stands under it
		{"a root that nothing vouches for", []string{"renew", "--ca", "--compromised", "--yes"}, 1},
	} {
		before := s.leaf("webhook-server-cert")
		enough := s.creating(t, step.what)
		s.must(t, 0, step.ask...)
		t.Log(s.run(t, "apply", "--timeout", "10s"))
		eventually(t, "the webhook serves another certificate", func() bool { return !bytes.Equal(w.serving(), before.Raw) })
		eventually(t, "nothing is left to do", func() bool {
			s.timePasses(t, "flink-operator-cert") // for five minutes the operator may go by what was in it
			return strings.Contains(s.run(t, "apply", "--timeout", "10s").stdout, "Nothing to do")
		})
		enough()
		s.must(t, 0, "verify")
		if n := bytes.Count(w.bundle(t, validatingGVR), []byte("BEGIN")); step.roots > 0 && n != step.roots {
			t.Errorf("after %s the caBundle holds %d roots, want %d", step.what, n, step.roots)
		}
	}
	if bytes.Equal(w.bundle(t, validatingGVR), first) {
		t.Error("the caBundle is still that of the first root")
	}

	// Taken out: the API server has nothing to verify the webhook by.
	s.must(t, 0, "revert")
	if left := w.bundle(t, validatingGVR); len(left) > 0 {
		t.Errorf("revert left a caBundle of %d bytes", len(left))
	}
	u, err := s.Dynamic.Resource(validatingGVR).Get(t.Context(), w.configuration(), metav1.GetOptions{})
	if err != nil || len(u.GetAnnotations()) > 0 {
		t.Errorf("revert left annotations: %v, %v", u.GetAnnotations(), err)
	}
	if err := s.askForAnother(); err == nil {
		t.Error("the API server takes a FlinkDeployment although it cannot verify the webhook")
	}
}
