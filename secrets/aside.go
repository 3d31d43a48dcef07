package secrets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SetAside makes room for a Secret of flowcert's with the name of somebody
// else's: the manifest goes into the record, to the byte, and then its file is
// removed. A crash in between leaves both; the file is then set aside again.
func (d *Dir) SetAside(ctx context.Context, old, record *Secret) error {
	if err := d.checkAside(old); err != nil {
		return err
	}
	text, err := readCapped(old.File)
	if err != nil {
		return fmt.Errorf("%s: %w", old.File, err)
	}
	place, err := filepath.Rel(d.path, old.File)
	if err != nil {
		return err
	}
	record.Data[ManifestKey] = text
	record.Annotations[AdoptedFileAnnotation] = filepath.ToSlash(place)
	if err := d.UpdateSecret(ctx, record); err != nil {
		return err
	}
	if err := os.Remove(old.File); err != nil {
		return err
	}
	syncFolder(filepath.Dir(old.File))
	delete(d.files, old.Ref)
	return nil
}

// checkAside refuses a manifest that cannot be moved as a whole.
func (d *Dir) checkAside(old *Secret) error {
	folder := filepath.Dir(old.File)
	if err := checkWritable(folder); err != nil {
		return cannotWrite(folder, err)
	}
	return d.onlyIn(old.File, old.Ref)
}

// PutBack undoes SetAside: flowcert's Secret of that name goes, and the manifest
// in the record comes back where it was. The record stays.
func (d *Dir) PutBack(_ context.Context, record *Secret, ref Ref) error {
	path, err := d.asidePath(record)
	if err != nil {
		return err
	}
	ours := d.secretPath(&Secret{Ref: ref})
	if err := os.Remove(ours); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeFile(path, record.Data[ManifestKey], 0o600)
}

// CheckPutBack refuses beforehand what PutBack could not do.
func (d *Dir) CheckPutBack(record *Secret, ref Ref) error {
	path, err := d.asidePath(record)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil && path != d.secretPath(&Secret{Ref: ref}) {
		return Refusal{Err: fmt.Errorf("%s is there, where a manifest is to come back", path), Hint: "move it away"}
	}
	if err := checkWritable(filepath.Dir(path)); err != nil {
		return cannotWrite(filepath.Dir(path), err)
	}
	return nil
}

// asidePath is where the record's manifest stood; never outside of the directory.
func (d *Dir) asidePath(record *Secret) (string, error) {
	place := filepath.FromSlash(record.Annotations[AdoptedFileAnnotation])
	if !filepath.IsLocal(place) {
		return "", fmt.Errorf("%s: annotation %s is %q, which is not a file of the directory", record.Ref, AdoptedFileAnnotation, place)
	}
	return filepath.Join(d.path, place), nil
}
