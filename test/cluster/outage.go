//go:build unix

package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// KillAPIServer ends the API server at once, as a crash would. What etcd holds stays. StartAPIServer brings it back.
func (c *Cluster) KillAPIServer(t testing.TB) {
	t.Helper()
	pid := c.pid(t, "kube-apiserver")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("killing the API server: %v", err)
	}
	// It is gone when its parent has taken note of it: then its port is free.
	for deadline := time.Now().Add(patience); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the API server is still there %v after it was killed", patience)
		}
	}
}

// StartAPIServer starts the API server that KillAPIServer ended, at its old address and with the same
// certificates, and waits until it is ready.
func (c *Cluster) StartAPIServer(t testing.TB) {
	t.Helper()
	if err := c.env.ControlPlane.APIServer.Start(); err != nil {
		t.Fatalf("starting the API server again: %v\n%s", err, c.lastLog())
	}
}

// PauseEtcd stops etcd, so that the API server answers nothing that needs it, until resume is called or the test ends.
func (c *Cluster) PauseEtcd(t testing.TB) (resume func()) {
	t.Helper()
	pid := c.pid(t, "etcd")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("pausing etcd: %v", err)
	}
	awaitStopped(t, pid)
	resume = func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Errorf("resuming etcd: %v", err)
		}
	}
	// Start's cleanup comes after this one: a paused process would not end for SIGTERM.
	t.Cleanup(resume)
	return resume
}

// awaitStopped waits until no thread of a process runs: on a busy machine they do for a moment after the signal. Where
// there is no /proc it does not wait.
func awaitStopped(t testing.TB, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(threads, func(path string) bool { return !stopped(path) }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs %v after SIGSTOP", pid, patience)
		}
	}
}

// stopped reports whether a thread is stopped or gone (proc_pid_stat(5)): its state stands behind its name, which
// is in parentheses.
func stopped(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return true
	}
	return strings.HasPrefix(string(text[bytes.LastIndexByte(text, ')')+1:]), " T")
}

// pid is the process id of a running part of the control plane.
func (c *Cluster) pid(t testing.TB, name string) int {
	t.Helper()
	text, err := os.ReadFile(c.pidFile(name))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatalf("process id of %s: %v", name, err)
	}
	return pid
}
