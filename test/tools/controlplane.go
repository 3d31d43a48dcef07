package tools

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ControlPlane returns the folder of the kube-apiserver, the etcd and the kubectl that
// test/controlplane/build.sh built. It fails the test if they are not built, or are those of other versions.
func ControlPlane(t testing.TB) string {
	t.Helper()
	return built(t, "controlplane", "kube-apiserver", "etcd", "kubectl")
}

// InstallTools returns the folder of the helm and the promtool that test/installtools/build.sh built. It fails the test
// if they are not built, or are those of other versions.
func InstallTools(t testing.TB) string {
	t.Helper()
	return built(t, "installtools", "helm", "promtool")
}

// built returns the folder of the programs that the build.sh of a module under test/ built.
func built(t testing.TB, module string, programs ...string) string {
	t.Helper()
	dir, err := builtDir(module)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		if !executable(filepath.Join(dir, name)) {
			t.Fatalf("%s of test/%s is missing in %s: %s", name, module, dir, remedy)
		}
	}
	return dir
}

// OperatorVariable names the environment variable for another folder of the Flink Kubernetes operator's jars, such as
// test/operator/fromsource.sh fills.
const OperatorVariable = "FLOWCERT_OPERATOR"

// Operator returns the folder of the Flink Kubernetes operator's jars: the one that OperatorVariable names or, without it, that
// test/operator/build.sh fetched. It fails the test if they are not there, or are those of other versions.
func Operator(t testing.TB) string {
	t.Helper()
	dir, remedy := os.Getenv(OperatorVariable), "fill it with test/operator/fromsource.sh, or unset "+OperatorVariable
	if dir == "" {
		var err error
		if dir, err = builtFrom("operator", "pom.xml", "SHA256SUMS", "build.sh"); err != nil {
			t.Fatal(err)
		}
		remedy = "run `make e2e`"
	}
	if _, err := os.Stat(filepath.Join(dir, "classpath")); err != nil {
		t.Fatalf("the Flink Kubernetes operator is missing in %s: %s", dir, remedy)
	}
	return dir
}

// builtDir is the folder that a module's build.sh builds from what is in the checkout.
func builtDir(module string) (string, error) {
	return builtFrom(module, "go.mod", "go.sum", "build.sh")
}

// builtFrom is the folder that the build.sh of a folder under test/ fills, which is named after these files.
func builtFrom(module string, files ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(root, "test", module, name))
		if err != nil {
			return "", err
		}
		hash.Write(content)
	}
	return filepath.Join(cache, module+"-"+hex.EncodeToString(hash.Sum(nil)[:8])), nil
}

// Root returns the folder of flowcert's go.mod: the tests of a package run somewhere below it.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		gomod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		switch {
		case err == nil && strings.HasPrefix(string(gomod), "module github.com/flowcert/flowcert\n"):
			return dir, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod of flowcert above the working directory")
		}
		dir = parent
	}
}
