package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/yamledit"
)

const (
	trustPassword = "Tru5tPassw0rd"
	storePassword = "St0rePassw0rd"
	rootPrint     = "5f1d2c"
)

// wiring is one of the two.
type wiring struct {
	ep    *EventProcessingWiring
	flink *FlinkWiring
}

func (w wiring) edits(r Resource) Result {
	if w.ep != nil {
		return EventProcessing(r, *w.ep)
	}
	return FlinkDeployment(r, *w.flink)
}

func trustStore(version, ext string) *TrustStore {
	return &TrustStore{Secret: "ssl-truststore-" + version, File: "truststore." + ext, Password: trustPassword}
}

func epWiring(version string) wiring {
	return wiring{ep: &EventProcessingWiring{
		Certificate: "my-ep-cert-" + version,
		UI:          "my-ep-ui-cert-" + version,
		FlinkTrust:  &FlinkTrust{Secret: "my-ep-flink-trust-" + version, PasswordKey: "password"},
		TrustStore:  trustStore(version, "jks"),
		Root:        rootPrint,
	}}
}

func flinkTLS(version, ext string) *FlinkTLS {
	return &FlinkTLS{
		Secret: "flink-tls-" + version, KeyStore: "keystore." + ext, Trust: "truststore." + ext,
		StorePassword: storePassword, TrustPassword: trustPassword, Rest: true, Internal: true,
	}
}

func flinkWiring(version string) wiring {
	return wiring{flink: &FlinkWiring{TLS: flinkTLS(version, "jks"), TrustStore: trustStore(version, "jks"), Root: rootPrint}}
}

func resource(t testing.TB, source string) Resource {
	t.Helper()
	obj, err := yamledit.Decode([]byte(source))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, source)
	}
	kind, _ := obj["kind"].(string)
	name, _ := getString(obj, keys("metadata", "name"))
	return Resource{Kind: kind, Namespace: "event-automation", Name: name, Source: []byte(source), Object: obj}
}

// wire wires a document, and checks what holds for every wiring: no conflict,
// the same edits on plain values, nothing left to do, the document to the byte
// after a revert.
func wire(t testing.TB, source string, w wiring) string {
	t.Helper()
	out := rewired(t, source, w)
	back, kept, err := Revert(resource(t, out))
	if err != nil || len(kept) > 0 {
		t.Errorf("revert kept %v, %v; from:\n%s", kept, err, out)
	}
	if diff := cmp.Diff(source, string(back)); diff != "" {
		t.Errorf("wired and reverted (-want +got):\n%s", diff)
	}
	return out
}

// rewired is wire for a document that is wired already, in another way.
func rewired(t testing.TB, source string, w wiring) string {
	t.Helper()
	r := resource(t, source)
	result := w.edits(r)
	for _, c := range result.Conflicts {
		t.Errorf("conflict: %v (%s)", c, c.Remedy())
	}
	out, err := Rewrite(r, result.Edits)
	if err != nil {
		t.Fatal(err)
	}
	again := w.edits(resource(t, string(out)))
	if len(again.Edits) > 0 || len(again.Conflicts) > 0 {
		t.Errorf("wired again: edits %v, conflicts %v; in:\n%s", again.Edits, again.Conflicts, out)
	}
	same, err := Rewrite(resource(t, string(out)), again.Edits)
	if err != nil || string(same) != string(out) {
		t.Errorf("nothing to do, but the source changed (%v)", err)
	}
	return string(out)
}

// unwired takes the edits back and wants everything to be flowcert's still.
func unwired(t testing.TB, source string) string {
	t.Helper()
	back, kept, err := Revert(resource(t, source))
	if err != nil || len(kept) > 0 {
		t.Errorf("kept %v, %v", kept, err)
	}
	return string(back)
}

// refusals are the conflicts as "path: problem".
func refusals(t testing.TB, source string, w wiring) []string {
	t.Helper()
	result := w.edits(resource(t, source))
	if len(result.Conflicts) > 0 && result.Edits != nil {
		t.Errorf("edits in spite of conflicts: %v", result.Edits)
	}
	var out []string
	for _, c := range result.Conflicts {
		if c.Hint == "" {
			t.Errorf("no hint: %v", c)
		}
		for _, text := range []string{c.Error(), c.Hint} {
			noPassword(t, text)
		}
		out = append(out, c.Path.String()+": "+c.Problem)
	}
	for _, n := range result.Notices {
		noPassword(t, n)
	}
	return out
}

func noPassword(t testing.TB, s string) {
	t.Helper()
	for _, secret := range []string{trustPassword, storePassword, "theirSecret"} {
		if strings.Contains(s, secret) {
			t.Errorf("a password is shown in: %s", s)
		}
	}
}

// indented puts a block below a key.
func indented(block string, by int) string {
	pad := strings.Repeat(" ", by)
	lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
	return pad + strings.Join(lines, "\n"+pad) + "\n"
}

// fixtures are the documents of testdata, and the vendor's samples where they
// are there.
func fixtures(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"testdata/*.yaml", "testdata/*.json", "../examples/quickstart/*.yaml", "../../shared/data/samples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range yamledit.Split(data) {
				obj, err := yamledit.Decode(d.Bytes)
				if kind := obj["kind"]; err == nil && (kind == EventProcessingKind || kind == FlinkDeploymentKind) {
					out[f+"#"+text(obj["kind"])] = string(d.Bytes)
				}
			}
		}
	}
	if len(out) < 6 {
		t.Fatalf("only %d fixtures", len(out))
	}
	return out
}

func wiringFor(source, version string) wiring {
	if strings.Contains(source, EventProcessingKind) {
		return epWiring(version)
	}
	return flinkWiring(version)
}

// plain is a wired document in block style less flowcert's annotations.
func plain(t testing.TB, source string) string {
	t.Helper()
	var out []string
	for line := range strings.Lines(source) {
		if !strings.Contains(line, "flowcert.io/") && strings.TrimSpace(line) != "annotations:" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// elided compares strings, the wanted one up to an ellipsis.
var elided = cmp.Comparer(func(a, b string) bool {
	if head, ok := strings.CutSuffix(a, "…"); ok {
		return strings.HasPrefix(b, head)
	}
	if head, ok := strings.CutSuffix(b, "…"); ok {
		return strings.HasPrefix(a, head)
	}
	return a == b
})
