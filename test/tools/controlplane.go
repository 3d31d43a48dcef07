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
	dir, err := controlPlaneDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kube-apiserver", "etcd", "kubectl"} {
		if !executable(filepath.Join(dir, name)) {
			t.Fatalf("%s of the test control plane is missing in %s: %s", name, dir, remedy)
		}
	}
	return dir
}

// controlPlaneDir is the folder that build.sh builds from what is in the checkout.
func controlPlaneDir() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "build.sh"} {
		content, err := os.ReadFile(filepath.Join(root, "test", "controlplane", name))
		if err != nil {
			return "", err
		}
		hash.Write(content)
	}
	return filepath.Join(cache, "controlplane-"+hex.EncodeToString(hash.Sum(nil)[:8])), nil
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
