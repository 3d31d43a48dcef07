package yamledit

import (
	"errors"
	"fmt"
)

// ApplyObject makes the edits on a deep copy of obj, which may be nil. It is
// what [Apply] makes of a document, and refuses the same paths. All integers
// of the copy are int64.
func ApplyObject(obj map[string]any, edits []Edit) (map[string]any, error) {
	copied, err := normalMap(obj)
	if err != nil {
		return nil, err
	}
	out := copied.(map[string]any)
	for _, e := range edits {
		if err := applyObject(out, e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// applyObject makes one edit in place.
func applyObject(obj map[string]any, e Edit) error {
	if err := e.Path.check(); err != nil {
		return err
	}
	if e.Remove {
		if _, err := removeIn(obj, e.Path); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		return nil
	}
	v, err := writable(e.Value)
	if err == nil {
		_, err = setIn(obj, e.Path, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	return nil
}

// setIn sets the value at p below c, and returns what c is then.
func setIn(c any, p Path, v any) (any, error) {
	if len(p) == 0 {
		return v, nil
	}
	if p[0].isItem() {
		return setItem(c, p, v)
	}
	m, ok := c.(map[string]any)
	if c == nil {
		m, ok = map[string]any{}, true
	}
	if !ok {
		return nil, fmt.Errorf("key %q: want a map, found %s", p[0].Key, kindName(c))
	}
	n, err := setIn(m[p[0].Key], p[1:], v)
	if err != nil {
		return nil, err
	}
	m[p[0].Key] = n
	return m, nil
}

func setItem(c any, p Path, v any) (any, error) {
	list, ok := c.([]any)
	if c != nil && !ok {
		return nil, fmt.Errorf("%s: want a list, found %s", p[:1], kindName(c))
	}
	i, err := findItem(list, p[0])
	if err != nil {
		return nil, err
	}
	var entry any
	if i >= 0 {
		entry = list[i]
	} else if len(p) > 1 {
		entry = map[string]any{p[0].Field: p[0].Value}
	}
	entry, err = setIn(entry, p[1:], v)
	if err != nil {
		return nil, err
	}
	if !isItem(entry, p[0]) && (i < 0 || len(p) == 1) {
		return nil, fmt.Errorf("%s: the value must be a map that has this field", p[:1])
	}
	if i >= 0 {
		list[i] = entry
		return list, nil
	}
	return append(list, entry), nil
}

// isItem says whether v is a map whose field has the step's value.
func isItem(v any, s Step) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	f, ok := m[s.Field]
	if !ok || f == nil {
		return false
	}
	text, ok := scalarText(f)
	return ok && text == s.Value
}

// findItem is the index of the entry that the step picks, -1 if there is none.
func findItem(list []any, s Step) (int, error) {
	found := -1
	for i, v := range list {
		if _, ok := v.(map[string]any); !ok {
			return -1, fmt.Errorf("%s: list entry %d is %s, not a map", Path{s}, i+1, kindName(v))
		}
		if !isItem(v, s) {
			continue
		}
		if found >= 0 {
			return -1, fmt.Errorf("%s: list entries %d and %d both have this value", Path{s}, found+1, i+1)
		}
		found = i
	}
	return found, nil
}

var errAbsent = errors.New("absent")

// removeIn removes the node at p below c, and returns what c is then. A node
// that is not there is no error.
func removeIn(c any, p Path) (any, error) {
	if c == nil {
		return nil, nil
	}
	if p[0].isItem() {
		return removeItem(c, p)
	}
	m, ok := c.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("key %q: want a map, found %s", p[0].Key, kindName(c))
	}
	child, ok := m[p[0].Key]
	if !ok {
		return m, nil
	}
	if len(p) == 1 {
		delete(m, p[0].Key)
		return m, nil
	}
	n, err := removeIn(child, p[1:])
	if err == nil {
		m[p[0].Key] = n
	}
	return m, err
}

func removeItem(c any, p Path) (any, error) {
	list, ok := c.([]any)
	if !ok {
		return nil, fmt.Errorf("%s: want a list, found %s", p[:1], kindName(c))
	}
	i, err := findItem(list, p[0])
	if err != nil || i < 0 {
		return list, err
	}
	if len(p) == 1 {
		return append(list[:i:i], list[i+1:]...), nil
	}
	n, err := removeIn(list[i], p[1:])
	if err == nil {
		list[i] = n
	}
	return list, err
}

// Get is the value at p in plain values. It is false where the path leads
// nowhere, and where a step picks two list entries. The empty path is obj.
func Get(obj map[string]any, p Path) (any, bool) {
	v, err := lookUp(obj, p)
	return v, err == nil
}

func lookUp(obj map[string]any, p Path) (any, error) {
	v := any(obj)
	for _, s := range p {
		switch c := v.(type) {
		case map[string]any:
			child, ok := c[s.Key]
			if s.isItem() || !ok {
				return nil, errAbsent
			}
			v = child
		case []any:
			if !s.isItem() {
				return nil, errAbsent
			}
			i := pick(c, s)
			if i < 0 {
				return nil, errAbsent
			}
			v = c[i]
		default:
			return nil, errAbsent
		}
	}
	return v, nil
}

// pick is the index of the one entry that the step picks, else -1.
func pick(list []any, s Step) int {
	found := -1
	for i, v := range list {
		if isItem(v, s) {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}
