package deploy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// editor gathers the edits that bring one resource to its wiring, and every
// reason not to make them. It looks at the resource as it is; edits are carried
// out together, in order.
type editor struct {
	resource  Resource
	record    ledger
	dropped   map[string]any // the object less what drop has removed so far
	edits     []yamledit.Edit
	source    []byte // what the edits make of the resource's own text
	claims    []Claim
	adopt     bool // what somebody else set is taken over
	conflicts []Conflict
	notices   []string
}

// Result is what a resource needs.
type Result struct {
	Edits []yamledit.Edit
	// Source is what [Rewrite] makes of the resource's text with Edits and Claims;
	// nil where there are none, or the resource has no text.
	Source    []byte
	Conflicts []Conflict
	// Claims are values of somebody else's that are taken over.
	Claims []Claim
	// Theirs: what flowcert wrote was changed by somebody else, and the edits put it
	// right; of webhook configurations.
	Theirs bool
	// Notices are worth a person's attention and change nothing.
	Notices []string
}

func newEditor(r Resource) *editor {
	e := &editor{resource: r, dropped: r.Object}
	record, err := readLedger(r)
	if err != nil {
		e.conflict(metadataAnnotation(EditsAnnotation), err.Error(), "put the annotation back as flowcert wrote it, or remove it and every field that flowcert set")
	}
	e.record = record
	return e
}

// result hands the edits over, unless there is a conflict: half a wiring is
// worse than none.
func (e *editor) result() Result {
	if len(e.conflicts) == 0 {
		e.tryOut()
	}
	if len(e.conflicts) > 0 {
		e.edits, e.source, e.claims = nil, nil, nil
	}
	return Result{Edits: e.edits, Source: e.source, Claims: e.claims, Conflicts: e.conflicts, Notices: e.notices}
}

// tryOut makes the edits: a resource that cannot be edited is refused before its
// Secrets are made.
func (e *editor) tryOut() {
	if e.edited() == nil || e.resource.Source == nil || len(e.edits)+len(e.claims) == 0 {
		return
	}
	source, err := rewrite(e.resource, e.edits, e.claims)
	if err == nil {
		e.source = source
		return
	}
	onSource := func(edits []yamledit.Edit) error {
		_, _, err := yamledit.Apply(e.resource.Source, edits)
		return err
	}
	if !e.blame(onSource) {
		e.cannotEdit(metadataAnnotation(EditsAnnotation), err)
	}
}

// blame reports the first edit with which try fails; false if none does.
func (e *editor) blame(try func([]yamledit.Edit) error) bool {
	for i := range e.edits {
		if err := try(e.edits[:i+1]); err != nil {
			e.cannotEdit(e.edits[i].Path, err)
			return true
		}
	}
	return false
}

// edited is the object after the edits; nil, and a conflict, where one of them
// finds no place: a list that is none, or a name that is there twice.
func (e *editor) edited() map[string]any {
	after, err := yamledit.ApplyObject(e.resource.Object, e.edits)
	if err == nil {
		return after
	}
	e.blame(func(edits []yamledit.Edit) error {
		_, err := yamledit.ApplyObject(e.resource.Object, edits)
		return err
	})
	return nil
}

// cannotEdit reports a path that yamledit refuses, with its line in the file
// and less what its error repeats.
func (e *editor) cannotEdit(p yamledit.Path, err error) {
	problem := err.Error()
	var line int
	if n, _ := fmt.Sscanf(problem, "line %d: ", &line); n == 1 {
		_, problem, _ = strings.Cut(problem, ": ") // counted in the half edited document
	}
	problem = strings.TrimPrefix(problem, p.String()+": ")
	e.conflict(p, "cannot be edited"+e.line(p)+": "+problem,
		"write this part of the resource plainly: maps and lists where Kubernetes wants them, each name once, no aliases and no merge keys")
}

// line says in which line of the file the nearest node to p that is there
// stands.
func (e *editor) line(p yamledit.Path) string {
	for ; len(p) > 0; p = p[:len(p)-1] {
		if n := yamledit.Line(e.resource.Source, p); n > 0 {
			return fmt.Sprintf(" (line %d)", n+max(e.resource.Line, 1)-1)
		}
	}
	return ""
}

// wish is a value that a field is to have.
type wish struct {
	path   yamledit.Path
	want   any
	hint   string // what to do about a value of somebody else
	secret bool   // no message shows what is there
	stays  bool   // what somebody else decided is not taken over

	// equal says that what is there does as well; nil: the same value.
	equal func(current string) bool
	// ours says that what is there is flowcert's to change although flowcert
	// did not write it; nil: nothing.
	ours func(current string) bool
}

// set makes the scalar or subtree at p be want. A value of somebody else is a
// conflict, reported with the hint.
func (e *editor) set(p yamledit.Path, want any, hint string) {
	e.fulfil(wish{path: p, want: want, hint: hint})
}

func (e *editor) fulfil(w wish) {
	current, ok := yamledit.Get(e.resource.Object, w.path)
	free := unset
	if w.secret {
		free = unsetText
	}
	scalar := isScalar(current)
	switch {
	case ok && (same(current, w.want) || w.equal != nil && scalar && w.equal(text(current))):
		if e.adopt && !w.stays && !e.record.wrote(w.path, current) {
			e.claim(w.path, current)
		}
	case free(current, ok), e.record.wrote(w.path, current),
		w.ours != nil && scalar && w.ours(text(current)):
		e.edit(w.path, w.want)
	case e.adopt && !w.stays:
		e.claim(w.path, current)
		e.edit(w.path, w.want)
	case w.secret:
		e.somebodyElses(w.path, "is set, not by flowcert", w.hint, !w.stays)
	default:
		e.somebodyElses(w.path, fmt.Sprintf("is %s, not set by flowcert", show(current)), w.hint, !w.stays)
	}
}

// annotate sets an annotation that is flowcert's alone.
func (e *editor) annotate(name, want string) {
	p := metadataAnnotation(name)
	if current, _ := getString(e.resource.Object, p); current != want {
		e.edit(p, want)
	}
}

func (e *editor) edit(p yamledit.Path, want any) {
	e.edits = append(e.edits, yamledit.Edit{Path: p, Value: want})
}

// drop removes what stands for a value that nobody has filled in, together with
// the mappings below limit that hold nothing else then. Anything else at p is
// left alone.
func (e *editor) drop(p, limit yamledit.Path) {
	current, ok := yamledit.Get(e.dropped, p)
	if s, _ := current.(string); ok && Placeholder(s) {
		e.remove(p, limit)
	}
}

// remove is drop for whatever is at p.
func (e *editor) remove(p, limit yamledit.Path) {
	for len(p) > len(limit) {
		edit := yamledit.Edit{Path: p, Remove: true}
		less, err := yamledit.ApplyObject(e.dropped, []yamledit.Edit{edit})
		if err != nil {
			e.cannotEdit(p, err)
			return
		}
		parent, _ := yamledit.Get(less, p[:len(p)-1])
		if m, isMap := parent.(map[string]any); len(p)-1 == len(limit) || isMap && len(m) > 0 {
			e.dropped = less
			e.edits = append(e.edits, edit)
			return
		}
		p = p[:len(p)-1]
	}
}

func (e *editor) conflict(p yamledit.Path, problem, hint string) {
	for _, c := range e.conflicts {
		if c.Problem == problem && slices.Equal(c.Path, p) {
			return
		}
	}
	e.conflicts = append(e.conflicts, Conflict{Resource: e.resource, Path: p, Problem: problem, Hint: hint})
}

// somebodyElses is a conflict that taking the value over may end.
func (e *editor) somebodyElses(p yamledit.Path, problem, hint string, adoptable bool) {
	n := len(e.conflicts)
	e.conflict(p, problem, hint)
	for i := range e.conflicts[n:] {
		e.conflicts[n+i].Adoptable = adoptable
	}
}

func (e *editor) notice(format string, args ...any) {
	e.notices = append(e.notices, e.resource.String()+": "+fmt.Sprintf(format, args...))
}

// list returns the entries at p that are mappings; nothing there is an empty
// list.
func (e *editor) list(p yamledit.Path) []map[string]any {
	return mappings(e.resource.Object, p)
}

func mappings(obj map[string]any, p yamledit.Path) []map[string]any {
	v, _ := yamledit.Get(obj, p)
	entries, _ := v.([]any)
	var out []map[string]any
	for _, entry := range entries {
		if m, ok := entry.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// same compares as the products do: 'true' and true are one value.
func same(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	return isScalar(a) && isScalar(b) && text(a) == text(b)
}

func isScalar(v any) bool {
	switch v.(type) {
	case nil, map[string]any, []any:
		return false
	}
	return true
}

// show prints a value for a message, cut short.
func show(v any) string {
	if !isScalar(v) {
		return "set"
	}
	s := []rune(text(v))
	if len(s) > 80 {
		s = append(s[:77], []rune("...")...)
	}
	return fmt.Sprintf("%q", string(s))
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
