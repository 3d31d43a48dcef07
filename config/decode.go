package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Caps that keep a file whose aliases multiply from taking the machine's memory.
const (
	maxValues  = 100_000 // read in all, each use of an alias counted
	maxEntries = 1000    // of one list
	maxMerges  = 8       // of << inside <<
)

// A decoder walks YAML nodes and records the line of every field that it meets. It knows
// the shape of values; whether they make sense together is for validate.
type decoder struct {
	*report
	values int
}

// A reader takes the node of one field into the Go value that it was made for, and says
// what it takes.
type reader struct {
	read  func(n *yaml.Node, path string)
	takes shape
}

// first runs something before the reader.
func (r reader) first(do func()) reader {
	return reader{func(n *yaml.Node, path string) { do(); r.read(n, path) }, r.takes}
}

// then runs something after the reader.
func (r reader) then(do func()) reader {
	return reader{func(n *yaml.Node, path string) { r.read(n, path); do() }, r.takes}
}

// A field of a mapping, with what people should know about it.
type field struct {
	name     string
	reader   reader
	about    string
	required bool
}

// must is a field without which the mapping means nothing; validate asks for it.
func must(name string, r reader, about string) field { return field{name, r, about, true} }

func may(name string, r reader, about string) field { return field{name, r, about, false} }

// resolve follows an alias, and counts.
func (d *decoder) resolve(n *yaml.Node) *yaml.Node {
	d.values++
	if d.values == maxValues+1 {
		d.failAt(n.Line, "", "more than %d values, each use of an alias counted", maxValues)
	}
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func (d *decoder) exhausted() bool { return d.values > maxValues }

// object reads a mapping of the given fields. An empty value is refused: of a section whose
// presence counts nobody could tell what it means.
func (d *decoder) object(fields ...field) reader {
	return reader{func(n *yaml.Node, path string) { d.readObject(n, path, fields) }, shapeOf(fields)}
}

// entry is an object that remembers its line.
func (d *decoder) entry(line *int, fields ...field) reader {
	r := d.object(fields...)
	return reader{func(n *yaml.Node, path string) { *line = d.line(path); r.read(n, path) }, r.takes}
}

// wordOr reads a word where one stands, else the fields of an object.
func (d *decoder) wordOr(word, object reader) reader {
	return reader{
		read: func(n *yaml.Node, path string) {
			if isText(d.resolve(n)) {
				word.read(n, path)
				return
			}
			object.read(n, path)
		},
		takes: shape{AnyOf: []shape{word.takes, object.takes}},
	}
}

// isText tells a word from fields or nothing.
func isText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && !isEmpty(n)
}

func (d *decoder) readObject(n *yaml.Node, path string, fields []field) {
	n = d.resolve(n)
	names := fieldNames(fields)
	switch {
	case isEmpty(n) && len(fields) == 0:
		d.fail(path, "is empty; write {} or leave it out")
	case isEmpty(n):
		d.fail(path, "is empty; leave it out, write {}, or give it fields: %s", strings.Join(names, ", "))
	case n.Kind != yaml.MappingNode || !d.plainTag(n, path):
		wanted := "{}"
		if len(names) > 0 {
			wanted = "fields: " + strings.Join(names, ", ")
		}
		d.fail(path, "is %s, wanted %s", describe(n), wanted)
	default:
		for _, p := range d.pairs(n, path, maxMerges) {
			d.readField(p, path, fields)
		}
	}
}

func (d *decoder) readField(p pair, path string, fields []field) {
	if d.exhausted() {
		return
	}
	at := join(path, p.name)
	d.lines[at] = p.line
	for _, f := range fields {
		if f.name == p.name {
			f.reader.read(p.value, at)
			return
		}
	}
	names := fieldNames(fields)
	if len(names) == 0 {
		d.failAt(p.line, at, "unknown field; nothing is to be set here, write {}")
		return
	}
	hint := didYouMean(p.name, names)
	if hint == "" {
		hint = "; known here: " + strings.Join(names, ", ")
	}
	d.failAt(p.line, at, "unknown field%s", hint)
}

// A pair is one field of a mapping, as written or merged into it.
type pair struct {
	name  string
	line  int
	value *yaml.Node
}

// pairs lists the fields of a mapping, those merged with << after its own, which win.
func (d *decoder) pairs(n *yaml.Node, path string, merges int) []pair {
	var own, merged []pair
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content) && !d.exhausted(); i += 2 {
		key, value := d.resolve(n.Content[i]), n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.failAt(key.Line, path, "a field's name is %s, wanted text; is it a template that was not filled in?", describe(key))
			continue
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, d.merge(value, path, merges)...)
			continue
		}
		name := fieldName(key.Value)
		if line, ok := first[name]; ok {
			d.failAt(key.Line, join(path, name), "is given twice, first on line %d; remove one", line)
			continue
		}
		first[name] = key.Line
		own = append(own, pair{name, key.Line, value})
	}
	for _, p := range merged {
		if _, ok := first[p.name]; !ok {
			first[p.name] = p.line
			own = append(own, p)
		}
	}
	return own
}

// merge lists the fields that a value of << brings: of a mapping, or a list of them.
func (d *decoder) merge(n *yaml.Node, path string, merges int) []pair {
	from := d.resolve(n)
	sources := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		sources = from.Content
	}
	var all []pair
	for _, s := range sources {
		if d.exhausted() {
			break
		}
		s = d.resolve(s)
		if s.Kind != yaml.MappingNode || merges == 0 {
			d.failAt(n.Line, path, "<< takes an alias of a mapping, at most %d inside one another", maxMerges)
			break
		}
		all = append(all, d.pairs(s, path, merges-1)...)
	}
	return all
}

// list reads a list of values that start out as fresh makes them. A list that is there but
// empty is not nil.
func list[T any](d *decoder, to *[]T, fresh func() T, read func(*T) reader) reader {
	like := fresh()
	return reader{func(n *yaml.Node, path string) {
		n = d.resolve(n)
		switch {
		case isEmpty(n):
			return
		case n.Kind != yaml.SequenceNode || !d.plainTag(n, path):
			d.fail(path, "is %s, wanted a list", describe(n))
			return
		case len(n.Content) > maxEntries:
			d.fail(path, "has %d entries, at most %d are allowed", len(n.Content), maxEntries)
			return
		}
		items := make([]T, len(n.Content))
		for i, item := range n.Content {
			if d.exhausted() {
				break
			}
			at := element(path, i)
			d.lines[at] = item.Line
			items[i] = fresh()
			if isEmpty(d.resolve(item)) {
				d.fail(at, "is empty; remove it or fill it in")
				continue
			}
			read(&items[i]).read(item, at)
		}
		*to = items
	}, listOf(read(&like).takes)}
}

// texts reads a list of values that are written as text each, in the given syntax.
func texts[T any](d *decoder, to *[]T, parse func(string) (T, error), written syntax) reader {
	return list(d, to, zero[T], func(item *T) reader { return parsed(d, item, parse).like(written) })
}

func zero[T any]() (t T) { return t }

// parsed reads text and what it stands for. Empty text counts as not given.
func parsed[T any](d *decoder, to *T, parse func(string) (T, error)) reader {
	return reader{func(n *yaml.Node, path string) {
		s, ok := d.scalar(n, path)
		if !ok || s == "" {
			return
		}
		value, err := parse(s)
		if err != nil {
			d.fail(path, "%v", err)
			return
		}
		*to = value
	}, shape{Type: anyScalar, MinLength: 1, Default: defaultOf(*to)}}
}

func (d *decoder) text(to *string) reader { return parsed(d, to, asIs) }

func asIs(s string) (string, error) { return s, nil }

// oneOf reads one of the allowed words.
func oneOf[T ~string](d *decoder, to *T, allowed ...T) reader {
	words := make([]string, len(allowed))
	for i, word := range allowed {
		words[i] = string(word)
	}
	r := parsed(d, to, func(s string) (T, error) {
		for _, word := range allowed {
			if string(word) == s {
				return word, nil
			}
		}
		return "", fmt.Errorf("%s is not allowed here%s; allowed: %s", quote(s), didYouMean(s, words), strings.Join(words, ", "))
	})
	return r.only(words...)
}

func (d *decoder) boolean(to *bool) reader {
	return reader{func(n *yaml.Node, path string) {
		s, ok := d.scalar(n, path)
		if !ok || s == "" {
			return
		}
		value, isBool := boolOf(d.resolve(n))
		if !isBool {
			d.fail(path, "%s is not true or false%s", quote(s), boolHint(s))
			return
		}
		*to = value
	}, shape{Type: types{"boolean"}, Default: *to}}
}

// boolOf is the value of an unquoted true or false.
func boolOf(n *yaml.Node) (value, ok bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		return false, false
	}
	return strings.EqualFold(n.Value, "true"), true
}

// boolHint is a remedy for the other spellings of true and false, quoted ones included.
func boolHint(s string) string {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "y":
		return "; write true without quotes"
	case "false", "no", "off", "n":
		return "; write false without quotes"
	}
	return ""
}

// integer reads a whole number; the bounds are for the schema, validate knows better ones.
func (d *decoder) integer(to *int, least, most int) reader {
	r := parsed(d, to, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return 0, fmt.Errorf("%s is not a whole number", quote(s))
		}
		return n, nil
	})
	r.takes = shape{Type: types{"integer", "string"}, Minimum: &least, Maximum: &most, Pattern: `^[+-]?[0-9]+$`}
	return r
}

// placeholder matches what templates and recipes leave to be replaced: <name>, ${NAME},
// {NAME} (a published recipe lost its $) and {{ name }}.
var placeholder = regexp.MustCompile(`<[\pL\d_][^<>]*>|\$?\{[\pL_][^{}]*\}|\{\{.*\}\}`)

// scalar is the text of a plain value; "" for none. Values are not repeated in messages
// here: somebody may have put a password where its Secret should be named.
func (d *decoder) scalar(n *yaml.Node, path string) (string, bool) {
	n = d.resolve(n)
	switch {
	case template(n):
		d.fail(path, "is a placeholder in braces; replace it")
	case n.Kind != yaml.ScalarNode:
		d.fail(path, "is %s, wanted a single value", describe(n))
	case !d.plainTag(n, path):
	case isEmpty(n):
		return "", true
	case placeholder.MatchString(n.Value):
		d.fail(path, "%s is a placeholder; replace it", quote(placeholder.FindString(n.Value)))
	case strings.TrimSpace(n.Value) != n.Value:
		d.fail(path, "has white space at its start or end; remove it")
	default:
		return n.Value, true
	}
	return "", false
}

// template tells whether {NAME} or {{ name }} stands where a value should: without quotes
// YAML reads these as mappings.
func template(n *yaml.Node) bool {
	return n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && len(n.Content) == 2 && isEmpty(n.Content[1])
}

// plainTag refuses types that somebody gave by hand: !Ref, !!binary and such.
func (d *decoder) plainTag(n *yaml.Node, path string) bool {
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!map", "!!seq", "!!merge":
		return true
	default:
		d.fail(path, "has the tag %s; write the value without it", quote(tag))
		return false
	}
}

// isEmpty tells whether a value is null or empty text: not given.
func isEmpty(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.Value == "" || n.ShortTag() == "!!null")
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isEmpty(n):
		return "empty"
	}
	return "a single value"
}

func fieldNames(fields []field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// fieldName is a key as it can stand in a path: on one line, and not too long.
func fieldName(key string) string {
	plain := strings.IndexFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-/.", r))
	}) < 0
	if plain && key != "" && len(key) <= 64 {
		return key
	}
	return quote(key)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
