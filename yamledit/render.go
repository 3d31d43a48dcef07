package yamledit

import (
	"slices"
	"strings"
)

// renderer writes plain values as YAML.
type renderer struct {
	style
	eol     string
	literal bool // write strings of several lines as literal scalars
}

func spaces(n int) string { return strings.Repeat(" ", n) }

// order is the order in which the keys of a new map are written: name first,
// as people write Kubernetes' lists.
func order(m map[string]any) []string {
	keys := sortedKeys(m)
	if i := slices.Index(keys, "name"); i > 0 {
		keys = slices.Insert(slices.Delete(keys, i, i+1), 0, "name")
	}
	return keys
}

// field is the lines of a key and its value, in block style at a column.
func (r renderer) field(key string, v any, col int) []string {
	head := spaces(col) + quote(key, false) + ":"
	switch {
	case emptyValue(v):
	case r.isLiteral(v):
		header, lines := r.literalLines(v.(string), col+r.step)
		return append([]string{head + " " + header}, lines...)
	default:
		switch v := v.(type) {
		case map[string]any:
			return append([]string{head}, r.mapLines(v, col+r.step)...)
		case []any:
			return append([]string{head}, r.listLines(v, col+r.dash)...)
		}
	}
	return []string{head + " " + r.inline(v, false)}
}

func (r renderer) mapLines(m map[string]any, col int) []string {
	var lines []string
	for _, k := range order(m) {
		lines = append(lines, r.field(k, m[k], col)...)
	}
	return lines
}

func (r renderer) listLines(l []any, col int) []string {
	var lines []string
	for _, e := range l {
		lines = append(lines, r.item(e, col)...)
	}
	return lines
}

// item is the lines of a list entry with its dash at a column.
func (r renderer) item(v any, col int) []string {
	in := col + 1 + r.gap
	head := spaces(col) + "-" + spaces(r.gap)
	if lines := r.blockLines(v, in, in); lines != nil {
		lines[0] = head + lines[0][in:]
		return lines
	}
	if r.isLiteral(v) {
		header, lines := r.literalLines(v.(string), in)
		return append([]string{head + header}, lines...)
	}
	return []string{head + r.inline(v, false)}
}

// blockLines is the lines of a map or list that is not empty, else nil.
func (r renderer) blockLines(v any, mapCol, listCol int) []string {
	switch v := v.(type) {
	case map[string]any:
		return r.mapLines(v, mapCol)
	case []any:
		return r.listLines(v, listCol)
	}
	return nil
}

// isLiteral says whether v is written as a literal scalar: text of several
// lines, at most one line feed at its end.
func (r renderer) isLiteral(v any) bool {
	s, ok := v.(string)
	if !ok || !r.literal || !strings.Contains(s, "\n") || strings.HasSuffix(s, "\n\n") {
		return false
	}
	return s[0] != ' ' && s[0] != '\n' && printable(strings.ReplaceAll(s, "\n", ""))
}

// literalLines is the header and the lines of a literal scalar.
func (r renderer) literalLines(s string, col int) (string, []string) {
	header := "|-"
	if body, ok := strings.CutSuffix(s, "\n"); ok {
		header, s = "|", body
	}
	return header, indentLines(s, col)
}

func indentLines(s string, col int) []string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = spaces(col) + l
		}
	}
	return lines
}

// inline is a value on one line: a scalar, or flow style.
func (r renderer) inline(v any, flow bool) string {
	switch v := v.(type) {
	case string:
		return quote(v, flow)
	case map[string]any, []any:
		return flowStyle{}.text(v, "")
	}
	s, _ := scalarText(v)
	return s
}

// flowStyle is how flow collections are written.
type flowStyle struct {
	json  bool   // strings and keys in double quotes
	tight bool   // no blank after colon and comma
	lines bool   // one entry on a line
	step  string // further indentation of an entry, where lines
	eol   string
}

// text is a value in flow style. Its lines but the first are indented by in.
func (f flowStyle) text(v any, in string) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range order(v) {
			parts = append(parts, f.field(k, v[k], in+f.step))
		}
		return f.join("{", parts, "}", in)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, f.text(e, in+f.step))
		}
		return f.join("[", parts, "]", in)
	case string:
		if f.json {
			return doubleQuoted(v)
		}
		return quote(v, true)
	}
	s, _ := scalarText(v)
	return s
}

// field is a key and its value.
func (f flowStyle) field(key string, v any, in string) string {
	colon := ": "
	if f.tight && f.json { // without a blank only a quoted key ends at the colon
		colon = ":"
	}
	return f.text(key, "") + colon + f.text(v, in)
}

func (f flowStyle) join(open string, parts []string, closing, in string) string {
	switch {
	case len(parts) == 0:
		return open + closing
	case f.lines:
		sep := f.eol + in + f.step
		return open + sep + strings.Join(parts, ","+sep) + f.eol + in + closing
	}
	return open + strings.Join(parts, f.comma()) + closing
}

func (f flowStyle) comma() string {
	if f.tight {
		return ","
	}
	return ", "
}
