package interop

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/flowcert/flowcert/test/tools"
)

const uiConfig = `namespace: event-automation
authority: {secret: {name: corporate-ca}}
defaults: {key: {size: 2048}}
eventProcessing: [{name: my-ep, ui: {}}]
flinkDeployments: [{name: session-cluster-prod}]
`

// TestIngressThroughCAChange is the ingress that re-encrypts to the UI, while the company's CA, which
// nobody can cross-sign, is replaced: nginx at its default depth, with ca.crt of the UI's Secret before or
// after each step, calls a UI that serves that Secret before or after it.
func TestIngressThroughCAChange(t *testing.T) {
	t.Parallel()
	start := time.Now().AddDate(0, 0, -6)
	s := newSite(t, "testdata/site", uiConfig, newAuthority(t, "database CA").pem(t))
	s.write(t, "ca.yaml", companyCA(t, "Company root", start))
	s.applyAt(t, start)
	steps := []secret{s.uiSecret(t)}
	s.write(t, "ca.yaml", companyCA(t, "Company root 2", start))
	for _, step := range []struct {
		after    time.Duration
		deployed bool
		code     int
	}{
		{1, false, 3}, // trust first
		{2, true, 3},  // rolled out
		{4, false, 0}, // the soak time is over: the leaf
		{5, true, 0},
	} {
		args := []string{"apply", "--dir", s.dir, "--simulate", "--now", start.Add(step.after * 24 * time.Hour).UTC().Format(time.RFC3339)}
		if step.deployed {
			args = append(args, "--deployed")
		}
		stdout, stderr, code := flowcert(t, args...)
		if code != step.code {
			t.Fatalf("day %d: exit %d, want %d\n%s%s", step.after, code, step.code, stdout, stderr)
		}
		if now := s.uiSecret(t); string(now["ca.crt"]) != string(steps[len(steps)-1]["ca.crt"]) || string(now["tls.crt"]) != string(steps[len(steps)-1]["tls.crt"]) {
			steps = append(steps, now)
		}
	}
	if len(steps) != 3 {
		t.Fatalf("%d versions of the UI's Secret, want the first, the one that trusts both, the new leaf", len(steps))
	}
	upstreams := make([]string, len(steps))
	for i, served := range steps {
		upstreams[i] = tools.StartTLSServer(t, served["tls.crt"], served["tls.key"])
	}
	for i := range steps[1:] {
		for _, client := range []int{i, i + 1} {
			for _, server := range []int{i, i + 1} {
				t.Run(fmt.Sprintf("ca.crt %d, server %d", client, server), func(t *testing.T) {
					get(t, tools.StartNginx(t, upstreams[server], steps[client].file(t, "ca.crt"), epName, 0), http.StatusOK)
				})
			}
		}
	}
	// Without the step in between the ingress would refuse the new leaf.
	get(t, tools.StartNginx(t, upstreams[2], steps[0].file(t, "ca.crt"), epName, 0), http.StatusBadGateway)
}

// uiSecret is the one that the UI serves, and whose ca.crt Event Processing trusts.
func (s site) uiSecret(t testing.TB) secret {
	t.Helper()
	got := s.read(t)
	ep := got.object(t, "EventProcessing", namespace, "my-ep")
	name := ep.text(t, "spec", "authoring", "tls", "ui", "secretName")
	trusted, _ := ep.at("spec", "authoring", "tls", "trustedCertificates").([]any)
	if want := map[string]any{"secretName": name, "certificate": "ca.crt"}; len(trusted) != 1 || fmt.Sprint(trusted[0]) != fmt.Sprint(want) {
		t.Errorf("trustedCertificates are %v, want %v", trusted, want)
	}
	return got.secret(t, namespace, name)
}

// companyCA is the manifest of a subordinate CA below a root, which has been valid since before from: with
// it a UI presents one intermediate, as many as nginx takes.
func companyCA(t testing.TB, name string, from time.Time) []byte {
	t.Helper()
	made := func(cn string, parent *x509.Certificate, signer *rsa.PrivateKey) (*x509.Certificate, *rsa.PrivateKey) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			Subject: pkix.Name{CommonName: cn}, SerialNumber: big.NewInt(from.UnixNano() + int64(len(cn))),
			NotBefore: from.Add(-time.Hour), NotAfter: from.AddDate(5, 0, 0),
			BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
		}
		if parent == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	root, rootKey := made(name, nil, nil)
	issuing, key := made(name+" issuing", root, rootKey)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b64 := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: corporate-ca}\ndata:\n  ca.crt: %s\n  tls.crt: %s\n  tls.key: %s\n",
		b64("CERTIFICATE", root.Raw), b64("CERTIFICATE", issuing.Raw), b64("PRIVATE KEY", der))
}

// TestSigningCA signs with the CA of mode ca as cert-manager does: any name, accepted by openssl and by
// nginx at its default depth, and lint finds nothing in the CA.
func TestSigningCA(t *testing.T) {
	t.Parallel()
	s := newSite(t, "testdata/site", `namespace: event-automation
authority: {selfSigned: {key: {size: 2048}}}
defaults: {key: {size: 2048}}
eventProcessing: [{name: my-ep, mode: ca}]
flinkDeployments: [{name: session-cluster-prod}]
`, newAuthority(t, "database CA").pem(t))
	s.apply(t)
	s.verify(t, 0)
	got := s.read(t)
	ca := got.secret(t, namespace, got.object(t, "EventProcessing", namespace, "my-ep").text(t, "spec", "authoring", "tls", "caSecretName"))
	const name = "flows.example.net"
	cert, key := authority{cert: ca.file(t, "tls.crt"), key: ca.file(t, "tls.key")}.issue(t, "DNS:"+name)
	address := tools.StartTLSServer(t, slices.Concat(cert, ca["tls.crt"]), key)
	root := ca.file(t, "ca.crt")
	if err := sClient(t, address, name, root); err != nil {
		t.Error(err)
	}
	get(t, tools.StartNginx(t, address, root, name, 0), http.StatusOK)
	lint(t, got.allCertificates(t, got.flink(t, namespace, "session-cluster-prod")))
}
