package deploy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/yamledit"
)

// TestFixtures: revert takes a wiring back to the byte (in wire), however the
// document is laid out, and only lines of ours differ meanwhile.
func TestFixtures(t *testing.T) {
	for name, source := range fixtures(t) {
		for how, s := range layouts(source) {
			t.Run(name+" "+how, func(t *testing.T) {
				out := wire(t, s, wiringFor(source, "v1"))
				for _, line := range vanished(s, out) {
					if !mayVanish(line) {
						t.Errorf("line is gone: %q", line)
					}
				}
			})
		}
	}
}

// layouts are other ways to write a document.
func layouts(source string) map[string]string {
	out := map[string]string{
		"as it is":         source,
		"CRLF":             strings.ReplaceAll(source, "\n", "\r\n"),
		"no final newline": strings.TrimRight(source, "\n"),
		"blank end":        source + "\n# the end\n\n",
	}
	if strings.HasPrefix(strings.TrimSpace(source), "{") {
		return out
	}
	var wide strings.Builder
	for line := range strings.Lines(source) {
		body := strings.TrimLeft(line, " ")
		indent := strings.Repeat(" ", 2*(len(line)-len(body)))
		if entry, ok := strings.CutPrefix(body, "- "); ok {
			gap := len(entry) - len(strings.TrimLeft(entry, " "))
			body = "-" + strings.Repeat(" ", 3+2*gap) + entry[gap:]
		}
		wide.WriteString(indent + body)
	}
	out["wide"] = wide.String()
	return out
}

// vanished are the lines of a that are not in b.
func vanished(a, b string) []string {
	count := map[string]int{}
	for line := range strings.Lines(b) {
		count[strings.TrimRight(line, "\r\n")]++
	}
	var out []string
	for line := range strings.Lines(a) {
		line = strings.TrimRight(line, "\r\n")
		if count[line]--; count[line] < 0 {
			out = append(out, line)
		}
	}
	return out
}

// mayVanish says which lines of the fixtures a wiring replaces.
func mayVanish(line string) bool {
	for _, s := range []string{"<", "java", "opts", "-Dhttp", "-Dlog", "taskmanager", "kubernetes", "secrets:", "secretName", "metadata", "security.ssl.rest.enabled\"", "annotations: {}", "ui:", "{", "}", "[]"} {
		if strings.Contains(line, s) {
			return true
		}
	}
	return false
}

func TestMultiDocument(t *testing.T) {
	ep, flink := fixtures(t)["testdata/eventprocessing-placeholders.yaml#EventProcessing"], fixtures(t)["testdata/flinkdeployment-placeholders.yaml#FlinkDeployment"]
	stream := "# both\n---\n" + ep + "--- # second\n" + flink + "...\n---\nkind: ConfigMap\n"
	var wired, back strings.Builder
	end := 0
	for _, d := range yamledit.Split([]byte(stream)) {
		wired.WriteString(stream[end:d.Offset])
		back.WriteString(stream[end:d.Offset])
		end = d.Offset + len(d.Bytes)
		s := string(d.Bytes)
		if strings.Contains(s, "spec:") {
			s = wire(t, s, wiringFor(s, "v1"))
		}
		wired.WriteString(s)
		back.WriteString(unwired(t, s))
	}
	if got := back.String() + stream[end:]; got != stream {
		t.Errorf("(-want +got):\n%s", cmp.Diff(stream, got))
	}
	if n := strings.Count(wired.String(), "kind: "); n != 3 {
		t.Errorf("%d documents", n)
	}
}

// TestRenewals wires again and again, with new names, passwords and formats:
// the record does not grow, and what was before the first comes back.
func TestRenewals(t *testing.T) {
	for name, source := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			out := wire(t, source, wiringFor(source, "v1"))
			sizes := []int{entries(t, out)}
			for i := 2; i <= 5; i++ {
				out = rewired(t, out, renewal(source, i))
				sizes = append(sizes, entries(t, out))
				if got := unwired(t, out); got != source {
					t.Fatalf("after pass %d (-want +got):\n%s", i, cmp.Diff(source, got))
				}
			}
			if sizes[len(sizes)-1] > sizes[1] || sizes[1] > sizes[0]+2 { // two: the stores' names, when the format changes first
				t.Errorf("the record grows: %v entries", sizes)
			}
			for i := 1; i < 5; i++ {
				if old := fmt.Sprintf("-v%d", i); strings.Contains(out, old) {
					t.Errorf("%s is still in it:\n%s", old, out)
				}
			}
		})
	}
}

// renewal is the wiring of pass i: everything in it is new.
func renewal(source string, i int) wiring {
	ext := []string{"jks", "p12"}[i/2%2]
	store := trustStore(fmt.Sprintf("v%d", i), ext)
	store.Password += fmt.Sprint(i / 3)
	if strings.Contains(source, EventProcessingKind) {
		w := epWiring(fmt.Sprintf("v%d", i))
		w.ep.TrustStore, w.ep.Root = store, fmt.Sprint("root", i)
		return w
	}
	tls := flinkTLS(fmt.Sprintf("v%d", i), ext)
	tls.StorePassword += fmt.Sprint(i)
	return wiring{flink: &FlinkWiring{TLS: tls, TrustStore: store, Root: fmt.Sprint("root", i)}}
}

func entries(t *testing.T, source string) int {
	t.Helper()
	l, err := readLedger(resource(t, source))
	if err != nil {
		t.Fatal(err)
	}
	return len(l)
}

// TestOtherEdits: what somebody edits elsewhere between passes stays.
func TestOtherEdits(t *testing.T) {
	source := fixtures(t)["testdata/flinkdeployment-placeholders.yaml#FlinkDeployment"]
	change := func(s string) string {
		for _, c := range [][2]string{
			{"  mode: native\n", "  mode: native\n  ingress: {template: x}   # new\n"},
			{"    license.accept: 'true'\n", "    # theirs\n    license.accept: \"true\"\n    parallelism.default: 3\n"},
			{"metadata:\n  name: session\n", "metadata:\n  labels: {a: b}\n  name: session\n"},
			{"              mountPath: /opt/flink/volume\n", "              mountPath: /opt/flink/volume\n              readOnly: false\n"},
			{"      volumes:\n", "      volumes:\n        - name: more\n          emptyDir: {}\n"},
		} {
			if !strings.Contains(s, c[0]) {
				t.Fatalf("%q is not in:\n%s", c[0], s)
			}
			s = strings.Replace(s, c[0], c[1], 1)
		}
		return s
	}
	want := change(source)
	out := change(wire(t, source, flinkWiring("v1")))
	if again := flinkWiring("v1").edits(resource(t, out)); len(again.Edits) > 0 || len(again.Conflicts) > 0 {
		t.Errorf("somebody's edits elsewhere lead to %v, %v", again.Edits, again.Conflicts)
	}
	for i := 2; i < 5; i++ {
		out = rewired(t, out, renewal(source, i))
		if diff := cmp.Diff(want, unwired(t, out)); diff != "" {
			t.Errorf("pass %d (-want +got):\n%s", i, diff)
		}
	}
}

// edited is one edit by somebody else in a wired document.
type edited struct{ old, new string }

func (e edited) in(t *testing.T, s string) string {
	t.Helper()
	if strings.Count(s, e.old) != 1 {
		t.Fatalf("%q is there %d times in:\n%s", e.old, strings.Count(s, e.old), s)
	}
	return strings.Replace(s, e.old, e.new, 1)
}

// TestEditsOfOurs: somebody edits what flowcert set. A revert keeps their value
// and names it; a value of theirs is a conflict for the next wiring; words and
// entries of theirs beside ours are none.
func TestEditsOfOurs(t *testing.T) {
	const (
		conf    = "spec.flinkConfiguration"
		options = conf + `["env.java.opts.taskmanager"]`
		volume  = "spec.podTemplate.spec.volumes[name=truststore]"
	)
	base := configured("env.java.opts.jobmanager: -Xmx1g\nkubernetes.secrets: a:/a\n") + "  podTemplate:\n    spec:\n      volumes:\n        - name: v\n          emptyDir: {}\n"
	const ours = "-Djavax.net.ssl.trustStore=/certs/truststore.jks -Djavax.net.ssl.trustStorePassword=Tru5tPassw0rd"
	tests := []struct {
		name     string
		edit     edited
		conflict string // with the next version; "" for none
		reverted edited // how what a revert leaves differs from the original
		kept     []string
	}{
		{"an option appended to ours", edited{"taskmanager: " + ours, "taskmanager: " + ours + " -Xss1m"}, "",
			edited{"kubernetes.secrets: a:/a\n", "kubernetes.secrets: a:/a\n    env.java.opts.taskmanager: -Xss1m\n"}, []string{options}},
		{"an option before ours", edited{"taskmanager: " + ours, "taskmanager: -Xss1m " + ours}, "",
			edited{"kubernetes.secrets: a:/a\n", "kubernetes.secrets: a:/a\n    env.java.opts.taskmanager: -Xss1m\n"}, []string{options}},
		{"an option appended to theirs and ours", edited{"jobmanager: -Xmx1g " + ours, "jobmanager: -Xmx1g " + ours + " -Xss1m"}, "",
			edited{"-Xmx1g", "-Xmx1g -Xss1m"}, []string{conf + `["env.java.opts.jobmanager"]`}},
		{"ours moved, nothing else", edited{"jobmanager: -Xmx1g " + ours, "jobmanager: '" + ours + "  -Xmx1g'"}, "",
			edited{"a:/a", "a:/a"}, nil},
		{"our password changed", edited{"jobmanager: -Xmx1g " + ours, "jobmanager: -Xmx1g " + ours + "X"}, conf + `["env.java.opts.jobmanager"]: sets -Djavax.net.ssl.trustStorePassword, not by flowcert`,
			edited{"-Xmx1g", "-Xmx1g -Djavax.net.ssl.trustStorePassword=Tru5tPassw0rdX"}, []string{conf + `["env.java.opts.jobmanager"]`}},
		{"our options gone, theirs left", edited{"jobmanager: -Xmx1g " + ours, "jobmanager: -Xmx2g"}, "",
			edited{"-Xmx1g", "-Xmx2g"}, []string{conf + `["env.java.opts.jobmanager"]`}},
		{"a pair appended", edited{"flink-tls-v1:/opt/flink/tls-cert", "flink-tls-v1:/opt/flink/tls-cert,b:/b"}, "",
			edited{"a:/a", "a:/a,b:/b"}, []string{conf + `["kubernetes.secrets"]`}},
		{"our pair changed", edited{"flink-tls-v1:/opt/flink/tls-cert", "mine:/opt/flink/tls-cert"}, conf + `["kubernetes.secrets"]: mounts secret "mine" at /opt/flink/tls-cert, not by flowcert`,
			edited{"a:/a", "a:/a,mine:/opt/flink/tls-cert"}, []string{conf + `["kubernetes.secrets"]`}},
		{"another password", edited{"keystore-password: St0rePassw0rd", "keystore-password: theirSecret"}, conf + `["security.ssl.keystore-password"]: is set, not by flowcert`,
			edited{"kubernetes.secrets: a:/a\n", "kubernetes.secrets: a:/a\n    security.ssl.keystore-password: theirSecret\n"}, []string{conf + `["security.ssl.keystore-password"]`}},
		{"another secret in our volume", edited{"secretName: ssl-truststore-v1", "secretName: mine"}, volume + `.secret.secretName: is "mine", not set by flowcert`,
			edited{"          emptyDir: {}\n", "          emptyDir: {}\n        - name: truststore\n          secret:\n            items:\n              - key: truststore.jks\n                path: truststore.jks\n            secretName: mine\n"}, []string{volume}},
		{"a field more in our volume", edited{"secretName: ssl-truststore-v1\n", "secretName: ssl-truststore-v1\n            defaultMode: 256\n"}, "",
			edited{"          emptyDir: {}\n", "          emptyDir: {}\n        - name: truststore\n          secret:\n            items:\n              - key: truststore.jks\n                path: truststore.jks\n            secretName: ssl-truststore-v1\n            defaultMode: 256\n"}, []string{volume}},
		{"our volume gone", edited{"        - name: truststore\n          secret:\n            items:\n              - key: truststore.jks\n                path: truststore.jks\n            secretName: ssl-truststore-v1\n", ""}, "",
			edited{"a:/a", "a:/a"}, nil},
		{"our key gone", edited{"    security.ssl.key-password: St0rePassw0rd\n", ""}, "", edited{"a:/a", "a:/a"}, nil},
		{"quoted otherwise", edited{"truststore-password: Tru5tPassw0rd\n", "truststore-password: 'Tru5tPassw0rd' # same\n"}, "", edited{"a:/a", "a:/a"}, nil},
		{"our annotation changed", edited{"flowcert.io/root: 5f1d2c", "flowcert.io/root: x"}, "",
			edited{"  name: flink\n", "  name: flink\n  annotations:\n    flowcert.io/root: x\n"}, []string{`metadata.annotations["flowcert.io/root"]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			theirs := tt.edit.in(t, wire(t, base, flinkWiring("v1")))
			want := tt.reverted.in(t, base)
			got, kept, err := Revert(resource(t, theirs))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("reverted (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.kept, kept); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
			w := renewal(base, 3) // new names, new passwords, PKCS12
			if tt.conflict != "" {
				if diff := cmp.Diff([]string{tt.conflict}, refusals(t, theirs, w)); diff != "" {
					t.Errorf("conflicts (-want +got):\n%s", diff)
				}
				return
			}
			var sizes []int
			for i := 3; i < 7; i++ {
				theirs = rewired(t, theirs, renewal(base, i))
				sizes = append(sizes, entries(t, theirs))
			}
			if sizes[3] > sizes[0] {
				t.Errorf("the record grows: %v", sizes)
			}
			got, _, err = Revert(resource(t, theirs))
			if err != nil {
				t.Fatal(err)
			}
			want = strings.NewReplacer("truststore.jks", "truststore.p12", "ssl-truststore-v1", "ssl-truststore-v6").Replace(want)
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("reverted after more passes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestProtocolChanged: the suites follow the protocol, where flowcert set them.
func TestProtocolChanged(t *testing.T) {
	source := configured("a.b: c\n")
	change := edited{"    a.b: c\n", "    a.b: c\n    security.ssl.protocol: TLSv1.3\n"}
	out := rewired(t, change.in(t, wire(t, source, onlyTLS(true, true))), onlyTLS(true, true))
	if !strings.Contains(out, "security.ssl.algorithms: TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384\n") {
		t.Errorf("the suites are as before:\n%s", out)
	}
	if diff := cmp.Diff(change.in(t, source), unwired(t, out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDeletedOver: what somebody deletes comes back with the next wiring, and
// the record does not grow of it.
func TestDeletedOver(t *testing.T) {
	source := fixtures(t)["testdata/flinkdeployment-placeholders.yaml#FlinkDeployment"]
	out := wire(t, source, flinkWiring("v1"))
	size := entries(t, out)
	volume := out[strings.Index(out, "        - name: truststore\n          secret:"):strings.Index(out, "  jobManager:")]
	for range 3 {
		out = edited{volume, ""}.in(t, out)
		out = rewired(t, out, flinkWiring("v1"))
		if !strings.Contains(out, volume) {
			t.Fatalf("the volume is not there again:\n%s", out)
		}
	}
	if n := entries(t, out); n != size {
		t.Errorf("%d entries became %d", size, n)
	}
	if diff := cmp.Diff(source, unwired(t, out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPlaceholderPutBack: a placeholder that flowcert removed and somebody put
// back goes again, and the record does not grow of it.
func TestPlaceholderPutBack(t *testing.T) {
	source := epHead + "spec:\n  authoring:\n    tls:\n      caSecretName: <ca>\n      x: y\n"
	w := wiring{ep: &EventProcessingWiring{Certificate: "cert-v1"}}
	out := wire(t, source, w)
	size := entries(t, out)
	for range 3 {
		out = edited{"      x: y\n", "      caSecretName: <ca>\n      x: y\n"}.in(t, out)
		out = rewired(t, out, w)
	}
	if n := entries(t, out); n != size {
		t.Errorf("%d entries became %d", size, n)
	}
	if diff := cmp.Diff(source, unwired(t, out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNoChange: nothing to do leaves the bytes, the very same slice.
func TestNoChange(t *testing.T) {
	r := resource(t, epHead)
	got, err := Rewrite(r, nil)
	if err != nil || &got[0] != &r.Source[0] {
		t.Errorf("%q, %v", got, err)
	}
	got, kept, err := Revert(r)
	if err != nil || kept != nil || string(got) != epHead {
		t.Errorf("%q, %v, %v", got, kept, err)
	}
}

func TestBadRecord(t *testing.T) {
	first := `{"path":"metadata.annotations[\"flowcert.io/edits\"]","new":2,"wrote":"x"}`
	for name, record := range map[string]string{
		"not JSON":          `[`,
		"trailing junk":     `[] []`,
		"an object":         `{}`,
		"does not begin":    `[{"path":"spec.a"}]`,
		"not a path":        `[` + first + `,{"path":"a["}]`,
		"the empty path":    `[` + first + `,{"path":""}]`,
		"edit is no path":   `[` + first + `,{"path":"a","edit":"["}]`,
		"a path of nowhere": `[` + first + `,{"path":"[a=b]","was":""}]`,
	} {
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		source := epHead + "  annotations:\n    flowcert.io/edits: " + string(text) + "\n"
		r := resource(t, source)
		if got, kept, err := Revert(r); err == nil {
			t.Errorf("%s: reverted to %q, %v", name, got, kept)
		}
		if result := EventProcessing(r, EventProcessingWiring{Certificate: "a"}); len(result.Conflicts) != 1 || result.Edits != nil {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

// TestEmptyRecord: an annotation without a record is as none.
func TestEmptyRecord(t *testing.T) {
	for _, v := range []string{"", "''", "[]", "null"} {
		source := epHead + "  annotations:\n    flowcert.io/edits: " + v + "\nspec: {}\n"
		if v == "[]" || v == "null" {
			source = strings.Replace(source, v, "'"+v+"'", 1)
		}
		wire(t, source, epWiring("v1"))
	}
}

// TestLostRecord: without its record flowcert's values are a stranger's, unless
// they are what is wanted.
func TestLostRecord(t *testing.T) {
	source := configured("a.b: c\n")
	out := plain(t, wire(t, source, flinkWiring("v1")))
	w := flinkWiring("v1")
	w.flink.Root = ""
	if got := w.edits(resource(t, out)); len(got.Edits) > 0 || len(got.Conflicts) > 0 {
		t.Errorf("%v %v", got.Edits, got.Conflicts)
	}
	if got := refusals(t, out, flinkWiring("v2")); len(got) != 2 {
		t.Errorf("%q", got)
	}
}
