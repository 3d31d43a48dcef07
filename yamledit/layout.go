package yamledit

import (
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// node is a YAML node and where it stands in the source.
type node struct {
	y       *yaml.Node
	parent  *node // nil for the root
	index   int   // of the entry in parent.entries
	start   int   // offset of the node with its anchor and tag
	content int   // offset after anchor and tag
	end     int   // offset after its last byte; a block scalar's last line break is not part of it
	inFlow  bool  // stands inside a flow collection
	entries []entry
	block   blockScalar // for literal and folded scalars
}

// entry is a key and its value, or the item of a sequence.
type entry struct {
	key   *node // nil in sequences
	name  string
	value *node
	at    int // offset of the key, of the ? before it, or of the item's dash or first byte
	colon int // offset of the colon or dash; -1 if there is none
}

func (n *node) isFlow() bool   { return n.y.Style&yaml.FlowStyle != 0 }
func (n *node) isAlias() bool  { return n.y.Kind == yaml.AliasNode }
func (n *node) isScalar() bool { return n.y.Kind == yaml.ScalarNode }
func (n *node) isBlockScalar() bool {
	return n.isScalar() && n.y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// isBlock says whether n is a mapping or sequence in block style.
func (n *node) isBlock() bool {
	return (n.y.Kind == yaml.MappingNode || n.y.Kind == yaml.SequenceNode) && !n.isFlow()
}

// isAbsent says whether n is a null that is not written.
func (n *node) isAbsent() bool { return n.isScalar() && n.start == n.end }

func (n *node) entry() entry { return n.parent.entries[n.index] }

// layout finds the extents of all nodes, walking nodes and source together.
type layout struct {
	text
	aliased map[*yaml.Node]int // what aliases name: the line of the first alias
	here    int                // the offset up to which line and column are counted
	line    int
	column  int
}

// place finds the extents of the tree below root.
func place(t text, root *yaml.Node) (*node, map[*yaml.Node]int, error) {
	l := &layout{text: t, aliased: map[*yaml.Node]int{}, here: bomLen(t.src)}
	if root.Line > len(t.starts) {
		return nil, nil, l.lost(root)
	}
	after := t.startOf(root.Line - 1)
	for c := 1; c < root.Column && after < len(t.src); c++ {
		_, w := utf8.DecodeRune(t.src[after:])
		after += w
	}
	n, err := l.node(root, after, context{indent: -1})
	return n, l.aliased, err
}

// context is what a node's extent depends on.
type context struct {
	parent *node
	index  int
	flow   bool
	indent int // column of the block collection around, -1 at the root
}

func (l *layout) lost(y *yaml.Node) error {
	return fmt.Errorf("line %d: cannot tell where a node stands", y.Line)
}

// node finds the extent of y, the next node after an offset.
func (l *layout) node(y *yaml.Node, after int, c context) (*node, error) {
	n := &node{y: y, parent: c.parent, index: c.index, inFlow: c.flow}
	p := l.skipTrivia(after)
	if isNothing(y) && !((l.is(p, '&') || l.is(p, '!')) && l.at(p, y)) {
		n.start, n.content, n.end = after, after, after
		return n, nil
	}
	if !l.at(p, y) {
		return nil, l.lost(y)
	}
	n.start = p
	n.content = l.skipProperties(p, y)
	var err error
	switch y.Kind {
	case yaml.MappingNode:
		err = l.mapping(n, c)
	case yaml.SequenceNode:
		err = l.sequence(n, c)
	case yaml.AliasNode:
		if _, ok := l.aliased[y.Alias]; !ok {
			l.aliased[y.Alias] = y.Line
		}
		n.end = n.content + 1 + len(y.Value)
	default:
		err = l.scalar(n, c.indent)
	}
	return n, err
}

// at says whether yaml.v3 says that y begins at the offset. Offsets mostly
// grow from call to call: one long line is not counted anew for each node.
func (l *layout) at(off int, y *yaml.Node) bool {
	if off < l.here {
		l.line = l.lineOf(off)
		l.here, l.column = l.startOf(l.line), 0
	}
	for l.here < off {
		if w := breakLen(l.src, l.here); w > 0 {
			l.here += w
			l.line++
			l.column = 0
			continue
		}
		_, w := utf8.DecodeRune(l.src[l.here:])
		l.here += w
		l.column++
	}
	return l.here == off && l.line+1 == y.Line && l.column+1 == y.Column
}

// skipProperties is the offset after the anchor and tag at p, and after what
// separates them from the node.
func (l *layout) skipProperties(p int, y *yaml.Node) int {
	for l.is(p, '&') || l.is(p, '!') {
		if y.Kind == yaml.MappingNode && len(y.Content) > 0 && l.at(p, y.Content[0]) {
			return p // they belong to the first key
		}
		end := l.wordEnd(p)
		next := l.skipTrivia(end)
		if isNothing(y) && (l.lineOf(next) != l.lineOf(p) || !l.is(next, '&') && !l.is(next, '!')) {
			return end
		}
		p = next
	}
	return p
}

// isNothing says whether only an anchor or a tag is written of the node.
func isNothing(y *yaml.Node) bool {
	return y.Kind == yaml.ScalarNode && y.Value == "" && y.Style&^yaml.TaggedStyle == 0
}

// wordEnd is the end of the anchor or tag at p: yaml.v3 ends an anchor, and an
// alias, at the first byte that simple words do not have, and a tag at a blank.
func (l *layout) wordEnd(p int) int {
	if l.is(p, '&') {
		p++
		for p < len(l.src) && wordLen(string(l.src[p:p+1])) == 1 {
			p++
		}
		return p
	}
	for p < len(l.src) && spaceLen(l.src, p) == 0 {
		p++
	}
	return p
}

func (l *layout) mapping(n *node, c context) error {
	braces := n.isFlow() && l.is(n.content, '{')
	pos := n.content
	if braces {
		pos++
	}
	inner := context{parent: n, flow: n.isFlow(), indent: c.indent}
	if !n.isFlow() {
		inner.indent = l.col(n.content)
	}
	n.end = pos
	for i := 0; i+1 < len(n.y.Content); i += 2 {
		inner.index = i / 2
		e, err := l.pair(n.y.Content[i], n.y.Content[i+1], pos, inner)
		if err != nil {
			return err
		}
		n.entries = append(n.entries, e)
		n.end = e.value.end
		pos = l.skipComma(n.end, braces)
	}
	if !braces {
		return nil
	}
	return l.close(n, pos, '}')
}

// pair finds a key and its value after pos.
func (l *layout) pair(key, value *yaml.Node, pos int, c context) (entry, error) {
	e := entry{at: l.skipTrivia(pos), colon: -1}
	after := pos
	if l.explicit(e.at, c.flow) {
		after = e.at + 1
	}
	var err error
	if e.key, err = l.node(key, after, c); err != nil {
		return e, err
	}
	if e.name, err = keyText(key); err != nil {
		return e, err
	}
	after = e.key.end
	if p := l.skipTrivia(after); l.is(p, ':') {
		e.colon = p
		after = p + 1
	}
	e.value, err = l.node(value, after, c)
	return e, err
}

// explicit says whether a key with a question mark begins at the offset.
func (l *layout) explicit(off int, flow bool) bool {
	return l.is(off, '?') && (flow || off+1 == len(l.src) || isBlank(l.src[off+1]) || breakLen(l.src, off+1) > 0)
}

func (l *layout) sequence(n *node, c context) error {
	pos := n.content
	inner := context{parent: n, flow: n.isFlow(), indent: c.indent}
	if n.isFlow() {
		if !l.is(pos, '[') {
			return l.lost(n.y)
		}
		pos++
	} else {
		inner.indent = l.col(pos)
	}
	for i, y := range n.y.Content {
		inner.index = i
		e := entry{at: l.skipTrivia(pos), colon: -1}
		after := pos
		if !n.isFlow() {
			if !l.is(e.at, '-') {
				return l.lost(y)
			}
			e.colon = e.at
			after = e.at + 1
		}
		var err error
		if e.value, err = l.node(y, after, inner); err != nil {
			return err
		}
		n.entries = append(n.entries, e)
		n.end = e.value.end
		pos = l.skipComma(n.end, n.isFlow())
	}
	if !n.isFlow() {
		return nil
	}
	return l.close(n, pos, ']')
}

// skipComma is the offset after the comma that follows in flow style.
func (l *layout) skipComma(pos int, flow bool) int {
	if p := l.skipTrivia(pos); flow && l.is(p, ',') {
		return p + 1
	}
	return pos
}

func (l *layout) close(n *node, pos int, bracket byte) error {
	p := l.skipTrivia(pos)
	if !l.is(p, bracket) {
		return l.lost(n.y)
	}
	n.end = p + 1
	return nil
}
