package operator

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/test/tools"
)

// Call runs a program of the folder java, MergePodTemplates, Validate or TaskManagerPod, on the operator's code. It gives it the lines
// as its standard input and returns those that it answered, one for each. Their own comments say what they take.
func Call(t testing.TB, program string, lines []string) []string {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	java := filepath.Join(root, "test", "operator", "java")
	cmd := tools.JavaCommand(ctx, tools.JDKs(t)[0], classPath(t), []string{"-Dlog4j.configurationFile=" + filepath.Join(java, "quiet.properties")},
		filepath.Join(java, program+".java"))
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, out, &stderr)
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(answers) != len(lines) {
		t.Fatalf("%s gave %d answers to %d lines:\n%s%s", program, len(answers), len(lines), out, &stderr)
	}
	return answers
}
