// Package install holds the manifests that put flowcert into a cluster, and fits them to one.
//
// The kustomize bases in its folder are the manifests. [Manifests] takes the same files, and sets in them what
// an overlay of kustomize's would: namespaces, the image, ports. It opens nothing, and asks no cluster.
//
// The Helm chart, the alert rules and the dashboard beside it are for other tools; the program does not
// carry them.
package install

import (
	"cmp"
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// Kind says what is installed. It is the name of a kustomize base.
type Kind string

// The kinds of an installation.
const (
	Daemon Kind = "daemon" // flowcert run, a Deployment
	Job    Kind = "job"    // flowcert apply, once
	Both   Kind = "both"
)

// Kinds lists them.
func Kinds() []Kind { return []Kind{Daemon, Job, Both} }

// Image is the image in which make image packs a version of flowcert. No registry has it: nodes import it.
// The manifests in the repository name that of a version under development.
func Image(version string) string {
	const repository, development = "localhost/flowcert:", "devel"
	if version == "" || version == "(devel)" {
		return repository + development
	}
	return repository + strings.ReplaceAll(version, "+", "_") // a tag has no +
}

// Options say for which cluster the manifests are.
type Options struct {
	Kind Kind // default Daemon
	// Namespace is where flowcert runs: the configuration's own. It is always served too.
	Namespace string
	// Served are the other namespaces that flowcert looks after.
	Served []string
	// Reads are the Secrets and ConfigMaps in any further namespace that the configuration names.
	Reads []Read
	// Image is that of the containers; default the one in the manifests.
	Image string
	// Ports of TCP are those of the servers that the configuration names, beside those that the manifests have.
	Ports []int
	// OpenShift lets flowcert read the domain of the cluster's routes.
	OpenShift bool
	// WebhookNamespace, unless empty, is that of a Flink operator whose webhook configurations flowcert may change, and
	// whose pod it may restart. It is served too.
	WebhookNamespace string
	// Config, unless nil, are the files of the ConfigMap from which flowcert reads its configuration, by name.
	Config map[string][]byte
}

// Read names objects of one namespace that flowcert gets, and does not change.
type Read struct {
	Namespace           string
	Secrets, ConfigMaps []string
}

//go:embed kustomize/daemon kustomize/job kustomize/both kustomize/account kustomize/served kustomize/deployment kustomize/apply
//go:embed kustomize/openshift kustomize/webhook kustomize/operator
var bases embed.FS

// Bases that belong to a namespace of their own.
const (
	perNamespace = "served"   // each that is served
	perOperator  = "operator" // that of the Flink operator
)

// Manifests returns the manifests, each a YAML document with its comments, in an order in which a cluster takes them.
func Manifests(o Options) ([][]byte, error) {
	o.Kind = cmp.Or(o.Kind, Daemon)
	if !slices.Contains(Kinds(), o.Kind) {
		return nil, fmt.Errorf("there is no installation of kind %q", o.Kind)
	}
	f := fitting{Options: o, served: served(o)}
	out, err := f.own()
	if err != nil {
		return nil, err
	}
	for _, base := range f.wanted() {
		files, err := filesOf(base)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			docs, err := f.fit(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			out = append(out, docs...)
		}
	}
	return out, nil
}

// served lists every namespace that has the Role, flowcert's own first. A webhook's Secrets are where the operator is.
func served(o Options) []string {
	others := append(slices.Clone(o.Served), o.WebhookNamespace)
	others = slices.DeleteFunc(others, func(ns string) bool { return ns == "" || ns == o.Namespace })
	slices.Sort(others)
	return append([]string{o.Namespace}, slices.Compact(others)...)
}

// wanted are the bases that the options ask for. What a pod may do comes before the pod.
func (f *fitting) wanted() []string {
	var out []string
	if f.OpenShift {
		out = append(out, "openshift")
	}
	if f.WebhookNamespace != "" {
		out = append(out, "webhook", perOperator)
	}
	return append(out, string(f.Kind))
}

// filesOf lists the manifests of a base as kustomize does: those that its kustomization.yaml names, and those
// of the bases that it names.
func filesOf(base string) ([]string, error) {
	dir := path.Join("kustomize", base)
	source, err := bases.ReadFile(path.Join(dir, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	kustomization, err := yamledit.Decode(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	var out []string
	resources, _ := kustomization["resources"].([]any)
	for _, r := range resources {
		name, _ := r.(string)
		if path.Ext(name) == ".yaml" {
			out = append(out, path.Join(dir, name))
			continue
		}
		below, err := filesOf(path.Join(base, name))
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}
