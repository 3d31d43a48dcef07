package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/yamledit"
)

// reading gathers a snapshot.
type reading struct {
	dir   *Dir
	snap  *Snapshot
	seen  map[string]bool // files, by their path without links
	twice map[Ref]bool    // Secrets that stand in two places

	holdsSecret map[string]bool // files, by their path
}

func (r *reading) broken(path string, line int, err error) {
	r.snap.Broken = append(r.snap.Broken, &Unreadable{
		File: path, Line: line, Ours: r.dir.inOurs(path), Authority: r.dir.topFolder(path) == authorityFolder, Err: err,
	})
}

// inOurs reports whether the path is, or lies below, a folder of flowcert's.
func (d *Dir) inOurs(path string) bool {
	first := d.topFolder(path)
	return first == secretsFolder || first == authorityFolder
}

// topFolder is what of the directory the path is, or lies below.
func (d *Dir) topFolder(path string) string {
	rel, err := filepath.Rel(d.path, path)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
	return first
}

// interesting finds documents that may hold an object of a kind that is looked
// at: other ones may be as large and as odd as they like.
var interesting = regexp.MustCompile(`kind["']?\s*:\s*["']?(Secret|ConfigMap|` +
	deploy.EventProcessingKind + `|` + deploy.FlinkDeploymentKind + `|List)\b`)

// mark begins flowcert's annotations: where it stands, flowcert has been.
const mark = "flowcert.io/"

// secretFile is how secretPath names files.
var secretFile = regexp.MustCompile(`^[^.]+\..+\.yaml$`)

// file adds a file's objects to the snapshot. One that is reached by two names
// counts once.
func (r *reading) file(path string) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		if r.seen[real] {
			return
		}
		r.seen[real] = true
	}
	data, err := readCapped(path)
	if err != nil {
		r.broken(path, 0, err)
		return
	}
	faults := len(r.snap.Broken)
	for i, doc := range yamledit.Split(data) {
		if !interesting.Match(doc.Bytes) {
			continue
		}
		obj, err := yamledit.Decode(doc.Bytes)
		if err == nil {
			err = r.add(path, i, doc, obj)
		}
		if err != nil {
			r.broken(path, doc.Line, err)
			last := r.snap.Broken[len(r.snap.Broken)-1].(*Unreadable)
			last.Ours = last.Ours || bytes.Contains(doc.Bytes, []byte(mark))
		}
	}
	if r.dir.inOurs(path) && secretFile.MatchString(filepath.Base(path)) && !r.holdsSecret[path] && len(r.snap.Broken) == faults {
		r.broken(path, 0, errors.New("holds no Secret"))
	}
}

func readCapped(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	if info.Size() > maxManifest {
		return nil, fmt.Errorf("has %d bytes, more than the %d that are read", info.Size(), maxManifest)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	return data, nil
}

func (r *reading) add(path string, index int, doc yamledit.Document, obj map[string]any) error {
	apiVersion, _ := obj["apiVersion"].(string)
	kind, _ := obj["kind"].(string)
	group, _, _ := strings.Cut(apiVersion, "/")
	switch {
	case apiVersion == "v1" && kind == "List":
		return listed(obj)
	case apiVersion == "v1" && kind == "Secret":
		return r.addSecret(path, obj)
	case apiVersion == "v1" && kind == "ConfigMap":
		return r.addConfigMap(obj)
	case group == deploy.EventProcessingGroup && kind == deploy.EventProcessingKind,
		group == deploy.FlinkDeploymentGroup && kind == deploy.FlinkDeploymentKind:
		ref, err := r.dir.refOf(obj)
		if err != nil {
			return err
		}
		r.snap.Resources = append(r.snap.Resources, deploy.Resource{
			Group: group, Kind: kind, Namespace: ref.Namespace, Name: ref.Name,
			File: path, Document: index, Line: doc.Line, Source: doc.Bytes, Object: obj,
		})
	}
	return nil
}

// listed refuses what kubectl get prints for several objects, where it holds
// something that is looked at.
func listed(obj map[string]any) error {
	items, _ := obj["items"].([]any)
	for _, item := range items {
		o, _ := item.(map[string]any)
		if kind, _ := o["kind"].(string); interesting.MatchString("kind: " + kind) {
			return fmt.Errorf("holds %s in a List; split the List into documents", kind)
		}
	}
	return nil
}

// refOf is the object's namespace and name; neither may be missing in the end.
func (d *Dir) refOf(obj map[string]any) (Ref, error) {
	name, namespace, _, _ := objectMeta(obj)
	if namespace == "" {
		namespace = d.namespace
	}
	if name == "" {
		return Ref{}, errors.New("metadata.name is missing")
	}
	return Ref{Namespace: namespace, Name: name}, nil
}

func (r *reading) addSecret(path string, obj map[string]any) error {
	s, err := secretFrom(obj, r.dir.namespace, path)
	if err != nil {
		return err
	}
	other, ok := r.snap.Secrets[s.Ref]
	if !ok {
		r.snap.Secrets[s.Ref] = s
		r.holdsSecret[path] = true
		return nil
	}
	r.twice[s.Ref] = true
	r.snap.Broken = append(r.snap.Broken, &Unreadable{
		File: path, Ours: s.Ours() || other.Ours() || r.dir.inOurs(path) || r.dir.inOurs(other.File),
		Authority: s.ofAuthority() || other.ofAuthority(),
		Err:       fmt.Errorf("%s stands in %s too", s.Ref, other.File),
	})
	return nil
}

func (r *reading) addConfigMap(obj map[string]any) error {
	ref, err := r.dir.refOf(obj)
	if err != nil {
		return err
	}
	if _, ok := r.snap.ConfigMaps[ref]; ok {
		return fmt.Errorf("configmap %s/%s stands in another place too", ref.Namespace, ref.Name)
	}
	data, err := stringMap(obj, "data")
	r.snap.ConfigMaps[ref] = data
	return err
}

// dropTwice takes out what stands in two places: which of the two the cluster
// has is not to be guessed.
func (r *reading) dropTwice() {
	for ref := range r.twice {
		delete(r.snap.Secrets, ref)
	}
}

// Namespaces tells how a file of manifests has to be handed to kubectl: bare is
// whether an object in it names no namespace, other whether one names another
// than the directory's.
func (d *Dir) Namespaces(path string) (bare, other bool, err error) {
	data, err := readCapped(path)
	if err != nil {
		return false, false, fmt.Errorf("%s: %w", path, err)
	}
	for _, doc := range yamledit.Split(data) {
		obj, err := yamledit.Decode(doc.Bytes)
		if err != nil {
			continue // not an object of ours; kubectl will say what is wrong with it
		}
		_, namespace, _, _ := objectMeta(obj)
		bare = bare || namespace == "" && !slices.Contains(clusterScoped, fmt.Sprint(obj["kind"]))
		other = other || namespace != "" && namespace != d.namespace
	}
	return bare, other, nil
}

// clusterScoped are common kinds without a namespace.
var clusterScoped = []string{"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "StorageClass", "PersistentVolume"}
