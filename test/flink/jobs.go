package flink

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// The jobs. Their own comments say what they do.
//
//go:embed testdata/job/*.java
var jobSources embed.FS

var compiled struct {
	sync.Mutex
	jar []byte
}

// Jobs returns a jar with the jobs Count and Ask. They are compiled with Flink 1.20, as users compile theirs
// that are to run on 1.20 and 2, and kept in the cache under a hash of what they are made from.
func Jobs(t testing.TB) []byte {
	t.Helper()
	compiled.Lock()
	defer compiled.Unlock()
	if compiled.jar == nil {
		jar, err := compile(tools.JDKs(t)[0], Find(t, "1.20"), tools.Cache(t))
		if err != nil {
			t.Fatal(err)
		}
		compiled.jar = jar
	}
	return compiled.jar
}

func compile(jdk tools.JDK, flink Distribution, cache string) ([]byte, error) {
	sources, err := fs.Glob(jobSources, "testdata/job/*.java")
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	fmt.Fprintln(hash, jdk.Version, flink.Version)
	for _, name := range sources {
		source, err := fs.ReadFile(jobSources, name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(hash, name, len(source))
		hash.Write(source)
	}
	path := filepath.Join(cache, "jobs-"+hex.EncodeToString(hash.Sum(nil)[:8])+".jar")
	if jar, err := os.ReadFile(path); err == nil {
		return jar, nil
	}
	work, err := os.MkdirTemp(cache, "compile.")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, jobSources); err != nil {
		return nil, err
	}
	classes := filepath.Join(work, "classes")
	line := []string{"--release", "11", "-d", classes, "-cp", filepath.Join(flink.dir, "lib", "flink-dist-"+flink.Version+".jar")}
	for _, name := range sources {
		line = append(line, filepath.Join(work, name))
	}
	if out, err := exec.Command(filepath.Join(jdk.Home, "bin", "javac"), line...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("javac: %w: %s", err, out)
	}
	jar, err := pack(classes)
	if err != nil {
		return nil, err
	}
	// The name appears only with everything in it.
	if err := os.WriteFile(filepath.Join(work, "jar"), jar, 0o644); err != nil {
		return nil, err
	}
	return jar, os.Rename(filepath.Join(work, "jar"), path)
}

// pack makes a jar of class files.
func pack(dir string) ([]byte, error) {
	var jar bytes.Buffer
	archive := zip.NewWriter(&jar)
	manifest, err := archive.Create("META-INF/MANIFEST.MF")
	if err != nil {
		return nil, err
	}
	if _, err := manifest.Write([]byte("Manifest-Version: 1.0\r\n\r\n")); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".class") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		part, err := archive.Create(entry.Name())
		if err != nil {
			return nil, err
		}
		if _, err := part.Write(content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return jar.Bytes(), nil
}
