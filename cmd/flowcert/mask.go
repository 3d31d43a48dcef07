package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/flowcert/flowcert/deploy"
)

const masked = "********"

// maskLines returns the lines of one manifest as a screen may show them, one
// for each of its own: passwords and the like are hidden, and flowcert's record
// is cut short. Where in doubt it hides: values are found by the keys in front of
// them (sensitive.go) as YAML reads them, and by words such as `password=` in any
// text.
func maskLines(source []byte) []string {
	lines := bytes.Count(source, []byte("\n")) + 1
	text, ok := mask(source)
	out := strings.Split(string(text), "\n")
	if !ok || len(out) != lines {
		out = slices.Repeat([]string{masked}, lines)
	}
	for i := range out {
		out[i] = strings.TrimSuffix(out[i], "\r")
	}
	return out
}

// mask hides what is sensitive; false if the source is not YAML.
func mask(source []byte) ([]byte, bool) {
	source = bytes.TrimPrefix(source, []byte("\uFEFF"))
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		return nil, false
	}
	hidden := &hiding{values: map[*yaml.Node]string{}, left: maxVisits}
	hidden.find(&root, place{})
	if hidden.left == 0 {
		return nil, false
	}
	p := newPositions(source)
	tokens := p.tokens(&root, false)
	keys := map[int]bool{}
	var spans []span
	for i, t := range tokens {
		keys[t.at] = keys[t.at] || t.key
		end := len(source)
		if i+1 < len(tokens) {
			end = tokens[i+1].at
		}
		if show, ok := hidden.values[t.node]; ok {
			spans = append(spans, hide(source[t.at:end], t, show))
		}
	}
	return replace(source, append(spans, wordSpans(source, keys)...)), true
}

// span is a part of the source and what is shown in its place.
type span struct {
	from, to int
	show     string
}

// replace puts what is shown in place of each span. Of spans that overlap, the
// first and, from one place, the longest decides; the rest of the other is hidden
// with its line breaks kept.
func replace(source []byte, spans []span) []byte {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	var out bytes.Buffer
	at := 0
	for _, s := range spans {
		switch {
		case s.from >= at:
			out.Write(source[at:s.from])
			out.WriteString(s.show)
		case s.to > at:
			out.WriteString(strings.Repeat("\n", bytes.Count(source[at:s.to], []byte("\n"))))
		}
		at = max(at, s.to)
	}
	out.Write(source[at:])
	return out.Bytes()
}

// token is a scalar or alias and where it begins.
type token struct {
	node *yaml.Node
	at   int
	key  bool
	flow bool // stands in a flow collection
}

// positions turns the lines and columns of YAML nodes into offsets.
type positions struct {
	source []byte
	starts []int // of lines, as YAML 1.1 breaks them
}

var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

func newPositions(source []byte) positions {
	p := positions{source, []int{0}}
	for _, at := range lineBreak.FindAllIndex(source, -1) {
		p.starts = append(p.starts, at[1])
	}
	return p
}

func (p positions) offset(n *yaml.Node) int {
	at := p.starts[min(max(n.Line, 1), len(p.starts))-1]
	for column := 1; column < n.Column && at < len(p.source); column++ {
		_, size := utf8.DecodeRune(p.source[at:])
		at += size
	}
	return at
}

// tokens lists a tree's scalars and aliases in the order of the source.
func (p positions) tokens(n *yaml.Node, flow bool) []token {
	flow = flow || n.Style&yaml.FlowStyle != 0
	if len(n.Content) == 0 {
		absent := n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0
		if n.Kind != yaml.ScalarNode && n.Kind != yaml.AliasNode || absent {
			return nil
		}
		return []token{{node: n, at: p.offset(n), flow: flow}}
	}
	var out []token
	for i, child := range n.Content {
		below := p.tokens(child, flow)
		if len(below) > 0 && n.Kind == yaml.MappingNode && i%2 == 0 {
			below[0].key = true
		}
		out = append(out, below...)
	}
	return out
}

// hide hides a scalar. The region reaches from its first byte to the next token.
// Where the scalar's end is not plain to see, all of the region is hidden, its
// line breaks excepted, so that nothing of the scalar can be missed.
func hide(region []byte, t token, show string) span {
	if end := scalarEnd(region, t.node); end >= 0 {
		return span{t.at, t.at + end, show}
	}
	lines := strings.Split(string(region), "\n")
	last := len(lines) - 1
	for i, line := range lines {
		body := strings.TrimLeft(line, " \t")
		indent, after := line[:len(line)-len(body)], ""
		if i == last && t.flow {
			after = body[len(strings.TrimRight(body, " ,]}[{")):]
		} else if i == last && last > 0 && strings.Trim(body, " -?") == "" {
			after = body // in front of the next token
		}
		if i == 0 {
			lines[i] = show + after
		} else if body != after && strings.TrimSpace(body) != "" {
			lines[i] = indent + masked + after
		}
	}
	return span{t.at, t.at + len(region), strings.Join(lines, "\n")}
}

// scalarEnd is where a scalar on one line ends; -1 if that is not plain to see.
func scalarEnd(region []byte, n *yaml.Node) int {
	line, _, _ := bytes.Cut(region, []byte("\n"))
	if n.Kind != yaml.ScalarNode || len(line) == 0 {
		return -1
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0 && line[0] == '"':
		return closing(line, doubleQuoted)
	case n.Style&yaml.SingleQuotedStyle != 0 && line[0] == '\'':
		return closing(line, singleQuoted)
	case n.Style == 0 && bytes.HasPrefix(line, []byte(n.Value)):
		return len(n.Value)
	}
	return -1
}

var (
	doubleQuoted = regexp.MustCompile(`^"(?:[^"\\]|\\.)*"`)
	singleQuoted = regexp.MustCompile(`^'(?:[^']|'')*'`)
)

func closing(line []byte, quoted *regexp.Regexp) int {
	if at := quoted.FindIndex(line); at != nil {
		return at[1]
	}
	return -1
}

// wordSpans finds what looks like a password in any text: JVM options, URLs,
// SQL, JSON and comments. keys are where the manifest's own keys begin, which the
// tree has judged already.
func wordSpans(source []byte, keys map[int]bool) []span {
	var out []span
	add := func(from, to int) { out = append(out, span{from, to, masked}) }
	for _, m := range assignment.FindAllSubmatchIndex(source, -1) {
		add(m[4], m[5])
	}
	for _, m := range userInfo.FindAllSubmatchIndex(source, -1) {
		add(m[2], m[3])
	}
	for _, m := range colon.FindAllSubmatchIndex(source, -1) {
		name := strings.Trim(string(source[m[2]:m[3]]), `"'\`)
		rest, _, _ := bytes.Cut(source[m[1]:], []byte("\n"))
		if !keys[m[2]] && sensitiveName(name) && len(bytes.TrimSpace(rest)) > 0 {
			add(m[1], m[1]+len(rest))
		}
	}
	return out
}

var (
	// assignment is `name=value` with a name such as -Djavax.net.ssl.trustStorePassword.
	assignment = regexp.MustCompile(`(?i)([\w.\-]*(?:` + words + `)[\w.\-]*\\?["']?[ \t]*=[ \t]*)(\\?"[^"\n]*"\S*|\\?'[^'\n]*'\S*|[^\s"']\S*)`)
	// userInfo is the password in a URL.
	userInfo = regexp.MustCompile(`://[^\s/:@"']*:([^\s@]+)@`)
	// colon is `name:` in a comment, or in JSON or YAML inside of a text.
	colon = regexp.MustCompile(`(\\?["']?[\w.\-/]+\\?["']?)[ \t]*:[ \t]*`)
)

// shortened is what stands for a long value that nobody reads: flowcert's record,
// or the certificates of a webhook, told apart by a digest.
func shortened(key string, n *yaml.Node) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode || n.Value == "":
	case key == deploy.EditsAnnotation:
		return fmt.Sprintf("(how to take these edits back, %d bytes)", len(n.Value)), true
	case key == "caBundle", key == deploy.EarlierBundlesAnnotation:
		return fmt.Sprintf("(certificates, %d bytes, sha256 %.4x…)", len(n.Value), sha256.Sum256([]byte(n.Value))), true
	}
	return "", false
}
