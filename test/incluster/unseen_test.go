package incluster_test

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/test/double"
	"github.com/flowcert/flowcert/truststore"
)

const farConfig = `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep, namespace: FAR}]
flinkDeployments: [{name: session}]
`

// TestClientsThatCannotBeSeen: an Event Processing whose namespace flowcert may not read any more calls a session
// cluster that it may. The session cluster goes on to another root as long as the old one vouches for it, and not when
// nothing does; when the namespace is open again, everything comes to its end.
func TestClientsThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	far := s.in(s.Namespace(t))
	s.beside = []string{far.namespace}
	d := double.Start(t, s.Cluster, s.namespace, far.namespace)
	s.write(t, "flowcert.yaml", strings.ReplaceAll(farConfig, "FAR", far.namespace))
	s.Apply(t, s.namespace, flinkOnly())
	ep := strings.ReplaceAll(strings.Split(plain, "---")[0], "session-rest:8081", "session-rest."+s.namespace+":8081")
	s.Apply(t, far.namespace, []byte(ep))
	permit := func() { s.grant(t, "--namespaces", strings.Join(s.beside, ",")) }
	permit()
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	d.WaitEventProcessing(t, far.namespace, "my-ep", "Running")
	s.must(t, 0, "apply")
	first := s.servedByFlink(t)
	far.verifies(t, first)

	far.delete(t, bindingGVR, "flowcert")
	eventually(t, "the namespace is closed", func() bool { return s.run(t, "plan").code == 1 })
	s.must(t, 0, "renew", "--ca")
	s.must(t, 1, "apply")
	second := s.servedByFlink(t)
	if second[0].Equal(first[0]) || len(second) == len(first) {
		t.Error("the session cluster has not gone on to the new root, with the certificate by which the old one vouches for it")
	}
	far.verifies(t, second)
	d.WaitFlink(t, s.namespace, "session", "STABLE")

	s.must(t, 0, "renew", "--ca", "--compromised", "--yes")
	var r result
	target := "flinkDeployment/" + s.namespace + "/session"
	eventually(t, "apply has done what it can", func() bool {
		r = s.must(t, 1, "apply")
		return s.run(t, "plan").code == 1 && strings.Contains(r.stdout+r.stderr, "may trust nothing but")
	})
	for _, word := range []string{"eventProcessing/" + far.namespace + "/my-ep may trust nothing but", "namespace " + far.namespace + " cannot be read", "bind flowcert's Role"} {
		if !strings.Contains(r.stdout+r.stderr, word) {
			t.Errorf("it does not say %q: %s", word, r)
		}
	}
	if third := s.servedByFlink(t); !third[0].Equal(second[0]) {
		t.Error("the session cluster has gone on to a root that nothing vouches for")
	}
	far.verifies(t, s.servedByFlink(t))
	run := s.start(t)
	eventually(t, "the metrics say that it is blocked", func() bool {
		_, page := run.page(t, "/metrics")
		return strings.Contains(page, `flowcert_blocked{reason="trust",target="`+target+`"} 1`)
	})
	eventually(t, "an Event tells of it", func() bool { return s.told(t, "FlinkDeployment", "session", "Blocked", "cannot be read") })
	run.terminate(t)
	if n := len(s.withRole(t, secrets.RoleRoot)); n != 3 {
		t.Errorf("there are %d roots, want all three as long as nobody knows who needs them", n)
	}

	permit()
	eventually(t, "the namespace is open", func() bool { return s.run(t, "plan").code != 1 })
	eventually(t, "all is done", func() bool { return s.run(t, "apply").code == 0 })
	far.verifies(t, s.servedByFlink(t))
	if n := len(s.withRole(t, secrets.RoleRoot)); n != 1 {
		t.Errorf("there are %d roots, want the new one alone", n)
	}
	well(t, d)
	s.must(t, 0, "plan")
}

// servedByFlink is the chain in the version that the session cluster refers to.
func (s *site) servedByFlink(t *testing.T) []*x509.Certificate {
	t.Helper()
	secret := s.ours(t)[s.flinkSecret(t)]
	id, err := secret.Stores(truststore.JKS, string(secret.Data[secrets.Password]), string(secret.Data[secrets.TrustPassword]))
	if err != nil {
		t.Fatal(err)
	}
	return id.Chain
}

// verifies holds a chain against the truststore for Flink that the instance refers to.
func (s *site) verifies(t *testing.T, chain []*x509.Certificate) {
	t.Helper()
	name, _, _ := unstructured.NestedString(s.get(t, epGVR, "my-ep").Object, "spec", "flink", "tls", "secretName")
	secret := s.ours(t)[name]
	if secret == nil {
		t.Fatalf("there is no secret %q", name)
	}
	entries, err := secret.Trust(truststore.JKS, string(secret.Data[secrets.Password]))
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.VerifyChain(pki.JVM(), chain, secrets.Certificates(entries), "", time.Now()); err != nil {
		t.Errorf("%s does not verify what the session cluster serves: %v", name, err)
	}
}

// withRole lists flowcert's Secrets of a role.
func (s *site) withRole(t *testing.T, role secrets.Role) []string {
	t.Helper()
	var out []string
	for name, secret := range s.ours(t) {
		if secret.Role() == role {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
