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
				trust[pod.Name+" "+name] = secrets.Certificates(entries)
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
	var used strings.Builder // every word that the resources have in them, and what pods ever loaded
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
	authority := []secrets.Role{secrets.RoleRoot, secrets.RoleIntermediate, secrets.RolePassword}
	for name, secret := range s.ours(t) {
		if !slices.Contains(authority, secret.Role()) && !strings.Contains(used.String(), name) {
			t.Errorf("nothing ever used secret %s (%s of %s)", name, secret.Role(), secret.Target())
		}
	}
}

// nothingLost finds what the author of the manifests wrote and the resources do not have any more.
func (s *site) nothingLost(t *testing.T, manifests string) {
	t.Helper()
	for _, document := range strings.Split(manifests, "\n---") {
		want := decode(t, s.expand(document))
		gvr := epGVR
		if want.GetKind() == "FlinkDeployment" {
			gvr = flinkGVR
		}
		have := s.get(t, gvr, want.GetName())
		missing(t, want.GetKind()+" "+want.GetName()+": spec", want.Object["spec"], have.Object["spec"])
	}
}

// missing compares values as far as there are any to compare with: flowcert may add to mappings, lists and texts.
func missing(t *testing.T, path string, want, have any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		m, _ := have.(map[string]any)
		for k, v := range want {
			missing(t, path+"."+k, v, m[k])
		}
	case []any:
		list, _ := have.([]any)
		for i, v := range want {
			if i >= len(list) {
				t.Errorf("%s[%d] is gone", path, i)
				return
			}
			missing(t, fmt.Sprintf("%s[%d]", path, i), v, list[i])
		}
	default:
		if !strings.Contains(fmt.Sprint(have), fmt.Sprint(want)) {
			t.Errorf("%s is %v, and was %v", path, have, want)
		}
	}
}

func decode(t *testing.T, document []byte) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(document), 4096).Decode(&u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}
