package install

import (
	"fmt"
	"path"
	"slices"

	"github.com/flowcert/flowcert/yamledit"
)

// name is that of the ServiceAccount, the container and the ConfigMap.
const name = "flowcert"

// fitting sets in the manifests what the options say.
type fitting struct {
	Options
	served []string
}

// fit reads a manifest and returns it once, or once for every served namespace.
func (f *fitting) fit(file string) ([][]byte, error) {
	source, err := bases.ReadFile(file)
	if err != nil {
		return nil, err
	}
	namespaces := []string{f.Namespace}
	switch path.Base(path.Dir(file)) {
	case perNamespace:
		namespaces = f.served
	case perOperator:
		namespaces = []string{f.WebhookNamespace}
	}
	var out [][]byte
	for _, ns := range namespaces {
		obj, err := yamledit.Decode(source)
		if err != nil {
			return nil, err
		}
		doc, _, err := yamledit.Apply(source, f.edits(obj, ns))
		if err != nil {
			return nil, err
		}
		out = append(out, doc)
	}
	return out, nil
}

// edits are what an object needs in a namespace.
func (f *fitting) edits(obj map[string]any, namespace string) []yamledit.Edit {
	switch obj["kind"] {
	case "ClusterRole":
		return append(f.webhookNames(obj), f.rename(obj, "metadata"))
	case "ClusterRoleBinding":
		return []yamledit.Edit{f.rename(obj, "metadata"), f.rename(obj, "roleRef"), f.subject()}
	case "RoleBinding":
		return []yamledit.Edit{inNamespace(namespace), f.subject()}
	case "Deployment", "Job":
		edits := []yamledit.Edit{inNamespace(namespace)}
		if f.Image != "" {
			edits = append(edits, yamledit.Edit{Path: image, Value: f.Image})
		}
		return edits
	}
	return []yamledit.Edit{inNamespace(namespace)}
}

// subject names the ServiceAccount's namespace: it is bound to Roles elsewhere too.
func (f *fitting) subject() yamledit.Edit {
	return yamledit.Edit{Path: yamledit.Path{yamledit.Key("subjects"), yamledit.Item("name", name), yamledit.Key("namespace")}, Value: f.Namespace}
}

// rename ends the name that is in a section with the namespace: it counts in the whole cluster, where there may be another
// flowcert.
func (f *fitting) rename(obj map[string]any, section string) yamledit.Edit {
	was, _ := yamledit.Get(obj, at(section, "name"))
	return yamledit.Edit{Path: at(section, "name"), Value: fmt.Sprintf("%v-%s", was, f.Namespace)}
}

// webhookNames names the configurations of the one operator. They are what Flink's Helm chart calls them.
func (f *fitting) webhookNames(obj map[string]any) []yamledit.Edit {
	rules, _ := obj["rules"].([]any)
	changed := false
	for _, r := range rules {
		rule, _ := r.(map[string]any)
		groups, _ := rule["apiGroups"].([]any)
		if slices.Contains(groups, any("admissionregistration.k8s.io")) {
			rule["resourceNames"] = []any{"flink-operator-" + f.WebhookNamespace + "-webhook-configuration"}
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return []yamledit.Edit{{Path: at("rules"), Value: rules}}
}

// at is a path of keys.
func at(keys ...string) yamledit.Path {
	var p yamledit.Path
	for _, k := range keys {
		p = append(p, yamledit.Key(k))
	}
	return p
}

// image is where the image of a Deployment or a Job stands.
var image = append(at("spec", "template", "spec", "containers"), yamledit.Item("name", name), yamledit.Key("image"))

// inNamespace puts an object into a namespace.
func inNamespace(namespace string) yamledit.Edit {
	return yamledit.Edit{Path: at("metadata", "namespace"), Value: namespace}
}
