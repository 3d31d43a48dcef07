package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// view shows what goes on: on a terminal the last lines are live and written
// over; elsewhere each change is a line of its own.
type view struct {
	w     io.Writer
	size  func() (width, height int) // of the terminal; nil: this is none
	shown []string                   // what is waited for, as last shown or printed
	drawn int                        // lines of it that are on the terminal now
}

func (a *app) newView() *view {
	v := &view{w: a.stderr}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && !a.json() {
		v.size = func() (width, height int) { return sizeOf(f) }
	}
	return v
}

// sizeOf is a terminal's size, and that of the oldest ones where it does not say.
func sizeOf(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// line prints a line that stays.
func (v *view) line(format string, args ...any) {
	v.clear()
	fmt.Fprintf(v.w, format+"\n", args...)
	v.draw()
}

// show replaces the lines that say what is waited for.
func (v *view) show(lines []string) {
	v.clear()
	if v.size == nil {
		for _, l := range lines {
			if !slices.Contains(v.shown, l) {
				fmt.Fprintln(v.w, printable(l))
			}
		}
	}
	v.shown = lines
	v.draw()
}

// draw puts the live lines on the terminal: no more of them than it has room for,
// because what has left it at the top cannot be taken away again.
func (v *view) draw() {
	if v.size == nil {
		return
	}
	width, height := v.size()
	lines := v.shown
	if room := max(height-1, 1); len(lines) > room {
		lines = append(slices.Clone(lines[:room-1]), fmt.Sprintf("… and %d more", len(lines)-room+1))
	}
	for _, l := range lines {
		fmt.Fprintln(v.w, cut(printable(strings.ReplaceAll(l, "\n", " ")), width-1))
	}
	v.drawn = len(lines)
}

// clear takes the live lines away, and what was typed below them, such as the ^C of
// somebody who wants it to end (ECMA-48: erase in line, cursor up).
func (v *view) clear() {
	if v.size != nil {
		fmt.Fprint(v.w, "\r\x1b[2K"+strings.Repeat("\x1b[1A\x1b[2K", v.drawn))
		v.drawn = 0
	}
}

// hide takes the live lines away for good: what they say is over.
func (v *view) hide() {
	if v.size != nil {
		v.close()
	}
}

// close leaves the terminal as it should be. What was waited for is not shown again.
func (v *view) close() {
	v.clear()
	v.shown = nil
}

func cut(s string, width int) string {
	if r := []rune(s); len(r) > width && width > 1 {
		return string(r[:width-1]) + "…"
	}
	return s
}
