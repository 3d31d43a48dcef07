// Package tools gives tests the software that users run: openssl, JVMs, PostgreSQL, nginx.
//
// `make tools` finds or installs that software; the functions here look in the same places as
// test/tools.sh, so change both. Require, JDKs, PostgreSQLBin, PgJDBC and Nginx return paths. The
// Start functions run real servers on 127.0.0.1, on ports of their own, and stop them when the test
// ends. RunJava runs the Java programs of testdata/java with real system properties.
//
// It is for tests only, and it never skips one: what is missing fails the test with the command
// that installs it.
package tools

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const remedy = "run `make tools`"

// Require returns the path of a program, such as openssl, psql or keytool. Programs of a JDK come from
// the JDK 17 of JDKs, not from PATH. It fails the test if there is none.
func Require(t testing.TB, name string) string {
	t.Helper()
	switch name {
	case "java", "javac", "keytool", "jar":
		return filepath.Join(JDKs(t)[0].Home, "bin", name)
	case "initdb", "postgres", "pg_ctl":
		return filepath.Join(PostgreSQLBin(t), name)
	}
	path, err := lookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: %s", name, remedy)
	}
	return path
}

// Nginx returns the path of nginx. It fails the test if there is none.
func Nginx(t testing.TB) string {
	t.Helper()
	return Require(t, "nginx")
}

// PostgreSQLBin returns the folder of initdb and postgres. It fails the test if there is none.
func PostgreSQLBin(t testing.TB) string {
	t.Helper()
	// Debian and Red Hat keep the server's programs out of PATH.
	if initdb := last("/usr/pgsql-*/bin/initdb", "/usr/lib/postgresql/*/bin/initdb"); initdb != "" {
		return filepath.Dir(initdb)
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		t.Fatalf("the PostgreSQL server (initdb) is missing: %s", remedy)
	}
	return filepath.Dir(initdb)
}

// PgJDBC returns the path of PostgreSQL's JDBC driver. It fails the test if there is none.
func PgJDBC(t testing.TB) string {
	t.Helper()
	jar := last("/usr/share/java/postgresql-jdbc.jar", "/usr/share/java/postgresql-jdbc/postgresql.jar",
		"/usr/share/java/postgresql.jar")
	if jar == "" {
		t.Fatalf("the PostgreSQL JDBC driver is missing: %s", remedy)
	}
	return jar
}

// lookPath is exec.LookPath with the folders of servers, which are not in everybody's PATH.
func lookPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// last returns the last file that matches one of the patterns, "" if none does.
func last(patterns ...string) string {
	found := ""
	for _, pattern := range patterns {
		if files, err := filepath.Glob(pattern); err == nil && len(files) > 0 {
			found = files[len(files)-1]
		}
	}
	return found
}

// cacheDir is where tools.sh unpacks a JDK and where the compiled Java programs are kept.
func cacheDir() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home := os.Getenv("HOME")
		if home == "" {
			return "", errors.New("neither XDG_CACHE_HOME nor HOME is set")
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "flowcert-test"), nil
}

// Cache returns the folder of what is downloaded, built or compiled for tests.
func Cache(t testing.TB) string {
	t.Helper()
	dir, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
