package deploy

import (
	"path"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// StoreFile is a key store or a truststore that a JVM loads, by what the
// resource itself says: which file, where it comes from, with which password.
type StoreFile struct {
	Field    string // what names the file
	KeyStore bool   // a truststore otherwise
	Path     string // in the container; empty: read from the Secret itself
	Origin   Origin

	// Password is what the JVM is given; HasPassword is false where nothing is.
	Password      string
	HasPassword   bool
	PasswordField string // what holds it
	// PasswordFrom is the Secret and key that hold the password in place of a
	// value.
	PasswordFrom Origin
	// KeyPassword is that of the private key, with the field that holds it.
	KeyPassword, KeyPasswordField string

	at yamledit.Path // of the field that names the file
}

// Extension is the file's, with its dot.
func (f StoreFile) Extension() string { return path.Ext(f.Path) }

// FlinkChannels are the stores of Flink's own endpoints. A channel without TLS
// has none.
type FlinkChannels struct{ Rest, Internal FlinkChannel }

// FlinkChannel is one of Flink's two channels, by spec.flinkConfiguration.
type FlinkChannel struct {
	Name            string
	TLS             bool
	KeyStore, Trust *StoreFile // nil: no file is named
	// Pinned are the SHA-1 fingerprints of cert.fingerprint, in lower case
	// without colons; Flink then trusts these certificates and no others.
	Pinned      []string
	PinnedField string
	// ClientAuth: the server insists on a client certificate.
	ClientAuth bool
}

// FlinkStores returns the stores of a FlinkDeployment's channels. The shared
// keys stand in for those of a channel (SSLUtils of Apache Flink).
func FlinkStores(r Resource) FlinkChannels {
	c, err := readConf(r)
	if err != nil {
		return FlinkChannels{}
	}
	pod := flinkPods(r, c)[flinkRoles[0]]
	channel := func(name string) FlinkChannel {
		prefix := "security.ssl." + name + "."
		ch := FlinkChannel{Name: name, TLS: c.isTrue(prefix + "enabled"), PinnedField: prefix + "cert.fingerprint"}
		ch.ClientAuth = name == "internal" || c.isTrue(prefix+"authentication-enabled")
		ch.KeyStore = c.storeFile(pod, name, "keystore")
		ch.Trust = c.storeFile(pod, name, "truststore")
		pinned, _ := c.get(ch.PinnedField)
		for _, p := range splitList(pinned) {
			ch.Pinned = append(ch.Pinned, strings.ToLower(strings.ReplaceAll(strings.TrimSpace(p), ":", "")))
		}
		return ch
	}
	return FlinkChannels{Rest: channel("rest"), Internal: channel("internal")}
}

// storeFile reads the keys of one store of a channel.
func (c conf) storeFile(pod container, channel, store string) *StoreFile {
	field, file, ok := c.ofChannel(channel, store)
	if !ok {
		return nil
	}
	f := &StoreFile{Field: field, Path: file, KeyStore: store == "keystore", Origin: pod.origin(file)}
	f.PasswordField, f.Password, f.HasPassword = c.ofChannel(channel, store+"-password")
	if f.KeyStore {
		f.KeyPasswordField, f.KeyPassword, _ = c.ofChannel(channel, "key-password")
	}
	return f
}

// ofChannel finds a key of one channel, or the shared one.
func (c conf) ofChannel(channel, k string) (field, value string, ok bool) {
	for _, field := range []string{"security.ssl." + channel + "." + k, "security.ssl." + k} {
		if v, ok := c.get(field); ok {
			return field, v, true
		}
	}
	return "security.ssl." + k, "", false
}

// FlinkCiphers are the settings that decide whether two ends of Flink's channels
// find a cipher suite.
type FlinkCiphers struct {
	Protocol, Suites string // empty: Flink's default
	// Unknown says why the JDK's defaults do not decide, in a clause; empty: they
	// do.
	Unknown string
}

// FlinkCipherSettings reads them. OpenSSL in place of the JDK has other suites,
// and a java.security file of the user's may lift what the JDK has disabled.
func FlinkCipherSettings(r Resource) FlinkCiphers {
	c, err := readConf(r)
	if err != nil {
		return FlinkCiphers{Unknown: "spec.flinkConfiguration is not a mapping"}
	}
	var out FlinkCiphers
	out.Protocol, _ = c.get("security.ssl.protocol")
	out.Suites, _ = c.get("security.ssl.algorithms")
	if provider, ok := c.get("security.ssl.provider"); ok && !strings.EqualFold(provider, "JDK") {
		out.Unknown = "security.ssl.provider is " + provider + ", whose cipher suites are not the JDK's"
	}
	for _, name := range append(slices.Clone(sharedOptionKeys), "env.java.opts.jobmanager", "env.java.opts.taskmanager") {
		if _, ok := jvmOption(c, name, "-Djava.security.properties"); ok {
			out.Unknown = name + " names a java.security file, which may enable other suites"
		}
	}
	return out
}

// sharedOptionKeys are the JVM options of every process of Flink's, which come
// before those of its role.
var sharedOptionKeys = []string{"env.java.opts.all", "env.java.opts"}

// JVMTrustStores returns the truststores to which JVM options of the resource
// point: Event Processing's backend, Flink's JobManager and TaskManagers.
func JVMTrustStores(r Resource) []StoreFile {
	var out []StoreFile
	for _, j := range jvms(r) {
		if f := j.trustStore(); f.Origin.Missing != "" || f.Path != "" && f.Path != "NONE" {
			out = append(out, f)
		}
	}
	return out
}

// jvm is a process that may be pointed at a truststore, and where it is told.
type jvm struct {
	field    string // of its own options
	options  []jvmOptions
	pod      container
	env      []map[string]any // variables that $(NAME) stands for
	homes    []yamledit.Path  // where its pod template may stand
	storeDir string           // of Flink's own stores
}

// jvmOptions are options in one text; of one that is there twice the last counts.
type jvmOptions struct {
	text string
	at   yamledit.Path
}

func jvms(r Resource) []jvm {
	if r.Kind == EventProcessingKind {
		pod := keys("spec", "authoring", "template", "pod")
		env := under(pod, yamledit.Key("spec"), yamledit.Key("containers"), yamledit.Item("name", backendContainer), yamledit.Key("env"))
		at := under(env, yamledit.Item("name", javaToolOptions), yamledit.Key("value"))
		options, _ := getString(r.Object, at)
		return []jvm{{javaToolOptions, []jvmOptions{{options, at}}, backendPod(r), mappings(r.Object, env), []yamledit.Path{pod}, ""}}
	}
	c, err := readConf(r)
	if err != nil {
		return nil
	}
	pods := flinkPods(r, c)
	var out []jvm
	for i, role := range flinkRoles {
		own := "env.java.opts." + strings.ToLower(role)
		j := jvm{field: own, pod: pods[role], homes: []yamledit.Path{sharedHome[0], roleHome[i]}, storeDir: flinkEditor{conf: c}.storeDir()}
		for _, name := range append(slices.Clone(sharedOptionKeys), own) {
			if v, ok := c.get(name); ok {
				j.options = append(j.options, jvmOptions{v, c.find(name)[0]})
			}
		}
		out = append(out, j)
	}
	return out
}

// trustStore reads the options; the zero Path: they name none. What is not filled
// in counts as absent.
func (j jvm) trustStore() StoreFile {
	f := StoreFile{Field: j.field, PasswordField: trustStorePasswordOption + " in " + j.field}
	for _, list := range j.options {
		options, err := splitOptions(list.text)
		if err != nil {
			return StoreFile{Field: j.field, Origin: Origin{Missing: j.field + " has a quote that is not closed: the JVM would not start"}}
		}
		for _, o := range options {
			switch {
			case o.name == trustStoreOption && !Placeholder(o.value):
				f.Path, f.at = o.value, list.at
			case o.name == trustStorePasswordOption && (o.value == "" || !blank(o.value)):
				f.Password, f.PasswordFrom = expand(o.value, j.env)
				f.HasPassword = true
			}
		}
	}
	if f.Path != "" {
		f.Origin = j.pod.origin(f.Path)
	}
	return f
}

// expand follows $(NAME), which Kubernetes replaces by another variable of the
// container.
func expand(s string, env []map[string]any) (value string, from Origin) {
	name := strings.TrimSuffix(strings.TrimPrefix(s, "$("), ")")
	if s != "$("+name+")" {
		return s, Origin{}
	}
	for _, v := range env {
		if text(v["name"]) != name {
			continue
		}
		if value := text(v["value"]); value != "" {
			return value, Origin{}
		}
		at, _ := yamledit.Get(v, keys("valueFrom", "secretKeyRef"))
		ref, _ := at.(map[string]any)
		return "", Origin{Secret: text(ref["name"]), Key: text(ref["key"]), Field: "env " + name}
	}
	return s, Origin{}
}

// volume is where a volume of the pod template stands, for messages.
func (j jvm) volume(r Resource, name string) (at yamledit.Path) {
	for _, home := range j.homes {
		p := under(home, append(slices.Clone(templateVolumes), yamledit.Item("name", name))...)
		if _, ok := yamledit.Get(r.Object, p); ok {
			at = p
		}
	}
	return at
}

// jvmOption finds a JVM option in a key of the configuration.
func jvmOption(c conf, name, option string) (value string, ok bool) {
	v, _ := c.get(name)
	options, _ := splitOptions(v)
	for _, o := range options {
		if o.name == option {
			return o.value, true
		}
	}
	return "", false
}

// FlinkTrustFile is the truststore with which an Event Processing verifies Flink
// (spec.flink.tls), nil if the resource names none. The operator mounts the
// Secret itself and looks for truststore.jks.
func FlinkTrustFile(r Resource) *StoreFile {
	tls := keys("spec", "flink", "tls")
	name := reference(r, under(tls, yamledit.Key("secretName")))
	if name == "" {
		return nil
	}
	record, _ := readLedger(r)
	use := func(field string, p yamledit.Path) Origin {
		v := reference(r, p)
		return Origin{Secret: v, Field: field, Ours: record.wrote(p, v)}
	}
	f := &StoreFile{Field: "spec.flink.tls", Origin: use("spec.flink.tls.secretName", under(tls, yamledit.Key("secretName")))}
	f.Origin.Key = "truststore.jks"
	f.PasswordFrom = use("spec.flink.tls.secretKeyRef", under(tls, yamledit.Key("secretKeyRef"), yamledit.Key("name")))
	f.PasswordFrom.Key = reference(r, under(tls, yamledit.Key("secretKeyRef"), yamledit.Key("key")))
	f.PasswordField = "spec.flink.tls.secretKeyRef"
	return f
}

// SecretUses are the Secrets to which a resource refers in fields of ours, the
// stores' aside: its own certificates or CA, and what else is in
// kubernetes.secrets.
func SecretUses(r Resource) []Origin {
	record, _ := readLedger(r)
	if r.Kind == EventProcessingKind {
		return eventProcessingUses(r, record)
	}
	c, err := readConf(r)
	if err != nil {
		return nil
	}
	at, _ := c.where(kubernetesSecrets)
	list, _ := c.get(kubernetesSecrets)
	var out []Origin
	for _, s := range splitList(list) {
		if p := parsePair(s); p.secret != "" && !Placeholder(p.secret) {
			out = append(out, Origin{Secret: p.secret, Field: kubernetesSecrets, Ours: record.wroteWord(at, p.word())})
		}
	}
	return out
}

func eventProcessingUses(r Resource, record ledger) []Origin {
	var out []Origin
	for _, p := range []yamledit.Path{tlsField("secretName"), tlsField("caSecretName"), tlsField("ui", "secretName")} {
		if name := reference(r, p); name != "" {
			out = append(out, Origin{Secret: name, Field: p.String(), Ours: record.wrote(p, name)})
		}
	}
	for _, name := range trusted(r) {
		p := under(trustedEntry(name), yamledit.Key("secretName"))
		out = append(out, Origin{Secret: name, Field: trustedCertificates().String(), Ours: record.wrote(p, name)})
	}
	return out
}
