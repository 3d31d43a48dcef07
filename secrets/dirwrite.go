package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/yamledit"
)

// ErrExists is returned for a Secret whose name is taken.
var ErrExists = errors.New("exists already")

// ErrChanged is returned for a file that somebody changed since it was read.
var ErrChanged = errors.New("changed since it was read")

// path of a Secret's own file. A namespace holds no dot, so that the name reads
// back unambiguously.
func (d *Dir) secretPath(s *Secret) string {
	folder := secretsFolder
	if s.ofAuthority() {
		folder = authorityFolder
	}
	return filepath.Join(d.path, folder, s.Namespace+"."+s.Name+".yaml")
}

// CreateSecret writes a new Secret, readable by its owner alone. A name that a
// Secret had when the directory was last read is taken, in whatever file.
func (d *Dir) CreateSecret(_ context.Context, s *Secret) error {
	if file, ok := d.files[s.Ref]; ok {
		return fmt.Errorf("%s %w, in %s", s.Ref, ErrExists, file)
	}
	data, err := encode(s)
	if err != nil {
		return err
	}
	path := d.secretPath(s)
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %s %w", s.Ref, path, ErrExists)
	}
	if err := d.writeSecret(path, data); err != nil {
		return err
	}
	s.File = path
	return nil
}

// UpdateSecret replaces the content of a Secret that is read by a fixed name. It
// refuses one that stands in a file of somebody else's, or beside other objects.
func (d *Dir) UpdateSecret(_ context.Context, s *Secret) error {
	path := d.secretPath(s)
	if file, ok := d.files[s.Ref]; ok && file != path {
		return notOurFile(s.Ref, file)
	}
	data, err := encode(s)
	if err != nil {
		return err
	}
	if err := d.onlyIn(path, s.Ref); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.writeSecret(path, data); err != nil {
		return err
	}
	s.File = path
	return nil
}

func (d *Dir) writeSecret(path string, data []byte) error {
	folder := filepath.Dir(path)
	if err := os.Mkdir(folder, 0o700); err == nil {
		syncFolder(d.path)
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if filepath.Base(folder) == authorityFolder {
		return writeFile(path, data, 0o600) // a root outlasts what it signs
	}
	d.unsynced[folder] = true
	return writeAs(path, data, 0o600, nil)
}

// DeleteSecret removes a Secret's own file; see CheckOwn.
func (d *Dir) DeleteSecret(_ context.Context, s *Secret) error {
	if err := d.CheckOwn(s); err != nil {
		return err
	}
	d.settle() // it must not go before what referred to it has changed
	return os.Remove(s.File)
}

// CheckOwn refuses, before anything is written, a Secret that could not be
// changed or removed: it stands in a file of somebody else's, or beside other
// objects.
func (d *Dir) CheckOwn(s *Secret) error {
	if s.File != d.secretPath(s) {
		return notOurFile(s.Ref, s.File)
	}
	if err := checkWritable(filepath.Dir(s.File)); err != nil {
		return cannotWrite(filepath.Dir(s.File), err)
	}
	return d.onlyIn(s.File, s.Ref)
}

func notOurFile(ref Ref, file string) error {
	return Refusal{
		Err:  fmt.Errorf("%s stands in %s, which is not flowcert's file", ref, file),
		Hint: "move it back to " + filepath.Join(secretsFolder, ref.Namespace+"."+ref.Name+".yaml"),
	}
}

// onlyIn refuses a file that holds anything but the Secret.
func (d *Dir) onlyIn(path string, ref Ref) error {
	data, err := readCapped(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, doc := range documents(data) {
		obj, err := yamledit.Decode(doc.Bytes)
		found, _ := d.refOf(obj)
		if errors.Is(err, yamledit.ErrEmpty) || err == nil && obj["kind"] == "Secret" && found == ref {
			continue
		}
		return Refusal{
			Err:  fmt.Errorf("%s holds more than %s", path, ref),
			Hint: "move the other objects to a file of their own",
		}
	}
	return nil
}

// WriteResource puts a new text in place of the resource's, in its file. All
// other bytes of the file, and its mode, stay.
func (d *Dir) WriteResource(_ context.Context, r deploy.Resource, source []byte) error {
	if bytes.Equal(source, r.Source) {
		return nil
	}
	path, err := filepath.EvalSymlinks(r.File)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	docs := documents(data)
	if r.Document >= len(docs) || !bytes.Equal(docs[r.Document].Bytes, r.Source) {
		return fmt.Errorf("%s: %w", r.Where(), ErrChanged)
	}
	out, err := docs[r.Document].Replace(data, source)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Where(), err)
	}
	docs[r.Document].Bytes = source
	if !slices.EqualFunc(documents(out), docs, func(a, b yamledit.Document) bool { return bytes.Equal(a.Bytes, b.Bytes) }) {
		return fmt.Errorf("%s: the edit does not fit into the file; make the resource a document of its own", r.Where())
	}
	d.settleFolder(filepath.Join(d.path, secretsFolder))
	d.unsynced[filepath.Dir(path)] = true
	return writeAs(path, out, info.Mode().Perm(), info)
}

// settle makes every new name last through a power failure: see syncFolder.
// Names in a folder wait for each other, not for the disk: hundreds of Secrets
// are safe with one synchronization, before the first resource refers to any.
func (d *Dir) settle() {
	for folder := range d.unsynced {
		d.settleFolder(folder)
	}
}

func (d *Dir) settleFolder(folder string) {
	if d.unsynced[folder] {
		syncFolder(folder)
		delete(d.unsynced, folder)
	}
}

// replaceFile writes a file anew with the mode and, where the system allows it,
// the owner that it had.
func replaceFile(path string, data []byte, old fs.FileInfo) error {
	return lasting(path, writeAs(path, data, old.Mode().Perm(), old))
}

func writeFile(path string, data []byte, mode fs.FileMode) error {
	return lasting(path, writeAs(path, data, mode, nil))
}

func lasting(path string, err error) error {
	if err == nil {
		syncFolder(filepath.Dir(path))
	}
	return err
}

// writeAs replaces a file as a whole: a reader, and a crash, see the old bytes
// or the new ones. old is the file whose owner the new one gets; nil: nobody's.
// Which of the two is there after a power failure is for the folder's
// synchronization to say, see syncFolder.
func writeAs(path string, data []byte, mode fs.FileMode, old fs.FileInfo) (err error) {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, temporaryPattern)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if old != nil {
		keepOwner(f, old)
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// syncFolder makes new names last through a power failure: a resource must not
// outlive the Secret that it refers to. A file system that cannot do it does not
// stop flowcert.
func syncFolder(folder string) {
	if f, err := os.Open(folder); err == nil {
		_ = f.Sync()
		f.Close()
	}
}

// temporaryPattern names files in the making; hidden, so that they are never
// read as manifests. Prepare removes those that a killed run left.
const temporaryPattern = ".flowcert-*.tmp"
