package yamledit

import (
	"bytes"
	"errors"
	"fmt"
)

// Edit sets a value or removes a node.
//
// Setting creates missing parents: maps for keys, and for a list entry a list
// and an entry {field: value}. The value at a path that ends in a list entry is
// a map that has the field itself. A value that is there is replaced as a
// whole; set its leaves to keep the comments inside.
//
// Value holds plain values; other integer and float types, map[string]string
// and []string are taken too. New maps are written with their keys sorted, but
// name first.
type Edit struct {
	Path   Path
	Value  any
	Remove bool // remove the node; Value is ignored
}

// Undo takes one edit back. It is small and made to be stored as JSON.
//
// Where it is stored in the document it takes back, in an annotation, say, the
// undo of that annotation can be among what is stored: make the edit once with
// any value to learn its undo, clear Wrote in it, since the value cannot hold
// its own digest, and make the edit with the full value.
type Undo struct {
	// Path of the node that was set or removed. It is that of a parent where
	// only the source of the parent takes the edit back to the byte.
	Path string `json:"path"`

	// New is how many trailing steps of Path were not there before. Revert
	// removes them, as far as nothing else stands in them by then. 0: the node
	// was replaced, or removed.
	New int `json:"new,omitempty"`

	// Was is the source of what was replaced or removed. With New, it is the
	// source of the parent, which was empty or null.
	Was *string `json:"was,omitempty"`

	// After says where Was belongs: how much around the node it replaces (the
	// modes of document.go), or the line of a removed entry (the positions of
	// remove.go).
	After *string `json:"after,omitempty"`

	// Wrote is a digest of the value written. Empty for a removed node. With
	// New it may be cleared: then Revert removes whatever is there.
	Wrote string `json:"wrote,omitempty"`
}

// Apply makes the edits, one after the other. Undo i belongs to edit i. An edit
// that changes no value (the value is there, or the node to remove is not) is
// left out: its Undo is the zero value, with the empty Path, and Revert skips
// it. If any edit is refused, the error names its path and line and nothing is
// returned.
//
// Removing the last entry of a map or list leaves {} or []; it is refused for
// the root. A new entry comes after the others and the comments on their lines.
func Apply(doc []byte, edits []Edit) ([]byte, []Undo, error) {
	if len(edits) == 0 {
		return doc, nil, nil
	}
	d, err := read(doc)
	if err != nil {
		return nil, nil, err
	}
	d, undos, err := d.apply(edits)
	if err != nil {
		return nil, nil, err
	}
	return d.src, undos, nil
}

// ApplyRecorded is Apply, and then one more edit, such as that of a record of
// the undos, which is made from the edited document and its undos. The error of
// record is returned as it is. Its own undo is not: see [Undo].
func ApplyRecorded(doc []byte, edits []Edit, record func(edited []byte, undos []Undo) (Edit, error)) ([]byte, error) {
	d, err := read(doc)
	if err != nil {
		return nil, err
	}
	d, undos, err := d.apply(edits)
	if err != nil {
		return nil, err
	}
	last, err := record(d.src, undos)
	if err != nil {
		return nil, err
	}
	if d, _, err = d.edit(last); err != nil {
		return nil, err
	}
	return d.src, nil
}

// apply makes edits, those that are apart together.
func (d *document) apply(edits []Edit) (*document, []Undo, error) {
	undos := make([]Undo, 0, len(edits))
	for len(undos) < len(edits) {
		run := d.apart(edits[len(undos):])
		if len(run) > 1 {
			if next, u, ok := d.together(run); ok {
				d, undos = next, append(undos, u...)
				continue
			}
		}
		for range max(1, len(run)) {
			next, u, err := d.edit(edits[len(undos)])
			if err != nil {
				return nil, nil, err
			}
			d, undos = next, append(undos, u)
		}
	}
	return d, undos, nil
}

// Line is the 1-based line of the node at p, of its key where it has one; 0 if
// it is not there or the document cannot be read.
func Line(doc []byte, p Path) int {
	d, err := read(doc)
	if err != nil {
		return 0
	}
	n, rest, err := d.locate(p)
	if err != nil || len(rest) > 0 {
		return 0
	}
	return d.lineFrom1(n)
}

// edit makes one edit: the first way of writing it that gives the values wanted
// and can be taken back to the byte.
func (d *document) edit(e Edit) (*document, Undo, error) {
	want, err := ApplyObject(d.obj, []Edit{e})
	if err != nil {
		return nil, Undo{}, d.located(e.Path, err)
	}
	if equal(want, d.obj) {
		return d, Undo{}, nil
	}
	changes, err := d.changes(e)
	if err != nil {
		return nil, Undo{}, d.located(e.Path, fmt.Errorf("%s: %w", e.Path, err))
	}
	err = errors.New("it cannot be written here")
	for _, c := range changes {
		next, undo, failed := d.try(c, want)
		if failed == nil {
			return next, undo, nil
		}
		err = failed
	}
	return nil, Undo{}, d.located(e.Path, fmt.Errorf("%s: %w", e.Path, err))
}

// changes are the ways to write an edit, the best first.
func (d *document) changes(e Edit) ([]change, error) {
	n, rest, err := d.locate(e.Path)
	if err != nil {
		return nil, err
	}
	if e.Remove {
		return d.remove(n, e.Path)
	}
	v, err := writable(e.Value)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		v, err = setIn(nil, rest, v)
		if err != nil {
			return nil, err
		}
		return d.insert(n, e.Path, len(rest), v)
	}
	return d.replace(n, e.Path, v)
}

// change is one way to write an edit.
type change struct {
	splices []splice
	undo    Undo // without Wrote
	removes bool // the undo has no Wrote
}

// try makes the change and checks it.
func (d *document) try(c change, want map[string]any) (*document, Undo, error) {
	next, err := read(splices(d.src, c.splices))
	if err != nil {
		return nil, Undo{}, fmt.Errorf("the edited document cannot be read: %w", err)
	}
	if !equal(next.obj, want) {
		return nil, Undo{}, errors.New("the edited document has other values than intended")
	}
	undo := c.undo
	if !c.removes {
		undo.Wrote = next.digestAt(undo.Path)
	}
	if next.takesBack(undo, d) {
		return next, undo, nil
	}
	if undo, ok := d.undoByParent(next, undo); ok {
		return next, undo, nil
	}
	return nil, Undo{}, errors.New("the edit could not be taken back to the byte")
}

// digestAt is the digest of the value at a path; "" where there is none.
func (d *document) digestAt(path string) string {
	p, err := ParsePath(path)
	if err != nil {
		return ""
	}
	v, ok := Get(d.obj, p)
	if !ok {
		return ""
	}
	return digest(v)
}

// takesBack says whether the undo makes the bytes of before.
func (d *document) takesBack(u Undo, before *document) bool {
	back, err := d.inverse(u)
	return err == nil && bytes.Equal(splices(d.src, back.splices), before.src)
}

// undoByParent is an undo by the source of the nearest parent that works.
func (d *document) undoByParent(next *document, u Undo) (Undo, bool) {
	p, err := ParsePath(u.Path)
	if err != nil {
		return Undo{}, false
	}
	for i := len(p) - 1; i > 0; i-- {
		n, rest, err := d.locate(p[:i])
		if err != nil || len(rest) > 0 {
			continue
		}
		mode := ""
		if n.isBlock() {
			mode = modeBlock
		}
		r, ok := d.region(n, mode)
		if !ok {
			continue
		}
		undo := d.undo(p[:i], r, mode)
		undo.Wrote = next.digestAt(undo.Path)
		if undo.Wrote != "" && next.takesBack(undo, d) {
			return undo, true
		}
	}
	return Undo{}, false
}
