package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/yamledit"
)

// FuzzWire wires any document, either as an EventProcessing or as a
// FlinkDeployment. It is refused, or: wired completely, with nothing left to
// do, and a revert gives its bytes.
func FuzzWire(f *testing.F) {
	for _, source := range fixtures(f) {
		for _, s := range layouts(source) {
			f.Add([]byte(s), byte(0))
			f.Add([]byte(s), byte(1))
		}
	}
	for seed := range uint64(40) {
		f.Add([]byte(newAuthor(seed).document()), byte(seed))
	}
	for i, s := range []string{
		"spec: &a {flinkConfiguration: *a}", "a: &x {b: c}\nspec: {<<: *x}", "spec: {podTemplate: {spec: {volumes: [null, 1, [a]]}}}",
		"metadata: {annotations: {flowcert.io/edits: '[]'}}", "spec: {flinkConfiguration: {security: {ssl: null}, security.ssl: 1}}",
		"spec:\n  flinkConfiguration:\n    kubernetes.secrets: ':,,:'\n    env.java.opts.taskmanager: '\"'\n", "? a\n: b", "spec: !!str x", "spec: {authoring: {tls: {ui: {secretName: <a>}, ? caSecretName : <b>}}}",
		"spec: {jobManager: {podTemplate: {spec: {containers: [{name: flink-main-container}]}}}, taskManager: 1}",
		"spec: {authoring: {template: {pod: {spec: {containers: [{name: backend, env: [{name: JAVA_TOOL_OPTIONS, value: |-\n a}]}]}}}}}",
	} {
		f.Add([]byte(s), byte(i))
	}
	f.Fuzz(func(t *testing.T, doc []byte, how byte) {
		obj, err := yamledit.Decode(doc)
		if err != nil {
			return
		}
		r := Resource{Kind: FlinkDeploymentKind, Namespace: "n", Name: "x", Source: doc, Object: obj}
		w := flinkWiring("v1")
		switch how % 5 {
		case 0:
			r.Kind, w = EventProcessingKind, epWiring("v1")
		case 1:
			w = onlyTLS(true, false)
		case 2:
			w.flink.TLS = flinkTLS("v1", "p12")
		case 3:
			w = wiring{flink: &FlinkWiring{TrustStore: trustStore("v1", "p12")}}
		}
		References(r)
		EventProcessingHosts(r)
		FlinkEndpoint(r)
		HighlyAvailable(r)
		result := w.edits(r)
		if len(result.Conflicts) > 0 {
			if result.Edits != nil {
				t.Error("edits in spite of conflicts")
			}
			return
		}
		fuzzWired(t, r, w, result)
	})
}

func fuzzWired(t *testing.T, r Resource, w wiring, result Result) {
	out, err := Rewrite(r, result.Edits)
	if err != nil {
		t.Fatalf("no conflict, but %v", err)
	}
	wired := r
	wired.Source = out
	if wired.Object, err = yamledit.Decode(out); err != nil {
		t.Fatal(err)
	}
	if again := w.edits(wired); len(again.Edits) > 0 || len(again.Conflicts) > 0 {
		t.Errorf("wired again: %v, %v", again.Edits, again.Conflicts)
	}
	if r.annotation(EditsAnnotation) != "" {
		return // a record that the fuzzer made: what it takes back is its own
	}
	back, kept, err := Revert(wired)
	if err != nil || len(kept) > 0 {
		t.Errorf("revert kept %v, %v", kept, err)
	}
	if diff := cmp.Diff(string(r.Source), string(back)); diff != "" {
		t.Errorf("wired and reverted (-want +got):\n%s", diff)
	}
}

// FuzzOptions: the tokens of an option string are found where they stand, and
// taking options out leaves the others.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{"", "-Xmx1g", " -Da='b c' \"-Dd=e\"f\n", "-D'a", "a\t\tb ", "-Djavax.net.ssl.trustStore=/x -Dy=<z>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		options, err := splitOptions(s)
		if err != nil {
			return
		}
		end := 0
		for _, o := range options {
			if o.start < end || o.end <= o.start || strings.Trim(s[end:o.start], " \t\r\n") != "" {
				t.Fatalf("%q: %+v", s, options)
			}
			end = o.end
		}
		added := appendWords(s, []string{"-Dours=1", "-Dours=2"})
		back := withoutOptions(added, func(w string) bool { return strings.HasPrefix(w, "-Dours=") && !strings.Contains(s, "-Dours") })
		if got, want := optionWords(back), optionWords(s); !strings.Contains(s, "-Dours") && !slices.Equal(got, want) {
			t.Errorf("%q: %q is left, not %q", s, got, want)
		}
	})
}
