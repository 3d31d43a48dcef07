package yamledit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestEncode(t *testing.T) {
	for _, tt := range []struct {
		name string
		obj  map[string]any
		want string
	}{
		{"empty", map[string]any{}, "{}\n"},
		{"name first", map[string]any{"b": int64(1), "name": "x", "a": true}, "name: x\na: true\nb: 1\n"},
		{"no strings without quotes", map[string]any{"a": "1", "b": "yes", "c": "1e3", "d": "", "1": "=x"}, "'1': =x\na: '1'\nb: 'yes'\nc: '1e3'\nd: ''\n"},
		{"text", map[string]any{"a": map[string]any{"t": "x\n y\n", "u": "v\nw"}}, "a:\n  t: |\n    x\n     y\n  u: |-\n    v\n    w\n"},
		{"lists", map[string]any{"l": []string{"a", "#"}, "m": map[string]string{"k": "v"}, "o": []any{}}, "l:\n  - a\n  - '#'\nm:\n  k: v\no: []\n"},
	} {
		out, err := Encode(tt.obj)
		if err != nil || string(out) != tt.want {
			t.Errorf("%s: %v\n%s", tt.name, err, cmp.Diff(tt.want, string(out)))
		}
	}
	if _, err := Encode(map[string]any{"a": make(chan int)}); err == nil {
		t.Error("a channel was written")
	}
}

// TestEncodeReadsBack holds what is written against two readers: this package's,
// and the one of kubectl.
func TestEncodeReadsBack(t *testing.T) {
	for seed := range uint64(2000) {
		a := newAuthor(seed)
		obj := map[string]any{}
		for range a.IntN(6) {
			obj[a.key()] = a.plainValue(0)
		}
		want, err := normalMap(obj)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Encode(obj)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got, err := Decode(out)
		if err != nil || !equal(got, want) {
			t.Fatalf("seed %d: %v: want %s, got %s\n%s", seed, err, canonical(nil, want), canonical(nil, got), out)
		}
		var kubectl map[string]any
		if err := yaml.UnmarshalStrict(out, &kubectl); err != nil || !equal(kubectl, want) {
			t.Fatalf("seed %d: kubectl: %v: want %s, got %s\n%s", seed, err, canonical(nil, want), canonical(nil, kubectl), out)
		}
	}
}

// TestEqual holds equal against the canonical text, which is what an undo's digest
// is made of.
func TestEqual(t *testing.T) {
	values := []any{nil, true, false, "true", "", "1", int64(1), 1.0, 1.5, int64(0), map[string]any{}, map[string]any(nil), []any{}, []any{nil},
		map[string]any{"a": int64(1)}, map[string]any{"a": 1.0}, map[string]any{"a": "1"}, map[string]any{"b": int64(1)}, map[string]any{"a": int64(1), "b": nil}}
	for seed := range uint64(60) {
		v, err := normal(newAuthor(seed).plainValue(1))
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	for _, a := range values {
		for _, b := range values {
			if want := string(canonical(nil, a)) == string(canonical(nil, b)); equal(a, b) != want {
				t.Errorf("%s and %s: %v, want %v", canonical(nil, a), canonical(nil, b), !want, want)
			}
		}
	}
}
