package deploy

import (
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// caughtUp is the record as it would be if flowcert had written the versions to
// which the resource refers now. GitOps that puts a specification back leaves the
// annotations of others alone: the record then tells of a later version than the
// one that stands there, which is flowcert's all the same.
func (l ledger) caughtUp(r Resource) ledger {
	if len(r.Versions) == 0 {
		return l
	}
	out, seen := slices.Clone(l), map[string]bool{}
	for i, e := range slices.Backward(out) {
		if e.claimed() || e.Wrote == "" || seen[e.path()] {
			continue
		}
		seen[e.path()] = true
		p, err := yamledit.ParsePath(e.Path)
		if err != nil {
			continue
		}
		v, ok := yamledit.Get(r.Object, p)
		if !ok {
			if e, v, ok = r.movedTo(e); !ok {
				continue
			}
		}
		if digest(v) == e.Wrote {
			continue
		}
		if wrote := r.wroteInstead(v, e.Wrote); wrote != nil {
			e.Parts = r.partsNow(e, wrote)
			e.Wrote = digest(v)
			out[i] = e
		}
	}
	return out
}

// movedTo finds the entry of a list that bears another version's name in place of
// the one in the path.
func (r Resource) movedTo(e entry) (moved entry, v any, ok bool) {
	for _, name := range r.Versions {
		for _, other := range r.Versions {
			if !strings.Contains(e.Path, name) || !sameKind(name, other) {
				continue
			}
			moved = e
			moved.Path, moved.Edit = strings.ReplaceAll(e.Path, name, other), strings.ReplaceAll(e.Edit, name, other)
			if p, err := yamledit.ParsePath(moved.Path); err == nil {
				if v, ok = yamledit.Get(r.Object, p); ok {
					return moved, v, true
				}
			}
		}
	}
	return e, nil, false
}

// wroteInstead finds, for the names of versions in a value, those that flowcert had
// written there, by the digest; nil if it wrote something else.
func (r Resource) wroteInstead(v any, sum string) map[string]string {
	var names []string
	for _, name := range r.Versions {
		if mentions(v, name) {
			names = append(names, name)
		}
	}
	var try func(names []string, wrote map[string]string) map[string]string
	try = func(names []string, wrote map[string]string) map[string]string {
		if len(names) == 0 {
			if digest(replaced(v, wrote)) == sum {
				return wrote
			}
			return nil
		}
		for _, other := range r.Versions {
			if sameKind(names[0], other) {
				wrote[names[0]] = other
				if found := try(names[1:], wrote); found != nil {
					return found
				}
			}
		}
		return nil
	}
	const enough = 4 // kinds of versions in one value
	if len(names) == 0 || len(names) > enough {
		return nil
	}
	return try(names, map[string]string{})
}

// sameKind reports whether two versions are of one thing: their names differ in the
// hash alone.
func sameKind(a, b string) bool {
	i, j := strings.LastIndexByte(a, '-'), strings.LastIndexByte(b, '-')
	return i > 0 && j > 0 && a[:i] == b[:j]
}

// mentions reports whether a name stands in a value.
func mentions(v any, name string) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			if mentions(inner, name) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return mentions(inner, name) })
	case string:
		return strings.Contains(v, name)
	}
	return false
}

// replaced is a value with other names in it.
func replaced(v any, names map[string]string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, inner := range v {
			out[k] = replaced(inner, names)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = replaced(inner, names)
		}
		return out
	case string:
		for name, other := range names {
			if strings.Contains(v, name) {
				return strings.ReplaceAll(v, name, other)
			}
		}
	}
	return v
}

// partsNow are the parts of an entry with the names that stand there now.
func (r Resource) partsNow(e entry, wrote map[string]string) []string {
	p, err := yamledit.ParsePath(e.path())
	if err != nil || e.Parts == nil {
		return e.Parts
	}
	v, _ := yamledit.Get(r.Object, p)
	if parts := leafDigests(v, nil); parts != nil {
		return parts
	}
	list, ok := wordsAt(p)
	if !ok {
		return []string{leafDigest(nil, v)}
	}
	var out []string
	for _, word := range list.split(text(v)) {
		was, _ := replaced(word, wrote).(string)
		if slices.Contains(e.Parts, partDigest(was)) {
			out = append(out, partDigest(word))
		}
	}
	return out
}
