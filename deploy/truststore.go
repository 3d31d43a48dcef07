package deploy

import (
	"fmt"
	"path"

	"github.com/flowcert/flowcert/yamledit"
)

// trustVolume is the documentation's name of the volume.
const trustVolume = "truststore"

// mount makes the truststore's volume appear at dir, read-only. Mounts are told
// apart by mountPath, as Kubernetes does: one volume may be mounted twice.
func (e *editor) mount(mounts yamledit.Path, dir string) {
	for _, m := range e.list(mounts) {
		at := text(m["mountPath"])
		if at == "" || path.Clean(at) != dir {
			continue
		}
		entry := under(mounts, yamledit.Item("mountPath", at))
		hint := fmt.Sprintf("remove that mount, or move it: flowcert mounts volume %s at %s", trustVolume, dir)
		switch name := text(m["name"]); {
		case name != trustVolume:
			e.conflict(entry, fmt.Sprintf("mounts volume %q there, not by flowcert", name), hint)
		case partial(m):
			e.conflict(entry, "mounts a part of the volume only (subPath)", hint)
		default:
			e.set(under(entry, yamledit.Key("readOnly")), true, hint)
		}
		return
	}
	e.edit(under(mounts, yamledit.Item("mountPath", dir)), map[string]any{"name": trustVolume, "mountPath": dir, "readOnly": true})
}

// partial reports whether a mount shows one path of its volume only.
func partial(mount map[string]any) bool {
	return text(mount["subPath"]) != "" || text(mount["subPathExpr"]) != ""
}

// volume makes the truststore's volume be the one file of the Secret.
func (e *editor) volume(volumes yamledit.Path, t TrustStore) {
	entry := under(volumes, yamledit.Item("name", trustVolume))
	current, ok := yamledit.Get(e.resource.Object, entry)
	if !ok {
		e.edit(entry, map[string]any{
			"name":   trustVolume,
			"secret": map[string]any{"secretName": t.Secret, "items": trustItems(t)},
		})
		return
	}
	const hint = "remove that volume and its mounts to hand the truststore to flowcert, or rename it: flowcert needs the name " + trustVolume
	v, _ := current.(map[string]any)
	for _, kind := range sortedKeys(v) {
		if kind != "name" && kind != "secret" {
			e.conflict(entry, fmt.Sprintf("is a volume of another kind (%s), not made by flowcert", kind), hint)
			return
		}
	}
	e.set(under(entry, yamledit.Key("secret"), yamledit.Key("secretName")), t.Secret, hint)
	e.set(under(entry, yamledit.Key("secret"), yamledit.Key("items")), trustItems(t), hint)
}

func trustItems(t TrustStore) []any {
	return []any{map[string]any{"key": t.File, "path": t.File}}
}
