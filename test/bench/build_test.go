package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/pki"
)

// root is the module's folder.
const root = "../.."

// programs are flowcert, and flowcert less parts of its work.
type programs struct {
	flowcert string // as users have it
	ready    string // RSA keys are handed to it
	unsynced string // and it does not wait for the disk
	keys     string // the folder of those keys
}

func build(b *testing.B) programs {
	b.Helper()
	dir := b.TempDir()
	p := programs{keys: filepath.Join(dir, "keys")}
	ready := map[string]string{
		"pki/key.go":      changed(b, dir, "pki/key.go", "keyutil.GenerateSigner(", "readyKey(", 1),
		"pki/readykey.go": "testdata/readykey.go",
	}
	p.flowcert = compile(b, dir, "flowcert", nil)
	p.ready = compile(b, dir, "ready", ready)
	ready["secrets/dirwrite.go"] = changed(b, dir, "secrets/dirwrite.go", "f.Sync()", "error(nil)", 2)
	p.unsynced = compile(b, dir, "unsynced", ready)
	makeKeys(b, p.keys)
	return p
}

// compile builds flowcert with other files in place of some of its own.
func compile(b *testing.B, dir, name string, replace map[string]string) string {
	b.Helper()
	absolute := map[string]string{}
	for path, with := range replace {
		absolute[abs(b, filepath.Join(root, path))] = abs(b, with)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": absolute})
	if err != nil {
		b.Fatal(err)
	}
	list := filepath.Join(dir, name+".json")
	write(b, list, string(overlay))
	program := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-overlay", list, "-o", program, "./cmd/flowcert")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return program
}

// changed copies a source file with one expression replaced, wherever it stands.
func changed(b *testing.B, dir, path, from, to string, times int) string {
	b.Helper()
	source := read(b, filepath.Join(root, path))
	if n := strings.Count(source, from); n != times {
		b.Fatalf("%s has %q in %d places, not in %d: change test/bench", path, from, n, times)
	}
	out := filepath.Join(dir, filepath.Base(path))
	write(b, out, strings.ReplaceAll(source, from, to))
	return out
}

// makeKeys makes the keys that are handed out: enough that no two of a site's CAs have the same.
func makeKeys(b *testing.B, dir string) {
	b.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{3072, 4096} {
		for i := range 4 {
			key, err := pki.GenerateKey(pki.KeySpec{Algorithm: pki.RSA, Size: size})
			if err != nil {
				b.Fatal(err)
			}
			pem, err := pki.EncodeKey(key)
			if err != nil {
				b.Fatal(err)
			}
			write(b, filepath.Join(dir, fmt.Sprintf("%d-%d.pem", size, i)), string(pem))
		}
	}
}

func abs(b *testing.B, path string) string {
	b.Helper()
	out, err := filepath.Abs(path)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func read(b *testing.B, path string) string {
	b.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return string(content)
}

func write(b *testing.B, path, content string) {
	b.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.Fatal(err)
	}
}
