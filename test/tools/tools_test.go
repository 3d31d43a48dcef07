package tools

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRequire(t *testing.T) {
	for _, name := range []string{"openssl", "psql", "nginx", "curl", "git", "make", "java", "javac", "keytool", "initdb"} {
		if path := Require(t, name); !executable(path) {
			t.Errorf("Require(%q) = %q, which cannot be run", name, path)
		}
	}
	if jar := PgJDBC(t); filepath.Ext(jar) != ".jar" {
		t.Errorf("PgJDBC() = %q", jar)
	}
}

func TestMissingProgramFailsWithRemedy(t *testing.T) {
	got := fatal(t, func(t testing.TB) { Require(t, "flowcert-no-such-program") })
	if want := "flowcert-no-such-program is missing: run `make tools`"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLast(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a-1", "a-2", "b"} {
		write(t, filepath.Join(dir, name), nil)
	}
	a, b, none := filepath.Join(dir, "a-*"), filepath.Join(dir, "b"), filepath.Join(dir, "c*")
	for _, test := range []struct {
		patterns []string
		want     string
	}{
		{[]string{a}, "a-2"},
		{[]string{b, a, none}, "a-2"},
		{[]string{a, b}, "b"},
		{[]string{none}, ""},
	} {
		got := last(test.patterns...)
		if got != "" {
			got = filepath.Base(got)
		}
		if got != test.want {
			t.Errorf("last(%q) = %q, want %q", test.patterns, got, test.want)
		}
	}
}

func TestCacheDir(t *testing.T) {
	for _, test := range []struct{ xdg, home, want string }{
		{"/x", "/home/me", "/x/flowcert-test"},
		{"", "/home/me", "/home/me/.cache/flowcert-test"},
		{"", "", ""},
	} {
		t.Setenv("XDG_CACHE_HOME", test.xdg)
		t.Setenv("HOME", test.home)
		got, err := cacheDir()
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("cacheDir() with %+v = %q, %v", test, got, err)
		}
	}
}

// TestScriptSaysWhatIsMissing runs tools.sh where it finds nothing and may install nothing.
func TestScriptSaysWhatIsMissing(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"sh", "sed", "awk", "sort", "tail", "head", "tr", "dirname", "cat"} {
		if err := os.Symlink(Require(t, name), filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	fakes := map[string]string{"go": "echo go version go1.26", "id": "echo 1000"}
	for name, script := range fakes {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := scriptWith(t, "PATH="+bin, "HOME="+t.TempDir())
	if err == nil {
		t.Fatalf("tools.sh succeeded:\n%s", out)
	}
	for _, want := range []string{"apt-get install --no-install-recommends", "openssl", "curl", "git", "make"} {
		if !strings.Contains(out, want) {
			t.Errorf("tools.sh does not say %q:\n%s", want, out)
		}
	}
	out, err = scriptWith(t, "PATH="+t.TempDir(), "HOME="+t.TempDir())
	if err == nil || !strings.Contains(out, "missing: Go") {
		t.Errorf("tools.sh without Go: %v\n%s", err, out)
	}
}

// scriptWith runs tools.sh with no environment but this, and returns all that it prints.
func scriptWith(t *testing.T, env ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "../tools.sh")
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// fatal returns the message with which f fails its test.
func fatal(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	recorder := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		f(recorder)
	}()
	<-done
	if recorder.message == "" {
		t.Fatal("the test did not fail")
	}
	return recorder.message
}

// A recorder is a test whose failure is recorded instead.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.message = fmt.Sprintf(format, args...)
	panic(r)
}

func TestControlPlane(t *testing.T) {
	dir := ControlPlane(t)
	out, err := exec.Command(filepath.Join(dir, "kube-apiserver"), "--version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "Kubernetes v1.36.") {
		t.Errorf("%q, %v", out, err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if got := fatal(t, func(t testing.TB) { ControlPlane(t) }); !strings.HasSuffix(got, remedy) {
		t.Errorf("where nothing was built: %q", got)
	}
}

func TestRoot(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "guard_test.go")); err != nil {
		t.Error(err)
	}
	t.Chdir(t.TempDir())
	if root, err := Root(); err == nil {
		t.Errorf("found %s outside", root)
	}
}
