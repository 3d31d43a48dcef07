package install

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/install"
	"github.com/flowcert/flowcert/test/tools"
)

// architectures are two of the four, one of them with its bytes the other way round: each takes a minute to compile for
// the first time.
const architectures = "amd64 s390x"

// released runs make bundle in a checkout, and returns the paths of the image and the bundle.
func released(t *testing.T, checkout string) (image, bundle string) {
	t.Helper()
	dist := t.TempDir()
	cmd := exec.CommandContext(t.Context(), tools.Require(t, "make"), "--no-print-directory", "-C", checkout,
		"bundle", "DIST="+dist, "ARCHITECTURES="+architectures)
	// The time is given where git may not know it, and no version is stamped, as in an unpacked archive of the source.
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "GOFLAGS=-buildvcs=false", "MAKEFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make bundle: %v\n%s", err, out)
	}
	return only(t, filepath.Join(dist, "flowcert-*-image.tar")), only(t, filepath.Join(dist, "flowcert-*-bundle.tar.gz"))
}

func only(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) != 1 {
		t.Fatalf("%s: %q, %v", pattern, paths, err)
	}
	return paths[0]
}

// elsewhere copies the checkout into another folder, without git's part and what make left.
func elsewhere(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{".git", "bin", "dist"}, e.Name()) {
			output(t, "cp", "-R", "-P", filepath.Join(root, e.Name()), dir)
		}
	}
	return dir
}

func TestRelease(t *testing.T) {
	image, bundle := released(t, root)
	t.Run("reproducible", func(t *testing.T) {
		otherImage, otherBundle := released(t, elsewhere(t))
		for _, pair := range [][2]string{{image, otherImage}, {bundle, otherBundle}} {
			if !bytes.Equal(read(t, pair[0]), read(t, pair[1])) {
				t.Errorf("%s has other bytes when it is made again elsewhere", filepath.Base(pair[0]))
			}
		}
	})
	t.Run("image", func(t *testing.T) { checkImage(t, image) })
	t.Run("bundle", func(t *testing.T) { checkBundle(t, bundle) })
}

// checkImage asks skopeo.
func checkImage(t *testing.T, archive string) {
	skopeo := tools.Require(t, "skopeo")
	ref := "oci-archive:" + archive
	var index struct {
		MediaType string
		Manifests []struct {
			Platform struct{ OS, Architecture string }
		}
	}
	unmarshal(t, output(t, skopeo, "inspect", "--raw", ref), &index)
	var have []string
	for _, m := range index.Manifests {
		have = append(have, m.Platform.OS+"/"+m.Platform.Architecture)
	}
	if strings.Join(have, " ") != "linux/amd64 linux/s390x" || index.MediaType != "application/vnd.oci.image.index.v1+json" {
		t.Errorf("the image is for %v, %s", have, index.MediaType)
	}
	for _, arch := range strings.Fields(architectures) {
		var config struct {
			Architecture, OS, Created string
			Config                    struct {
				User       string
				Entrypoint []string
				Env        []string
				Labels     map[string]string
			}
		}
		unmarshal(t, output(t, skopeo, "--override-arch", arch, "inspect", "--config", ref), &config)
		c := config.Config
		if config.Architecture != arch || config.OS != "linux" || config.Created != "2023-11-14T22:13:20Z" || c.User != "65532:65532" ||
			!slices.Equal(c.Entrypoint, []string{"/flowcert"}) || len(c.Env) > 0 || c.Labels["org.opencontainers.image.title"] != "flowcert" {
			t.Errorf("%s: %+v", arch, config)
		}
		// A copy reads every blob, and checks its digest.
		dir := t.TempDir()
		output(t, skopeo, "--override-arch", arch, "copy", ref, "dir:"+dir)
		checkLayer(t, dir, arch)
	}
}

// checkLayer looks at what is in the one layer of an image that skopeo copied into a folder.
func checkLayer(t *testing.T, dir, arch string) {
	var manifest struct{ Layers []struct{ Digest string } }
	unmarshal(t, read(t, filepath.Join(dir, "manifest.json")), &manifest)
	if len(manifest.Layers) != 1 {
		t.Fatalf("%d layers", len(manifest.Layers))
	}
	modes := map[string]fs.FileMode{}
	for name, f := range untar(t, read(t, filepath.Join(dir, strings.TrimPrefix(manifest.Layers[0].Digest, "sha256:")))) {
		modes[name] = f.mode
		if name == "flowcert" {
			info, err := buildinfo.Read(bytes.NewReader(f.content))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "GOARCH" && s.Value == arch }) {
				t.Errorf("the program of %s is another one's", arch)
			}
		}
	}
	want := map[string]fs.FileMode{"flowcert": 0o755, "licenses/": 0o755, "licenses/LICENSE": 0o644, "licenses/THIRD-PARTY.txt": 0o644}
	for name, mode := range want {
		if modes[name] != mode {
			t.Errorf("%s: %s has mode %o, want %o", arch, name, modes[name], mode)
		}
	}
	if len(modes) != len(want) {
		t.Errorf("%s holds %v", arch, modes)
	}
}

// entry is a file of an archive.
type entry struct {
	mode    fs.FileMode
	content []byte
}

func untar(t *testing.T, packed []byte) map[string]entry {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]entry{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = entry{h.FileInfo().Mode().Perm(), content}
	}
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
}

// checkBundle unpacks the bundle as its reader does, and uses everything in it.
func checkBundle(t *testing.T, archive string) {
	dir := t.TempDir()
	output(t, "tar", "-xzf", archive, "-C", dir)
	dir = only(t, filepath.Join(dir, "flowcert-*"))
	sums(t, dir)

	program := filepath.Join(dir, "bin", "flowcert-linux-amd64")
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	listed(t, dir, info)

	// All name the image that the archive has.
	name := imageName(t, only(t, filepath.Join(dir, "flowcert-*-image.tar")))
	if want := install.Image(info.Main.Version); name != want {
		t.Errorf("the image is called %s, want %s", name, want)
	}
	fromProgram := objects(t, output(t, program, "manifests", "-n", "main"))
	packed := only(t, filepath.Join(dir, "flowcert-*.tgz"))
	if out, messages, err := helm(t, "lint", "--strict", packed); err != nil {
		t.Errorf("%v\n%s%s", err, out, messages)
	}
	same(t, "the chart in the bundle", template(t, packed, "{}"), fromProgram)
	write(t, filepath.Join(dir, "kustomize", "mine", "kustomization.yaml"), "namespace: main\nresources: [../daemon]\n")
	same(t, "kustomize in the bundle", kustomize(t, filepath.Join(dir, "kustomize", "mine")), fromProgram)
	if got := image(fromProgram["Deployment main/flowcert"]); got != name {
		t.Errorf("the daemon's image is %v, want %s", got, name)
	}
	promtool(t, "check", "rules", filepath.Join(dir, "monitoring", "alerts.yaml"))
	for _, file := range []string{"monitoring/dashboard.json", "licenses/LICENSE", "docs/installing.md"} {
		if len(read(t, filepath.Join(dir, filepath.FromSlash(file)))) == 0 {
			t.Errorf("%s is empty", file)
		}
	}
}

// sums: every file is in SHA256SUMS, and is what it says.
func sums(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sha256sum", "-c", "--strict", "SHA256SUMS")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	checked := strings.Count(string(out), ": OK\n")
	files := 0
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if d.Type().IsRegular() {
			files++
		}
		return err
	})
	if err != nil || checked != files-1 {
		t.Errorf("%d of %d files have a checksum, %v", checked, files, err)
	}
}

// listed: the list of parts and the licences have every module that is linked into the program, and Go.
func listed(t *testing.T, dir string, info *buildinfo.BuildInfo) {
	t.Helper()
	var sbom struct {
		SPDXVersion string
		Packages    []struct{ Name, VersionInfo, SPDXID string }
	}
	unmarshal(t, read(t, filepath.Join(dir, "sbom.spdx.json")), &sbom)
	have := map[string]bool{}
	for _, p := range sbom.Packages {
		have[p.Name+" "+p.VersionInfo] = true
	}
	licenses := string(read(t, filepath.Join(dir, "licenses", "THIRD-PARTY.txt")))
	for _, m := range info.Deps {
		if !have[m.Path+" "+m.Version] {
			t.Errorf("the SBOM lacks %s %s", m.Path, m.Version)
		}
		if !strings.Contains(licenses, "\n"+m.Path+" "+m.Version+"\n") {
			t.Errorf("the licence of %s is missing", m.Path)
		}
	}
	if !have["stdlib "+strings.TrimPrefix(info.GoVersion, "go")] || !have[info.Main.Path+" "+info.Main.Version] || len(have) < len(info.Deps)+2 || sbom.SPDXVersion != "SPDX-2.3" {
		t.Errorf("the SBOM has %d packages: %v", len(have), have)
	}
}

// imageName is what an image is called where it is imported from an archive.
func imageName(t *testing.T, archive string) string {
	t.Helper()
	var index struct {
		Manifests []struct{ Annotations map[string]string }
	}
	unmarshal(t, output(t, "tar", "-xOf", archive, "index.json"), &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("%d images", len(index.Manifests))
	}
	return index.Manifests[0].Annotations["io.containerd.image.name"]
}

// image is that of an object's only container.
func image(obj map[string]any) any {
	text, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	var o struct {
		Spec struct {
			Template struct {
				Spec struct{ Containers []struct{ Image string } }
			}
		}
	}
	if err := json.Unmarshal(text, &o); err != nil || len(o.Spec.Template.Spec.Containers) != 1 {
		return err
	}
	return o.Spec.Template.Spec.Containers[0].Image
}
