package incluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/secrets"
)

// meant are the fields that flowcert may add to a resource, with all that is below them, and that may be longer than they were.
var meant = []string{
	".spec.authoring.tls", ".spec.authoring.template", ".spec.flink.tls", ".spec.podTemplate", ".spec.restartNonce",
	".spec.flinkConfiguration.security.ssl.", ".spec.flinkConfiguration.kubernetes.secrets", ".spec.flinkConfiguration.env.java.opts.",
	".metadata.annotations.flowcert.io/",
}

// notTheirs are fields that are others' to set: the API server's, the operators' and kubectl's, and a label by which a test has flowcert look again.
var notTheirs = []string{
	".status", ".metadata.uid", ".metadata.resourceVersion", ".metadata.generation", ".metadata.creationTimestamp",
	".metadata.managedFields", ".metadata.namespace", ".metadata.labels.look", ".metadata.annotations.kubectl.kubernetes.io/",
}

// nothingLost compares the resources with what the author of the manifests wrote: all of it is there as it was, and what is
// there beside it is what flowcert means to add.
func (s *site) nothingLost(t *testing.T, manifests string) {
	t.Helper()
	for _, document := range strings.Split(manifests, "\n---") {
		want := decode(t, s.expand(document))
		gvr := epGVR
		if want.GetKind() == "FlinkDeployment" {
			gvr = flinkGVR
		}
		have := s.get(t, gvr, want.GetName())
		for _, difference := range differences("", want.Object, have.Object) {
			t.Errorf("%s %s: %s", want.GetKind(), want.GetName(), difference)
		}
	}
}

// differences compares values but for what is meant.
func differences(path string, want, have any) []string {
	added := func(path string) bool { return !slices.ContainsFunc(slices.Concat(meant, notTheirs), under(path)) }
	var out []string
	switch want := want.(type) {
	case map[string]any:
		m, ok := have.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %v, and was %v", path, have, want)}
		}
		for k, v := range want {
			out = append(out, differences(path+"."+k, v, m[k])...)
		}
		for k, v := range m {
			if _, was := want[k]; was {
				continue
			}
			if child, ok := v.(map[string]any); ok && added(path+"."+k) {
				out = append(out, differences(path+"."+k, map[string]any{}, child)...)
			} else if added(path + "." + k) {
				out = append(out, fmt.Sprintf("%s.%s is %v, and was not there", path, k, v))
			}
		}
	case []any:
		list, _ := have.([]any)
		if len(list) < len(want) || len(list) > len(want) && added(path) {
			return []string{fmt.Sprintf("%s has %d elements, and had %d", path, len(list), len(want))}
		}
		for i, v := range want {
			out = append(out, differences(fmt.Sprintf("%s[%d]", path, i), v, list[i])...)
		}
	default:
		longer := !added(path) && strings.Contains(fmt.Sprint(have), fmt.Sprint(want))
		if fmt.Sprint(have) != fmt.Sprint(want) && !longer {
			out = append(out, fmt.Sprintf("%s is %v, and was %v", path, have, want))
		}
	}
	return out
}

// under tells of a field what it is below of.
func under(path string) func(string) bool {
	return func(field string) bool { return strings.HasPrefix(path, field) }
}

func TestDifferences(t *testing.T) {
	object := func(text string) map[string]any { return decode(t, []byte(text)).Object }
	want := object("metadata: {labels: {a: b}, finalizers: [x]}\nspec: {list: [1, 2], a: xyz, flinkConfiguration: {env.java.opts.jobmanager: -Da=b}}")
	for have, said := range map[string]string{
		"metadata: {labels: {a: b}, finalizers: [x]}\nspec: {list: [1, 2], a: xyz, flinkConfiguration: {env.java.opts.jobmanager: -Da=b -Dc=d}, podTemplate: {spec: {}}}":   "",
		"metadata: {labels: {a: b, c: d}, finalizers: [x]}\nspec: {list: [1, 2], a: xyz, flinkConfiguration: {env.java.opts.jobmanager: -Da=b}}":                            ".metadata.labels.c is d, and was not there",
		"metadata: {labels: {a: b}, annotations: {e: f}, finalizers: [x]}\nspec: {list: [1, 2], a: xyz, flinkConfiguration: {env.java.opts.jobmanager: -Da=b}}":             ".metadata.annotations.e is f, and was not there",
		"metadata: {labels: {a: b}, annotations: {flowcert.io/x: f}, finalizers: [x]}\nspec: {list: [1, 2], a: xyz, flinkConfiguration: {env.java.opts.jobmanager: -Da=b}}": "",
		"metadata: {labels: {a: b}}\nspec: {list: [1, 2], a: xyz, flinkConfiguration: {env.java.opts.jobmanager: -Da=b}}":                                                   ".metadata.finalizers has 0 elements, and had 1",
		"metadata: {labels: {a: b}, finalizers: [x]}\nspec: {list: [1, 2, 3], a: xyz, flinkConfiguration: {env.java.opts.jobmanager: -Da=b}}":                               ".spec.list has 3 elements, and had 2",
		"metadata: {labels: {a: b}, finalizers: [x]}\nspec: {list: [1, 12], a: xyz, flinkConfiguration: {env.java.opts.jobmanager: -Da=b}}":                                 ".spec.list[1] is 12, and was 2",
		"metadata: {labels: {a: b}, finalizers: [x]}\nspec: {list: [1, 2], a: wxyz, flinkConfiguration: {env.java.opts.jobmanager: -Da=b}}":                                 ".spec.a is wxyz, and was xyz",
		"metadata: {labels: {a: b}, finalizers: [x]}\nspec: {list: [1, 2], a: xyz, flinkConfiguration: {env.java.opts.jobmanager: -Dc=d}}":                                  ".spec.flinkConfiguration.env.java.opts.jobmanager is -Dc=d, and was -Da=b",
	} {
		if got := strings.Join(differences("", want, object(have)), "; "); got != said {
			t.Errorf("%s\nsays %q, want %q", have, got, said)
		}
	}
}

// theirs is what others put on objects: whose they are, what holds their deletion back, and what tools remember there.
func theirs(u *unstructured.Unstructured) {
	u.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: "00000000-0000-0000-0000-000000000001"}})
	u.SetFinalizers([]string{"example.com/keep"})
	labels, annotations := u.GetLabels(), u.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels["example.com/team"], annotations["example.com/note"] = "streams", "kept: yes"
	u.SetLabels(labels)
	u.SetAnnotations(annotations)
}

// kept wants it all to be there still.
func kept(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	owners := u.GetOwnerReferences()
	if len(owners) != 1 || owners[0].Name != "owner" || !slices.Equal(u.GetFinalizers(), []string{"example.com/keep"}) ||
		u.GetLabels()["example.com/team"] != "streams" || u.GetAnnotations()["example.com/note"] != "kept: yes" {
		t.Errorf("%s %s: of what others put on it this is left: owners %v, finalizers %v, labels %v, note %q",
			u.GetKind(), u.GetName(), owners, u.GetFinalizers(), u.GetLabels(), u.GetAnnotations()["example.com/note"])
	}
}

// TestWhatOthersPutOnObjects: ownerReferences, finalizers, labels and annotations that somebody puts on a resource or on a
// Secret of flowcert's are there after every kind of change of it, and no version that flowcert makes has an owner.
func TestWhatOthersPutOnObjects(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, fixedConfig+"flinkOperator: {namespace: NAMESPACE}\n")
	s.write(t, "others.pem", newCA(t, "Others").certificate)
	s.Apply(t, s.namespace, newCA(t, "Corporate root").manifest())
	s.settled(t, d)
	s.must(t, 0, "apply")
	versions := map[string]string{}
	for name := range s.ours(t) {
		s.change(t, secretsGVR, name, "somebody", theirs)
		versions[name] = s.get(t, secretsGVR, name).GetResourceVersion()
	}
	for gvr, name := range map[schema.GroupVersionResource]string{epGVR: "my-ep", flinkGVR: "session"} {
		s.change(t, gvr, name, "somebody", theirs)
	}

	// Contents in place, other versions, and what is noted on Secrets and resources.
	s.timePasses(t, "ssl-truststore", "orders-db-server")
	s.write(t, "others.pem", newCA(t, "Others 2").certificate)
	for _, target := range []string{"eventProcessing/" + s.namespace + "/my-ep", "flinkDeployment/" + s.namespace + "/session", "certificate/" + s.namespace + "/orders-db-server"} {
		s.must(t, 0, "renew", target)
	}
	s.writesInPlace(t)
	written := 0
	for name := range s.ours(t) {
		u := s.get(t, secretsGVR, name)
		version, was := versions[name]
		if !was {
			if len(u.GetOwnerReferences()) > 0 {
				t.Errorf("secret %s has an owner: it would go with it", name)
			}
			continue
		}
		kept(t, u)
		if u.GetResourceVersion() != version {
			written++
		}
	}
	if written < 2 {
		t.Errorf("%d of %d Secrets were written: this shows nothing", written, len(versions))
	}
	kept(t, s.get(t, epGVR, "my-ep"))
	kept(t, s.get(t, flinkGVR, "session"))
	if s.certificateName(t) == "" || len(s.versions(t, secrets.RoleCertificate)) < 2 {
		t.Error("nothing was renewed")
	}
	well(t, d)

	// Nor does revert take them away.
	s.must(t, 0, "revert")
	kept(t, s.get(t, epGVR, "my-ep"))
	kept(t, s.get(t, flinkGVR, "session"))
}
