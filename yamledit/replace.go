package yamledit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// replace writes v in place of n, which is at p.
func (d *document) replace(n *node, p Path, v any) ([]change, error) {
	if n.isScalar() {
		return d.replaceScalar(n, p, v)
	}
	if err := losesInnerAnchor(n); err != nil {
		return nil, err
	}
	if n.isBlock() && !emptyValue(v) {
		if lines := d.sameKind(n, v); lines != nil {
			return lines.rewrite(d, n, p), nil
		}
	}
	if !n.isBlock() || n.parent.y.Kind == yaml.SequenceNode {
		return d.replaceInline(n, p, v)
	}
	if err := losesAnchor(n); err != nil {
		return nil, err
	}
	return d.replaceBelow(n, p, v)
}

// blockText are the ways to write a value in block style.
type blockText []string

// sameKind writes v in the columns of n, where both are maps or both lists.
func (d *document) sameKind(n *node, v any) blockText {
	_, isMap := v.(map[string]any)
	if _, isList := v.([]any); isMap != (n.y.Kind == yaml.MappingNode) || isMap == isList {
		return nil
	}
	col := d.col(n.entries[0].at)
	var all blockText
	for _, r := range d.renderers(n.content) {
		if gap, ok := d.gapOf(n); ok {
			r.gap = gap
		}
		all = append(all, r.join(r.blockLines(v, col, col))[col:])
	}
	return all
}

func (b blockText) rewrite(d *document, n *node, p Path) []change {
	var all []change
	for _, text := range b {
		all = append(all, d.rewrite(n, p, modeBlock, text)...)
	}
	return all
}

// replaceInline writes v on the line of n, which is an alias, a flow
// collection or an entry of a list.
func (d *document) replaceInline(n *node, p Path, v any) ([]change, error) {
	mode := modeNode
	if n.isBlock() {
		mode = modeBlock
	}
	if n.isFlow() && len(n.entries) > 0 || n.inFlow || n.parent.y.Kind == yaml.SequenceNode {
		f, in := d.flowStyle(n)
		return d.rewrite(n, p, mode, f.text(v, in)), nil
	}
	if emptyValue(v) || !isCollection(v) {
		var all []change
		for _, text := range d.scalarTexts(n, v) {
			all = append(all, d.rewrite(n, p, mode, text)...)
		}
		return all, nil
	}
	return d.replaceBelow(n, p, v)
}

func isCollection(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// replaceBelow writes v in place of everything after the key, and keeps a
// comment on the key's line.
func (d *document) replaceBelow(n *node, p Path, v any) ([]change, error) {
	if n.y.Anchor != "" {
		return nil, losesAnchor(n)
	}
	if isCollection(v) && !emptyValue(v) {
		return d.writeBelow(n, p, v)
	}
	comment := d.headComment(n)
	var all []change
	if r := d.renderers(n.start)[0]; r.isLiteral(v) {
		header, lines := r.literalLines(v.(string), d.col(n.entry().at)+r.step)
		all = d.rewrite(n, p, modeLine, " "+header+comment+r.eol+r.join(lines))
	}
	for _, text := range d.scalarTexts(n, v) {
		all = append(all, d.rewrite(n, p, modeLine, " "+text+comment)...)
	}
	return all, nil
}

// replaceScalar writes v in place of the scalar n.
func (d *document) replaceScalar(n *node, p Path, v any) ([]change, error) {
	inBlock := !n.inFlow && n.parent.y.Kind == yaml.MappingNode
	if isCollection(v) {
		if n.y.Anchor != "" {
			return nil, losesAnchor(n)
		}
		switch {
		case !inBlock:
			return d.writeFlow(n, p, v)
		case emptyValue(v) && !n.isAbsent() && !n.isBlockScalar():
			return d.rewrite(n, p, modeNode, renderer{}.inline(v, false)), nil
		}
		return d.replaceBelow(n, p, v)
	}
	all := d.partly(n, p, v)
	all = append(all, d.blockTexts(n, p, v)...)
	if inBlock && (n.isAbsent() || n.isBlockScalar() || isMultiline(v)) && n.y.Anchor == "" {
		more, err := d.replaceBelow(n, p, v)
		return append(all, more...), err
	}
	for _, text := range d.scalarTexts(n, v) {
		if n.isAbsent() {
			all = append(all, d.rewrite(n, p, modeColon, " "+text)...)
			continue
		}
		all = append(all, d.rewrite(n, p, modeNode, text)...)
		if n.start != n.content && n.y.Anchor == "" { // a tag that the new value does not fit
			all = append(all, d.dropTag(n, p, text))
		}
	}
	return all, nil
}

// dropTag writes over the scalar and its tag.
func (d *document) dropTag(n *node, p Path, text string) change {
	r := span{n.start, n.end}
	return change{splices: []splice{{r.from, r.to, text}}, undo: d.undo(p, r, modeNode)}
}

func isMultiline(v any) bool {
	s, ok := v.(string)
	return ok && strings.Contains(s, "\n")
}

// scalarTexts are the ways to write a scalar, or an empty collection, on one
// line in place of n. The author's quotes are kept by partly, which comes first.
func (d *document) scalarTexts(n *node, v any) []string {
	flow := n.inFlow
	s, ok := v.(string)
	if !ok {
		return []string{renderer{}.inline(v, flow)}
	}
	order := []quoting{plain, single, double}
	if f, _ := d.flowStyle(n); flow && f.json {
		order = []quoting{double}
	}
	var texts []string
	for _, q := range order {
		if text, ok := q.write(s, flow); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// partly changes the one stretch in which the new string differs from the old,
// and keeps the author's bytes around it.
func (d *document) partly(n *node, p Path, v any) []change {
	s, ok := v.(string)
	if !ok || n.isAbsent() || !d.isString(n) {
		return nil
	}
	tr, ok := d.trace(n)
	if !ok {
		return nil
	}
	old := string(tr.value)
	pre, post := stretch(old, s)
	text, ok := d.fragment(n, s, pre, len(s)-post)
	if !ok {
		return nil
	}
	r := span{n.content, n.end}
	at := splice{tr.where[pre], tr.where[len(old)-post], text}
	return []change{{splices: []splice{at}, undo: d.undo(p, r, modeNode)}}
}

// isString says whether n is read as a string.
func (d *document) isString(n *node) bool {
	v, err := scalarValue(n.y)
	_, ok := v.(string)
	return err == nil && ok
}

// stretch is the length of what old and s begin and end with in common.
func stretch(old, s string) (pre, post int) {
	for pre < min(len(old), len(s)) && old[pre] == s[pre] {
		pre++
	}
	pre = min(runeStart(old, pre), runeStart(s, pre))
	for post < min(len(old), len(s))-pre && old[len(old)-1-post] == s[len(s)-1-post] {
		post++
	}
	for post > 0 && (runeStart(s, len(s)-post) != len(s)-post || runeStart(old, len(old)-post) != len(old)-post) {
		post--
	}
	return pre, post
}

// fragment writes s[from:to] as a part of the scalar n, whose value becomes s.
func (d *document) fragment(n *node, s string, from, to int) (string, bool) {
	part := s[from:to]
	switch n.y.Style &^ yaml.TaggedStyle {
	case yaml.DoubleQuotedStyle:
		return escaped(part), true
	case yaml.SingleQuotedStyle:
		return strings.ReplaceAll(part, "'", "''"), printable(part)
	case yaml.LiteralStyle:
		lines := strings.Split(part, "\n")
		for i, l := range lines {
			if i > 0 && (l != "" || i == len(lines)-1) {
				lines[i] = spaces(n.block.indent) + l
			}
		}
		return strings.Join(lines, d.eol(n.start)), printable(strings.ReplaceAll(part, "\n", ""))
	case yaml.FoldedStyle:
		return part, printable(part)
	}
	if from == 0 {
		return part, printable(part) && plainSafe(s, n.inFlow)
	}
	return part, printable(part) && !ambiguous.MatchString(s)
}

// blockTexts rewrite the lines of a literal or folded scalar: with its header
// as it is, then with the chomping that the new string needs.
func (d *document) blockTexts(n *node, p Path, v any) []change {
	s, ok := v.(string)
	if !ok || !n.isBlockScalar() || len(n.block.lines) == 0 || !printable(strings.ReplaceAll(s, "\n", "")) {
		return nil
	}
	body := strings.TrimRight(s, "\n")
	need := ""
	switch len(s) - len(body) {
	case 0:
		need = "-"
	case 1:
	default:
		need = "+"
		body = s[:len(s)-1]
	}
	if n.y.Style&yaml.FoldedStyle != 0 {
		body = unfold(body)
	}
	rest := string(d.src[n.block.afterHeader:d.lineEnd(n.content)])
	eol := d.eol(n.content)
	lines := eol + strings.Join(indentLines(body, n.block.indent), eol)
	same := string(d.src[n.content:n.block.afterHeader])
	var all []change
	for _, header := range slices.Compact([]string{same, same[:1] + need}) {
		all = append(all, d.rewrite(n, p, modeNode, header+rest+lines)...)
	}
	return all
}

// unfold doubles the line feeds between lines, which folding would make blanks.
func unfold(s string) string {
	return strings.ReplaceAll(s, "\n", "\n\n")
}
