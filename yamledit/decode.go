package yamledit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	maxSize    = 8 << 20 // bytes of a document: Secrets have 1.5 MB at most, and a List holds many
	maxDepth   = 200     // of nesting; Kubernetes' own objects stay below 60
	maxAliased = 100_000 // nodes reached through aliases
)

// ErrEmpty is returned for a document with no content, or null.
var ErrEmpty = errors.New("the document is empty")

// Decode reads one document to plain values (see the package comment). The
// document may have its --- and ... lines, and directives. Errors wrap
// [ErrEmpty] where there is nothing in it.
func Decode(doc []byte) (map[string]any, error) {
	root, err := parse(doc)
	if err != nil {
		return nil, err
	}
	return convert(root)
}

// parse returns the root node, which is a mapping.
func parse(doc []byte) (root *yaml.Node, err error) {
	if len(doc) > maxSize {
		return nil, fmt.Errorf("the document has more than %d bytes", maxSize)
	}
	if !utf8.Valid(doc) {
		return nil, errors.New("the document is not UTF-8")
	}
	defer func() {
		// yaml.v3 has panicked on malformed input before (CVE-2022-28948).
		if r := recover(); r != nil {
			root, err = nil, errors.New("yaml: the document cannot be parsed")
		}
	}()
	var first, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(doc))
	if err := dec.Decode(&first); err == io.EOF {
		return nil, ErrEmpty
	} else if err != nil {
		return nil, err
	}
	if err := dec.Decode(&second); err == nil {
		return nil, errors.New("more than one document")
	} else if err != io.EOF {
		return nil, err
	}
	root = first.Content[0]
	switch {
	case root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" && root.Anchor == "":
		return nil, ErrEmpty
	case root.Kind != yaml.MappingNode:
		return nil, fmt.Errorf("line %d: the document is not a map", root.Line)
	}
	return root, nil
}

// converter makes plain values of nodes.
type converter struct {
	inside  map[*yaml.Node]bool // named by the aliases on the way to the current node
	through int                 // aliases on the way to the current node
	aliased int                 // nodes converted below aliases
}

func convert(root *yaml.Node) (map[string]any, error) {
	c := converter{inside: map[*yaml.Node]bool{}}
	v, err := c.value(root, 0)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

func (c *converter) value(n *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("line %d: nested deeper than %d", n.Line, maxDepth)
	}
	if c.through > 0 {
		if c.aliased++; c.aliased > maxAliased {
			return nil, fmt.Errorf("line %d: aliases expand to more than %d nodes", n.Line, maxAliased)
		}
	}
	switch n.Kind {
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, e := range n.Content {
			v, err := c.value(e, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case yaml.AliasNode:
		var v any
		err := c.enter(n, func(target *yaml.Node) (err error) {
			v, err = c.value(target, depth+1)
			return err
		})
		return v, err
	}
	return scalarValue(n)
}

// enter calls f with what the alias names, unless that holds the alias.
func (c *converter) enter(n *yaml.Node, f func(*yaml.Node) error) error {
	if c.inside[n.Alias] {
		return fmt.Errorf("line %d: alias *%s stands inside what it names", n.Line, n.Value)
	}
	c.inside[n.Alias] = true
	c.through++
	err := f(n.Alias)
	c.through--
	delete(c.inside, n.Alias)
	return err
}

func (c *converter) mapping(n *yaml.Node, depth int) (any, error) {
	m := make(map[string]any, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if isMerge(key) {
			merges = append(merges, value)
			continue
		}
		k, err := keyText(key)
		if err != nil {
			return nil, err
		}
		if _, ok := m[k]; ok {
			return nil, fmt.Errorf("line %d: key %q is there twice", key.Line, k)
		}
		if m[k], err = c.value(value, depth+1); err != nil {
			return nil, err
		}
	}
	if len(merges) > 1 {
		return nil, fmt.Errorf(`line %d: key "<<" is there twice`, n.Line)
	}
	for _, v := range merges {
		if err := c.merge(m, v, depth+1); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge"
}

// merge adds to m what it does not have yet: https://yaml.org/type/merge.html.
func (c *converter) merge(m map[string]any, n *yaml.Node, depth int) error {
	switch n.Kind {
	case yaml.AliasNode:
		return c.enter(n, func(target *yaml.Node) error {
			if target.Kind == yaml.AliasNode {
				return fmt.Errorf("line %d: a merge wants maps", n.Line)
			}
			return c.merge(m, target, depth+1)
		})
	case yaml.MappingNode:
		v, err := c.value(n, depth)
		if err != nil {
			return err
		}
		for k, e := range v.(map[string]any) {
			if _, ok := m[k]; !ok {
				m[k] = e
			}
		}
		return nil
	case yaml.SequenceNode:
		for _, e := range n.Content {
			if e.Kind == yaml.SequenceNode {
				return fmt.Errorf("line %d: a merge wants maps", e.Line)
			}
			if err := c.merge(m, e, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("line %d: a merge wants maps", n.Line)
}

// keyText is a map key as the string that it is in JSON.
func keyText(n *yaml.Node) (string, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		return "", fmt.Errorf("line %d: a map key is not a scalar", n.Line)
	}
	v, err := scalarValue(n)
	if err != nil {
		return "", err
	}
	s, _ := scalarText(v)
	return s, nil
}

// bool11 are the booleans of YAML 1.1 that yaml.v3 reads as strings, and
// kubectl as booleans.
var bool11 = map[string]bool{
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}

func scalarValue(n *yaml.Node) (any, error) {
	tag := n.ShortTag()
	if n.Style == 0 {
		if b, ok := bool11[n.Value]; ok && tag == "!!str" {
			return b, nil
		}
		if tag == "!!timestamp" {
			return n.Value, nil
		}
	}
	if tag == "!!str" || tag == "!!merge" {
		return n.Value, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		// The cause would show the value, which may be a password.
		return nil, fmt.Errorf("line %d: a value does not fit its tag %s", n.Line, tag)
	}
	switch v := v.(type) {
	case nil, string, bool:
		return v, nil
	case int:
		return int64(v), nil
	case int64, float64:
		return v, nil
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v), nil
		}
		return float64(v), nil
	}
	return n.Value, nil
}
