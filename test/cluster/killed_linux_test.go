package cluster

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// childVariable tells this test binary that it is the one to be killed.
const childVariable = "FLOWCERT_CLUSTER_CHILD"

// TestKilledTestBinary: a test binary that is killed leaves no process behind.
func TestKilledTestBinary(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		c := Start(t)
		fmt.Println("cluster", c.dir, c.pid(t, "kube-apiserver"), c.pid(t, "etcd"))
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledTestBinary$")
	child.Env = append(os.Environ(), childVariable+"=1")
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	var server, etcd int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "cluster %s %d %d", &dir, &server, &etcd); n == 3 {
			break
		}
	}
	if server == 0 || !strings.Contains(commandLine(server), "kube-apiserver") || !strings.Contains(commandLine(etcd), "etcd") {
		t.Fatalf("the child started %d: %q, %d: %q", server, commandLine(server), etcd, commandLine(etcd))
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	for deadline := time.Now().Add(patience); commandLine(server) != "" || commandLine(etcd) != ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the API server or etcd lives on")
		}
	}
}

// commandLine is what a process was started with, "" if it is gone, also where nobody has taken note of that yet.
func commandLine(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return string(text)
}
