package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Refusal is an error that comes with a remedy: what to run or change next.
type Refusal struct {
	Err  error
	Hint string
}

func (r Refusal) Error() string { return r.Err.Error() }
func (r Refusal) Unwrap() error { return r.Err }

// Remedy returns the hint.
func (r Refusal) Remedy() string { return r.Hint }

// Prepare makes ready for writing: it refuses a directory that cannot be
// written or that would let git track keys, removes what a killed run left half
// written, and makes the .gitignore that covers the keys. Files lists the
// manifests that will be rewritten, aside the Secrets that will be set aside. Call
// it under Lock, before the first write.
func (d *Dir) Prepare(files []string, aside ...*Secret) error {
	if err := d.CheckWritable(files); err != nil {
		return err
	}
	for _, s := range aside {
		if err := d.checkAside(s); err != nil {
			return err
		}
	}
	ignore, err := d.checkGit()
	if err != nil {
		return err
	}
	folders, err := d.folders(files)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		removeLeftovers(folder)
	}
	return d.writeGitignore(ignore)
}

// CheckWritable refuses, before anything is written, what could not be written.
func (d *Dir) CheckWritable(files []string) error {
	if err := d.checkFolders(); err != nil {
		return err
	}
	folders, err := d.folders(files)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := checkWritable(folder); err != nil {
			return cannotWrite(folder, err)
		}
	}
	for _, f := range files {
		// The file's own bits do not bind whoever may write its folder, nor root;
		// they say that somebody wants it to stay as it is.
		if info, err := os.Stat(f); err != nil {
			return err
		} else if info.Mode().Perm()&0o222 == 0 {
			return Refusal{Err: fmt.Errorf("%s is read-only", f), Hint: "chmod u+w it, if flowcert may edit it"}
		}
	}
	return nil
}

func cannotWrite(folder string, err error) error {
	return Refusal{
		Err:  fmt.Errorf("cannot write in %s: %w", folder, err),
		Hint: "make the folder writable for this user, or work on a copy of the directory",
	}
}

// folders lists those in which files will be written, links resolved.
func (d *Dir) folders(files []string) ([]string, error) {
	out := []string{d.path}
	for _, name := range []string{secretsFolder, authorityFolder} {
		path := filepath.Join(d.path, name)
		if _, err := os.Lstat(path); err == nil {
			out = append(out, path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	for _, f := range files {
		real, err := filepath.EvalSymlinks(f)
		if err != nil {
			return nil, err
		}
		if folder := filepath.Dir(real); !slices.Contains(out, folder) {
			out = append(out, folder)
		}
	}
	return out, nil
}

func removeLeftovers(folder string) {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if ok, _ := filepath.Match(temporaryPattern, e.Name()); ok {
			os.Remove(filepath.Join(folder, e.Name())) // one that stays is hidden and harmless
		}
	}
}
