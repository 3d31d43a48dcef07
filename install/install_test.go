package install_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/install"
	"github.com/flowcert/flowcert/yamledit"
)

// everything asks for every object that there is.
var everything = install.Options{
	Kind: install.Both, Namespace: "main", Served: []string{"orders", "main", "orders"}, Image: "registry.example.com/flowcert:1.0.0",
	Ports: []int{9093, 5432, 9093}, OpenShift: true, WebhookNamespace: "operators",
	Reads:  []install.Read{{Namespace: "kafka", Secrets: []string{"kafka-ca"}, ConfigMaps: []string{"company-ca"}}},
	Config: map[string][]byte{"flowcert.yaml": []byte("a: 1\n"), "ca.crt": {0xff, 0x00}},
}

func objects(t *testing.T, o install.Options) []map[string]any {
	t.Helper()
	docs, err := install.Manifests(o)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for _, doc := range docs {
		obj, err := yamledit.Decode(doc)
		if err != nil {
			t.Fatalf("%v:\n%s", err, doc)
		}
		out = append(out, obj)
	}
	return out
}

func get(t *testing.T, obj map[string]any, path string) any {
	t.Helper()
	p, err := yamledit.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := yamledit.Get(obj, p)
	return v
}

// find returns the object of that kind, namespace and name.
func find(t *testing.T, all []map[string]any, kind, namespace, name string) map[string]any {
	t.Helper()
	for _, obj := range all {
		ns, _ := get(t, obj, "metadata.namespace").(string)
		if obj["kind"] == kind && ns == namespace && get(t, obj, "metadata.name") == name {
			return obj
		}
	}
	t.Fatalf("no %s %s/%s", kind, namespace, name)
	return nil
}

// TestRestricted holds every pod against the Pod Security Standard "restricted" (Kubernetes documentation), a file
// system that cannot be written, and the user that OpenShift chooses.
func TestRestricted(t *testing.T) {
	pods := 0
	for _, obj := range objects(t, everything) {
		if obj["kind"] != "Deployment" && obj["kind"] != "Job" {
			continue
		}
		pods++
		for path, want := range map[string]any{
			"spec.template.spec.securityContext.runAsNonRoot":                                       true,
			"spec.template.spec.securityContext.seccompProfile.type":                                "RuntimeDefault",
			"spec.template.spec.securityContext.runAsUser":                                          nil,
			"spec.template.spec.containers[name=flowcert].securityContext.runAsUser":                nil,
			"spec.template.spec.containers[name=flowcert].securityContext.allowPrivilegeEscalation": false,
			"spec.template.spec.containers[name=flowcert].securityContext.readOnlyRootFilesystem":   true,
			"spec.template.spec.containers[name=flowcert].resources.limits.memory":                  "128Mi",
			"spec.template.spec.containers[name=flowcert].image":                                    everything.Image,
			"spec.template.spec.hostNetwork":                                                        nil,
			"spec.template.spec.serviceAccountName":                                                 "flowcert",
			"spec.template.spec.volumes[name=config].configMap.name":                                "flowcert",
			`spec.template.spec.containers[name=flowcert].volumeMounts[name=config]["mountPath"]`:   "/etc/flowcert",
			`spec.template.metadata.labels["app.kubernetes.io/name"]`:                               "flowcert",
			"spec.template.spec.automountServiceAccountToken":                                       true,
			"spec.template.spec.containers[name=flowcert].env[name=GOMEMLIMIT].value":               "96MiB",
			"spec.template.spec.terminationGracePeriodSeconds":                                      int64(30),
			"spec.template.spec.containers[name=flowcert].volumeMounts[name=config].readOnly":       true,
			"spec.template.spec.containers[name=flowcert].resources.requests.memory":                "64Mi",
			"spec.template.spec.containers[name=flowcert].securityContext.privileged":               nil,
			"spec.template.spec.containers[name=flowcert].securityContext.capabilities.add":         nil,
			"spec.template.spec.containers[name=flowcert].securityContext.runAsNonRoot":             nil,
			"spec.template.spec.containers[name=flowcert].securityContext.seccompProfile":           nil,
			"spec.template.spec.priorityClassName":                                                  nil,
			"spec.template.spec.hostPID":                                                            nil,
			"spec.template.spec.containers[name=flowcert].imagePullPolicy":                          "IfNotPresent",
			"spec.template.spec.enableServiceLinks":                                                 false,
			"metadata.namespace":                                                                    "main",
		} {
			if got := get(t, obj, path); got != want {
				t.Errorf("%s: %s is %v, want %v", obj["kind"], path, got, want)
			}
		}
		drop, _ := get(t, obj, "spec.template.spec.containers[name=flowcert].securityContext.capabilities.drop").([]any)
		if !slices.Equal(drop, []any{"ALL"}) {
			t.Errorf("%s drops the capabilities %v, want ALL", obj["kind"], drop)
		}
	}
	if pods != 2 {
		t.Errorf("%d objects with pods, want 2", pods)
	}
}

// TestGrants writes out what flowcert may do.
func TestGrants(t *testing.T) {
	all := objects(t, everything)
	want := map[string]string{
		"Role main/flowcert":                        served,
		"Role orders/flowcert":                      served,
		"Role operators/flowcert":                   served,
		"Role operators/flowcert-webhook":           "/pods: delete\n",
		"Role main/flowcert-leader":                 "coordination.k8s.io/leases[flowcert]: get update\ncoordination.k8s.io/leases: create\n",
		"Role kafka/flowcert-reads-main":            "/secrets[kafka-ca]: get watch\n/configmaps[company-ca]: get\n",
		"ClusterRole /flowcert-ingress-domain-main": "config.openshift.io/ingresses[cluster]: get\n",
		"ClusterRole /flowcert-webhook-main": "admissionregistration.k8s.io/mutatingwebhookconfigurations,validatingwebhookconfigurations" +
			"[flink-operator-operators-webhook-configuration]: get patch watch\n",
	}
	for _, obj := range all {
		kind, _ := obj["kind"].(string)
		ns, _ := get(t, obj, "metadata.namespace").(string)
		key := fmt.Sprintf("%s %s/%v", kind, ns, get(t, obj, "metadata.name"))
		switch kind {
		case "Role", "ClusterRole":
			if got := grants(obj); got != want[key] {
				t.Errorf("%s grants\n%swant\n%s", key, got, want[key])
			}
			delete(want, key)
			// The binding has the same name, the same Role, and nobody but flowcert.
			binding := find(t, all, kind+"Binding", ns, get(t, obj, "metadata.name").(string))
			if get(t, binding, "roleRef.kind") != kind || get(t, binding, "roleRef.name") != get(t, obj, "metadata.name") {
				t.Errorf("%s is bound to %v", key, binding["roleRef"])
			}
			if got := fmt.Sprint(binding["subjects"]); got != "[map[kind:ServiceAccount name:flowcert namespace:main]]" {
				t.Errorf("%s is bound for %s", key, got)
			}
		}
	}
	for key := range want {
		t.Errorf("no %s", key)
	}
}

const served = `/secrets: get list watch create update delete
/configmaps: get
/pods: list delete
apps/deployments,replicasets,statefulsets: list
events.ibm.com/eventprocessings: list watch patch
flink.apache.org/flinkdeployments: list watch patch
events.k8s.io/events: create
`

// grants writes a role's rules, one a line.
func grants(role map[string]any) string {
	var out strings.Builder
	rules, _ := role["rules"].([]any)
	for _, r := range rules {
		rule, _ := r.(map[string]any)
		names := ""
		if rule["resourceNames"] != nil {
			names = "[" + words(rule["resourceNames"], ",") + "]"
		}
		fmt.Fprintf(&out, "%s/%s%s: %s\n", words(rule["apiGroups"], ","), words(rule["resources"], ","), names, words(rule["verbs"], " "))
	}
	return out.String()
}

func words(v any, between string) string {
	list, _ := v.([]any)
	var all []string
	for _, w := range list {
		all = append(all, fmt.Sprint(w))
	}
	return strings.Join(all, between)
}

func TestConfigMap(t *testing.T) {
	cm := find(t, objects(t, everything), "ConfigMap", "main", "flowcert")
	if got := get(t, cm, `data["flowcert.yaml"]`); got != "a: 1\n" {
		t.Errorf("flowcert.yaml is %q", got)
	}
	if got := get(t, cm, `binaryData["ca.crt"]`); got != "/wA=" {
		t.Errorf("ca.crt is %q", got)
	}
}

func TestServerPorts(t *testing.T) {
	policy := find(t, objects(t, everything), "NetworkPolicy", "main", "flowcert-servers")
	if got := fmt.Sprint(get(t, policy, "spec.egress")); got != "[map[ports:[map[port:5432 protocol:TCP] map[port:9093 protocol:TCP]]]]" {
		t.Errorf("egress is %s", got)
	}
}

func TestDefaults(t *testing.T) {
	all := objects(t, install.Options{Namespace: "main"})
	deployment := find(t, all, "Deployment", "main", "flowcert")
	if got := get(t, deployment, "spec.template.spec.containers[name=flowcert].image"); got != install.Image("(devel)") {
		t.Errorf("image %v, want %s", got, install.Image("(devel)"))
	}
	for _, obj := range all {
		if kind := obj["kind"]; kind == "Job" || kind == "ClusterRole" || kind == "ConfigMap" {
			t.Errorf("there is a %v that nobody asked for", kind)
		}
	}
}

func TestImage(t *testing.T) {
	for version, want := range map[string]string{
		"": "localhost/flowcert:devel", "(devel)": "localhost/flowcert:devel", "v1.2.3": "localhost/flowcert:v1.2.3",
		"v0.0.0-20260101000000-0123456789ab+dirty": "localhost/flowcert:v0.0.0-20260101000000-0123456789ab_dirty",
	} {
		if got := install.Image(version); got != want {
			t.Errorf("%q: %s, want %s", version, got, want)
		}
	}
}

func TestUnknownKind(t *testing.T) {
	for _, kind := range []install.Kind{"operator", "openshift", "../kustomize/daemon"} {
		if _, err := install.Manifests(install.Options{Kind: kind, Namespace: "main"}); err == nil {
			t.Errorf("%q is installed", kind)
		}
	}
}

// TestEveryFileIsNamed finds a manifest that no base takes, and one that is not YAML that flowcert reads.
func TestEveryFileIsNamed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("kustomize", "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := yamledit.Decode(data); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		base := filepath.Base(file)
		if base == "kustomization.yaml" {
			continue
		}
		named, err := os.ReadFile(filepath.Join(filepath.Dir(file), "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(named, []byte("- "+base+"\n")) {
			t.Errorf("no kustomization names %s", file)
		}
	}
}
