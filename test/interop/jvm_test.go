package interop

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// running holds a place for each JVM that works at one time. Servers that wait take none.
var running = make(chan struct{}, 2)

// slot waits for a place, and returns what gives it back.
func slot() func() {
	running <- struct{}{}
	return func() { <-running }
}

// A check is a target of a client and what has to come of it.
type check struct {
	target string
	works  bool
	text   string // a part of the line that the client prints
}

func works(target, text string) check { return check{target, true, text} }
func fails(target, text string) check { return check{target, false, text} }

// handshakes starts one JVM that connects to every target, host:port,name.
func (c client) handshakes(t testing.TB, jdk tools.JDK, name string, checks ...check) {
	t.Helper()
	c.run(t, jdk, "Handshake", name, nil, checks)
}

// queries starts one JVM that connects to every JDBC URL.
func (c client) queries(t testing.TB, jdk tools.JDK, name string, more []string, checks ...check) {
	t.Helper()
	c.run(t, jdk, "Jdbc", name, more, checks)
}

func (c client) run(t testing.TB, jdk tools.JDK, program, name string, more []string, checks []check) {
	t.Helper()
	var targets []string
	for _, check := range checks {
		targets = append(targets, check.target)
	}
	release := slot()
	out, err := tools.RunJavaEnv(t, jdk, c.env, slices.Concat(c.options, more), program, targets...)
	release()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != len(checks) {
		t.Errorf("%s on JDK %s: %d results, want %d: %q, %v", name, jdk.Version, len(lines), len(checks), out, err)
		return
	}
	for i, check := range checks {
		if strings.HasPrefix(lines[i], "OK ") != check.works || !strings.Contains(lines[i], check.text) {
			t.Errorf("%s on JDK %s: got %q, want %q to work: %t, with %q",
				name, jdk.Version, lines[i], check.target, check.works, check.text)
		}
	}
}

// serve starts a JVM that serves a key store.
func serve(t testing.TB, jdk tools.JDK, keyStore, password string, options ...string) string {
	t.Helper()
	defer slot()()
	return tools.StartJVMServer(t, jdk, keyStore, password, options...)
}

// keytool runs a command of keytool that must succeed.
func keytool(t testing.TB, jdk tools.JDK, args ...string) string {
	t.Helper()
	out, err := tryKeytool(t, jdk, args...)
	if err != nil {
		t.Fatalf("keytool %s of JDK %s: %v\n%s", args[0], jdk.Version, err, out)
	}
	return out
}

func tryKeytool(t testing.TB, jdk tools.JDK, args ...string) (string, error) {
	t.Helper()
	defer slot()()
	args = append([]string{"-J-Duser.language=en", "-J-XX:TieredStopAtLevel=1", "-J-XX:ActiveProcessorCount=1"}, args...)
	out, err := exec.CommandContext(t.Context(), jdk.Keytool(), args...).CombinedOutput()
	return string(out), err
}
