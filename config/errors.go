package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is one fault of a configuration file.
type Error struct {
	File    string // as Load was given it; empty from Parse
	Line    int    // from 1; 0: the file as a whole
	Field   string // such as truststores[0].sources[1].name; empty: none in particular
	Problem string // what is wrong and, after a semicolon, the remedy
}

// Error is "FILE:LINE: field: problem" or, without a file, "line LINE: field: problem".
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.File != "" && e.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", e.File, e.Line)
	case e.File != "":
		fmt.Fprintf(&b, "%s: ", e.File)
	case e.Line > 0:
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Problem)
	return b.String()
}

// Errors are all faults of a file, in the order of their lines. It is what Parse and Load
// return when the content is at fault; get at it with errors.As.
type Errors []*Error

// maxPrinted keeps a file that is no configuration at all from flooding a terminal.
const maxPrinted = 100

// Error lists the faults, one a line.
func (e Errors) Error() string {
	lines := make([]string, 0, len(e))
	for i, fault := range e {
		if i == maxPrinted {
			lines = append(lines, fmt.Sprintf("and %d more errors", len(e)-maxPrinted))
			break
		}
		lines = append(lines, fault.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As each fault.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, fault := range e {
		all[i] = fault
	}
	return all
}

// inFile is e with the file named in each fault.
func (e Errors) inFile(path string) Errors {
	named := make(Errors, len(e))
	for i, fault := range e {
		copied := *fault
		copied.File = path
		named[i] = &copied
	}
	return named
}

// report gathers faults, and knows on which line each field stands.
type report struct {
	lines  map[string]int // by field path; of a mapping's field the line of its key
	faults Errors
	faulty map[string]bool // field paths with a fault
}

func newReport() *report {
	return &report{lines: map[string]int{}, faulty: map[string]bool{}}
}

// fail records a fault of the field at path, on the line of that field or, if it is not
// there, of what should hold it. Only the first fault of a field is kept: what follows
// from a value that could not be read would only confuse.
func (r *report) fail(path, format string, args ...any) {
	if !r.faulty[path] {
		r.failAt(r.line(path), path, format, args...)
	}
}

// failAt records a fault that stands on a line of its own.
func (r *report) failAt(line int, path, format string, args ...any) {
	r.faulty[path] = true
	r.faults = append(r.faults, &Error{Line: line, Field: path, Problem: fmt.Sprintf(format, args...)})
}

// given tells whether the file holds the field at path.
func (r *report) given(path string) bool {
	_, ok := r.lines[path]
	return ok
}

// firstGiven is the first of paths that the file holds, else the last of them.
func (r *report) firstGiven(paths ...string) string {
	for _, path := range paths {
		if r.given(path) {
			return path
		}
	}
	return paths[len(paths)-1]
}

func (r *report) line(path string) int {
	for path != "" {
		if line, ok := r.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return r.lines[""]
}

// err is nil without faults, else Errors sorted by line.
func (r *report) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b *Error) int { return a.Line - b.Line })
	return r.faults
}

// element is the path of a list's element.
func element(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// quote is a value as messages show it: on one line, and not too long.
func quote(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return strconv.Quote(s)
}
