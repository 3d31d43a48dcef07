package interop

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// A pod is what a container finds: files under a folder that stands for /, environment, options.
type pod struct {
	root   string
	mounts []string // paths in the container at which Secrets are mounted
	env    object   // of Event Processing's container
	conf   map[string]string
}

// eventProcessing is the backend container of an EventProcessing.
func (s state) eventProcessing(t testing.TB, namespace, name string) pod {
	t.Helper()
	o := s.object(t, "EventProcessing", namespace, name)
	spec := []string{"spec", "authoring", "template", "pod", "spec"}
	container := append(slices.Clone(spec), "containers", "backend")
	p := pod{root: t.TempDir(), env: object{"env": o.at(append(container, "env")...)}}
	p.mountAll(t, s, namespace, o.at(append(container, "volumeMounts")...), object{"volumes": o.at(append(spec, "volumes")...)})
	return p
}

// flink is the main container of a FlinkDeployment's pods.
func (s state) flink(t testing.TB, namespace, name string) pod {
	t.Helper()
	o := s.object(t, "FlinkDeployment", namespace, name)
	p := pod{root: t.TempDir(), conf: map[string]string{}}
	for key, value := range o.at("spec", "flinkConfiguration").(map[string]any) {
		p.conf[key] = value.(string)
	}
	spec := []string{"spec", "podTemplate", "spec"}
	p.mountAll(t, s, namespace, o.at(append(slices.Clone(spec), "containers", "flink-main-container", "volumeMounts")...),
		object{"volumes": o.at(append(spec, "volumes")...)})
	for pair := range strings.SplitSeq(p.conf["kubernetes.secrets"], ",") {
		name, at, ok := strings.Cut(pair, ":")
		if !ok {
			t.Fatalf("kubernetes.secrets: %q is not a secret and a path", pair)
		}
		p.mount(t, s.secret(t, namespace, name), at, nil)
	}
	return p
}

// mountAll mounts the volumes that are Secrets.
func (p *pod) mountAll(t testing.TB, s state, namespace string, mounts any, volumes object) {
	t.Helper()
	for _, entry := range mounts.([]any) {
		mount := object(entry.(map[string]any))
		source, ok := volumes.at("volumes", mount.text(t, "name"), "secret").(map[string]any)
		if !ok {
			continue // a disk
		}
		if _, ours := s.secrets[namespace+"/"+source["secretName"].(string)]; !ours {
			continue // somebody else's, in the cluster
		}
		items, _ := source["items"].([]any)
		p.mount(t, s.secret(t, namespace, source["secretName"].(string)), mount.text(t, "mountPath"), items)
	}
}

// mount writes the items of a Secret, all of its keys if there are none, as files.
func (p *pod) mount(t testing.TB, data secret, at string, items []any) {
	t.Helper()
	p.mounts = append(p.mounts, at)
	if items == nil {
		for key := range data {
			items = append(items, map[string]any{"key": key, "path": key})
		}
	}
	for _, entry := range items {
		item := object(entry.(map[string]any))
		content, ok := data[item.text(t, "key")]
		if !ok {
			t.Fatalf("the volume at %s wants key %q, which the secret has not: the pod would not start", at, item["key"])
		}
		write(t, filepath.Join(p.root, at, item.text(t, "path")), content)
	}
}

// path is where a file of the container is here.
func (p pod) path(inContainer string) string { return filepath.Join(p.root, inContainer) }

// options are JVM options with the mount paths replaced by where the files are here; nothing else is changed.
func (p pod) options(text string) string {
	for _, at := range p.mounts {
		at = path.Clean(at) + "/"
		text = strings.ReplaceAll(text, "="+at, "="+p.root+at)
	}
	return text
}

// A client is a JVM as a pod starts it.
type client struct {
	env     []string
	options []string
}

// backend is Event Processing's JVM: it reads JAVA_TOOL_OPTIONS by itself.
func (p pod) backend(t testing.TB) client {
	return client{env: []string{"JAVA_TOOL_OPTIONS=" + p.options(p.env.text(t, "env", "JAVA_TOOL_OPTIONS", "value"))}}
}

// role is Flink's jobmanager or taskmanager JVM: Flink's scripts put the options on its command line.
func (p pod) role(name string) client {
	return client{options: strings.Fields(p.options(p.conf["env.java.opts."+name]))}
}

// The protocol that Flink uses where security.ssl.protocol is not set (Flink documentation, "SSL Setup").
const flinkProtocol = "TLSv1.2"

// transport are the protocol and the cipher suites of Flink's endpoints, on both ends.
func (p pod) transport() []string {
	return []string{tools.Protocols(flinkProtocol), tools.Ciphers(p.suites()...)}
}

func (p pod) suites() []string { return strings.Split(p.conf["security.ssl.algorithms"], ",") }

// keyStore is Flink's key store and its password, which has to be the key's as well.
func (p pod) keyStore(t testing.TB) (path, password string) {
	t.Helper()
	password = p.conf["security.ssl.keystore-password"]
	if password == "" || p.conf["security.ssl.key-password"] != password {
		t.Fatal("security.ssl.keystore-password and key-password are not one password")
	}
	return p.path(p.conf["security.ssl.keystore"]), password
}

// trustStore is Flink's truststore and its password.
func (p pod) trustStore() (path, password string) {
	return p.path(p.conf["security.ssl.truststore"]), p.conf["security.ssl.truststore-password"]
}

// internal is a Flink JVM that calls another one: both show a certificate, names do not count.
func (p pod) internal(t testing.TB) client {
	t.Helper()
	keyStore := tools.KeyStore(p.keyStore(t))
	return client{options: slices.Concat(keyStore, tools.TrustStore(p.trustStore()), p.transport(), []string{tools.NoHostCheck})}
}

// flinkTrust is the JVM with which Event Processing calls Flink's REST endpoint, by spec.flink.tls.
func (s state) flinkTrust(t testing.TB, namespace, name string) (trust client, secretName string) {
	t.Helper()
	o := s.object(t, "EventProcessing", namespace, name)
	secretName = o.text(t, "spec", "flink", "tls", "secretName")
	passwords := s.secret(t, namespace, o.text(t, "spec", "flink", "tls", "secretKeyRef", "name"))
	password := passwords[o.text(t, "spec", "flink", "tls", "secretKeyRef", "key")]
	file := s.secret(t, namespace, secretName).file(t, "truststore.jks")
	return client{options: tools.TrustStore(file, string(password))}, secretName
}

// operator is the Flink operator's JVM, with the Secrets that it reads by fixed names.
func (s state) operator(t testing.TB, namespace string) client {
	t.Helper()
	stores := s.secret(t, namespace, "flink-operator-cert")
	password := string(s.secret(t, namespace, "operator-certificate-password")["password"])
	return client{options: slices.Concat(
		tools.KeyStore(stores.file(t, "keystore.jks"), password), tools.TrustStore(stores.file(t, "truststore.jks"), password))}
}

// certificate is the Secret of an EventProcessing's own certificate.
func (s state) certificate(t testing.TB, namespace, name string) secret {
	t.Helper()
	o := s.object(t, "EventProcessing", namespace, name)
	return s.secret(t, namespace, o.text(t, "spec", "authoring", "tls", "secretName"))
}
