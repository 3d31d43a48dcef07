package yamledit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func path(t testing.TB, s string) Path {
	t.Helper()
	p, err := ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func set(t testing.TB, p string, v any) Edit { return Edit{Path: path(t, p), Value: v} }
func del(t testing.TB, p string) Edit        { return Edit{Path: path(t, p), Remove: true} }

// fixtures are the files of testdata, and the samples beside the repository
// where they are.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, pattern := range []string{"testdata/*.yaml", "testdata/*.json", "../../shared/data/samples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[f] = src
		}
	}
	if len(all) < 4 {
		t.Fatalf("want the fixtures of testdata, have %d files", len(all))
	}
	return all
}

// mustApply makes the edits and checks what must hold for all edits.
func mustApply(t testing.TB, doc string, edits ...Edit) (string, []Undo) {
	t.Helper()
	out, undos, err := Apply([]byte(doc), edits)
	if err != nil {
		t.Fatalf("Apply: %v\n%s", err, doc)
	}
	checkEdits(t, doc, string(out), edits, undos)
	return string(out), undos
}

// checkEdits checks that the edits made the values of the model, touched no
// other line, and can be taken back to the byte.
func checkEdits(t testing.TB, doc, out string, edits []Edit, undos []Undo) {
	t.Helper()
	before, err := Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	want, err := ApplyObject(before, edits)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode([]byte(out))
	if err != nil {
		t.Fatalf("after the edits: %v\n%s", err, out)
	}
	if diff := cmp.Diff(floats(want), floats(got), cmpopts.EquateNaNs()); diff != "" {
		t.Fatalf("values (-model +document):\n%s\n%s", diff, out)
	}
	checkRevert(t, doc, out, undos)
	if n, allowed := goneLines(doc, out), allowedLines(undos); n > allowed {
		t.Fatalf("%d lines of the original are gone or changed, the edits replace %d:\n--- before\n%s\n--- after\n%s", n, allowed, doc, out)
	}
}

// floats makes all numbers floats: 1 and 1.0 are one value.
func floats(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = floats(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, floats(e))
		}
		return out
	case int64:
		return float64(v)
	}
	return v
}

func checkRevert(t testing.TB, doc, out string, undos []Undo) {
	t.Helper()
	stored, err := json.Marshal(undos)
	if err != nil {
		t.Fatal(err)
	}
	var loaded []Undo
	if err := json.Unmarshal(stored, &loaded); err != nil {
		t.Fatal(err)
	}
	back, kept, err := Revert([]byte(out), loaded)
	if err != nil || len(kept) > 0 {
		t.Fatalf("Revert: kept %v, %v\n%s", kept, err, out)
	}
	if diff := cmp.Diff(doc, string(back)); diff != "" {
		t.Fatalf("Revert(Apply(doc)) (-doc +reverted):\n%s\nedited:\n%s\n%s", diff, out, stored)
	}
}

// allowedLines is how many lines of the original the edits may replace. An
// insertion into flow style changes one line, and may add a comma to another.
func allowedLines(undos []Undo) int {
	n := 0
	for _, u := range undos {
		switch {
		case u.Path == "":
		case u.Was != nil:
			n += 2 + strings.Count(*u.Was, "\n")
		case u.New > 0:
			n += 2
		}
	}
	return n
}

// goneLines is how many lines of a are not among those of b, in order.
func goneLines(a, b string) int {
	x, y := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	prev := make([]int, len(y)+1)
	for _, l := range x {
		row := make([]int, len(y)+1)
		for j, m := range y {
			row[j+1] = max(prev[j+1], row[j])
			if strings.TrimRight(l, "\r\n") == strings.TrimRight(m, "\r\n") {
				row[j+1] = max(row[j+1], prev[j]+1)
			}
		}
		prev = row
	}
	return len(x) - prev[len(y)]
}
