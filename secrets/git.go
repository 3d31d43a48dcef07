package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ignored are the lines that keep keys out of git.
var ignored = []string{"/" + secretsFolder + "/", "/" + authorityFolder + "/"}

func (d *Dir) gitignore() string { return filepath.Join(d.path, ".gitignore") }

// checkGit refuses where our .gitignore would not keep keys out of git: a line
// that takes it back, or keys that are tracked already. It returns the .gitignore
// as it is; nil if there is none.
func (d *Dir) checkGit() ([]byte, error) {
	data, err := readRegular(d.gitignore())
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		for _, folder := range []string{secretsFolder, authorityFolder} {
			if strings.HasPrefix(line, "!") && strings.Contains(line, folder) {
				return nil, Refusal{
					Err:  fmt.Errorf("%s: line %q lets git track private keys in %s/", d.gitignore(), line, folder),
					Hint: "remove the line",
				}
			}
		}
	}
	return data, d.checkTracked()
}

// readRegular reads a file that may be missing. Git does not follow a
// .gitignore that is a link (gitignore(5)).
func readRegular(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = Refusal{Err: fmt.Errorf("%s is not a regular file", path), Hint: "git reads nothing else; replace it by a file"}
	}
	if err != nil {
		return nil, err
	}
	data, err := readCapped(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// writeGitignore adds the lines that are missing, behind what is there: the
// last line that fits decides, so that nothing above takes ours back.
func (d *Dir) writeGitignore(old []byte) error {
	out := bytes.Clone(old)
	for _, line := range ignored {
		if ignores(old, line) {
			continue
		}
		if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
			out = append(out, '\n')
		}
		out = append(out, line+"\n"...)
	}
	if bytes.Equal(out, old) {
		return nil
	}
	if info, err := os.Lstat(d.gitignore()); err == nil {
		return replaceFile(d.gitignore(), out, info)
	}
	return writeFile(d.gitignore(), out, 0o644)
}

// ignores reports whether a .gitignore has the line, with no line behind it that
// lets anything in again: a `!` with wildcards may mean our folder.
func ignores(data []byte, want string) bool {
	found := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == want, "/"+line == want:
			found = true
		case strings.HasPrefix(line, "!"):
			found = false
		}
	}
	return found
}

// checkTracked asks git whether it has keys already: an ignored file that is
// tracked stays tracked.
func (d *Dir) checkTracked() error {
	tree := workTree(d.path)
	git, err := exec.LookPath("git")
	if tree == "" || err != nil {
		return nil // nobody here who could track anything
	}
	// The directory may belong to somebody else, and its configuration may name
	// programs: neither is to be trusted, and neither is needed.
	cmd := exec.Command(git, "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C", d.path,
		"ls-files", "--", secretsFolder, authorityFolder)
	cmd.Env = withoutGit(os.Environ())
	tracked, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(strings.TrimSpace(string(exit.Stderr)))
		}
		return Refusal{
			Err:  fmt.Errorf("git does not tell what it tracks in %s: %w", d.path, err),
			Hint: fmt.Sprintf("mend the repository at %s, or work on a copy of the directory outside of it", tree),
		}
	}
	if len(bytes.TrimSpace(tracked)) == 0 {
		return nil
	}
	first, _, _ := strings.Cut(string(tracked), "\n")
	return Refusal{
		Err: fmt.Errorf("git tracks %s, where flowcert keeps private keys", filepath.Join(d.path, first)),
		Hint: fmt.Sprintf("run git rm --cached -r --ignore-unmatch %s %s, and take what was committed for known to others",
			filepath.Join(d.path, secretsFolder), filepath.Join(d.path, authorityFolder)),
	}
}

// workTree is the folder above that holds .git; empty outside of a work tree.
func workTree(path string) string {
	at, err := filepath.Abs(path)
	if real, e := filepath.EvalSymlinks(at); err == nil && e == nil {
		at = real
	}
	for {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at
		}
		up := filepath.Dir(at)
		if up == at {
			return ""
		}
		at = up
	}
}

// withoutGit drops variables that would lead git to another repository, as they
// do in a hook.
func withoutGit(env []string) []string {
	var out []string
	for _, v := range env {
		if !strings.HasPrefix(v, "GIT_") {
			out = append(out, v)
		}
	}
	return out
}
