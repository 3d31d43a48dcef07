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
	if r.Kind == EventProcessingKind {
		env := under(keys("spec", "authoring", "template", "pod", "spec", "containers"),
			yamledit.Item("name", backendContainer), yamledit.Key("env"), yamledit.Item("name", javaToolOptions), yamledit.Key("value"))
		options, _ := getString(r.Object, env)
		return jvmTrustStore(javaToolOptions, backendPod(r), []string{options})
	}
	c, err := readConf(r)
	if err != nil {
		return nil
	}
	pods := flinkPods(r, c)
	var out []StoreFile
	for _, role := range flinkRoles {
		own := "env.java.opts." + strings.ToLower(role)
		var options []string
		for _, name := range append(slices.Clone(sharedOptionKeys), own) {
			v, _ := c.get(name)
			options = append(options, v)
		}
		out = append(out, jvmTrustStore(own, pods[role], options)...)
	}
	return out
}

// jvmTrustStore reads the options of one JVM: of an option that is there twice
// the last counts.
func jvmTrustStore(field string, pod container, texts []string) []StoreFile {
	f := StoreFile{Field: field, PasswordField: trustStorePasswordOption + " in " + field}
	for _, text := range texts {
		options, err := splitOptions(text)
		if err != nil {
			return []StoreFile{{Field: field, Origin: Origin{Missing: field + " has a quote that is not closed: the JVM would not start"}}}
		}
		for _, o := range options {
			switch o.name {
			case trustStoreOption:
				f.Path = o.value
			case trustStorePasswordOption:
				f.Password, f.HasPassword = o.value, true
			}
		}
	}
	if f.Path == "" || f.Path == "NONE" {
		return nil
	}
	f.Origin = pod.origin(f.Path)
	return []StoreFile{f}
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
