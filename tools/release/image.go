package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// repository is where an image belongs that was imported from an archive: no registry is asked for it.
const repository = "localhost/flowcert"

// user is nobody in particular. It is a number, because a number is what runAsNonRoot can judge.
const user = "65532:65532"

// image writes the OCI archive.
func (r *release) image() error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	licenses, err := r.licenses()
	if err != nil {
		return err
	}
	for _, p := range r.programs {
		image, err := r.imageOf(p, licenses)
		if err != nil {
			return fmt.Errorf("image for %s: %w", p.arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: p.arch}},
		})
	}
	at := r.file("image.tar")
	if err := r.writeArchive(at, index); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s:%s@%s\n", at, repository, tag(r.version()), digest)
	return nil
}

// imageOf is the image for one architecture: the program, the licences, and nothing else. There are no certificates of
// CAs: what vouches for the API server comes with the pod, and the public CAs are in the program.
func (r *release) imageOf(p program, licenses []file) (v1.Image, error) {
	program, err := fileFrom("flowcert", p.path)
	if err != nil {
		return nil, err
	}
	program.program = true
	var content bytes.Buffer
	if err := writeTar(&content, r.made, append([]file{program}, licenses...)); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{
		Created: v1.Time{Time: r.made}, CreatedBy: "make image",
	}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", p.arch, v1.Time{Time: r.made}
	config.Config = v1.Config{User: user, Entrypoint: []string{"/flowcert"}, WorkingDir: "/", Labels: r.labels(p)}
	return mutate.ConfigFile(image, config)
}

// labels are those of the OCI image specification ("Pre-Defined Annotation Keys").
func (r *release) labels(p program) map[string]string {
	out := map[string]string{
		"org.opencontainers.image.title":       "flowcert",
		"org.opencontainers.image.description": "Certificates, truststores and their wiring for Event Processing, Flink and their databases",
		"org.opencontainers.image.version":     p.version(),
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.source":      "https://" + p.info.Main.Path,
	}
	if revision := p.setting("vcs.revision"); revision != "" {
		out["org.opencontainers.image.revision"] = revision
	}
	return out
}

// writeArchive writes an image as a tar of the OCI layout, with the name that it gets where it is imported.
func (r *release) writeArchive(at string, index v1.ImageIndex) error {
	dir, err := os.MkdirTemp(r.dist, "image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	oci, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	err = oci.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": tag(r.version()),
		"io.containerd.image.name":          repository + ":" + tag(r.version()),
	}))
	if err != nil {
		return err
	}
	files, err := filesBelow(dir)
	if err != nil {
		return err
	}
	return create(at, func(w io.Writer) error { return writeTar(w, r.made, files) })
}

// filesBelow lists the files below a folder by their paths in it. It goes through links to folders, as Helm does.
func filesBelow(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []file
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		info, err := os.Stat(at)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, file{name: e.Name(), size: info.Size(), open: func() (io.ReadCloser, error) { return os.Open(at) }})
			continue
		}
		below, err := filesBelow(at)
		if err != nil {
			return nil, err
		}
		out = append(out, under(e.Name(), below)...)
	}
	return out, nil
}

// under puts files into a folder.
func under(folder string, files []file) []file {
	out := make([]file, len(files))
	for i, f := range files {
		f.name = folder + "/" + f.name
		out[i] = f
	}
	return out
}
