package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/yamledit"
)

// TestKilledAtAnyMoment kills apply when so and so many files have appeared, and
// a little later: the next run goes on and ends well, and at no time can anybody
// read half a file.
func TestKilledAtAnyMoment(t *testing.T) {
	program, err := exec.LookPath("flowcert")
	if err != nil {
		t.Fatal(err)
	}
	const files = 14 // .gitignore, two folders, eight Secrets, three resources
	for round := range 12 {
		dir := quickSite(t)
		original := readAll(t, dir)
		stop := watch(t, dir)
		for _, kill := range []int{round, rand.IntN(files)} {
			killAfter(t, program, dir, len(original)+kill)
		}
		finish(t, program, dir, "apply")
		stop()
		finish(t, program, dir, "verify", "--no-dial")
		for path := range readAll(t, dir) {
			if strings.Contains(path, ".flowcert-") {
				t.Errorf("%s is left", path)
			}
		}
		finish(t, program, dir, "revert", "--delete-secrets")
		after := readAll(t, dir)
		for path, data := range original {
			if !bytes.Equal(after[path], data) {
				t.Errorf("%s is not as it was before apply, kills and revert", path)
			}
		}
	}
}

func quickSite(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := copySite(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "flowcert.yaml"), []byte(quickConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// killAfter runs apply and kills it once the directory holds so many files, and
// up to three milliseconds later; it may end before that.
func killAfter(t *testing.T, program, dir string, files int) {
	t.Helper()
	cmd := exec.Command(program, "apply", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	for {
		select {
		case <-done:
			return
		default:
		}
		if count(dir) >= files {
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
			_ = cmd.Process.Kill()
			<-done
			return
		}
	}
}

func count(dir string) (n int) {
	_ = filepath.WalkDir(dir, func(string, fs.DirEntry, error) error {
		n++
		return nil
	})
	return n - 1 // the directory itself
}

func finish(t *testing.T, program, dir string, args ...string) {
	t.Helper()
	out, err := exec.Command(program, append(args, "--dir", dir)...).CombinedOutput()
	if err != nil {
		t.Fatalf("flowcert %s: %v\n%s", args[0], err, out)
	}
}

func readAll(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// watch reads every manifest over and over, as kubectl or a GitOps agent might,
// until stop is called.
func watch(t *testing.T, dir string) (stop func()) {
	t.Helper()
	end := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
				if err := whole(dir); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	return func() {
		close(end)
		wait.Wait()
	}
}

// whole checks that every manifest below dir reads to its end.
func whole(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || filepath.Ext(path) != ".yaml" {
			return nil // gone since it was listed, or nothing that anybody reads
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		if _, err := yamledit.Decode(data); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		parsed, err := secrets.Parse(data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, s := range parsed {
			if len(s.Data) == 0 || !bytes.HasSuffix(data, []byte("type: Opaque\n")) {
				return fmt.Errorf("%s is not whole", path)
			}
			if key, ok := s.Data[secrets.TLSKey]; ok {
				if _, err := pki.ParseKey(key, nil); err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
			}
		}
		return nil
	})
}
