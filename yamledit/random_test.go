package yamledit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// author writes random documents in a random style.
type author struct {
	*rand.Rand
	b          strings.Builder
	step, dash int
	gap        int
	comments   int // one line in so many has a comment
	names      int
}

func newAuthor(seed uint64) *author {
	r := rand.New(rand.NewPCG(seed, 2))
	a := &author{Rand: r, step: 2 + r.IntN(3), gap: 1, comments: 2 + r.IntN(20)}
	a.dash = []int{0, a.step}[r.IntN(2)]
	if r.IntN(4) == 0 {
		a.gap = 3
	}
	return a
}

func (a *author) document() string {
	for a.IntN(3) == 0 {
		a.b.WriteString([]string{"# head\n", "\n", "# größe\n"}[a.IntN(3)])
	}
	if a.IntN(4) == 0 {
		a.b.WriteString([]string{"---\n", "--- # doc\n", "%YAML 1.1\n---\n"}[a.IntN(3)])
	}
	a.mapping(0, 0, "")
	doc := a.b.String()
	if a.IntN(4) == 0 {
		doc += "# tail"
	}
	if a.IntN(4) == 0 {
		doc = strings.TrimRight(doc, "\n")
	}
	if a.IntN(4) == 0 {
		doc = strings.ReplaceAll(doc, "\n", "\r\n")
	}
	return doc
}

func (a *author) lineEnd() {
	if a.IntN(a.comments) == 0 {
		a.b.WriteString([]string{" # c", "   # it's: a \"comment\"", "  ", " # ü"}[a.IntN(4)])
	}
	a.b.WriteByte('\n')
}

// between are blank lines and comments.
func (a *author) between(col int) {
	for a.IntN(a.comments) == 0 {
		a.b.WriteString([]string{"\n", spaces(col) + "# full\n", "# at the margin\n", spaces(col+3) + "# far\n", "   \n"}[a.IntN(5)])
	}
}

func (a *author) key() string {
	a.names++
	k := fmt.Sprintf("k%d", a.names)
	switch a.IntN(10) {
	case 0:
		return fmt.Sprintf("%q", k+".x")
	case 1:
		return "'" + k + " ''y'''"
	case 2:
		return k + ".größe"
	case 3:
		return k + "  "
	}
	return k
}

// mapping writes entries at a column; first stands before the first key, on
// its line.
func (a *author) mapping(col, depth int, first string) {
	for i := range 1 + a.IntN(4) {
		if i > 0 || first == "" {
			a.between(col)
			a.b.WriteString(spaces(col))
		}
		a.b.WriteString(a.key() + ":")
		a.value(col, depth+1)
	}
}

func (a *author) value(col, depth int) {
	switch n := a.IntN(12); {
	case n < 3 && depth < 5:
		a.lineEnd()
		a.between(col + a.step)
		a.mapping(col+a.step, depth, "")
	case n < 5 && depth < 5:
		a.lineEnd()
		a.sequence(col+a.dash, depth)
	case n == 5:
		a.b.WriteString([]string{"", " ~", " null", " {}", " []", "  { }", " [ # c\n" + spaces(col+1) + "]"}[a.IntN(7)])
		a.lineEnd()
	case n == 6:
		a.b.WriteString(" " + a.flow(0, col+1))
		a.lineEnd()
	case n == 7:
		a.blockScalar(col)
	default:
		a.b.WriteString(spaces(1+a.IntN(2)) + a.scalar(col+1))
		a.lineEnd()
	}
}

func (a *author) sequence(col, depth int) {
	maps := a.IntN(3) > 0
	for range 1 + a.IntN(3) {
		a.between(col)
		a.b.WriteString(spaces(col) + "-")
		if !maps {
			a.b.WriteString(spaces(a.gap) + a.scalar(col+1))
			a.lineEnd()
			continue
		}
		in := col + 1 + a.gap
		a.names++
		name := fmt.Sprintf("name: n%d", a.names)
		switch a.IntN(5) {
		case 0:
			a.b.WriteString(" {" + name + ", v: " + a.flow(1, col+1) + "}")
			a.lineEnd()
			continue
		case 1:
			a.b.WriteString("\n" + spaces(in))
		default:
			a.b.WriteString(spaces(a.gap))
		}
		a.b.WriteString(name)
		a.lineEnd()
		if a.IntN(2) == 0 {
			a.mapping(in, depth+1, "")
		}
	}
}

var words = []string{"x", "-Da=b", "größe", "日本", "8081", "true", "1e3", "it's", "a: b", "# no", "\"q\"", "\\", "𝄞", "[", "-", "~"}

func (a *author) text() string {
	var w []string
	for range 1 + a.IntN(4) {
		w = append(w, words[a.IntN(len(words))])
	}
	return strings.Join(w, " ")
}

// scalar is a scalar in any style but block; its further lines are indented by in.
func (a *author) scalar(in int) string {
	s := a.text()
	fold := func(s string) string {
		if a.IntN(3) == 0 {
			s = strings.ReplaceAll(s, " ", "\n"+spaces(in+a.IntN(2)))
		}
		return s
	}
	switch a.IntN(6) {
	case 0:
		return "'" + fold(strings.ReplaceAll(s, "'", "''")) + "'"
	case 1:
		return `"` + fold(escaped(s)) + `"`
	case 2:
		return []string{"8081", "0.25", "true", "yes", "!!str 1", "2001-12-14", "0x1F"}[a.IntN(7)]
	}
	if plainSafe(s, true) {
		return fold(s)
	}
	return quote(s, true)
}

func (a *author) flow(depth, in int) string {
	sep := []string{", ", ",", ", # c\n" + spaces(in)}[a.IntN(3)]
	var parts []string
	for range a.IntN(4) {
		v := a.scalar(in)
		if depth < 3 && a.IntN(3) == 0 {
			v = a.flow(depth+1, in)
		}
		a.names++
		parts = append(parts, []string{fmt.Sprintf("k%d: %s", a.names, v), fmt.Sprintf(`"k%d": %s`, a.names, v)}[a.IntN(2)])
	}
	if len(parts) > 0 && a.IntN(4) == 0 {
		parts[len(parts)-1] += []string{",", " , # end\n" + spaces(in)}[a.IntN(2)]
	}
	return "{" + []string{"", " ", "\n" + spaces(in)}[a.IntN(3)] + strings.Join(parts, sep) + []string{"", " ", "\n" + spaces(in)}[a.IntN(3)] + "}"
}

func (a *author) blockScalar(col int) {
	in := col + 1 + a.IntN(4)
	header := []string{"|", ">"}[a.IntN(2)] + []string{"", "-", "+"}[a.IntN(3)]
	if a.IntN(4) == 0 {
		header += fmt.Sprint(in - col)
	}
	a.b.WriteString(" " + header + []string{"", " # c", "  "}[a.IntN(3)] + "\n")
	for i := range 1 + a.IntN(4) {
		switch n := a.IntN(6); {
		case i > 0 && n == 0:
			a.b.WriteString(spaces(a.IntN(in+3)) + "\n")
		case i > 0 && n == 1:
			a.b.WriteString(spaces(in+2) + a.text() + "\n")
		default:
			a.b.WriteString(spaces(in) + a.text() + "\n")
		}
	}
	for a.IntN(3) == 0 {
		a.b.WriteString("\n")
	}
}

// edit is a random edit of the document.
func (a *author) edit(obj map[string]any) Edit {
	all := leaves(obj, nil)
	p := all[a.IntN(len(all))]
	v, _ := Get(obj, p)
	if a.IntN(5) == 0 {
		return Edit{Path: p, Remove: true}
	}
	for range a.IntN(4) {
		last := p[len(p)-1]
		switch v.(type) {
		case map[string]any:
			p, v = append(p[:len(p):len(p)], Key("new"+a.text())), nil
		case []any:
			p, v = append(p[:len(p):len(p)], Item("name", a.text())), map[string]any{}
		case nil:
			if a.IntN(3) > 0 || last.isItem() {
				p = append(p[:len(p):len(p)], Key("new"))
			} else {
				p, v = append(p[:len(p):len(p)], Item("name", "new")), map[string]any{}
			}
		}
	}
	e := Edit{Path: p, Value: a.plainValue(0)}
	if s, ok := v.(string); ok && a.IntN(2) == 0 {
		r := []rune(s)
		i := a.IntN(len(r) + 1)
		j := i + a.IntN(len(r)+1-i)
		e.Value = string(r[:i]) + []string{"", a.text(), " " + a.text(), "\n"}[a.IntN(4)] + string(r[j:])
	}
	if last := p[len(p)-1]; last.isItem() {
		e.Value = map[string]any{last.Field: last.Value, "v": a.plainValue(1)}
	}
	return e
}

func (a *author) plainValue(depth int) any {
	switch n := a.IntN(12); {
	case n < 5:
		return a.text()
	case n == 5:
		return a.text() + "\n" + a.text() + []string{"", "\n", "\n\n"}[a.IntN(3)]
	case n == 6:
		return []any{nil, true, 8081, 0.25, -1e30}[a.IntN(5)]
	case n < 10 && depth < 3:
		m := map[string]any{}
		for range a.IntN(3) {
			m[a.text()] = a.plainValue(depth + 1)
		}
		return m
	case depth < 3:
		l := []any{}
		for range a.IntN(3) {
			l = append(l, a.plainValue(depth+1))
		}
		return l
	}
	return ""
}

// TestRandom edits random documents at random, and takes everything back.
func TestRandom(t *testing.T) {
	refused, made := map[string]int{}, 0
	for seed := range uint64(1000) {
		a := newAuthor(seed)
		doc := a.document()
		if _, err := Decode([]byte(doc)); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, doc)
		}
		out := doc
		var edits []Edit
		var undos []Undo
		for range 6 {
			obj, err := Decode([]byte(out))
			if err != nil {
				t.Fatal(err)
			}
			if len(leaves(obj, nil)) == 0 {
				break
			}
			e := a.edit(obj)
			next, u, err := Apply([]byte(out), []Edit{e})
			if err != nil {
				if !refusalIsFine(err, out, e) && !strings.Contains(err.Error(), "not a map") {
					t.Errorf("seed %d: %s = %q: %v\n%s", seed, e.Path, e.Value, err, out)
				}
				refused[err.Error()]++
				continue
			}
			made++
			checkEdits(t, out, string(next), []Edit{e}, u)
			out, edits, undos = string(next), append(edits, e), append(undos, u...)
		}
		checkRevert(t, doc, out, undos)
		together, u, err := Apply([]byte(doc), edits)
		if err != nil || string(together) != out {
			t.Fatalf("seed %d: the edits together: %v\n%s\none by one:\n%s", seed, err, together, out)
		}
		if diff := cmp.Diff(undos, u, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: undos (-one by one +together):\n%s\n%s\nedited:\n%s", seed, diff, doc, out)
		}
		if t.Failed() {
			return
		}
	}
	if total := len(refused) + made; len(refused)*4 > total {
		t.Errorf("%d of %d edits were refused: too many to prove anything", len(refused), total)
	}
	t.Logf("%d edits made, %d kinds of refusal", made, len(refused))
}
