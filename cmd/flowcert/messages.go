package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/flowcert/flowcert/renew"
)

// The rules for what people read: data goes to standard output, everything else
// to standard error; an error names the thing, and its remedy stands on a line of
// its own that begins with "hint:"; colour only on a terminal, and not with
// NO_COLOR set.

// remedied is an error that comes with what to do about it.
type remedied interface {
	error
	Remedy() string
}

type hintedError struct {
	error
	hint string
}

func (h hintedError) Remedy() string { return h.hint }
func (h hintedError) Unwrap() error  { return h.error }

// hinted adds a remedy to an error.
func hinted(err error, hint string) error { return hintedError{err, hint} }

// printError writes an error and its hint.
func (a *app) printError(err error) { a.printAs(red, "error:", err) }

// printWarning writes an error that stops nothing.
func (a *app) printWarning(err error) { a.printAs(yellow, "warning:", err) }

func (a *app) printAs(c colour, word string, err error) {
	fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, c, word), printable(err.Error()))
	if hint := renew.RemedyOf(err); hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", printable(hint))
	}
}

// say writes a message for people.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }

// detail says what only -v asks for.
func (a *app) detail(format string, args ...any) {
	if a.verbose {
		a.say(format, args...)
	}
}

// print writes data.
func (a *app) print(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }

// printable makes text from a file harmless on a terminal: control characters,
// such as those that move the cursor, and characters that turn the direction of
// writing are shown by their numbers.
func printable(s string) string {
	var out strings.Builder
	for _, r := range s {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, "\\u%04x", r)
		}
	}
	return out.String()
}

// line is a command line of flowcert's on the same directory.
func (a *app) line(command string) string {
	out := "flowcert " + command
	if a.dir != "" {
		out += " --dir " + quote(a.dir)
	}
	if a.kubeconfig != "" {
		out += " --kubeconfig " + quote(a.kubeconfig)
	}
	if a.context != "" {
		out += " --context " + quote(a.context)
	}
	if a.adopt && (command == "apply" || command == "plan") {
		out += " --adopt"
	}
	if a.configPath != "" {
		out += " --config " + quote(a.configPath)
	}
	return out
}

// quote makes a word safe for a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/.-_", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// output is standard output; it remembers that something could not be written,
// as on a full disk.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	cyan   colour = "36"
	bold   colour = "1"
)

// paint colours text that goes to a terminal.
func (a *app) paint(w io.Writer, c colour, s string) string {
	if !coloured(w) {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// coloured follows no-color.org and the CLICOLOR_FORCE convention.
func coloured(w io.Writer) bool {
	if os.Getenv("NO_COLOR") != "" {
		return false
	}
	if force := os.Getenv("CLICOLOR_FORCE"); force != "" && force != "0" {
		return true
	}
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// plural is "1 file" or "2 files".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, strings.TrimSuffix(what, "s"))
}
