package tools

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The Java programs. Their own comments say what they print.
//
//go:embed testdata/java/*.java
var javaSources embed.FS

// Options for RunJava and StartJVMServer, beside the JVM's own.
const (
	// ClientAuth makes StartJVMServer insist on a client certificate, verified by TrustStore.
	ClientAuth = "-Dtest.clientAuth=true"
	// NoHostCheck makes Handshake accept a certificate for any name, as Flink does inside a cluster.
	NoHostCheck = "-Dtest.endpointIdentification=false"
)

// TrustStore returns the JVM options that make a file the truststore.
func TrustStore(path, password string) []string {
	return []string{"-Djavax.net.ssl.trustStore=" + path, "-Djavax.net.ssl.trustStorePassword=" + password}
}

// KeyStore returns the JVM options that make a file the key store.
func KeyStore(path, password string) []string {
	return []string{"-Djavax.net.ssl.keyStore=" + path, "-Djavax.net.ssl.keyStorePassword=" + password}
}

// Ciphers returns the option that allows these cipher suites only, as Flink's security.ssl.algorithms does.
func Ciphers(suites ...string) string { return "-Dtest.ciphers=" + strings.Join(suites, ",") }

// Protocols returns the option that allows these protocols only, as Flink's security.ssl.protocol does.
func Protocols(protocols ...string) string {
	return "-Dtest.protocols=" + strings.Join(protocols, ",")
}

// Hosts returns the JVM option by which these names, and localhost, are 127.0.0.1 and no other name is known.
func Hosts(t testing.TB, names ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hosts")
	line := "127.0.0.1 localhost " + strings.Join(names, " ") + "\n"
	if err := os.WriteFile(path, []byte(line), 0o644); err != nil {
		t.Fatal(err)
	}
	return "-Djdk.net.hosts.file=" + path
}

// RunJava runs a program of testdata/java: Handshake or Jdbc. It returns its standard output; the
// error is not nil if the program found a failure, or could not run, and carries its standard error.
// The developer's own JAVA_TOOL_OPTIONS is not passed on.
func RunJava(t testing.TB, jdk JDK, jvmOpts []string, mainClass string, args ...string) (string, error) {
	t.Helper()
	return RunJavaEnv(t, jdk, nil, jvmOpts, mainClass, args...)
}

// RunJavaEnv is RunJava with more in the environment, NAME=value, such as JAVA_TOOL_OPTIONS.
func RunJavaEnv(t testing.TB, jdk JDK, env, jvmOpts []string, mainClass string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := javaCommand(ctx, t, jdk, jvmOpts, mainClass, args...)
	cmd.Env = append(cmd.Env, env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s on JDK %s: %w: %s%s", mainClass, jdk.Version, err, out, stderr.Bytes())
	}
	return string(out), err
}

func javaCommand(ctx context.Context, t testing.TB, jdk JDK, jvmOpts []string, mainClass string, args ...string) *exec.Cmd {
	t.Helper()
	classPath := javaClasses(t)
	if mainClass == "Jdbc" {
		classPath += string(filepath.ListSeparator) + PgJDBC(t)
	}
	return JavaCommand(ctx, jdk, classPath, jvmOpts, append([]string{mainClass}, args...)...)
}

// JavaCommand is a JVM that runs a main class, or a source file, of this class path, and ends with the test binary. The
// developer's own JAVA_TOOL_OPTIONS is not passed on.
func JavaCommand(ctx context.Context, jdk JDK, classPath string, jvmOpts []string, program ...string) *exec.Cmd {
	// Quick to start, small, and messages in English. What the caller says comes later and wins. On one
	// processor the JVM takes the serial collector by itself; -XX:+UseSerialGC would not start
	// together with the collector that a user's options name.
	line := []string{"-XX:TieredStopAtLevel=1", "-XX:ActiveProcessorCount=1", "-Xmx256m", "-Duser.language=en"}
	line = append(line, jvmOpts...)
	line = append(line, "-cp", classPath)
	cmd := exec.CommandContext(ctx, jdk.Java(), append(line, program...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"}, name)
	})
	dieWithParent(cmd, os.Kill)
	return cmd
}

var compiled struct {
	sync.Mutex
	dir string
}

// javaClasses returns the folder of the compiled programs. They are kept in the cache, under a hash
// of what they are made from, so that only the first test binary of all compiles.
func javaClasses(t testing.TB) string {
	t.Helper()
	compiled.Lock()
	defer compiled.Unlock()
	if compiled.dir == "" {
		dir, err := compileJava(JDKs(t)[0])
		if err != nil {
			t.Fatalf("compiling testdata/java: %v", err)
		}
		compiled.dir = dir
	}
	return compiled.dir
}

func compileJava(jdk JDK) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	sum, err := sourcesHash(jdk.Version)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "classes-"+sum)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "compile.")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, javaSources); err != nil {
		return "", err
	}
	sources, err := filepath.Glob(filepath.Join(work, "testdata/java/*.java"))
	if err != nil {
		return "", err
	}
	classes := filepath.Join(work, "classes")
	javac := exec.Command(filepath.Join(jdk.Home, "bin", "javac"),
		append([]string{"--release", "11", "-d", classes}, sources...)...)
	if out, err := javac.CombinedOutput(); err != nil {
		return "", fmt.Errorf("javac: %w: %s", err, out)
	}
	// The name appears only with everything in it; another test binary may have been quicker.
	if err := os.Rename(classes, dir); err != nil {
		if _, statErr := os.Stat(dir); statErr != nil {
			return "", err
		}
	}
	return dir, nil
}

// sourcesHash is a hash of the compiler's version and the sources.
func sourcesHash(version string) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, version)
	err := fs.WalkDir(javaSources, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		source, err := javaSources.Open(path)
		if err != nil {
			return err
		}
		defer source.Close()
		fmt.Fprintln(hash, path)
		_, err = io.Copy(hash, source)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil)[:8]), err
}
