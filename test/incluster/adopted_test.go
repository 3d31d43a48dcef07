package incluster_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/test/double"
	"github.com/flowcert/flowcert/truststore"
)

// byHand is a site that somebody set up with openssl and keytool, as the scripts of cmd/flowcert have it in a directory.
type byHand struct {
	*site
	operator  *site // the namespace of the Flink operator
	double    *double.Double
	resources map[schema.GroupVersionResource]*unstructured.Unstructured // as they were
	secrets   map[string]map[string]any                                  // data of those in the site's namespace
	operators *unstructured.Unstructured                                 // flink-operator-cert, as it was
}

// manual makes one in a cluster, where it runs.
func manual(t *testing.T) *byHand {
	t.Helper()
	s := newSite(t)
	m := &byHand{site: s, operator: s.in(s.Namespace(t)), resources: map[schema.GroupVersionResource]*unstructured.Unstructured{}, secrets: map[string]map[string]any{}}
	s.beside = []string{m.operator.namespace}
	s.grant(t, "--namespaces", m.operator.namespace)
	m.double = double.Start(t, s.Cluster, s.namespace)
	m.make(t)
	for _, file := range m.manifests(t) {
		s.Apply(t, s.namespace, file)
	}
	m.double.WaitFlink(t, s.namespace, "session-cluster-prod", "STABLE")
	m.double.WaitEventProcessing(t, s.namespace, "my-ep", "Running")
	m.resources[epGVR], m.resources[flinkGVR] = s.get(t, epGVR, "my-ep"), s.get(t, flinkGVR, "session-cluster-prod")
	for _, u := range s.list(t, secretsGVR) {
		m.secrets[u.GetName()] = u.Object["data"].(map[string]any)
	}
	m.operator.change(t, secretsGVR, "flink-operator-cert", "somebody", func(u *unstructured.Unstructured) {
		u.SetLabels(map[string]string{"example.com/team": "streams"})
		u.SetAnnotations(map[string]string{"example.com/note": "kept: yes"})
	})
	m.operators = m.operator.get(t, secretsGVR, "flink-operator-cert")
	return m
}

// make runs the script of the manual site for these namespaces.
func (m *byHand) make(t *testing.T) {
	t.Helper()
	const from = "../../cmd/flowcert/testdata/manual"
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("event-automation", m.namespace, "namespace: flink}", "namespace: "+m.operator.namespace+"}", ".yaml flink ", ".yaml "+m.operator.namespace+" ")
	script := t.TempDir()
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(script, f.Name()), []byte(names.Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(script, "make.sh"), m.dir, "JKS").CombinedOutput(); err != nil {
		t.Fatalf("make.sh: %v\n%s", err, out)
	}
}

// manifests are those that the script made.
func (m *byHand) manifests(t *testing.T) [][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(m.dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(path) != "flowcert.yaml" {
			out = append(out, text)
		}
	}
	return out
}

// takenOver wants everything to be under management: no entry that was trusted is lost, and no Secret of somebody's is changed.
func (m *byHand) takenOver(t *testing.T) {
	t.Helper()
	if r := m.run(t, "verify", "--no-dial"); r.code != 0 {
		t.Errorf("verify: %s", r)
	}
	well(t, m.double)
	m.podsVerify(t, m.double)
	m.noOrphans(t, m.double)
	m.untouched(t)
	if !m.operator.ours(t)["flink-operator-cert"].Ours() {
		t.Error("secret flink-operator-cert is not flowcert's")
	}
	store := m.oneOf(t, secrets.RoleTruststore)
	entries, err := truststore.Open(store.Data["truststore.jks"], "db-Passw0rd")
	if err != nil {
		t.Fatal(err)
	}
	var subjects strings.Builder
	for _, c := range secrets.Certificates(entries.Trusted) {
		subjects.WriteString(c.Subject.CommonName + "\n")
	}
	for _, name := range []string{"Orders database CA", "Nobody remembers", "Kafka CA"} {
		if !strings.Contains(subjects.String(), name) {
			t.Errorf("%q is not trusted any more; these are: %q", name, subjects.String())
		}
	}
}

// untouched compares the Secrets that somebody made with what they were.
func (m *byHand) untouched(t *testing.T) {
	t.Helper()
	for name, data := range m.secrets {
		if have := m.get(t, secretsGVR, name); !reflect.DeepEqual(have.Object["data"], data) {
			t.Errorf("secret %s is not what it was", name)
		}
	}
}

// asItWas wants everything back.
func (m *byHand) asItWas(t *testing.T) {
	t.Helper()
	m.untouched(t)
	for gvr, want := range m.resources {
		have := m.get(t, gvr, want.GetName())
		if !reflect.DeepEqual(have.Object["spec"], want.Object["spec"]) || !maps.Equal(have.GetAnnotations(), want.GetAnnotations()) || !maps.Equal(have.GetLabels(), want.GetLabels()) {
			t.Errorf("%s %s is\n%v\n%v\nand was\n%v\n%v", want.GetKind(), want.GetName(), have.Object["spec"], have.GetAnnotations(), want.Object["spec"], want.GetAnnotations())
		}
	}
	have := m.operator.get(t, secretsGVR, "flink-operator-cert")
	if !reflect.DeepEqual(have.Object["data"], m.operators.Object["data"]) || have.Object["type"] != m.operators.Object["type"] ||
		!maps.Equal(have.GetLabels(), m.operators.GetLabels()) || !maps.Equal(have.GetAnnotations(), m.operators.GetAnnotations()) {
		t.Errorf("secret flink-operator-cert is not what it was: labels %v, annotations %v", have.GetLabels(), have.GetAnnotations())
	}
}

// TestAdopted takes over a site that runs, with an apply that is killed at every write in turn, and gives it back in the same
// way. At no moment is the Secret that has to make room lost.
func TestAdopted(t *testing.T) {
	t.Parallel()
	m := manual(t)
	if r := m.must(t, 1, "apply"); !strings.Contains(r.stderr, "--adopt") {
		t.Errorf("without being told to: %s", r)
	}
	m.untouched(t)
	direct := m.kubeconfig
	p := m.throughProxy(t, m.User(t, m.namespace, account))
	byProxy := m.kubeconfig
	walk := func(ends int, command ...string) (killed int) {
		for ; killed <= 60; killed++ {
			m.kubeconfig = byProxy
			v := m.victim(t, p, moment{command: command, ends: ends, done: true})
			m.kubeconfig = direct
			if !v.wasKilled(t, m.site) {
				return killed
			}
			m.notLost(t)
			m.leaseEnds(t)
		}
		t.Fatal("it comes to no end")
		return killed
	}
	// Who trusts the old CA alone may be starting: Flink's certificate stays as it is for a while.
	if n := walk(3, "apply", "--adopt"); n < 12 {
		t.Errorf("it was killed at %d writes", n)
	}
	if r := m.must(t, 3, "plan"); !strings.Contains(r.stdout, "it counts as in use until ") {
		t.Errorf("what it waits for: %s", r)
	}
	m.takenOver(t)
	m.recordsAge(t)
	if n := walk(0, "apply"); n < 2 {
		t.Errorf("it was killed at %d writes of Flink's certificate", n)
	}
	m.must(t, 0, "plan")
	m.takenOver(t)
	for name, want := range map[string]int{"session-cluster-prod": 2, "my-ep": 1} {
		if n := m.restarts(t, m.double, name); n != want {
			t.Errorf("%s restarted %d times, want %d", name, n, want)
		}
	}

	if n := walk(0, "revert"); n < 3 {
		t.Errorf("revert was killed at %d writes", n)
	}
	m.asItWas(t)
	m.double.WaitFlink(t, m.namespace, "session-cluster-prod", "STABLE")
	m.double.WaitEventProcessing(t, m.namespace, "my-ep", "Running")
	well(t, m.double)

	// And once more, with nothing in the way.
	if r := m.run(t, "apply", "--adopt"); r.code != 0 && r.code != 3 {
		t.Errorf("once more: %s", r)
	}
	m.takenOver(t)
	m.must(t, 0, "revert", "--delete-secrets")
	m.asItWas(t)
}

// recordsAge makes what was taken over six minutes older.
func (m *byHand) recordsAge(t *testing.T) {
	t.Helper()
	for _, in := range []*site{m.site, m.operator} {
		for name, secret := range in.ours(t) {
			if secret.Role() == secrets.RoleAdopted {
				in.annotate(t, name, secrets.CreatedAnnotation, older(t, secret.Annotations[secrets.CreatedAnnotation]))
			}
		}
	}
}

// notLost wants the operator's original to be where it was, or in flowcert's record.
func (m *byHand) notLost(t *testing.T) {
	t.Helper()
	original := m.operators.Object["data"].(map[string]any)["keystore.jks"].(string)
	for _, u := range m.operator.list(t, secretsGVR) {
		data, _, _ := unstructured.NestedStringMap(u.Object, "data")
		if u.GetName() == "flink-operator-cert" && data["keystore.jks"] == original {
			return
		}
	}
	for _, secret := range m.operator.ours(t) {
		if bytes.Contains(secret.Data[secrets.ManifestKey], []byte(original)) {
			return
		}
	}
	t.Error("the operator's stores are lost")
}
