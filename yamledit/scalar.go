package yamledit

import (
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// scalar finds where a scalar ends.
func (l *layout) scalar(n *node, indent int) error {
	end := -1
	switch n.y.Style &^ yaml.TaggedStyle {
	case yaml.DoubleQuotedStyle:
		end = l.quotedEnd(n.content, '"')
	case yaml.SingleQuotedStyle:
		end = l.quotedEnd(n.content, '\'')
	case yaml.LiteralStyle, yaml.FoldedStyle:
		if l.is(n.content, '|') || l.is(n.content, '>') {
			n.block = l.blockScalar(n.content, indent)
			end = n.block.end
		}
	default:
		end = l.plainEnd(n.content, n.y.Value)
	}
	if end < 0 {
		return l.lost(n.y)
	}
	n.end = end
	return nil
}

// quotedEnd is the offset after the closing quote.
func (l *layout) quotedEnd(from int, quote byte) int {
	if !l.is(from, quote) {
		return -1
	}
	for i := from + 1; i < len(l.src); i++ {
		switch {
		case quote == '"' && l.src[i] == '\\':
			i++
		case l.src[i] != quote:
		case quote == '\'' && l.is(i+1, quote):
			i++
		default:
			return i + 1
		}
	}
	return -1
}

// plainEnd walks value and source together: a plain scalar has no escapes, so
// that they differ in white space only.
func (l *layout) plainEnd(i int, value string) int {
	for v := 0; ; {
		for v < len(value) && spaceLen([]byte(value), v) > 0 {
			v += spaceLen([]byte(value[v:min(v+3, len(value))]), 0)
		}
		if v == len(value) {
			return i
		}
		for i < len(l.src) && spaceLen(l.src, i) > 0 {
			i += spaceLen(l.src, i)
		}
		if !l.is(i, value[v]) {
			return -1
		}
		i++
		v++
	}
}

// spaceLen is the length of the blank or line break at i, else 0.
func spaceLen(b []byte, i int) int {
	if isBlank(b[i]) {
		return 1
	}
	return breakLen(b, i)
}

// blockScalar is the form of a literal or folded scalar.
type blockScalar struct {
	afterHeader int    // offset after the indicators |, >, +, - and the digit
	chomp       byte   // '+', '-', or 0
	indent      int    // of its text
	lines       []span // its lines without their breaks; blank lines at the end only where they are kept
	end         int
}

type span struct{ from, to int }

// blockScalar reads the literal or folded scalar at off, inside a block
// collection at column parent: YAML 1.2, section 8.1, as yaml.v3 reads it.
func (l *layout) blockScalar(off, parent int) blockScalar {
	b := blockScalar{afterHeader: off + 1}
	for ; b.afterHeader < len(l.src); b.afterHeader++ {
		c := l.src[b.afterHeader]
		if c >= '1' && c <= '9' {
			b.indent = max(parent, 0) + int(c-'0')
		} else if c == '+' || c == '-' {
			b.chomp = c
		} else {
			break
		}
	}
	header := l.lineOf(off)
	b.end = l.endOf(header)
	kept, widest := 0, 0
	var lines []span
	for n := header + 1; n < len(l.starts); n++ {
		from, to := l.starts[n], l.endOf(n)
		spaces := 0
		for from+spaces < to && l.src[from+spaces] == ' ' && (b.indent == 0 || spaces < b.indent) {
			spaces++
		}
		widest = max(widest, spaces)
		if from+spaces == to { // blank; without a break it is no line
			if n+1 < len(l.starts) {
				lines = append(lines, span{from + spaces, to})
			}
			continue
		}
		if b.indent == 0 {
			b.indent = max(widest, parent+1, 1)
		}
		if spaces < b.indent {
			break
		}
		lines = append(lines, span{from + spaces, to})
		kept = len(lines)
	}
	if b.chomp == '+' {
		kept = len(lines)
	}
	b.lines = lines[:kept]
	if kept > 0 {
		b.end = b.lines[kept-1].to
	}
	return b
}

// trace is the value of a scalar with the offset of each of its bytes in the
// source; where has one more element, the offset of the value's end.
type trace struct {
	value []byte
	where []int
}

func (t *trace) add(off int, s ...byte) {
	for _, c := range s {
		t.value = append(t.value, c)
		t.where = append(t.where, off)
	}
}

// trace follows the string scalar n through the source. It is false where the
// result is not what yaml.v3 read: then the scalar is rewritten as a whole.
func (t text) trace(n *node) (trace, bool) {
	var tr trace
	ok := true
	switch n.y.Style &^ yaml.TaggedStyle {
	case yaml.LiteralStyle:
		t.traceBlock(&tr, n, false)
	case yaml.FoldedStyle:
		t.traceBlock(&tr, n, true)
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		ok = t.traceFlow(&tr, n.content+1, n.end-1, t.src[n.content])
	default:
		ok = t.traceFlow(&tr, n.content, n.end, 0)
	}
	return tr, ok && string(tr.value) == n.y.Value
}

// traceFlow follows the text of a plain or quoted scalar.
func (t text) traceFlow(tr *trace, from, to int, quote byte) bool {
	for i := from; i < to; {
		c := t.src[i]
		switch {
		case spaceLen(t.src, i) > 0:
			i = t.traceSpace(tr, i, to, false)
		case quote == '\'' && c == '\'':
			tr.add(i, c)
			i += 2
		case quote == '"' && c == '\\' && breakLen(t.src, i+1) > 0:
			i = t.traceSpace(tr, i+1, to, true)
		case quote == '"' && c == '\\':
			r, w := unescape(t.src[i:to])
			if w == 0 {
				return false
			}
			tr.add(i, []byte(string(r))...)
			i += w
		default:
			tr.add(i, c)
			i++
		}
	}
	tr.where = append(tr.where, to)
	return true
}

// traceSpace follows blanks and line breaks: one break is a space, or nothing
// after a backslash; each further break is a line feed.
func (t text) traceSpace(tr *trace, i, to int, escaped bool) int {
	from := i
	var breaks []int
	for i < to && spaceLen(t.src, i) > 0 {
		if breakLen(t.src, i) > 0 {
			breaks = append(breaks, i)
		}
		i += spaceLen(t.src, i)
	}
	switch {
	case len(breaks) == 0:
		for ; from < i; from++ {
			tr.add(from, t.src[from])
		}
	case len(breaks) == 1 && !escaped:
		tr.add(from, ' ')
	default:
		for _, off := range breaks[1:] {
			tr.add(off, '\n')
		}
	}
	return i
}

// traceBlock follows the lines of a literal or folded scalar.
func (t text) traceBlock(tr *trace, n *node, folded bool) {
	var blanks []int // breaks of the blank lines since the last text
	last := -1       // break after the last text
	wasMore := false // the last text began with a blank
	for _, s := range n.block.lines {
		if s.from == s.to {
			blanks = append(blanks, s.to)
			continue
		}
		more := isBlank(t.src[s.from])
		switch {
		case last < 0:
		case !folded || wasMore || more:
			tr.add(last, '\n')
		case len(blanks) == 0:
			tr.add(last, ' ')
		}
		for _, off := range blanks {
			tr.add(off, '\n')
		}
		for i := s.from; i < s.to; i++ {
			tr.add(i, t.src[i])
		}
		blanks, last, wasMore = nil, s.to, more
	}
	if n.block.chomp != '-' && breakLen(t.src, last) > 0 {
		tr.add(last, '\n')
	}
	for _, off := range blanks { // there are some only where they are kept
		tr.add(off, '\n')
	}
	tr.where = append(tr.where, n.end)
}

// escapes are the escapes of double-quoted scalars that stand for one rune.
const escapes = "0\x00a\ab\bt\t\t\tn\nv\vf\fr\re\x1b  \"\"''\\\\"

// unescape reads the escape sequence at the start of b, and its length; 0 if
// it is none.
func unescape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	for i := 0; i < len(escapes); i += 2 {
		if escapes[i] == b[1] {
			return rune(escapes[i+1]), 2
		}
	}
	switch b[1] {
	case 'N':
		return 0x85, 2
	case '_':
		return 0xA0, 2
	case 'L':
		return 0x2028, 2
	case 'P':
		return 0x2029, 2
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[b[1]]
	if digits == 0 || len(b) < 2+digits {
		return 0, 0
	}
	code, err := strconv.ParseUint(string(b[2:2+digits]), 16, 32)
	r := rune(code)
	if err != nil || code > utf8.MaxRune || !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, 2 + digits
}
