//go:build e2e

package operator

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/double"
	"github.com/flowcert/flowcert/test/operator"
)

// webhookConfigurations are the chart's, but for the address and the namespace: there is no Service here that leads anywhere.
const webhookConfigurations = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: flink-operator-NAMESPACE-webhook-configuration}
webhooks:
- name: mutationwebhook.flink.apache.org
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://localhost:PORT/mutate"}
  failurePolicy: Fail
  sideEffects: None
  rules: [{apiGroups: [flink.apache.org], apiVersions: ["*"], scope: Namespaced, operations: [CREATE, UPDATE], resources: [flinksessionjobs, flinkdeployments]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: flink-operator-NAMESPACE-webhook-configuration}
webhooks:
- name: validationwebhook.flink.apache.org
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://localhost:PORT/validate"}
  failurePolicy: Fail
  sideEffects: None
  rules: [{apiGroups: [flink.apache.org], apiVersions: ["*"], scope: Namespaced, operations: [CREATE, UPDATE], resources: [flinkdeployments, flinksessionjobs, flinkstatesnapshots]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
`

// TestWebhookProcess has the API server call the operator's webhook, a JVM that serves the key store that flowcert made, through the caBundle
// that flowcert set; through it flowcert wires a cluster, and renews the webhook's certificate.
func TestWebhookProcess(t *testing.T) {
	operator.Needs(t, operator.NestedConfiguration, "its webhook is in no repository")
	o, _ := realOperator(t)
	s := newSite(t, "")
	pods := double.StartWithoutOperators(t, s.Cluster, s.namespace)
	s.write(t, "flowcert.yaml", strings.Replace(oneCluster, "flinkOperator: {", "flinkOperator: {webhook: true, ", 1))
	s.givePassword(t, s.namespace)
	w := s.installWebhook(t)
	port := playJobManagers(s, pods).listen(t, o, "session")
	manifest := func(file string) []byte {
		return s.expand(strings.ReplaceAll(testdata(t, file), "PORT", port))
	}
	if err := s.ask(t, manifest("session.yaml")); err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
		t.Fatalf("without the webhook the API server says %v", err)
	}

	s.flowcert(t, "13", "apply", "--timeout", "10s")
	w.start(t)
	s.served(t, w.port)
	for _, file := range []string{"session.yaml", "nested.yaml", "mixed.yaml"} {
		if err := s.ask(t, manifest(file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := s.ask(t, []byte(session("flinkVersion: v1_20"))); err == nil || !strings.Contains(err.Error(), "JobManager resource memory must be defined") {
		t.Errorf("of a resource without memory the API server says %v", err)
	}

	if err := o.Mount(s.secret(t, s.namespace, "flink-operator-cert")); err != nil {
		t.Fatal(err)
	}
	s.Apply(t, s.namespace, manifest("session.yaml"))
	t.Cleanup(func() { s.removeClusters(t) })
	s.waitStable(t, "session")
	s.flowcert(t, "0", "apply")
	if wired := s.references(t, "session"); wired.tls == "" || wired.trust == "" {
		t.Errorf("it is not wired: %+v", wired)
	}
	s.waitStable(t, "session")

	// The webhook reads its key store again as soon as the kubelet begins: before the new one is there, if the kubelet is slow.
	w.renewed(t)
	w.mount(t, w.reloaded(t))
	if err := s.serves(t, w.port); err == nil {
		t.Error("the webhook reads what came after it had reloaded: that is new")
	}
	if out := s.flowcert(t, "13", "apply", "--timeout", "1s"); !strings.Contains(out, "waits  "+w.target()) {
		t.Errorf("flowcert takes the old certificate for the new one: %s", out)
	}
	if err := s.ask(t, manifest("nested.yaml")); err != nil {
		t.Errorf("during the renewal: %v", err)
	}
	w.stop(t)
	w.start(t) // as flowcert has its pod replaced
	s.served(t, w.port)
	if err := s.ask(t, manifest("mixed.yaml")); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
	s.flowcert(t, "0", "apply")

	// Or after, if the kubelet is quick: then it needs no restart. Which of the two happens nobody can say.
	w.renewed(t)
	after := w.reloaded(t)
	w.mount(t, func() {})
	after()
	t.Logf("after a quick kubelet it serves the new certificate: %v", s.serves(t, w.port) == nil)
	if err := s.ask(t, manifest("mixed.yaml")); err != nil {
		t.Errorf("after another renewal: %v", err)
	}
}

// webhook is the operator's, of one site.
type webhook struct {
	*operator.Webhook
	site *site
	port string
}

// installWebhook installs the configurations. The process begins with start.
func (s *site) installWebhook(t *testing.T) *webhook {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Apply(t, "", s.expand(strings.ReplaceAll(webhookConfigurations, "PORT", port)))
	t.Cleanup(func() { s.uninstallWebhook(t) })
	return &webhook{site: s, port: port}
}

// uninstallWebhook takes the configurations away: they live in no namespace of the test's.
func (s *site) uninstallWebhook(t *testing.T) {
	for _, kind := range []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} {
		gvr := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: kind}
		if err := s.Dynamic.Resource(gvr).Delete(context.WithoutCancel(t.Context()), "flink-operator-"+s.namespace+"-webhook-configuration",
			metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
}

// start starts the process with what the Secrets hold now.
func (w *webhook) start(t *testing.T) {
	t.Helper()
	var err error
	if w.Webhook, err = operator.StartWebhook(t, operator.WebhookOptions{
		KubeConfig: the.kubeconfig, Namespace: w.site.namespace, Port: w.port,
		Password: string(w.site.secret(t, w.site.namespace, "flink-operator-webhook-secret")["password"]),
		Secret:   w.site.secret(t, w.site.namespace, "webhook-server-cert"),
	}); err != nil {
		t.Fatal(err)
	}
	running := w.Webhook
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the webhook:\n%s", running.Log())
		}
		if !running.Ended() {
			_ = running.Stop()
		}
	})
}

func (w *webhook) target() string {
	return "flinkOperator/" + w.site.namespace + "/flink-operator-webhook-service"
}

// renewed has flowcert put another certificate into the Secret.
func (w *webhook) renewed(t *testing.T) {
	t.Helper()
	w.site.flowcert(t, "0", "renew", w.target())
	before := w.site.secret(t, w.site.namespace, "webhook-server-cert")["tls.crt"]
	w.site.flowcert(t, "13", "apply", "--timeout", "10s")
	if bytes.Equal(before, w.site.secret(t, w.site.namespace, "webhook-server-cert")["tls.crt"]) {
		t.Fatal("the Secret has the same certificate")
	}
}

// mount brings the Secret to the process as the kubelet does.
func (w *webhook) mount(t *testing.T, begun func()) {
	t.Helper()
	if err := w.Mount(w.site.secret(t, w.site.namespace, "webhook-server-cert"), begun); err != nil {
		t.Fatal(err)
	}
}

// reloaded returns what waits until the process has read its key store again, from now on.
func (w *webhook) reloaded(t *testing.T) func() {
	from := len(w.Log())
	return func() {
		t.Helper()
		wait(t, "the webhook to read its key store again", func() (bool, string) {
			return strings.Contains(w.Log()[from:], "SSL context reloaded successfully"), w.Log()[from:]
		})
	}
}

func (w *webhook) stop(t *testing.T) {
	t.Helper()
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
}

// ask asks the API server for a FlinkDeployment, which is called on the webhooks and then not made.
func (s *site) ask(t *testing.T, manifest []byte) error {
	t.Helper()
	u := cluster.Parse(t, manifest)[0]
	u.SetName("another")
	_, err := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace).Create(t.Context(), u,
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
	return err
}

// served waits until the webhook serves the certificate in its Secret.
func (s *site) served(t *testing.T, port string) {
	t.Helper()
	wait(t, "the webhook", func() (bool, string) {
		if err := s.serves(t, port); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
}

// serves dials the webhook, and compares what it serves with the certificate in its Secret.
func (s *site) serves(t *testing.T, port string) error {
	t.Helper()
	block, _ := pem.Decode(s.secret(t, s.namespace, "webhook-server-cert")["tls.crt"])
	conn, err := tls.Dial("tcp", "localhost:"+port, &tls.Config{InsecureSkipVerify: true}) // it is compared
	if err != nil {
		return err
	}
	defer conn.Close()
	if leaf := conn.ConnectionState().PeerCertificates[0]; !bytes.Equal(leaf.Raw, block.Bytes) {
		return x509.CertificateInvalidError{Cert: leaf, Detail: "it serves another certificate"}
	}
	return nil
}
