package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Schema is a JSON Schema (draft 2020-12) of the configuration file, for editors: names,
// types, allowed words, defaults, and a description of every field. It is made from the
// tables that the parser reads by. What takes knowledge of several fields (references,
// lifetimes, names that collide) only Parse checks; and a field that is given as "" where no
// text can stand counts as absent for Parse, but not here.
//
// It keeps to keywords that mean the same in draft-07, which editors know best: no
// references, nothing beside them.
func Schema() []byte {
	d := &decoder{report: newReport()}
	top := d.config(newConfig()).takes
	top.Draft = "https://json-schema.org/draft/2020-12/schema"
	top.Title = "flowcert.yaml"
	top.Description = "Which certificates, truststores and wiring flowcert keeps for IBM Event Processing, Apache Flink and their databases."
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(top); err != nil {
		panic(err) // no value in it that JSON does not have
	}
	return out.Bytes()
}

// A shape says in the words of JSON Schema what a reader takes.
type shape struct {
	Draft        string     `json:"$schema,omitempty"`
	Title        string     `json:"title,omitempty"`
	Description  string     `json:"description,omitempty"`
	Type         types      `json:"type,omitempty"`
	Enum         []any      `json:"enum,omitempty"`
	Pattern      string     `json:"pattern,omitempty"`
	PatternWords string     `json:"patternErrorMessage,omitempty"` // editors' own: what to show in place of the pattern
	MinLength    int        `json:"minLength,omitempty"`
	MaxLength    int        `json:"maxLength,omitempty"`
	Minimum      *int       `json:"minimum,omitempty"`
	Maximum      *int       `json:"maximum,omitempty"`
	Items        *shape     `json:"items,omitempty"`
	MinItems     int        `json:"minItems,omitempty"`
	MaxItems     int        `json:"maxItems,omitempty"`
	Properties   properties `json:"properties,omitempty"`
	Required     []string   `json:"required,omitempty"`
	NothingElse  *bool      `json:"additionalProperties,omitempty"` // false
	AnyOf        []shape    `json:"anyOf,omitempty"`
	Default      any        `json:"default,omitempty"`
	Examples     []string   `json:"examples,omitempty"`
}

// types are written as one word where there is one.
type types []string

func (t types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// anyScalar is what can stand for text: YAML takes 123, 1e3 and true for something else.
var anyScalar = types{"string", "number", "boolean"}

// properties keep the order of the tables.
type properties []property

type property struct {
	name  string
	shape shape
}

func (p properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	for i, each := range p {
		out.WriteByte("{,"[min(i, 1)])
		value, err := json.Marshal(each.shape)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%q:%s", each.name, value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// shapeOf is the shape of a mapping with these fields.
func shapeOf(fields []field) shape {
	s := shape{Type: types{"object"}, NothingElse: new(bool)}
	for _, f := range fields {
		takes := f.reader.takes
		if f.required {
			s.Required = append(s.Required, f.name)
			takes = takes.filled()
		} else {
			takes = takes.orAbsent()
		}
		takes.Description = f.about
		if takes.Default != nil {
			takes.Description += fmt.Sprintf(" Default: %v.", takes.Default)
		}
		s.Properties = append(s.Properties, property{f.name, takes})
	}
	return s
}

func listOf(item shape) shape {
	item.Default = nil
	return shape{Type: types{"array"}, Items: &item, MaxItems: maxEntries}
}

// filled asks a list for an entry.
func (s shape) filled() shape {
	if s.Items != nil {
		s.MinItems = 1
	}
	return s
}

// orAbsent lets nothing stand where a value is not required, and empty text where text can
// stand. Sections are given or left out.
func (s shape) orAbsent() shape {
	if s.AnyOf != nil || slices.Contains(s.Type, "object") {
		return s
	}
	s.Type = append(slices.Clone(s.Type), "null")
	if s.Enum != nil {
		s.Enum = append(slices.Clone(s.Enum), nil)
	}
	if s.Pattern != "" {
		s.Pattern = "^$|" + s.Pattern
	}
	s.MinLength = 0
	return s
}

// only narrows a reader's shape to the given words.
func (r reader) only(words ...string) reader {
	r.takes.Type, r.takes.MinLength = types{"string"}, 0
	for _, word := range words {
		r.takes.Enum = append(r.takes.Enum, word)
	}
	return r
}

// like narrows a reader's shape to text of a syntax.
func (r reader) like(s syntax) reader {
	r.takes.Pattern, r.takes.PatternWords, r.takes.MaxLength = s.pattern, s.words, s.most
	if s.textOnly {
		r.takes.Type = types{"string"}
	}
	r.takes.MinLength = 0 // no pattern matches nothing
	return r
}

// such gives an example.
func (r reader) such(examples ...string) reader {
	r.takes.Examples = examples
	return r
}

// defaultOf is the value that a reader found before it read, as it is written in the file;
// nil where that is no default.
func defaultOf(v any) any {
	if reflect.ValueOf(v).IsZero() {
		return nil
	}
	if s, ok := v.(fmt.Stringer); ok {
		return s.String()
	}
	return v
}
