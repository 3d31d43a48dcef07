package yamledit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExtents compares the source of nodes in documents that are seldom
// written so.
func TestExtents(t *testing.T) {
	tests := []struct {
		name, in string
		want     map[string]string // path to source, without anchor and tag
	}{
		{"anchors and tags", "a: &x !!map\n  # c\n  b: !!str &y 1\n  c: &z\nd: ! q\n", map[string]string{"a": "b: !!str &y 1\n  c: &z", "a.b": "1", "a.c": "", "d": "q"}},
		{"anchor of the first key", "&x a: 1\nb:\n  &y c: 2\n", map[string]string{"a": "1", "b": "&y c: 2", "b.c": "2"}},
		{"anchor before an anchored first key", "b: &m\n  &y c: 2\nd: *y\n", map[string]string{"b": "&y c: 2", "d": "*y"}},
		{"nothing but an anchor", "a: &b\n&c d: !t # x\n!t e: 1\n", map[string]string{"a": "", "d": "", "e": "1"}},
		{"verbatim tag", "a: !<x,y> 1\nb: [!x 1]\nc: {d: !!str , e: !!str x, f: &q, g: &r}\n", map[string]string{"a": "1", "b": "[!x 1]", "c.d": "", "c.f": "", "c.e": "x"}},
		{"empty quotes with a tag", "a: !!str ''\nb: !!str |\nc: 1\n", map[string]string{"a": "''", "b": "|", "c": "1"}},
		{"absent in flow", "a: {b: , c, d: }\ne: 1\n", map[string]string{"a": "{b: , c, d: }", "a.b": "", "a.c": "", "a.d": ""}},
		{"explicit keys", "? a\n: b\n? |\n  k\n: c\n? d\ne: {? f : g}\n", map[string]string{"a": "b", `["k\n"]`: "c", "d": "", "e.f": "g"}},
		{"alias as key", "a: &x k\n*x : v\n", map[string]string{"k": "v"}},
		{"lists in lists", "a:\n- - name: 1\n  - x\n-\n- y\nb: 1\n", map[string]string{"a": "- - name: 1\n  - x\n-\n- y", "b": "1"}},
		{"plain over lines", "a: x\n  y\n\n   z  # c\nb: {c: x\n y, d: 1}\n", map[string]string{"a": "x\n  y\n\n   z", "b.c": "x\n y"}},
		{"comments everywhere", "a: # 1\n  # 2\n  {b: # 3\n  x # 4\n  , # 5\n  c: 1 # 6\n  } # 7\n", map[string]string{"a.b": "x", "a.c": "1"}},
		{"tight flow", "{\"a\":{\"b\":[1,2]},\"c\":\"\"}", map[string]string{"a": `{"b":[1,2]}`, "a.b": "[1,2]", "c": `""`}},
		{"odd line breaks", "a: x\u0085b: |\u2028  y\u2029  z\u2028c: 1\rd: 2", map[string]string{"a": "x", "b": "|\u2028  y\u2029  z", "c": "1", "d": "2"}},
		{"byte order mark", "\uFEFFa: 1\nb:\n  c: 2", map[string]string{"a": "1", "b": "c: 2"}},
		{"runes before", "größe: {大: 𝄞, x: y}\n", map[string]string{`["größe"]["大"]`: "𝄞", `["größe"].x`: "y"}},
		{"block scalars", "a: |2-  # c\n    x\n\n  y \n   \nb: >+\n\n x\n\n\nc: |\n\nd: >1\n  x\n", map[string]string{"a": "|2-  # c\n    x\n\n  y \n   ", "b": ">+\n\n x\n\n", "c": "|", "d": ">1\n  x"}},
		{"kept to the end", "a: |+\n  x\n\n \n ", map[string]string{"a": "|+\n  x\n\n "}},
		{"only blank lines kept", "a: |+\n\n\nb: 1\n", map[string]string{"a": "|+\n\n", "b": "1"}},
		{"indicator inside a list entry", "l:\n- name: x\n  v: |1\n   y\n", map[string]string{"l[name=x].v": "|1\n   y"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := read([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			for p, want := range tt.want {
				n := find(t, d, path(t, p))
				if diff := cmp.Diff(want, string(d.src[n.content:n.end])); diff != "" {
					t.Errorf("%s (-want +got):\n%s", p, diff)
				}
			}
			// Whatever can be edited there is taken back to the byte.
			for _, p := range leaves(d.obj, nil) {
				for _, e := range []Edit{{Path: p, Value: "new"}, {Path: p, Remove: true}, {Path: append(p[:len(p):len(p)], Key("new")), Value: "v"}} {
					if out, undos, err := Apply(d.src, []Edit{e}); err == nil {
						checkEdits(t, tt.in, string(out), []Edit{e}, undos)
					}
				}
			}
		})
	}
}

// find is the node at p, in anchored parts, too.
func find(t *testing.T, d *document, p Path) *node {
	t.Helper()
	n, v := d.root, any(d.obj)
	for _, s := range p {
		child, value, err := descend(n, v, s)
		if err != nil || child == nil {
			t.Fatalf("%s: %v, %v", p, child, err)
		}
		n, v = child, value
	}
	return n
}
