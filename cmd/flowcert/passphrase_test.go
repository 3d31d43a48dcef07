package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns a terminal; nobody types on it.
func openTerminal(t *testing.T) *os.File {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { control.Close() })
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return terminal // open until the process ends: a read on it never does
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// TestInterruptedPrompt: somebody who presses ^C at the prompt gets a terminal
// back that shows what is typed.
func TestInterruptedPrompt(t *testing.T) {
	terminal := openTerminal(t)
	if !echoes(t, terminal) {
		t.Fatal("the terminal does not echo to begin with")
	}
	var stderr bytes.Buffer
	a := &app{stdin: terminal, stdout: &stderr, stderr: &stderr}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() {
		_, err := a.ask(ctx, "Passphrase: ")
		result <- err
	}()
	for echoes(t, terminal) {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-result; err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("error %v", err)
	}
	if !echoes(t, terminal) {
		t.Error("the terminal stays without echo")
	}
	if got := stderr.String(); got != "Passphrase: \n" {
		t.Errorf("said %q", got)
	}
}
