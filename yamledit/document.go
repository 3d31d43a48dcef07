package yamledit

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a source, its values and where they stand.
type document struct {
	text
	obj     map[string]any
	root    *node
	aliased map[*yaml.Node]int // what aliases name: the line of the first alias
	style   style
}

func read(src []byte) (*document, error) {
	y, err := parse(src)
	if err != nil {
		return nil, err
	}
	d := &document{text: newText(src)}
	if d.obj, err = convert(y); err != nil {
		return nil, err
	}
	if d.root, d.aliased, err = place(d.text, y); err != nil {
		return nil, err
	}
	d.style = d.styleOf(d.root)
	return d, nil
}

// splice replaces the source from an offset to another.
type splice struct {
	from, to int
	text     string
}

// splices makes all splices, which do not overlap, in a copy of src.
func splices(src []byte, all []splice) []byte {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b splice) int { return a.from - b.from })
	var out []byte
	pos := 0
	for _, s := range all {
		out = append(append(out, src[pos:s.from]...), s.text...)
		pos = s.to
	}
	return append(out, src[pos:]...)
}

func (d *document) lineFrom1(n *node) int {
	if n.parent != nil {
		return d.lineOf(n.entry().at) + 1
	}
	return d.lineOf(n.start) + 1
}

// located adds the line of the last node on the path that is there.
func (d *document) located(p Path, err error) error {
	n, v := d.root, any(d.obj)
	for _, s := range p {
		child, value, failed := descend(n, v, s)
		if failed != nil || child == nil {
			break
		}
		if n, v = child, value; n.isAlias() {
			break
		}
	}
	return fmt.Errorf("line %d: %w", d.lineFrom1(n), err)
}

// locate follows the path: to the last node that is there, and the steps that
// are not.
func (d *document) locate(p Path) (*node, Path, error) {
	n, v := d.root, any(d.obj)
	for i, s := range p {
		if n.isAlias() {
			return nil, nil, fmt.Errorf("%s is the alias *%s: an edit would change what it names", p[:i], n.y.Value)
		}
		if err := d.notShared(n, p[:i]); err != nil {
			return nil, nil, err
		}
		child, value, err := descend(n, v, s)
		if err != nil {
			return nil, nil, err
		}
		if child == nil {
			return n, p[i:], nil
		}
		n, v = child, value
	}
	return n, nil, d.notShared(n, p)
}

// descend makes one step, to nil where there is nothing.
func descend(n *node, v any, s Step) (*node, any, error) {
	if v == nil {
		return nil, nil, nil
	}
	if s.isItem() {
		list, ok := v.([]any)
		if !ok {
			return nil, nil, fmt.Errorf("%s: want a list, found %s", Path{s}, kindName(v))
		}
		i, err := findItem(list, s)
		if err != nil || i < 0 {
			return nil, nil, err
		}
		return n.entries[i].value, list[i], nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, nil, fmt.Errorf("key %q: want a map, found %s", s.Key, kindName(v))
	}
	for _, e := range n.entries {
		if e.name == s.Key && !isMerge(e.key.y) {
			return e.value, m[s.Key], nil
		}
	}
	if _, ok := m[s.Key]; ok {
		return nil, nil, fmt.Errorf("key %q comes from a merge (<<): an edit would hide it", s.Key)
	}
	return nil, nil, nil
}

// notShared refuses nodes that an alias repeats elsewhere.
func (d *document) notShared(n *node, p Path) error {
	if line, ok := d.aliased[n.y]; ok {
		return fmt.Errorf("%s has the anchor &%s, which line %d repeats: an edit would change both", p, n.y.Anchor, line)
	}
	return nil
}

// losesAnchor refuses to write over an anchor inside n.
func losesAnchor(n *node) error {
	if n.y.Anchor != "" {
		return fmt.Errorf("the anchor &%s would be lost", n.y.Anchor)
	}
	return losesInnerAnchor(n)
}

func losesInnerAnchor(n *node) error {
	for _, e := range n.entries {
		if e.key != nil {
			if err := losesAnchor(e.key); err != nil {
				return err
			}
		}
		if err := losesAnchor(e.value); err != nil {
			return err
		}
	}
	return nil
}

// Modes of Undo.After where Was replaces a node: what Was is the source of.
const (
	modeNode  = ""      // the node without anchor and tag
	modeColon = ":"     // from after the colon to the node's end
	modeLine  = "line"  // from after the colon to the end of the node's last line
	modeBlock = "block" // from the node's first byte to the end of its last line
)

// region is the part of the source that a mode means.
func (d *document) region(n *node, mode string) (span, bool) {
	r := span{n.content, n.end}
	if mode == modeBlock || mode == modeLine {
		r.to = d.lineEnd(n.end)
	}
	if mode == modeLine || mode == modeColon {
		if n.parent == nil || n.entry().colon < 0 {
			return r, false
		}
		r.from = n.entry().colon + 1
	}
	return r, true
}

// undo is the undo that restores the region.
func (d *document) undo(p Path, r span, mode string) Undo {
	was := string(d.src[r.from:r.to])
	u := Undo{Path: p.String(), Was: &was}
	if mode != modeNode {
		u.After = &mode
	}
	return u
}

// rewrite is a change that replaces the region of n by text.
func (d *document) rewrite(n *node, p Path, mode, text string) []change {
	r, ok := d.region(n, mode)
	if !ok {
		return nil
	}
	return []change{{splices: []splice{{r.from, r.to, text}}, undo: d.undo(p, r, mode)}}
}

// renderers write block style as the document does; the second without literal
// scalars, which lose their last line feed at the end of a document without one.
func (d *document) renderers(off int) []renderer {
	r := renderer{style: d.style, eol: d.eol(off), literal: true}
	quoted := r
	quoted.literal = false
	return []renderer{r, quoted}
}

func (r renderer) join(lines []string) string { return strings.Join(lines, r.eol) }
