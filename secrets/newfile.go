package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteNew writes a file that is not there yet, as a whole: nobody sees half of it, and what
// is there, also since a moment ago, stays. A name that is taken is fs.ErrExist.
func WriteNew(path string, data []byte, mode fs.FileMode) error {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, temporaryPattern)
	if err != nil {
		return cannotWrite(folder, errors.Unwrap(err))
	}
	defer os.Remove(f.Name())
	if err := writeAll(f, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := place(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Unwrap(err))
	}
	syncFolder(folder)
	return nil
}

// place gives a file its name, unless that is taken: a link, unlike a rename, refuses.
func place(temporary, path string) error {
	err := os.Link(temporary, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return claim(temporary, path)
}

// claim is place on a file system without links, such as FAT.
func claim(temporary, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	return os.Rename(temporary, path)
}

func writeAll(f *os.File, data []byte, mode fs.FileMode) error {
	_, err := f.Write(data)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}
