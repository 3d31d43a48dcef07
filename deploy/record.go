package deploy

import (
	"slices"

	"github.com/flowcert/flowcert/yamledit"
)

// pass is one rewrite of a resource: its values before and after.
type pass struct {
	record        ledger
	before, after map[string]any
}

// entries are the records of edits. Edits that changed nothing leave none.
func (w pass) entries(edits []yamledit.Edit, undos []yamledit.Undo) ledger {
	var out ledger
	for i, u := range undos {
		if u.Path == "" {
			continue
		}
		e := entry{Undo: u}
		if p := edits[i].Path.String(); p != u.Path {
			e.Edit = p
		}
		if !edits[i].Remove {
			e.Parts = w.parts(edits[i].Path, e.Edit != "")
		}
		out = append(out, e)
	}
	return out
}

// parts are what in the value at p is flowcert's; whole asks for the value
// itself where nothing else records it.
func (w pass) parts(p yamledit.Path, whole bool) []string {
	v, _ := yamledit.Get(w.after, p)
	if _, isMap := v.(map[string]any); isMap {
		return leafDigests(v, nil)
	}
	if list, ok := wordsAt(p); ok {
		return w.words(p, list, text(v))
	}
	if whole {
		return []string{leafDigest(nil, v)}
	}
	return nil
}

// words are flowcert's among the words of a list: those that the pass put in,
// and those that were flowcert's before.
func (w pass) words(p yamledit.Path, list wordList, now string) []string {
	old, _ := getString(w.before, p)
	was := map[string]bool{}
	for _, word := range list.split(old) {
		was[word] = true
	}
	var out []string
	for _, word := range list.split(now) {
		if !was[word] || w.record.wroteWord(p, word) {
			out = append(out, partDigest(word))
		}
	}
	return out
}

// settled takes out of the fresh entries those below a node that flowcert made
// or replaced and that somebody changed since: a revert keeps such a node whole,
// as it is then. What is flowcert's in it is noted.
func (w *pass) settled(fresh ledger) ledger {
	w.record = slices.Clone(w.record)
	var out ledger
	for _, e := range fresh {
		p, err := yamledit.ParsePath(e.Path)
		i, made := w.latest(w.record, p)
		if err != nil || i < 0 || len(made) == len(p) || w.record[i].Wrote == "" || w.record[i].Edit != "" || w.intact(w.record[i], made) {
			out = append(out, e)
			continue
		}
		v, _ := yamledit.Get(w.after, made)
		w.record[i].Parts = w.stillOurs(w.record[i], made, v, nil)
	}
	return out
}

// stillOurs are the leaves of a mapping that are flowcert's by the record or
// were written in this pass.
func (w pass) stillOurs(h entry, made yamledit.Path, v any, rel yamledit.Path) []string {
	m, isMap := v.(map[string]any)
	if !isMap {
		sum := leafDigest(rel, v)
		was, _ := yamledit.Get(w.before, under(made, rel...))
		if slices.Contains(h.Parts, sum) || sum != leafDigest(rel, was) {
			return []string{sum}
		}
		return nil
	}
	var out []string
	for _, k := range sortedKeys(m) {
		out = append(out, w.stillOurs(h, made, m[k], under(rel, yamledit.Key(k)))...)
	}
	return out
}

// latest is the latest entry at or above p, and its path; -1 if there is none.
func (pass) latest(l ledger, p yamledit.Path) (int, yamledit.Path) {
	for i, h := range slices.Backward(l) {
		if made, err := yamledit.ParsePath(h.Path); err == nil && !h.claimed() && within(p, made) {
			return i, made
		}
	}
	return -1, nil
}

// intact reports whether nobody changed what the entry wrote, up to this pass.
func (w pass) intact(h entry, made yamledit.Path) bool {
	v, ok := yamledit.Get(w.before, made)
	return ok && h.Wrote != "" && digest(v) == h.Wrote
}

// folded is the record with the fresh entries, each made one with the latest
// that covers its node, so that the record does not grow with every renewal:
// the earlier entry knows what stood there before flowcert, the later one what
// flowcert wrote.
func (w pass) folded(fresh ledger) ledger {
	out, fresh := w.renamed(w.record, fresh)
	for _, e := range fresh {
		if i := w.covering(out, e); i >= 0 {
			out[i] = w.joined(out[i], e)
		} else {
			out = append(out, e)
		}
	}
	return out
}

// covering is the index of the latest entry whose undo takes e back too; -1 if
// there is none, or somebody changed its node before this pass: then that
// change is to come out of a revert, and e has to be undone by itself.
func (w pass) covering(l ledger, e entry) int {
	p, err := yamledit.ParsePath(e.Path)
	if err != nil {
		return -1
	}
	i, made := w.latest(l, p)
	if i < 0 {
		return -1
	}
	h := l[i]
	if i < len(w.record) {
		h = w.record[i] // as it was before this pass
	}
	if !w.covers(h, made, e) {
		return -1
	}
	return i
}

func (w pass) covers(h entry, made yamledit.Path, e entry) bool {
	switch {
	case h.Path != e.Path:
		return h.Edit == "" && w.intact(h, made)
	case h.Edit != e.Edit:
		return false
	case h.Wrote == "" || e.Wrote == "": // removed, put back by somebody, removed again
		return h.Wrote == e.Wrote
	case e.New > 0: // made, removed by somebody, made again
		return h.New > 0
	}
	return w.intact(h, made)
}

// joined is h, which covers e, after e.
func (w pass) joined(h, e entry) entry {
	if h.Path != e.Path {
		p, _ := yamledit.ParsePath(h.Path)
		v, _ := yamledit.Get(w.after, p)
		h.Wrote, h.Parts = digest(v), w.parts(p, false)
		return h
	}
	if h.Wrote == "" || e.New > h.New {
		h.New, h.Was, h.After = e.New, e.Was, e.After
	}
	h.Wrote, h.Parts = e.Wrote, e.Parts
	return h
}
