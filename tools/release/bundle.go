package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// bundle writes the archive for a site without a network. Everything in it is below one folder.
func (r *release) bundle() error {
	files, err := r.bundled()
	if err != nil {
		return err
	}
	sums, err := checksums(files)
	if err != nil {
		return err
	}
	at := r.file("bundle.tar.gz")
	folder := "flowcert-" + tag(r.version())
	err = create(at, func(w io.Writer) error { return writeTarGz(w, r.made, under(folder, append(files, sums))) })
	if err == nil {
		fmt.Println(at)
	}
	return err
}

// bundled are the files of the bundle but their checksums.
func (r *release) bundled() ([]file, error) {
	image, err := fileFrom("flowcert-"+tag(r.version())+"-image.tar", r.file("image.tar"))
	if err != nil {
		return nil, fmt.Errorf("the image is missing: %w", err)
	}
	out := []file{image}
	for _, p := range r.programs {
		f, err := fileFrom("bin/"+filepath.Base(p.path), p.path)
		if err != nil {
			return nil, err
		}
		f.program = true
		out = append(out, f)
	}
	for _, part := range []func() ([]file, error){r.chart, r.kustomize, r.texts, r.licenses} {
		files, err := part()
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	sbom, err := r.sbom()
	if err != nil {
		return nil, err
	}
	return append(out, fileOf("sbom.spdx.json", sbom)), nil
}

// developed is the tag that the manifests in the repository have.
const developed = repository + ":devel"

// kustomize are the bases, with this version's image.
func (r *release) kustomize() ([]file, error) {
	files, err := filesBelow(filepath.Join(root, "install", "kustomize"))
	if err != nil {
		return nil, err
	}
	return r.changed(under("kustomize", files), developed, repository+":"+tag(r.version()))
}

// texts are the alert rules, the dashboard and the pages.
func (r *release) texts() ([]file, error) {
	monitoring, err := filesBelow(filepath.Join(root, "install", "monitoring"))
	if err != nil {
		return nil, err
	}
	docs, err := filesBelow(filepath.Join(root, "docs"))
	return append(under("monitoring", monitoring), under("docs", docs)...), err
}

// chart is the Helm chart, packed as Helm packs one, of this version.
func (r *release) chart() ([]file, error) {
	files, err := filesBelow(filepath.Join(root, "install", "helm", "flowcert"))
	if err != nil {
		return nil, err
	}
	// As .helmignore has it: what is for kustomize alone.
	files = slices.DeleteFunc(files, func(f file) bool {
		return path.Base(f.name) == "kustomization.yaml" || strings.Contains(f.name, "/several-namespaces/")
	})
	for _, change := range [][2]string{
		{"\nversion: 0.0.0-devel\n", "\nversion: " + semver(r.version()) + "\n"},
		{"\nappVersion: devel\n", "\nappVersion: " + tag(r.version()) + "\n"},
	} {
		if files, err = r.changed(files, change[0], change[1]); err != nil {
			return nil, err
		}
	}
	var packed bytes.Buffer
	if err := writeTarGz(&packed, r.made, under("flowcert", files)); err != nil {
		return nil, err
	}
	return []file{fileOf("flowcert-"+semver(r.version())+".tgz", packed.Bytes())}, nil
}

// changed replaces a text in every file; at least one has to have it.
func (r *release) changed(files []file, old, now string) ([]file, error) {
	out, found := make([]file, len(files)), false
	for i, f := range files {
		var content bytes.Buffer
		if err := copyFrom(&content, f); err != nil {
			return nil, err
		}
		found = found || bytes.Contains(content.Bytes(), []byte(old))
		out[i] = fileOf(f.name, bytes.ReplaceAll(content.Bytes(), []byte(old), []byte(now)))
	}
	if !found {
		return nil, fmt.Errorf("no file holds %q", old)
	}
	return out, nil
}

// checksums are the lines that sha256sum -c reads.
func checksums(files []file) (file, error) {
	var lines []string
	for _, f := range files {
		sum := sha256.New()
		if err := copyFrom(sum, f); err != nil {
			return file{}, err
		}
		lines = append(lines, fmt.Sprintf("%x  %s\n", sum.Sum(nil), f.name))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[66:], b[66:]) })
	return fileOf("SHA256SUMS", []byte(strings.Join(lines, ""))), nil
}
