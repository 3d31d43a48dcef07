package install

import (
	"encoding/base64"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/flowcert/flowcert/yamledit"
)

// own makes the objects that are in no file: the ConfigMap, Roles for what is read by name elsewhere, and the way to
// the servers.
func (f *fitting) own() ([][]byte, error) {
	var objects []map[string]any
	if f.Config != nil {
		objects = append(objects, f.configMap())
	}
	for _, r := range f.Reads {
		objects = append(objects, f.readRole(r), f.readBinding(r))
	}
	if len(f.Ports) > 0 {
		objects = append(objects, f.serverPolicy())
	}
	var out [][]byte
	for _, obj := range objects {
		doc, err := yamledit.Encode(obj)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", obj["kind"], err)
		}
		out = append(out, doc)
	}
	return out, nil
}

func object(apiVersion, kind, namespace, objectName string) map[string]any {
	return map[string]any{
		"apiVersion": apiVersion, "kind": kind,
		"metadata": map[string]any{
			"name": objectName, "namespace": namespace, "labels": map[string]any{"app.kubernetes.io/name": name},
		},
	}
}

// configMap holds text as text, and what is no text in base64.
func (f *fitting) configMap() map[string]any {
	obj := object("v1", "ConfigMap", f.Namespace, name)
	for file, content := range f.Config {
		field, value := "data", string(content)
		if !utf8.Valid(content) {
			field, value = "binaryData", base64.StdEncoding.EncodeToString(content)
		}
		if obj[field] == nil {
			obj[field] = map[string]any{}
		}
		obj[field].(map[string]any)[file] = value
	}
	return obj
}

// The group of RBAC, and the Roles for what is only read.
const (
	rbacGroup = "rbac.authorization.k8s.io"
	readsName = "flowcert-reads"
)

func (f *fitting) readRole(r Read) map[string]any {
	obj := object(rbacGroup+"/v1", "Role", r.Namespace, f.readsName())
	var rules []any
	add := func(resource string, names []string, verbs ...string) {
		if len(names) > 0 {
			rules = append(rules, map[string]any{
				"apiGroups": []string{""}, "resources": []string{resource}, "resourceNames": names, "verbs": verbs,
			})
		}
	}
	add("secrets", r.Secrets, "get", "watch")
	add("configmaps", r.ConfigMaps, "get")
	obj["rules"] = rules
	return obj
}

func (f *fitting) readBinding(r Read) map[string]any {
	obj := object(rbacGroup+"/v1", "RoleBinding", r.Namespace, f.readsName())
	obj["roleRef"] = map[string]any{"apiGroup": rbacGroup, "kind": "Role", "name": f.readsName()}
	obj["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "name": name, "namespace": f.Namespace}}
	return obj
}

// readsName tells the Role from that of a flowcert in another namespace which reads there too.
func (f *fitting) readsName() string { return readsName + "-" + f.Namespace }

// serverPolicy lets flowcert's pods connect to the servers' ports. Network policies add up.
func (f *fitting) serverPolicy() map[string]any {
	obj := object("networking.k8s.io/v1", "NetworkPolicy", f.Namespace, name+"-servers")
	sorted := slices.Compact(slices.Sorted(slices.Values(f.Ports)))
	var ports []any
	for _, n := range sorted {
		ports = append(ports, map[string]any{"protocol": "TCP", "port": n})
	}
	obj["spec"] = map[string]any{
		"podSelector": map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/name": name}},
		"policyTypes": []string{"Egress"},
		"egress":      []any{map[string]any{"ports": ports}},
	}
	return obj
}
