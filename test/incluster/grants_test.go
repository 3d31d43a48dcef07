package incluster_test

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/double"
)

var (
	clusterRolesGVR    = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}
	clusterBindingsGVR = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}
	rolesGVR           = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}
	configMapsGVR      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// withConfigMap has a truststore's source in a ConfigMap, which flowcert may read.
const withConfigMap = `
apiVersion: v1
kind: ConfigMap
metadata: {name: company-ca}
data:
  ca.crt: |
`

// TestGrants does everything that flowcert does, but for the Flink operator's webhook, and compares what it asked for with what
// it is granted, in its namespace, in those that it reads from and for the whole cluster: nothing may be granted that is not
// used, under no other name, and nothing is asked for beside it.
func TestGrants(t *testing.T) {
	s := newSite(t)
	d := double.Start(t, s.Cluster, s.namespace)
	root := s.run(t, "ca", "--dir", quickCA(t)).stdout
	s.Apply(t, s.namespace, []byte(withConfigMap+"    "+strings.ReplaceAll(strings.TrimSpace(root), "\n", "\n    ")+"\n"))
	elsewhere := s.Namespace(t)
	s.Apply(t, elsewhere, certificateIn("Secret", "kafka-ca", "stringData", newCA(t, "Kafka").certificate))
	s.Apply(t, elsewhere, certificateIn("ConfigMap", "mq-ca", "data", newCA(t, "MQ").certificate))
	fixed := strings.ReplaceAll(config, "{sources:", "{naming: fixed, sources:")
	s.write(t, "flowcert.yaml", strings.ReplaceAll(fixed, "authority: true}", "authority: true}, {name: company, configMap: {name: company-ca, key: ca.crt}}, "+
		"{name: kafka, secret: {namespace: "+elsewhere+", name: kafka-ca, key: ca.crt}}, {name: mq, configMap: {namespace: "+elsewhere+", name: mq-ca, key: ca.crt}}"))
	s.grant(t, "--openshift", "--configmap-from", filepath.Join(s.dir, "flowcert.yaml"))
	s.Apply(t, s.namespace, s.expand(plain))
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	d.WaitEventProcessing(t, s.namespace, "my-ep", "Running")

	r := s.start(t)
	eventually(t, "the daemon has done its work", func() bool {
		tls, _, _ := unstructured.NestedString(s.get(t, epGVR, "my-ep").Object, "spec", "authoring", "tls", "secretName")
		return tls != "" && strings.Contains(r.output(), "rolled out")
	})
	s.must(t, 0, "renew", "eventProcessing/"+s.namespace+"/my-ep")
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	<-r.ended
	s.must(t, 0, "apply")
	s.timePasses(t, "ssl-truststore")
	s.change(t, configMapsGVR, "company-ca", "somebody", func(u *unstructured.Unstructured) {
		u.Object["data"] = map[string]any{"ca.crt": newCA(t, "Company").certificate}
	})
	s.writesInPlace(t)
	s.timePasses(t, "ssl-truststore")
	s.must(t, 0, "apply")
	s.must(t, 0, "revert", "--delete-secrets")

	for _, q := range s.Requests(t) {
		if q.User == cluster.UserName(s.namespace, account) && q.Code == 403 {
			t.Errorf("it asked for what it is not granted: %+v", q)
		}
	}
	granted := s.granted(t)
	for _, want := range []string{"flowcert", "flowcert-leader", "flowcert-reads-" + s.namespace, "flowcert-ingress-domain-" + s.namespace} {
		if !slices.ContainsFunc(granted, func(g grant) bool { return strings.HasPrefix(g.role, want) }) {
			t.Errorf("nothing is granted by a role %s", want)
		}
	}
	for _, g := range s.unused(t, "flowcert") {
		t.Errorf("granted and not used: %+v", g)
	}
}

// certificateIn is an object that holds a certificate.
func certificateIn(kind, name, field, certificate string) []byte {
	return []byte("apiVersion: v1\nkind: " + kind + "\nmetadata: {name: " + name + "}\n" + field + ":\n  ca.crt: |\n    " +
		strings.ReplaceAll(strings.TrimSpace(certificate), "\n", "\n    ") + "\n")
}

// grant is one thing that a role lets flowcert do.
type grant struct {
	role                  string
	namespace             string // empty: all of them, and what is in none
	group, resource, verb string
	name                  string // empty: every one
}

// is reports whether a request needs the grant.
func (g grant) is(q cluster.Request) bool {
	return q.Group == g.group && q.Resource == g.resource && q.Verb == g.verb &&
		(g.namespace == "" || q.Namespace == g.namespace) && (g.name == "" || q.Name == g.name)
}

// unused are the grants of roles whose names begin so for which flowcert has never asked.
func (s *site) unused(t *testing.T, role string) []grant {
	t.Helper()
	requests := s.Requests(t)
	return slices.DeleteFunc(s.granted(t), func(g grant) bool {
		return !strings.HasPrefix(g.role, role) || slices.ContainsFunc(requests, func(q cluster.Request) bool {
			return q.User == cluster.UserName(s.namespace, account) && g.is(q)
		})
	})
}

// granted lists what every role grants that is bound to flowcert's ServiceAccount, in whatever namespace.
func (s *site) granted(t *testing.T) []grant {
	t.Helper()
	var out []grant
	for _, gvr := range []schema.GroupVersionResource{bindingGVR, clusterBindingsGVR} {
		all, err := s.Dynamic.Resource(gvr).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, binding := range all.Items {
			if s.binds(binding) {
				out = append(out, s.grants(t, binding)...)
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("nothing is granted")
	}
	return out
}

// binds reports whether a binding is for flowcert's ServiceAccount.
func (s *site) binds(binding unstructured.Unstructured) bool {
	subjects, _, _ := unstructured.NestedSlice(binding.Object, "subjects")
	return slices.ContainsFunc(subjects, func(v any) bool {
		subject := v.(map[string]any)
		namespace, _ := subject["namespace"].(string)
		return subject["kind"] == "ServiceAccount" && subject["name"] == account && namespace == s.namespace
	})
}

// grants are those of the role that a binding names.
func (s *site) grants(t *testing.T, binding unstructured.Unstructured) []grant {
	t.Helper()
	kind, _, _ := unstructured.NestedString(binding.Object, "roleRef", "kind")
	name, _, _ := unstructured.NestedString(binding.Object, "roleRef", "name")
	gvr := rolesGVR
	if kind == "ClusterRole" {
		gvr = clusterRolesGVR
	}
	client := s.Dynamic.Resource(gvr)
	role, err := client.Namespace(map[string]string{"Role": binding.GetNamespace()}[kind]).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rules, _, _ := unstructured.NestedSlice(role.Object, "rules")
	var out []grant
	for _, v := range rules {
		rule := v.(map[string]any)
		names := words(rule["resourceNames"])
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range words(rule["apiGroups"]) {
			for _, resource := range words(rule["resources"]) {
				for _, verb := range words(rule["verbs"]) {
					for _, object := range names {
						out = append(out, grant{name, binding.GetNamespace(), group, resource, verb, object})
					}
				}
			}
		}
	}
	return out
}

func words(list any) []string {
	var out []string
	all, _ := list.([]any)
	for _, v := range all {
		out = append(out, v.(string))
	}
	return out
}

// quickCA makes a directory with an authority of its own, for a certificate that is no secret.
func quickCA(t *testing.T) string {
	t.Helper()
	s := &site{dir: t.TempDir(), namespace: "elsewhere"}
	s.write(t, "flowcert.yaml", "apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: elsewhere\nauthority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}\ncertificates: [{secretName: x, dnsNames: [x]}]\n")
	s.must(t, 0, "apply", "--dir", s.dir)
	return s.dir
}
