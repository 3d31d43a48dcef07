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

// kindIs begins what finds a kind: a value may have an anchor or a tag, and be a block.
const kindIs = `kind["']?\s*:\s*(?:[&!|>]\S*\s+)*["']?`

// interesting finds documents that may hold an object of a kind that is looked
// at: other ones may be as large and as odd as they like.
var interesting = regexp.MustCompile(kindIs + `(Secret|ConfigMap|` +
	deploy.EventProcessingKind + `|` + deploy.FlinkDeploymentKind + `|` + deploy.ValidatingKind + `|` + deploy.MutatingKind + `|List)\b`)

// mark begins flowcert's annotations: where it stands, flowcert has been.
const mark = "flowcert.io/"

// secretFile is how secretPath names files.
var secretFile = regexp.MustCompile(`^[^.]+\..+\.yaml$`)

// contents are a file's documents that may be looked at.
type contents struct {
	path    string
	real    string // the path without links; empty if it could not be told
	err     error  // of the file as a whole
	objects []object
}

// object is one document. A Secret's text is not kept: it is most of a directory.
type object struct {
	index, line int  // among the documents of the file, and in it
	ours        bool // flowcert's annotations are in it
	secret      *Secret
	resource    yamledit.Document // of any other kind
	values      map[string]any
	err         error
}

// contents reads a file and looks at nothing else: many are read at a time.
func (d *Dir) contents(f found) contents {
	c := contents{path: f.path, err: f.err}
	if f.err != nil {
		return c
	}
	if real, err := filepath.EvalSymlinks(f.path); err == nil {
		c.real = real
	}
	data, err := readCapped(f.path)
	if err != nil {
		c.err = err
		return c
	}
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		c.err = errors.New("is UTF-16 text; save it as UTF-8") // as PowerShell writes what > takes
		return c
	}
	for i, doc := range documents(data) {
		if interesting.Match(doc.Bytes) {
			c.objects = append(c.objects, d.object(f.path, i, doc))
		}
	}
	return c
}

// list finds documents that may be a List.
var list = regexp.MustCompile(kindIs + `List\b`)

// documents are the objects of a stream: its documents, and in place of a List, which is what kubectl get prints for
// several objects, its items.
func documents(data []byte) []yamledit.Document {
	var out []yamledit.Document
	for _, doc := range yamledit.Split(data) {
		if items, ok := listItems(doc); ok {
			out = append(out, items...)
		} else {
			out = append(out, doc)
		}
	}
	return out
}

// listItems are those of a List that can be taken apart.
func listItems(doc yamledit.Document) ([]yamledit.Document, bool) {
	if !list.Match(doc.Bytes) {
		return nil, false
	}
	if values, err := yamledit.Decode(doc.Bytes); err != nil || values["apiVersion"] != "v1" || values["kind"] != "List" {
		return nil, false
	}
	items, err := doc.Items()
	return items, err == nil
}

func (d *Dir) object(path string, index int, doc yamledit.Document) object {
	o := object{index: index, line: doc.Line, ours: bytes.Contains(doc.Bytes, []byte(mark))}
	values, err := yamledit.Decode(doc.Bytes)
	switch {
	case err != nil:
		o.err = err
	case values["apiVersion"] == "v1" && values["kind"] == "Secret":
		o.secret, o.err = secretFrom(values, d.namespace, path)
	default:
		o.resource, o.values = doc, values
	}
	return o
}

// file adds a file's objects to the snapshot. One that is reached by two names
// counts once.
func (r *reading) file(c contents) {
	if c.real != "" {
		if r.seen[c.real] {
			return
		}
		r.seen[c.real] = true
	}
	if c.err != nil {
		r.broken(c.path, 0, c.err)
		return
	}
	faults := len(r.snap.Broken)
	for _, o := range c.objects {
		if err := r.add(c.path, o); err != nil {
			r.broken(c.path, o.line, err)
			last := r.snap.Broken[len(r.snap.Broken)-1].(*Unreadable)
			last.Ours = last.Ours || o.ours
		}
	}
	if r.dir.inOurs(c.path) && secretFile.MatchString(filepath.Base(c.path)) && !r.holdsSecret[c.path] && len(r.snap.Broken) == faults {
		r.broken(c.path, 0, errors.New("holds no Secret"))
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

func (r *reading) add(path string, o object) error {
	if o.err != nil {
		return o.err
	}
	if o.secret != nil {
		r.addSecret(path, o.secret)
		return nil
	}
	obj := o.values
	apiVersion, _ := obj["apiVersion"].(string)
	kind, _ := obj["kind"].(string)
	group, _, _ := strings.Cut(apiVersion, "/")
	switch {
	case apiVersion == "v1" && kind == "List":
		return listed(obj)
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
			File: path, Document: o.index, Line: o.line, Source: o.resource.Bytes, Object: obj,
		})
	case group == deploy.AdmissionGroup && slices.Contains(deploy.WebhookKinds(), kind):
		name, _, _, _ := objectMeta(obj)
		r.snap.Webhooks = append(r.snap.Webhooks, deploy.Resource{
			Group: group, Kind: kind, Name: name,
			File: path, Document: o.index, Line: o.line, Source: o.resource.Bytes, Object: obj,
		})
	}
	return nil
}

// listed refuses a List that cannot be taken apart, where it holds something that is looked at.
func listed(obj map[string]any) error {
	items, _ := obj["items"].([]any)
	for _, item := range items {
		o, _ := item.(map[string]any)
		if kind, _ := o["kind"].(string); interesting.MatchString("kind: " + kind) {
			return fmt.Errorf("holds %s in a List that cannot be taken apart; split the List into documents", kind)
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

func (r *reading) addSecret(path string, s *Secret) {
	other, ok := r.snap.Secrets[s.Ref]
	if !ok {
		r.snap.Secrets[s.Ref] = s
		r.holdsSecret[path] = true
		return
	}
	r.twice[s.Ref] = true
	r.snap.Broken = append(r.snap.Broken, &Unreadable{
		File: path, Ours: s.Ours() || other.Ours() || r.dir.inOurs(path) || r.dir.inOurs(other.File),
		Authority: s.ofAuthority() || other.ofAuthority(),
		Err:       fmt.Errorf("%s stands in %s too", s.Ref, other.File),
	})
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
	for _, doc := range documents(data) {
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
var clusterScoped = []string{"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "StorageClass", "PersistentVolume", deploy.ValidatingKind, deploy.MutatingKind}
