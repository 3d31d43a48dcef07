package yamledit

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Items divides a document whose key `items` holds a sequence, as what `kubectl get` prints of several objects, into
// one document for each element, with the comments behind it. The dash before an element in block style is a space in
// its Bytes, so that [Decode] and [Apply] read them as a document; [Document.Replace] puts the dash back. An element
// that refers to an anchor outside of it does not decode.
func (d Document) Items() ([]Document, error) {
	list, err := read(d.Bytes)
	if err != nil {
		return nil, err
	}
	for i, e := range list.root.entries {
		if e.name != "items" {
			continue
		}
		if e.value.y.Kind != yaml.SequenceNode {
			break
		}
		end := len(d.Bytes)
		if i+1 < len(list.root.entries) {
			end = list.lineStart(list.root.entries[i+1].at)
		}
		return list.items(d, e.value, end), nil
	}
	return nil, errors.New("the document has no sequence `items`")
}

// items cuts the elements out of a sequence, of which nothing stands at the end or behind it.
func (d *document) items(whole Document, sequence *node, end int) []Document {
	var out []Document
	for i, e := range sequence.entries {
		item := Document{Offset: whole.Offset + e.value.start, Line: whole.Line + d.lineOf(e.at), Bytes: d.src[e.value.start:e.value.end]}
		if !sequence.isFlow() {
			from, to := d.lineStart(e.at), end
			if i+1 < len(sequence.entries) {
				to = d.lineStart(sequence.entries[i+1].at)
			}
			item.Offset, item.Bytes = whole.Offset+from, slices.Clone(d.src[from:to])
			item.Bytes[e.at-from] = ' '
			item.dash = e.at - from + 1
		}
		out = append(out, item)
	}
	return out
}

// Replace returns the stream from which the document was cut with a text in its place. It refuses a text that does
// not begin as the document does up to the dash of a block sequence.
func (d Document) Replace(stream, text []byte) ([]byte, error) {
	text = slices.Clone(text)
	if at := d.dash - 1; at >= 0 {
		if len(text) <= at || !slices.Equal(text[:at+1], d.Bytes[:at+1]) {
			return nil, errors.New("the text does not begin as the element of the sequence does")
		}
		text[at] = '-'
	}
	return slices.Concat(stream[:d.Offset], text, stream[d.Offset+len(d.Bytes):]), nil
}
