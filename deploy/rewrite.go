package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// unwritten stands in EditsAnnotation while the record is being made.
const unwritten = "-"

// Rewrite carries out edits on the resource's own bytes and records in
// EditsAnnotation how to take them back. Every byte that is not part of an edit
// stays. Without edits and claims the source comes back as it is.
func Rewrite(r Resource, edits []yamledit.Edit, claims ...Claim) ([]byte, error) {
	if len(edits)+len(claims) == 0 {
		return r.Source, nil
	}
	source, err := rewrite(r, edits, claims)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Where(), err)
	}
	return source, nil
}

func rewrite(r Resource, edits []yamledit.Edit, claims []Claim) ([]byte, error) {
	record, err := readLedger(r)
	if err != nil {
		return nil, err
	}
	// An object takes edits as its text does: yamledit makes sure of it.
	w := pass{record: record, before: r.Object}
	all := edits
	if len(record) == 0 {
		all = append(writeAnnotation(unwritten), edits...)
		if w.before, err = yamledit.ApplyObject(r.Object, all[:1]); err != nil {
			return nil, err
		}
	}
	return yamledit.ApplyRecorded(r.Source, all, func(source []byte, undos []yamledit.Undo) (yamledit.Edit, error) {
		if w.after, err = yamledit.ApplyObject(w.before, edits); err != nil {
			return yamledit.Edit{}, err
		}
		if own := len(all) - len(edits); own > 0 {
			w.record, undos = pass{}.entries(all[:own], undos[:own]), undos[own:]
		}
		for _, c := range claims {
			w.record = append(w.record, c.entry())
		}
		return w.recording(w.entries(edits, undos), source)
	})
}

// recording is the edit that writes the record into its annotation.
func (w pass) recording(fresh ledger, source []byte) (yamledit.Edit, error) {
	record, err := w.joinedTo(fresh, source)
	if err != nil {
		return yamledit.Edit{}, err
	}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // placeholders stay readable
	if err := enc.Encode(record); err != nil {
		return yamledit.Edit{}, err
	}
	return writeAnnotation(strings.TrimSuffix(text.String(), "\n"))[0], nil
}

// joinedTo is the record with the fresh entries: folded where that takes the edits
// back as well as the whole record does.
func (w pass) joinedTo(fresh ledger, source []byte) (ledger, error) {
	fresh = w.settled(fresh)
	full := append(slices.Clone(w.record), fresh...)
	short := w.folded(fresh)
	if len(w.record) == 1 && len(short) == len(full) {
		return full, nil // the first wiring: yamledit has just proved every undo
	}
	want, kept, err := full.revert(source)
	if err != nil {
		return nil, fmt.Errorf("the edits could not be taken back: %w", err)
	}
	if len(short) == len(full) {
		return full, nil
	}
	back, left, err := short.revert(source)
	if err == nil && len(left) <= len(kept) && bytes.Equal(back, want) {
		return short, nil
	}
	return full, nil
}

func writeAnnotation(value string) []yamledit.Edit {
	return []yamledit.Edit{{Path: metadataAnnotation(EditsAnnotation), Value: value}}
}

// revert takes every edit back, the last first and the annotation itself at
// the end. It returns what somebody else has changed since.
func (l ledger) revert(source []byte) ([]byte, []yamledit.Undo, error) {
	undos := make([]yamledit.Undo, len(l))
	for i, e := range l {
		undos[i] = e.Undo
	}
	// With the value that it had when its undo was made.
	source, _, err := yamledit.Apply(source, writeAnnotation(unwritten))
	if err != nil {
		return nil, nil, err
	}
	return yamledit.Revert(source, undos)
}

// Revert takes flowcert's edits out of the resource: the original to the byte
// where nobody else edited it. Fields that somebody changed since keep their
// value, less flowcert's own words in option lists, and are named in kept.
func Revert(r Resource) (source []byte, kept []string, err error) {
	record, err := readLedger(r)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.Where(), err)
	}
	if len(record) == 0 {
		return r.Source, nil, nil
	}
	source, left, err := record.revert(r.Source)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.Where(), err)
	}
	if source, left, err = withoutUnwritten(source, left); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.Where(), err)
	}
	for _, u := range left {
		var whole bool
		if source, whole, err = record.withoutOurWords(source, u); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", r.Where(), err)
		}
		if !whole && !slices.Contains(kept, u.Path) {
			kept = append(kept, u.Path)
		}
	}
	return source, kept, nil
}

// withoutUnwritten removes the annotation where it could not be taken back to
// the byte, because somebody changed what stands around it.
func withoutUnwritten(source []byte, left []yamledit.Undo) ([]byte, []yamledit.Undo, error) {
	obj, err := yamledit.Decode(source)
	if err != nil {
		return nil, nil, err
	}
	p := metadataAnnotation(EditsAnnotation)
	if v, _ := getString(obj, p); v != unwritten {
		return source, left, nil
	}
	source, _, err = yamledit.Apply(source, []yamledit.Edit{{Path: p, Remove: true}})
	if len(left) > 0 {
		left = left[1:] // its own
	}
	return source, left, err
}

// withoutOurWords takes flowcert's words out of a list in one string that
// somebody else edited too; whole says that nothing of theirs is left.
func (l ledger) withoutOurWords(source []byte, u yamledit.Undo) (out []byte, whole bool, err error) {
	p, err := yamledit.ParsePath(u.Path)
	if err != nil {
		return nil, false, err
	}
	list, ok := wordsAt(p)
	if !ok || l.claimedAt(p) { // taken out, flowcert's words would not leave what was there
		return source, false, nil
	}
	obj, err := yamledit.Decode(source)
	if err != nil {
		return nil, false, err
	}
	current, ok := getString(obj, p)
	if !ok {
		return source, false, nil
	}
	less := list.without(current, func(word string) bool { return l.wroteWord(p, word) })
	if less == current {
		return source, false, nil
	}
	if back, ok := undone(source, u, p, current, less); ok {
		return back, true, nil
	}
	out, _, err = yamledit.Apply(source, []yamledit.Edit{{Path: p, Value: less}})
	return out, false, err
}

// undone takes the edit back although its value is another, if that leaves what
// less says: then the author's own words are as they were before flowcert, and
// their bytes come back.
func undone(source []byte, u yamledit.Undo, p yamledit.Path, current, less string) ([]byte, bool) {
	u.Wrote = digest(current)
	back, kept, err := yamledit.Revert(source, []yamledit.Undo{u})
	if err != nil || len(kept) > 0 {
		return nil, false
	}
	obj, err := yamledit.Decode(back)
	if err != nil {
		return nil, false
	}
	before, _ := getString(obj, p)
	return back, before == less
}
