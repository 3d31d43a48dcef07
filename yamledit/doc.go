// Package yamledit edits one YAML or JSON document by splicing bytes: comments,
// order, indentation, quoting, line ends and everything else that is not part of
// an edit keep their bytes, and every edit can be taken back to the byte.
//
// A file may hold several documents: call [Split] first. Then [Decode] gives the
// plain values of a document, [Apply] makes edits, [Revert] takes them back.
// [ApplyObject] and [Get] are the same on plain values, such as an object read
// from a cluster.
//
// # How an edit is made
//
// The nodes of go.yaml.in/yaml/v3 say where a node begins; this package finds
// where it ends, and checks both against the source. Each edit is one or two
// splices. The result is parsed again: its values must equal what [ApplyObject]
// makes of the values before, and taking the edit back must give the bytes
// before. Where a way of writing the edit does not pass, the next is tried;
// where none passes, Apply returns an error and nothing is changed.
//
// # Plain values
//
// Plain values are what Kubernetes' unstructured objects hold: map[string]any,
// []any, string, bool, int64, float64 and nil. Scalars are read as kubectl reads
// them: yes, no, on, off, y and n without quotes are booleans, dates are strings.
//
// # What is refused
//
// Documents over 1 MiB or nested deeper than 200, duplicate keys, keys that are
// not scalars, aliases that contain themselves or expand to more than 100000
// nodes, text that is not UTF-8. For an edit: a path through an alias, through
// a key that comes from a merge (<<), or into an anchored node that an alias
// repeats; a map where the path wants a list, and the reverse; two list entries
// with the same field value; an anchor that would be lost; tabs as indentation
// of block style; explicit keys (? key).
package yamledit
