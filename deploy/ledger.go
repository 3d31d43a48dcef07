package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/flowcert/flowcert/yamledit"
)

// ledger is what flowcert changed in one resource since it first touched it,
// in order. It is kept in the resource itself (EditsAnnotation), because it has
// to go wherever the resource goes: copied, committed, applied elsewhere. The
// first entry is for the annotation itself.
type ledger []entry

// entry is one edit, and how to take it back.
type entry struct {
	yamledit.Undo
	// Edit is the path that was set, where the undo is for a parent of it.
	Edit string `json:"edit,omitempty"`
	// Parts are short digests of what in the value is flowcert's, where others
	// may write beside it: leaves of a mapping, words of a list in one string.
	Parts []string `json:"parts,omitempty"`
}

// path is the path that was set or removed.
func (e entry) path() string {
	if e.Edit != "" {
		return e.Edit
	}
	return e.Path
}

func readLedger(r Resource) (ledger, error) {
	s := r.annotation(EditsAnnotation)
	if s == "" {
		return nil, nil
	}
	var l ledger
	if err := json.Unmarshal([]byte(s), &l); err != nil {
		return nil, fmt.Errorf("annotation %s does not read: %w", EditsAnnotation, err)
	}
	if len(l) > 0 && l[0].Path != metadataAnnotation(EditsAnnotation).String() && l[0].Edit != metadataAnnotation(EditsAnnotation).String() {
		return nil, fmt.Errorf("annotation %s does not begin with itself", EditsAnnotation)
	}
	for _, e := range l {
		for _, p := range []string{e.Path, e.path()} {
			if p == "" && e.Edit != "" {
				continue // a claim
			}
			if parsed, err := yamledit.ParsePath(p); err != nil || len(parsed) == 0 {
				return nil, fmt.Errorf("annotation %s holds %q, which is not a path", EditsAnnotation, p)
			}
		}
	}
	return l.caughtUp(r), nil
}

// wrote reports whether current, which stands at p, is what flowcert wrote
// there last. A value that somebody changed since is not.
func (l ledger) wrote(p yamledit.Path, current any) bool {
	for _, e := range slices.Backward(l) {
		made, err := yamledit.ParsePath(e.path())
		if err != nil || !within(p, made) {
			continue
		}
		if len(p) == len(made) && e.Edit == "" {
			return e.Wrote != "" && e.Wrote == digest(current)
		}
		return slices.Contains(e.Parts, leafDigest(p[len(made):], current))
	}
	return false
}

// wroteWord reports whether flowcert put the word into the list at p.
func (l ledger) wroteWord(p yamledit.Path, word string) bool {
	path, sum := p.String(), partDigest(word)
	for _, e := range l {
		if e.path() == path && slices.Contains(e.Parts, sum) {
			return true
		}
	}
	return false
}

// within reports whether p is at or below parent.
func within(p, parent yamledit.Path) bool {
	return len(p) >= len(parent) && slices.Equal(p[:len(parent)], parent)
}

// digest is the one that [yamledit.Undo] records of a value written; it is had
// from an edit, so that the two cannot disagree.
func digest(v any) string {
	_, undos, err := yamledit.Apply([]byte("{}\n"), []yamledit.Edit{{Path: keys("v"), Value: v}})
	if err != nil {
		return ""
	}
	return undos[0].Wrote
}

// partDigest is short: it tells what is flowcert's from what somebody wrote by
// chance, not by intent.
func partDigest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:12]
}

// leafDigest is the part of a mapping that holds v at rel.
func leafDigest(rel yamledit.Path, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return partDigest(rel.String() + "=" + string(text))
}

// leafDigests are the parts of a mapping, lists whole; nil for anything else.
func leafDigests(v any, rel yamledit.Path) []string {
	m, isMap := v.(map[string]any)
	switch {
	case !isMap && len(rel) == 0:
		return nil
	case !isMap:
		return []string{leafDigest(rel, v)}
	}
	var out []string
	for _, k := range sortedKeys(m) {
		out = append(out, leafDigests(m[k], under(rel, yamledit.Key(k)))...)
	}
	return out
}
