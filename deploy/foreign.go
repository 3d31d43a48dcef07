package deploy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// Password is what a resource says of a store's password: the text itself, or
// the Secret and key that hold it. The zero value: it says nothing.
type Password struct {
	Value       string
	Secret, Key string
}

// ForeignStore is a store in a Secret that a resource refers to and that flowcert
// did not make.
type ForeignStore struct {
	Secret string
	Key    string // data key; empty: the resource does not name it
	File   string // name of the file as pods see it; empty: the resource does not name it
	// Seen are the data keys that pods see as files; nil: all of them.
	Seen []string
	// Replaced: flowcert's Secret is mounted in its place, so what else is in it is
	// seen no more.
	Replaced bool
	Password Password
	Path     yamledit.Path // of the field that names the store, for messages
}

// ForeignFlinkStores are the key store and the truststore of a channel of Flink's.
type ForeignFlinkStores struct {
	KeyStore, Trust ForeignStore
	KeyPassword     Password
}

// foreign finds what others set. It uses the editor for its record alone.
type foreign struct {
	*editor
	problems []Conflict
}

func newForeign(r Resource) *foreign { return &foreign{editor: newEditor(r)} }

func (f *foreign) problem(p yamledit.Path, what, hint string) {
	f.problems = append(f.problems, Conflict{Resource: f.resource, Path: p, Problem: what, Hint: hint})
}

// name is the name at p, if somebody else set it.
func (f *foreign) name(p yamledit.Path) string {
	s := reference(f.resource, p)
	if f.record.wrote(p, s) {
		return ""
	}
	return s
}

// ForeignTLS are the Secrets of an EventProcessing's certificate, of the CA that
// cert-manager signs with, and of the UI's certificate; each empty if flowcert set
// it.
func ForeignTLS(r Resource) (certificate, ca, ui string) {
	f := newForeign(r)
	return f.name(tlsField(modeCertificate.field)), f.name(tlsField(modeCA.field)), f.name(tlsField("ui", "secretName"))
}

// ForeignFlinkTrust is the truststore in spec.flink.tls of an EventProcessing, if
// flowcert did not set it: truststore.jks of the Secret, opened with the key that
// secretKeyRef names.
func ForeignFlinkTrust(r Resource) (ForeignStore, bool) {
	f := newForeign(r)
	tls := keys("spec", "flink", "tls")
	at := under(tls, yamledit.Key("secretName"))
	s := ForeignStore{Secret: f.name(at), Key: "truststore.jks", Path: at}
	ref := under(tls, yamledit.Key("secretKeyRef"))
	s.Password.Secret, s.Password.Key = reference(r, under(ref, yamledit.Key("name"))), reference(r, under(ref, yamledit.Key("key")))
	return s, s.Secret != ""
}

// ForeignTrustStores are the truststores that the resource's JVMs are pointed at
// and that flowcert did not mount, each once. What is no file of a Secret is a
// conflict: what it trusts cannot be told.
func ForeignTrustStores(r Resource) ([]ForeignStore, []Conflict) {
	f := newForeign(r)
	if r.Kind == EventProcessingKind {
		stores := f.eventProcessingTrust()
		return stores, f.problems
	}
	c, err := readConf(r)
	if err != nil {
		return nil, nil // a conflict of the wiring's
	}
	var out []ForeignStore
	for _, role := range flinkRoles {
		out = append(out, f.flinkTrust(flinkEditor{editor: f.editor, conf: c}, role)...)
	}
	return compactStores(out), f.problems
}

func compactStores(stores []ForeignStore) []ForeignStore {
	var out []ForeignStore
	for _, s := range stores {
		if !slices.ContainsFunc(out, func(o ForeignStore) bool {
			return o.Secret == s.Secret && o.Key == s.Key && o.Password == s.Password
		}) {
			out = append(out, s)
		}
	}
	return out
}

func (f *foreign) eventProcessingTrust() []ForeignStore {
	pod := keys("spec", "authoring", "template", "pod")
	env := under(pod, keys("spec")[0], yamledit.Key("containers"), yamledit.Item("name", backendContainer), yamledit.Key("env"))
	at := under(env, yamledit.Item("name", javaToolOptions), yamledit.Key("value"))
	options, _ := getString(f.resource.Object, at)
	t, _ := yamledit.Get(f.resource.Object, pod)
	template, _ := t.(map[string]any)
	return f.jvmTrust(trustSetting{options: []string{options}, at: at, env: mappings(f.resource.Object, env)},
		f.mountsOf(template, backendContainer, []yamledit.Path{pod}))
}

func (f *foreign) flinkTrust(e flinkEditor, role string) []ForeignStore {
	s := trustSetting{at: flinkConfiguration}
	for _, name := range []string{"env.java.opts.all", "env.java.opts", "env.java.opts." + strings.ToLower(role)} {
		if v, ok := e.conf.get(name); ok {
			s.options = append(s.options, v)
			if file, _ := trustOptions(v); file != "" {
				s.at = e.conf.find(name)[0]
			}
		}
	}
	mounts := f.mountsOf(merged(f.resource.Object, role, e.mergeByName()), flinkContainer, slices.Concat(sharedHome, roleHome))
	return f.jvmTrust(s, append(mounts, e.pairMounts()...))
}

// trustSetting is where a JVM is told its truststore.
type trustSetting struct {
	options []string // option strings, the last wins
	at      yamledit.Path
	env     []map[string]any // variables that $(NAME) stands for
}

// jvmTrust is the truststore of a JVM: the one that its options name; without
// one, the volume that the documentation mounts.
func (f *foreign) jvmTrust(s trustSetting, mounts []mount) []ForeignStore {
	file, password := trustOptions(s.options...)
	if file == "" {
		for _, m := range mounts {
			if m.volume == trustVolume && m.store.Secret != "" && m.foreign {
				return []ForeignStore{m.file("")}
			}
		}
		return nil
	}
	m, ok := mountOf(mounts, file)
	switch {
	case ok && !m.foreign, ok && m.open, !ok && slices.Contains([]string{backendCertsDir, flinkCertsDir}, path.Dir(path.Clean(file))):
		return nil // flowcert's, or not filled in: nothing is mounted there
	case !ok || m.store.Secret == "":
		f.problem(s.at, fmt.Sprintf("names the truststore %s, which is not a file of a Secret mounted here", file),
			"what it trusts cannot be read: export its certificates (keytool -list -rfc), name them as a source of the truststore, and remove the option")
		return nil
	}
	store := m.file(file)
	store.Password, store.Path = expand(password, s.env), s.at
	return []ForeignStore{store}
}

// trustOptions finds truststore and password among JVM options. A JVM takes the
// last of several.
func trustOptions(lists ...string) (file, password string) {
	for _, list := range lists {
		options, err := splitOptions(list)
		if err != nil {
			continue
		}
		for _, o := range options {
			switch {
			case o.name == trustStoreOption && !Placeholder(o.value):
				file = o.value
			case o.name == trustStorePasswordOption && !blank(o.value):
				password = o.value
			}
		}
	}
	return file, password
}

// expand follows $(NAME), which Kubernetes replaces by another variable of the
// container.
func expand(s string, env []map[string]any) Password {
	name := strings.TrimSuffix(strings.TrimPrefix(s, "$("), ")")
	if s != "$("+name+")" {
		return Password{Value: s}
	}
	for _, v := range env {
		if text(v["name"]) != name {
			continue
		}
		if value := text(v["value"]); value != "" {
			return Password{Value: value}
		}
		from, _ := yamledit.Get(v, keys("valueFrom", "secretKeyRef"))
		ref, _ := from.(map[string]any)
		return Password{Secret: text(ref["name"]), Key: text(ref["key"])}
	}
	return Password{Value: s}
}

// ForeignFlinkTLS are the stores of the channels that flowcert did not make. A
// store that is no file of a Secret is a conflict.
func ForeignFlinkTLS(r Resource, t FlinkTLS) ([]ForeignFlinkStores, []Conflict) {
	f := newForeign(r)
	c, err := readConf(r)
	if err != nil {
		return nil, nil
	}
	e := flinkEditor{editor: f.editor, conf: c}
	mounts := e.pairMounts()
	for _, role := range flinkRoles {
		mounts = append(mounts, f.mountsOf(merged(r.Object, role, e.mergeByName()), flinkContainer, nil)...)
	}
	var out []ForeignFlinkStores
	for _, channel := range t.channels() {
		s, ok := f.channel(e, channel, mounts)
		if ok && !slices.ContainsFunc(out, func(o ForeignFlinkStores) bool {
			return o.KeyPassword == s.KeyPassword && sameStore(o.KeyStore, s.KeyStore) && sameStore(o.Trust, s.Trust)
		}) {
			out = append(out, s)
		}
	}
	return out, f.problems
}

func sameStore(a, b ForeignStore) bool {
	return a.Secret == b.Secret && a.Key == b.Key && a.Password == b.Password
}

// channel are the stores of one channel; its own keys go before the shared ones.
func (f *foreign) channel(e flinkEditor, channel string, mounts []mount) (ForeignFlinkStores, bool) {
	setting := func(name string, free func(any, bool) bool) (string, yamledit.Path) {
		for _, key := range []string{"security.ssl." + channel + "." + name, "security.ssl." + name} {
			if v, ok := e.conf.value(key); ok && !free(v, ok) {
				return text(v), e.conf.find(key)[0]
			}
		}
		return "", nil
	}
	store := func(name string) (ForeignStore, bool) {
		file, at := setting(name, unset)
		if file == "" {
			return ForeignStore{}, false
		}
		m, ok := mountOf(mounts, file)
		password, _ := setting(name+"-password", unsetText)
		switch {
		case ok && !m.foreign:
			return ForeignStore{}, false
		case (!ok || m.store.Secret == "") && password == "":
			return ForeignStore{}, false // a path alone, as in a sample: there is nothing to lose
		case !ok || m.store.Secret == "":
			f.problem(at, fmt.Sprintf("names %s, which is not a file of a Secret mounted here", file),
				"what Flink serves and trusts now cannot be read: mount it from a Secret, or remove the key to give it up")
			return ForeignStore{}, false
		}
		s := m.file(file)
		s.Path = at
		s.Password.Value = password
		return s, true
	}
	var out ForeignFlinkStores
	var okKey, okTrust bool
	out.KeyStore, okKey = store("keystore")
	out.Trust, okTrust = store("truststore")
	out.KeyPassword.Value, _ = setting("key-password", unsetText)
	if out.KeyPassword.Value == "" {
		out.KeyPassword = out.KeyStore.Password
	}
	return out, okKey && okTrust
}

// mount is a directory, or a file, of a container, and the Secret behind it.
type mount struct {
	at      string
	volume  string
	sub     string // subPath: at is this file of the volume
	items   map[string]string
	store   ForeignStore // Secret, Seen and Replaced
	foreign bool
	open    bool // the Secret's name is not filled in
}

// file is the store at a path below the mount; empty: the only one.
func (m mount) file(at string) ForeignStore {
	s := m.store
	name := strings.TrimPrefix(strings.TrimPrefix(path.Clean(at), m.at), "/")
	switch {
	case m.sub != "":
		name = m.sub
	case at == "" && len(m.items) == 1:
		for name = range m.items {
		}
	case at == "":
		return s
	}
	s.Key, s.File = name, name
	if m.items != nil {
		s.Key = m.items[name]
	}
	return s
}

// mountOf is the mount that holds a file: the deepest.
func mountOf(mounts []mount, file string) (best mount, ok bool) {
	file = path.Clean(file)
	for _, m := range mounts {
		holds := file == m.at && m.sub != "" || path.Dir(file) == m.at && m.sub == "" && (m.items == nil || m.items[path.Base(file)] != "")
		if holds && (!ok || len(m.at) > len(best.at)) {
			best, ok = m, true
		}
	}
	return best, ok
}

// mountsOf lists what a container of a pod template mounts. Homes are where the
// template may stand in the resource.
func (f *foreign) mountsOf(template map[string]any, container string, homes []yamledit.Path) []mount {
	volumes := map[string]map[string]any{}
	for _, v := range mappings(template, templateVolumes) {
		volumes[text(v["name"])] = v
	}
	var out []mount
	for _, m := range mappings(template, under(keys("spec", "containers"), yamledit.Item("name", container), yamledit.Key("volumeMounts"))) {
		name := text(m["name"])
		v := mount{at: path.Clean(text(m["mountPath"])), volume: name, sub: text(m["subPath"]), foreign: !f.ourVolume(name, homes)}
		secret, _ := volumes[name]["secret"].(map[string]any)
		v.store = ForeignStore{Secret: text(secret["secretName"]), Replaced: name == trustVolume}
		if Placeholder(v.store.Secret) {
			v.store.Secret, v.open = "", true
		}
		for _, item := range mappings(secret, keys("items")) {
			if v.items == nil {
				v.items = map[string]string{}
			}
			v.items[text(item["path"])] = text(item["key"])
			v.store.Seen = append(v.store.Seen, text(item["key"]))
		}
		for _, home := range homes {
			at := under(home, append(slices.Clone(templateVolumes), yamledit.Item("name", name))...)
			if _, ok := yamledit.Get(f.resource.Object, at); ok {
				v.store.Path = at
			}
		}
		out = append(out, v)
	}
	return out
}

// ourVolume reports whether flowcert set the Secret of the volume.
func (f *foreign) ourVolume(name string, homes []yamledit.Path) bool {
	for _, home := range homes {
		p := under(home, append(slices.Clone(templateVolumes), yamledit.Item("name", name), yamledit.Key("secret"), yamledit.Key("secretName"))...)
		if v, ok := yamledit.Get(f.resource.Object, p); ok && f.record.wrote(p, v) {
			return true
		}
	}
	return false
}

// pairMounts are the mounts that kubernetes.secrets makes.
func (f flinkEditor) pairMounts() []mount {
	list, _ := f.conf.get(kubernetesSecrets)
	var out []mount
	for _, s := range strings.Split(list, ",") {
		p := parsePair(s)
		if p.secret == "" || p.dir == "" || Placeholder(p.secret) || Placeholder(p.dir) {
			continue
		}
		ours := slices.ContainsFunc(f.conf.find(kubernetesSecrets), func(at yamledit.Path) bool { return f.record.wroteWord(at, p.word()) })
		out = append(out, mount{at: p.dir, foreign: !ours, store: ForeignStore{Secret: p.secret, Replaced: p.dir == f.storeDir()}})
	}
	return out
}

// Mentions reports whether a word of the resource's specification is the name:
// then something of it may need the Secret.
func Mentions(r Resource, name string) bool {
	found := false
	walkStrings(r.Object["spec"], "spec", func(_, s string) {
		for _, word := range strings.FieldsFunc(s, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.'
		}) {
			found = found || word == name
		}
	}, func(string) bool { return false })
	return found
}
