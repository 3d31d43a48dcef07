package yamledit

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ptr(s string) *string { return &s }

// TestUndo shows what is stored.
func TestUndo(t *testing.T) {
	doc := "a: 'x' # c\nb: {}  # d\nl:\n- name: x\n  # e\n  v: 1\nf: {g: 1, h: 2}\n"
	_, undos := mustApply(t, doc, set(t, "a", "w"), set(t, "b.c.d", 1), set(t, "l[name=z].v", "p"), del(t, "l[name=x].v"), del(t, "f.g"), set(t, "a", "w"))
	want := []Undo{
		{Path: "a", Was: ptr("'x'"), Wrote: digest("w")},
		{Path: "b.c.d", New: 2, Was: ptr(" {}  # d"), After: ptr("line"), Wrote: digest(int64(1))},
		{Path: "l[name=z].v", New: 2, Wrote: digest("p")},
		{Path: "l[name=x].v", Was: ptr("\n  v: 1"), After: ptr("+1 name")},
		{Path: "f", Was: ptr("{g: 1, h: 2}"), Wrote: digest(map[string]any{"h": int64(2)})},
		{},
	}
	if diff := cmp.Diff(want, undos); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRevertAfterOthers(t *testing.T) {
	tests := []struct {
		name, in string
		edits    []Edit
		change   [2]string // by somebody else, after the edits: old, new
		want     string
		kept     []string
	}{
		{"value changed", "a: x\nb: w\n", []Edit{set(t, "a", "1x"), set(t, "b", "2x")}, [2]string{"2x", "3x"},
			"a: x\nb: 3x\n", []string{"b"}},
		{"other lines changed", "# c\na: x\nb: w\n", []Edit{set(t, "a", "1x"), set(t, "d.e", 1)}, [2]string{"# c\n", "# d\nz: 1\n"},
			"# d\nz: 1\na: x\nb: w\n", nil},
		{"quoted otherwise, same value", "a: x\n", []Edit{set(t, "a", "v")}, [2]string{"v", "'v' # mine"},
			"a: x # mine\n", nil},
		{"created parent got more", "a: 1\n", []Edit{set(t, "b.c.d", 1)}, [2]string{"d: 1\n", "d: 1\n    e: 2\n"},
			"a: 1\nb:\n  c:\n    e: 2\n", nil},
		{"created entry got more", "a: 1\n", []Edit{set(t, "b[name=x].d", 1)}, [2]string{"d: 1\n", "d: 1\n    e: 2\n"},
			"a: 1\nb:\n  - name: x\n    e: 2\n", nil},
		{"created node removed", "a: 1\nb: {}\n", []Edit{set(t, "b.c.d", 1)}, [2]string{"  c:\n    d: 1\n", "  e: 1\n"},
			"a: 1\nb:\n  e: 1\n", nil},
		{"created node emptied", "a: 1\nb: {} # c\n", []Edit{set(t, "b.c.d", 1)}, [2]string{"c:\n    d: 1\n", "c:\n"},
			"a: 1\nb: {} # c\n", nil},
		{"replaced node removed", "a: 1\nb: 2\n", []Edit{set(t, "a", 3)}, [2]string{"a: 3\n", ""},
			"b: 2\n", []string{"a"}},
		{"filled parent got more", "a: {}\n", []Edit{set(t, "a.b", 1)}, [2]string{"b: 1", "b: 1\n  c: 2"},
			"a:\n  c: 2\n", nil},
		{"siblings of a created list entry", "l: []\n", []Edit{set(t, "l[name=x].v", 1)}, [2]string{"v: 1\n", "v: 1\n  - name: z\n"},
			"l:\n  - name: z\n", nil},
		{"only entry by now", "a:\n  b: 1\n", []Edit{set(t, "a.c", 2)}, [2]string{"  b: 1\n", ""},
			"a: {}\n", nil},
		{"only entry of the document by now", "a: 1\n", []Edit{set(t, "b", 2)}, [2]string{"a: 1\n", ""},
			"b: 2\n", []string{"b"}},
		{"moved to the dash's line", "l:\n- name: x\n", []Edit{set(t, "l[name=x].v", 1)}, [2]string{"name: x\n  v: 1", "v: 1 # mine\n  name: x"},
			"l:\n- name: x\n", nil},
		{"in flow style by now", "a:\n  b: 1\n", []Edit{set(t, "a.c", 2)}, [2]string{"\n  b: 1\n  c: 2", " {c: 2, b: 1}"},
			"a: {b: 1}\n", nil},
		{"parent in flow style by now", "a:\nb: 1\n", []Edit{set(t, "a.c", 2)}, [2]string{"a:\n  c: 2", "a: {c: 2}"},
			"a:\nb: 1\n", nil},
		{"neighbour of a removed entry gone", "a: 1\nb: 2\nc: 3\n", []Edit{del(t, "b")}, [2]string{"a: 1\n", ""},
			"c: 3\n", []string{"b"}},
		{"removed entry set again", "a: 1\nb: 2\nc: 3\n", []Edit{del(t, "b")}, [2]string{"a: 1\n", "a: 1\nb: 4\n"},
			"a: 1\nb: 4\nc: 3\n", []string{"b"}},
		{"lines before a removed entry", "a: 1\nb: 2\nc: 3\n", []Edit{del(t, "c")}, [2]string{"a: 1\n", "# new\na: 1\nz: 1\n"},
			"# new\na: 1\nz: 1\nb: 2\nc: 3\n", nil},
		{"deeper indentation", "a:\n  l: >-\n    x\n    z\nb: 1\n", []Edit{set(t, "a.l", 1)}, [2]string{"a:\n  l: 1", "a:\n      l: 1"},
			"a:\n      l: 1\nb: 1\n", []string{"a.l"}},
		{"became a list", "a: 1\n", []Edit{set(t, "b.c", 1)}, [2]string{"b:\n  c: 1", "b:\n  - 1"},
			"a: 1\nb:\n  - 1\n", nil},
		{"became an alias", "a: 1\n", []Edit{set(t, "b.c", 1)}, [2]string{"b:\n  c: 1", "d: &x {c: 1}\nb: *x"},
			"a: 1\nd: &x {c: 1}\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, undos := mustApply(t, tt.in, tt.edits...)
			if !strings.Contains(out, tt.change[0]) {
				t.Fatalf("%q is not in:\n%s", tt.change[0], out)
			}
			changed := strings.Replace(out, tt.change[0], tt.change[1], 1)
			got, kept, err := Revert([]byte(changed), undos)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var paths []string
			for _, u := range kept {
				paths = append(paths, u.Path)
			}
			if diff := cmp.Diff(tt.kept, paths); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

// TestKeptUndoRemovesParents: the parents that a reverted edit created go with
// the kept one that stands in them.
func TestKeptUndoRemovesParents(t *testing.T) {
	doc := "a: 1\nx: {} # c\n"
	out, undos := mustApply(t, doc, set(t, "x.b.c.d", 1), set(t, "x.b.c.e", 2))
	changed := strings.Replace(out, "e: 2", "e: 3", 1)
	got, kept, err := Revert([]byte(changed), undos)
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	if want := "a: 1\nx: # c\n  b:\n    c:\n      e: 3\n"; string(got) != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	got, kept, err = Revert([]byte(strings.Replace(string(got), "e: 3", "e: 2", 1)), kept)
	if err != nil || len(kept) != 0 || string(got) != doc {
		t.Errorf("got %q, kept %v, %v; want %q", got, kept, err, doc)
	}
}

// TestUndoInTheDocument stores the undos in the document they belong to, the
// undo of their annotation with them.
func TestUndoInTheDocument(t *testing.T) {
	for _, doc := range []string{"metadata:\n  name: x\nspec: {} # c\n", "metadata: {name: x, annotations: {}}\nspec:\n", `{"metadata": {"name": "x"}, "spec": {"a": 1}}`} {
		note := path(t, `metadata.annotations["flowcert.io/edits"]`)
		edits := []Edit{set(t, "spec.b.c", "x"), {Path: note, Value: ""}}
		_, undos := mustApply(t, doc, edits...)
		undos[1].Wrote = ""
		stored, err := json.Marshal(undos)
		if err != nil {
			t.Fatal(err)
		}
		edits[1].Value = string(stored)
		out, _ := mustApply(t, doc, edits...)

		obj, err := Decode([]byte(out))
		if err != nil {
			t.Fatal(err)
		}
		found, ok := Get(obj, note)
		if !ok {
			t.Fatalf("no annotation in:\n%s", out)
		}
		var loaded []Undo
		if err := json.Unmarshal([]byte(found.(string)), &loaded); err != nil {
			t.Fatal(err)
		}
		back, kept, err := Revert([]byte(out), loaded)
		if err != nil || len(kept) > 0 || string(back) != doc {
			t.Errorf("got %q, kept %v, %v; want %q", back, kept, err, doc)
		}
	}
}

func TestRevertBadUndo(t *testing.T) {
	doc := []byte("a: 1\nb: 2\nc:\n  d: 1\n")
	for _, u := range []Undo{{Path: "a["}, {Path: `[b="c"]`}} {
		if _, _, err := Revert(doc, []Undo{u}); err == nil {
			t.Errorf("%+v: no error", u)
		}
	}
	if _, _, err := Revert([]byte("a: ["), []Undo{{Path: "a"}}); err == nil {
		t.Error("broken document: no error")
	}
	wrote := digest(int64(1))
	for _, u := range []Undo{
		{Path: "a"}, {Path: "a", New: -1, Wrote: wrote}, {Path: "a", New: 2, Wrote: wrote},
		{Path: "a", Was: ptr("9\nz: 8"), Wrote: wrote},                      // would change another value
		{Path: "a", Was: ptr("["), Wrote: wrote},                            // would break the document
		{Path: "a", Was: ptr("1"), After: ptr("odd"), Wrote: digest("odd")}, // another value is there
		{Path: "z", Was: ptr("\nx: 1"), After: ptr("+0 a")},                 // would insert another key
		{Path: "z", Was: ptr("\nz: 1"), After: ptr("+99 a")},
		{Path: "z", Was: ptr("\nz: 1"), After: ptr("+-9 a")},
		{Path: "z", Was: ptr("\nz: 1"), After: ptr("+0 none")},
		{Path: "z", Was: ptr("\nz: 1"), After: ptr("")},
		{Path: "z", Was: ptr("\nz: 1")},
		{Path: "c.d", New: 1, Was: ptr(" 5"), After: ptr("line"), Wrote: wrote}, // would not leave it empty
	} {
		got, kept, err := Revert(doc, []Undo{u})
		if err != nil || len(kept) != 1 || string(got) != string(doc) {
			t.Errorf("%+v: got %q, kept %v, %v", u, got, kept, err)
		}
	}
}
