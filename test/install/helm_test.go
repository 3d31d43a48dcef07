package install

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/flowcert/flowcert/install"
	"github.com/flowcert/flowcert/test/tools"
)

var chart = filepath.Join(root, "install", "helm", "flowcert")

// helm runs helm, with no settings of the user's.
func helm(t *testing.T, args ...string) ([]byte, []byte, error) {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"} {
		t.Setenv(name, home)
	}
	return try(t, filepath.Join(tools.InstallTools(t), "helm"), args...)
}

// template renders a chart with values, in the namespace main.
func template(t *testing.T, chart, values string) map[string]map[string]any {
	t.Helper()
	file := write(t, filepath.Join(t.TempDir(), "values.yaml"), values)
	out, messages, err := helm(t, "template", "anything", chart, "--namespace", "main", "--values", file)
	if err != nil {
		t.Fatalf("%v\n%s", err, messages)
	}
	return objects(t, out)
}

func TestHelmLint(t *testing.T) {
	for _, values := range []string{"{}", everyValue} {
		file := write(t, filepath.Join(t.TempDir(), "values.yaml"), values)
		if out, messages, err := helm(t, "lint", "--strict", chart, "--namespace", "main", "--values", file); err != nil {
			t.Errorf("%v\n%s%s", err, out, messages)
		}
	}
}

func TestHelmDefaults(t *testing.T) {
	same(t, "the chart", template(t, chart, "{}"), objects(t, manifests(t, install.Options{Namespace: "main"})))
}

const everyValue = `
image: registry.example.com/flowcert:1.0.0
config: |
  apiVersion: flowcert.io/v1alpha1
  kind: Config
  namespace: main
files:
  ca.pem: "a text, and no certificate\n"
namespaces: [orders, main, payments]
reads: [{namespace: kafka, secrets: [kafka-ca], configMaps: [company-ca]}]
job: {enabled: true}
networkPolicy: {ports: [5432, 9093]}
openshift: true
webhook: {namespace: operators}
`

// digested is the end of the Job's name in a chart.
var digested = regexp.MustCompile(`^(Job main/flowcert-apply)-[0-9a-f]{10}$`)

func TestHelmWithEverything(t *testing.T) {
	got := template(t, chart, everyValue)
	for key, obj := range got {
		if m := digested.FindStringSubmatch(key); m != nil {
			obj["metadata"].(map[string]any)["name"] = "flowcert-apply"
			delete(got, key)
			got[m[1]] = obj
		}
	}
	same(t, "the chart", got, objects(t, manifests(t, install.Options{
		Kind: install.Both, Namespace: "main", Served: []string{"orders", "payments"}, Image: "registry.example.com/flowcert:1.0.0",
		Reads: []install.Read{{Namespace: "kafka", Secrets: []string{"kafka-ca"}, ConfigMaps: []string{"company-ca"}}},
		Ports: []int{5432, 9093}, OpenShift: true, WebhookNamespace: "operators",
		Config: map[string][]byte{
			"flowcert.yaml": []byte("apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: main\n"), "ca.pem": []byte("a text, and no certificate\n"),
		},
	})))
}

// TestHelmJobIsNew: a Job cannot be changed, so another configuration or image is another Job, and nothing else is.
func TestHelmJobIsNew(t *testing.T) {
	name := func(values string) string {
		for key := range template(t, chart, values) {
			if digested.MatchString(key) {
				return key
			}
		}
		t.Fatal("no Job")
		return ""
	}
	first := name("job: {enabled: true}")
	if again := name("job: {enabled: true}\nnamespaces: [orders]\n"); again != first {
		t.Errorf("%s and %s", first, again)
	}
	for _, values := range []string{"image: other", "config: 'namespace: main'", "tolerations: [{operator: Exists}]", "files: {a: b}"} {
		if other := name("job: {enabled: true}\n" + values); other == first {
			t.Errorf("%s makes no other Job", values)
		}
	}
}

// TestHelmPod: what a site says of pods gets into both of them.
func TestHelmPod(t *testing.T) {
	pods := 0
	for key, obj := range template(t, chart, `
job: {enabled: true}
daemon: {replicas: 2}
priorityClassName: high
nodeSelector: {a: b}
tolerations: [{operator: Exists}]
podAnnotations: {c: d}
imagePullSecrets: [{name: pull}]
goMemLimit: 200MiB
resources: {limits: {memory: 256Mi}}
`) {
		if obj["kind"] != "Deployment" && obj["kind"] != "Job" {
			continue
		}
		pods++
		text, err := json.Marshal(obj["spec"].(map[string]any)["template"])
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"priorityClassName":"high"`, `"nodeSelector":{"a":"b"}`, `"tolerations":[{"operator":"Exists"}]`, `"annotations":{"c":"d"}`,
			`"imagePullSecrets":[{"name":"pull"}]`, `{"name":"GOMEMLIMIT","value":"200MiB"}`, `"resources":{"limits":{"memory":"256Mi"}`, `"image":"localhost/flowcert:devel"`} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %s:\n%s", key, want, text)
			}
		}
		if obj["kind"] == "Deployment" && obj["spec"].(map[string]any)["replicas"] != 2.0 {
			t.Errorf("replicas: %v", obj["spec"].(map[string]any)["replicas"])
		}
	}
	if pods != 2 {
		t.Errorf("%d objects with pods", pods)
	}
}

// TestHelmMonitoring: the rules and the dashboard are those in install/monitoring.
func TestHelmMonitoring(t *testing.T) {
	got := template(t, chart, "daemon: {enabled: false}\nmonitoring: {serviceMonitor: true, prometheusRule: true, dashboard: true, labels: {release: prometheus}}\n")
	var rules map[string]any
	if err := yaml.Unmarshal(read(t, filepath.Join(root, "install", "monitoring", "alerts.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rules, got["PrometheusRule main/flowcert"]["spec"]); diff != "" {
		t.Errorf("the rules (-want +got):\n%s", diff)
	}
	data, _ := got["ConfigMap main/flowcert-dashboard"]["data"].(map[string]any)
	if data["flowcert.json"] != string(read(t, filepath.Join(root, "install", "monitoring", "dashboard.json"))) {
		t.Error("the dashboard is another one")
	}
	for _, key := range []string{"PrometheusRule main/flowcert", "ConfigMap main/flowcert-dashboard", "ServiceMonitor main/flowcert"} {
		meta, _ := got[key]["metadata"].(map[string]any)
		labels, _ := meta["labels"].(map[string]any)
		if labels["release"] != "prometheus" {
			t.Errorf("%s has the labels %v", key, labels)
		}
	}
	if got["Deployment main/flowcert"] != nil {
		t.Error("there is a daemon, which was turned off")
	}
}

func TestHelmRefuses(t *testing.T) {
	for values, want := range map[string]string{
		"replicas: 2":                      "replicas",
		"namespaces: [A_b]":                "namespaces",
		"networkPolicy: {ports: [0]}":      "ports",
		"config: 'namespace: other'":       "config has namespace other, and the release main: install it with --namespace other",
		"config: 'a: ['":                   "config is not YAML",
		"monitoring: {alerts: true}":       "alerts",
		"webhook: {namespace: 'a b'}":      "namespace",
		"image: 'a b'":                     "image",
		"daemon: {enabled: 'yes, please'}": "enabled",
	} {
		file := write(t, filepath.Join(t.TempDir(), "values.yaml"), values)
		out, messages, err := helm(t, "template", "anything", chart, "--namespace", "main", "--values", file)
		if err == nil || !strings.Contains(string(messages), want) {
			t.Errorf("%s: %v\n%s%s", values, err, out, messages)
		}
	}
}
