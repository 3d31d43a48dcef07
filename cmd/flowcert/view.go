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
	w             io.Writer
	live          bool
	width, height int
	shown         []string // lines that are on the terminal now, or that were printed last
}

func (a *app) newView() *view {
	v := &view{w: a.stderr}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && !a.json() {
		v.live, v.width, v.height = true, 80, 24
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			v.width, v.height = w, h
		}
	}
	return v
}

// line prints a line that stays.
func (v *view) line(format string, args ...any) {
	again := v.shown
	v.clear()
	fmt.Fprintf(v.w, format+"\n", args...)
	if v.live {
		v.show(again)
	}
}

// show replaces the lines that say what is waited for.
func (v *view) show(lines []string) {
	if !v.live {
		for _, l := range lines {
			if !slices.Contains(v.shown, l) {
				fmt.Fprintln(v.w, l)
			}
		}
		v.shown = lines
		return
	}
	v.clear()
	// What has left the screen at its top cannot be taken away again.
	if most := max(v.height-2, 1); len(lines) > most {
		lines = append(slices.Clone(lines[:most]), fmt.Sprintf("waits  … and %d more", len(lines)-most))
	}
	for _, l := range lines {
		fmt.Fprintln(v.w, cut(l, v.width-1))
	}
	v.shown = lines
}

// clear takes the live lines away (ECMA-48: cursor up, erase in line).
func (v *view) clear() {
	if v.live && len(v.shown) > 0 {
		fmt.Fprint(v.w, strings.Repeat("\x1b[1A\x1b[2K", len(v.shown)))
		v.shown = nil
	}
}

// close leaves the terminal as it should be.
func (v *view) close() { v.clear() }

func cut(s string, width int) string {
	if r := []rune(s); len(r) > width && width > 1 {
		return string(r[:width-1]) + "…"
	}
	return s
}
