package deploy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// Origin is where a file of a container comes from.
type Origin struct {
	Secret, Key string // the Secret and its data key; empty: see the others
	// Ours reports that flowcert wrote the reference to the Secret.
	Ours bool
	// Field names the reference.
	Field string
	// Missing says why the file will not be there, in a clause.
	Missing string
	// Unknown says why it cannot be told, in a clause.
	Unknown string

	mountedAs string   // the volume, or the folder of kubernetes.secrets
	seen      []string // data keys that pods see of the Secret; nil: all of them
	shown     []string // their paths in the volume
}

// container is what of one container of a pod decides which files it finds.
type container struct {
	mounts  []map[string]any
	volumes []map[string]any
	pairs   []pair // of kubernetes.secrets
	// wroteVolume and wrotePair tell what flowcert wrote.
	wroteVolume func(volume, secret string) bool
	wrotePair   func(pair) bool
}

// origin finds what is behind a path: of the mounts that cover it the longest,
// as the kernel does.
func (c container) origin(file string) Origin {
	file = path.Clean(file)
	var best string
	var mount map[string]any
	for _, m := range c.mounts {
		at := path.Clean(text(m["mountPath"]))
		if covers(at, file) && len(at) >= len(best) {
			best, mount = at, m
		}
	}
	for _, p := range c.pairs {
		if covers(p.dir, file) && len(p.dir) >= len(best) {
			return Origin{Secret: p.secret, Key: below(p.dir, file), Field: kubernetesSecrets, Ours: c.wrotePair(p), mountedAs: p.dir}
		}
	}
	switch {
	case mount == nil && ourDir(file):
		return Origin{Missing: "nothing is mounted there"}
	case mount == nil:
		return Origin{Unknown: "nothing is mounted there; it would have to be in the image"}
	}
	return c.mounted(mount, below(best, file))
}

// ourDir reports whether a file lies where flowcert mounts stores, and no image
// has files.
func ourDir(file string) bool {
	return slices.Contains([]string{flinkTLSDir, flinkCertsDir, backendCertsDir}, path.Dir(file))
}

// covers reports whether a mount at dir holds the file.
func covers(dir, file string) bool {
	return dir == file || dir == "/" || strings.HasPrefix(file, dir+"/")
}

func below(dir, file string) string {
	return strings.TrimPrefix(strings.TrimPrefix(file, dir), "/")
}

// mounted finds a file of a volume by its path below the mount.
func (c container) mounted(mount map[string]any, rest string) Origin {
	name := text(mount["name"])
	if text(mount["subPathExpr"]) != "" {
		return Origin{Unknown: fmt.Sprintf("volume %s is mounted with subPathExpr", name)}
	}
	rest = path.Join(text(mount["subPath"]), rest)
	for _, v := range c.volumes {
		if text(v["name"]) == name {
			return c.inVolume(v, name, rest)
		}
	}
	return Origin{Missing: fmt.Sprintf("there is no volume %s, which is mounted there: the pod would not start", name)}
}

func (c container) inVolume(volume map[string]any, name, rest string) Origin {
	secret, ok := volume["secret"].(map[string]any)
	if !ok {
		return Origin{Unknown: fmt.Sprintf("volume %s is not a Secret", name)}
	}
	s := Origin{Secret: text(secret["secretName"]), Key: rest, Field: "volume " + name, mountedAs: name}
	s.Ours = c.wroteVolume(name, s.Secret)
	items, ok := secret["items"].([]any)
	if !ok {
		return s
	}
	found := false
	for _, item := range items {
		m, _ := item.(map[string]any)
		if path.Clean(text(m["path"])) == rest {
			s.Key, found = text(m["key"]), true
		}
		s.seen, s.shown = append(s.seen, text(m["key"])), append(s.shown, text(m["path"]))
	}
	if !found {
		s.Missing = fmt.Sprintf("volume %s shows %s there, not %s", name, strings.Join(s.shown, ", "), rest)
	}
	return s
}

// flinkPods are the main containers of the two roles, by the role's section.
func flinkPods(r Resource, c conf) map[string]container {
	record, _ := readLedger(r) // one that does not read recorded nothing
	f := flinkEditor{editor: &editor{resource: r, record: record}, conf: c}
	list, _ := c.get(kubernetesSecrets)
	at, _ := c.where(kubernetesSecrets)
	out := map[string]container{}
	for i, role := range flinkRoles {
		t := merged(r.Object, role, f.mergeByName())
		pod := container{mounts: mappings(t, templateMounts), volumes: mappings(t, templateVolumes)}
		pod.wrotePair = func(p pair) bool { return record.wroteWord(at, p.word()) }
		pod.wroteVolume = func(volume, secret string) bool {
			return wroteVolume(record, secret, volume, sharedHome[0], roleHome[i])
		}
		for _, s := range splitList(list) {
			if p := parsePair(s); p.secret != "" && p.dir != "" { // a comma too many mounts nothing
				pod.pairs = append(pod.pairs, p)
			}
		}
		out[role] = pod
	}
	return out
}

func splitList(list string) []string {
	if strings.TrimSpace(list) == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// backendPod is the container of Event Processing that reads the truststore.
func backendPod(r Resource) container {
	record, _ := readLedger(r)
	template := keys("spec", "authoring", "template", "pod")
	main := under(template, yamledit.Key("spec"), yamledit.Key("containers"), yamledit.Item("name", backendContainer), yamledit.Key("volumeMounts"))
	return container{
		mounts:  mappings(r.Object, main),
		volumes: mappings(r.Object, under(template, templateVolumes...)),
		wroteVolume: func(volume, secret string) bool {
			return wroteVolume(record, secret, volume, template)
		},
	}
}

// wroteVolume reports whether flowcert made a volume show the Secret, in one of
// the templates.
func wroteVolume(record ledger, secret, volume string, templates ...yamledit.Path) bool {
	for _, t := range templates {
		p := under(under(t, templateVolumes...), yamledit.Item("name", volume), yamledit.Key("secret"), yamledit.Key("secretName"))
		if record.wrote(p, secret) {
			return true
		}
	}
	return false
}
