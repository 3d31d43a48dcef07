package yamledit

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var volume = map[string]any{
	"name":   "truststore",
	"secret": map[string]any{"secretName": "db-1", "items": []any{map[string]any{"key": "truststore.jks", "path": "truststore.jks"}}},
}

func TestApply(t *testing.T) {
	tests := []struct {
		name, path string
		value      any
		in, want   string
	}{
		// Scalars: quoting, comments, spacing.
		{"plain stays plain", "a", "w/z", "a:  x  # c\n", "a:  w/z  # c\n"},
		{"plain that must be quoted", "a", "true", "a: x # c\n", "a: 'true' # c\n"},
		{"number to string", "a", "8081", "a: 8081\n", "a: '8081'\n"},
		{"string to number", "a", 8081, "a: '8081'\n", "a: 8081\n"},
		{"single stays single", "a", "it's", "a: 'x' # c\n", "a: 'it''s' # c\n"},
		{"single that needs escapes", "a", "x\a", "a: 'x'\n", "a: \"x\\u0007\"\n"},
		{"double stays double", "a", `q"\` + "\n", "a: \"x\"\n", "a: \"q\\\"\\\\\\n\"\n"},
		{"null", "a", nil, "a: x\n", "a: null\n"},
		{"float", "a", 0.25, "a: x\n", "a: 0.25\n"},
		{"bool", "a", true, "a: 'true'\n", "a: true\n"},
		{"empty string", "a", "", "a: x\n", "a: ''\n"},
		{"string of several lines", "a", "x\nw\n", "b:\n  a: x # c\n", "b:\n  a: x # c\na: |\n  x\n  w\n"},
		{"scalar becomes several lines", "a", "x\nw", "a: z # c\nb: 1\n", "a: |- # c\n  x\n  w\nb: 1\n"},
		{"tag kept", "a", "x", "a: !!str 1 # c\n", "a: !!str x # c\n"},
		{"tag that does not fit", "a", true, "a: !!str 1 # c\n", "a: true # c\n"},
		{"anchor that nobody uses", "a", "w", "a: &x z # c\n", "a: &x w # c\n"},
		{"alias", "b", "w", "a: &x z\nb: *x # c\n", "a: &x z\nb: w # c\n"},
		{"yes is a boolean for kubectl", "a", "yes", "a: yes\n", "a: 'yes'\n"},
		{"value on the next line", "a", "w", "a:  # c\n  x # d\n", "a:  # c\n  w # d\n"},
		{"null value", "a", "w", "a:   # c\n", "a: w   # c\n"},
		{"no final newline", "b", "w", "a: 1\nb: x", "a: 1\nb: w"},
		{"windows line ends", "a.c", "w", "a:\r\n  b: x\r\nd: 1\r\n", "a:\r\n  b: x\r\n  c: w\r\nd: 1\r\n"},

		// A part of a string.
		{"plain over lines", "a", "-Da=b -Dx -Dc=d", "a: -Da=b\n  -Dc=d # c\n", "a: -Da=b\n  -Dx -Dc=d # c\n"},
		{"single-quoted over lines", "a", "it's x long", "a: 'it''s\n  long'\n", "a: 'it''s\n  x long'\n"},
		{"double-quoted with escapes", "a", "ä b\nx", "a: \"\\u00e4 \\\n    b\\n\"\n", "a: \"\\u00e4 \\\n    b\\nx\"\n"},
		{"all escapes", "a", "\x00\a\b\t\v\f\r\x1b \"\u0085\u00a0\u2028\u2029é€𝄞 x", "a: \"\\0\\a\\b\\t\\v\\f\\r\\e\\ \\\"\\N\\_\\L\\P\\xe9\\u20AC\\U0001d11e y\"\n",
			"a: \"\\0\\a\\b\\t\\v\\f\\r\\e\\ \\\"\\N\\_\\L\\P\\xe9\\u20AC\\U0001d11e x\"\n"},
		{"folded by an odd line break", "a", "x\u2028z!", "a: 'x\u2028  z'\n", "a: \"x\\u2028z!\"\n"},
		{"absent in flow", "a.b", "x", "a: {b: , c: 1}\n", "a: {b: x , c: 1}\n"},
		{"literal appended", "a", "x\nw z\n", "a: |\n  x\n  w\n\nb: 1\n", "a: |\n  x\n  w z\n\nb: 1\n"},
		{"literal with a new line", "a", "x\nk\nw", "a: |-\n    x\n    w\n", "a: |-\n    x\n    k\n    w\n"},
		{"folded appended", "a", "-Da -Db -Dc", "a: >- # c\n  -Da\n  -Db\n# d\nb: 1\n", "a: >- # c\n  -Da\n  -Db -Dc\n# d\nb: 1\n"},
		{"folded, inside", "a", "-Da -Dx=w -Dc\n", "a: >\n  -Da\n  -Dx=z\n  -Dc\n", "a: >\n  -Da\n  -Dx=w\n  -Dc\n"},
		{"folded, one taken out", "a", "-Da -Dc\n", "a: >\n  -Da\n  -Db\n  -Dc\n", "a: >\n  -Da\n  -Dc\n"},
		{"folded, first taken out", "a", "-Db\n", "a: >\n  -Da\n  -Db\n", "a: >\n  -Db\n"},
		{"folded with blank and indented lines", "a", "a b\n\n  c\nd!\n", "a: >\n  a\n  b\n\n    c\n  d\n", "a: >\n  a\n  b\n\n    c\n  d!\n"},
		{"literal kept", "a", "x!\n\n", "a: |+\n  x\n\nb: 1\n", "a: |+\n  x!\n\nb: 1\n"},
		{"chomping changes", "a", "x", "a: |  # c\n  x\nb: 1\n", "a: |-  # c\n  x\nb: 1\n"},
		{"runes are not cut", "a", "größe", "a: gröÿe\n", "a: größe\n"},
		{"token changes to a number", "a", "1e3", "a: 1ex\n", "a: '1e3'\n"},

		// New entries.
		{"below a nested last entry", "a.k", 1, "a:\n  b:\n    c: 1 # c\n    # full\n\nd: 1\n", "a:\n  b:\n    c: 1 # c\n  k: 1\n    # full\n\nd: 1\n"},
		{"after a literal", "k", 1, "a: |\n  x\n\n\n# c\n", "a: |\n  x\nk: 1\n\n\n# c\n"},
		{"after a kept literal", "k", 1, "a: |+\n  x\n\n\n# c\n", "a: |+\n  x\n\n\nk: 1\n# c\n"},
		{"before a literal without line end", "k", 1, "a: 1\nb: |\n  x", "a: 1\nk: 1\nb: |\n  x"},
		{"below the key of a literal without line end", "a.k", 1, "a: # c\n  b: |\n    x", "a: # c\n  k: 1\n  b: |\n    x"},
		{"text without line end", "k", "x\n", "a: 1", "a: 1\nk: \"x\\n\""},
		{"keys are quoted if need be", `["a: b"].on`, 1, "x: 1\n", "x: 1\n'a: b':\n  'on': 1\n"},
		{"four columns", "a.k.m", 1, "a:\n    b:\n        c: 1\n", "a:\n    b:\n        c: 1\n    k:\n        m: 1\n"},
		{"dashes not indented", "a.m[name=x].v", 1, "a:\n  l:\n  - name: w\n", "a:\n  l:\n  - name: w\n  m:\n  - name: x\n    v: 1\n"},
		{"dashes indented", "a.m[name=x].v", 1, "a:\n  l:\n    - name: w\n", "a:\n  l:\n    - name: w\n  m:\n    - name: x\n      v: 1\n"},
		{"wide dashes", "l[name=x]", map[string]any{"name": "x", "v": 1}, "l:\n-   name: w\n", "l:\n-   name: w\n-   name: x\n    v: 1\n"},
		{"dash on a line of its own", "l[name=x].v", 1, "l:\n  -\n    name: w\n", "l:\n  -\n    name: w\n  - name: x\n    v: 1\n"},
		{"into a list entry", "l[name=w].v", 1, "l:\n  - name: w # c\n  - name: z\n", "l:\n  - name: w # c\n    v: 1\n  - name: z\n"},
		{"whole entry", "v[name=truststore]", volume, "v:\n- name: a\n", "v:\n- name: a\n- name: truststore\n  secret:\n    items:\n    - key: truststore.jks\n      path: truststore.jks\n    secretName: db-1\n"},
		{"entry picked by a number", "l[port=8081].v", 1, "l:\n- port: 8081\n", "l:\n- port: 8081\n  v: 1\n"},
		{"list in a list", "a", []any{[]any{1, []any{}}, map[string]any{}, "x\nw"}, "b: 1\n", "b: 1\na:\n  - - 1\n    - []\n  - {}\n  - |-\n    x\n    w\n"},
		{"merged map", "b.k", 1, "a: &x {c: 1}\nb:\n  <<: *x\n", "a: &x {c: 1}\nb:\n  <<: *x\n  k: 1\n"},

		// Empty parents.
		{"null parent", "a.b", 1, "a: # c\nd: 1\n", "a: # c\n  b: 1\nd: 1\n"},
		{"tilde parent", "a.b.c", 1, "a: ~   # c\nd: 1\n", "a:   # c\n  b:\n    c: 1\nd: 1\n"},
		{"empty map", "a.b", 1, "a: {} # c\n", "a: # c\n  b: 1\n"},
		{"empty list", "a[name=x].v", 1, "a: [ ]", "a:\n  - name: x\n    v: 1"},
		{"empty map over lines", "a.b", 1, "a: {\n}\nd: 1\n", "a:\n  b: 1\nd: 1\n"},
		{"empty root", "a.b", "x", "{}\n", "{a: {b: x}}\n"},

		// Flow style.
		{"flow map", "a.k", "x", "a: {b: 1} # c\n", "a: {b: 1, k: x} # c\n"},
		{"flow map with a comma at its end", "a.k", "x", "a: {b: 1, }\n", "a: {b: 1, k: x, }\n"},
		{"flow list", "a[name=x].v", "a, b", "a: [{name: w}]\n", "a: [{name: w}, {name: x, v: 'a, b'}]\n"},
		{"flow null", "a.b.c", 1, "a: {b: , d: 1}\n", "a: {b: {c: 1} , d: 1}\n"},
		{"flow over lines", "a.k", 1, "a: {\n  b: 1, # c\n  d: 1 # e\n}\n", "a: {\n  b: 1, # c\n  d: 1, # e\n  k: 1\n}\n"},
		{"flow over lines with a comma", "a.k", 1, "a: {\n  b: 1, # c\n}\n", "a: {\n  b: 1, # c\n  k: 1,\n}\n"},
		{"JSON", "a.k", "x", `{"a": {"b": 1}}`, `{"a": {"b": 1, "k": "x"}}`},
		{"tight JSON", "a.k.m", "x", `{"a":{"b":1}}`, `{"a":{"b":1,"k":{"m":"x"}}}`},
		{"JSON over lines", "a.k.m", []any{"x"}, "{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}\n", "{\n\t\"a\": {\n\t\t\"b\": 1,\n\t\t\"k\": {\n\t\t\t\"m\": [\n\t\t\t\t\"x\"\n\t\t\t]\n\t\t}\n\t}\n}\n"},
		{"JSON list over lines", "l[name=x].k", 1, "{\n  \"l\": [\n    {\"name\": \"z\"}\n  ]\n}\n", "{\n  \"l\": [\n    {\"name\": \"z\"},\n    {\n      \"name\": \"x\",\n      \"k\": 1\n    }\n  ]\n}\n"},
		{"empty JSON", "a.b", 1, "{\n  \"a\": {}\n}\n", "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n"},
		{"JSON string", "a", "b\"ä\u0001", `{"a": "x"}`, `{"a": "b\"ä\u0001"}`},

		// Replaced as a whole.
		{"map by map", "a", map[string]any{"c": 1}, "a: # c\n  b: 1 # d\n  e: 2\nf: 1\n", "a: # c\n  c: 1\nf: 1\n"},
		{"list by list", "a", []any{1, 2}, "a:\n- x\nf: 1\n", "a:\n- 1\n- 2\nf: 1\n"},
		{"map by scalar", "a", "x", "a: # c\n  b: 1\nf: 1\n", "a: x # c\nf: 1\n"},
		{"map by list", "a", []any{1}, "a: # c\n  b: 1\nf: 1\n", "a: # c\n  - 1\nf: 1\n"},
		{"scalar by map", "a", map[string]any{"b": 1}, "a: x # c\nf: 1\n", "a: # c\n  b: 1\nf: 1\n"},
		{"scalar by an empty map", "a", map[string]any{}, "a: x # c\n", "a: {} # c\n"},
		{"flow by flow", "a", map[string]any{"b": "x"}, "a: {c: 1} # c\n", "a: {b: x} # c\n"},
		{"entry", "l[name=x]", map[string]any{"name": "x", "b": 1}, "l:\n- name: x # c\n  a: 1\n- name: w\n", "l:\n- name: x\n  b: 1\n- name: w\n"},
		{"the field that picks the entry", "l[name=x].name", "z", "l:\n- name: x # c\n- name: w\n", "l:\n- name: z # c\n- name: w\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := mustApply(t, tt.in, set(t, tt.path, tt.value))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	tests := []struct{ name, path, in, want string }{
		{"with its comment", "b", "a: 1\n# about b\nb: 2 # c\n# about d\nd: 1\n", "a: 1\n# about b\n# about d\nd: 1\n"},
		{"first", "a", "# head\na: 1\nb: 2\n", "# head\nb: 2\n"},
		{"first line", "a", "a: 1\nb: 2\n", "b: 2\n"},
		{"last without line end", "b", "a: 1\nb: 2", "a: 1"},
		{"after a literal, without line end", "b", "a: |\n  x\nb: 2", "a: |\n  x\n"},
		{"nested first", "a.b", "a: # c\n  # d\n  b: 1\n  e: 1\n", "a: # c\n  # d\n  e: 1\n"},
		{"with all lines", "a.b", "a:\n  b:\n    - 1\n    - 2\n\n  e: 1\n", "a:\n\n  e: 1\n"},
		{"last entry", "a.b", "a: # c\n  b: 1\nd: 1\n", "a: {} # c\nd: 1\n"},
		{"list entry", "l[name=w]", "l:\n- name: x\n- name: w # c\n- name: z\n", "l:\n- name: x\n- name: z\n"},
		{"first list entry", "l[name=x]", "l:\n- name: x\n- name: w\n", "l:\n- name: w\n"},
		{"only list entry", "l[name=x]", "l:\n- name: x\nm: 1\n", "l: []\nm: 1\n"},
		{"on the dash's line", "l[name=x].a", "l:\n- a: 1 # c\n  name: x\n", "l:\n- name: x\n"},
		{"flow", "a.b", "a: {x: 1, b: 2, c: 3}\n", "a: {x: 1, c: 3}\n"},
		{"flow last", "a.b", "a: {x: 1 , b: 2}\n", "a: {x: 1 }\n"},
		{"flow only", "a.b", "a: {b: 2}\n", "a: {}\n"},
		{"flow lines", "a.b", "a: {\n  x: 1, # x\n  b: 2, # b\n  # about c\n  c: 3\n}\n", "a: {\n  x: 1, # x\n  # about c\n  c: 3\n}\n"},
		{"windows line ends", "b", "a: 1\r\nb: 2\r\nc: 3\r\n", "a: 1\r\nc: 3\r\n"},
		{"absent", "x.w[name=z].w", "a: 1\n", "a: 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := mustApply(t, tt.in, del(t, tt.path))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	tests := []struct {
		name, in string
		edit     Edit
		want     string
		alone    bool // no edit that succeeds comes before
	}{
		{"through an alias", "a: &x {b: 1}\nc: *x\n", set(t, "c.b", 2), "line 2: c.b: c is the alias *x", false},
		{"what an alias repeats", "a: &x\n  b: 1\nc: *x\n", set(t, "a.b", 2), "line 2: a.b: a has the anchor &x, which line 3 repeats", false},
		{"anchored scalar in use", "a: &x 1\nc: *x\n", set(t, "a", 2), "line 1: a: a has the anchor &x, which line 2 repeats", false},
		{"merged key", "a: &x {b: 1}\nc:\n  <<: *x\n", set(t, "c.b", 2), `line 2: c.b: key "b" comes from a merge`, false},
		{"inside a merged key", "a: &x {b: {d: 1}}\nc:\n  <<: *x\n", set(t, "c.b.d", 2), `line 2: c.b.d: key "b" comes from a merge`, false},
		{"anchor lost", "a:\n  b: &x 1\n", set(t, "a", 2), "line 1: a: the anchor &x would be lost", false},
		{"anchor of a map lost", "a: &x\n  b: 1\n", set(t, "a", 2), "line 1: a: the anchor &x would be lost", false},
		{"anchor of null lost", "a: &x\n", set(t, "a.b", 2), "line 1: a.b: it has an anchor or a tag", false},
		{"anchor removed in use", "a: &x 1\nb: *x\n", del(t, "a"), "line 1: a: a has the anchor &x", false},
		{"inner anchor removed in use", "a: [&x 1]\nb: *x\n", del(t, "a"), "line 1: a: the anchor &x is used in line 2", false},
		{"map wanted, list found", "\na:\n- 1\n", set(t, "a.b", 2), `line 2: a.b: key "b": want a map, found a list`, false},
		{"map wanted, scalar found", "a: x\n", set(t, "a.b", 2), `line 1: a.b: key "b": want a map, found a scalar`, false},
		{"list wanted, map found", "a: {}\n", set(t, "a[name=x].b", 2), `line 1: a[name=x].b: [name=x]: want a list, found a map`, false},
		{"list of scalars", "a:\n- x\n", set(t, "a[name=x].b", 2), `line 1: a[name=x].b: [name=x]: list entry 1 is a scalar, not a map`, false},
		{"two entries", "l:\n- name: x\n- name: x\n", set(t, "l[name=x].b", 2), `line 1: l[name=x].b: [name=x]: list entries 1 and 2 both have this value`, false},
		{"entry without its field", "l:\n- name: x\n", set(t, "l[name=w]", map[string]any{"b": 1}), `l[name=w]: [name=w]: the value must be a map that has this field`, false},
		{"entry replaced by a scalar", "l:\n- name: x\n", set(t, "l[name=x]", 1), `the value must be a map that has this field`, false},
		{"new entry contradicts itself", "a: 1\n", set(t, "l[name=x].name", "w"), `the value must be a map that has this field`, false},
		{"explicit key", "? a\n: b\n", set(t, "c", 1), "line 1: c: its keys are written with question marks", true},
		{"pair without braces", "a: [b: 1, name: x]\n", set(t, "a[name=x].c", 1), "it is a pair without braces", false},
		{"nothing left", "a: 1\n", del(t, "a"), "line 1: a: nothing would be left", true},
		{"empty path", "a: 1\n", Edit{Value: 1}, "the path is empty", false},
		{"list at the root", "a: 1\n", Edit{Path: Path{Item("a", "b")}, Value: 1}, "the document is a map", false},
		{"list in a list", "a: 1\n", Edit{Path: Path{Key("x"), Item("a", "b"), Item("a", "b")}}, "is a map, not a list", false},
		{"not UTF-8", "a: 1\n", set(t, "a", "\xff"), "a string is not UTF-8", false},
		{"not finite", "a: 1\n", set(t, "a", map[string]any{"x": []any{math.Inf(1)}}), "a number is not finite", false},
		{"not a plain value", "a: 1\n", set(t, "a", struct{}{}), "a value of type struct {} cannot be written", false},
		{"after an open literal", "l:\n- name: x\n  v: |\n    x", set(t, "l[name=z].v", 1), "line 1: l[name=z].v: it ends in a literal or folded scalar without a line end", true},
		{"dash line, then a comment", "l:\n- a: 1\n  # c\n  name: x\n", del(t, "l[name=x].a"), "line 2: l[name=x].a: it stands on the line of a dash", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			edits := []Edit{tt.edit}
			if !tt.alone {
				edits = []Edit{set(t, "fine", 1), tt.edit}
			}
			out, undos, err := Apply([]byte(tt.in), edits)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("err = %v, want %s", err, tt.want)
			}
			if out != nil || undos != nil {
				t.Errorf("returned %q, %v with an error", out, undos)
			}
		})
	}
}

func TestNoOp(t *testing.T) {
	doc := "a: 8081 # c\nb: \"x\"\nl: [{name: x, v: 1.0}]\n"
	edits := []Edit{
		set(t, "a", 8081), set(t, "b", "x"), set(t, "l[name=x].v", 1), del(t, "z"),
		set(t, "l", []any{map[string]any{"v": 1, "name": "x"}}),
	}
	out, undos := mustApply(t, doc, edits...)
	if out != doc {
		t.Errorf("changed to %q", out)
	}
	if diff := cmp.Diff(make([]Undo, len(edits)), undos); diff != "" {
		t.Errorf("undos (-want +got):\n%s", diff)
	}
}

// TestStringsAreStrings writes strings that a parser might take for something
// else, and has kubectl's rules (Decode) and the pattern of quote judge them.
func TestStringsAreStrings(t *testing.T) {
	quoted := []string{
		"", "~", "null", "NULL", "true", "False", "yes", "No", "on", "OFF", "y", "N", "8081", "-1", "+12", "1_000", "0x1F", "0o17", "017", "0b11",
		"1e3", "1.5", ".5", "5.", "-.5e-3", ".inf", "-.INF", ".nan", "12:30:45", "190:20:30.15", "2001-12-14", "2001-12-14t21:59:43.10-05:00",
		"2001-12-14 21:59:43", "<<", "=", " x", "x ", "a: b", "a #b", "a:", "#", "- a", "-", "? a", "?", "[a", "{a", "&a", "*a", "!a", "|", ">", "'a", "\"a",
		"%a", "@a", "`a", "---", "...", ",a", ": a",
	}
	plain := []string{
		"a", "-Da=b", "a:b", "a#b", "http://a/b?c=d", "<jks-secret>:/opt", "1.2.3", "10.0.0.1", "2048m", "10 min", "0.25x", "12:90:99", "a'b", "größe", "日本", "𝄞", "?a", ":a",
		"e3", "0xg", "L-CYBH-K48BZQ", "TLS_A,TLS_B", "file:///opt", "yess", "a\u00a0b",
	}
	for _, s := range append(quoted, plain...) {
		for _, doc := range []string{"a: 1\n", "{a: 1}\n", "a: |\n  x\n", "a: 'x'\n", "{\"a\": 1}"} {
			for _, p := range []string{"a", "b", "b.c", "b[name=n].v"} {
				mustApply(t, doc, set(t, p, s))
			}
		}
		want := false
		for _, p := range plain {
			want = want || p == s
		}
		if got := plainSafe(s, false); got != want {
			t.Errorf("plainSafe(%q) = %v, want %v", s, got, want)
		}
	}
	for _, s := range []string{"a\tb", "\t", "a\nb", "\n", "a\n\n", "\n\na", " a\nb", "a\r\nb", "\u0085", "\u2028", "\ufeff", "\x00", "\x7f", "a\n b\n", "a\nb ", "\U0010ffff", "a'\"\\\n"} {
		for _, doc := range []string{"a: 1\n", "{a: 1}\n", "a: |\n  x\n", "a: >+\n  x\n\nb: 1\n", "a: 'x'", "a: \"x\"\n", "{\"a\": 1}", "a: 1\r\n"} {
			mustApply(t, doc, set(t, "a", s))
			mustApply(t, doc, set(t, "z.x", s))
			mustApply(t, doc, set(t, "z", []any{s, map[string]any{s: s}}))
		}
	}
}

func TestLine(t *testing.T) {
	doc := "# c\na:\n  b: |\n    x\n  l:\n  -\n    name: x\n    v: 1\n"
	for p, want := range map[string]int{"a": 2, "a.b": 3, "a.l": 5, "a.l[name=x]": 6, "a.l[name=x].v": 8, "a.c": 0, "a.b.c": 0, "a.l[name=w]": 0} {
		if got := Line([]byte(doc), path(t, p)); got != want {
			t.Errorf("Line(%s) = %d, want %d", p, got, want)
		}
	}
	if got := Line([]byte("a: ["), path(t, "a")); got != 0 {
		t.Errorf("Line of a broken document = %d, want 0", got)
	}
}
