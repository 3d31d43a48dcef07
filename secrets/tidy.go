package secrets

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Sweep removes the temporary files of a flowcert that was killed, which may hold keys,
// wherever it was: of a resource that is as it was nothing else tells any more. Call it
// under Lock.
func (d *Dir) Sweep() {
	_ = filepath.WalkDir(d.path+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			removeLeftovers(path)
		}
		return nil
	})
}

// Tidy removes what flowcert made around its Secrets, once there is none left: its
// two folders, and the .gitignore that covers them if nobody else wrote in it. Call
// it under Lock.
func (d *Dir) Tidy() error {
	var folders []string
	for _, name := range []string{secretsFolder, authorityFolder} {
		path := filepath.Join(d.path, name)
		entries, err := os.ReadDir(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case len(entries) > 0:
			return nil
		default:
			folders = append(folders, path)
		}
	}
	for _, path := range folders {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if data, err := readRegular(d.gitignore()); err != nil || string(data) != strings.Join(ignored, "\n")+"\n" {
		return nil // it is somebody else's, too
	}
	return os.Remove(d.gitignore())
}
