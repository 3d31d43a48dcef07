package incluster_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// TestWebhookRights: without the ClusterRole the webhook alone is at fault, and the rest is done; with it, and
// with nothing beside it, everything is. A pod that serves an old certificate is restarted, if no
// FlinkDeployment is being upgraded.
func TestWebhookRights(t *testing.T) {
	s := newSite(t)
	s.write(t, "flowcert.yaml", webhookConfig)
	w := newWebhook(t, s, webhookConfigurations)

	// The FlinkDeployment does not exist yet; all that the webhook's server needs is made when flowcert may.
	r := s.must(t, 1, "apply")
	if !strings.Contains(r.stderr, "error: flinkOperator/"+s.namespace+"/flink-operator-webhook-service: what the API server trusts of it cannot be read: ") ||
		!strings.Contains(r.stderr, "hint: bind the ClusterRole that flowcert manifests --webhook-namespace "+s.namespace+" prints") {
		t.Errorf("the refusal: %s", r)
	}
	if s.leaf("webhook-server-cert") != nil || s.get(t, secretsGVR, "flink-operator-cert") == nil {
		t.Errorf("the webhook was not left alone, or more than it: %s", r)
	}
	s.grant(t, "--webhook-namespace", s.namespace)
	w.follow(t)
	s.must(t, 3, "apply") // for the FlinkDeployment
	if err := s.askForAnother(); err != nil {
		t.Fatal(err)
	}
	s.Apply(t, s.namespace, s.expand(plain))
	s.must(t, 0, "apply")

	// The daemon sees that somebody takes the caBundle away, with no more rights than these.
	s.start(t)
	patch := []byte(`[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]`)
	if _, err := s.Dynamic.Resource(mutatingGVR).Patch(t.Context(), w.configuration(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the caBundle is back", func() bool { return len(w.bundle(t, mutatingGVR)) > 0 })
	if err := s.askForAnother(); err != nil {
		t.Error(err)
	}
	for _, g := range s.unused(t, "flowcert-webhook") {
		if g.resource != "pods" { // see TestWebhookRestart
			t.Errorf("granted and not used: %+v", g)
		}
	}
}

// webhookServiceManifest is the chart's Service, but that it leads to a port of the machine that the tests run
// on: for the API server. Nobody else knows its name.
const webhookServiceManifest = `
apiVersion: v1
kind: Service
metadata: {name: flink-operator-webhook-service}
spec: {type: ExternalName, externalName: localhost, ports: [{port: PORT}]}
`

// TestWebhookFromOutside: where the names of Services lead nowhere, the API server is asked whether it can call
// the webhook. It calls it by the name that it has in every cluster.
func TestWebhookFromOutside(t *testing.T) {
	s := newSite(t)
	s.grant(t, "--webhook-namespace", s.namespace)
	s.write(t, "flowcert.yaml", webhookConfig)
	s.Apply(t, s.namespace, s.expand(plain))
	w := newWebhook(t, s, strings.NewReplacer(`url: "https://ADDRESS/validate"`, serviceReference, `url: "https://ADDRESS/mutate"`, serviceReference).Replace(webhookConfigurations))
	s.Apply(t, s.namespace, s.expand(strings.ReplaceAll(webhookServiceManifest, "PORT", w.port())))
	w.follow(t)
	if r := s.must(t, 0, "apply"); !strings.Contains(r.stderr, "cannot be reached from here, so that what it serves is not compared; the API server accepts it") {
		t.Errorf("the apply: %s", r)
	}
	if err := s.askForAnother(); err != nil {
		t.Fatal(err)
	}
	s.must(t, 3, "verify") // what is served is not known
	w.pretend(t)
	eventually(t, "the API server refuses", func() bool { return s.askForAnother() != nil })
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	if r := s.must(t, 3, "plan"); !strings.Contains(r.stdout, "cannot be called: ") || !strings.Contains(r.stdout, "failed to verify certificate: x509: ") || strings.Contains(r.stdout, "edit flinkDeployment") {
		t.Errorf("the plan: %s", r)
	}
}

// serviceReference is the chart's reference to its Service, at another port.
const serviceReference = `service: {name: flink-operator-webhook-service, namespace: NAMESPACE, port: PORT}`

// TestWebhookBroken: while the API server cannot call the webhook, no FlinkDeployment is changed, and nothing
// is made for it.
func TestWebhookBroken(t *testing.T) {
	s := newSite(t)
	s.grant(t, "--webhook-namespace", s.namespace)
	s.write(t, "flowcert.yaml", webhookConfig)
	s.Apply(t, s.namespace, s.expand(plain))
	w := newWebhook(t, s, webhookConfigurations)
	w.follow(t)
	s.must(t, 0, "apply")

	// The server presents what no caBundle verifies: the API server refuses, and flowcert holds its change back.
	w.mutex.Lock()
	good := w.serves
	w.mutex.Unlock()
	w.pretend(t)
	eventually(t, "the API server refuses", func() bool { return s.askForAnother() != nil })
	if err := s.askForAnother(); err == nil || !strings.Contains(err.Error(), "x509: certificate signed by unknown authority") {
		t.Errorf("the API server refuses for another reason: %v", err)
	}
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	before := s.get(t, flinkGVR, "session").GetResourceVersion()
	if r := s.must(t, 3, "plan"); !strings.Contains(r.stdout, "wait flinkDeployment/"+s.namespace+"/session: the Flink operator's webhook (") ||
		!strings.Contains(r.stdout, "that its caBundle does not verify") || strings.Contains(r.stdout, "edit flinkDeployment") || strings.Contains(r.stdout, "make secret "+s.namespace+"/session-tls") {
		t.Errorf("the plan: %s", r)
	}
	s.must(t, 1, "verify")
	if after := s.get(t, flinkGVR, "session").GetResourceVersion(); after != before {
		t.Error("the FlinkDeployment was changed")
	}
	w.mutex.Lock()
	w.serves, w.fixed = good, false
	w.mutex.Unlock()
	s.must(t, 0, "apply")
	if after := s.get(t, flinkGVR, "session").GetResourceVersion(); after == before {
		t.Error("the FlinkDeployment was not changed when the webhook worked again")
	}
}

// TestWebhookRestart: a pod that serves what it loaded when it started, and misses the new key store, is
// deleted, once it should have seen it, and not while a FlinkDeployment is being upgraded.
func TestWebhookRestart(t *testing.T) {
	s := newSite(t)
	s.grant(t, "--webhook-namespace", s.namespace)
	s.write(t, "flowcert.yaml", webhookConfig)
	s.Apply(t, s.namespace, s.expand(plain))
	w := newWebhook(t, s, webhookConfigurations)
	apply := s.command(t.Context(), "apply")
	if err := apply.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is a key store", func() bool { return w.load(t) == nil })
	if err := apply.Wait(); err != nil {
		t.Fatal(err)
	}
	s.Apply(t, s.namespace, s.expand(operatorDeployment))
	s.pod(t, "flink-operator-1", time.Now().Add(-time.Hour))
	s.must(t, 0, "renew", "flinkOperator/"+s.namespace+"/flink-operator-webhook-service")
	old := s.leaf("webhook-server-cert")
	apply = s.command(t.Context(), "apply")
	if err := apply.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the certificate is another", func() bool { leaf := s.leaf("webhook-server-cert"); return leaf != nil && !leaf.Equal(old) })
	if err := apply.Process.Kill(); err != nil { // it would look on for five minutes
		t.Fatal(err)
	}
	_ = apply.Wait()
	if r := s.must(t, 3, "plan"); !strings.Contains(r.stdout, "serves another certificate than secret") || strings.Contains(r.stdout, "restart pod") {
		t.Errorf("the pod has had no time to see the new key store: %s", r)
	}

	// As if the Secret had been written longer ago than a kubelet takes.
	s.annotate(t, "webhook-server-cert", "flowcert.io/created", time.Now().Add(-10*time.Minute).UTC().Format(time.RFC3339))
	s.status(t, "UPGRADING")
	if r := s.must(t, 3, "plan"); !strings.Contains(r.stdout, "its pod is restarted when that disturbs nothing: flinkDeployment/"+s.namespace+"/session: its lifecycle state is UPGRADING") {
		t.Errorf("the plan during an upgrade: %s", r)
	}
	s.status(t, "STABLE")
	if r := s.must(t, 2, "plan"); !strings.Contains(r.stdout, "restart pod "+s.namespace+"/flink-operator-1: ") {
		t.Errorf("the plan: %s", r)
	}
	apply = s.command(t.Context(), "apply")
	if err := apply.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pod is gone", func() bool {
		_, err := s.Dynamic.Resource(podsGVR).Namespace(s.namespace).Get(t.Context(), "flink-operator-1", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	if err := w.load(t); err != nil { // as the pod does that comes after it
		t.Fatal(err)
	}
	s.pod(t, "flink-operator-2", time.Now())
	if err := apply.Wait(); err != nil {
		t.Fatal(err)
	}
	s.must(t, 0, "plan")
	for _, g := range s.unused(t, "flowcert-webhook") {
		if g.resource == "pods" { // the rest: see TestWebhookRights
			t.Errorf("granted and not used: %+v", g)
		}
	}
}

// operatorDeployment is the chart's, as far as flowcert looks at it.
const operatorDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: flink-kubernetes-operator, labels: {app.kubernetes.io/name: flink-kubernetes-operator}}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: flink-kubernetes-operator}}
  template:
    metadata: {labels: {app.kubernetes.io/name: flink-kubernetes-operator}}
    spec:
      containers: [{name: flink-webhook, image: none, volumeMounts: [{name: keystore, mountPath: /certs}]}]
      volumes: [{name: keystore, secret: {secretName: webhook-server-cert}}]
`

// pod makes one that mounts the webhook's Secret and runs since some time.
func (s *site) pod(t *testing.T, name string, started time.Time) {
	t.Helper()
	s.Apply(t, s.namespace, s.expand(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: flink-operator}
---
apiVersion: v1
kind: Pod
metadata: {name: `+name+`, labels: {app.kubernetes.io/name: flink-kubernetes-operator}}
spec:
  serviceAccountName: flink-operator
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers: [{name: flink-webhook, image: none, volumeMounts: [{name: keystore, mountPath: /certs}]}]
  volumes: [{name: keystore, secret: {secretName: webhook-server-cert, items: [{key: keystore.p12, path: keystore.p12}]}}]
`))
	s.patchStatus(t, podsGVR, name, map[string]any{"phase": "Running", "startTime": started.UTC().Format(time.RFC3339),
		"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}})
}

// status sets the lifecycle state of the session cluster, whose operator has seen everything.
func (s *site) status(t *testing.T, state string) {
	t.Helper()
	u := s.get(t, flinkGVR, "session")
	s.patchStatus(t, flinkGVR, "session", map[string]any{
		"lifecycleState": state, "jobManagerDeploymentStatus": "READY", "observedGeneration": u.GetGeneration(),
		"reconciliationStatus": map[string]any{"lastStableSpec": "{}", "lastReconciledSpec": "{}", "state": "DEPLOYED"},
	})
}

func (s *site) patchStatus(t *testing.T, gvr schema.GroupVersionResource, name string, status map[string]any) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Dynamic.Resource(gvr).Namespace(s.namespace).Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
}

// annotate sets an annotation of a Secret.
func (s *site) annotate(t *testing.T, secret, key, value string) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Dynamic.Resource(secretsGVR).Namespace(s.namespace).Patch(t.Context(), secret, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// pretend lets the webhook serve a certificate that it made for itself, whatever comes into the Secret.
func (w *webhook) pretend(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.serves, w.fixed = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, true
}
