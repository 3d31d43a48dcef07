package deploy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/yamledit"
)

// author writes a resource as somebody might: one of many contents in one of
// many styles.
type author struct {
	*rand.Rand
	indent, dash int
	comments     bool
	flow         int // one mapping or list in so many is in flow style; 0: none
}

// field is one entry of a mapping; their order is the author's.
type field struct {
	key   string
	value any // []field, []any, or a scalar's source
}

func newAuthor(seed uint64) author {
	r := rand.New(rand.NewPCG(seed, 1))
	a := author{Rand: r, indent: 2 + r.IntN(3), comments: r.IntN(2) == 0}
	a.dash = []int{0, a.indent}[r.IntN(2)]
	if r.IntN(3) == 0 {
		a.flow = 3 + r.IntN(5)
	}
	return a
}

func (a author) oneOf(options ...any) any { return options[a.IntN(len(options))] }

// some keeps each field with even odds.
func (a author) some(fields ...field) []field {
	var out []field
	for _, f := range fields {
		if a.IntN(2) == 0 {
			out = append(out, f)
		}
	}
	return out
}

func (a author) document() string {
	kind := a.oneOf(EventProcessingKind, FlinkDeploymentKind).(string)
	metadata := append([]field{{"name", "x"}}, a.some(field{"annotations", a.oneOf([]field{}, "", []field{{"a/b", "'c'"}})}, field{"labels", []field{{"a", "b"}}})...)
	fields := []field{{"kind", kind}, {"metadata", metadata}}
	if kind == EventProcessingKind {
		fields = append(fields, field{"spec", a.eventProcessing()})
	} else {
		fields = append(fields, field{"spec", a.flink()})
	}
	if a.IntN(8) == 0 {
		return a.json(fields)
	}
	var b strings.Builder
	a.mapping(&b, fields, 0)
	s := b.String()
	if a.IntN(4) == 0 {
		s = strings.ReplaceAll(s, "\n", "\r\n")
	}
	if a.IntN(4) == 0 {
		s = strings.TrimRight(s, "\r\n")
	}
	if a.IntN(4) == 0 {
		s = "# first\n---\n" + s
	}
	return s
}

func (a author) eventProcessing() []field {
	tls := a.some(field{"caSecretName", a.oneOf("<ca>", "", "'<a ca>'")}, field{"secretName", a.oneOf("<s>", "cert-v1", "''", "")},
		field{"ui", a.some(field{"secretName", "<ui>"}, field{"key", a.oneOf("<k>", "k")})}, field{"trustedCertificates", []any{[]field{{"secretName", "<kc>"}}}})
	return a.some(
		field{"flink", a.some(field{"endpoint", "x-rest:8081"}, field{"tls", a.some(field{"secretName", `"<j>"`}, field{"secretKeyRef", a.some(field{"name", "<n>"}, field{"key", "password"})})})},
		field{"authoring", a.some(field{"tls", tls}, field{"endpoints", []any{[]field{{"host", "a.<B>"}}}},
			field{"template", a.oneOf("", []field{{"pod", []field{{"spec", a.pod(backendContainer, backendCertsDir)}}}})})})
}

func (a author) pod(container, dir string) []field {
	main := append([]field{{"name", container}}, a.some(
		field{"env", a.entries([]field{{"name", "A"}, {"value", "'1'"}}, []field{{"name", javaToolOptions}, {"value", a.options()}})},
		field{"volumeMounts", a.entries([]field{{"name", "v"}, {"mountPath", "/v"}}, []field{{"mountPath", dir + "/"}, {"name", trustVolume}})},
		field{"resources", []field{{"limits", []field{{"cpu", "1"}}}}})...)
	return a.some(field{"containers", a.entries([]field{{"name", "side"}, {"image", "i"}}, main, []field{{"name", "last"}})},
		field{"serviceAccountName", "x"},
		field{"volumes", a.entries([]field{{"name", "v"}, {"emptyDir", []field{}}}, []field{{"name", trustVolume}, {"secret", a.some(field{"secretName", "<t>"})}})})
}

// entries are some of the entries, in their order.
func (a author) entries(entries ...[]field) any {
	if a.IntN(8) == 0 {
		return a.oneOf([]any{}, "")
	}
	out := []any{}
	for _, e := range entries {
		if a.IntN(2) == 0 {
			out = append(out, e)
		}
	}
	return out
}

func (a author) options() any {
	return a.oneOf("", "-Xmx1g", "'-Da=\"b c\"'", `"-Da='b c'  "`, "<options>", ">-\n-Xmx1g\n-Xss1m", "|\n-Xmx1g\n\n-Dx=<y>", "|+\n-Xmx1g\n", "-Djavax.net.ssl.trustStore=<x>")
}

func (a author) flink() []field {
	template := func() field {
		return field{"podTemplate", []field{{"spec", a.pod(flinkContainer, flinkCertsDir)}}}
	}
	conf := a.oneOf("", []field{}, a.flat(), a.flat(), a.nested(), append(a.flat(), a.nested()...))
	fields := a.some(field{"image", "x"}, field{"flinkConfiguration", conf}, field{"serviceAccount", "flink"}, template(), field{"job", []field{{"upgradeMode", "savepoint"}}})
	if a.IntN(4) == 0 {
		fields = append(fields, field{"jobManager", []field{template()}}, field{"taskManager", []field{{"replicas", "1"}, template()}})
	}
	return fields
}

func (a author) flat() []field {
	return a.some(field{"a.b", "c"}, field{"security.ssl.rest.enabled", a.oneOf("true", "'true'", "<on>")},
		field{"security.ssl.keystore", a.oneOf("/opt/flink/tls-cert/keystore.jks", "<k>/keystore.jks", "/etc/x/keystore.p12")},
		field{"security.ssl.rest.keystore-password", "<p>"},
		field{"security.ssl.key-password", "<p>"}, field{"security.ssl.algorithms", a.oneOf("", "TLS_X")},
		field{"kubernetes.secrets", a.oneOf("a:/a", "'<s>:/opt/flink/tls-cert'", `"b:/b, <s>:/etc/x,"`)},
		field{"env.java.opts.taskmanager", a.options()}, field{"env.java.opts.jobmanager", a.options()}, field{"env.java.opts", "-Dx"})
}

func (a author) nested() []field {
	return a.some(
		field{"security", []field{{"ssl", a.some(field{"internal", a.some(field{"enabled", "true"}, field{"keystore", "<k>"})}, field{"keystore-password", "<p>"}, field{"rest.enabled", "'true'"})}}},
		field{"env", []field{{"java", []field{{"opts", a.some(field{"all", "-Dx"}, field{"taskmanager", a.options()})}}}}},
		field{"kubernetes", []field{{"secrets", a.oneOf("a:/a", "")}}})
}

func (a author) mapping(b *strings.Builder, fields []field, at int) {
	for i, f := range fields {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", at))
		}
		if a.comments && a.IntN(6) == 0 && i > 0 {
			b.WriteString("# about " + f.key + "\n" + strings.Repeat(" ", at))
		}
		b.WriteString(f.key + ":")
		a.value(b, f.value, at)
	}
}

// value writes what follows a key, to the end of the line.
func (a author) value(b *strings.Builder, v any, at int) {
	comment := ""
	if a.comments && a.IntN(5) == 0 {
		comment = "  # why"
	}
	fields, isMap := v.([]field)
	list, isList := v.([]any)
	switch {
	case isMap && len(fields) == 0, isList && len(list) == 0, a.flow > 0 && (isMap || isList) && a.IntN(a.flow) == 0 && flowable(v):
		b.WriteString(" " + flow(v) + comment + "\n")
	case isMap:
		b.WriteString(comment + "\n" + strings.Repeat(" ", at+a.indent))
		a.mapping(b, fields, at+a.indent)
	case isList:
		b.WriteString(comment + "\n")
		for _, e := range list {
			b.WriteString(strings.Repeat(" ", at+a.dash) + "- ")
			a.mapping(b, e.([]field), at+a.dash+2)
		}
	default:
		head, body, block := strings.Cut(v.(string), "\n")
		if head != "" {
			head = " " + head
		}
		b.WriteString(head + comment + "\n")
		if block {
			b.WriteString(indented(body, at+a.indent))
		}
	}
}

// flowable says whether v has no block scalar in it.
func flowable(v any) bool { return !strings.Contains(flow(v), "\n") }

func flow(v any) string {
	var parts []string
	switch v := v.(type) {
	case []field:
		for _, f := range v {
			parts = append(parts, strings.TrimRight(f.key+": "+flow(f.value), " "))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		for _, e := range v {
			parts = append(parts, flow(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	s := v.(string)
	if strings.ContainsAny(s, "<:") && !strings.ContainsAny(s, "'\"") {
		return "'" + s + "'"
	}
	return s
}

func (a author) json(fields []field) string {
	var b strings.Builder
	author{Rand: a.Rand, indent: 2}.mapping(&b, fields, 0)
	obj, err := yamledit.Decode([]byte(b.String()))
	if err != nil {
		panic(err)
	}
	var text []byte
	if a.IntN(2) == 0 {
		text, err = json.Marshal(obj)
	} else {
		text, err = json.MarshalIndent(obj, "", strings.Repeat(" ", a.indent))
	}
	if err != nil {
		panic(err)
	}
	return string(text)
}

// anyWiring is a random one.
func (a author) anyWiring(kind string, pass int) wiring {
	ext := a.oneOf("jks", "p12").(string)
	version := fmt.Sprint("v", a.IntN(2)+2*pass)
	var store *TrustStore
	if a.IntN(4) > 0 {
		store = trustStore(version, ext)
		store.Password += a.oneOf("", "0").(string)
	}
	if kind == EventProcessingKind {
		w := epWiring(version)
		w.ep.TrustStore = store
		if a.IntN(4) == 0 {
			w.ep.FlinkTrust = nil
		}
		return w
	}
	tls := flinkTLS(version, ext)
	tls.Rest, tls.Internal = a.IntN(4) > 0, a.IntN(4) > 0
	return wiring{flink: &FlinkWiring{TLS: tls, TrustStore: store, Root: rootPrint}}
}

// TestGenerated wires generated documents several times in random ways. Each
// wiring is refused or complete; a revert then gives the document to the byte,
// with a comment that somebody added meanwhile.
func TestGenerated(t *testing.T) {
	n := 100
	if testing.Short() {
		n = 20
	}
	refused := 0
	for seed := range uint64(n) {
		a := newAuthor(seed)
		source := a.document()
		if _, err := yamledit.Decode([]byte(source)); err != nil {
			t.Fatalf("seed %d: %v in:\n%s", seed, err, source)
		}
		if !a.wired(t, source) {
			refused++
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, source)
		}
	}
	if refused > n/2 {
		t.Errorf("%d of %d are refused: the generator is too wild", refused, n)
	}
}

func (a author) wired(t *testing.T, source string) bool {
	kind := resource(t, source).Kind
	out, passes := source, 0
	for pass := range 3 {
		w := a.anyWiring(kind, pass)
		if result := w.edits(resource(t, out)); len(result.Conflicts) > 0 {
			for _, c := range result.Conflicts {
				if strings.Contains(c.Problem, "cannot be edited") {
					t.Errorf("%v", c)
				}
			}
			break
		}
		out = rewired(t, out, w)
		passes++
		if diff := cmp.Diff(source, unwired(t, out)); diff != "" {
			t.Errorf("pass %d (-want +got):\n%s\nfrom:\n%s", pass, diff, out)
			return true
		}
		if pass == 0 {
			source, out = source+"\n# somebody was here", out+"\n# somebody was here"
		}
	}
	return passes > 0
}
