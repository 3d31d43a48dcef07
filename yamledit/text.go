package yamledit

import (
	"sort"
	"unicode/utf8"
)

// text is a source and where its lines begin. A line ends where yaml.v3 sees a
// line break: at LF, CR LF, CR, U+0085, U+2028 and U+2029; its line numbers
// count all of them.
type text struct {
	src    []byte
	starts []int
}

func newText(src []byte) text {
	t := text{src: src, starts: []int{0}}
	for i := 0; i < len(src); {
		w := breakLen(src, i)
		if w == 0 {
			i++
			continue
		}
		i += w
		t.starts = append(t.starts, i)
	}
	return t
}

// breakLen is the length of the line break at i, 0 if there is none.
func breakLen(b []byte, i int) int {
	if i < 0 || i >= len(b) {
		return 0
	}
	switch b[i] {
	case '\n':
		return 1
	case '\r':
		if i+1 < len(b) && b[i+1] == '\n' {
			return 2
		}
		return 1
	case 0xC2:
		if i+1 < len(b) && b[i+1] == 0x85 {
			return 2
		}
	case 0xE2:
		if i+2 < len(b) && b[i+1] == 0x80 && (b[i+2] == 0xA8 || b[i+2] == 0xA9) {
			return 3
		}
	}
	return 0
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// bomLen is the length of the byte order mark that src begins with.
func bomLen(src []byte) int {
	if len(src) >= 3 && src[0] == 0xEF && src[1] == 0xBB && src[2] == 0xBF {
		return 3
	}
	return 0
}

// lineOf is the 0-based line that holds the offset.
func (t text) lineOf(off int) int {
	return sort.SearchInts(t.starts, off+1) - 1
}

// startOf is the offset where the text of a 0-based line begins, after the
// byte order mark.
func (t text) startOf(line int) int {
	if line == 0 {
		return bomLen(t.src)
	}
	return t.starts[line]
}

func (t text) lineStart(off int) int { return t.startOf(t.lineOf(off)) }

// endOf is the offset of a line's break, or of the end of the source.
func (t text) endOf(line int) int {
	if line+1 >= len(t.starts) {
		return len(t.src)
	}
	end := t.starts[line+1]
	switch t.src[end-1] {
	case '\n':
		if end >= 2 && t.src[end-2] == '\r' {
			return end - 2
		}
		return end - 1
	case '\r':
		return end - 1
	case 0x85:
		return end - 2
	}
	return end - 3
}

func (t text) lineEnd(off int) int { return t.endOf(t.lineOf(off)) }

// eol is the break to write next to the offset: that of its line, else that
// of the first line, else LF.
func (t text) eol(off int) string {
	for _, at := range []int{t.lineEnd(off), t.endOf(0)} {
		if w := breakLen(t.src, at); w > 0 && t.src[at] < 0x80 {
			return string(t.src[at : at+w])
		}
	}
	return "\n"
}

// col is the 0-based column of the offset, in runes as yaml.v3 counts.
func (t text) col(off int) int {
	return utf8.RuneCount(t.src[t.lineStart(off):off])
}

// skipBlanks is the offset of the next byte that is no space or tab.
func (t text) skipBlanks(i int) int {
	for i < len(t.src) && isBlank(t.src[i]) {
		i++
	}
	return i
}

// skipTrivia is the offset of the next byte that is not blank, line break or
// comment.
func (t text) skipTrivia(i int) int {
	for i < len(t.src) {
		switch w := breakLen(t.src, i); {
		case w > 0:
			i += w
		case isBlank(t.src[i]):
			i++
		case t.src[i] == '#':
			for i < len(t.src) && breakLen(t.src, i) == 0 {
				i++
			}
		default:
			return i
		}
	}
	return i
}

// firstOnLine says whether only blanks stand before the offset on its line.
func (t text) firstOnLine(off int) bool {
	return t.skipBlanks(t.lineStart(off)) == off
}

// onlyComment says whether nothing but blanks and a comment stands between the
// offset and the end of its line.
func (t text) onlyComment(off int) bool {
	i := t.skipBlanks(off)
	return i == len(t.src) || breakLen(t.src, i) > 0 || t.src[i] == '#'
}

// is says whether the byte at the offset is c.
func (t text) is(off int, c byte) bool {
	return off >= 0 && off < len(t.src) && t.src[off] == c
}
