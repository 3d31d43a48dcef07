// Package manual runs the published manual procedure, openssl and keytool by hand, which flowcert
// takes the place of. It is for tests and benchmarks only.
//
// [Run] makes what flowcert makes from the same names. What flowcert does differently on purpose is in
// the test: the script has a single CA, which signs leaves itself, and edits no resource.
package manual

import (
	_ "embed"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

//go:embed procedure.sh
var procedure string

// AsPublished is the option that leaves {NAMESPACE} in the names, as the published templates do.
const AsPublished = "--as-published"

// Run runs procedure.sh in a directory. Arguments are options, and settings as VARIABLE=value; the
// script's head lists both. A tool that is missing, or that fails, fails the test.
func Run(t testing.TB, dir string, args ...string) {
	t.Helper()
	env := append(os.Environ(), "OPENSSL="+tools.Require(t, "openssl"), "KEYTOOL="+tools.Require(t, "keytool"))
	script := []string{"-s", "--"}
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			script = append(script, arg)
		} else {
			env = append(env, arg)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", append(script, dir)...)
	cmd.Stdin = strings.NewReader(procedure)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("procedure.sh: %v\n%s", err, out)
	}
}
