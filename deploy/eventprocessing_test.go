package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const epHead = "kind: EventProcessing\nmetadata:\n  name: my-ep\n"

// TestEventProcessing wires one thing at a time.
func TestEventProcessing(t *testing.T) {
	certificate := wiring{ep: &EventProcessingWiring{Certificate: "cert-v1"}}
	flink := wiring{ep: &EventProcessingWiring{FlinkTrust: &FlinkTrust{Secret: "trust-v1", PasswordKey: "password"}}}
	tests := []struct {
		name     string
		w        wiring
		in, want string // spec
	}{
		{"certificate", certificate, `
spec:
  authoring: {}
`, `
spec:
  authoring:
    tls:
      secretName: cert-v1
`},
		{"no spec", certificate, ``, `
spec:
  authoring:
    tls:
      secretName: cert-v1
`},
		{"certificate there", certificate, `
spec:
  authoring:
    tls: {secretName: cert-v1}
`, `
spec:
  authoring:
    tls: {secretName: cert-v1}
`},
		{"placeholders of other modes", certificate, `
spec:
  authoring:
    tls:
      # ask security for it
      caSecretName: <custom-root-ca>
      secretName: <cert>
      key: <the-key>
      ui:
        secretName: <custom-ui-cert>
        key: <ui-key>
      trustedCertificates:
        - secretName: keycloak
`, `
spec:
  authoring:
    tls:
      # ask security for it
      secretName: cert-v1
      trustedCertificates:
        - secretName: keycloak
`},
		{"nothing but placeholders", certificate, `
spec:
  authoring:
    tls:
      caSecretName: <custom-root-ca>
`, `
spec:
  authoring:
    tls:
      secretName: cert-v1
`},
		{"a UI certificate of theirs, data keys of theirs, empty fields", certificate, `
spec:
  authoring:
    tls:
      caSecretName: ''
      key: server.key
      ui:
        secretName: my-ui
`, `
spec:
  authoring:
    tls:
      caSecretName: ''
      key: server.key
      ui:
        secretName: my-ui
      secretName: cert-v1
`},
		{"flink", flink, `
spec:
  flink:
    endpoint: session-rest:8081
`, `
spec:
  flink:
    endpoint: session-rest:8081
    tls:
      secretName: trust-v1
      secretKeyRef:
        name: trust-v1
        key: password
`},
		{"flink placeholders", flink, `
spec:
  flink:
    tls:
      secretName: <jks-truststore-secret>
      secretKeyRef:
        name: "<truststore-password-secret>"  # the same
        key: <key-containing-password>
`, `
spec:
  flink:
    tls:
      secretName: trust-v1
      secretKeyRef:
        name: "trust-v1"  # the same
        key: password
`},
		{"nothing asked", wiring{ep: &EventProcessingWiring{}}, `
spec:
  flink: {tls: {secretName: theirs}}
`, `
spec:
  flink: {tls: {secretName: theirs}}
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := plain(t, wire(t, epHead+strings.TrimPrefix(tt.in, "\n"), tt.w))
			if diff := cmp.Diff(epHead+strings.TrimPrefix(tt.want, "\n"), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

const ourOptions = "-Djavax.net.ssl.trustStore=/opt/ibm/sp-backend/certs/truststore.jks -Djavax.net.ssl.trustStorePassword=" + trustPassword

// TestEventProcessingTruststore wires the truststore into pod templates.
func TestEventProcessingTruststore(t *testing.T) {
	w := wiring{ep: &EventProcessingWiring{TrustStore: trustStore("v1", "jks")}}
	tests := []struct{ name, in, want string }{ // spec.authoring.template.pod.spec
		{"other containers, volumes and variables; backend not first", `
containers:
  - name: ui
    image: x
  - name: backend
    env:
      - name: A
        value: b
    volumeMounts:
      - name: data
        mountPath: /data
volumes:
  - name: data
    emptyDir: {}
`, `
containers:
  - name: ui
    image: x
  - name: backend
    env:
      - name: A
        value: b
      - name: JAVA_TOOL_OPTIONS
        value: ` + ourOptions + `
    volumeMounts:
      - name: data
        mountPath: /data
      - name: truststore
        mountPath: /opt/ibm/sp-backend/certs
        readOnly: true
volumes:
  - name: data
    emptyDir: {}
  - name: truststore
    secret:
      items:
        - key: truststore.jks
          path: truststore.jks
      secretName: ssl-truststore-v1
`},
		{"no backend", `
containers:
  - name: ui
`, `
containers:
  - name: ui
  - name: backend
    env:
      - name: JAVA_TOOL_OPTIONS
        value: ` + ourOptions + `
    volumeMounts:
      - name: truststore
        mountPath: /opt/ibm/sp-backend/certs
        readOnly: true
volumes:
  - name: truststore
    secret:
      items:
        - key: truststore.jks
          path: truststore.jks
      secretName: ssl-truststore-v1
`},
		{"all there", `
containers:
  - name: backend
    env:
      - name: JAVA_TOOL_OPTIONS
        value: "-Xmx1g -Djavax.net.ssl.trustStorePassword=Tru5tPassw0rd '-Djavax.net.ssl.trustStore=/opt/ibm/sp-backend/certs/truststore.jks'"
    volumeMounts:
      - mountPath: /opt/ibm/sp-backend/certs/   # with a slash
        name: truststore
        readOnly: true
volumes:
  - name: truststore
    secret:
      secretName: ssl-truststore-v1
      items: [{path: truststore.jks, key: truststore.jks}]
`, ``},
		{"parts there, placeholders", `
containers:
  - name: backend
    env:
      - name: JAVA_TOOL_OPTIONS
        value: -Djavax.net.ssl.trustStore=<path>/x -Dfoo=<x> -Djavax.net.ssl.trustStorePassword=<pw> -Xss1m
    volumeMounts:
      - name: truststore
        mountPath: /opt/ibm/sp-backend/certs
      - name: truststore
        mountPath: /theirs
        subPath: x
volumes:
  - name: truststore
    secret:
      secretName: <ssl-truststore>
`, `
containers:
  - name: backend
    env:
      - name: JAVA_TOOL_OPTIONS
        value: -Djavax.net.ssl.trustStore=/opt/ibm/sp-backend/certs/truststore.jks -Dfoo=<x> -Djavax.net.ssl.trustStorePassword=Tru5tPassw0rd -Xss1m
    volumeMounts:
      - name: truststore
        mountPath: /opt/ibm/sp-backend/certs
        readOnly: true
      - name: truststore
        mountPath: /theirs
        subPath: x
volumes:
  - name: truststore
    secret:
      secretName: ssl-truststore-v1
      items:
        - key: truststore.jks
          path: truststore.jks
`},
		{"flow style", `
containers: [{name: ui}, {name: backend, env: [{name: JAVA_TOOL_OPTIONS, value: "-Xss1m"}], volumeMounts: []}]
volumes: [{name: data, emptyDir: {}}]
`, `
containers: [{name: ui}, {name: backend, env: [{name: JAVA_TOOL_OPTIONS, value: "-Xss1m ` + ourOptions + `"}], volumeMounts: [{name: truststore, mountPath: /opt/ibm/sp-backend/certs, readOnly: true}]}]
volumes: [{name: data, emptyDir: {}}, {name: truststore, secret: {items: [{key: truststore.jks, path: truststore.jks}], secretName: ssl-truststore-v1}}]
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				tt.want = tt.in
			}
			doc := func(spec string) string {
				return epHead + "spec:\n  authoring:\n    template:\n      pod:\n        spec:\n" + indented(strings.TrimPrefix(spec, "\n"), 10)
			}
			got := plain(t, wire(t, doc(tt.in), w))
			if diff := cmp.Diff(doc(tt.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestJavaToolOptions keeps the author's bytes in every way to write the value.
func TestJavaToolOptions(t *testing.T) {
	w := wiring{ep: &EventProcessingWiring{TrustStore: trustStore("v1", "p12")}}
	ours := strings.Replace(ourOptions, ".jks", ".p12", 1)
	const pad = "                "
	tests := []struct{ name, in, want string }{ // from value: on
		{"absent", "", "value: " + ours},
		{"null", "value:", "value: " + ours},
		{"empty", "value: ''", "value: '" + ours + "'"},
		{"a placeholder alone", "value: <jvm options>", "value: " + ours},
		{"plain", "value: -Xmx1g # why", "value: -Xmx1g " + ours + " # why"},
		{"single quotes", "value: '-Dmsg=\"it''s\"'", "value: '-Dmsg=\"it''s\" " + ours + "'"},
		{"double quotes", `value: "-Dmsg='a b' \x41"`, `value: "-Dmsg='a b' \x41 ` + ours + `"`},
		{"blank after the last", "value: '-Xmx1g  '", "value: '-Xmx1g " + ours + "  '"},
		{"plain, two lines", "value: -Xmx1g\n" + pad + "  -Xss1m", "value: -Xmx1g\n" + pad + "  -Xss1m " + ours},
		{"literal", "value: |\n" + pad + "  -Xmx1g\n\n" + pad + "  -Xss1m", "value: |\n" + pad + "  -Xmx1g\n\n" + pad + "  -Xss1m " + ours},
		{"literal, stripped", "value: |-\n" + pad + "  -Xmx1g", "value: |-\n" + pad + "  -Xmx1g " + ours},
		{"folded", "value: >\n" + pad + "  -Xmx1g\n" + pad + "  -Xss1m", "value: >\n" + pad + "  -Xmx1g\n" + pad + "  -Xss1m " + ours},
		{"folded, stripped", "value: >-  # why\n" + pad + "  -Xmx1g\n" + pad + "  -Xss1m", "value: >-  # why\n" + pad + "  -Xmx1g\n" + pad + "  -Xss1m " + ours},
		{"their store type fits", "value: -Djavax.net.ssl.trustStoreType=pkcs12", "value: -Djavax.net.ssl.trustStoreType=pkcs12 " + ours},
		{"one is there", "value: -Djavax.net.ssl.trustStorePassword=Tru5tPassw0rd -Xss1m", "value: -Djavax.net.ssl.trustStorePassword=Tru5tPassw0rd -Xss1m " + strings.Fields(ours)[0]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := func(value string) string {
				if value != "" {
					value = pad + value + "\n"
				}
				return epHead + "spec:\n  authoring:\n    template:\n      pod:\n        spec:\n          containers:\n            - name: backend\n" +
					"              env:\n              - name: JAVA_TOOL_OPTIONS\n" + value
			}
			got := wire(t, doc(tt.in), w)
			if !strings.Contains(got, "\n"+doc(tt.want)[len(epHead):]) {
				t.Errorf("want\n%s\nin\n%s", doc(tt.want), got)
			}
		})
	}
}

func TestEventProcessingConflicts(t *testing.T) {
	pod := func(s string) string {
		return "spec:\n  authoring:\n    template:\n      pod:\n        spec:\n" + indented(s, 10)
	}
	env := func(s string) string { return pod("containers:\n- name: backend\n  env:\n" + indented(s, 2)) }
	const (
		options = "spec.authoring.template.pod.spec.containers[name=backend].env[name=JAVA_TOOL_OPTIONS]"
		mounts  = "spec.authoring.template.pod.spec.containers[name=backend].volumeMounts"
		volume  = "spec.authoring.template.pod.spec.volumes[name=truststore]"
	)
	tests := []struct {
		name, in string
		want     []string
	}{
		{"certificate", "spec: {authoring: {tls: {secretName: theirs}}}",
			[]string{`spec.authoring.tls.secretName: is "theirs", not set by flowcert`}},
		{"own CA", "spec: {authoring: {tls: {caSecretName: their-ca}}}",
			[]string{`spec.authoring.tls.caSecretName: is "their-ca", the mode in which cert-manager signs with a CA of yours; flowcert.yaml asks for mode certificate (secretName)`}},
		{"flink", "spec: {flink: {tls: {secretName: theirs, secretKeyRef: {name: a, key: b}}}}",
			[]string{`spec.flink.tls.secretName: is "theirs", not set by flowcert`,
				`spec.flink.tls.secretKeyRef.name: is "a", not set by flowcert`,
				`spec.flink.tls.secretKeyRef.key: is "b", not set by flowcert`}},
		{"value from elsewhere", env("- name: JAVA_TOOL_OPTIONS\n  valueFrom: {configMapKeyRef: {name: a, key: b}}"),
			[]string{options + ": takes its value from elsewhere (valueFrom)"}},
		{"another truststore", env("- name: JAVA_TOOL_OPTIONS\n  value: -Djavax.net.ssl.trustStore=/theirs.jks -Djavax.net.ssl.trustStorePassword=theirSecret"),
			[]string{options + ".value: sets -Djavax.net.ssl.trustStore, not by flowcert"}},
		{"our path, another password", env("- name: JAVA_TOOL_OPTIONS\n  value: -Djavax.net.ssl.trustStore=/opt/ibm/sp-backend/certs/truststore.jks '-Djavax.net.ssl.trustStorePassword=theirSecret'"),
			[]string{options + ".value: sets -Djavax.net.ssl.trustStorePassword, not by flowcert"}},
		{"a word of a placeholder's look in their value", env("- name: JAVA_TOOL_OPTIONS\n  value: -Djavax.net.ssl.trustStorePassword=theirSecret<x>y"),
			[]string{options + ".value: sets -Djavax.net.ssl.trustStorePassword, not by flowcert"}},
		{"option without a value", env("- name: JAVA_TOOL_OPTIONS\n  value: -Djavax.net.ssl.trustStorePassword=theirSecret -Djavax.net.ssl.trustStore=''x"),
			[]string{options + ".value: sets -Djavax.net.ssl.trustStore, not by flowcert"}},
		{"open quote", env("- name: JAVA_TOOL_OPTIONS\n  value: -Da=\"b"), []string{options + ".value: has a quote that is not closed"}},
		{"another type", env("- name: JAVA_TOOL_OPTIONS\n  value: -Djavax.net.ssl.trustStoreType=PKCS12"),
			[]string{options + `.value: sets -Djavax.net.ssl.trustStoreType to "PKCS12", but /opt/ibm/sp-backend/certs/truststore.jks is JKS`}},
		{"a list for a value", env("- name: JAVA_TOOL_OPTIONS\n  value: [a]"), []string{options + ".value: is not a string"}},
		{"variable twice", env("- name: JAVA_TOOL_OPTIONS\n  value: a\n- name: JAVA_TOOL_OPTIONS\n  value: b"),
			[]string{options + ".value: cannot be edited (line 11)…"}},
		{"another volume at our path", pod("containers:\n- name: backend\n  volumeMounts: [{name: theirs, mountPath: /opt/ibm/sp-backend/certs/}]"),
			[]string{mounts + `[mountPath="/opt/ibm/sp-backend/certs/"]: mounts volume "theirs" there, not by flowcert`}},
		{"a part of the volume", pod("containers:\n- name: backend\n  volumeMounts: [{name: truststore, mountPath: /opt/ibm/sp-backend/certs, subPath: x}]"),
			[]string{mounts + `[mountPath="/opt/ibm/sp-backend/certs"]: mounts a part of the volume only (subPath)`}},
		{"writable", pod("containers:\n- name: backend\n  volumeMounts: [{name: truststore, mountPath: /opt/ibm/sp-backend/certs, readOnly: false}]"),
			[]string{mounts + `[mountPath="/opt/ibm/sp-backend/certs"].readOnly: is "false", not set by flowcert`}},
		{"their secret in the volume", pod("volumes: [{name: truststore, secret: {secretName: theirs}}]"),
			[]string{volume + `.secret.secretName: is "theirs", not set by flowcert`}},
		{"their items", pod("volumes: [{name: truststore, secret: {secretName: <x>, items: [{key: a, path: truststore.jks}]}}]"),
			[]string{volume + `.secret.items: is set, not set by flowcert`}},
		{"volume of another kind", pod("volumes: [{name: truststore, emptyDir: {}}]"),
			[]string{volume + `: is a volume of another kind (emptyDir), not made by flowcert`}},
		{"an alias", "x: &p {spec: {}}\nspec: {authoring: {template: {pod: *p}}}",
			[]string{options + ".value: cannot be edited (line 5)…"}},
		{"a list for the spec", "spec: []", []string{`spec.authoring.tls.secretName: cannot be edited (line 4)…`}},
		{"a broken record", "spec: {}", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			head := epHead
			if tt.want == nil {
				head += "  annotations: {flowcert.io/edits: '{'}\n"
				tt.want = []string{`metadata.annotations["flowcert.io/edits"]: annotation flowcert.io/edits does not read…`}
			}
			w := epWiring("v1")
			w.ep.Root = ""
			if diff := cmp.Diff(tt.want, refusals(t, head+tt.in+"\n", w), elided); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryConflict: all are told at once, with the file.
func TestEveryConflict(t *testing.T) {
	r := resource(t, epHead+"spec: {authoring: {tls: {secretName: a, caSecretName: b}, template: {pod: {spec: {volumes: [{name: truststore, emptyDir: {}}]}}}}, flink: {tls: {secretName: c}}}\n")
	r.File = "ep.yaml"
	got := EventProcessing(r, *epWiring("v1").ep)
	if len(got.Conflicts) != 4 || got.Edits != nil {
		t.Fatalf("%d conflicts, edits %v", len(got.Conflicts), got.Edits)
	}
	want := `ep.yaml: eventProcessing/event-automation/my-ep: spec.authoring.tls.caSecretName: is "b", `
	if s := got.Conflicts[0].Error(); !strings.HasPrefix(s, want) {
		t.Errorf("got %s", s)
	}
}

func TestLeftovers(t *testing.T) {
	r := resource(t, epHead+`spec:
  authoring:
    endpoints:
    - {name: ui, host: ui.<CLUSTER_HOST>}
    - {host: <other>}
    storage: {storageClassName: <storage-class>, note: a < b > c}
    log: |
      <configuration>
      </configuration>
    sql: select <b>x</b>
    template: {pod: {spec: {containers: [{name: backend, env: [{name: JAVA_TOOL_OPTIONS, value: -Dp=theirSecret -Dq=<q>}]}]}}}
    tls: {secretName: <cert>, caSecretName: <ca>}
`)
	got := EventProcessing(r, EventProcessingWiring{Certificate: "cert"}).Notices
	var want []string
	for _, s := range []string{
		"spec.authoring.endpoints[name=ui].host still has <CLUSTER_HOST> in it",
		"spec.authoring.endpoints[1].host still has <other> in it",
		"spec.authoring.storage.storageClassName still has <storage-class> in it",
		"spec.authoring.template.pod.spec.containers[name=backend].env[name=JAVA_TOOL_OPTIONS].value still has <q> in it",
	} {
		want = append(want, "eventProcessing/event-automation/my-ep: "+s+": fill it in before you apply the resource")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "theirSecret") }) {
		t.Error("a password is shown")
	}
}
