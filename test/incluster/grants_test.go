package incluster_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/double"
)

var (
	rolesGVR      = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}
	configMapsGVR = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// withConfigMap has a truststore's source in a ConfigMap, which flowcert may read.
const withConfigMap = `
apiVersion: v1
kind: ConfigMap
metadata: {name: company-ca}
data:
  ca.crt: |
`

// TestGrants does everything that flowcert does, and compares what it asked for with what it is granted: nothing may be
// granted that is not used.
func TestGrants(t *testing.T) {
	s := newSite(t)
	d := double.Start(t, s.Cluster, s.namespace)
	root := s.run(t, "ca", "--dir", quickCA(t)).stdout
	s.Apply(t, s.namespace, []byte(withConfigMap+"    "+strings.ReplaceAll(strings.TrimSpace(root), "\n", "\n    ")+"\n"))
	fixed := strings.ReplaceAll(config, "{sources:", "{naming: fixed, sources:")
	s.write(t, "flowcert.yaml", strings.ReplaceAll(fixed, "authority: true}", "authority: true}, {name: company, configMap: {name: company-ca, key: ca.crt}}"))
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

	used := map[string]bool{}
	for _, q := range s.Requests(t) {
		if q.User != cluster.UserName(s.namespace, account) || q.Resource == "" {
			continue
		}
		used[q.Group+"/"+q.Resource+" "+q.Verb] = true
		if q.Code == 403 && q.Resource != "ingresses" {
			t.Errorf("it asked for what it is not granted: %+v", q)
		}
	}
	for _, g := range s.granted(t) {
		if !used[g] {
			t.Errorf("granted and not used: %s", g)
		}
	}
}

// granted lists what the Roles of the namespace grant.
func (s *site) granted(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, role := range s.list(t, rolesGVR) {
		rules, _, _ := unstructured.NestedSlice(role.Object, "rules")
		for _, rule := range rules {
			r := rule.(map[string]any)
			for _, group := range r["apiGroups"].([]any) {
				for _, resource := range r["resources"].([]any) {
					for _, verb := range r["verbs"].([]any) {
						if g := group.(string) + "/" + resource.(string) + " " + verb.(string); !slices.Contains(out, g) {
							out = append(out, g)
						}
					}
				}
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("nothing is granted")
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
