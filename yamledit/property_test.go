package yamledit

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// variations are a fixture as other authors write it.
func variations(t testing.TB, src []byte) map[string]string {
	t.Helper()
	s := string(src)
	all := map[string]string{
		"as it is":        s,
		"CRLF":            strings.ReplaceAll(s, "\n", "\r\n"),
		"CR":              strings.ReplaceAll(s, "\n", "\r"),
		"no final line":   strings.TrimRight(s, "\n"),
		"blank lines":     strings.ReplaceAll(s, "\n", "\n\n"),
		"trailing blanks": strings.ReplaceAll(s, "\n", "  \n"),
		"full comments":   strings.ReplaceAll(s, "\n", "\n# c\n"),
		"line comments":   strings.ReplaceAll(s, "\n", " # c\n"),
		"BOM":             "\uFEFF" + s,
		"end marker":      s + "\n...\n# rest",
		"comment first":   "# head\n\n" + s,
		"start marker":    "--- # head\n" + strings.TrimPrefix(s, "---\n"),
	}
	var node yaml.Node
	if err := yaml.Unmarshal(src, &node); err != nil {
		t.Fatal(err)
	}
	for indent, name := range map[int]string{2: "two columns", 3: "three columns", 4: "four columns", 8: "eight columns"} {
		var b bytes.Buffer
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(indent)
		if err := enc.Encode(&node); err != nil {
			t.Fatal(err)
		}
		all[name] = b.String()
	}
	obj, err := Decode(src)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	all["JSON"] = string(compact)
	for _, in := range []string{"  ", "\t", "    "} {
		var b bytes.Buffer
		if err := json.Indent(&b, compact, "", in); err != nil {
			t.Fatal(err)
		}
		all["JSON indented by "+in] = b.String() + "\n"
	}
	node.Content[0].Style = yaml.FlowStyle
	flow, err := yaml.Marshal(&node)
	if err != nil {
		t.Fatal(err)
	}
	all["flow style"] = string(flow)
	dashes := strings.ReplaceAll(all["two columns"], "\n  ", "\n")
	if _, err := Decode([]byte(dashes)); err == nil {
		all["dashes not indented"] = dashes
	}
	for name, doc := range all {
		if _, err := Decode([]byte(doc)); err != nil {
			delete(all, name) // a line comment inside a literal's header, say
		}
	}
	return all
}

// leaves are the paths to all values of a document that can be picked.
func leaves(v any, p Path) []Path {
	var all []Path
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			child := append(p[:len(p):len(p)], Key(k))
			all = append(append(all, child), leaves(v[k], child)...)
		}
	case []any:
		for _, e := range v {
			m, _ := e.(map[string]any)
			name, ok := m["name"].(string)
			if s := Item("name", name); ok && pick(v, s) >= 0 {
				child := append(p[:len(p):len(p)], s)
				all = append(append(all, child), leaves(m, child)...)
			}
		}
	}
	return all
}

// workEdits are edits as wiring of TLS makes them.
func workEdits(t testing.TB) []Edit {
	return []Edit{
		set(t, `metadata.annotations["flowcert.io/edits"]`, `[{"path":"a","was":"it's"}]`),
		set(t, "spec.authoring.tls.secretName", "orders-ep-cert-3f2a9c1b04"),
		set(t, "spec.authoring.template.pod.spec.containers[name=backend].env[name=JAVA_TOOL_OPTIONS].value", "-Xmx2g -Dfile.encoding=UTF-8 -Djavax.net.ssl.trustStore=/certs/t.jks"),
		set(t, "spec.authoring.template.pod.spec.volumes[name=truststore]", volume),
		set(t, "spec.flink.tls.secretKeyRef.key", "password"),
		set(t, `spec.flinkConfiguration["security.ssl.rest.enabled"]`, "true"),
		set(t, `spec.flinkConfiguration["env.java.opts.all"]`, "-Dfile.encoding=UTF-8 -XX:+UseG1GC -Da=b"),
		set(t, `spec.flinkConfiguration["kubernetes.secrets"]`, "a:/b,c:/d"),
		set(t, "spec.podTemplate.spec.containers[name=flink-main-container].volumeMounts[name=truststore]", map[string]any{"name": "truststore", "mountPath": "/certs", "readOnly": true}),
		set(t, "spec.podTemplate.spec.volumes[name=truststore]", volume),
		set(t, "spec.podTemplate.spec.volumes[name=truststore].secret.secretName", "db-2"),
		del(t, "spec.authoring.tls.caSecretName"),
		set(t, "spec.mode", "native"),
		set(t, "spec.endpoints[name=ui].host", "größe.example"),
	}
}

// mayRefuse are the reasons for which an edit of a fixture may be refused.
var mayRefuse = []string{
	"has the anchor &", "would be lost", "is used in line", "nothing would be left",
	"stands on the line of a dash", "in flow style cannot be removed",
	"end the document with a line end",
	"the value must be a map that has this field", "want a map, found", "want a list, found",
}

func refusalIsFine(err error, doc string, e Edit) bool {
	for _, s := range mayRefuse {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	// Blank lines and comments after the removed entry would become text of the
	// literal or folded scalar before it.
	return e.Remove && strings.Contains(err.Error(), "other values than intended") && blockHeader.MatchString(doc)
}

var blockHeader = regexp.MustCompile(`: +[|>]`)

func TestFixtures(t *testing.T) {
	for name, src := range fixtures(t) {
		for variation, doc := range variations(t, src) {
			t.Run(name+"/"+variation, func(t *testing.T) {
				if edits := workEdits(t); !strings.Contains(name, "unicode") {
					mustApply(t, doc, edits...)
				}
				eachLeaf(t, doc, variation)
			})
		}
	}
}

// eachLeaf changes the values of the document, one at a time: in variations
// some of them, to save time.
func eachLeaf(t *testing.T, doc, variation string) {
	every := 15
	if variation == "as it is" {
		every = 1
	}
	obj, err := Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	all := leaves(obj, nil)
	for i := len(variation) % every; i < len(all); i += every {
		p := all[i]
		v, _ := Get(obj, p)
		below := func(s ...Step) Path { return append(p[:len(p):len(p)], s...) }
		edits := []Edit{{Path: p, Remove: true}, {Path: p, Value: []any{"x", 8081, "true", ": #"}[i%4]}}
		switch v := v.(type) {
		case string:
			edits = append(edits, Edit{Path: p, Value: v + " -Da=b"}, Edit{Path: p, Value: "x" + v}, Edit{Path: p, Value: v[:len(v)/2]}, Edit{Path: p, Value: "a\nb"})
		case map[string]any:
			edits = append(edits, Edit{Path: below(Key("new"), Key("k")), Value: "v"}, Edit{Path: p, Value: map[string]any{"name": p[len(p)-1].Value, "x": []any{1}}})
		case []any:
			edits = append(edits, Edit{Path: below(Item("name", "new"), Key("k")), Value: "v"}, Edit{Path: p, Value: []any{"x", map[string]any{"a": "b"}}})
		}
		for _, e := range edits {
			if strings.ToValidUTF8(formatText(e.Value), "") != formatText(e.Value) {
				continue // half of a rune
			}
			out, undos, err := Apply([]byte(doc), []Edit{e})
			if err != nil {
				if !refusalIsFine(err, doc, e) {
					t.Errorf("%s = %v: %v", e.Path, e.Value, err)
				}
				continue
			}
			checkEdits(t, doc, string(out), []Edit{e}, undos)
		}
	}
}

func formatText(v any) string {
	s, _ := v.(string)
	return s
}
