package deploy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/yamledit"
)

const flinkHead = "kind: FlinkDeployment\nmetadata:\n  name: flink\n"

// configured is a FlinkDeployment with a flinkConfiguration.
func configured(conf string) string {
	return flinkHead + "spec:\n  flinkConfiguration:\n" + indented(strings.TrimPrefix(conf, "\n"), 4)
}

func onlyTLS(rest, internal bool) wiring {
	tls := flinkTLS("v1", "jks")
	tls.Rest, tls.Internal = rest, internal
	return wiring{flink: &FlinkWiring{TLS: tls}}
}

// TestFlinkTLS wires the key store and truststore of Flink's own endpoints.
func TestFlinkTLS(t *testing.T) {
	const suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
	const flat = `security.ssl.truststore: /opt/flink/tls-cert/truststore.jks
security.ssl.truststore-password: Tru5tPassw0rd
security.ssl.keystore: /opt/flink/tls-cert/keystore.jks
security.ssl.keystore-password: St0rePassw0rd
security.ssl.key-password: St0rePassw0rd
security.ssl.algorithms: ` + suites + `
kubernetes.secrets: flink-tls-v1:/opt/flink/tls-cert
`
	both := onlyTLS(true, true)
	p12 := wiring{flink: &FlinkWiring{TLS: flinkTLS("v1", "p12")}}
	tests := []struct {
		name     string
		w        wiring
		in, want string // spec.flinkConfiguration
	}{
		{"neither channel", onlyTLS(false, false), "a: b\n", "a: b\n"},
		{"rest", onlyTLS(true, false), "a.b: c\n", "a.b: c\nsecurity.ssl.rest.enabled: 'true'\n" + flat},
		{"internal", onlyTLS(false, true), "a.b: c\n", "a.b: c\nsecurity.ssl.internal.enabled: 'true'\n" + flat},
		{"rest has stores of its own, internal is ours", onlyTLS(false, true), "security.ssl.rest.enabled: true\nsecurity.ssl.rest.keystore: /theirs.jks\nsecurity.ssl.rest.cert.fingerprint: ab\n",
			"security.ssl.rest.enabled: true\nsecurity.ssl.rest.keystore: /theirs.jks\nsecurity.ssl.rest.cert.fingerprint: ab\nsecurity.ssl.internal.enabled: 'true'\n" + flat},
		{"all there, otherwise written", both, `
security.ssl.rest.enabled: true
security.ssl.internal.enabled: 'TRUE'
security.ssl.rest.keystore-type: jks
security.ssl.truststore: /opt/flink//tls-cert/truststore.jks
security.ssl.truststore-password: "Tru5tPassw0rd"
security.ssl.keystore: /opt/flink/tls-cert/keystore.jks
security.ssl.keystore-password: St0rePassw0rd
security.ssl.key-password: St0rePassw0rd
security.ssl.algorithms: TLS_DHE_RSA_WITH_AES_128_GCM_SHA256
kubernetes.secrets: 'a:/a, flink-tls-v1 : /opt/flink/tls-cert/ '
`, ``},
		{"nested, where a placeholder overrides", both, `
security:
  ssl:
    rest:
      keystore-password: <pw>
      keystore: ''
    internal: {key-password: <pw>}
    key-password: <pw>
kubernetes:
  secrets: <a>:/opt/flink/tls-cert
`, `
security:
  ssl:
    key-password: St0rePassw0rd
    rest:
      enabled: 'true'
    internal:
      enabled: 'true'
    truststore: /opt/flink/tls-cert/truststore.jks
    truststore-password: Tru5tPassw0rd
    keystore: /opt/flink/tls-cert/keystore.jks
    keystore-password: St0rePassw0rd
    algorithms: ` + suites + `
kubernetes:
  secrets: flink-tls-v1:/opt/flink/tls-cert
`},
		{"nothing but open keys of channels", both, `
security:
  ssl:
    rest: {keystore: <a>}
    internal: {keystore: <a>}
b: {c: d}
`, `
b: {c: d}
security:
  ssl:
    rest:
      enabled: 'true'
    internal:
      enabled: 'true'
    truststore: /opt/flink/tls-cert/truststore.jks
    truststore-password: Tru5tPassw0rd
    keystore: /opt/flink/tls-cert/keystore.jks
    keystore-password: St0rePassw0rd
    key-password: St0rePassw0rd
    algorithms: ` + suites + `
kubernetes:
  secrets: flink-tls-v1:/opt/flink/tls-cert
`},
		{"nested with flat children, and flat", both, `
security.ssl:
  rest.enabled: 'true'
  protocol: TLSv1.3
kubernetes.secrets: a:/a
`, `
security.ssl:
  rest.enabled: 'true'
  protocol: TLSv1.3
  internal.enabled: 'true'
  truststore: /opt/flink/tls-cert/truststore.jks
  truststore-password: Tru5tPassw0rd
  keystore: /opt/flink/tls-cert/keystore.jks
  keystore-password: St0rePassw0rd
  key-password: St0rePassw0rd
  algorithms: TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384
kubernetes.secrets: a:/a,flink-tls-v1:/opt/flink/tls-cert
`},
		{"their directory, PKCS12", p12, `
security.ssl.rest.enabled: true
security.ssl.internal.enabled: true
security.ssl.keystore: /etc/flink/certs/keystore.jks
security.ssl.truststore: /etc/flink/certs/truststore.jks
security.ssl.algorithms: <suites>
kubernetes.secrets: ',a:/a, <jks>:/etc/flink/certs,'
`, `
security.ssl.rest.enabled: true
security.ssl.internal.enabled: true
security.ssl.keystore: /etc/flink/certs/keystore.p12
security.ssl.truststore: /etc/flink/certs/truststore.p12
security.ssl.algorithms: ` + suites + `
kubernetes.secrets: ',a:/a, flink-tls-v1:/etc/flink/certs,'
security.ssl.truststore-password: Tru5tPassw0rd
security.ssl.keystore-password: St0rePassw0rd
security.ssl.key-password: St0rePassw0rd
`},
		{"a comma too many; a placeholder for the whole pair", both, `
security.ssl.rest.enabled: true
security.ssl.internal.enabled: true
security.ssl.keystore: <dir>/keystore.jks
security.ssl.truststore: <dir>/truststore.jks
security.ssl.truststore-password:
security.ssl.keystore-password: ''
security.ssl.key-password: <p>
security.ssl.algorithms: TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
kubernetes.secrets: '<secret>:<dir>'
`, `
security.ssl.rest.enabled: true
security.ssl.internal.enabled: true
security.ssl.keystore: /opt/flink/tls-cert/keystore.jks
security.ssl.truststore: /opt/flink/tls-cert/truststore.jks
security.ssl.truststore-password: Tru5tPassw0rd
security.ssl.keystore-password: 'St0rePassw0rd'
security.ssl.key-password: St0rePassw0rd
security.ssl.algorithms: TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
kubernetes.secrets: 'flink-tls-v1:/opt/flink/tls-cert'
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				tt.want = tt.in
			}
			got := plain(t, wire(t, configured(tt.in), tt.w))
			if diff := cmp.Diff(configured(tt.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFlinkOptions keeps the author's JVM options.
func TestFlinkOptions(t *testing.T) {
	w := wiring{flink: &FlinkWiring{TrustStore: trustStore("v1", "jks")}}
	const ours = "-Djavax.net.ssl.trustStore=/certs/truststore.jks -Djavax.net.ssl.trustStorePassword=Tru5tPassw0rd"
	tests := []struct{ name, in, want string }{
		{"none", "a.b: c\n", "a.b: c\nenv.java.opts.taskmanager: " + ours + "\nenv.java.opts.jobmanager: " + ours + "\n"},
		{"each", `
env.java.opts: "-XX:+UseG1GC  -Da='b c'"  # old
env.java.opts.all: -Dall=<x>
env.java.opts.jobmanager: -Xmx1g
env.java.opts.taskmanager: >-
  -Xss1m
  -Dt=1
`, `
env.java.opts: "-XX:+UseG1GC  -Da='b c'"  # old
env.java.opts.all: -Dall=<x>
env.java.opts.jobmanager: -Xmx1g ` + ours + `
env.java.opts.taskmanager: >-
  -Xss1m
  -Dt=1 ` + ours + `
`},
		{"nested", `
env:
  java:
    opts:
      all: -Dall
      jobmanager: '-Xmx1g'
`, `
env:
  java:
    opts:
      all: -Dall
      jobmanager: '-Xmx1g ` + ours + `'
      taskmanager: ` + ours + `
`},
		{"the old key nested", `
env:
  java:
    opts: -Xmx1g
`, `
env:
  java:
    opts: -Xmx1g
    opts.taskmanager: ` + ours + `
    opts.jobmanager: ` + ours + `
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := plain(t, wire(t, configured(tt.in), w))
			if want := configured(tt.want) + "  podTemplate:\n"; !strings.HasPrefix(got, want) {
				t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
			}
		})
	}
}

func TestFlinkConflicts(t *testing.T) {
	both := flinkWiring("v1")
	both.flink.Root = ""
	p12 := wiring{flink: &FlinkWiring{TLS: flinkTLS("v1", "p12"), TrustStore: trustStore("v1", "p12")}}
	const conf = "spec.flinkConfiguration"
	at := func(key string) string { return conf + `["` + key + `"]: ` }
	template := func(s string) string {
		return flinkHead + "spec:\n  podTemplate:\n    spec:\n" + indented(s, 6)
	}
	tests := []struct {
		name, in string
		w        wiring
		want     []string
	}{
		{"not a mapping", flinkHead + "spec: {flinkConfiguration: [a]}\n", both, []string{conf + ": is not a mapping of configuration keys"}},
		{"off", configured("security.ssl.rest.enabled: 'false'\nsecurity.ssl.internal.enabled: no\n"), both,
			[]string{at("security.ssl.rest.enabled") + `is "false", not set by flowcert`, at("security.ssl.internal.enabled") + `is "false", not set by flowcert`}},
		{"both forms", configured("security: {ssl: {key-password: <x>}}\nsecurity.ssl: {key-password: <x>}\n"), both,
			[]string{conf + `: key security.ssl.key-password is there twice, as spec.flinkConfiguration["security.ssl"].key-password and as spec.flinkConfiguration.security.ssl.key-password`}},
		{"their passwords", configured("security.ssl.keystore-password: theirSecret\nsecurity.ssl.truststore-password: theirSecret<x>\nsecurity.ssl: {key-password: theirSecret}\n"), both,
			[]string{at("security.ssl.truststore-password") + "is set, not by flowcert", at("security.ssl.keystore-password") + "is set, not by flowcert",
				`spec.flinkConfiguration["security.ssl"].key-password: is set, not by flowcert`}},
		{"their stores", configured("security.ssl.keystore: /theirs/ks.jks\nsecurity.ssl.truststore: /opt/flink/tls-cert/ca.jks\n"), both,
			[]string{at("security.ssl.truststore") + `is "/opt/flink/tls-cert/ca.jks", not set by flowcert`, at("security.ssl.keystore") + `is "/theirs/ks.jks", not set by flowcert`}},
		{"stores in two places", configured("security.ssl.keystore: /a/keystore.jks\nsecurity.ssl.truststore: /b/truststore.jks\n"), both,
			[]string{at("security.ssl.truststore") + `is "/b/truststore.jks", not set by flowcert`}},
		{"a mount over Flink", configured("security.ssl.keystore: /opt/flink/conf/keystore.jks\n"), both,
			[]string{at("security.ssl.keystore") + "is in /opt/flink/conf, where flowcert's Secret would be mounted over other files"}},
		{"a mount over everything", configured("security.ssl.keystore: /keystore.jks\n"), both,
			[]string{at("security.ssl.keystore") + "is in /, where flowcert's Secret would be mounted over other files"}},
		{"a mount over the truststore's", configured("security.ssl.keystore: /certs/keystore.jks\n"), both,
			[]string{at("security.ssl.keystore") + "is in /certs, where flowcert's Secret would be mounted over other files"}},
		{"per channel", configured("security.ssl.rest.keystore: /a\nsecurity.ssl.internal.truststore-password: theirSecret\nsecurity.ssl.internal.keystore-type: PKCS12\n"), both,
			[]string{at("security.ssl.rest.keystore") + "is set for one channel and would override security.ssl.keystore, which flowcert sets",
				at("security.ssl.internal.truststore-password") + "is set for one channel and would override security.ssl.truststore-password, which flowcert sets",
				at("security.ssl.internal.keystore-type") + `is "PKCS12", but flowcert makes JKS stores here`}},
		{"type of PKCS12 stores", configured("security.ssl.rest.truststore-type: JKS\n"), p12,
			[]string{at("security.ssl.rest.truststore-type") + `is "JKS", but flowcert makes PKCS12 stores here`}},
		{"their secret at our path", configured("kubernetes.secrets: 'a:/a, theirs:/opt/flink/tls-cert/'\n"), both,
			[]string{at("kubernetes.secrets") + `mounts secret "theirs" at /opt/flink/tls-cert, not by flowcert`}},
		{"our secret elsewhere", configured("kubernetes.secrets: flink-tls-v1:/a\n"), both,
			[]string{at("kubernetes.secrets") + `mounts secret "flink-tls-v1" at /a, not by flowcert`}},
		{"their secret at the truststore's path", configured("kubernetes.secrets: theirs:/certs\n"), both,
			[]string{at("kubernetes.secrets") + `mounts secret "theirs" at /certs, not by flowcert`}},
		{"secrets as keys", configured("kubernetes.secrets.theirs: /a\n"), both,
			[]string{at("kubernetes.secrets") + "is written as keys of its own (kubernetes.secrets.theirs), which Flink leaves out as soon as the list is set"}},
		{"secrets as keys, nested", configured("kubernetes: {secrets: {theirs: /a}}\n"), both,
			[]string{"spec.flinkConfiguration.kubernetes.secrets: is written as keys of its own (kubernetes.secrets.theirs), which Flink leaves out as soon as the list is set"}},
		{"secrets as a list", configured("kubernetes.secrets: [a:/a]\n"), both, []string{at("kubernetes.secrets") + "is not a string"}},
		{"options as a list", configured("env.java.opts.taskmanager: [a]\n"), both, []string{at("env.java.opts.taskmanager") + "is not a string"}},
		{"their truststore for all", configured("env.java.opts.all: -Djavax.net.ssl.trustStore=/a -Djavax.net.ssl.trustStorePassword=theirSecret\n"), both,
			[]string{at("env.java.opts.all") + "sets -Djavax.net.ssl.trustStore, not by flowcert", at("env.java.opts.all") + "sets -Djavax.net.ssl.trustStorePassword, not by flowcert"}},
		{"their type for all", configured("env.java.opts: -Djavax.net.ssl.trustStoreType=JKS\n"), p12,
			[]string{at("env.java.opts") + `sets -Djavax.net.ssl.trustStoreType to "JKS", but /certs/truststore.p12 is PKCS12`}},
		{"their truststore for one role", configured("env: {java: {opts: {taskmanager: -Djavax.net.ssl.trustStore=/a}}}\n"), both,
			[]string{conf + ".env.java.opts.taskmanager: sets -Djavax.net.ssl.trustStore, not by flowcert"}},
		{"their mounts at our paths", template("containers: [{name: flink-main-container, volumeMounts: [{name: a, mountPath: /certs/}, {name: b, mountPath: /opt/flink/tls-cert}]}]"), both,
			[]string{`spec.podTemplate.spec.containers[name=flink-main-container].volumeMounts[mountPath="/opt/flink/tls-cert"]: mounts volume "b" there, not by flowcert`,
				`spec.podTemplate.spec.containers[name=flink-main-container].volumeMounts[mountPath="/certs/"]: mounts volume "a" there, not by flowcert`}},
		{"their mount in one role", flinkHead + "spec: {taskManager: {podTemplate: {spec: {containers: [{name: flink-main-container, volumeMounts: [{name: a, mountPath: /certs}]}]}}}}\n", both,
			[]string{`spec.taskManager.podTemplate.spec.containers[name=flink-main-container].volumeMounts[mountPath="/certs"]: mounts volume "a" there, not by flowcert`}},
		{"their volume", template("volumes: [{name: truststore, secret: {secretName: theirs}}]"), both,
			[]string{`spec.podTemplate.spec.volumes[name=truststore].secret.secretName: is "theirs", not set by flowcert`}},
		{"a string for a list", template("volumes: a"), both, []string{"spec.podTemplate…"}},
		{"two main containers", template("containers: [{name: flink-main-container}, {name: flink-main-container}]"), both, []string{"spec.podTemplate…"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, refusals(t, tt.in, tt.w), elided); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFlinkNotices(t *testing.T) {
	tests := []struct {
		name, conf string
		want       []string
	}{
		{"none", "security.ssl.protocol: TLSv1.2\nsecurity.ssl.rest.cert.fingerprint: <x>\nsecurity.ssl.rest.authentication-enabled: false\n", nil},
		{"fingerprints", "security.ssl: {rest: {cert.fingerprint: AB}, internal.cert.fingerprint: CD}\n", []string{
			"security.ssl.rest.cert.fingerprint pins one certificate…", "security.ssl.internal.cert.fingerprint pins one certificate…"}},
		{"mutual", "security.ssl.rest.authentication-enabled: 'True'\n", []string{"security.ssl.rest.authentication-enabled shuts Event Processing out…"}},
		{"dead suites", "security.ssl.algorithms: TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA\n", []string{
			`spec.flinkConfiguration["security.ssl.algorithms"] has no cipher suite that a current JDK enables for TLSv1.2 and an RSA key; remove the key, and flowcert sets TLS_ECDHE_RSA…`}},
		{"suites of the other protocol", "security.ssl.algorithms: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\nsecurity.ssl.protocol: TLSv1.3\n", []string{
			`spec.flinkConfiguration["security.ssl.algorithms"] has no cipher suite that a current JDK enables for TLSv1.3 and an RSA key; remove the key, and flowcert sets TLS_AES_128…`}},
		{"1.3 suites for 1.2", "security.ssl.algorithms: TLS_AES_128_GCM_SHA256\n", []string{
			`spec.flinkConfiguration["security.ssl.algorithms"] has no cipher suite that a current JDK enables for TLSv1.2 and an RSA key…`}},
		{"one lives", "security.ssl.algorithms: TLS_RSA_WITH_AES_128_CBC_SHA,TLS_DHE_RSA_WITH_AES_128_CBC_SHA\n", nil},
		{"two protocols", "security.ssl.protocol: TLSv1.2,TLSv1.3\n", []string{"security.ssl.protocol names several protocols (TLSv1.2,TLSv1.3), and Flink's RPC takes one…"}},
		{"dead protocol", "security.ssl.protocol: TLSv1.1\nsecurity.ssl.algorithms: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n", []string{`security.ssl.protocol: "TLSv1.1" is not a protocol…`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source := configured(tt.conf)
			result := FlinkDeployment(resource(t, source), FlinkWiring{TLS: flinkTLS("v1", "jks")})
			var got []string
			for _, n := range result.Notices {
				if !strings.Contains(n, " still has ") {
					got = append(got, strings.TrimPrefix(n, "flinkDeployment/event-automation/flink: "))
				}
			}
			if diff := cmp.Diff(tt.want, got, elided); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(result.Conflicts) > 0 {
				t.Errorf("conflicts %v", result.Conflicts)
			}
		})
	}
}

// TestFlink230: the one version that verifies names between TaskManagers, until the option takes it back.
func TestFlink230(t *testing.T) {
	const option = "-Dorg.apache.flink.shaded.netty4.io.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE"
	for _, tt := range []struct {
		name, version, conf string
		internal, noticed   bool
	}{
		{"2.3", "v2_3", "", true, true},
		{"2.2", "v2_2", "", true, false},
		{"REST alone", "v2_3", "", false, false},
		{"with the option", "v2_3", "env.java.opts.taskmanager: -Xfoo " + option + "\n", true, false},
		{"with the option for all", "v2_3", "env.java.opts.all: " + option + "\n", true, false},
	} {
		source := strings.Replace(configured(tt.conf), "spec:\n", "spec:\n  flinkVersion: "+tt.version+"\n", 1)
		wiring := flinkTLS("v1", "jks")
		wiring.Internal = tt.internal
		notices := strings.Join(FlinkDeployment(resource(t, source), FlinkWiring{TLS: wiring}).Notices, "\n")
		if strings.Contains(notices, "Flink 2.3.0 verifies") != tt.noticed {
			t.Errorf("%s: %q", tt.name, notices)
		}
	}
}

// TestFlink2OldOptions: Flink 2 takes no key that begins like another one.
func TestFlink2OldOptions(t *testing.T) {
	const problem = ": begins like env.java.opts.taskmanager, which flowcert sets, and the operator does not start such a cluster of Flink 2"
	for _, tt := range []struct{ name, version, conf, want string }{
		{"Flink 1", "v1_20", "env.java.opts: -Xfoo\n", ""},
		{"Flink 2", "v2_0", "env.java.opts: -Xfoo\n", `spec.flinkConfiguration["env.java.opts"]` + problem},
		{"nested", "v2_2", "env: {java: {opts: -Xfoo}}\n", "spec.flinkConfiguration.env.java.opts" + problem},
		{"no version yet", "''", "env.java.opts: -Xfoo\n", ""},
		{"the new name", "v2_2", "env.java.opts.all: -Xfoo\n", ""},
		{"the new name, nested", "v2_2", "env: {java: {opts: {all: -Xfoo}}}\n", ""},
	} {
		source := strings.Replace(configured(tt.conf), "spec:\n", "spec:\n  flinkVersion: "+tt.version+"\n", 1)
		if got := strings.Join(refusals(t, source, wiring{flink: &FlinkWiring{TrustStore: trustStore("v1", "jks")}}), "\n"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if got := refusals(t, source, onlyTLS(true, true)); len(got) > 0 {
			t.Errorf("%s: without a truststore %q", tt.name, got)
		}
	}
}

// TestConfPlace: a new key goes where its author would write it.
func TestConfPlace(t *testing.T) {
	tests := []struct{ name, conf, key, want string }{
		{"empty", "{}", "a.b.c", `["a.b.c"]`},
		{"flat", "{x.y: 1}", "a.b.c", `["a.b.c"]`},
		{"undotted only", "{x: 1}", "a.b.c", `["a.b.c"]`},
		{"nested", "{x: {y: 1}}", "a.b.c", `.a.b.c`},
		{"mixed", "{x: {y: 1}, z.z: 1}", "a.b.c", `["a.b.c"]`},
		{"below a relative", "{x.y: 1, a: {b: {d: 1}}}", "a.b.c", `.a.b.c`},
		{"below a dotted relative", "{a.b: {d: 1}}", "a.b.c", `["a.b"].c`},
		{"the deepest dotted first", "{a: {z: 1}, a.b: {d: 1}}", "a.b.c", `["a.b"].c`},
		{"flat within nested", "{a: {d.e: 1}}", "a.b.c", `.a["b.c"]`},
		{"nested within nested", "{a: {d: {e: 1}}}", "a.b.c", `.a.b.c`},
		{"a scalar in the way", "{a: 1, x: {y: 1}}", "a.b.c", `["a.b.c"]`},
		{"a scalar deeper in the way", "{a: {b: 1, x: {y: 1}}}", "a.b.c", `.a["b.c"]`},
		{"there, flat", "{a.b.c: 1}", "a.b.c", `["a.b.c"]`},
		{"there, nested", "{a: {b: {c: 1}}}", "a.b.c", `.a.b.c`},
		{"there, mixed", "{a: {b.c: null}}", "a.b.c", `.a["b.c"]`},
		{"a mapping of that name", "{a.b.c: {d: 1}}", "a.b.c", `["a.b.c"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := readConf(resource(t, "spec: {flinkConfiguration: "+tt.conf+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			p, err := c.where(tt.key)
			if err != nil || p.String() != "spec.flinkConfiguration"+tt.want {
				t.Errorf("got %s, %v", p, err)
			}
			if got := configurationKey(p); got != tt.key {
				t.Errorf("flattened: %s", got)
			}
		})
	}
}

func TestReferences(t *testing.T) {
	tests := []struct {
		name, in string
		want     Refs
	}{
		{"event processing", epHead + "spec: {flink: {tls: {secretName: a}}, authoring: {tls: {secretName: b}, template: {pod: {spec: {volumes: [{name: x}, {name: truststore, secret: {secretName: c}}]}}}}}\n",
			Refs{Certificate: "b", FlinkTrust: "a", TrustStore: "c"}},
		{"placeholders", epHead + "spec: {flink: {tls: {secretName: <a>}}, authoring: {tls: {secretName: ''}}}\n", Refs{}},
		{"flink", configured("kubernetes: {secrets: ' a:/x , <b>:/y,, c : /z'}\n") + "  podTemplate: {spec: {volumes: [{name: truststore, secret: {secretName: d}}]}}\n",
			Refs{FlinkTLS: []string{"a", "c"}, TrustStore: "d"}},
		{"flink, role", flinkHead + "spec: {taskManager: {podTemplate: {spec: {volumes: [{name: truststore, secret: {secretName: d}}]}}}}\n", Refs{TrustStore: "d"}},
		{"nothing", "kind: FlinkDeployment\nspec: {flinkConfiguration: [a]}\n", Refs{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, References(resource(t, tt.in))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestReferencesAfterWiring: what is wired is what is referred to.
func TestReferencesAfterWiring(t *testing.T) {
	for name, source := range fixtures(t) {
		got := References(resource(t, wire(t, source, wiringFor(source, "v7"))))
		if wiringFor(source, "v7").ep != nil {
			want := Refs{Certificate: "my-ep-cert-v7", UI: "my-ep-ui-cert-v7", Trusted: []string{"my-ep-ui-cert-v7"}, FlinkTrust: "my-ep-flink-trust-v7", TrustStore: "ssl-truststore-v7"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			continue
		}
		if got.TrustStore != "ssl-truststore-v7" || !strings.Contains(strings.Join(got.FlinkTLS, " "), "flink-tls-v7") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRestartFacts(t *testing.T) {
	tests := []struct {
		in        string
		available bool
		mode      string
		session   bool
	}{
		{configured("a: b\n"), false, "", true},
		{configured("high-availability.type: kubernetes\nhigh-availability.storageDir: file:///x\n") + "  job:\n", true, "", true},
		{configured("high-availability: {type: kubernetes, storageDir: file:///x}\n") + "  job: {}\n", true, "stateless", false},
		{configured("high-availability: zookeeper\nhigh-availability.storageDir: x\n") + "  job: {upgradeMode: savepoint}\n", true, "savepoint", false},
		{configured("high-availability.type: none\nhigh-availability.storageDir: x\n"), false, "", true},
		{configured("high-availability.type: kubernetes\nhigh-availability.storageDir: <dir>\n"), false, "", true},
		{configured("high-availability.type: kubernetes\n"), false, "", true},
	}
	for _, tt := range tests {
		r := resource(t, tt.in)
		mode, session := UpgradeMode(r)
		if HighlyAvailable(r) != tt.available || mode != tt.mode || session != tt.session {
			t.Errorf("%s\ngot %v %q %v", tt.in, HighlyAvailable(r), mode, session)
		}
	}
}

func TestEndpoints(t *testing.T) {
	tests := []struct {
		endpoint, namespace, name, host string
		ok                              bool
	}{
		{"session-rest:8081", "event-automation", "session", "session-rest", true},
		{"session-rest.flink:8081", "flink", "session", "session-rest.flink", true},
		{"https://session-rest.flink.svc.cluster.local:8081/", "flink", "session", "session-rest.flink.svc.cluster.local", true},
		{"http://my-rest-rest", "event-automation", "my-rest", "my-rest-rest", true},
		{"<session>-rest:8081", "", "", "<session>-rest", false},
		{"-rest:8081", "", "", "-rest", false},
		{"flink.example.com:443", "", "", "flink.example.com", false},
		{"", "", "", "", false},
	}
	for _, tt := range tests {
		r := resource(t, epHead+"spec: {flink: {endpoint: '"+tt.endpoint+"'}}\n")
		namespace, name, ok := FlinkEndpoint(r)
		if namespace != tt.namespace || name != tt.name || ok != tt.ok || FlinkHost(r) != tt.host {
			t.Errorf("%q: %q %q %v %q", tt.endpoint, namespace, name, ok, FlinkHost(r))
		}
	}
	r := resource(t, epHead+"spec: {authoring: {endpoints: [{host: a.b}, {host: 'x.<y>'}, {name: c}, 5, {host: ''}], tls: {key: <k>, caCertificate: my.crt}}}\n")
	if diff := cmp.Diff([]string{"a.b"}, EventProcessingHosts(r)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(DataKeys{CA: "my.crt", Certificate: "tls.crt", Key: "tls.key"}, EventProcessingDataKeys(r)); diff != "" {
		t.Error(diff)
	}
}

func TestFlinkREST(t *testing.T) {
	for conf, want := range map[string]struct {
		address string
		tls     bool
	}{
		"security.ssl.rest.enabled: 'true'":                           {"s-rest.event-automation.svc.cluster.local:8081", true},
		"security: {ssl: {rest: {enabled: true}}}":                    {"s-rest.event-automation.svc.cluster.local:8081", true},
		"{security.ssl.rest.enabled: 'true', rest.port: '9081'}":      {"s-rest.event-automation.svc.cluster.local:9081", true},
		"{security.ssl.internal.enabled: 'true', rest: {port: 9081}}": {"s-rest.event-automation.svc.cluster.local:9081", false},
		"{}": {"s-rest.event-automation.svc.cluster.local:8081", false},
	} {
		r := resource(t, "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: s}\nspec:\n  flinkConfiguration:\n    "+conf+"\n")
		if address, tls := FlinkREST(r, "cluster.local"); address != want.address || tls != want.tls {
			t.Errorf("%s: %s %v", conf, address, tls)
		}
	}
}

func TestPlaceholder(t *testing.T) {
	for s, want := range map[string][2]bool{ // Placeholder, blank
		"<jks-secret>": {true, true}, " <URI of the job jar> ": {true, true}, "<A>": {true, true},
		"ui.<CLUSTER_HOST>": {true, false}, "<a><b>": {true, false}, "x<<a>": {true, false},
		"-Dfoo=<x> -Xmx1g": {true, false}, "": {false, true}, "  ": {false, true},
		"a < b > c": {false, false}, "<>": {false, false}, "< a>": {false, false}, "<a >": {false, false}, "<1>": {false, false},
		"</a>": {false, false}, "a<b": {false, false}, "a>b": {false, false}, "<a\nb>": {false, false},
	} {
		if got := [2]bool{Placeholder(s), blank(s)}; got != want {
			t.Errorf("%q: placeholder, blank = %v", s, got)
		}
	}
}

func TestTarget(t *testing.T) {
	if got := Target("", "a", "b"); got != "/a/b" {
		t.Error(got)
	}
	r := resource(t, epHead+"  annotations: {flowcert.io/pause: true, flowcert.io/root: ab}\n")
	if !r.Paused() || r.Root() != "ab" || r.String() != "eventProcessing/event-automation/my-ep" {
		t.Errorf("%v %q %s", r.Paused(), r.Root(), r)
	}
	for value, paused := range map[string]bool{`"true"`: true, "True": true, `"yes"`: true, `"1"`: true, "false": false, `"False"`: false, `""`: false, "null": false} {
		if r := resource(t, epHead+"  annotations: {flowcert.io/pause: "+value+"}\n"); r.Paused() != paused {
			t.Errorf("pause %s: paused %v", value, r.Paused())
		}
	}
	if p := (yamledit.Path{}); configurationKey(p) != "" {
		t.Error("the empty path is a configuration key")
	}
}
