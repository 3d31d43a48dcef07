package incluster_test

import (
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/double"
)

const threeNamespaces = `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkDeployments: [{name: session}, {name: session, namespace: SECOND}, {name: session, namespace: THIRD}]
`

// flinkOnly is the session cluster alone.
func flinkOnly() []byte { return []byte(strings.Split(plain, "---")[1]) }

// in is the same site, seen from another namespace.
func (s *site) in(namespace string) *site {
	other := *s
	other.namespace = namespace
	return &other
}

func TestForbiddenInOneNamespaceOfThree(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	second, third := s.in(s.Namespace(t)), s.in(s.Namespace(t))
	d := double.Start(t, s.Cluster, s.namespace, second.namespace, third.namespace)
	s.beside = []string{second.namespace, third.namespace}
	names := strings.NewReplacer("SECOND", second.namespace, "THIRD", third.namespace)
	s.write(t, "flowcert.yaml", names.Replace(threeNamespaces))
	for _, n := range []*site{s, second, third} {
		s.Apply(t, n.namespace, flinkOnly())
		d.WaitFlink(t, n.namespace, "session", "STABLE")
	}
	permit := func() { s.grant(t, "--namespaces", strings.Join(s.beside, ",")) }
	permit()
	s.must(t, 0, "apply")

	s.delete(t, bindingGVR, "flowcert-leader")
	eventually(t, "the lease is closed", func() bool { return s.run(t, "apply").code == 1 })
	if r := s.must(t, 1, "apply"); !strings.Contains(r.stderr, "forbidden") {
		t.Errorf("without its lease: %s", r)
	}
	permit()
	second.delete(t, bindingGVR, "flowcert")
	eventually(t, "the second namespace is closed", func() bool { return s.run(t, "plan").code == 1 })
	third.deleteSecret(t, third.flinkSecret(t))
	before := third.flinkSecret(t)
	r := s.must(t, 1, "apply")
	if !strings.Contains(r.stderr, "namespace "+second.namespace+" cannot be read") {
		t.Errorf("what it says: %s", r)
	}
	if third.flinkSecret(t) == before {
		t.Errorf("the third namespace was left alone: %s", r)
	}
	run := s.start(t)
	eventually(t, "it is ready", func() bool { code, _ := run.page(t, "/readyz"); return code == 200 })
	if _, page := run.page(t, "/metrics"); !strings.Contains(page, `flowcert_faults{target="namespace/`+second.namespace+`"} 1`) {
		t.Errorf("the metrics do not name the namespace:\n%s", page)
	}
	before = third.flinkSecret(t)
	third.deleteSecret(t, before)
	eventually(t, "the daemon works in the third namespace", func() bool { return third.flinkSecret(t) != before })
	d.WaitFlink(t, third.namespace, "session", "STABLE")
	run.terminate(t)

	permit()
	eventually(t, "the second namespace is open", func() bool { return s.run(t, "apply").code == 0 })
	for _, n := range []*site{s, second, third} {
		n.endedWell(t, d, string(flinkOnly()))
	}
	if n := s.restarts(t, d, "session"); n != 1 {
		t.Errorf("in the first namespace it restarted %d times", n)
	}
	if n := second.restarts(t, d, "session"); n != 1 {
		t.Errorf("in the second namespace it restarted %d times", n)
	}
}

// flinkSecret is the version that the session cluster refers to.
func (s *site) flinkSecret(t *testing.T) string {
	t.Helper()
	conf := s.flinkConfiguration(t)
	name, _, _ := strings.Cut(conf["kubernetes.secrets"], ":")
	return name
}
