package deploy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// Where IBM's samples mount Flink's stores and where the documentation mounts
// the database truststore.
const (
	flinkContainer = "flink-main-container"
	flinkTLSDir    = "/opt/flink/tls-cert"
	flinkCertsDir  = "/certs"
)

// FlinkWiring is what one FlinkDeployment should refer to. A nil or empty field
// is left alone.
type FlinkWiring struct {
	TLS        *FlinkTLS
	TrustStore *TrustStore // JVM truststore of JobManager and TaskManagers
	Root       string      // fingerprint for RootAnnotation
	Adopt      bool        // what others set in these fields is taken over
	Restart    bool        // it is to restart although nothing else changes
	// RestartedFor is a mark of what it restarts for; see RestartedAnnotation.
	RestartedFor string
}

// FlinkTLS is the key store and truststore of Flink's own endpoints.
type FlinkTLS struct {
	Secret         string // holds KeyStore and Trust; with "-volume" behind it a DNS label
	KeyStore       string // file name, keystore.jks or keystore.p12
	Trust          string // file name, truststore.jks or truststore.p12
	StorePassword  string // of the key store and its key
	TrustPassword  string
	Rest, Internal bool // which channels speak TLS; neither: nothing is set
}

// FlinkDeployment returns the edits that wire a FlinkDeployment
// (flink.apache.org/v1beta1) as wanted. Option names are those of the Flink
// documentation, "SSL Setup".
func FlinkDeployment(r Resource, w FlinkWiring) Result {
	e := newEditor(r)
	e.adopt = w.Adopt
	c, err := readConf(r)
	if err != nil {
		e.conflict(flinkConfiguration, err.Error(), "write spec.flinkConfiguration as a mapping")
		return e.result()
	}
	if w.Root != "" {
		e.annotate(RootAnnotation, w.Root)
	}
	f := flinkEditor{editor: e, conf: c}
	if w.TLS != nil && (w.TLS.Rest || w.TLS.Internal) {
		f.tls(*w.TLS, w.TrustStore != nil)
	}
	if w.TrustStore != nil {
		f.trustStore(*w.TrustStore)
	}
	if w.Restart {
		f.restart()
	}
	if w.RestartedFor != "" {
		e.annotate(RestartedAnnotation, w.RestartedFor)
	}
	e.leftoverPlaceholders()
	return e.result()
}

type flinkEditor struct {
	*editor
	conf conf
}

func (f flinkEditor) tls(t FlinkTLS, withTrustStore bool) {
	dir := f.storeDir()
	f.storeDirFree(dir, withTrustStore)
	for _, channel := range t.channels() { // before anything is set below the mappings that go
		f.channelStores(channel)
		f.channelTypes(channel, t)
	}
	for _, channel := range t.channels() {
		f.put("security.ssl."+channel+".enabled", wish{
			want: "true", stays: true, hint: "remove the key, or set tls in flowcert.yaml to leave this channel alone",
			equal: func(current string) bool { return strings.EqualFold(current, "true") },
		})
	}
	hint := "remove the key to hand Flink's TLS to flowcert"
	f.storePath("security.ssl.truststore", dir, t.Trust, hint)
	f.put("security.ssl.truststore-password", wish{want: t.TrustPassword, hint: hint, secret: true})
	f.storePath("security.ssl.keystore", dir, t.KeyStore, hint)
	f.put("security.ssl.keystore-password", wish{want: t.StorePassword, hint: hint, secret: true})
	f.put("security.ssl.key-password", wish{want: t.StorePassword, hint: hint, secret: true})
	f.algorithms()
	f.claimStores(t, dir)
	f.mountSecret(t.Secret, dir)
	f.foreignMounts(dir)
	f.tlsNotices(t)
}

func (t FlinkTLS) channels() []string {
	var out []string
	if t.Rest {
		out = append(out, "rest")
	}
	if t.Internal {
		out = append(out, "internal")
	}
	return out
}

// put sets one configuration key in the author's form.
func (f flinkEditor) put(key string, w wish) {
	if p, ok := f.at(key); ok {
		w.path = p
		f.fulfil(w)
	}
}

func (f flinkEditor) at(key string) (yamledit.Path, bool) {
	p, err := f.conf.where(key)
	if err != nil {
		f.conflict(flinkConfiguration, err.Error(), "keep one of the two")
		return nil, false
	}
	return p, true
}

const keyStoreKey = "security.ssl.keystore"

// storeDir is where the author expects the stores, if the file name fits.
func (f flinkEditor) storeDir() string {
	at, _ := f.conf.get(keyStoreKey)
	if !path.IsAbs(at) || Placeholder(at) || !storeFile(path.Base(at), "keystore.jks") {
		return flinkTLSDir
	}
	return path.Dir(path.Clean(at))
}

// storeDirFree refuses a folder in which the stores would hide other files.
func (f flinkEditor) storeDirFree(dir string, withTrustStore bool) {
	if dir != flinkTLSDir && (hides(dir) || withTrustStore && dir == flinkCertsDir) {
		p, _ := f.conf.where(keyStoreKey)
		f.conflict(p, fmt.Sprintf("is in %s, where flowcert's Secret would be mounted over other files", dir),
			"remove the key: flowcert mounts the stores at "+flinkTLSDir)
	}
}

// storeFile reports whether base is the file, in either format.
func storeFile(base, file string) bool {
	stem := strings.TrimSuffix(file, path.Ext(file))
	return base == stem+".jks" || base == stem+".p12"
}

// hides reports whether a Secret mounted at dir would cover what the system or
// Flink has there.
func hides(dir string) bool {
	for _, whole := range []string{"/bin", "/boot", "/dev", "/etc/pki", "/etc/ssl", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr",
		"/opt/flink/bin", "/opt/flink/conf", "/opt/flink/lib", "/opt/flink/log", "/opt/flink/opt", "/opt/flink/plugins", "/opt/java"} {
		if dir == whole || strings.HasPrefix(dir, whole+"/") {
			return true
		}
	}
	return slices.Contains([]string{"/", "/etc", "/home", "/mnt", "/opt", "/opt/flink", "/opt/flink/usrlib", "/root", "/run", "/srv", "/tmp", "/var"}, dir)
}

// storePath sets the path of a store. One in dir by the store's own name, in
// the other format, is flowcert's to change: what is mounted there is
// flowcert's Secret.
func (f flinkEditor) storePath(key, dir, file, hint string) {
	want := path.Join(dir, file)
	f.put(key, wish{
		want: want, hint: hint,
		equal: func(current string) bool { return path.Clean(current) == want },
		ours: func(current string) bool {
			return path.Dir(path.Clean(current)) == dir && storeFile(path.Base(current), file)
		},
	})
}

// channelStores refuses what would override the shared keys that flowcert sets:
// Flink prefers security.ssl.rest.keystore to security.ssl.keystore. What
// nobody has filled in would override them too, and goes.
func (f flinkEditor) channelStores(channel string) {
	for _, k := range []string{"keystore", "keystore-password", "key-password", "truststore", "truststore-password"} {
		free := unset
		if strings.HasSuffix(k, "-password") {
			free = unsetText
		}
		switch p, _, ok := f.channelKey(channel, k, free); {
		case ok && f.adopt:
			f.remove(p, flinkConfiguration)
		case ok:
			f.somebodyElses(p, "is set for one channel and would override security.ssl."+k+", which flowcert sets",
				"remove the key to hand this channel to flowcert, or set tls: {"+channel+": false} in flowcert.yaml", true)
		}
	}
}

// channelTypes refuses a type that the stores will not have.
func (f flinkEditor) channelTypes(channel string, t FlinkTLS) {
	for _, k := range []struct{ name, file string }{{"keystore-type", t.KeyStore}, {"truststore-type", t.Trust}} {
		want := storeTypes[path.Ext(k.file)]
		if p, current, ok := f.channelKey(channel, k.name, unset); ok && !strings.EqualFold(current, want) {
			f.conflict(p, fmt.Sprintf("is %q, but flowcert makes %s stores here", current, want),
				"remove the key, or set tls: {format: …} in flowcert.yaml")
		}
	}
}

// channelKey finds a key of one channel, and removes it if nobody has filled it
// in.
func (f flinkEditor) channelKey(channel, k string, free func(any, bool) bool) (p yamledit.Path, current string, ok bool) {
	key := "security.ssl." + channel + "." + k
	v, set := f.conf.value(key)
	if !set {
		return nil, "", false
	}
	if p, ok = f.at(key); ok && free(v, set) {
		f.remove(p, flinkConfiguration)
		return nil, "", false
	}
	return p, text(v), ok
}

// algorithms replaces Flink's default, which no current JDK speaks (FLINK-39022:
// TLS_RSA_* is disabled since JDK 11.0.30, 17.0.18 and 21.0.10). What the author
// chose stays.
func (f flinkEditor) algorithms() {
	const name = "security.ssl.algorithms"
	p, ok := f.at(name)
	if !ok {
		return
	}
	protocol, _ := f.conf.get("security.ssl.protocol")
	if Placeholder(protocol) {
		protocol = ""
	}
	dead := protocolProblem(protocol)
	if dead != "" {
		f.notice("security.ssl.protocol: %s; set TLSv1.2 or TLSv1.3, or remove the key", dead)
	}
	want := livingSuites(protocol)
	current, set := f.conf.value(name)
	switch {
	case unset(current, set), f.record.wrote(p, current) && !same(current, want):
		f.edit(p, want)
	case !f.record.wrote(p, current):
		if problem := suiteProblem(text(current), protocol, "RSA"); problem != "" && dead == "" {
			f.notice("%s %s; remove the key, and flowcert sets %s", p, problem, want)
		}
	}
}

// tlsNotices reports settings that a renewal or a client will stumble over.
func (f flinkEditor) tlsNotices(t FlinkTLS) {
	for _, channel := range t.channels() {
		name := "security.ssl." + channel + ".cert.fingerprint"
		if v, ok := f.conf.get(name); ok && !blank(v) {
			f.notice("%s pins one certificate: every renewal will fail until it is changed; remove it, the truststore decides", name)
		}
	}
	if t.Internal {
		f.internalNotices()
	}
	if t.Rest && f.conf.isTrue("security.ssl.rest.authentication-enabled") {
		f.notice("security.ssl.rest.authentication-enabled shuts Event Processing out: it has no client certificate for Flink")
	}
}

// namesUnchecked is the JVM option by which Flink 2.3.0 does between its own
// processes what its documentation says and every other version does.
const namesUnchecked = "-Dorg.apache.flink.shaded.netty4.io.netty.handler.ssl.defaultEndpointVerificationAlgorithm"

// flinkVersion is the one that the resource names, such as v1_20; empty: none.
func (f flinkEditor) flinkVersion() string {
	version, _ := yamledit.Get(f.resource.Object, keys("spec", "flinkVersion"))
	return text(version)
}

// internalNotices reports by what Flink's own processes do not reach each other
// although the certificates are in order.
func (f flinkEditor) internalNotices() {
	protocol, _ := f.conf.get("security.ssl.protocol")
	if problem, hint := ManyProtocols(protocol); problem != "" && !Placeholder(protocol) && protocolProblem(protocol) == "" {
		f.notice("%s; %s", problem, hint)
	}
	if f.flinkVersion() != "v2_3" {
		return
	}
	for _, name := range append(slices.Clone(sharedOptionKeys), "env.java.opts.taskmanager") {
		if _, ok := jvmOption(f.conf, name, namesUnchecked); ok {
			return
		}
	}
	f.notice("Flink 2.3.0 verifies the names of TaskManagers, which call each other by IP address (FLINK-40727): with two of them no job runs; "+
		"set %s=NONE in env.java.opts.taskmanager, or use another version", namesUnchecked)
}

// trustStore points both JVMs at the truststore and mounts it.
func (f flinkEditor) trustStore(t TrustStore) {
	file := path.Join(flinkCertsDir, t.File)
	for _, name := range sharedOptionKeys {
		f.sharedOptions(name, file, t.Password)
	}
	f.oldOptions()
	for _, role := range []string{"taskmanager", "jobmanager"} {
		if p, ok := f.at("env.java.opts." + role); ok {
			f.setTrustOptions(p, file, t.Password)
		}
	}
	f.foreignPair(flinkCertsDir)
	f.podTemplate(t)
}

// oldOptions refuses the old name of env.java.opts.all beside the options of a
// role: in the configuration of Flink 2 no key may begin like another one. Its
// operator stops such a cluster and cannot start it again (FlinkConfMountDecorator
// of the Apache Flink Kubernetes operator 1.15).
func (f flinkEditor) oldOptions() {
	version := f.flinkVersion()
	if version == "" || strings.HasPrefix(version, "v1_") {
		return
	}
	for _, p := range f.conf.find("env.java.opts") {
		f.conflict(p, "begins like env.java.opts.taskmanager, which flowcert sets, and the operator does not start such a cluster of Flink 2",
			"name it env.java.opts.all")
	}
}

// sharedOptions refuses options for every JVM that name another truststore; those
// that flowcert took over it keeps in step with the ones that it sets.
func (f flinkEditor) sharedOptions(name, file, password string) {
	v, _ := f.conf.get(name)
	p, ok := f.at(name)
	if v == "" || !ok {
		return
	}
	options, err := splitOptions(v)
	if err != nil {
		return // the JVM's to refuse
	}
	for _, o := range options {
		if o.name != trustStoreOption && o.name != trustStorePasswordOption {
			continue
		}
		if f.adopt || f.record.wroteWord(p, o.word()) {
			f.setTrustOptions(p, file, password)
			return
		}
		f.somebodyElses(p, "sets "+o.name+", not by flowcert", foreignOptionHint, true)
	}
	f.storeType(p, v, file)
}
