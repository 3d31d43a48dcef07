package incluster_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/test/double"
	"github.com/flowcert/flowcert/truststore"
)

const fixedConfig = `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {secret: {name: corporate-ca}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session}]
truststores:
- naming: fixed
  publicCAs: false
  sources:
  - {name: ours, authority: true, servers: [{address: "orders-db:5432", protocol: postgresql}]}
  - {name: others, file: others.pem}
certificates: [{secretName: orders-db-server, dnsNames: [orders-db], key: {algorithm: ECDSA, size: 256}}]
`

// TestTruststoreOfAFixedName: its content changes in place, the resources do not change for it, and what runs restarts
// once for every change. At every step every pod verifies, by what it has loaded, what its servers may serve.
func TestTruststoreOfAFixedName(t *testing.T) {
	s := newSite(t)
	d := double.Start(t, s.Cluster, s.namespace)
	s.write(t, "flowcert.yaml", fixedConfig)
	s.write(t, "others.pem", newCA(t, "Others").certificate)
	s.Apply(t, s.namespace, s.expand(plain))
	s.Apply(t, s.namespace, newCA(t, "Corporate root").manifest())
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	d.WaitEventProcessing(t, s.namespace, "my-ep", "Running")
	s.must(t, 0, "apply")
	s.want(t, d, "after the first wiring", 1, 1)
	s.timePasses(t, "ssl-truststore", "orders-db-server")
	s.must(t, 0, "plan")

	// Another CA of somebody's: nothing in Event Processing changes, and in Flink the nonce alone.
	ep, flink := s.get(t, epGVR, "my-ep"), s.get(t, flinkGVR, "session")
	s.write(t, "others.pem", newCA(t, "Others").certificate+newCA(t, "Others 2").certificate)
	s.writesInPlace(t)
	s.want(t, d, "while the kubelet may lag", 1, 1)
	if r := s.must(t, 0, "status"); !strings.Contains(r.stdout, "0 of ") {
		t.Errorf("status does not say that nothing has loaded it: %s", r)
	}
	s.timePasses(t, "ssl-truststore", "orders-db-server")
	r := s.must(t, 0, "apply")
	t.Log(r)
	s.want(t, d, "after another source", 2, 2)
	if now := s.get(t, epGVR, "my-ep"); now.GetGeneration() != ep.GetGeneration() {
		t.Error("the EventProcessing has changed")
	}
	now := s.get(t, flinkGVR, "session")
	if nonce, _, _ := unstructured.NestedInt64(now.Object, "spec", "restartNonce"); nonce != 1 || now.GetGeneration() != flink.GetGeneration()+1 {
		t.Errorf("restartNonce is %d, generation %d after %d", nonce, now.GetGeneration(), flink.GetGeneration())
	}
	s.must(t, 0, "plan")

	// The CA under which everything stands is replaced, and nothing vouches for the new one.
	second := newCA(t, "Corporate root G2")
	s.change(t, secretsGVR, "corporate-ca", "somebody", func(u *unstructured.Unstructured) { u.Object["data"] = second.data() })
	for round := 0; ; round++ {
		r := s.run(t, "apply", "--timeout", "15s")
		s.edges(t, d, fmt.Sprintf("round %d", round))
		if r.code == 0 {
			break
		}
		if round == 8 {
			t.Fatalf("it never ends: %s", r)
		}
		s.timePasses(t, "ssl-truststore", "orders-db-server")
	}
	s.want(t, d, "after a change of CA", 3, 4)
	if chain := s.served(t); chain[0].CheckSignatureFrom(second.parsed) != nil {
		t.Error("the database's certificate is not under the new CA")
	}
	well(t, d)
	s.must(t, 0, "revert", "--delete-secrets")
}

// writesInPlace runs apply until it waits for the kubelet: what is in the truststore has changed, and nothing has
// restarted for it yet.
func (s *site) writesInPlace(t *testing.T) {
	t.Helper()
	eventually(t, "apply waits for the kubelet", func() bool {
		r := s.run(t, "apply", "--timeout", "10s")
		return r.code == 1 && strings.Contains(r.stderr, "they restart from")
	})
}

// want checks how often the workloads have restarted, and every edge.
func (s *site) want(t *testing.T, d *double.Double, when string, ep, flink int) {
	t.Helper()
	s.edges(t, d, when)
	for name, want := range map[string]int{"my-ep": ep, "session": flink} {
		if got := s.restarts(t, d, name); got != want {
			t.Errorf("%s: %s has restarted %d times, want %d", when, name, got, want)
		}
	}
}

// edges verifies, for every pod that runs, the database's certificate by the truststore that it has loaded, and what
// Flink's pods have loaded by what Event Processing's has.
func (s *site) edges(t *testing.T, d *double.Double, when string) {
	t.Helper()
	pods, err := d.Running(t.Context(), s.namespace)
	if err != nil || len(pods) < 2 {
		t.Fatalf("%s: %d pods run: %v", when, len(pods), err)
	}
	verify := func(pod double.Pod, secret, server string, chain []*x509.Certificate) {
		loaded, ok := pod.Secrets[secret]
		if !ok {
			return // not wired yet
		}
		password := string(loaded.Data["password"])
		store, err := truststore.Open(loaded.Data["truststore.jks"], password)
		if err != nil {
			t.Fatal(err)
		}
		var anchors []*x509.Certificate
		for _, e := range store.Trusted {
			anchors = append(anchors, e.Certificate)
		}
		if err := pki.VerifyChain(pki.JVM(), chain, anchors, "", time.Now()); err != nil {
			t.Errorf("%s: pod %s does not verify %s by the %s that it has loaded: %v", when, pod.Name, server, secret, err)
		}
	}
	for _, pod := range pods {
		verify(pod, "ssl-truststore", "the database", s.served(t))
		for name, loaded := range pod.Secrets {
			if !strings.HasPrefix(name, "session-tls-") {
				continue
			}
			store, err := truststore.Open(loaded.Data["keystore.jks"], string(loaded.Data["password"]))
			if err != nil {
				t.Fatal(err)
			}
			for _, client := range pods {
				for secret := range client.Secrets {
					if strings.HasPrefix(secret, "my-ep-flink-trust-") {
						verify(client, secret, "Flink", store.Keys[0].Chain)
					}
				}
			}
		}
	}
}

// served is what the database serves that starts now.
func (s *site) served(t *testing.T) []*x509.Certificate {
	t.Helper()
	chain, err := pki.ParseCertificates(s.data(t, "orders-db-server", "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// timePasses makes everything six minutes older that flowcert tells by the time what a pod has loaded: when pods
// started, and since when Secrets are what they are.
func (s *site) timePasses(t *testing.T, names ...string) {
	t.Helper()
	for _, pod := range s.list(t, podsGVR) {
		if text, ok, _ := unstructured.NestedString(pod.Object, "status", "startTime"); ok {
			conditions, _, _ := unstructured.NestedSlice(pod.Object, "status", "conditions")
			for _, c := range conditions {
				m := c.(map[string]any)
				m["lastTransitionTime"] = older(t, m["lastTransitionTime"].(string))
			}
			s.patchStatus(t, podsGVR, pod.GetName(), map[string]any{"startTime": older(t, text), "conditions": conditions})
		}
	}
	for _, name := range names {
		s.change(t, secretsGVR, name, "test", func(u *unstructured.Unstructured) {
			annotations := u.GetAnnotations()
			annotations["flowcert.io/created"] = older(t, annotations["flowcert.io/created"])
			u.SetAnnotations(annotations)
			fields := u.GetManagedFields()
			for i, f := range fields {
				fields[i].Time = &metav1.Time{Time: f.Time.Add(-6 * time.Minute)}
			}
			u.SetManagedFields(fields)
		})
	}
}

func older(t *testing.T, text string) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.Add(-6 * time.Minute).UTC().Format(time.RFC3339)
}

// ca is one of somebody's.
type ca struct {
	certificate, key string // PEM
	parsed           *x509.Certificate
}

func newCA(t *testing.T, name string) ca {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return ca{
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), parsed,
	}
}

func (c ca) data() map[string]any {
	in64 := func(text string) any { return base64.StdEncoding.EncodeToString([]byte(text)) }
	return map[string]any{"ca.crt": in64(c.certificate), "tls.crt": in64(c.certificate), "tls.key": in64(c.key)}
}

func (c ca) manifest() []byte {
	d := c.data()
	return fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: corporate-ca}\ndata: {ca.crt: %s, tls.crt: %s, tls.key: %s}\n", d["ca.crt"], d["tls.crt"], d["tls.key"])
}

// TestImmutableTruststoreOfAFixedName: one that somebody made immutable is left as it is, and told; removed by hand it is
// made again, and what has loaded it restarts, because nobody knows any more what that was.
func TestImmutableTruststoreOfAFixedName(t *testing.T) {
	s := newSite(t)
	d := double.Start(t, s.Cluster, s.namespace)
	s.write(t, "flowcert.yaml", fixedConfig)
	s.write(t, "others.pem", newCA(t, "Others").certificate)
	s.Apply(t, s.namespace, s.expand(plain))
	s.Apply(t, s.namespace, newCA(t, "Corporate root").manifest())
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	d.WaitEventProcessing(t, s.namespace, "my-ep", "Running")
	s.must(t, 0, "apply")
	s.change(t, secretsGVR, "ssl-truststore", "somebody", func(u *unstructured.Unstructured) { u.Object["immutable"] = true })
	was := s.get(t, secretsGVR, "ssl-truststore")
	s.must(t, 0, "plan")

	s.write(t, "others.pem", newCA(t, "Others").certificate+newCA(t, "Others 2").certificate)
	if r := s.must(t, 1, "apply"); !strings.Contains(r.stderr, "secret "+s.namespace+"/ssl-truststore is immutable") || !strings.Contains(r.stderr, "kubectl delete secret ssl-truststore -n "+s.namespace) {
		t.Errorf("it does not say what is wrong, or what to do: %s", r)
	}
	if now := s.get(t, secretsGVR, "ssl-truststore"); now.GetUID() != was.GetUID() || now.GetResourceVersion() != was.GetResourceVersion() {
		t.Error("it has been changed, or made again")
	}
	s.want(t, d, "while it is immutable", 1, 1)

	s.deleteSecret(t, "ssl-truststore")
	s.writesInPlace(t)
	s.timePasses(t, "ssl-truststore", "orders-db-server")
	s.must(t, 0, "apply")
	s.want(t, d, "after it was removed", 2, 2)
	well(t, d)
}
