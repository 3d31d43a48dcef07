package interop

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// binary is the flowcert that TestMain built.
var binary string

func TestMain(m *testing.M) {
	os.Exit(tools.WithFlowcert(func(program string) int {
		binary = program
		return m.Run()
	}))
}

// flowcert runs the binary and returns what it printed, and its exit code.
func flowcert(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, messages bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), messages.String(), cmd.ProcessState.ExitCode()
}
