package incluster_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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

// TestForbiddenForAMoment: an API server that has just started forbids what it permits a moment later. A watch that was refused
// is open again soon after.
func TestForbiddenForAMoment(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	s.must(t, 0, "apply")
	s.change(t, rolesGVR, "flowcert", "somebody", func(u *unstructured.Unstructured) {
		rules, _, _ := unstructured.NestedSlice(u.Object, "rules")
		for _, r := range rules {
			rule := r.(map[string]any)
			rule["verbs"] = slices.DeleteFunc(rule["verbs"].([]any), func(verb any) bool { return verb == "watch" })
		}
		u.Object["rules"] = rules
	})
	before := len(s.Requests(t))
	watches := func(code int) (n int) {
		for _, q := range s.Requests(t)[before:] {
			if q.Namespace == s.namespace && q.Resource == "secrets" && q.Verb == "watch" && q.Code == code {
				n++
			}
		}
		return n
	}
	run := s.start(t)
	eventually(t, "watches are refused", func() bool { return watches(http.StatusForbidden) >= 2 })
	s.grant(t)
	eventually(t, "a watch is open", func() bool { return watches(http.StatusOK) > 0 })
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	eventually(t, "the renewal is done", func() bool { return s.run(t, "plan").code == 0 })
	run.terminate(t)
	s.endedWell(t, d, plain)
}
