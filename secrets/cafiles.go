package secrets

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/pki"
)

// CertificateFile is a file of certificates beside the manifests.
type CertificateFile struct {
	// Path is below the directory's.
	Path         string
	Certificates []*x509.Certificate
	// Err is why it could not be read; pki.ErrPrivateKey where it holds a key.
	Err error
}

// CertificateFiles reads every *.pem and *.crt file below the directory, sorted by path, where
// [Dir.Read] looks for manifests: not in hidden folders. flowcert's own folders are left out.
func (d *Dir) CertificateFiles(ctx context.Context) ([]CertificateFile, error) {
	var out []CertificateFile
	root := d.path + string(filepath.Separator)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == root:
			return err
		case err != nil:
			return filepath.SkipDir // Read names it
		case entry.IsDir():
			if path != root && (strings.HasPrefix(entry.Name(), ".") || d.inOurs(path)) {
				return filepath.SkipDir
			}
		case isCertificateFile(entry.Name()):
			out = append(out, readCertificateFile(path))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", d.path, err)
	}
	return out, nil
}

func isCertificateFile(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return !strings.HasPrefix(name, ".") && slices.Contains([]string{".pem", ".crt"}, ext)
}

func readCertificateFile(path string) CertificateFile {
	data, err := readCapped(path)
	if err != nil {
		return CertificateFile{Path: path, Err: err}
	}
	certs, err := pki.ParseCertificates(data)
	if errors.Is(err, pki.ErrPrivateKey) {
		err = pki.ErrPrivateKey // without a line: of a key nothing is to be said
	}
	return CertificateFile{Path: path, Certificates: certs, Err: err}
}
