package deploy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

var flinkConfiguration = keys("spec", "flinkConfiguration")

// conf reads and addresses keys of spec.flinkConfiguration, which authors write
// flat (`security.ssl.rest.enabled: …`), nested (`security: {ssl: …}`) or mixed:
// the operator flattens it (ConfigObjectNode.asFlatMap of the Apache Flink
// Kubernetes operator).
type conf struct{ root map[string]any }

func readConf(r Resource) (conf, error) {
	v, ok := yamledit.Get(r.Object, flinkConfiguration)
	if !ok || v == nil {
		return conf{}, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return conf{}, fmt.Errorf("is not a mapping of configuration keys")
	}
	return conf{root: m}, nil
}

// find returns every path at which the key has a value, flat forms first.
func (c conf) find(key string) []yamledit.Path {
	return findKey(c.root, flinkConfiguration, key)
}

func findKey(m map[string]any, at yamledit.Path, key string) []yamledit.Path {
	var found []yamledit.Path
	if v, ok := m[key]; ok {
		if _, isMap := v.(map[string]any); !isMap {
			found = append(found, under(at, yamledit.Key(key)))
		}
	}
	for _, prefix := range prefixes(key) {
		if child, ok := m[prefix].(map[string]any); ok {
			found = append(found, findKey(child, under(at, yamledit.Key(prefix)), key[len(prefix)+1:])...)
		}
	}
	return found
}

// prefixes of a.b.c are a.b and a: longest first.
func prefixes(key string) []string {
	var out []string
	for i := strings.LastIndexByte(key, '.'); i > 0; i = strings.LastIndexByte(key[:i], '.') {
		out = append(out, key[:i])
	}
	return out
}

// value returns what stands at the key, of whatever kind.
func (c conf) value(key string) (any, bool) {
	paths := c.find(key)
	if len(paths) == 0 {
		return nil, false
	}
	return yamledit.Get(map[string]any{"spec": map[string]any{"flinkConfiguration": c.root}}, paths[0])
}

// get returns the key's value as text; ok is false if it has none, or a list.
func (c conf) get(key string) (s string, ok bool) {
	v, ok := c.value(key)
	if !ok || !isScalar(v) {
		return "", false
	}
	return text(v), true
}

// isTrue reads a boolean as Flink does, in any case.
func (c conf) isTrue(key string) bool {
	v, _ := c.get(key)
	return strings.EqualFold(v, "true")
}

// where says at which path the key is to be written: where it is, else beside
// its relatives in the author's form. A key that is there twice is an error.
func (c conf) where(key string) (yamledit.Path, error) {
	paths := c.find(key)
	switch len(paths) {
	case 0:
		return place(c.root, flinkConfiguration, key), nil
	case 1:
		return paths[0], nil
	}
	return nil, fmt.Errorf("key %s is there twice, as %s and as %s", key, paths[0], paths[1])
}

// place finds a home for a new key: in the deepest mapping that is a prefix of
// it; there flat, unless everything beside it is nested.
func place(m map[string]any, at yamledit.Path, key string) yamledit.Path {
	for _, prefix := range prefixes(key) {
		if child, ok := m[prefix].(map[string]any); ok {
			return place(child, under(at, yamledit.Key(prefix)), key[len(prefix)+1:])
		}
	}
	first, _, _ := strings.Cut(key, ".")
	if _, taken := m[first]; taken || !nestedForm(m) {
		return under(at, yamledit.Key(key))
	}
	for _, part := range strings.Split(key, ".") {
		at = under(at, yamledit.Key(part))
	}
	return at
}

// nestedForm reports whether an author who wrote m would nest a dotted key.
func nestedForm(m map[string]any) bool {
	nested := false
	for k, v := range m {
		if strings.Contains(k, ".") {
			return false
		}
		if _, ok := v.(map[string]any); ok {
			nested = true
		}
	}
	return nested
}

// below lists the keys (flattened) that start with key and a dot, sorted.
func (c conf) below(key string) []string {
	var out []string
	var walk func(m map[string]any, at string)
	walk = func(m map[string]any, at string) {
		for k, v := range m {
			if child, ok := v.(map[string]any); ok {
				walk(child, at+k+".")
			} else if strings.HasPrefix(at+k, key+".") {
				out = append(out, at+k)
			}
		}
	}
	walk(c.root, "")
	slices.Sort(out)
	return out
}

// configurationKey is the key of spec.flinkConfiguration that stands at p, as
// Flink reads it; empty elsewhere.
func configurationKey(p yamledit.Path) string {
	if len(p) <= len(flinkConfiguration) || !within(p, flinkConfiguration) {
		return ""
	}
	var parts []string
	for _, s := range p[len(flinkConfiguration):] {
		parts = append(parts, s.Key)
	}
	return strings.Join(parts, ".")
}
