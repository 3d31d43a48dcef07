package main

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// words are those by which Flink hides values of its configuration
// (GlobalConfiguration.SENSITIVE_KEYS), and a few more.
const words = `passw(?:or)?d|passwort|[._-]pass|passphrase|pwd|secret|token|credential|private|` +
	`api[-_]?key|access[-_.]?key|service[-_]?key|account[-_.]?key|auth[-_]params|basic[-_]auth|jaas[-_.]?config|http-headers`

var (
	sensitiveWord = regexp.MustCompile(`(?i)` + words + `|^pass$`)
	// reference is a key that names a Secret or a part of one, and does not hold it.
	reference = regexp.MustCompile(`(?i)(?:secret(?:key)?(?:name|ref)|secretnames|secrets|pull-secrets|pullsecrets|env\.secretkeyref)$`)
	// structure is a key under which the words stand for objects of Kubernetes.
	structure = regexp.MustCompile(`(?i)^(?:secret|secretKeyRef|secretRef|imagePullSecrets|secrets|serviceAccountToken|volumeAttributes)$`)
	// named are keys inside of a sensitive map that only say where the value is.
	named = regexp.MustCompile(`^(?:name|namespace|key|secretName|optional|path)$`)
	// placeholder is a value that nobody has filled in.
	placeholder = regexp.MustCompile(`^<[^<>]+>$`)
	// optionName is an argument whose value is the next one.
	optionName = regexp.MustCompile(`^--?[\w.\-]+$`)
)

// sensitiveName reports whether a key, an environment variable or an option of
// this name holds something that no screen shows.
func sensitiveName(name string) bool {
	return sensitiveWord.MatchString(name) && !reference.MatchString(name)
}

// place is where a node stands.
type place struct {
	sensitive bool
	conf      bool   // below flinkConfiguration
	path      string // there: the keys so far, as Flink joins nested ones
}

// maxVisits bounds the walk: aliases of aliases multiply, and may go in circles.
const maxVisits = 200_000

// hiding maps nodes to what is shown in their place.
type hiding struct {
	values map[*yaml.Node]string
	left   int          // visits
	within []*yaml.Node // what the aliases on the way to here name
}

// find walks the tree, aliases included: what an alias in a sensitive place
// names is sensitive where it stands.
func (h *hiding) find(n *yaml.Node, at place) {
	if h.left == 0 {
		return
	}
	h.left--
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "PRIVATE KEY") {
		at.sensitive = true // whatever it is called
	}
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			h.find(c, at)
		}
	case yaml.AliasNode:
		if at.sensitive {
			h.values[n] = masked
		}
		if slices.Contains(h.within, n.Alias) {
			h.left = 0
			return
		}
		h.within = append(h.within, n.Alias)
		h.find(n.Alias, at)
		h.within = h.within[:len(h.within)-1]
	case yaml.ScalarNode:
		if at.sensitive && holds(n) {
			h.values[n] = masked
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			below := at
			below.sensitive = at.sensitive || i > 0 && isOption(n.Content[i-1])
			h.find(c, below)
		}
	case yaml.MappingNode:
		h.findBelow(n, at)
	}
}

func (h *hiding) findBelow(n *yaml.Node, at place) {
	env := sensitiveName(scalarAt(n, "name"))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		if short, ok := shortened(key, value); ok {
			h.values[value] = short
			continue
		}
		h.find(value, at.below(key, value, env))
	}
}

// below is the place of a map's value.
func (at place) below(key string, value *yaml.Node, env bool) place {
	next := place{conf: at.conf || key == "flinkConfiguration"}
	name := key
	if at.conf {
		next.path = strings.TrimPrefix(at.path+"."+key, ".")
		name = next.path
	}
	scalar := value.Kind == yaml.ScalarNode || value.Kind == yaml.AliasNode && value.Alias.Kind == yaml.ScalarNode
	switch {
	case at.conf:
		next.sensitive = scalar && sensitiveName(name)
	case at.sensitive:
		next.sensitive = !named.MatchString(key)
	case env && key == "value":
		next.sensitive = true
	case !scalar && structure.MatchString(key):
	default:
		next.sensitive = sensitiveName(key)
	}
	return next
}

// holds reports whether a scalar may be a secret: not nothing, not true or
// false, not a placeholder.
func holds(n *yaml.Node) bool {
	return n.Value != "" && n.ShortTag() != "!!null" && n.ShortTag() != "!!bool" && !placeholder.MatchString(n.Value)
}

func isOption(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && optionName.MatchString(n.Value) && sensitiveName(n.Value)
}

// scalarAt is a map's value at key, if it is a scalar.
func scalarAt(n *yaml.Node, key string) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key && n.Content[i+1].Kind == yaml.ScalarNode {
			return n.Content[i+1].Value
		}
	}
	return ""
}
