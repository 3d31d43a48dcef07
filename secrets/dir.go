package secrets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/parallel"
)

// Folders of a directory store.
const (
	secretsFolder   = "secrets"   // everything that workloads mount
	authorityFolder = "authority" // keys of roots and intermediates, and which roots are distrusted: no workload needs them
)

// maxManifest bounds a file that is read as manifests. Larger ones are named,
// not read: no resource that flowcert edits comes near it.
const maxManifest = 16 << 20

// Dir is a directory of manifests in place of a cluster. It is for one goroutine.
type Dir struct {
	path      string
	namespace string         // of manifests that name none
	files     map[Ref]string // where each Secret stood when the directory was last read

	unsynced map[string]bool // folders with new names, see settle
}

// OpenDir returns the store for a directory that exists. Manifests without a
// namespace belong to namespace.
func OpenDir(path, namespace string) (*Dir, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", path, errors.Unwrap(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", path)
	}
	return &Dir{path: path, namespace: namespace, unsynced: map[string]bool{}}, nil
}

// Snapshot is everything in a store that flowcert looks at.
type Snapshot struct {
	Resources []deploy.Resource
	// Webhooks are webhook configurations: of a cluster the Flink operator's, of a
	// directory all.
	Webhooks   []deploy.Resource
	Secrets    map[Ref]*Secret
	ConfigMaps map[Ref]map[string]string
	// Broken are files and objects that could not be read, each an *Unreadable in
	// a directory. What they may hold is unknown; who misses something says so.
	Broken []error
	// Live is what runs; nil in a directory, where that is not known.
	Live *Live
}

// Live is what only a cluster knows.
type Live struct {
	deploy.Running
	// Closed are namespaces that could not be read, and why. What they hold is
	// unknown; the others go on.
	Closed map[string]error
	// Unread are custom resources whose content does not read, by target, and why.
	Unread map[string]error
	// Ahead is how far the API server's clock is ahead of this one.
	Ahead time.Duration
	// OperatorNamespace is where the Flink operator was found; empty: nowhere.
	OperatorNamespace string
	// WebhooksClosed is why the webhook configurations could not be read; nil: they
	// could, or were not asked for.
	WebhooksClosed error
	// ClusterAPI is the domain of an OpenShift cluster's routes; empty elsewhere, and
	// where it may not be read.
	ClusterAPI string
}

// Close takes what a namespace of a cluster holds out of the snapshot: part of it
// cannot be read.
func (s *Snapshot) Close(namespace string, why error) {
	s.Live.Closed[namespace] = why
	s.Resources = slices.DeleteFunc(s.Resources, func(r deploy.Resource) bool { return r.Namespace == namespace })
	s.Live.Pods = slices.DeleteFunc(s.Live.Pods, func(p deploy.Pod) bool { return p.Namespace == namespace })
	s.Live.Controllers = slices.DeleteFunc(s.Live.Controllers, func(c deploy.Controller) bool { return c.Namespace == namespace })
	maps.DeleteFunc(s.Secrets, func(ref Ref, _ *Secret) bool { return ref.Namespace == namespace })
	maps.DeleteFunc(s.Live.Unread, func(target string, _ error) bool { return strings.Contains(target, "/"+namespace+"/") })
	if s.Live.OperatorNamespace == namespace {
		s.Live.OperatorNamespace = ""
	}
}

// Uses lists what holds on to a Secret, as people read it: pods, and what makes
// pods. A ReplicaSet without replicas makes none.
func (l *Live) Uses(ref Ref) []string {
	var out []string
	for _, p := range l.Pods {
		if p.Namespace == ref.Namespace && !p.Finished && slices.Contains(p.Secrets, ref.Name) {
			out = append(out, "pod "+p.Name)
		}
	}
	for _, c := range l.Controllers {
		if c.Namespace == ref.Namespace && c.Replicas > 0 && slices.Contains(c.Secrets, ref.Name) {
			out = append(out, strings.ToLower(c.Kind)+" "+c.Name)
		}
	}
	return out
}

// Unreadable is a file, or an object in it, that could not be read.
type Unreadable struct {
	File string
	Line int // of the document; 0: the file as a whole
	// Ours tells that flowcert made it, or edited it: nothing may be made in its
	// place, because it may be there already.
	Ours bool
	// Authority tells that it may hold a root or an intermediate of flowcert's.
	Authority bool
	Err       error
}

func (u *Unreadable) Error() string {
	if u.Line > 0 {
		return fmt.Sprintf("%s: document at line %d: %v", u.File, u.Line, u.Err)
	}
	return fmt.Sprintf("%s: %v", u.File, u.Err)
}

func (u *Unreadable) Unwrap() error { return u.Err }

// Remedy is what to do about it.
func (u *Unreadable) Remedy() string {
	if u.Authority {
		return "move it away and bring the authority back from a backup (flowcert import), or put the file back"
	}
	if u.Ours {
		return "put it back from a backup; one that nothing refers to any more may be removed"
	}
	return "mend the file, or move it out of the directory"
}

// Read looks at every manifest below the directory: *.yaml, *.yml and *.json,
// hidden folders left out. Links to files are followed, links to folders are not.
func (d *Dir) Read(ctx context.Context) (*Snapshot, error) {
	if err := d.checkFolders(); err != nil {
		return nil, err
	}
	found, err := d.find(ctx)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", d.path, err)
	}
	r := &reading{
		dir: d, seen: map[string]bool{}, twice: map[Ref]bool{}, holdsSecret: map[string]bool{},
		snap: &Snapshot{Secrets: map[Ref]*Secret{}, ConfigMaps: map[Ref]map[string]string{}},
	}
	for _, c := range parallel.Map(found, d.contents) {
		r.file(c)
	}
	r.dropTwice()
	d.files = map[Ref]string{}
	for ref, s := range r.snap.Secrets {
		d.files[ref] = s.File
	}
	return r.snap, nil
}

// found is a manifest, or a folder that could not be looked into.
type found struct {
	path string
	err  error
}

// find lists the manifests.
func (d *Dir) find(ctx context.Context) ([]found, error) {
	var out []found
	// The separator makes WalkDir follow a directory that is itself a link.
	root := d.path + string(filepath.Separator)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == root:
			return err
		case err != nil:
			out = append(out, found{path, errors.Unwrap(err)})
			return filepath.SkipDir
		case entry.IsDir():
			if path != root && strings.HasPrefix(entry.Name(), ".") {
				return filepath.SkipDir
			}
		case isManifest(entry.Name()):
			out = append(out, found{path: path})
		}
		return nil
	})
	return out, err
}

// checkFolders refuses anything but folders where flowcert keeps Secrets: a
// link to a folder would not be read, and git does not ignore it.
func (d *Dir) checkFolders() error {
	for _, name := range []string{secretsFolder, authorityFolder} {
		path := filepath.Join(d.path, name)
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !info.IsDir():
			return Refusal{
				Err:  fmt.Errorf("%s is not a folder, but flowcert keeps Secrets there", path),
				Hint: "move it away",
			}
		}
	}
	return nil
}

func isManifest(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return !strings.HasPrefix(name, ".") && slices.Contains([]string{".yaml", ".yml", ".json"}, ext)
}
