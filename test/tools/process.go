package tools

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a server may take to start or to reload. It is long because it only decides
// when a test that hangs is given up.
const patience = 90 * time.Second

// A process is a server that a test started.
type process struct {
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{} // closed when it has ended
	err  error         // how it ended; to be read after done
}

// startProcess starts a server and stops it with the signal when the test ends, or when the test's
// process dies. The log of the server is shown if the test failed.
func startProcess(t testing.TB, cmd *exec.Cmd, stop os.Signal) *process {
	t.Helper()
	p := &process{cmd: cmd, log: &logBuffer{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	// Children of the server that outlive it must not keep Wait waiting for their output.
	cmd.WaitDelay = 5 * time.Second
	dieWithParent(cmd, stop)
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop(stop)
		if t.Failed() {
			t.Logf("log of %s:\n%s", cmd.Path, p.log)
		}
	})
	return p
}

// stop ends the process, by force if it does not end by itself.
func (p *process) stop(signal os.Signal) {
	_ = p.cmd.Process.Signal(signal) // fails if it has ended
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// await waits until ready reports true, the process ends or patience does.
func (p *process) await(ready func() bool) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if ready() {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %v\n%s", p.cmd.Path, p.err, p.log)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s is not ready after %v\n%s", p.cmd.Path, patience, p.log)
}

// onFreePort starts a server on a free port and waits until it is ready. Another process can take the
// port before the server does: then it tries another.
func onFreePort(t testing.TB, start func(address string) (*process, func() bool)) (*process, string) {
	t.Helper()
	var failures error
	for range 5 {
		address := freeAddress(t)
		p, ready := start(address)
		err := p.await(ready)
		if err == nil {
			return p, address
		}
		failures = errors.Join(failures, err)
		if !strings.Contains(p.log.String(), "ddress already in use") {
			break
		}
	}
	t.Fatal(failures)
	return nil, ""
}

// freeAddress returns an address of 127.0.0.1 that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// A logBuffer holds what a process prints; it may be read while the process writes.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
