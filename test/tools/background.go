package tools

import (
	"os"
	"os/exec"
	"testing"
)

// A Background is a program that a test runs beside itself.
type Background struct{ process *process }

// Start starts a program and stops it with the signal when the test ends, or when the test's process
// dies. What it printed is shown if the test failed.
func Start(t testing.TB, cmd *exec.Cmd, stop os.Signal) *Background {
	t.Helper()
	return &Background{startProcess(t, cmd, stop)}
}

// Log returns what the program has printed so far, standard output and standard error.
func (b *Background) Log() string { return b.process.log.String() }

// Ended is closed when the program has ended.
func (b *Background) Ended() <-chan struct{} { return b.process.done }

// Kill ends the program at once, and waits until it has.
func (b *Background) Kill() { b.process.stop(os.Kill) }
