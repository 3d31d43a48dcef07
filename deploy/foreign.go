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
	var out []ForeignStore
	for _, j := range jvms(r) {
		if s, ok := f.jvmTrust(j); ok {
			out = append(out, s)
		}
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

// jvmTrust is the truststore of a JVM: the one that its options name; without
// one, the volume that the documentation mounts.
func (f *foreign) jvmTrust(j jvm) (ForeignStore, bool) {
	file := j.trustStore()
	if file.Path == "" {
		return f.documentedTrust(j)
	}
	o := file.Origin
	unfilled := o.Missing != "" && slices.Contains([]string{backendCertsDir, flinkCertsDir}, path.Dir(path.Clean(file.Path)))
	switch {
	case unfilled, o.Ours, Placeholder(o.Secret):
		return ForeignStore{}, false // nothing is mounted there, or it is flowcert's
	case o.Secret == "" || o.Missing != "":
		f.problem(file.at, fmt.Sprintf("names the truststore %s, which is not a file of a Secret mounted here", file.Path),
			"what it trusts cannot be read: export its certificates (keytool -list -rfc), name them as a source of the truststore, and remove the option")
		return ForeignStore{}, false
	}
	s := foreignStore(o, file.Path, j.storeDir)
	s.Password, s.Path = Password{Value: file.Password, Secret: file.PasswordFrom.Secret, Key: file.PasswordFrom.Key}, file.at
	return s, true
}

// foreignStore is a store by its file. In place of the truststore's volume, and of
// what is mounted where Flink's stores are, flowcert mounts its own.
func foreignStore(o Origin, file, storeDir string) ForeignStore {
	return ForeignStore{
		Secret: o.Secret, Key: o.Key, File: path.Base(path.Clean(file)), Seen: o.seen,
		Replaced: o.mountedAs == trustVolume || o.mountedAs == storeDir,
	}
}

// documentedTrust is what the volume shows that the documentation mounts, of which
// no option names a file.
func (f *foreign) documentedTrust(j jvm) (ForeignStore, bool) {
	for _, m := range j.pod.mounts {
		if text(m["name"]) != trustVolume {
			continue
		}
		o := j.pod.mounted(m, "")
		if o.Secret == "" || o.Ours || Placeholder(o.Secret) {
			continue
		}
		s := ForeignStore{Secret: o.Secret, Seen: o.seen, Replaced: true, Path: j.volume(f.resource, trustVolume)}
		if o.Missing == "" {
			s.Key, s.File = o.Key, o.Key
		} else if len(o.seen) == 1 {
			s.Key, s.File = o.seen[0], o.shown[0]
		}
		return s, true
	}
	return ForeignStore{}, false
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
	pods := flinkPods(r, c)
	var out []ForeignFlinkStores
	for _, channel := range t.channels() {
		s, ok := f.channel(e, channel, pods)
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
func (f *foreign) channel(e flinkEditor, channel string, pods map[string]container) (ForeignFlinkStores, bool) {
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
		o := originIn(pods, file)
		password, _ := setting(name+"-password", unsetText)
		switch mounted := o.Secret != "" && o.Missing == "" && !Placeholder(o.Secret); {
		case mounted && o.Ours:
			return ForeignStore{}, false
		case !mounted && password == "":
			return ForeignStore{}, false // a path alone, as in a sample: there is nothing to lose
		case !mounted:
			f.problem(at, fmt.Sprintf("names %s, which is not a file of a Secret mounted here", file),
				"what Flink serves and trusts now cannot be read: mount it from a Secret, or remove the key to give it up")
			return ForeignStore{}, false
		}
		s := foreignStore(o, file, e.storeDir())
		s.Password, s.Path = Password{Value: password}, at
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

// originIn finds a file in the pods of either role.
func originIn(pods map[string]container, file string) (o Origin) {
	for _, role := range flinkRoles {
		if o = pods[role].origin(file); o.Secret != "" && o.Missing == "" {
			break
		}
	}
	return o
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
