package deploy

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// kubernetesSecrets is the list of Secrets that Flink mounts into the main
// container of every pod: `secret:path,secret:path` (Flink documentation,
// "Configuration", Kubernetes).
const kubernetesSecrets = "kubernetes.secrets"

// pair is one entry of it.
type pair struct{ secret, dir string }

func parsePair(s string) pair {
	name, dir, _ := strings.Cut(strings.TrimSpace(s), ":")
	p := pair{secret: strings.TrimSpace(name), dir: strings.TrimSpace(dir)}
	if p.dir != "" {
		p.dir = path.Clean(p.dir)
	}
	return p
}

func (p pair) word() string { return p.secret + ":" + p.dir }

// mountSecret keeps the list of pairs and puts ours in it.
func (f flinkEditor) mountSecret(secret, dir string) {
	p, ok := f.at(kubernetesSecrets)
	if !ok {
		return
	}
	if apart := f.conf.below(kubernetesSecrets); len(apart) > 0 {
		f.conflict(p, fmt.Sprintf("is written as keys of its own (%s), which Flink leaves out as soon as the list is set", apart[0]),
			"write it as one list: kubernetes.secrets: 'secret:path,secret:path'")
		return
	}
	v, set := f.conf.value(kubernetesSecrets)
	current, isText := f.conf.get(kubernetesSecrets)
	switch {
	case unsetText(v, set):
		f.edit(p, secret+":"+dir)
	case !isText:
		f.conflict(p, "is not a string", "write it as one string: 'secret:path,secret:path'")
	default:
		f.mountAmong(wish{path: p, want: current, hint: "remove that entry to hand Flink's TLS to flowcert"}, pair{secret, dir})
	}
}

// mountAmong puts ours among the pairs that are there (w.want): in the place of
// its earlier version, of one that nobody has filled in, or behind the last.
func (f flinkEditor) mountAmong(w wish, ours pair) {
	list := w.want.(string)
	texts := strings.Split(list, ",")
	place := -1
	for i, s := range texts {
		was := parsePair(s)
		mine := f.record.wroteWord(w.path, was.word())
		switch {
		case was == ours:
			return
		case mine, Placeholder(was.secret) && (was.dir == ours.dir || Placeholder(was.dir)):
			place = i
		case was.dir == ours.dir:
			f.somebodyElses(w.path, fmt.Sprintf("mounts secret %q at %s, not by flowcert", was.secret, was.dir), w.hint, true)
			return
		case was.secret == ours.secret:
			f.conflict(w.path, fmt.Sprintf("mounts secret %q at %s, not by flowcert", was.secret, was.dir), w.hint)
			return
		case was == pair{} && place < 0:
			place = i // a comma too many
		}
	}
	if place < 0 {
		f.edit(w.path, list+","+ours.word())
		return
	}
	body := strings.TrimSpace(texts[place])
	if body == "" {
		texts[place] += ours.word()
	} else {
		texts[place] = strings.Replace(texts[place], body, ours.word(), 1)
	}
	f.edit(w.path, strings.Join(texts, ","))
}

// claimStores takes over, where that is wanted, the mount at dir of the Secret
// that holds the stores in use.
func (f flinkEditor) claimStores(t FlinkTLS, dir string) {
	p, ok := f.at(kubernetesSecrets)
	if !ok || !f.adopt {
		return
	}
	stores, _ := ForeignFlinkTLS(f.resource, t)
	list, _ := f.conf.get(kubernetesSecrets)
	for _, s := range strings.Split(list, ",") {
		was := parsePair(s)
		if was.dir == dir && slices.ContainsFunc(stores, func(s ForeignFlinkStores) bool {
			return s.KeyStore.Secret == was.secret || s.Trust.Secret == was.secret
		}) {
			f.claimWords(p, []string{was.word()})
		}
	}
}

// foreignPair refuses a pair that is mounted where the truststore goes.
func (f flinkEditor) foreignPair(dir string) {
	list, _ := f.conf.get(kubernetesSecrets)
	for _, s := range strings.Split(list, ",") {
		if other := parsePair(s); other.dir == dir {
			p, _ := f.at(kubernetesSecrets)
			f.conflict(p, fmt.Sprintf("mounts secret %q at %s, not by flowcert", other.secret, dir),
				"move that mount: flowcert mounts the truststore at "+dir)
		}
	}
}
