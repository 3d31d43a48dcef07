package yamledit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// remove takes out n, which is at p.
func (d *document) remove(n *node, p Path) ([]change, error) {
	if err := d.namesNothing(n); err != nil {
		return nil, err
	}
	parent := n.parent
	if len(parent.entries) == 1 {
		if parent.parent == nil {
			return nil, errors.New("nothing would be left of the document")
		}
		return d.replace(parent, p[:len(p)-1], emptyLike(parent))
	}
	if parent.isFlow() {
		if len(p) == 1 {
			return nil, errors.New("the entries of a document in flow style cannot be removed")
		}
		r, _ := d.region(parent, modeNode)
		return []change{{splices: d.cutFlow(parent, n.index), undo: d.undo(p[:len(p)-1], r, modeNode)}}, nil
	}
	s, err := d.cutBlock(parent, n.index)
	if err != nil {
		return nil, err
	}
	cuts := []splice{s}
	if s.to == len(d.src) && d.firstOnLine(n.entry().at) {
		// The line end before may belong to a literal scalar.
		cuts = append(cuts, splice{d.lineStart(n.entry().at), s.to, ""})
	}
	var all []change
	for _, s := range cuts {
		was := string(d.src[s.from:s.to])
		after := d.position(parent, n.index, s)
		all = append(all, change{splices: []splice{s}, undo: Undo{Path: p.String(), Was: &was, After: &after}, removes: true})
	}
	return all, nil
}

// namesNothing refuses to remove an anchor that an alias elsewhere names.
func (d *document) namesNothing(n *node) error {
	if line, ok := d.aliased[n.y]; ok {
		return fmt.Errorf("the anchor &%s is used in line %d", n.y.Anchor, line)
	}
	for _, e := range n.entries {
		if e.key != nil {
			if err := d.namesNothing(e.key); err != nil {
				return err
			}
		}
		if err := d.namesNothing(e.value); err != nil {
			return err
		}
	}
	return nil
}

func emptyLike(n *node) any {
	if n.y.Kind == yaml.SequenceNode {
		return []any{}
	}
	return map[string]any{}
}

// cutBlock is the part of the source that holds entry i of a block collection
// with others: whole lines with the line break before them. The first entry of
// a map on the line of a dash gives its place to the next.
func (d *document) cutBlock(n *node, i int) (splice, error) {
	e := n.entries[i]
	first, last := d.lineOf(e.at), d.lineOf(e.value.end)
	switch {
	case !d.firstOnLine(e.at):
		next := n.entries[i+1].at
		if d.lineOf(next) != last+1 {
			return splice{}, errors.New("it stands on the line of a dash, and blank lines or comments follow")
		}
		return splice{e.at, next, ""}, nil
	case first == 0:
		return splice{d.startOf(0), d.startOf(last + 1), ""}, nil
	}
	return splice{d.endOf(first - 1), d.endOf(last), ""}, nil
}

// Positions in Undo.After of a removed entry, besides "+lines" and
// "+lines sibling": so many lines below the line where the sibling before it
// ends (a key, or the number of a list entry), or below the line of the key or
// dash of the collection.
const (
	positionTop    = "top"    // at the document's first byte
	positionInline = "inline" // before the first entry, on its line
)

// position says where entry i stands that the splice removes.
func (d *document) position(n *node, i int, s splice) string {
	e := n.entries[i]
	switch {
	case !d.firstOnLine(e.at):
		return positionInline
	case d.lineOf(e.at) == 0:
		return positionTop
	case i == 0:
		return fmt.Sprintf("+%d", d.lineOf(s.from)-d.headLine(n))
	}
	before := n.entries[i-1]
	name := before.name
	if before.key == nil {
		name = strconv.Itoa(i - 1)
	}
	return fmt.Sprintf("+%d %s", d.lineOf(s.from)-d.lineOf(before.value.end), name)
}

// headLine is the line of the key or dash that n belongs to; -1 for the root.
func (d *document) headLine(n *node) int {
	if n.parent == nil {
		return -1
	}
	return d.lineOf(n.entry().colon)
}

// offsetOf is the offset that a position in n means.
func (d *document) offsetOf(n *node, after string) (int, bool) {
	switch after {
	case positionTop:
		return d.startOf(0), true
	case positionInline:
		return n.entries[0].at, true
	}
	count, name, named := strings.Cut(strings.TrimPrefix(after, "+"), " ")
	lines, err := strconv.Atoi(count)
	if err != nil || lines < 0 || lines > len(d.starts) {
		return 0, false
	}
	line := d.headLine(n)
	if named {
		i, ok := n.sibling(name)
		if !ok {
			return 0, false
		}
		line = d.lineOf(n.entries[i].value.end)
	}
	if line += lines; line < 0 || line >= len(d.starts) {
		return 0, false
	}
	return d.endOf(line), true
}

// sibling is the index of the entry that a position names.
func (n *node) sibling(name string) (int, bool) {
	if n.entries[0].key == nil {
		i, err := strconv.Atoi(name)
		return i, err == nil && i >= 0 && i < len(n.entries)
	}
	for i, e := range n.entries {
		if e.name == name {
			return i, true
		}
	}
	return 0, false
}
