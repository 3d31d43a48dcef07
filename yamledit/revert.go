package yamledit

import (
	"errors"
	"fmt"
	"slices"
)

// errConflict is for an undo whose node is no longer what the edit made.
var errConflict = errors.New("somebody else changed it")

// Revert takes edits back, the last first. An undo is kept, not reverted, where
// the node holds something else than Apply wrote, or taking it back would change
// another value; kept returns these, in their order. Parents that Apply created
// go too, unless they hold something else now. Only a document or an undo that
// cannot be read is an error.
func Revert(doc []byte, undos []Undo) (out []byte, kept []Undo, err error) {
	if len(undos) == 0 {
		return doc, nil, nil
	}
	d, err := read(doc)
	if err != nil {
		return nil, nil, err
	}
	for i := len(undos) - 1; i >= 0; i-- {
		if undos[i].Path == "" {
			continue
		}
		if p, err := ParsePath(undos[i].Path); err != nil {
			return nil, nil, fmt.Errorf("undo %d: %w", i+1, err)
		} else if err := p.check(); err != nil {
			return nil, nil, fmt.Errorf("undo %d: %w", i+1, err)
		}
		next, err := d.revert(undos[i])
		if err != nil {
			kept = append([]Undo{undos[i]}, kept...)
			continue
		}
		d = next
		inherit(kept, undos[i])
	}
	return d.src, kept, nil
}

// inherit makes kept undos answer for the parents that a reverted undo created
// and could not remove because their nodes stand in them.
func inherit(kept []Undo, u Undo) {
	p, err := ParsePath(u.Path)
	if err != nil || u.New < 2 {
		return
	}
	existed := len(p) - u.New
	for i, k := range kept {
		q, err := ParsePath(k.Path)
		if err != nil || k.New == 0 {
			continue
		}
		created := len(q) - k.New // steps of q that were there before k
		if created > existed && created < len(p) && slices.Equal(q[:created], p[:created]) {
			kept[i].New, kept[i].Was, kept[i].After = len(q)-existed, u.Was, u.After
		}
	}
}

// inverse is how an undo is done, and what must hold afterwards.
type inverse struct {
	splices []splice
	check   func(after map[string]any) bool
}

// revert does one undo, or says why not.
func (d *document) revert(u Undo) (*document, error) {
	back, err := d.inverse(u)
	if err != nil {
		return nil, err
	}
	if len(back.splices) == 0 {
		return d, nil
	}
	next, err := read(splices(d.src, back.splices))
	if err != nil {
		return nil, err
	}
	if !back.check(next.obj) {
		return nil, errConflict
	}
	return next, nil
}

func (d *document) inverse(u Undo) (inverse, error) {
	p, err := ParsePath(u.Path)
	if err != nil {
		return inverse{}, err
	}
	if err := p.check(); err != nil {
		return inverse{}, err
	}
	switch {
	case u.New < 0 || u.New > len(p):
		return inverse{}, errors.New("new is not a number of steps")
	case u.New > 0:
		return d.takeOut(p, u)
	case u.Was == nil:
		return inverse{}, errors.New("was is missing")
	case u.Wrote != "":
		return d.putBack(p, u)
	}
	return d.reinsert(p, u)
}

// putBack restores a node that was replaced.
func (d *document) putBack(p Path, u Undo) (inverse, error) {
	n, rest, err := d.locate(p)
	if err != nil {
		return inverse{}, err
	}
	if v, ok := Get(d.obj, p); len(rest) > 0 || !ok || digest(v) != u.Wrote {
		return inverse{}, errConflict
	}
	r, ok := d.region(n, deref(u.After))
	if !ok {
		return inverse{}, errConflict
	}
	return inverse{[]splice{{r.from, r.to, *u.Was}}, d.sameBut(p)}, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// sameBut checks that only the value at p differs.
func (d *document) sameBut(p Path) func(map[string]any) bool {
	return func(after map[string]any) bool {
		want, err := ApplyObject(d.obj, []Edit{{Path: p, Value: blank(p)}})
		if err != nil {
			return false
		}
		got, err := ApplyObject(after, []Edit{{Path: p, Value: blank(p)}})
		_, there := Get(after, p)
		return err == nil && there && equal(want, got)
	}
}

// blank is the least value that can stand at p.
func blank(p Path) any {
	if last := p[len(p)-1]; last.isItem() {
		return map[string]any{last.Field: last.Value}
	}
	return nil
}

// reinsert restores an entry that was removed.
func (d *document) reinsert(p Path, u Undo) (inverse, error) {
	if _, ok := Get(d.obj, p); ok {
		return inverse{}, errConflict
	}
	n, rest, err := d.locate(p[:len(p)-1])
	if err != nil {
		return inverse{}, err
	}
	if len(rest) > 0 || !n.isBlock() || len(n.entries) == 0 {
		return inverse{}, errConflict
	}
	at, ok := d.offsetOf(n, deref(u.After))
	if !ok {
		return inverse{}, errConflict
	}
	check := func(after map[string]any) bool {
		if _, ok := Get(after, p); !ok {
			return false
		}
		without, err := ApplyObject(after, []Edit{{Path: p, Remove: true}})
		return err == nil && equal(without, d.obj)
	}
	return inverse{[]splice{{at, at, *u.Was}}, check}, nil
}

// takeOut removes what was new, as far as nothing else stands in it.
func (d *document) takeOut(p Path, u Undo) (inverse, error) {
	target, ok, err := d.present(p, u)
	if err != nil || !ok {
		return inverse{}, err
	}
	cut := d.prune(target, len(p)-u.New)
	n, rest, err := d.locate(cut)
	if err != nil {
		return inverse{}, err
	}
	if len(rest) > 0 {
		return inverse{}, errConflict
	}
	if len(n.parent.entries) > 1 {
		return d.takeOneOut(n, cut)
	}
	parent := cut[:len(cut)-1]
	if len(parent) == len(p)-u.New && u.Was != nil {
		r, ok := d.region(n.parent, deref(u.After))
		if !ok {
			return inverse{}, errConflict
		}
		return inverse{[]splice{{r.from, r.to, *u.Was}}, d.emptied(parent)}, nil
	}
	changes, err := d.remove(n, cut)
	if err != nil || len(changes) == 0 {
		return inverse{}, errConflict
	}
	return inverse{changes[0].splices, d.emptied(parent)}, nil
}

// present is the path of what is there of the new steps. It is an error where
// the value is not the one written.
func (d *document) present(p Path, u Undo) (Path, bool, error) {
	if v, ok := Get(d.obj, p); ok {
		if u.Wrote != "" && digest(v) != u.Wrote {
			return nil, false, errConflict
		}
		return p, true, nil
	}
	// Somebody removed it; what was created around it may be empty by now.
	for i := len(p) - 1; i > len(p)-u.New; i-- {
		v, ok := Get(d.obj, p[:i])
		if !ok {
			continue
		}
		m, _ := v.(map[string]any)
		bare := p[i-1].isItem() && len(m) == 1
		return p[:i], emptyValue(v) || bare, nil
	}
	return nil, false, nil
}

// prune goes up from p while the parent was created, too, and has nothing else:
// for a list entry, nothing but the field that picks it.
func (d *document) prune(p Path, existed int) Path {
	for len(p)-1 > existed {
		parent := p[:len(p)-1]
		v, ok := Get(d.obj, parent)
		if !ok {
			return p
		}
		switch v := v.(type) {
		case map[string]any:
			own := 1
			if last := parent[len(parent)-1]; last.isItem() && p[len(p)-1].Key != last.Field {
				own = 2
			}
			if len(v) > own {
				return p
			}
		case []any:
			if len(v) > 1 {
				return p
			}
		}
		p = parent
	}
	return p
}

// takeOneOut removes an entry that has siblings.
func (d *document) takeOneOut(n *node, p Path) (inverse, error) {
	if err := d.namesNothing(n); err != nil {
		return inverse{}, err
	}
	check := func(after map[string]any) bool {
		want, err := ApplyObject(d.obj, []Edit{{Path: p, Remove: true}})
		return err == nil && equal(want, after)
	}
	if n.parent.isFlow() {
		return inverse{d.cutFlow(n.parent, n.index), check}, nil
	}
	s, err := d.cutBlock(n.parent, n.index)
	return inverse{[]splice{s}, check}, err
}

// emptied checks that only the value at p differs, and is empty.
func (d *document) emptied(p Path) func(map[string]any) bool {
	return func(after map[string]any) bool {
		v, _ := Get(after, p)
		return emptyValue(v) && (len(p) == 0 || d.sameBut(p)(after))
	}
}
