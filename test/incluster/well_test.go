package incluster_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/test/double"
	"github.com/flowcert/flowcert/truststore"
)

// endedWell holds after each bad day: nothing is left to do, what runs has what belongs together, nothing was lost, and
// nothing lies about.
func (s *site) endedWell(t *testing.T, d *double.Double, manifests string) {
	t.Helper()
	s.must(t, 0, "plan")
	if r := s.run(t, "verify", "--no-dial"); r.code != 0 {
		t.Errorf("verify: %s", r)
	}
	well(t, d)
	s.podsVerify(t, d)
	s.noOrphans(t, d)
	s.nothingLost(t, manifests)
}

// ours reads flowcert's Secrets, by name.
func (s *site) ours(t *testing.T) map[string]*secrets.Secret {
	t.Helper()
	out := map[string]*secrets.Secret{}
	for _, u := range s.list(t, secretsGVR) {
		secret, err := secrets.FromObject(u.Object)
		if err != nil {
			t.Fatal(err)
		}
		if secret.Ours() {
			out[secret.Name] = secret
		}
	}
	return out
}

// podsVerify opens what every pod loaded when it started: each certificate has to verify in each truststore.
func (s *site) podsVerify(t *testing.T, d *double.Double) {
	t.Helper()
	var leaves [][]*x509.Certificate
	trust := map[string][]*x509.Certificate{}
	pods, err := d.Running(t.Context(), s.namespace)
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods {
		for name, loaded := range pod.Secrets {
			secret := &secrets.Secret{Ref: secrets.Ref{Namespace: s.namespace, Name: name}, Data: loaded.Data}
			switch meta := s.ours(t)[name]; {
			case meta == nil:
				t.Errorf("pod %s loaded secret %s, which is not there, or not flowcert's", pod.Name, name)
			case meta.Role() == secrets.RoleCertificate:
				id, err := secret.Identity(secrets.DefaultKeys())
				if err != nil || !pki.SameKey(id.Chain[0], id.Key) {
					t.Errorf("pod %s, secret %s: %v", pod.Name, name, err)
					continue
				}
				leaves, trust[pod.Name+" "+name] = append(leaves, id.Chain), id.Roots
			case meta.Role() == secrets.RoleFlinkTLS:
				id, err := secret.Stores(truststore.JKS, string(loaded.Data[secrets.Password]), string(loaded.Data[secrets.TrustPassword]))
				if err != nil {
					t.Errorf("pod %s, secret %s: %v", pod.Name, name, err)
					continue
				}
				leaves, trust[pod.Name+" "+name] = append(leaves, id.Chain), id.Roots
			default:
				entries, err := secret.Trust(truststore.JKS, string(loaded.Data[secrets.Password]))
				if err != nil {
					t.Errorf("pod %s, secret %s: %v", pod.Name, name, err)
				}
				if meta.Role() == secrets.RoleFlinkTrust { // the other one is for databases
					trust[pod.Name+" "+name] = secrets.Certificates(entries)
				}
			}
		}
	}
	if len(pods) > 0 && len(leaves) == 0 {
		t.Error("no pod has a certificate")
	}
	for who, roots := range trust {
		for _, chain := range leaves {
			if err := pki.VerifyChain(pki.JVM(), chain, roots, "", time.Now()); err != nil {
				t.Errorf("%s does not verify %q: %v", who, chain[0].Subject.CommonName, err)
			}
		}
	}
}

// noOrphans finds Secrets of flowcert's that nothing refers to and nothing ever did.
func (s *site) noOrphans(t *testing.T, d *double.Double) {
	t.Helper()
	ours := s.ours(t)
	for name, secret := range ours {
		var used bool
		switch secret.Role() {
		case secrets.RoleRoot, secrets.RoleDistrusted, secrets.RoleAdopted:
			used = true // they are what is remembered
		case secrets.RoleIntermediate:
			used = s.signed(t, secret)
		case secrets.RolePassword:
			used = opens(secret, ours)
		default:
			used = slices.Contains(byName, name) || s.everUsed(t, d, name)
		}
		if !used {
			t.Errorf("nothing ever used secret %s (%s of %s)", name, secret.Role(), secret.Target())
		}
	}
}

// byName are Secrets that are read by a name which stands in no resource.
var byName = []string{"flink-operator-cert", "webhook-server-cert", "orders-db-server"}

// signed reports whether an intermediate stands in a chain of another Secret of flowcert's, in whatever namespace.
func (s *site) signed(t *testing.T, intermediate *secrets.Secret) bool {
	t.Helper()
	certs, err := pki.ParseCertificates(intermediate.Data["tls.crt"])
	if err != nil {
		t.Fatalf("%s: %v", intermediate.Ref, err)
	}
	der, text := certs[0].Raw, bytes.TrimSpace(pki.EncodeCertificates(certs[0]))
	for _, namespace := range append(s.beside, s.namespace) {
		for name, other := range s.in(namespace).ours(t) {
			for _, data := range other.Data {
				// A JKS has certificates as they are.
				if name != intermediate.Name && (bytes.Contains(data, der) || bytes.Contains(data, text)) {
					return true
				}
			}
		}
	}
	return false
}

// opens reports whether there is something else of what a password is for.
func opens(password *secrets.Secret, ours map[string]*secrets.Secret) bool {
	for _, other := range ours {
		if other != password && other.Target() == password.Target() {
			return true
		}
	}
	return false
}

// everUsed reports whether a resource has the word in it, or a pod ever loaded the Secret.
func (s *site) everUsed(t *testing.T, d *double.Double, name string) bool {
	t.Helper()
	var used strings.Builder
	for _, u := range append(s.list(t, epGVR), s.list(t, flinkGVR)...) {
		fmt.Fprintln(&used, u.Object["spec"], u.Object["status"])
	}
	for _, pod := range d.Started() {
		if pod.Namespace != s.namespace {
			continue
		}
		for name := range pod.Secrets {
			fmt.Fprintln(&used, name)
		}
	}
	return strings.Contains(used.String(), name)
}

func decode(t *testing.T, document []byte) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(document), 4096).Decode(&u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}
