package main

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/renew"
)

// printDiff shows the lines of a resource that would change.
func (a *app) printDiff(r *renew.Rewire) error {
	after, err := deploy.Rewrite(r.Resource, r.Preview, r.Claims...)
	if err != nil {
		return err
	}
	name := cmp.Or(r.Resource.File, r.Resource.String())
	a.print("     %s\n", a.paint(a.stdout, bold, "--- "+name))
	a.print("     %s\n", a.paint(a.stdout, bold, "+++ "+name))
	for _, line := range maskedDiff(r.Resource.Source, after, max(r.Resource.Line-1, 0)) {
		a.print("     %s\n", a.paintDiff(line))
	}
	return nil
}

// maskedDiff compares the texts as they are and shows them masked: a password
// that changes shows as a change, and does not show itself. skipped counts the
// lines in front of both texts in their file.
func maskedDiff(before, after []byte, skipped int) []string {
	was, is := maskLines(before), maskLines(after)
	_, hunks, _ := bytes.Cut(diff.Diff("", before, "", after), []byte("\n+++ \n"))
	var out []string
	var x, y int // lines of before and after that come next
	for line := range strings.Lines(string(hunks)) {
		switch line[0] {
		case '@':
			var from, n, to, m int
			if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &from, &n, &to, &m); err != nil {
				continue
			}
			x, y = max(from-1, 0), max(to-1, 0)
			out = append(out, fmt.Sprintf("@@ -%d,%d +%d,%d @@", from+skipped, n, to+skipped, m))
		case '-':
			out = append(out, "-"+was[x])
			x++
		case '+':
			out = append(out, "+"+is[y])
			y++
		case ' ':
			out = append(out, " "+is[y])
			x++
			y++
		}
	}
	return out
}

func (a *app) paintDiff(line string) string {
	switch line[0] {
	case '+':
		return a.paint(a.stdout, green, line)
	case '-':
		return a.paint(a.stdout, red, line)
	case '@':
		return a.paint(a.stdout, cyan, line)
	}
	return line
}
