package tools

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// WithFlowcert builds flowcert as `make build` does, hands its path to run, and removes it afterwards. It returns
// what run returns, or 1 where there is nothing to run: an exit status for TestMain.
func WithFlowcert(run func(program string) int) int {
	dir, err := os.MkdirTemp("", "flowcert-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "flowcert")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "github.com/flowcert/flowcert/cmd/flowcert")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building flowcert: %v\n%s", err, out)
		return 1
	}
	return run(program)
}
