package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/yamledit"
)

// Archive writes Secrets as one stream of manifests, in their order: whole, with
// labels, annotations and data. Each document can be saved as a file of its own
// and is then what a directory holds.
func Archive(all []*Secret) ([]byte, error) {
	var out bytes.Buffer
	for _, s := range all {
		data, err := encode(s)
		if err != nil {
			return nil, err
		}
		out.WriteString("---\n")
		out.Write(data)
	}
	return out.Bytes(), nil
}

// ParseArchive reads what Archive writes and nothing else: where [Parse] passes
// over what it does not know, this is an error. Every Secret names its
// namespace, and none is there twice.
func ParseArchive(data []byte) ([]*Secret, error) {
	var out []*Secret
	for _, doc := range yamledit.Split(data) {
		obj, err := yamledit.Decode(doc.Bytes)
		if errors.Is(err, yamledit.ErrEmpty) {
			continue
		}
		var s *Secret
		if err == nil {
			s, err = archived(obj)
		}
		if err != nil {
			return nil, fmt.Errorf("document at line %d: %w", doc.Line, err)
		}
		if slices.ContainsFunc(out, func(other *Secret) bool { return other.Ref == s.Ref }) {
			return nil, fmt.Errorf("document at line %d: %s is there twice", doc.Line, s.Ref)
		}
		out = append(out, s)
	}
	return out, nil
}

// archived reads one document of an archive. Its names become the name of a
// file.
func archived(obj map[string]any) (*Secret, error) {
	if obj["apiVersion"] != "v1" || obj["kind"] != "Secret" {
		return nil, errors.New("is not a Secret")
	}
	if err := onlyKeys(obj, "apiVersion", "kind", "metadata", "type", "immutable", "data"); err != nil {
		return nil, err
	}
	meta, _ := obj["metadata"].(map[string]any)
	if err := onlyKeys(meta, "name", "namespace", "labels", "annotations"); err != nil {
		return nil, err
	}
	for _, field := range []string{"labels", "annotations"} {
		if _, err := stringMap(meta, field); err != nil {
			return nil, err
		}
	}
	s, err := secretFrom(obj, "", "")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{s.Namespace, s.Name} {
		if err := pki.CheckDNSName(name); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Ref, err)
		}
	}
	return s, nil
}

func onlyKeys(m map[string]any, known ...string) error {
	for key := range m {
		if !slices.Contains(known, key) {
			return fmt.Errorf("field %q does not belong there", key)
		}
	}
	return nil
}

// Like reports whether two Secrets say the same: what they are for, and their
// data. Other annotations and labels are notes.
func (s *Secret) Like(other *Secret) bool {
	return s.Ours() == other.Ours() && s.Target() == other.Target() && s.Role() == other.Role() &&
		maps.EqualFunc(s.Data, other.Data, bytes.Equal)
}

// CheckArchivePath refuses, before anything is written, a place for an archive:
// a file that is there, unless it may be replaced; what is no regular file; a
// folder that is not there; and flowcert's own folders, where a copy goes with
// the original and with what is handed to a cluster.
func (d *Dir) CheckArchivePath(path string, replace bool) error {
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err != nil {
		return fmt.Errorf("folder %s: %w", folder, errors.Unwrap(err))
	} else if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", folder)
	}
	inside, err := d.holds(folder)
	if err != nil {
		return err
	}
	if inside {
		return Refusal{
			Err:  fmt.Errorf("%s would stand among flowcert's own files", path),
			Hint: "give a place outside of " + filepath.Join(d.path, authorityFolder) + " and " + filepath.Join(d.path, secretsFolder),
		}
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case !replace:
		return Refusal{Err: fmt.Errorf("%s is there already", path), Hint: "give another name, or --force to replace it"}
	}
	if err := checkWritable(folder); err != nil {
		return cannotWrite(folder, err)
	}
	return nil
}

// holds reports whether a folder is, or lies in, one of flowcert's own.
func (d *Dir) holds(folder string) (bool, error) {
	folder, err := realPath(folder)
	if err != nil {
		return false, err
	}
	root, err := realPath(d.path)
	if err != nil {
		return false, err
	}
	return (&Dir{path: root}).inOurs(folder), nil
}

func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// WriteArchive writes a file that its owner alone can read, as a whole; see
// CheckArchivePath, which comes first.
func WriteArchive(path string, data []byte) error {
	return writeFile(path, data, 0o600)
}
