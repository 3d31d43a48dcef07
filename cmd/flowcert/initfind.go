package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// finding is what a first configuration is made of.
type finding struct {
	namespace string
	// guessed: no manifest names a namespace. long: it is too long for the authority's
	// default subject, "<namespace> CA".
	guessed, long bool
	// clusterAPI is what the endpoints' hosts tell; empty: nothing.
	clusterAPI string
	resources  []foundResource
	files      []foundFile
	broken     []error
}

// foundResource is an EventProcessing or a FlinkDeployment.
type foundResource struct {
	deploy.Resource
	shown deploy.Shown
	ca    bool // mode: ca, which flowcert set
	// taken and takenTrust are fields that hold somebody else's values.
	taken, takenTrust []string
	// leftOut is why it is no part of the configuration; empty: it is.
	leftOut string
}

// foundFile is a file of certificates.
type foundFile struct {
	path    string // as the configuration names it
	source  string // name of the truststore's source
	leftOut string
}

// find reads the directory, or a namespace of the cluster and the folder in which
// the configuration is to be.
func (a *app) find(ctx context.Context, namespace, configPath string) (*finding, error) {
	f := &finding{namespace: namespace}
	if err := a.findNamespace(ctx, f); err != nil {
		return nil, err
	}
	files, err := secrets.OpenDir(cmp.Or(a.dir, filepath.Dir(configPath)), f.namespace)
	if err != nil {
		return nil, err
	}
	snap, err := a.look(ctx, f, files)
	if err != nil {
		return nil, err
	}
	f.broken = snap.Broken
	if len(snap.Resources) == 0 {
		return nil, a.nothingFound(snap, f.namespace)
	}
	f.long = refusal(f.header()+"flinkOperator: {}\n") != ""
	f.clusterAPI = clusterAPI(snap.Resources)
	f.addResources(snap)
	if len(active(f.resources)) == 0 {
		return nil, hinted(fmt.Errorf("nothing of what was found can be handed to flowcert: %s", f.resources[0].reason()), "correct the manifests, then run "+a.line("init"))
	}
	certificates, err := files.CertificateFiles(ctx)
	if err != nil {
		return nil, err
	}
	return f, f.addFiles(certificates, snap, filepath.Dir(configPath), a.time())
}

// findNamespace fills in the namespace where none is given.
func (a *app) findNamespace(ctx context.Context, f *finding) error {
	if f.namespace != "" {
		return nil
	}
	if a.dir == "" {
		client, err := a.connect()
		if err != nil {
			return err
		}
		f.namespace = client.Namespace
		return nil
	}
	snap, err := readDirectory(ctx, a.dir, "")
	if err != nil {
		return err
	}
	f.namespace, f.guessed = commonest(snap.Resources)
	return nil
}

// look reads the store in which the resources are.
func (a *app) look(ctx context.Context, f *finding, files *secrets.Dir) (*secrets.Snapshot, error) {
	if a.dir != "" {
		return files.Read(ctx)
	}
	s, err := a.openCluster(&config.Config{Namespace: f.namespace})
	if err != nil {
		return nil, err
	}
	snap, err := s.kube.Read(ctx)
	if err == nil && snap.Live.Closed[f.namespace] != nil {
		err = fmt.Errorf("namespace %s: %w", f.namespace, snap.Live.Closed[f.namespace])
	}
	return snap, err
}

func readDirectory(ctx context.Context, dir, namespace string) (*secrets.Snapshot, error) {
	store, err := secrets.OpenDir(dir, namespace)
	if err != nil {
		return nil, err
	}
	return store.Read(ctx)
}

func (a *app) nothingFound(snap *secrets.Snapshot, namespace string) error {
	if a.dir == "" {
		return hinted(fmt.Errorf("no resource of kind %s (%s) or %s (%s) is in namespace %s of the cluster",
			deploy.EventProcessingKind, deploy.EventProcessingGroup, deploy.FlinkDeploymentKind, deploy.FlinkDeploymentGroup, namespace), "name another namespace with -n")
	}
	err := fmt.Errorf("no resource of kind %s (%s) or %s (%s) was found in the *.yaml, *.yml and *.json files below %s",
		deploy.EventProcessingKind, deploy.EventProcessingGroup, deploy.FlinkDeploymentKind, deploy.FlinkDeploymentGroup, a.dir)
	hint := "put the manifests of your resources there, as documents of their own"
	if len(snap.Broken) > 0 {
		err = fmt.Errorf("%w; %s could not be read: %w", err, plural(len(snap.Broken), "of them"), snap.Broken[0])
		hint = "mend the file; or " + hint
	}
	return hinted(err, hint)
}

// commonest is the namespace of most resources that name one, the first by name among
// several; guessed is whether none does.
func commonest(resources []deploy.Resource) (namespace string, guessed bool) {
	count := map[string]int{}
	for _, r := range resources {
		if pki.CheckLabel(r.Namespace) == nil {
			count[r.Namespace]++
		}
	}
	return most(count, usualNamespace), len(count) == 0
}

// most is the key with the largest count, the first by name among several.
func most(count map[string]int, otherwise string) string {
	best := otherwise
	for _, key := range slices.Sorted(maps.Keys(count)) {
		if count[key] > count[best] {
			best = key
		}
	}
	return best
}

// clusterAPI is the domain that the hosts of Event Processing's endpoints show, where they
// are those of the routes that the operator makes on OpenShift.
func clusterAPI(resources []deploy.Resource) string {
	count := map[string]int{}
	for _, r := range resources {
		if r.Kind != deploy.EventProcessingKind {
			continue
		}
		for _, host := range deploy.EventProcessingHosts(r) {
			label, domain, _ := strings.Cut(host, ".")
			route := r.Name + "-ibm-eventprocessing-"
			if (label == route+r.Namespace || label == route+"rt-"+r.Namespace) && pki.CheckDNSName(domain) == nil && strings.Contains(domain, ".") {
				count[domain]++
			}
		}
	}
	return most(count, "")
}

func (f *finding) addResources(snap *secrets.Snapshot) {
	places := map[string][]string{}
	for _, r := range snap.Resources {
		places[r.String()] = append(places[r.String()], r.File+":"+strconv.Itoa(r.Line))
	}
	for _, r := range snap.Resources {
		if slices.ContainsFunc(f.resources, func(have foundResource) bool { return have.String() == r.String() }) {
			continue
		}
		f.resources = append(f.resources, f.resource(r, snap, places[r.String()]))
	}
	slices.SortFunc(f.resources, func(a, b foundResource) int {
		elsewhere := func(r foundResource) int { return min(1, len(f.otherNamespace(r))) }
		return cmp.Or(cmp.Compare(elsewhere(a), elsewhere(b)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

func (f *finding) resource(r deploy.Resource, snap *secrets.Snapshot, places []string) foundResource {
	out := foundResource{Resource: r, shown: deploy.ShownBy(r)}
	ours := func(name string) bool {
		s, ok := snap.Secrets[secrets.Ref{Namespace: r.Namespace, Name: name}]
		return ok && s.Ours()
	}
	out.ca = out.shown.CA != "" && ours(out.shown.CA)
	switch {
	case len(places) > 1:
		out.leftOut = "it stands in several places: " + strings.Join(places, ", ") + "; keep one"
	case out.shown.CA != "" && !out.ca:
		out.leftOut = fmt.Sprintf("spec.authoring.tls.caSecretName is %s, a CA of yours with which cert-manager signs; "+
			"remove that field to hand the certificate to flowcert, then take the comment signs away here", out.shown.CA)
	default:
		out.leftOut = refusal(f.header() + listFields[r.Kind] + ":\n" + f.entry(out))
	}
	tls, trust := deploy.Taken(r, f.callsFlink(r, snap.Resources))
	out.taken, out.takenTrust = paths(tls), paths(trust)
	if out.shown.UI != "" && !ours(out.shown.UI) {
		out.taken = append(out.taken, "spec.authoring.tls.ui.secretName")
	}
	return out
}

// callsFlink tells whether the instance's Flink is among the resources.
func (f *finding) callsFlink(r deploy.Resource, all []deploy.Resource) bool {
	namespace, name, ok := deploy.FlinkEndpoint(r)
	return ok && slices.ContainsFunc(all, func(other deploy.Resource) bool {
		return other.Kind == deploy.FlinkDeploymentKind && other.Namespace == namespace && other.Name == name && !deploy.ShownBy(other).RestOff
	})
}

func paths(conflicts []deploy.Conflict) []string {
	var out []string
	for _, c := range conflicts {
		if p := c.Path.String(); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// refusal is what the parser has against a configuration; empty: nothing.
func refusal(text string) string {
	_, err := config.Parse(strings.NewReader(text))
	var fault *config.Error
	if errors.As(err, &fault) {
		return fault.Problem
	}
	return ""
}

// addFiles makes sources of the CA certificates; names are relative to the folder of the
// configuration.
func (f *finding) addFiles(files []secrets.CertificateFile, snap *secrets.Snapshot, folder string, now time.Time) error {
	names := map[string]bool{}
	for _, file := range files {
		path, err := relative(folder, file.Path)
		if err != nil {
			return err
		}
		found := foundFile{path: path, leftOut: whyNot(file, snap, now)}
		if found.leftOut == "" {
			found.source = freeName(sourceName(path), names)
			found.leftOut = refusal(f.header() + "truststores:\n" + truststoreText([]foundFile{found}))
		}
		f.files = append(f.files, found)
	}
	return nil
}

// relative is a file as a configuration in the folder names it.
func relative(folder, path string) (string, error) {
	base, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	file, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(base, file)
	return filepath.ToSlash(rel), err
}

// whyNot says why a file of certificates is no source of a truststore.
func whyNot(file secrets.CertificateFile, snap *secrets.Snapshot, now time.Time) string {
	if file.Err != nil {
		return file.Err.Error()
	}
	ended, roots := 0, ownRoots(snap)
	for _, c := range file.Certificates {
		switch {
		case slices.ContainsFunc(roots, c.Equal):
			return "is the root that flowcert made"
		case !c.IsCA && !(c.Version == 1 && pki.IsSelfSigned(c)):
			return fmt.Sprintf("holds a certificate that is no CA's (%q); add the file by hand if servers are to be trusted by it", c.Subject.CommonName)
		case pki.CheckNamed(c) != nil:
			return fmt.Sprintf("a certificate in it cannot be used: %v", pki.CheckNamed(c))
		case now.After(c.NotAfter):
			ended++
		}
	}
	if ended == len(file.Certificates) {
		return "every certificate in it has ended"
	}
	return ""
}

// ownRoots are the roots that flowcert made here.
func ownRoots(snap *secrets.Snapshot) []*x509.Certificate {
	var out []*x509.Certificate
	for _, s := range snap.Secrets {
		if s.Ours() && s.Role() == secrets.RoleRoot {
			certs, _ := pki.ParseCertificates(s.Data[secrets.TLSCert]) // one that cannot be read is no root
			out = append(out, certs...)
		}
	}
	return out
}

// maxSourceName leaves room for a number in the 63 characters of an alias.
const maxSourceName = 58

// sourceName makes an alias of a file's name: its letters and digits in lower case, with
// hyphens for what stands between them.
func sourceName(path string) string {
	path = strings.ToLower(strings.TrimSuffix(path, filepath.Ext(path)))
	words := strings.FieldsFunc(path, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
	name := strings.Join(words, "-")
	return cmp.Or(strings.TrimRight(name[:min(len(name), maxSourceName)], "-"), "ca")
}

// freeName is the name, with a number behind it where it is taken.
func freeName(name string, taken map[string]bool) string {
	free := name
	for i := 2; taken[free]; i++ {
		free = name + "-" + strconv.Itoa(i)
	}
	taken[free] = true
	return free
}

// of lists the resources of a kind.
func (f *finding) of(kind string) []foundResource {
	var out []foundResource
	for _, r := range f.resources {
		if r.Kind == kind {
			out = append(out, r)
		}
	}
	return out
}

// active are those that are part of the configuration.
func active(resources []foundResource) []foundResource {
	var out []foundResource
	for _, r := range resources {
		if r.leftOut == "" {
			out = append(out, r)
		}
	}
	return out
}

// foreign reports whether a resource has fields that somebody else set.
func (f *finding) foreign() bool {
	return slices.ContainsFunc(active(f.resources), func(r foundResource) bool { return len(r.taken)+len(r.takenTrust) > 0 })
}

// sources are the files that are part of the configuration.
func (f *finding) sources() []foundFile {
	var out []foundFile
	for _, file := range f.files {
		if file.leftOut == "" {
			out = append(out, file)
		}
	}
	return out
}

// otherNamespace is the resource's namespace, unless it is the configuration's.
func (f *finding) otherNamespace(r foundResource) string {
	if r.Namespace == f.namespace {
		return ""
	}
	return r.Namespace
}

func (r foundResource) reason() string { return r.String() + ": " + r.leftOut }

// notes are what a person should know beside the file.
func (f *finding) notes() []string {
	var out []string
	for _, err := range f.broken {
		out = append(out, fmt.Sprintf("not read, so nothing in it is part of the configuration: %v", err))
	}
	if f.guessed {
		out = append(out, "no manifest names a namespace: "+f.namespace+" is a guess; init --namespace takes the right one")
	}
	for _, r := range f.resources {
		if r.leftOut != "" {
			out = append(out, "left out: "+r.reason())
		}
	}
	for _, file := range f.files {
		if file.leftOut != "" {
			out = append(out, "left out: "+file.path+": "+file.leftOut)
		}
	}
	return out
}
