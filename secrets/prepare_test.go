package secrets

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrepareWritesGitignore(t *testing.T) {
	for _, tt := range []struct{ name, before, after string }{
		{"none", "", "/secrets/\n/authority/\n"},
		{"one line", "/secrets/\n", "/secrets/\n/authority/\n"},
		{"both", "/authority/\n/secrets/\n", "/authority/\n/secrets/\n"},
		{"without slashes in front, with blanks behind", "secrets/ \nauthority/\r\n", "secrets/ \nauthority/\r\n"},
		{"no line break at the end", "*.tmp", "*.tmp\n/secrets/\n/authority/\n"},
		{"another folder", "/a/secrets/\n #/authority/\n", "/a/secrets/\n #/authority/\n/secrets/\n/authority/\n"},
		{"blank in front is part of the name", " /secrets/\n", " /secrets/\n/secrets/\n/authority/\n"},
		{"taken back by a wildcard", "/secrets/\n/authority/\n!*/\n", "/secrets/\n/authority/\n!*/\n/secrets/\n/authority/\n"},
		{"taken back, and again ours", "/secrets/\n!*/\n/secrets/\n/authority/\n", "/secrets/\n!*/\n/secrets/\n/authority/\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := put(t, nil)
			if tt.before != "" {
				if err := os.WriteFile(d.gitignore(), []byte(tt.before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := d.Prepare(nil); err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(d.gitignore()); err != nil || string(got) != tt.after {
					t.Fatalf("%q, %v, want %q", got, err, tt.after)
				}
			}
			ignoredByGit(t, d)
		})
	}
}

// ignoredByGit asks git itself.
func ignoredByGit(t *testing.T, d *Dir) {
	t.Helper()
	for _, name := range []string{"secrets/ns.a.yaml", "authority/ns.b.yaml"} {
		path := filepath.Join(d.path, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git(t, d, "init", "-q")
	if out := git(t, d, "status", "--porcelain", "--untracked-files=all"); strings.Contains(out, "secrets/ns") || strings.Contains(out, "authority/ns") {
		t.Errorf("git sees keys:\n%s", out)
	}
}

func git(t *testing.T, d *Dir, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatalf("git is missing: run `make tools`")
	}
	cmd := exec.Command(program, append([]string{"-C", d.path, "-c", "user.name=test", "-c", "user.email=test@example.com"}, args...)...)
	cmd.Env = append(withoutGit(os.Environ()), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestPrepareRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(*testing.T, *Dir) []string
		want string
	}{
		{"negated folder", func(t *testing.T, d *Dir) []string {
			return write(t, d, ".gitignore", "!/authority/\n")
		}, `line "!/authority/" lets git track private keys in authority/`},
		{"tracked keys", func(t *testing.T, d *Dir) []string {
			write(t, d, "secrets/ns.a.yaml", "x")
			git(t, d, "init", "-q")
			git(t, d, "add", "-f", ".")
			return nil
		}, "git tracks"},
		{"tracked keys in somebody else's repository", func(t *testing.T, d *Dir) []string {
			write(t, d, "secrets/ns.a.yaml", "x")
			git(t, d, "init", "-q")
			git(t, d, "add", "-f", ".")
			giveAway(t, d.path)
			giveAway(t, filepath.Join(d.path, ".git"))
			return nil
		}, "git tracks"},
		{"a program in the repository's configuration", func(t *testing.T, d *Dir) []string {
			write(t, d, "secrets/ns.a.yaml", "x")
			git(t, d, "init", "-q")
			git(t, d, "add", "-f", ".")
			git(t, d, "config", "core.fsmonitor", "touch "+filepath.Join(d.path, "ran")+"; false")
			return nil
		}, "git tracks"},
		{"repository that does not read", func(t *testing.T, d *Dir) []string {
			return write(t, d, ".git", "gitdir: nowhere\n")
		}, "git does not tell"},
		{"file in place of a folder", func(t *testing.T, d *Dir) []string {
			return write(t, d, "authority", "")
		}, "authority is not a folder"},
		{"read-only manifest", func(t *testing.T, d *Dir) []string {
			files := write(t, d, "a.yaml", "")
			if err := os.Chmod(files[0], 0o444); err != nil {
				t.Fatal(err)
			}
			return files
		}, "a.yaml is read-only"},
		{"manifest that is gone", func(_ *testing.T, d *Dir) []string {
			return []string{filepath.Join(d.path, "gone.yaml")}
		}, "gone.yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := put(t, nil)
			files := tt.make(t, d)
			if tt.name == "negated folder" || tt.name == "repository that does not read" {
				files = nil
			}
			err := d.Prepare(files)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			var r Refusal
			if !errors.As(err, &r) && tt.name != "manifest that is gone" {
				t.Errorf("%v comes without a remedy", err)
			}
			if data, err := os.ReadFile(d.gitignore()); err == nil && strings.Contains(string(data), "/secrets/\n") {
				t.Error(".gitignore was written")
			}
			if _, err := os.Stat(filepath.Join(d.path, "ran")); err == nil {
				t.Error("a program of the repository's ran")
			}
		})
	}
}

func write(t *testing.T, d *Dir, name, data string) []string {
	t.Helper()
	path := filepath.Join(d.path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

func TestWorkTree(t *testing.T) {
	d := put(t, map[string]string{".git/HEAD": "", "a/b/c": ""})
	if got := workTree(filepath.Join(d.path, "a", "b")); got == "" || !strings.HasSuffix(d.path, filepath.Base(got)) {
		t.Errorf("%q, want %q", got, d.path)
	}
}
