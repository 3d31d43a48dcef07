package yamledit

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"
)

func TestDecode(t *testing.T) {
	doc := `%YAML 1.1
---
s: x
i: 0x1F
oct: 0644
big: 18446744073709551615
f: 1e3
inf: [.inf, -.INF, .nan]
b: [yes, Off, y, 'yes', !!str no]
nulls: [~, null, Null, '']
date: 2001-12-14
bin: !!binary aGk=
own: !mine x
1: one
on: two
base: &base {a: 1, b: {c: 2}}
merged: {<<: *base, a: 3}
list: {<<: [{x: 1}, {x: 2, z: 3}]}
alias: *base
...
`
	base := map[string]any{"a": int64(1), "b": map[string]any{"c": int64(2)}}
	want := map[string]any{
		"inf": []any{math.Inf(1), math.Inf(-1), math.NaN()},
		"s":   "x", "i": int64(31), "oct": int64(420), "big": float64(18446744073709551615), "f": float64(1000),
		"b": []any{true, false, true, "yes", "no"}, "nulls": []any{nil, nil, nil, ""},
		"date": "2001-12-14", "bin": "hi", "own": "x", "1": "one", "true": "two", "base": base, "alias": base,
		"merged": map[string]any{"a": int64(3), "b": map[string]any{"c": int64(2)}}, "list": map[string]any{"x": int64(1), "z": int64(3)},
	}
	got, err := Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	mustApply(t, doc, set(t, "s", "y"), del(t, "f"))
}

// TestDecodeAsKubectl compares with the decoder of kubectl and the API server.
func TestDecodeAsKubectl(t *testing.T) {
	for name, src := range fixtures(t) {
		var want map[string]any
		if err := yaml.Unmarshal(src, &want); err != nil {
			t.Fatal(name, err)
		}
		got, err := Decode(src)
		if err != nil {
			t.Fatal(name, err)
		}
		if diff := cmp.Diff(want, floats(got)); diff != "" {
			t.Errorf("%s (-kubectl +Decode):\n%s", name, diff)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 6; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	tests := []struct{ name, in, want string }{
		{"duplicate key", "a: 1\nb:\n  c: 1\n  'c': 2\n", `line 4: key "c" is there twice`},
		{"duplicate merge", "a: &x {}\nb: {<<: *x, <<: *x}\n", `line 2: key "<<" is there twice`},
		{"cycle", "a: &x\n  b: *x\n", "line 2: alias *x stands inside what it names"},
		{"cycle of a list", "a: &x [*x]\n", "line 1: alias *x stands inside what it names"},
		{"cycle of a merge", "a: &x\n  <<: *x\n", "line 2: alias *x stands inside what it names"},
		{"aliases", bomb, "aliases expand to more than 100000 nodes"},
		{"merge of a scalar", "a: {<<: 1}\n", "line 1: a merge wants maps"},
		{"merge of lists", "a: {<<: [[{b: 1}]]}\n", "line 1: a merge wants maps"},
		{"unknown alias", "a: *x\n", "unknown anchor 'x'"},
		{"list", "- a\n", "line 1: the document is not a map"},
		{"scalar", "a\n", "line 1: the document is not a map"},
		{"map key", "{a: 1}: 2\n", "line 1: a map key is not a scalar"},
		{"two documents", "a: 1\n---\nb: 1\n", "more than one document"},
		{"junk after the document", "a: 1\n...\n]\n", "yaml: "},
		{"syntax", "a: [\n", "yaml: line 1: did not find expected"},
		{"tab", "a:\n\tb: 1\n", "yaml: line 2: found character that cannot start any token"},
		{"tag", "a: !!int secret\n", "line 1: a value does not fit its tag !!int"},
		{"UTF-16", "\xff\xfea\x00:\x00", "the document is not UTF-8"},
		{"control characters", "a: \x01\n", "yaml: control characters are not allowed"},
		{"depth", "a: " + strings.Repeat("[", 201) + strings.Repeat("]", 201), "nested deeper than 200"},
		{"too deep for the parser", "a: " + strings.Repeat("[", 20000) + strings.Repeat("]", 20000), "exceeded max depth"},
		{"size", "a: " + strings.Repeat("x", maxSize), "more than 8388608 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode([]byte(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("err = %v, want %s", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a value: %v", err)
			}
			if _, _, again := Apply([]byte(tt.in), []Edit{set(t, "z", 1)}); again == nil || again.Error() != err.Error() {
				t.Errorf("Apply: %v, want %v", again, err)
			}
		})
	}
	for _, in := range []string{"", "\n", "# c\n", "---\n", "--- # c\n...\n", "null\n", "--- ~\n", "\uFEFF"} {
		if _, err := Decode([]byte(in)); !errors.Is(err, ErrEmpty) {
			t.Errorf("Decode(%q) = %v, want ErrEmpty", in, err)
		}
	}
}

func TestObjects(t *testing.T) {
	obj := map[string]any{"a": 1, "l": []any{map[string]any{"name": "x"}}, "s": map[string]string{"k": "v"}, "t": []string{"u"}, "e": uint64(1) << 63, "i": int32(1), "g": float32(0.5), "h": uint(7)}
	got, err := ApplyObject(obj, []Edit{set(t, "l[name=x].v", 1), set(t, "b.c", nil), del(t, "s.k")})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a": int64(1), "l": []any{map[string]any{"name": "x", "v": int64(1)}}, "s": map[string]any{}, "t": []any{"u"},
		"b": map[string]any{"c": nil}, "e": float64(1 << 63), "i": int64(1), "g": 0.5, "h": int64(7),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := obj["b"]; ok || len(obj["l"].([]any)[0].(map[string]any)) != 1 {
		t.Errorf("the argument was changed: %v", obj)
	}
	if got, err := ApplyObject(nil, []Edit{set(t, "a", 1)}); err != nil || !equal(got, map[string]any{"a": 1.0}) {
		t.Errorf("ApplyObject(nil) = %v, %v", got, err)
	}
	for _, v := range []any{struct{}{}, []any{make(chan int)}, map[string]any{"\xff": 1}} {
		if _, err := ApplyObject(map[string]any{"v": v}, nil); err == nil {
			t.Errorf("ApplyObject of %v: no error", v)
		}
	}
}

func TestGet(t *testing.T) {
	obj, err := Decode([]byte("a: {b: [{id: 1, v: x}, {id: 2, v: z}, {id: 2}, w], c: null}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]any{"a.b[id=1].v": "x", "a.c": nil} {
		if got, ok := Get(obj, path(t, p)); !ok || got != want {
			t.Errorf("Get(%s) = %v, %v", p, got, ok)
		}
	}
	for _, p := range []string{"a.b[id=2]", "a.b[id=3]", "a.b.c", "a[id=1]", "a.c.d", "z", "a.b[id=1].v.w"} {
		if got, ok := Get(obj, path(t, p)); ok {
			t.Errorf("Get(%s) = %v, want none", p, got)
		}
	}
	if got, ok := Get(obj, nil); !ok || !equal(got, obj) {
		t.Errorf("Get of the empty path = %v, %v", got, ok)
	}
}
