package main

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// file is one of an archive.
type file struct {
	name    string
	program bool // may be run
	size    int64
	open    func() (io.ReadCloser, error)
}

func fileFrom(name, at string) (file, error) {
	info, err := os.Stat(at)
	if err != nil {
		return file{}, err
	}
	return file{name: name, size: info.Size(), open: func() (io.ReadCloser, error) { return os.Open(at) }}, nil
}

func fileOf(name string, content []byte) file {
	return file{name: name, size: int64(len(content)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(content))), nil
	}}
}

// writeTar writes the files sorted by their names, and the folders that they are in before them. All of it is
// root's, readable by everybody, and of one time.
func writeTar(w io.Writer, made time.Time, files []file) error {
	t := tar.NewWriter(w)
	written := map[string]bool{".": true, "/": true}
	for _, f := range slices.SortedFunc(slices.Values(files), func(a, b file) int { return strings.Compare(a.name, b.name) }) {
		if err := writeFolders(t, made, path.Dir(f.name), written); err != nil {
			return err
		}
		h := header(made, f.name, 0o644)
		if f.program {
			h.Mode = 0o755
		}
		h.Size = f.size
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if err := copyFrom(t, f); err != nil {
			return err
		}
	}
	return t.Close()
}

func writeFolders(t *tar.Writer, made time.Time, dir string, written map[string]bool) error {
	if written[dir] {
		return nil
	}
	written[dir] = true
	if err := writeFolders(t, made, path.Dir(dir), written); err != nil {
		return err
	}
	h := header(made, dir+"/", 0o755)
	h.Typeflag = tar.TypeDir
	return t.WriteHeader(h)
}

func header(made time.Time, name string, mode int64) *tar.Header {
	return &tar.Header{Name: name, Mode: mode, ModTime: made, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
}

func copyFrom(w io.Writer, f file) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// writeTarGz is writeTar, compressed. The header of gzip has no name and no time.
func writeTarGz(w io.Writer, made time.Time, files []file) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := writeTar(z, made, files); err != nil {
		return err
	}
	return z.Close()
}

// create writes a file that appears only when it is whole.
func create(at string, write func(io.Writer) error) error {
	f, err := os.Create(at + ".new")
	if err != nil {
		return err
	}
	defer os.Remove(at + ".new")
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(at+".new", at)
}
