package yamledit

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestApart: which edits are made together. Those of a usual wiring are, or
// nothing is gained.
func TestApart(t *testing.T) {
	const doc = "a: # c\n  b: 1\n  c: {d: 1}\nl:\n- name: x\ns: |\n  x\ne: {}\nf:\n  g: 1\n"
	tests := []struct {
		name  string
		edits []Edit
		want  int
	}{
		{"new entries of one map", []Edit{set(t, "a.k", 1), set(t, "a.m", 1), set(t, "a.n.o", 1)}, 3},
		{"of a map and of the map around it", []Edit{set(t, "k", 1), set(t, "f.k", 1), set(t, "f.g", 2)}, 3},
		{"of lists", []Edit{set(t, "l[name=x].v", 1), set(t, "l[name=y].v", 1), set(t, "l[name=z]", map[string]any{"name": "z"})}, 3},
		{"what is there already", []Edit{set(t, "a.b", 1), set(t, "a.k", 1)}, 2},
		{"below what another makes", []Edit{set(t, "a.k.m", 1), set(t, "a.k.n", 1)}, 1},
		{"one twice", []Edit{set(t, "a.b", 2), set(t, "a.b", 3)}, 1},
		{"two in one empty map", []Edit{set(t, "e.k", 1), set(t, "e.m", 1)}, 1},
		{"up to a removal", []Edit{set(t, "a.b", 2), set(t, "l[name=x].v", 1), del(t, "a.b")}, 2},
		{"up to flow style", []Edit{set(t, "a.b", 2), set(t, "a.c.k", 1)}, 1},
		{"up to several lines", []Edit{set(t, "a.b", 2), set(t, "a.k", "x\ny\n")}, 1},
		{"up to a literal", []Edit{set(t, "a.b", 2), set(t, "s", "y")}, 1},
		{"up to what is refused", []Edit{set(t, "a.b", 2), set(t, "l.k", 1)}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := read([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			run := d.apart(tt.edits)
			if len(run) != tt.want {
				t.Fatalf("%d edits are apart, want %d", len(run), tt.want)
			}
			next, undos, ok := d.together(run)
			if !ok {
				t.Fatal("the proof fails")
			}
			checkEdits(t, doc, string(next.src), tt.edits[:tt.want], undos)
		})
	}
}

// TestTogetherProof: what only the proof notices. The edits are then made one by
// one, and give what they give in turn.
func TestTogetherProof(t *testing.T) {
	tests := []struct {
		name, doc string
		edits     []Edit
		want      string
	}{
		{"the first gives the second another place", "l:\n- name: x\n", []Edit{set(t, "l[name=x].name", "w"), set(t, "l[name=x].k", 1)},
			"l:\n- name: w\n- name: x\n  k: 1\n"},
		{"the second takes the first its name", "l:\n- name: x\n", []Edit{set(t, "l[name=x].k", 1), set(t, "l[name=x].name", "w")},
			"l:\n- name: w\n  k: 1\n"},
		{"one entry by two fields", "l:\n- name: x\n", []Edit{set(t, "l[name=w]", map[string]any{"name": "w", "id": "1"}), set(t, "l[id=1].k", 1)},
			"l:\n- name: x\n- name: w\n  id: '1'\n  k: 1\n"},
		{"after a literal without line end", "a: 1\nb: |\n  x", []Edit{set(t, "k", 1), set(t, "m", 2)},
			"a: 1\nk: 1\nm: 2\nb: |\n  x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := read([]byte(tt.doc))
			if err != nil {
				t.Fatal(err)
			}
			if run := d.apart(tt.edits); len(run) != len(tt.edits) {
				t.Fatalf("%d edits are apart: the proof is not asked", len(run))
			} else if _, _, ok := d.together(run); ok {
				t.Error("the proof finds nothing")
			}
			if got, _ := mustApply(t, tt.doc, tt.edits...); got != tt.want {
				t.Errorf("got:\n%swant:\n%s", got, tt.want)
			}
		})
	}
}

// TestApplyRecorded is Apply twice: with the edits, and with that of their record.
func TestApplyRecorded(t *testing.T) {
	doc := []byte("a: 1\n")
	edits := []Edit{set(t, "b", 2), set(t, "c.d", "x")}
	source, want, err := Apply(doc, edits)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ApplyRecorded(doc, edits, func(edited []byte, undos []Undo) (Edit, error) {
		if string(edited) != string(source) {
			t.Errorf("recorded:\n%s\nwant:\n%s", edited, source)
		}
		if diff := cmp.Diff(want, undos); diff != "" {
			t.Errorf("undos (-want +got):\n%s", diff)
		}
		return set(t, "a", undos[1].Path), nil
	})
	if want := "a: c.d\nb: 2\nc:\n  d: x\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	refused := errors.New("not recorded")
	for name, record := range map[string]func([]byte, []Undo) (Edit, error){
		"by the record": func([]byte, []Undo) (Edit, error) { return Edit{}, refused },
		"by the edit":   func([]byte, []Undo) (Edit, error) { return set(t, "a.b", 1), nil },
	} {
		if got, err := ApplyRecorded(doc, edits, record); err == nil || got != nil {
			t.Errorf("refused %s: got %q, %v", name, got, err)
		}
	}
}
