package deploy

import (
	"fmt"
	"path"
	"reflect"

	"github.com/flowcert/flowcert/yamledit"
)

const mergeByNameKey = "kubernetes.operator.pod-template.merge-arrays-by-name"

// home is where an entry of ours stands: in the shared pod template, or in that
// of every role.
type home []yamledit.Path

var (
	sharedHome = home{keys("spec", "podTemplate")}
	roleHome   = home{keys("spec", "jobManager", "podTemplate"), keys("spec", "taskManager", "podTemplate")}
)

// Places within a pod template.
var (
	templateVolumes   = keys("spec", "volumes")
	templateContainer = under(keys("spec", "containers"), yamledit.Item("name", flinkContainer))
	templateMounts    = under(templateContainer, yamledit.Key("volumeMounts"))
)

// podTemplate mounts the truststore in the main container of both roles.
//
// The Flink operator merges spec.podTemplate with each role's own: maps deeply,
// lists by position, or by name where mergeByNameKey says so (Apache Flink
// Kubernetes operator documentation, "Pod Template"). An entry appended to
// the shared list can therefore fall onto one of a role's longer list. So the
// merge is simulated for both roles; the shared template is tried first, then
// the roles' own. What is there already stays where it is.
func (f flinkEditor) podTemplate(t TrustStore) {
	for _, where := range f.homes() {
		try := editor{resource: f.resource, record: f.record, adopt: f.adopt}
		for _, root := range where.mounts {
			try.mount(under(root, templateMounts...), flinkCertsDir)
		}
		for _, root := range where.volumes {
			try.volume(under(root, templateVolumes...), t)
		}
		after := try.edited()
		if len(try.conflicts) > 0 {
			f.conflicts = append(f.conflicts, try.conflicts...)
			return
		}
		if f.mergesCleanly(after, t) {
			f.edits = append(f.edits, try.edits...)
			f.claims = append(f.claims, try.claims...)
			return
		}
	}
	f.conflict(keys("spec", "podTemplate"),
		"cannot take the truststore's volume and mount: merged with a role's own template they would fall onto other entries, or others onto them",
		"set "+mergeByNameKey+": 'true' in spec.flinkConfiguration, or keep the lists of volumes, containers and mounts in spec.podTemplate")
}

// mergeModes are the ways in which the operator may merge lists: by name and by
// position. Where the resource does not say, the operator's own configuration
// decides, by position if it does not either: the edits have to suit both.
func (f flinkEditor) mergeModes() []bool {
	if v, _ := f.conf.get(mergeByNameKey); v != "" {
		return []bool{f.mergeByName()}
	}
	return []bool{true, false}
}

func (f flinkEditor) mergeByName() bool { return f.conf.isTrue(mergeByNameKey) }

// placing is one way to distribute the two entries.
type placing struct{ mounts, volumes home }

// homes lists the ways to try. An entry that is there stays in its home.
func (f flinkEditor) homes() []placing {
	mounts := f.homesOf(func(t map[string]any) bool {
		for _, m := range mappings(t, templateMounts) {
			if at := text(m["mountPath"]); at != "" && path.Clean(at) == flinkCertsDir {
				return true
			}
		}
		return false
	})
	volumes := f.homesOf(func(t map[string]any) bool {
		_, ok := yamledit.Get(t, under(templateVolumes, yamledit.Item("name", trustVolume)))
		return ok
	})
	var alike, mixed []placing
	for i, m := range mounts {
		for j, v := range volumes {
			if i == j {
				alike = append(alike, placing{m, v})
			} else {
				mixed = append(mixed, placing{m, v})
			}
		}
	}
	return append(alike, mixed...)
}

func (f flinkEditor) homesOf(has func(template map[string]any) bool) []home {
	for _, h := range []home{roleHome, sharedHome} {
		for _, root := range h {
			if has(template(f.resource.Object, root)) {
				return []home{h}
			}
		}
	}
	return []home{sharedHome, roleHome}
}

// mergesCleanly simulates the operator, in each of mergeModes, on the resource
// after the edits: for both roles the merged template must hold ours, and be, less
// ours, what the templates without ours merge to.
func (f flinkEditor) mergesCleanly(after map[string]any, t TrustStore) bool {
	spec := map[string]any{"podTemplate": withoutOurs(template(f.resource.Object, sharedHome[0]))}
	for i, role := range flinkRoles {
		spec[role] = map[string]any{"podTemplate": withoutOurs(template(f.resource.Object, roleHome[i]))}
	}
	without := map[string]any{"spec": spec}
	for _, byName := range f.mergeModes() {
		for _, role := range flinkRoles {
			is := merged(after, role, byName)
			if !wired(is, t) || !reflect.DeepEqual(compact(merged(without, role, byName)), compact(withoutOurs(is))) {
				return false
			}
		}
	}
	return true
}

// wired reports whether a merged template has the volume, and the mount in the
// main container, each once and as flowcert means them.
func wired(template map[string]any, t TrustStore) bool {
	volume, ok := yamledit.Get(template, under(templateVolumes, yamledit.Item("name", trustVolume), yamledit.Key("secret")))
	if !ok || !reflect.DeepEqual(pick(volume, "secretName", "items"), map[string]any{"secretName": t.Secret, "items": trustItems(t)}) {
		return false
	}
	found := 0
	for _, m := range mappings(template, templateMounts) {
		if at := text(m["mountPath"]); at == "" || path.Clean(at) != flinkCertsDir {
			continue
		}
		if text(m["name"]) != trustVolume || text(m["readOnly"]) != "true" || partial(m) {
			return false
		}
		found++
	}
	return found == 1
}

func pick(v any, names ...string) map[string]any {
	m, _ := v.(map[string]any)
	out := map[string]any{}
	for _, n := range names {
		out[n] = m[n]
	}
	return out
}

// withoutOurs copies a template less the truststore's volume, and its mount in
// the main container.
func withoutOurs(template map[string]any) map[string]any {
	out, err := yamledit.ApplyObject(template, nil)
	if template == nil || err != nil {
		return nil
	}
	spec, _ := out["spec"].(map[string]any)
	filter(spec, "volumes", func(v map[string]any) bool { return text(v["name"]) == trustVolume })
	for _, c := range mappings(out, keys("spec", "containers")) {
		if text(c["name"]) == flinkContainer {
			filter(c, "volumeMounts", func(m map[string]any) bool {
				at := text(m["mountPath"])
				return text(m["name"]) == trustVolume && at != "" && path.Clean(at) == flinkCertsDir
			})
		}
	}
	return out
}

// filter drops entries of a list of mappings.
func filter(m map[string]any, key string, drop func(map[string]any) bool) {
	list, ok := m[key].([]any)
	if !ok {
		return
	}
	var out []any
	for _, v := range list {
		if entry, isMap := v.(map[string]any); !isMap || !drop(entry) {
			out = append(out, v)
		}
	}
	m[key] = out
}

// compact drops what says nothing: empty mappings and lists, and a container of
// which only the name is there, which was made to hold the mount and which
// Flink makes itself.
func compact(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, child := range v {
			if c := compact(child); c != nil {
				out[k] = c
			}
		}
		if len(out) == 0 || len(out) == 1 && out["name"] == flinkContainer {
			return nil
		}
		return out
	case []any:
		var out []any
		for _, child := range v {
			if c := compact(child); c != nil {
				out = append(out, c)
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	return v
}

// foreignMounts refuses a mount at dir in the main container of either role,
// where Flink is to mount a Secret: Kubernetes wants every mountPath once.
func (f flinkEditor) foreignMounts(dir string) {
	for i, role := range flinkRoles {
		for _, m := range mappings(merged(f.resource.Object, role, f.mergeByName()), templateMounts) {
			at := text(m["mountPath"])
			if at == "" || path.Clean(at) != dir {
				continue
			}
			entry := under(templateMounts, yamledit.Item("mountPath", at))
			root := sharedHome[0]
			if _, ok := yamledit.Get(template(f.resource.Object, roleHome[i]), entry); ok {
				root = roleHome[i]
			}
			f.conflict(under(root, entry...), fmt.Sprintf("mounts volume %q there, not by flowcert", text(m["name"])),
				"remove or move that mount: flowcert mounts its Secret at "+dir)
		}
	}
}
