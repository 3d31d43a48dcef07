package yamledit

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// insert adds to n, which is at p without its last missing steps, what v holds:
// a map of one key, or a list of one entry.
func (d *document) insert(n *node, p Path, missing int, v any) ([]change, error) {
	undo := Undo{Path: p.String(), New: missing}
	var all []change
	var err error
	switch {
	case len(n.entries) == 0:
		all, err = d.fill(n, v)
	case n.isFlow():
		all, err = d.extendFlow(n, v)
	default:
		all, err = d.extendBlock(n, v)
	}
	for i := range all {
		undo.Was, undo.After = all[i].undo.Was, all[i].undo.After
		all[i].undo = undo
	}
	return all, err
}

// fill writes v in place of an empty or null node; the undo keeps what the
// node was.
func (d *document) fill(n *node, v any) ([]change, error) {
	if n.start != n.content {
		return nil, errors.New("it has an anchor or a tag that would be lost")
	}
	if n.inFlow || n.parent == nil || n.parent.y.Kind == yaml.SequenceNode {
		return d.writeFlow(n, nil, v)
	}
	return d.writeBelow(n, nil, v)
}

// writeFlow writes v in flow style in place of n.
func (d *document) writeFlow(n *node, p Path, v any) ([]change, error) {
	f, in := d.flowStyle(n)
	if !n.isAbsent() {
		return d.rewrite(n, p, modeNode, f.text(v, in)), nil
	}
	if n.parent == nil || n.entry().colon < 0 {
		return nil, errors.New("no colon stands before it")
	}
	return d.rewrite(n, p, modeColon, " "+f.text(v, in)), nil
}

// writeBelow writes v, a map or list that is not empty, in block style below
// the key of n, and keeps a comment on the key's line.
func (d *document) writeBelow(n *node, p Path, v any) ([]change, error) {
	e := n.entry()
	if e.colon < 0 || e.at != e.key.start {
		return nil, errors.New("its key is written with a question mark")
	}
	col := d.col(e.at)
	var all []change
	for _, r := range d.renderers(e.at) {
		lines := r.blockLines(v, col+r.step, col+r.dash)
		all = append(all, d.rewrite(n, p, modeLine, d.headComment(n)+r.eol+r.join(lines))...)
	}
	return all, nil
}

// headComment is the comment on the line of the key of n, with the blanks
// before it.
func (d *document) headComment(n *node) string {
	colon := n.entry().colon + 1
	from := colon
	switch {
	case n.isBlockScalar():
		from = n.block.afterHeader
	case !n.isAbsent() && d.lineOf(n.content) == d.lineOf(colon):
		from = n.end
	case n.start != n.content && d.lineOf(n.start) == d.lineOf(colon):
		for i := n.start; i < d.lineEnd(colon); i++ {
			if d.is(i, '#') && isBlank(d.src[i-1]) {
				return " " + string(d.src[i:d.lineEnd(colon)])
			}
		}
		return ""
	}
	if !d.onlyComment(from) {
		return ""
	}
	return string(d.src[from:d.lineEnd(from)])
}

// extendBlock adds the entry after the last line of a block collection. The
// second place, after the last but one, is for a last entry that is a literal
// scalar at the end of a document without a last line feed: nothing can follow
// it without changing it.
func (d *document) extendBlock(n *node, v any) ([]change, error) {
	first := n.entries[0]
	if strings.Contains(string(d.src[d.lineStart(first.at):first.at]), "\t") {
		return nil, fmt.Errorf("line %d is indented with a tab", d.lineOf(first.at)+1)
	}
	if first.key != nil && first.at != first.key.start {
		return nil, errors.New("its keys are written with question marks")
	}
	col := d.col(first.at)
	places := []int{d.lineEnd(n.end)}
	if at, ok := d.beforeLast(n); ok {
		places = append(places, at)
	} else if d.endsOpen(n) {
		return nil, errors.New("it ends in a literal or folded scalar without a line end, which what follows would add: end the document with a line end")
	}
	var all []change
	for _, at := range places {
		for _, r := range d.renderers(at) {
			if gap, ok := d.gapOf(n); ok {
				r.gap = gap
			}
			text := r.eol + r.join(r.blockLines(v, col, col))
			all = append(all, change{splices: []splice{{at, at, text}}})
		}
	}
	return all, nil
}

// beforeLast is the end of the line after which the last entry of a mapping
// begins.
func (d *document) beforeLast(n *node) (int, bool) {
	i := len(n.entries) - 1
	if n.entries[i].key == nil {
		return 0, false // the order of a list counts
	}
	if i > 0 {
		return d.lineEnd(n.entries[i-1].value.end), true
	}
	line := d.lineOf(n.entries[0].at)
	if line == 0 || !d.firstOnLine(n.entries[0].at) {
		return 0, false
	}
	return d.endOf(line - 1), true
}

// gapOf is the blanks after the last dash of a sequence.
func (d *document) gapOf(n *node) (int, bool) {
	e := n.entries[len(n.entries)-1]
	if e.key != nil || e.value.isAbsent() || d.lineOf(e.value.start) != d.lineOf(e.at) {
		return 0, false
	}
	return e.value.start - e.at - 1, true
}

// endsOpen says whether n ends, at the end of the document, in a scalar whose
// value depends on the line end that is missing.
func (d *document) endsOpen(n *node) bool {
	for len(n.entries) > 0 {
		n = n.entries[len(n.entries)-1].value
	}
	return n.isBlockScalar() && n.block.chomp != '-' && n.end == len(d.src)
}
