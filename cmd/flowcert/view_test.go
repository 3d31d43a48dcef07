package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestViewOfATerminal(t *testing.T) {
	var out bytes.Buffer
	v := &view{w: &out, size: func() (width, height int) { return 20, 5 }}
	var lines []string
	for i := range 9 {
		lines = append(lines, fmt.Sprintf("waits  resource number %d", i))
	}
	v.show(lines)
	if !strings.HasPrefix(out.String(), "\r\x1b[2Kwaits  resource nu…\n") {
		t.Errorf("a line of 20 columns: %q", out.String())
	}
	if n := strings.Count(out.String(), "\n"); n != 4 || !strings.HasSuffix(out.String(), "and 6 more\n") {
		t.Errorf("%d lines on a screen of 5:\n%s", n, out.String())
	}
	out.Reset()
	v.line("made   %s", "x")
	if up := strings.Count(out.String(), "\x1b[1A"); up != 4 || !strings.Contains(out.String(), "made   x\nwaits") {
		t.Errorf("%d lines taken away:\n%q", up, out.String())
	}
	out.Reset()
	v.close()
	if up := strings.Count(out.String(), "\x1b[1A"); up != 4 {
		t.Errorf("%d lines taken away at the end", up)
	}
}
