package renew

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// State is everything that a plan is made from. Absent is nil.
type State struct {
	// Now is the time of the pass.
	Now time.Time
	// Secrets holds every Secret of the store, ours and others'.
	Secrets map[secrets.Ref]*secrets.Secret
	// Sources are the certificates of truststore sources, by truststore and
	// source; one that could not be read has its error instead.
	Sources map[SourceKey]Source
	// PublicCAs are the public certificates of a truststore, by its place in the
	// configuration.
	PublicCAs map[int]Source
	// Adopt: what others set and made may be taken over. The caller sets it.
	Adopt bool
	// Held are resources that are not to be changed, and why. The caller sets it.
	Held map[string]string
	// Broken are files and objects that could not be read.
	Broken []error

	// Live is what runs; nil in a directory.
	Live *secrets.Live

	resources   []deploy.Resource
	webhooks    []deploy.Resource            // webhook configurations
	asked       map[string]answer            // what their servers present, by address; in a cluster
	serves      map[string]*x509.Certificate // what REST endpoints present, by resource, see askFlink
	admission   admission
	versions    map[slot][]*secrets.Secret
	missing     map[string]absentee // by target, see findMissing
	compromised bool                // see compromise
	opened      *openOnce           // of the pass before; nil: nothing
}

// SourceKey is the place of a source in the configuration.
type SourceKey struct{ Truststore, Source int }

// Source is what a truststore source holds now.
type Source struct {
	Certificates []*x509.Certificate
	Err          error
}

// slot is one thing of which Secrets are versions.
type slot struct {
	target string
	role   secrets.Role
}

// Observe reads the store and every file that the configuration names. Only a
// store that cannot be read at all is an error; anything else is recorded on the
// object that it concerns.
func Observe(ctx context.Context, cfg *config.Config, store Store, now time.Time) (*State, error) {
	snap, err := store.Read(ctx)
	if err != nil {
		return nil, err
	}
	s := &State{
		Now: now, Secrets: snap.Secrets, Broken: snap.Broken, resources: snap.Resources, webhooks: snap.Webhooks, Live: snap.Live,
		Sources: map[SourceKey]Source{}, PublicCAs: map[int]Source{}, versions: map[slot][]*secrets.Secret{},
	}
	for _, secret := range snap.Secrets {
		if secret.Ours() {
			k := slot{secret.Target(), secret.Role()}
			s.versions[k] = append(s.versions[k], secret)
		}
	}
	for _, v := range s.versions {
		slices.SortFunc(v, newestFirst)
	}
	s.nameVersions()
	s.findMissing(cfg)
	s.compromised = s.anyCompromised()
	if s.live() {
		s.asked = askWebhooks(ctx, s.webhooks)
		s.askFlink(ctx, cfg)
		s.admission = s.askAdmission(ctx, store)
	}
	for i, t := range cfg.Truststores {
		for j, source := range t.Sources {
			if !source.Authority {
				s.Sources[SourceKey{i, j}] = readSource(cfg, snap, source)
			}
		}
		if t.PublicCAs.Enabled {
			s.PublicCAs[i] = readPublicCAs(cfg, t.PublicCAs)
		}
	}
	return s, nil
}

// nameVersions tells every resource of a cluster which versions are flowcert's: its
// record may be of another time than its specification, and that may be of a time
// whose versions are gone by now.
func (s *State) nameVersions() {
	if !s.live() {
		return
	}
	names := map[string][]string{}
	for ref, secret := range s.Secrets {
		if secret.Ours() && slices.Contains(versionRoles, secret.Role()) {
			names[ref.Namespace] = append(names[ref.Namespace], ref.Name)
		}
	}
	for i, r := range s.resources {
		gone := slices.DeleteFunc(deploy.References(r).Secrets(), func(name string) bool {
			return !secrets.IsVersionName(name) || s.Secrets[secrets.Ref{Namespace: r.Namespace, Name: name}] != nil
		})
		s.resources[i].Versions = slices.Compact(slices.Sorted(slices.Values(slices.Concat(names[r.Namespace], gone))))
	}
}

func newestFirst(a, b *secrets.Secret) int {
	return cmp.Or(b.Created().Compare(a.Created()), cmp.Compare(a.Name, b.Name))
}

func readSource(cfg *config.Config, snap *secrets.Snapshot, source config.Source) Source {
	data, from, err := sourceBytes(cfg, snap, source)
	if err != nil {
		return Source{Err: err}
	}
	return sourceOf(data, from)
}

// sourceOf parses what becomes part of a truststore.
func sourceOf(data []byte, from string) Source {
	certs, err := pki.ParseCertificates(data)
	if err != nil {
		return Source{Err: fmt.Errorf("%s: %w", from, err)}
	}
	for i, c := range certs {
		if err := pki.CheckNamed(c); err != nil {
			return Source{Err: fmt.Errorf("%s: certificate %d: %w", from, i+1, err)}
		}
	}
	return Source{Certificates: certs}
}

// sourceBytes finds a source's PEM and says where it is from.
func sourceBytes(cfg *config.Config, snap *secrets.Snapshot, source config.Source) (data []byte, from string, err error) {
	switch {
	case source.File != "":
		from = cfg.Path(source.File)
		data, err = readFile(from)
		return data, from, err
	case source.Secret != nil:
		ref := secrets.Ref{Namespace: source.Secret.Namespace, Name: source.Secret.Name}
		secret, ok := snap.Secrets[ref]
		if !ok {
			return nil, "", fmt.Errorf("%s is not there", ref)
		}
		data, err = secret.Get(source.Secret.Key)
		return data, fmt.Sprintf("%s: key %q", ref, source.Secret.Key), err
	default:
		ref := secrets.Ref{Namespace: source.ConfigMap.Namespace, Name: source.ConfigMap.Name}
		from = fmt.Sprintf("configmap %s/%s", ref.Namespace, ref.Name)
		values, ok := snap.ConfigMaps[ref]
		if !ok {
			return nil, from, fmt.Errorf("%s is not there", from)
		}
		value, ok := values[source.ConfigMap.Key]
		if !ok {
			return nil, from, fmt.Errorf("%s: no key %q", from, source.ConfigMap.Key)
		}
		return []byte(value), fmt.Sprintf("%s: key %q", from, source.ConfigMap.Key), nil
	}
}

// maxFile bounds a file of certificates.
const maxFile = 4 << 20

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file", path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: has %d bytes, more than the %d that are read", path, info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	return data, nil
}

func readPublicCAs(cfg *config.Config, p config.PublicCAs) Source {
	if p.File == "" {
		return Source{Certificates: truststore.PublicCAs()}
	}
	path := cfg.Path(p.File)
	data, err := readFile(path)
	if err != nil {
		return Source{Err: err}
	}
	return sourceOf(data, path)
}

// Resource finds a resource by its target.
func (s *State) Resource(target string) (deploy.Resource, bool) {
	for _, r := range s.resources {
		if r.String() == target {
			return r, true
		}
	}
	return deploy.Resource{}, false
}

// resource finds a configured resource; a missing one and one that stands in
// two places are errors.
func (s *State) resource(kind, namespace, name string) (deploy.Resource, error) {
	var found []deploy.Resource
	for _, r := range s.resources {
		if r.Kind == kind && r.Namespace == namespace && r.Name == name {
			found = append(found, r)
		}
	}
	target := deploy.Target(kind, namespace, name)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if s.live() {
			return s.absent(kind, namespace, name)
		}
		hint := s.candidates(kind)
		if len(s.Broken) > 0 {
			hint = "mend the file that could not be read, if the resource stands there; otherwise: " + hint
		}
		return deploy.Resource{}, Hinted{Err: fmt.Errorf("%s is not there%s", target, s.brokenNote()), Hint: hint}
	}
	return deploy.Resource{}, Hinted{
		Err:  fmt.Errorf("%s stands in two places: %s and %s", target, place(found[0]), place(found[1])),
		Hint: "keep one of the two in the directory",
	}
}

// absent stands for a resource that is to come: in a cluster somebody may create
// it later. In a namespace that could not be read it may be there already.
func (s *State) absent(kind, namespace, name string) (deploy.Resource, error) {
	if err := s.closed(namespace); err != nil {
		return deploy.Resource{}, closedError(namespace, err)
	}
	if err := s.Live.Unread[deploy.Target(kind, namespace, name)]; err != nil {
		return deploy.Resource{}, Hinted{Err: err, Hint: "put the resource right: what it says cannot be told"}
	}
	group := deploy.EventProcessingGroup
	if kind == deploy.FlinkDeploymentKind {
		group = deploy.FlinkDeploymentGroup
	}
	return deploy.Resource{
		Group: group, Kind: kind, Namespace: namespace, Name: name, Absent: true,
		Object: map[string]any{"metadata": map[string]any{"name": name, "namespace": namespace}},
	}, nil
}

// eventProcessings are the resources of that kind by their target; of two in one
// place the first.
func (s *State) eventProcessings() map[string]deploy.Resource {
	out := map[string]deploy.Resource{}
	for _, r := range s.resources {
		if _, ok := out[r.String()]; !ok && r.Kind == deploy.EventProcessingKind {
			out[r.String()] = r
		}
	}
	return out
}

func place(r deploy.Resource) string { return fmt.Sprintf("%s:%d", r.File, r.Line) }

func (s *State) brokenNote() string {
	if len(s.Broken) == 0 {
		return ""
	}
	return fmt.Sprintf(" (and a file could not be read: %v)", s.Broken[0])
}

// candidates names what is there of the kind, for somebody who mistyped.
func (s *State) candidates(kind string) string {
	var there []string
	for _, r := range s.resources {
		if r.Kind == kind {
			there = append(there, r.Namespace+"/"+r.Name)
		}
	}
	if len(there) == 0 && s.live() {
		return "there is no " + kind + " in the namespaces of flowcert.yaml"
	}
	if len(there) == 0 {
		return "no " + kind + " was found; put its manifest into the directory"
	}
	slices.Sort(there)
	return "correct the name or namespace in flowcert.yaml; there is " + strings.Join(there, ", ")
}
