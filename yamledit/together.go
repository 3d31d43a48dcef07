package yamledit

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// Most of the time of an edit goes into reading the document again for its
// proof. Edits that do not touch each other are therefore made together, and
// proved together: by one reading, against all values that they are to give, and
// by all bytes that their undos bring back. Where that proof fails, for whatever
// reason, they are made one after the other.

// placed is an edit, where it goes and how it is written.
type placed struct {
	edit   Edit
	node   *node // what it replaces or fills, or the block collection that it adds to
	adds   *Step // the entry that it adds to node; nil: it writes over node
	change change
	none   bool // the value is there already
}

// apart are the first of the edits that touch nothing that an earlier one of
// them touches, up to the first removal and the first that has no place.
func (d *document) apart(edits []Edit) []placed {
	var run []placed
	for _, e := range edits {
		p, ok := d.placed(e)
		if !ok || slices.ContainsFunc(run, p.meets) {
			break
		}
		run = append(run, p)
	}
	return run
}

// placed finds the place of an edit and the best way to write it. It is false
// where edit has to look closer, and where what is written may depend on other
// edits: for removals, because the place of a removed line is told by its
// neighbours; for strings of several lines, because what follows them tells where
// they end; in flow style, where one line may hold it all; and where a block
// collection goes, because the style of the document may go with it.
func (d *document) placed(e Edit) (placed, bool) {
	v, err := writable(e.Value)
	if err != nil || e.Remove || e.Path.check() != nil || hasLines(v) {
		return placed{}, false
	}
	n, rest, err := d.locate(e.Path)
	if err != nil || n.inFlow || n.isFlow() && len(n.entries) > 0 || len(rest) == 0 && (n.isBlock() || n.isBlockScalar()) {
		return placed{}, false
	}
	p := placed{edit: e, node: n}
	if was, there := Get(d.obj, e.Path); there && equal(was, v) {
		p.none = true
		return p, true
	}
	changes, err := d.changes(e)
	if err != nil || len(changes) == 0 {
		return placed{}, false
	}
	p.change = changes[0]
	if len(rest) > 0 && n.isBlock() && len(n.entries) > 0 {
		p.adds = &rest[0]
	}
	return p, true
}

// hasLines says whether a string of several lines is in the value.
func hasLines(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), hasLines)
	case []any:
		return slices.ContainsFunc(v, hasLines)
	}
	return isMultiline(v)
}

// meets says whether one of two edits touches what the other one does. Two that
// add different entries to one block collection do not.
func (p placed) meets(q placed) bool {
	if p.adds != nil && q.adds != nil {
		return p.node == q.node && *p.adds == *q.adds
	}
	return p.adds == nil && p.node.holds(q.node) || q.adds == nil && q.node.holds(p.node)
}

// holds says whether m is n or stands in it.
func (n *node) holds(m *node) bool {
	for ; m != nil; m = m.parent {
		if m == n {
			return true
		}
	}
	return false
}

func (n *node) depth() int {
	depth := 0
	for ; n.parent != nil; n = n.parent {
		depth++
	}
	return depth
}

// together makes edits that are apart, and proves them. It is false where the
// proof fails.
func (d *document) together(run []placed) (*document, []Undo, bool) {
	edits := make([]Edit, len(run))
	for i, p := range run {
		edits[i] = p.edit
	}
	want, err := ApplyObject(d.obj, edits)
	if err != nil {
		return nil, nil, false
	}
	src, ok := spliced(d.src, inPlace(run))
	if !ok {
		return nil, nil, false
	}
	next, err := read(src)
	if err != nil || !equal(next.obj, want) || next.style != d.style { // a later one would be written in the new style
		return nil, nil, false
	}
	undos := make([]Undo, len(run))
	for i, p := range run {
		if !p.none {
			undos[i] = p.change.undo
			undos[i].Wrote = next.digestAt(undos[i].Path)
		}
	}
	return next, undos, next.takesAllBack(undos, d)
}

// inPlace are the splices of all edits. Where several add text at one offset, at
// the end of a line on which several collections end, the inner one goes first.
func inPlace(run []placed) []splice {
	inner := slices.Clone(run)
	slices.SortStableFunc(inner, func(a, b placed) int { return cmp.Compare(b.node.depth(), a.node.depth()) })
	var all []splice
	for _, p := range inner {
		all = append(all, p.change.splices...)
	}
	return all
}

// spliced is splices, and false where two of them overlap.
func spliced(src []byte, all []splice) ([]byte, bool) {
	slices.SortStableFunc(all, func(a, b splice) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(all); i++ {
		if all[i].from < all[i-1].to {
			return nil, false
		}
	}
	return splices(src, all), true
}

// takesAllBack says whether the undos, each by itself, make the bytes of before.
func (d *document) takesAllBack(undos []Undo, before *document) bool {
	var all []splice
	for _, u := range undos {
		if u.Path == "" {
			continue
		}
		back, err := d.inverse(u)
		if err != nil {
			return false
		}
		all = append(all, back.splices...)
	}
	src, ok := spliced(d.src, all)
	return ok && bytes.Equal(src, before.src)
}
