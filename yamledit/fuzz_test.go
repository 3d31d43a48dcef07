package yamledit

import (
	"strings"
	"testing"
)

// fuzzEdits are made one at a time and all together.
func fuzzEdits(t testing.TB) []Edit {
	return []Edit{
		set(t, "a", "x y"), set(t, "a.b", 1), set(t, "b", "true"), set(t, "a[name=x].c", "v"), set(t, "b[name=y]", map[string]any{"name": "y", "z": []any{"q"}}),
		set(t, "c", "l1\nl2\n"), set(t, "d", map[string]any{"e": map[string]any{}}), del(t, "a"), del(t, "a.b"), del(t, "b[name=x]"), del(t, "c.d"),
	}
}

func fuzzOne(t *testing.T, doc []byte, edits []Edit) {
	out, undos, err := Apply(doc, edits)
	if err != nil {
		if out != nil || undos != nil {
			t.Fatalf("returned %q, %v with %v", out, undos, err)
		}
		return
	}
	before, err := Decode(doc)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ApplyObject(before, edits)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(out)
	if err != nil || !equal(got, want) {
		t.Fatalf("%v: want %s, got %s\n%q", err, canonical(nil, want), canonical(nil, got), out)
	}
	checkRevert(t, string(doc), string(out), undos)
}

func FuzzApplyRevert(f *testing.F) {
	for _, s := range []string{
		"a: 1\n", "a: x # c\nb: {c: 1}\n", "a:\n- name: x\n  b: 1\n- name: y\nb: ~\n", "a: {b: 1, }\nc: 'x'", "{\"a\": {\"b\": []}, \"c\": \"x\\u00e4\"}",
		"a: |+\n  x\n\n# c\nb: >-\n  y\n  z", "a: &x {b: 1}\nb:\n  <<: *x\nc: *x\n", "? a\n: b\n", "--- # c\na: \"x\\\n  y\"\nb: x\n  y\n...\n", "\uFEFFa:\r\n    b: 1\r\n",
		"a: [\n  {name: x}, # c\n]\n", "a: !!map\n  b: !!str 1\n", "a:\u2028  b: 1\u0085c: 2\r", "b: [name: x]\n", "a: [&x x, *x]\nb: {? c : d, e}\n", "c:\n  d: |1\n   x\n",
	} {
		f.Add([]byte(s))
	}
	for _, src := range fixtures(f) {
		f.Add(src)
	}
	edits := fuzzEdits(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		if len(doc) > 4<<10 {
			return
		}
		for i := range edits {
			fuzzOne(t, doc, edits[i:i+1])
		}
		fuzzOne(t, doc, edits)
	})
}

// FuzzScalar writes any string over any scalar.
func FuzzScalar(f *testing.F) {
	for _, s := range []string{"", "x", "it's", "a: b", "x\ny\n", " x\n\n y", "-Da=b -Dc=d", "\x00\u2028\U0001F600", "true", "0o7", "#"} {
		f.Add(s, "y z", byte(0))
		f.Add("y z", s, byte(3))
		f.Add(s+" z", s, byte(4))
	}
	f.Fuzz(func(t *testing.T, old, s string, style byte) {
		if len(old)+len(s) > 4<<10 {
			return
		}
		lines := strings.Join(indentLines(old, 3), "\n")
		doc := []string{
			"a: " + old + "\nb: 1\n", "a: '" + old + "'\n", "a: \"" + old + "\"", "a: |\n" + lines + "\nb: 1\n", "a: >-\n" + lines, "{a: \"" + old + "\"}",
			"a: >+ # c\n" + lines + "\n\nb: 1\n", "a: |3-\n" + lines + "\n",
		}[style%8]
		fuzzOne(t, []byte(doc), []Edit{set(t, "a", s)})
	})
}

// FuzzRevert gives Revert undos that Apply did not make: it must not change
// other values, nor fail.
func FuzzRevert(f *testing.F) {
	f.Add([]byte("a: 1\nb: {c: 2}\n"), "b.c", 1, " x", "line", "")
	f.Add([]byte("a: 1\nb: 2\n"), "b", 0, "x", "block", digest(int64(2)))
	f.Add([]byte("a: 1\nb: 2\n"), "c", 0, "\nc: 3", "+0 a", "")
	f.Add([]byte("l:\n- name: x\n"), "l[name=y]", 0, "\n- name: y", "+0 0", "")
	f.Add([]byte("l:\n- name: x\n"), "l[name=y]", 0, "- name: y\n", "inline", "")
	f.Add([]byte("l:\n- name: x\n"), "z", 0, "z: 1\n", "top", "")
	f.Fuzz(func(t *testing.T, doc []byte, p string, added int, was, after, wrote string) {
		if len(doc) > 4<<10 {
			return
		}
		u := Undo{Path: p, New: added, Was: &was, After: &after, Wrote: wrote}
		out, kept, err := Revert(doc, []Undo{u})
		if err != nil {
			return
		}
		if len(kept) > 0 && string(out) != string(doc) {
			t.Fatalf("kept the undo, but changed the document: %q", out)
		}
		if len(kept) > 0 || p == "" {
			return
		}
		if _, err := Decode(out); err != nil {
			t.Fatalf("Revert broke the document: %v\n%q", err, out)
		}
	})
}
