package yamledit

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"
)

// flowStyle is how the flow collections around n are written, and the
// indentation of the line on which n stands.
func (d *document) flowStyle(n *node) (flowStyle, string) {
	f := flowStyle{eol: d.eol(n.start)}
	line := d.lineStart(n.start)
	in := string(d.src[line:d.skipBlanks(line)])
	for c := n; c != nil && (c.isFlow() || c == n); c = c.parent {
		if len(c.entries) == 0 {
			continue
		}
		e := c.entries[0]
		f.json = e.key != nil && e.key.y.Style&yaml.DoubleQuotedStyle != 0
		f.tight = e.key != nil && e.colon+1 == e.value.start
		if d.firstOnLine(e.at) {
			f.lines = true
			f.step = d.indentStep(c)
		}
		if e.key != nil {
			break
		}
	}
	return f, in
}

// indentStep is by how much the entries of a flow collection are indented
// below the line that opens it.
func (d *document) indentStep(c *node) string {
	line := d.lineStart(c.content)
	outer := string(d.src[line:d.skipBlanks(line)])
	at := c.entries[0].at
	inner := string(d.src[d.lineStart(at):at])
	if step, ok := strings.CutPrefix(inner, outer); ok && step != "" {
		return step
	}
	return "  "
}

// extendFlow adds the entry after the last one of a flow collection.
func (d *document) extendFlow(n *node, v any) ([]change, error) {
	if n.content == n.entries[0].at {
		return nil, errors.New("it is a pair without braces")
	}
	last := n.entries[len(n.entries)-1]
	f, _ := d.flowStyle(n)
	sep := strings.TrimPrefix(f.comma(), ",")
	in := ""
	if d.firstOnLine(last.at) {
		in = string(d.src[d.lineStart(last.at):last.at])
		sep = f.eol + in
	} else {
		f.lines = false
		if i := len(n.entries) - 2; i >= 0 {
			sep = d.blanksAfterComma(n.entries[i])
		}
	}
	text := sep + f.entryText(v, in)
	end := last.value.end
	comma := d.skipTrivia(end)
	trailing := d.is(comma, ',')
	at := end
	if trailing {
		at = comma + 1
	}
	place := at
	if in != "" || strings.HasPrefix(sep, f.eol) {
		if rest := d.skipBlanks(at); d.is(rest, '#') {
			place = d.lineEnd(at)
		}
	}
	switch {
	case trailing:
		return []change{{splices: []splice{{place, place, text + ","}}}}, nil
	case place == at:
		return []change{{splices: []splice{{at, at, "," + text}}}}, nil
	}
	return []change{{splices: []splice{{at, at, ","}, {place, place, text}}}}, nil
}

// blanksAfterComma is what stands between the comma after e and the next entry.
func (d *document) blanksAfterComma(e entry) string {
	comma := d.skipTrivia(e.value.end)
	return string(d.src[comma+1 : d.skipBlanks(comma+1)])
}

// entryText is the text of the one entry that v holds.
func (f flowStyle) entryText(v any, in string) string {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			return f.field(k, e, in)
		}
	case []any:
		return f.text(v[0], in)
	}
	return ""
}

// cutFlow takes entry i out of a flow collection that has others.
func (d *document) cutFlow(n *node, i int) []splice {
	e := n.entries[i]
	end := e.value.end
	comma := d.skipTrivia(end)
	if i < len(n.entries)-1 {
		next := n.entries[i+1].at
		if d.firstOnLine(e.at) && d.onlyComment(comma+1) {
			return []splice{{d.lineStart(e.at), d.startOf(d.lineOf(comma) + 1), ""}}
		}
		return []splice{{e.at, next, ""}}
	}
	if d.is(comma, ',') {
		end = comma + 1
	}
	before := d.skipTrivia(n.entries[i-1].value.end) // the comma before e
	gap := before + 1
	if d.lineOf(before) != d.lineOf(e.at) {
		gap = d.lineEnd(before)
		if d.is(d.skipBlanks(before+1), '#') && !d.onlyComment(end) {
			gap = e.at // or the comment would swallow the bracket
		}
	}
	if d.is(comma, ',') {
		return []splice{{gap, end, ""}}
	}
	return []splice{{before, before + 1, ""}, {gap, end, ""}}
}
