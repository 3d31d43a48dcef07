package secrets

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/deploy"
)

// put writes files, named relative to a new directory.
func put(t *testing.T, files map[string]string) *Dir {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := OpenDir(root, "ns")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func read(t *testing.T, d *Dir) *Snapshot {
	t.Helper()
	snap, err := d.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

const (
	flinkYAML  = "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: f}\nspec: {}\n"
	secretYAML = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: p}\n"
)

func TestReadFinds(t *testing.T) {
	d := put(t, map[string]string{
		"a.yaml":         "kind: Other\n---\n" + flinkYAML + "---\n" + secretYAML,
		"sub/b.yml":      "apiVersion: events.ibm.com/v1beta1\nkind: EventProcessing\nmetadata: {name: e, namespace: other}\n",
		"c.json":         `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}}`,
		".hidden/d.yaml": secretYAML,
		".e.yaml":        secretYAML,
		"notes.txt":      secretYAML,
		"crd.yaml":       "kind: CustomResourceDefinition\nspec: {names: {kind: FlinkDeployment}}\n",
		"other.yaml":     "apiVersion: other.example.com/v1\nkind: FlinkDeployment\nmetadata: {name: f}\n",
	})
	snap := read(t, d)
	var got []string
	for _, r := range snap.Resources {
		rel, _ := filepath.Rel(d.path, r.File)
		got = append(got, r.String()+" "+rel)
	}
	slices.Sort(got)
	want := []string{"eventProcessing/other/e sub/b.yml", "flinkDeployment/ns/f a.yaml"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(snap.Secrets) != 1 || string(snap.Secrets[Ref{"ns", "s"}].Data["password"]) != "p" {
		t.Errorf("Secrets: %v", snap.Secrets)
	}
	if snap.ConfigMaps[Ref{"ns", "c"}]["k"] != "v" || len(snap.Broken) > 0 {
		t.Errorf("ConfigMaps: %v, broken: %v", snap.ConfigMaps, snap.Broken)
	}
	if i := slices.IndexFunc(snap.Resources, func(r deploy.Resource) bool { return r.Name == "f" }); snap.Resources[i].Line != 2 || snap.Resources[i].Document != 1 {
		t.Errorf("f stands in document %d at line %d", snap.Resources[i].Document, snap.Resources[i].Line)
	}
}

// TestReadFindsEveryForm: a kind may be written in any way that YAML knows.
func TestReadFindsEveryForm(t *testing.T) {
	for _, kind := range []string{"Secret", `"Secret"`, "'Secret'", "|-\n  Secret", ">-\n  Secret", "!!str Secret", "&kind Secret", "&kind !!str\n  \"Secret\"", "\n  Secret"} {
		d := put(t, map[string]string{"a.yaml": strings.Replace(secretYAML, "kind: Secret", "kind: "+kind, 1)})
		if snap := read(t, d); snap.Secrets[Ref{"ns", "s"}] == nil || len(snap.Broken) > 0 {
			t.Errorf("kind: %s: Secrets %v, broken %v", kind, snap.Secrets, snap.Broken)
		}
	}
}

func TestReadNamesWhatItCannotRead(t *testing.T) {
	for _, tt := range []struct {
		name, file, data, want string
		ours                   bool
	}{
		{"not YAML", "a.yaml", "kind: Secret\nmetadata: [", "a.yaml: document at line 1: ", false},
		{"second document", "a.yaml", flinkYAML + "---\nkind: Secret\nmetadata: [", "a.yaml: document at line 5: ", false},
		{"no name", "a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {generateName: x}\n", "metadata.name is missing", false},
		{"no name of a resource", "a.yaml", strings.Replace(flinkYAML, "name: f", "x: f", 1), "metadata.name is missing", false},
		{"not base64", "a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: '***'}\n", `secret ns/s: key "k" is not base64`, false},
		{"number", "a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: 1}\n", `secret ns/s: stringData: key "k" is not a string`, false},
		{"data is a list", "a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: [a]\n", "secret ns/s: data is not a map", false},
		{"list", "a.yaml", "apiVersion: v1\nkind: List\nthose: &those [{kind: Secret}]\nitems: *those\n", "holds Secret in a List that cannot be taken apart", false},
		{"in a list", "a.yaml", "apiVersion: v1\nkind: List\nitems:\n- {kind: Other}\n- apiVersion: v1\n  kind: Secret\n", "a.yaml: document at line 5: metadata.name is missing", false},
		{"marked", "a.yaml", "kind: FlinkDeployment\nmetadata: {annotations: {flowcert.io/edits: x}}\nspec: [\n", "a.yaml: document", true},
		{"in our folder", "secrets/ns.a.yaml", "kind: Secret\nmetadata: [", "secrets/ns.a.yaml: document", true},
		{"garbage in our folder", "authority/ns.a-root-g1.yaml", "garbage", "holds no Secret", true},
		{"empty in our folder", "secrets/ns.a.yaml", "", "holds no Secret", true},
		{"another kind in our folder", "secrets/ns.a.yaml", "kind: Secret [", "holds no Secret", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := put(t, map[string]string{tt.file: tt.data})
			snap := read(t, d)
			if len(snap.Broken) != 1 {
				t.Fatalf("broken: %v", snap.Broken)
			}
			var u *Unreadable
			if !errors.As(snap.Broken[0], &u) || u.Ours != tt.ours || u.Remedy() == "" {
				t.Errorf("%#v, want ours %v", snap.Broken[0], tt.ours)
			}
			if got := snap.Broken[0].Error(); !strings.Contains(got, tt.want) {
				t.Errorf("%q does not say %q", got, tt.want)
			}
		})
	}
}

// A kustomization in our folder is the user's, and no Secret that went wrong.
func TestReadLeavesOtherFilesOfOurFoldersAlone(t *testing.T) {
	d := put(t, map[string]string{"secrets/kustomization.yaml": "kind: Kustomization\n", "secrets/README.md": "x"})
	if snap := read(t, d); len(snap.Broken) > 0 {
		t.Error(snap.Broken)
	}
}

func TestReadDropsSecretsInTwoPlaces(t *testing.T) {
	d := put(t, map[string]string{"a.yaml": secretYAML, "b.yaml": secretYAML + "---\n" + secretYAML})
	snap := read(t, d)
	if len(snap.Secrets) != 0 || len(snap.Broken) != 2 {
		t.Errorf("%v, broken %v", snap.Secrets, snap.Broken)
	}
}

func TestReadFollowsLinks(t *testing.T) {
	d := put(t, map[string]string{"real/a.yaml": flinkYAML})
	for _, link := range []struct{ to, name string }{{"real/a.yaml", "0.yaml"}, {"real", "folder"}, {"real", "folder.yaml"}, {"nowhere", "gone.yaml"}, {"loop.yaml", "loop.yaml"}} {
		if err := os.Symlink(link.to, filepath.Join(d.path, link.name)); err != nil {
			t.Fatal(err)
		}
	}
	alias := filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(d.path, alias); err != nil {
		t.Fatal(err)
	}
	linked, err := OpenDir(alias, "ns")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []*Dir{d, linked} {
		snap := read(t, dir)
		if len(snap.Resources) != 1 || snap.Resources[0].File != filepath.Join(dir.path, "0.yaml") {
			t.Errorf("resources: %v", snap.Resources)
		}
		if len(snap.Broken) != 3 {
			t.Errorf("broken: %v", snap.Broken)
		}
	}
}

func newSecret(name string, role Role) *Secret {
	s := New(Ref{"ns", name}, "target", role, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s.Data["password"] = []byte("p")
	return s
}

func TestCreateSecret(t *testing.T) {
	ctx := context.Background()
	d := put(t, nil)
	read(t, d)
	s := newSecret("a", RolePassword)
	if err := d.CreateSecret(ctx, s); err != nil {
		t.Fatal(err)
	}
	root := newSecret("b-root-g1", RoleRoot)
	if err := d.CreateSecret(ctx, root); err != nil {
		t.Fatal(err)
	}
	snap := read(t, d)
	if diff := cmp.Diff(map[Ref]*Secret{s.Ref: s, root.Ref: root}, snap.Secrets, cmp.Transformer("type", func(s Secret) Secret {
		s.Type = ""
		return s
	})); diff != "" {
		t.Error(diff)
	}
	if s.File != filepath.Join(d.path, "secrets", "ns.a.yaml") || root.File != filepath.Join(d.path, "authority", "ns.b-root-g1.yaml") {
		t.Errorf("%s, %s", s.File, root.File)
	}
	for path, want := range map[string]fs.FileMode{s.File: 0o600, root.File: 0o600, filepath.Dir(s.File): 0o700, filepath.Dir(root.File): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	if err := d.CreateSecret(ctx, newSecret("a", RolePassword)); !errors.Is(err, ErrExists) {
		t.Errorf("again: %v", err)
	}
}

// A name is taken in whatever file it stands: kubectl would apply one over the other.
func TestCreateSecretSeesOtherFiles(t *testing.T) {
	d := put(t, map[string]string{"mine.yaml": secretYAML})
	read(t, d)
	if err := d.CreateSecret(context.Background(), newSecret("s", RolePassword)); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "mine.yaml") {
		t.Errorf("%v", err)
	}
	if err := d.UpdateSecret(context.Background(), newSecret("s", RolePassword)); err == nil || !strings.Contains(err.Error(), "mine.yaml") {
		t.Errorf("%v", err)
	}
}

func TestUpdateAndDeleteSecret(t *testing.T) {
	ctx := context.Background()
	d := put(t, nil)
	read(t, d)
	s := newSecret("a", RoleOperatorCert)
	if err := d.UpdateSecret(ctx, s); err != nil { // the first time
		t.Fatal(err)
	}
	s.Data["password"] = []byte("q")
	if err := d.UpdateSecret(ctx, s); err != nil {
		t.Fatal(err)
	}
	if got := read(t, d).Secrets[s.Ref].Data["password"]; string(got) != "q" {
		t.Errorf("%s", got)
	}
	data, err := os.ReadFile(s.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.File, append(data, "---\n"+flinkYAML...), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"update": d.UpdateSecret(ctx, s), "delete": d.DeleteSecret(ctx, s)} {
		if err == nil || !strings.Contains(err.Error(), "holds more than secret ns/a") {
			t.Errorf("%s beside another object: %v", name, err)
		}
	}
	if err := os.WriteFile(s.File, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteSecret(ctx, s); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.File); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
}

func TestWriteResource(t *testing.T) {
	ctx := context.Background()
	d := put(t, map[string]string{"a.yaml": "# before\n---\n" + flinkYAML + "---\n" + secretYAML + "# behind"})
	r := read(t, d).Resources[0]
	if err := os.Chmod(r.File, 0o640); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(r.Source), "spec: {}", "spec: {a: b}", 1)
	if err := d.WriteResource(ctx, r, []byte(changed)); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(r.File)
	want := "# before\n---\n" + strings.Replace(flinkYAML, "spec: {}", "spec: {a: b}", 1) + "---\n" + secretYAML + "# behind"
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if info, err := os.Stat(r.File); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	// r.Source is no longer what is there.
	if err := d.WriteResource(ctx, r, []byte("x")); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
	// The same bytes again write nothing.
	before, _ := os.Stat(r.File)
	r = read(t, d).Resources[0]
	if err := d.WriteResource(ctx, r, r.Source); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(r.File); !os.SameFile(before, after) {
		t.Error("the file was written anew")
	}
}

// TestWriteResourceKeepsTheOwner: flowcert may run as root in somebody's directory.
func TestWriteResourceKeepsTheOwner(t *testing.T) {
	d := put(t, map[string]string{"a.yaml": flinkYAML})
	r := read(t, d).Resources[0]
	owner := giveAway(t, r.File)
	if err := d.WriteResource(context.Background(), r, append(r.Source, "# x\n"...)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(r.File)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; int(got) != owner {
		t.Errorf("the file belongs to %d, before to %d", got, owner)
	}
}

// giveAway makes a file somebody else's, which only root can, and returns the
// owner's number.
func giveAway(t *testing.T, path string) int {
	t.Helper()
	if os.Getuid() != 0 {
		return os.Getuid()
	}
	const somebody = 12345
	if err := os.Chown(path, somebody, somebody); err != nil {
		t.Fatal(err)
	}
	return somebody
}

func TestLock(t *testing.T) {
	d := put(t, nil)
	unlock, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	var refusal Refusal
	if _, err := d.Lock(); !errors.As(err, &refusal) || refusal.Remedy() == "" {
		t.Errorf("a second lock: %v", err)
	}
	unlock()
	unlock, err = d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if entries, _ := os.ReadDir(d.path); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestOpenDir(t *testing.T) {
	d := put(t, map[string]string{"file": ""})
	for _, path := range []string{filepath.Join(d.path, "file"), filepath.Join(d.path, "nosuch"), ""} {
		if _, err := OpenDir(path, "ns"); err == nil {
			t.Errorf("%q: no error", path)
		}
	}
}

func TestNamespaces(t *testing.T) {
	for _, tt := range []struct {
		name, data  string
		bare, other bool
	}{
		{"named", "kind: A\nmetadata: {namespace: ns}\n", false, false},
		{"bare", "kind: A\nmetadata: {name: a}\n---\n# nothing\n", true, false},
		{"mixed", "kind: A\nmetadata: {name: a}\n---\nkind: B\nmetadata: {namespace: other}\n", true, true},
		{"cluster-wide", "kind: Namespace\nmetadata: {name: ns}\n---\nkind: B\nmetadata: {namespace: other}\n", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := put(t, map[string]string{"a.yaml": tt.data})
			bare, other, err := d.Namespaces(filepath.Join(d.path, "a.yaml"))
			if bare != tt.bare || other != tt.other || err != nil {
				t.Errorf("%v %v %v", bare, other, err)
			}
		})
	}
}

// TestSettles: what a resource refers to lasts before the resource changes, what
// it no longer refers to goes after that, and all of it lasts once unlocked.
func TestSettles(t *testing.T) {
	ctx := context.Background()
	d := put(t, map[string]string{"sub/a.yaml": flinkYAML})
	r := read(t, d).Resources[0]
	unlock, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	pending := func(after string, want ...string) {
		t.Helper()
		var got []string
		for folder := range d.unsynced {
			got = append(got, filepath.Base(folder))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %s: %s", after, diff)
		}
	}
	if err := d.CreateSecret(ctx, newSecret("b-root-g1", RoleRoot)); err != nil {
		t.Fatal(err)
	}
	pending("a root")
	s := newSecret("a", RoleCertificate)
	if err := d.CreateSecret(ctx, s); err != nil {
		t.Fatal(err)
	}
	pending("a leaf", "secrets")
	if err := d.WriteResource(ctx, r, append(r.Source, "# x\n"...)); err != nil {
		t.Fatal(err)
	}
	pending("a resource", "sub")
	if err := d.DeleteSecret(ctx, s); err != nil {
		t.Fatal(err)
	}
	pending("a removal")
	r = read(t, d).Resources[0]
	if err := d.WriteResource(ctx, r, append(r.Source, "# y\n"...)); err != nil {
		t.Fatal(err)
	}
	unlock()
	pending("unlock")
}
