package secrets

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "flowcert.yaml")
	if err := WriteNew(path, []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteNew(path, []byte("second"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "first" {
		t.Errorf("holds %q, %v", data, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A link that leads nowhere is a name that is taken.
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("gone", dangling); err != nil {
		t.Fatal(err)
	}
	if err := WriteNew(dangling, []byte("x"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a link: %v", err)
	}
	var refusal Refusal
	if err := WriteNew(filepath.Join(dir, "gone", "x"), nil, 0o644); !errors.As(err, &refusal) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// Where a file system has no links, the name is claimed first.
func TestClaim(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	temporary := filepath.Join(dir, "t")
	if err := os.WriteFile(temporary, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := claim(temporary, path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := claim(temporary, path+"2"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{path: "mine", path + "2": "new"} {
		if data, err := os.ReadFile(name); err != nil || string(data) != want {
			t.Errorf("%s holds %q, %v", name, data, err)
		}
	}
}

func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"a.pem", "B.CRT", "sub/c.pem", ".hidden.pem", ".hidden/d.pem", "secrets/e.pem", "authority/f.crt", "sub/secrets/g.pem", "h.txt"} {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte("no certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := OpenDir(dir, "ea")
	if err != nil {
		t.Fatal(err)
	}
	files, err := d.CertificateFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"B.CRT", "a.pem", "sub/c.pem", "sub/secrets/g.pem"}
	for i, f := range files {
		rel, _ := filepath.Rel(dir, f.Path)
		if i >= len(want) || filepath.ToSlash(rel) != want[i] || f.Err == nil {
			t.Errorf("file %d is %s, %v", i, rel, f.Err)
		}
	}
	if len(files) != len(want) {
		t.Errorf("%d files, want %d", len(files), len(want))
	}
}
