package incluster_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"
)

// screen is what a person sees of a program: a terminal that knows as much of ECMA-48 as flowcert uses, and nothing more.
type screen struct {
	width, height int

	mutex sync.Mutex
	lines []string // those that have left the screen at the top among them
	row   int      // of lines
	col   int
	odd   []string // sequences that it does not know
	raw   []byte   // that are not a whole character yet
}

// write shows what a program prints.
func (s *screen) write(data []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.raw = append(s.raw, data...)
	for len(s.raw) > 0 {
		n := s.next()
		if n == 0 {
			return
		}
		s.raw = s.raw[n:]
	}
}

// next shows one character or sequence and returns its length; 0: the rest of it is still to come.
func (s *screen) next() int {
	switch s.raw[0] {
	case '\r':
		s.col = 0
	case '\n':
		s.row++
	case '\x1b':
		return s.sequence()
	default:
		if !utf8.FullRune(s.raw) {
			return 0
		}
		r, n := utf8.DecodeRune(s.raw)
		s.put(r)
		return n
	}
	return 1
}

// sequence carries out ESC [ number letter.
func (s *screen) sequence() int {
	end := strings.IndexFunc(string(s.raw), func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' })
	if end < 0 {
		return 0
	}
	switch text := string(s.raw[1 : end+1]); text {
	case "[1A":
		s.row = max(s.row-1, s.top())
	case "[2K":
		s.line()
		s.lines[s.row] = ""
	default:
		if !strings.HasSuffix(text, "m") { // colour
			s.odd = append(s.odd, text)
		}
	}
	return end + 1
}

// top is the first line that is still on the screen.
func (s *screen) top() int { return max(len(s.lines)-s.height, 0) }

// line makes sure that the current line is there.
func (s *screen) line() {
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, "")
	}
}

// put writes a character where the cursor is, in the next line where this one is full.
func (s *screen) put(r rune) {
	if s.col == s.width {
		s.row, s.col = s.row+1, 0
	}
	s.line()
	text := []rune(s.lines[s.row])
	for len(text) <= s.col {
		text = append(text, ' ')
	}
	text[s.col] = r
	s.lines[s.row] = string(text)
	s.col++
}

// text is everything that is to be seen, and what has left the screen.
func (s *screen) text() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return strings.Join(s.lines, "\n")
}

// trouble says what is wrong with how a program has left the screen; empty: nothing.
func (s *screen) trouble() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case len(s.odd) > 0:
		return fmt.Sprintf("sequences that not every terminal knows: %q", s.odd)
	case s.col != 0 || s.row < len(strings.Split(strings.TrimRight(strings.Join(s.lines, "\n"), "\n"), "\n")):
		return fmt.Sprintf("the cursor is at line %d of %d, column %d", s.row, len(s.lines), s.col)
	}
	return ""
}

// terminal is a program on a terminal.
type terminal struct {
	*screen
	cmd      *exec.Cmd
	keyboard *os.File
	ended    chan struct{}
}

// onTerminal starts a command of flowcert's on a terminal of a size.
func (s *site) onTerminal(t *testing.T, width, height int, args ...string) *terminal {
	t.Helper()
	o := &terminal{screen: &screen{width: width, height: height}, cmd: s.command(t.Context(), args...), ended: make(chan struct{})}
	o.cmd.Env = append(o.cmd.Env, "TERM=xterm")
	file, err := pty.StartWithSize(o.cmd, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)})
	if err != nil {
		t.Fatal(err)
	}
	o.keyboard = file
	go func() {
		defer close(o.ended)
		_, _ = io.Copy(writer(o.write), file) // ends with an error, as terminals do
		_ = o.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = o.cmd.Process.Kill()
		<-o.ended
		file.Close()
		if t.Failed() {
			t.Logf("the terminal:\n%s", o.text())
		}
	})
	return o
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// end waits for the end of the program and wants an exit status, and the terminal as it should be.
func (o *terminal) end(t *testing.T, code int) {
	t.Helper()
	<-o.ended
	if got := o.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("want exit status %d, got %d", code, got)
	}
	if trouble := o.trouble(); trouble != "" {
		t.Error(trouble)
	}
}
