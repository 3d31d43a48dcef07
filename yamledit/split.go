package yamledit

import "bytes"

// Document is one document of a stream, with its markers.
type Document struct {
	Offset, Line int    // where Bytes begins in the stream: byte offset, and line number from 1
	Bytes        []byte // not copied: a part of the stream; but see [Document.Items]
	dash         int    // one more than where in Bytes a space stands for a dash; 0: nowhere
}

// Split divides a stream at its document markers, lines that begin with --- or
// ... and then a blank or the line's end. The Bytes of all documents together
// are the stream: a document begins with its own --- line and the directives
// and comments before it, and ends with its ... line, so [Decode] and [Apply]
// read it as a parser of the whole stream would. What has no content, such as
// comments after the last ..., is a document for which Decode returns
// [ErrEmpty]. An empty stream has no documents.
func Split(stream []byte) []Document {
	s := splitter{text: newText(stream), directives: -1}
	for line := range s.starts {
		if s.startOf(line) < len(stream) {
			s.line(line)
		}
	}
	s.end(len(s.starts)-1, len(stream))
	return s.docs
}

type splitter struct {
	text
	docs       []Document
	from       int  // offset where the current document begins
	fromLine   int  // and its line
	begun      bool // the current document has its --- or content
	directives int  // line of %YAML or %TAG after content, with no content since; -1: none
}

func (s *splitter) line(n int) {
	content := s.src[s.startOf(n):s.endOf(n)]
	switch {
	case marker(content, "---"):
		if s.begun {
			at := n
			if s.directives >= 0 {
				at = s.directives
			}
			s.cut(at, s.starts[at])
		}
		s.begun = true
		s.directives = -1
	case marker(content, "..."):
		s.begun = true
		if n+1 < len(s.starts) {
			s.end(n+1, s.starts[n+1])
		}
	case bytes.HasPrefix(content, []byte("%YAML ")), bytes.HasPrefix(content, []byte("%TAG ")):
		if s.begun && s.directives < 0 {
			s.directives = n
		}
	case !s.onlyComment(s.startOf(n)):
		s.begun = true
		s.directives = -1
	}
}

// end is cut behind a ... line. One that ends nothing belongs to the document
// before it: by itself no parser takes it.
func (s *splitter) end(line, off int) {
	if last := len(s.docs) - 1; last >= 0 && s.onlyEnds(off) {
		s.docs[last].Bytes = s.src[s.docs[last].Offset:off:off]
		s.from, s.fromLine = off, line
		s.begun, s.directives = false, -1
		return
	}
	s.cut(line, off)
}

// onlyEnds reports whether the current document, which would end at the offset,
// is a ... line and comments.
func (s *splitter) onlyEnds(off int) bool {
	ends := false
	for line := s.fromLine; line < len(s.starts) && s.starts[line] < off; line++ {
		isEnd := marker(s.src[s.startOf(line):s.endOf(line)], "...")
		if !isEnd && !s.onlyComment(s.startOf(line)) {
			return false
		}
		ends = ends || isEnd
	}
	return ends
}

// cut ends the current document before the offset, which begins the line.
func (s *splitter) cut(line, off int) {
	if off > s.from {
		s.docs = append(s.docs, Document{Offset: s.from, Line: s.fromLine + 1, Bytes: s.src[s.from:off:off]})
	}
	s.from, s.fromLine = off, line
	s.begun, s.directives = false, -1
}

func marker(line []byte, mark string) bool {
	return bytes.HasPrefix(line, []byte(mark)) && (len(line) == 3 || isBlank(line[3]))
}
