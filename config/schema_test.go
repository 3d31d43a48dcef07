package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// compiled is the schema, ready to validate with.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) { return compile(Schema()) })

func compile(text []byte) (*jsonschema.Schema, error) {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("flowcert.json", schema); err != nil {
		return nil, err
	}
	return c.Compile("flowcert.json")
}

// schemaFault is what the schema has against a file; nil: nothing.
func schemaFault(t *testing.T, text string) error {
	t.Helper()
	schema, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(instanceOf(t, text))
}

// instanceOf is a file as an editor sees it.
func instanceOf(t *testing.T, text string) any {
	t.Helper()
	rep := newReport()
	root := document(rep, []byte(text))
	if root == nil {
		t.Fatalf("%v\nof\n%s", rep.err(), text)
	}
	return value(root)
}

// value is a node as JSON. Empty text is null: both mean not given, see Schema.
func value(n *yaml.Node) any {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for _, p := range (&decoder{report: newReport()}).pairs(n, "", maxMerges) {
			out[p.name] = value(p.value)
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range n.Content {
			out = append(out, value(item))
		}
		return out
	}
	if isEmpty(n) {
		return nil
	}
	switch n.ShortTag() {
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		var number float64
		if n.Decode(&number) == nil && json.Valid([]byte(fmt.Sprint(number))) {
			return number
		}
	}
	return n.Value
}

// checkSchemaAccepts holds what Parse accepted against the schema.
func checkSchemaAccepts(t *testing.T, text string) {
	t.Helper()
	if err := schemaFault(t, text); err != nil {
		t.Errorf("Parse accepts it, the schema does not: %v\n%s", err, text)
	}
}

// inSchema are words of the faults that a schema can find too.
var inSchema = []string{
	"unknown field", ", wanted a list", ", wanted a single value", ", wanted fields", "is not allowed here", "is not a duration", "has no unit", "whole percentage", `"big" is not a whole number`,
	"is not true or false", "is not a format of Java stores", "is not kind/namespace/name", "is not host:port", "is no key of", "is no name for a resource",
	"cannot be an alias", "is not a SHA-256 fingerprint", "is not five cron fields", "the Flink operator", "authority.secret.name: is missing",
	"sources: is missing", "sources[0].name: is missing", "key: is missing", "address: is missing", "schedule: is missing", "secretName: is missing", "client: is missing",
	"names no Secret", "apiVersion: is missing", "namespace: is missing", "holds upper case", "is a URL; write the host name", "is 40 characters long",
}

// checkSchemaRefuses holds what Parse refused for such a reason against the schema.
func checkSchemaRefuses(t *testing.T, text string, faults Errors) {
	t.Helper()
	found := slices.ContainsFunc(faults, func(fault *Error) bool {
		return slices.ContainsFunc(inSchema, func(words string) bool { return strings.Contains(fault.Error(), words) })
	})
	if !found || document(newReport(), []byte(text)) == nil {
		return
	}
	if schemaFault(t, text) == nil {
		t.Errorf("the schema accepts it, Parse says\n%v\nof\n%s", faults, text)
	}
}

func TestSchemaIsOne(t *testing.T) {
	if _, err := compiled(); err != nil {
		t.Fatal(err)
	}
	older := bytes.Replace(Schema(), []byte("https://json-schema.org/draft/2020-12/schema"), []byte("http://json-schema.org/draft-07/schema#"), 1)
	if _, err := compile(older); err != nil {
		t.Errorf("as draft-07: %v", err)
	}
	for _, keyword := range []string{`"$ref"`, `"$defs"`, `"prefixItems"`} {
		if bytes.Contains(older, []byte(keyword)) {
			t.Errorf("%s means something else in draft-07, or nothing", keyword)
		}
	}
	if !bytes.Equal(Schema(), Schema()) {
		t.Error("it is another one each time")
	}
}

func TestSchemaAcceptsTheFullExample(t *testing.T) {
	data, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	checkSchemaAccepts(t, string(data))
	checkSchemaAccepts(t, ShortForm)
}

// The schema as JSON, to walk through.
type node struct {
	Description string
	Type        any
	Properties  map[string]*node
	Required    []string
	Items       *node
	AnyOf       []*node
	Default     any
	Additional  *bool `json:"additionalProperties"`
}

func parseSchema(t *testing.T) *node {
	t.Helper()
	var n node
	if err := json.Unmarshal(Schema(), &n); err != nil {
		t.Fatal(err)
	}
	return &n
}

// A place is a node with a way to put a value there: the names of fields, "[]" for an entry.
type place struct {
	*node
	path  []string
	among bool // one of several shapes
}

func (p place) String() string { return strings.ReplaceAll(strings.Join(p.path, "."), ".[]", "[0]") }

// places lists every node.
func places(p place) []place {
	all := []place{p}
	for _, name := range slices.Sorted(maps.Keys(p.Properties)) {
		all = append(all, places(place{node: p.Properties[name], path: slices.Concat(p.path, []string{name})})...)
	}
	if p.Items != nil {
		all = append(all, places(place{node: p.Items, path: slices.Concat(p.path, []string{"[]"})})...)
	}
	for _, n := range p.AnyOf {
		all = append(all, places(place{n, p.path, true})...)
	}
	return all
}

// document is a file with a value in this place alone.
func (p place) document(value any) string {
	for _, step := range slices.Backward(p.path) {
		if step == "[]" {
			value = []any{value}
		} else {
			value = map[string]any{step: value}
		}
	}
	out, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// faultAt is what Parse says of a field.
func faultAt(text, field string) string {
	_, err := Parse(strings.NewReader(text))
	faults, _ := err.(Errors)
	for _, fault := range faults {
		if fault.Field == field {
			return fault.Problem
		}
	}
	return ""
}

// The parser is asked, place by place, which fields it knows: those of the schema.
func TestSchemaHasTheParsersFields(t *testing.T) {
	const unknown = "zzzzzzzzzzzzzzzzzz"
	objects := 0
	for _, p := range places(place{node: parseSchema(t)}) {
		said := faultAt(p.document(map[string]any{unknown: 1}), join(p.String(), unknown))
		if p.Type != "object" {
			if p.AnyOf == nil && !p.among && said != "" {
				t.Errorf("%s: the parser knows fields here, the schema does not", p)
			}
			continue
		}
		objects++
		want := strings.Split(strings.TrimPrefix(said, "unknown field; known here: "), ", ")
		if strings.HasPrefix(said, "unknown field; nothing is to be set here") {
			want = nil
		} else if said == "" || want[0] == said {
			t.Errorf("%s: the parser says %q", p, said)
			continue
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(p.Properties))); diff != "" {
			t.Errorf("%s: -parser +schema\n%s", p, diff)
		}
		if p.Additional == nil || *p.Additional {
			t.Errorf("%s: takes any field", p)
		}
	}
	if objects < 25 {
		t.Errorf("%d mappings are found in the schema", objects)
	}
}

// What the schema requires, the parser misses, and nothing else.
func TestSchemaRequiresWhatTheParserMisses(t *testing.T) {
	for _, p := range places(place{node: parseSchema(t)}) {
		if p.Type != "object" {
			continue
		}
		for name := range p.Properties {
			said := faultAt(p.document(map[string]any{}), join(p.String(), name))
			if p.String() == "authority.secret.passphrase" || p.String() == "truststores[0].password" {
				said = faultAt(p.document(map[string]any{}), p.String())
			}
			misses := strings.HasPrefix(said, "is missing") || strings.HasPrefix(said, "names no Secret")
			if requires := slices.Contains(p.Required, name); requires != misses {
				t.Errorf("%s: required is %v, the parser says %q", join(p.String(), name), requires, said)
			}
		}
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	for _, p := range places(place{node: parseSchema(t)}) {
		for name, property := range p.Properties {
			d := property.Description
			if len(d) < 10 || !strings.HasSuffix(d, ".") || strings.Contains(d, "  ") || strings.Count(d, "Default:") > 1 {
				t.Errorf("%s: description %q", join(p.String(), name), d)
			}
			if property.Default != nil && !strings.Contains(d, fmt.Sprintf("Default: %v.", property.Default)) {
				t.Errorf("%s: default %v is not in %q", join(p.String(), name), property.Default, d)
			}
		}
	}
}

// A field that is given its default says what it says when it is left out.
func TestSchemaDefaultsAreTheParsers(t *testing.T) {
	const header = `"apiVersion": "flowcert.io/v1alpha1", "kind": "Config", "namespace": "ea", `
	base := `{` + header + `"authority": {"selfSigned": {"intermediate": {}}}, "defaults": {}, "eventProcessing": [{"name": "ep"}],
		"flinkDeployments": [{"name": "f", "tls": {}}], "flinkOperator": {},
		"truststores": [{"sources": [{"name": "a", "file": "b", "servers": [{"address": "db:1"}]}]}], "certificates": [{"secretName": "s", "dnsNames": ["s"]}],
		"rotation": {"windows": [{"schedule": "0 2 * * *", "duration": "4h"}], "flink": {}}}`
	user := `{` + header + `"authority": {"secret": {"name": "ca", "intermediate": {}}}, "flinkOperator": {}}`
	tried := map[string]bool{}
	for _, p := range places(place{node: parseSchema(t)}) {
		for name, property := range p.Properties {
			if property.Default == nil {
				continue
			}
			text := base
			if strings.HasPrefix(p.String(), "authority.secret") {
				text = user
			}
			given, ok := with(t, text, slices.Concat(p.path, []string{name}), property.Default)
			if !ok {
				t.Errorf("%s: nothing in this test holds it", join(p.String(), name))
				continue
			}
			left, _ := with(t, text, nil, nil)
			if diff := cmp.Diff(mustParse(t, left), mustParse(t, given), sameAddr); diff != "" {
				t.Errorf("%s: %v: -left out +given\n%s", join(p.String(), name), property.Default, diff)
			}
			tried[name] = true
		}
	}
	for _, name := range []string{"validity", "renewBefore", "mode", "rest", "format", "protocol", "timeZone", "clusterDomain", "publicCAs"} {
		if !tried[name] {
			t.Errorf("%s has no default", name)
		}
	}
}

// with is a file of JSON, on one line, with a value at a path.
func with(t *testing.T, text string, path []string, value any) (string, bool) {
	t.Helper()
	var root any
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	at := root
	for i, step := range path {
		if step == "[]" {
			list, _ := at.([]any)
			if len(list) == 0 {
				return "", false
			}
			at = list[0]
			continue
		}
		m, ok := at.(map[string]any)
		if !ok {
			return "", false
		}
		if i == len(path)-1 {
			m[step] = value
		}
		at = m[step]
	}
	out, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), true
}

// A pattern takes exactly what the parser can read; whether it makes sense is another matter.
func TestPatternsOfDurations(t *testing.T) {
	for s, want := range map[string]bool{
		"365d": true, "1d12h": true, "90m": true, "1.5h": true, ".5h": true, "1000ms": true, "+1h": true, "0d1h": true, "1h30m5s": true, "0s": true, "1d1.5h": true,
		"12": false, "1y": false, "1d-1h": false, "1d+1h": false, "1d0": false, "1d.5h": false, "d": false, "1.5d": false, "1h1d": false,
		"1 d": false, "1d 2h": false, "1D": false, "∞": false, "+1d": false, "-1d": false, "1d1d": false,
		// Go reads a sign; nothing that is written with it is longer than zero.
		"-1h": false,
	} {
		_, err := ParseDuration(s)
		syntactic := err != nil && (strings.Contains(err.Error(), "is not a duration") || strings.Contains(err.Error(), "has no unit"))
		if syntactic == want && s != "-1h" {
			t.Errorf("%q: this test says %v, the parser %v", s, want, err)
		}
		text := minimal + fmt.Sprintf("\nrotation: {soak: %q}\n", s)
		if got := schemaFault(t, text) == nil; got != want {
			t.Errorf("%q: the schema says %v, want %v", s, got, want)
		}
	}
	for s, want := range map[string]bool{"33%": true, "33 %": true, "07%": true, "99%": true, "30d": true, "0%": false, "100%": false, "1.5%": false, "33": false, "%": false, "-1%": false} {
		_, err := ParseBefore(s)
		if (err == nil) != want {
			t.Errorf("%q: this test says %v, the parser %v", s, want, err)
		}
		if got := schemaFault(t, minimal+fmt.Sprintf("\ndefaults: {renewBefore: %q}\n", s)) == nil; got != want {
			t.Errorf("%q: the schema says %v, want %v", s, got, want)
		}
	}
}
