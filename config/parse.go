package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSize is the largest file that is read, in bytes.
const maxSize = 1 << 20

// Load reads the file at path; see Parse. Faults name the path as given here: they print
// as "flowcert.yaml:12: …". An error of reading the file wraps the operating system's.
func Load(path string) (*Config, error) { return LoadFor(path, "") }

// LoadFor is Load with another namespace in place of the file's own; empty: the file's.
func LoadFor(path, namespace string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	c, err := parse(f, namespace)
	var faults Errors
	switch {
	case errors.As(err, &faults):
		return nil, faults.inFile(path)
	case err != nil:
		return nil, err
	}
	c.Dir, c.File = filepath.Dir(path), path
	return c, nil
}

// Parse reads one YAML document of at most 1 MiB, fills in the defaults and validates the
// whole. Faults of the content come back as Errors.
func Parse(r io.Reader) (*Config, error) { return parse(r, "") }

func parse(r io.Reader, namespace string) (*Config, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	rep := newReport()
	root := document(rep, data)
	if root == nil {
		return nil, rep.err()
	}
	c := newConfig()
	d := &decoder{report: rep}
	d.config(c).read(root, "")
	c.Namespace = cmp.Or(namespace, c.Namespace)
	if !d.exhausted() {
		fillDefaults(c, rep)
		validate(c, rep)
	}
	if err := rep.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// document is the top mapping of the one document in data, or nil after a fault.
func document(rep *report, data []byte) *yaml.Node {
	if !checkBytes(rep, data) {
		return nil
	}
	var root *yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			syntaxFault(rep, data, err)
			return nil
		}
		if len(doc.Content) == 0 || isEmpty(doc.Content[0]) {
			continue
		}
		top := doc.Content[0]
		if root != nil {
			rep.failAt(top.Line, "", "a second document begins; keep one in this file")
			return nil
		}
		root = top
	}
	if root == nil {
		rep.failAt(1, "", "the file is empty; start with:\n\n%s", strings.TrimSpace(ShortForm))
		return nil
	}
	if root.Kind != yaml.MappingNode {
		rep.failAt(root.Line, "", "the file is %s, wanted fields; start with:\n\n%s", describe(root), strings.TrimSpace(ShortForm))
		return nil
	}
	rep.lines[""] = root.Line
	return root
}

// checkBytes refuses what is no text before the YAML reader gives it harder words.
func checkBytes(rep *report, data []byte) bool {
	if len(data) > maxSize {
		rep.failAt(0, "", "larger than 1 MiB; this is no configuration of flowcert")
		return false
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(line) {
			rep.failAt(i+1, "", "not UTF-8 text; save the file as UTF-8")
			return false
		}
		if bytes.IndexByte(line, 0) >= 0 {
			rep.failAt(i+1, "", "holds a NUL byte; this is no text file, or not UTF-8")
			return false
		}
	}
	return true
}

func syntaxFault(rep *report, data []byte, err error) {
	words := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	var rest string
	if n, _ := fmt.Sscanf(words, "line %d:", &line); n == 1 {
		_, rest, _ = strings.Cut(words, ": ")
		words = rest
	}
	line = syntaxLine(data, line)
	if tabbed(data, line) {
		words += "; indent with spaces, a tab is not allowed there"
	}
	if strings.HasPrefix(words, "unknown anchor") || strings.HasSuffix(words, "alphabetic or numeric character") {
		words += "; quote a value that begins with *"
	}
	rep.failAt(line, "", "not valid YAML: %s", words)
}

// syntaxLine is where a syntax error stands. The YAML reader gives the start of the block
// around it, and one line less for some errors. So: the line after the longest run of whole
// lines, from the top, that can be read. In long files the search would take seconds, and
// the reader's word is taken.
func syntaxLine(data []byte, reported int) int {
	const mostLines, mostBytes = 1000, 1 << 16
	lines := bytes.SplitAfter(data, []byte("\n"))
	if len(lines) > mostLines || len(data) > mostBytes {
		return reported
	}
	end := len(data)
	for i := len(lines) - 1; i >= 0; i-- {
		end -= len(lines[i])
		if readable(data[:end]) {
			return i + 1
		}
	}
	return reported
}

func readable(data []byte) bool {
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		if err := decoder.Decode(&doc); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// tabbed tells whether the line (from 1) is indented with a tab.
func tabbed(data []byte, line int) bool {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return false
	}
	text := lines[line-1]
	return bytes.IndexByte(text[:len(text)-len(bytes.TrimLeft(text, " \t"))], '\t') >= 0
}
