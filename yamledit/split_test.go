package yamledit

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestSplit(t *testing.T) {
	type part struct {
		Line int
		Text string
	}
	tests := []struct {
		name, in string
		want     []part
	}{
		{"empty", "", nil},
		{"one", "a: 1\n", []part{{1, "a: 1\n"}}},
		{"two", "a: 1\n---\nb: 1\n", []part{{1, "a: 1\n"}, {3 - 1, "---\nb: 1\n"}}},
		{"comments before the first marker", "# c\n\n---\na: 1\n---\nb: 1", []part{{1, "# c\n\n---\na: 1\n"}, {5, "---\nb: 1"}}},
		{"CRLF", "a: 1\r\n---\r\nb: 1\r\n...\r\n# end\r\n", []part{{1, "a: 1\r\n"}, {2, "---\r\nb: 1\r\n...\r\n"}, {5, "# end\r\n"}}},
		{"BOM", "\uFEFF---\na: 1\n---\nb: 1\n", []part{{1, "\uFEFF---\na: 1\n"}, {3, "---\nb: 1\n"}}},
		{"content on the marker's line", "--- {a: 1}\n--- # c\nb: 1\n", []part{{1, "--- {a: 1}\n"}, {2, "--- # c\nb: 1\n"}}},
		{"directives", "%YAML 1.1\n---\na: 1\n...\n%YAML 1.1\n# c\n---\nb: 1\n", []part{{1, "%YAML 1.1\n---\na: 1\n...\n"}, {5, "%YAML 1.1\n# c\n---\nb: 1\n"}}},
		{"directives without an end marker", "a: 1\n%TAG ! x\n---\nb: 1\n", []part{{1, "a: 1\n"}, {2, "%TAG ! x\n---\nb: 1\n"}}},
		{"no directive", "a: |\n  x\n%TAG\nb: 1\n---\n", []part{{1, "a: |\n  x\n%TAG\nb: 1\n"}, {5, "---\n"}}},
		{"empty documents", "---\n---\n---\n", []part{{1, "---\n"}, {2, "---\n"}, {3, "---\n"}}},
		{"not a marker", "a: |\n  ---\n  ...\nb: ---x\n---x: 1\n", []part{{1, "a: |\n  ---\n  ...\nb: ---x\n---x: 1\n"}}},
		{"marker in a scalar", "a: |\n  x\n---\nb: 1\n", []part{{1, "a: |\n  x\n"}, {3, "---\nb: 1\n"}}},
		{"tab after the marker", "---\ta\n---\t\nb: 1\n", []part{{1, "---\ta\n"}, {2, "---\t\nb: 1\n"}}},
		{"comment after a document", "a: 1\n# c\n---\nb: 1\n", []part{{1, "a: 1\n# c\n"}, {3, "---\nb: 1\n"}}},
		{"blank only", "\n \n", []part{{1, "\n \n"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []part
			for _, d := range Split([]byte(tt.in)) {
				got = append(got, part{d.Line, string(d.Bytes)})
				if !strings.HasPrefix(tt.in[d.Offset:], string(d.Bytes)) {
					t.Errorf("offset %d does not lead to %q", d.Offset, d.Bytes)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitThenEdit(t *testing.T) {
	stream := "\uFEFF# head\n---\nkind: A\n--- # second\nkind: B\nspec: {}\n...\n# rest\n"
	var out []byte
	for _, d := range Split([]byte(stream)) {
		obj, err := Decode(d.Bytes)
		if errors.Is(err, ErrEmpty) {
			out = append(out, d.Bytes...)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		edited, _, err := Apply(d.Bytes, []Edit{set(t, "spec.was", obj["kind"])})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, edited...)
	}
	want := "\uFEFF# head\n---\nkind: A\nspec:\n  was: A\n--- # second\nkind: B\nspec:\n  was: B\n...\n# rest\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// decodeAll is what yaml.v3 makes of a stream; false where it is in error or
// panics.
func decodeAll(stream []byte) (docs []any, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(stream))
	for {
		var v any
		err := dec.Decode(&v)
		if err == io.EOF {
			return docs, true
		}
		if err != nil {
			return nil, false
		}
		docs = append(docs, v)
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		"", "a: 1\n---\nb: 1", "---\n---\n", "%YAML 1.1\n---\na: 1\n...\n# c", "a\r\n---\r\n...\r\n", "\uFEFF--- x\n",
		"a: |\n b\n---\n", "'a\n b'\n---\nc", "...\n...\na: 1\n", "a: 1\n%TAG ! y\n---\n", "a\u2028---\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		var joined []byte
		line := 1
		var docs []any
		decoded := true
		for _, d := range Split(stream) {
			if d.Offset != len(joined) || d.Line != line || len(d.Bytes) == 0 {
				t.Fatalf("document at %d, line %d: want %d, %d", d.Offset, d.Line, len(joined), line)
			}
			joined = append(joined, d.Bytes...)
			line = len(newText(joined).starts)
			some, ok := decodeAll(d.Bytes)
			if len(some) > 1 {
				t.Fatalf("a part holds %d documents: %q", len(some), d.Bytes)
			}
			docs, decoded = append(docs, some...), decoded && ok
		}
		if !bytes.Equal(joined, stream) {
			t.Fatalf("the parts are %q", joined)
		}
		// A byte order mark inside a stream is one for yaml.v3 or not, as its
		// buffer happens to stand.
		whole, ok := decodeAll(stream)
		if !ok || bytes.Count(stream, []byte("\uFEFF")) > 0 || !onlyMaps(whole) {
			return
		}
		if !decoded || len(docs) != len(whole) {
			t.Fatalf("the parts of %q hold %d documents, the stream %d", stream, len(docs), len(whole))
		}
		if diff := cmp.Diff(fmtAll(whole), fmtAll(docs)); diff != "" {
			t.Fatalf("(-stream +parts):\n%s", diff)
		}
	})
}

// onlyMaps leaves out streams with a bare scalar as a document: its next lines
// may look like directives.
func onlyMaps(docs []any) bool {
	for _, d := range docs {
		if _, ok := d.(string); ok {
			return false
		}
	}
	return true
}

func fmtAll(docs []any) []string {
	var out []string
	for _, d := range docs {
		b, err := yaml.Marshal(d)
		if err != nil {
			b = []byte(err.Error())
		}
		out = append(out, string(b))
	}
	return out
}
