package yamledit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Step is one step of a [Path]: a map key, or the list entry whose field has a
// value. Make it with [Key] or [Item].
type Step struct {
	Key          string // the map key, where Field is empty
	Field, Value string // the list entry whose Field equals Value; numbers and booleans compare as they are written in JSON
}

// Path leads from the root of a document to a node.
type Path []Step

// Key is the step to the value of a map key.
func Key(k string) Step { return Step{Key: k} }

// Item is the step to the list entry whose field has the value. The field is
// not empty.
func Item(field, value string) Step { return Step{Field: field, Value: value} }

func (s Step) isItem() bool { return s.Field != "" }

// String writes the path as in
// spec.containers[name=backend].env[name=JAVA_TOOL_OPTIONS].value. Keys, fields
// and values of other characters than A-Z, a-z, 0-9, _ and - are quoted as Go
// quotes strings: spec.flinkConfiguration["security.ssl.rest.enabled"].
// [ParsePath] reads it.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.isItem():
			b.WriteString("[" + pathWord(s.Field) + "=" + pathWord(s.Value) + "]")
		case !simpleWord(s.Key):
			b.WriteString("[" + strconv.Quote(s.Key) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Key)
		}
	}
	return b.String()
}

func pathWord(s string) string {
	if simpleWord(s) {
		return s
	}
	return strconv.Quote(s)
}

func simpleWord(s string) bool {
	return s != "" && wordLen(s) == len(s)
}

// wordLen is the length of the leading part of s that needs no quotes.
func wordLen(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return i
		}
	}
	return len(s)
}

// ParsePath reads what [Path.String] writes. The empty string is the empty path.
func ParsePath(s string) (Path, error) {
	var p Path
	for rest := s; rest != ""; {
		step, n, err := parseStep(rest, len(p) == 0)
		if err != nil {
			return nil, fmt.Errorf("path %q at byte %d: %w", s, len(s)-len(rest), err)
		}
		p, rest = append(p, step), rest[n:]
	}
	return p, nil
}

// parseStep reads one step from the start of s and its length.
func parseStep(s string, first bool) (Step, int, error) {
	if s[0] == '[' {
		return parseBracket(s)
	}
	dot := 0
	if !first {
		if s[0] != '.' {
			return Step{}, 0, errors.New("want . or [")
		}
		dot = 1
	}
	n := wordLen(s[dot:])
	if n == 0 {
		return Step{}, 0, errors.New("want a key")
	}
	return Key(s[dot : dot+n]), dot + n, nil
}

// parseBracket reads ["key"] or [field=value].
func parseBracket(s string) (Step, int, error) {
	word, n, quoted, err := parseWord(s[1:])
	if err != nil {
		return Step{}, 0, err
	}
	i := 1 + n
	switch {
	case quoted && strings.HasPrefix(s[i:], "]"):
		return Key(word), i + 1, nil
	case !strings.HasPrefix(s[i:], "="):
		return Step{}, 0, errors.New(`want ["key"] or [field=value]`)
	case word == "":
		return Step{}, 0, errors.New("the field is empty")
	}
	value, n, _, err := parseWord(s[i+1:])
	if err != nil {
		return Step{}, 0, err
	}
	i += 1 + n
	if !strings.HasPrefix(s[i:], "]") {
		return Step{}, 0, errors.New("want ]")
	}
	return Item(word, value), i + 1, nil
}

// parseWord reads a plain or quoted word, and its length in s.
func parseWord(s string) (word string, n int, quoted bool, err error) {
	if !strings.HasPrefix(s, `"`) {
		if n = wordLen(s); n == 0 {
			return "", 0, false, errors.New("want a name or a quoted string")
		}
		return s[:n], n, false, nil
	}
	q, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", 0, true, errors.New("a quoted string does not end")
	}
	word, err = strconv.Unquote(q)
	return word, len(q), true, err
}

// check refuses paths that lead nowhere.
func (p Path) check() error {
	if len(p) == 0 {
		return errors.New("the path is empty")
	}
	if p[0].isItem() {
		return fmt.Errorf("%s: the document is a map, not a list", p)
	}
	for i := 1; i < len(p); i++ {
		if p[i].isItem() && p[i-1].isItem() {
			return fmt.Errorf("%s: a list entry picked by a field is a map, not a list", p)
		}
	}
	return nil
}
