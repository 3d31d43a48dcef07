//go:build e2e

package operator

import (
	"fmt"
	"os"
	"testing"

	"github.com/flowcert/flowcert/test/tools"

	"github.com/flowcert/flowcert/test/cluster"
)

// program is the binary under test.
var program string

func TestMain(m *testing.M) {
	os.Exit(tools.WithFlowcert(func(built string) int {
		program = built
		code := cluster.Run(m)
		if err := stopOperator(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
}
