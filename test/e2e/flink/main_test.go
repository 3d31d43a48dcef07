//go:build e2e

package flink

import (
	"os"
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
