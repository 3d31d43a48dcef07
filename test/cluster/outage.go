//go:build unix

package cluster

import (
	"errors"
	"os"
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
	resume = func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Errorf("resuming etcd: %v", err)
		}
	}
	// Start's cleanup comes after this one: a paused process would not end for SIGTERM.
	t.Cleanup(resume)
	return resume
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
