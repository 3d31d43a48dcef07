package yamledit

import "strings"

// Encode writes plain values as a document of its own in block style, the keys of
// every map sorted, but name first. [Decode] reads the same values from it. It
// takes what the Value of an [Edit] takes.
func Encode(obj map[string]any) ([]byte, error) {
	v, err := writable(obj)
	if err != nil {
		return nil, err
	}
	r := renderer{style: style{step: 2, dash: 2, gap: 1}, eol: "\n", literal: true}
	lines := r.mapLines(v.(map[string]any), 0)
	if len(lines) == 0 {
		lines = []string{"{}"}
	}
	return []byte(strings.Join(lines, r.eol) + r.eol), nil
}
