package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// modeWiring is the wiring of one way to give Event Processing its certificates.
func modeWiring(mode, ui string) wiring {
	w := EventProcessingWiring{UI: ui, Root: rootPrint}
	switch {
	case strings.HasPrefix(mode, "ca"):
		w.CA = mode
	default:
		w.Certificate = mode
	}
	return wiring{ep: &w}
}

// TestModes wires each mode into each state that leaves it free.
func TestModes(t *testing.T) {
	tests := []struct {
		name     string
		w        wiring
		in, want string // spec.authoring
	}{
		{"operator-configured", modeWiring("ca-v1", ""), `
license: accepted
`, `
license: accepted
tls:
  caSecretName: ca-v1
`},
		{"ca, placeholders of other modes", modeWiring("ca-v1", ""), `
tls:
  caSecretName: <custom-root-ca> # theirs to fill in
  secretName: <cert>
  key: <the-key>
`, `
tls:
  caSecretName: ca-v1 # theirs to fill in
`},
		{"ui", modeWiring("cert-v1", "ui-v1"), `
endpoints: []
`, `
endpoints: []
tls:
  secretName: cert-v1
  ui:
    secretName: ui-v1
  trustedCertificates:
    - certificate: ca.crt
      secretName: ui-v1
`},
		{"ca and ui", modeWiring("ca-v1", "ui-v1"), `
tls: {}
`, `
tls:
  caSecretName: ca-v1
  ui:
    secretName: ui-v1
  trustedCertificates:
    - certificate: ca.crt
      secretName: ui-v1
`},
		{"ui, others' trust, keys of theirs, placeholders", modeWiring("cert-v1", "ui-v1"), `
tls:
  ui:
    secretName: <custom-ui-cert>
    caCertificate: root.pem
    key: <ui-key>
  trustedCertificates:
    # single sign-on
    - certificate: keycloak.crt
      secretName: keycloak
  serverCertificate: server.pem
`, `
tls:
  ui:
    secretName: ui-v1
    caCertificate: root.pem
  trustedCertificates:
    # single sign-on
    - certificate: keycloak.crt
      secretName: keycloak
    - certificate: root.pem
      secretName: ui-v1
  serverCertificate: server.pem
  secretName: cert-v1
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := func(authoring string) string {
				return epHead + "spec:\n  authoring:\n" + indented(strings.TrimPrefix(authoring, "\n"), 4)
			}
			got := plain(t, wire(t, doc(tt.in), tt.w))
			if diff := cmp.Diff(doc(tt.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOtherModes: a mode that somebody chose is refused, both named; what goes
// together with flowcert's stays.
func TestOtherModes(t *testing.T) {
	const (
		theirCA   = `spec.authoring.tls.caSecretName: is "their-ca", the mode in which cert-manager signs with a CA of yours; flowcert.yaml asks for mode certificate (secretName)`
		theirCert = `spec.authoring.tls.secretName: is "theirs", the mode with a certificate of yours; flowcert.yaml asks for mode ca (caSecretName)`
		otherCA   = `spec.authoring.tls.caSecretName: is "their-ca", not set by flowcert`
		otherCert = `spec.authoring.tls.secretName: is "theirs", not set by flowcert`
		otherUI   = `spec.authoring.tls.ui.secretName: is "their-ui", not set by flowcert`
	)
	tests := []struct {
		tls, mode, ui string
		want          []string
	}{
		{"caSecretName: their-ca", "cert", "", []string{theirCA}},
		{"caSecretName: their-ca", "cert", "ui", []string{theirCA}},
		{"caSecretName: their-ca", "ca", "", []string{otherCA}},
		{"caSecretName: their-ca", "ca", "ui", []string{otherCA}},
		{"secretName: theirs", "cert", "", []string{otherCert}},
		{"secretName: theirs", "cert", "ui", []string{otherCert}},
		{"secretName: theirs", "ca", "", []string{theirCert}},
		{"secretName: theirs", "ca", "ui", []string{theirCert}},
		{"caSecretName: their-ca, secretName: theirs", "cert", "", []string{theirCA, otherCert}},
		{"caSecretName: their-ca, secretName: theirs", "ca", "", []string{theirCert, otherCA}},
		{"ui: {secretName: their-ui}", "cert", "ui", []string{otherUI}},
		{"ui: {secretName: their-ui}", "ca", "ui", []string{otherUI}},
		{"ui: {secretName: their-ui}", "cert", "", nil},
		{"ui: {secretName: their-ui}", "ca", "", nil},
		{"secretName: theirs, ui: {secretName: their-ui}", "cert", "ui", []string{otherCert, otherUI}},
		{"secretName: theirs, ui: {secretName: their-ui}", "ca", "", []string{theirCert}},
		{"caSecretName: their-ca, ui: {secretName: their-ui}", "cert", "", []string{theirCA}},
	}
	for _, tt := range tests {
		t.Run(tt.tls+" "+tt.mode+" "+tt.ui, func(t *testing.T) {
			doc := epHead + "spec: {authoring: {tls: {" + tt.tls + "}}}\n"
			w := modeWiring(tt.mode, tt.ui)
			if diff := cmp.Diff(tt.want, refusals(t, doc, w)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			notices := w.edits(resource(t, doc)).Notices
			theirs := tt.ui == "" && strings.Contains(tt.tls, "their-ui")
			if got := slices.ContainsFunc(notices, func(n string) bool {
				return strings.Contains(n, `spec.authoring.tls.ui.secretName is "their-ui", a UI certificate of yours`)
			}); got != theirs {
				t.Errorf("their UI certificate is noticed: %v; %v", got, notices)
			}
		})
	}
}

// TestModeChanges: what flowcert set for one mode is its own to take back, in the
// same rewrite as it sets the next, and a revert leads to what was before the
// first.
func TestModeChanges(t *testing.T) {
	docs := map[string]string{
		"nothing": "spec:\n  authoring: {}\n",
		"others": `spec:
  authoring:
    tls:
      secretName: <fill in> # later
      ui: {key: ui.key}
      trustedCertificates:
      - {secretName: keycloak, certificate: ca.crt} # single sign-on
`,
		"an empty list": "spec:\n  authoring:\n    tls:\n      trustedCertificates: []\n",
		"no spec":       "",
	}
	steps := []struct{ mode, ui string }{
		{"cert-v1", ""}, {"ca-v1", ""}, {"ca-v2", "ui-v1"}, {"cert-v2", "ui-v2"}, {"cert-v2", ""}, {"cert-v3", "ui-v3"}, {"ca-v3", "ui-v3"},
	}
	for name, spec := range docs {
		t.Run(name, func(t *testing.T) {
			source := epHead + spec
			out := wire(t, source, modeWiring(steps[0].mode, steps[0].ui))
			for _, s := range steps[1:] {
				out = rewired(t, out, modeWiring(s.mode, s.ui))
				if got := unwired(t, out); got != source {
					t.Fatalf("%v: reverted (-want +got):\n%s", s, cmp.Diff(source, got))
				}
				refs := References(resource(t, out))
				if want := modeRefs(s.mode, s.ui, strings.Contains(spec, "keycloak")); !cmp.Equal(want, refs) {
					t.Errorf("%v: %s", s, cmp.Diff(want, refs))
				}
				if strings.Contains(out, "ui: {}") || strings.Contains(out, "tls: {}") {
					t.Errorf("%v: something empty is left:\n%s", s, out)
				}
			}
		})
	}
}

func modeRefs(mode, ui string, keycloak bool) Refs {
	r := Refs{UI: ui}
	if strings.HasPrefix(mode, "ca") {
		r.CA = mode
	} else {
		r.Certificate = mode
	}
	if keycloak {
		r.Trusted = append(r.Trusted, "keycloak")
	}
	if ui != "" {
		r.Trusted = append(r.Trusted, ui)
	}
	return r
}

// TestTrustedRenewals: the entry of each version takes the earlier one's place,
// others' stay where they are, and the record does not grow.
func TestTrustedRenewals(t *testing.T) {
	for name, list := range map[string]string{
		"none":   "",
		"empty":  "      trustedCertificates: []\n",
		"others": "      trustedCertificates:\n        - secretName: keycloak\n          certificate: ca.crt # theirs\n",
		"flow":   "      trustedCertificates: [{secretName: keycloak, certificate: ca.crt}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			source := epHead + "spec:\n  authoring:\n    tls:\n      key: tls.key\n" + list
			out := wire(t, source, modeWiring("cert-v1", "ui-v1"))
			size := entries(t, out)
			for i := 2; i < 6; i++ {
				out = rewired(t, out, modeWiring(fmt.Sprintf("cert-v%d", i), fmt.Sprintf("ui-v%d", i)))
				if got := unwired(t, out); got != source {
					t.Fatalf("reverted (-want +got):\n%s", cmp.Diff(source, got))
				}
				if got := entries(t, out); got > size {
					t.Errorf("the record grows from %d to %d entries", size, got)
				}
				if strings.Contains(plain(t, out), fmt.Sprintf("ui-v%d", i-1)) {
					t.Errorf("the earlier version is still in it:\n%s", out)
				}
			}
		})
	}
}

// TestTrustedOfOthers: an entry that somebody adds beside flowcert's between two
// renewals survives them and the revert.
func TestTrustedOfOthers(t *testing.T) {
	source := epHead + "spec:\n  authoring:\n    license: accepted\n"
	out := wire(t, source, modeWiring("cert-v1", "ui-v1"))
	const theirs = "        - secretName: keycloak\n          certificate: ca.crt\n"
	out = strings.Replace(out, "      trustedCertificates:\n", "      trustedCertificates:\n"+theirs, 1)
	out = rewired(t, out, modeWiring("cert-v2", "ui-v2"))
	if got := References(resource(t, out)).Trusted; !slices.Equal(got, []string{"keycloak", "ui-v2"}) {
		t.Errorf("trusted are %v", got)
	}
	back, _, err := Revert(resource(t, out))
	want := source + "    tls:\n      trustedCertificates:\n" + theirs
	if err != nil || plain(t, string(back)) != want {
		t.Errorf("%v (-want +got):\n%s", err, cmp.Diff(want, string(back)))
	}
}

func TestDataKeysRefused(t *testing.T) {
	tests := []struct{ tls, want string }{
		{"key: a/b", `spec.authoring.tls.key: is "a/b", which cannot be a key of a Secret`},
		{"key: tls.crt", `spec.authoring.tls.key: is "tls.crt", the same as serverCertificate`},
		{"ui: {caCertificate: x, serverCertificate: x}", `spec.authoring.tls.ui.serverCertificate: is "x", the same as caCertificate`},
		{"ui: {caCertificate: x, key: ca.crt}", `spec.authoring.tls.ui.key: is "ca.crt", where the ingress looks for what it trusts`},
		{"caCertificate: x, key: ca.crt", ""},
	}
	for _, tt := range tests {
		var want []string
		if tt.want != "" {
			want = []string{tt.want}
		}
		got := refusals(t, epHead+"spec: {authoring: {tls: {"+tt.tls+"}}}\n", modeWiring("cert", "ui"))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.tls, diff)
		}
	}
}

func TestUIEndpoints(t *testing.T) {
	r := resource(t, epHead+`spec:
  authoring:
    endpoints:
    - {name: ui, host: a.example.com, annotations: {nginx.ingress.kubernetes.io/proxy-ssl-verify-depth: "3"}}
    - {name: server, host: b.example.com, annotations: {nginx.ingress.kubernetes.io/proxy-ssl-verify-depth: "1"}}
    - {name: ui, host: c.example.com, annotations: {nginx.ingress.kubernetes.io/proxy-ssl-verify-depth: 2}}
    - {name: ui, host: <host>, annotations: {nginx.ingress.kubernetes.io/proxy-ssl-verify-depth: deep}}
    - {host: d.example.com}
`)
	if got := EventProcessingUIHosts(r); !slices.Equal(got, []string{"a.example.com", "c.example.com"}) {
		t.Errorf("UI hosts %v", got)
	}
	if got := EventProcessingHosts(r); len(got) != 4 {
		t.Errorf("hosts %v", got)
	}
	unnamed := resource(t, epHead+"spec: {authoring: {endpoints: [{host: a.example.com}]}}\n")
	if got := EventProcessingUIHosts(unnamed); !slices.Equal(got, []string{"a.example.com"}) {
		t.Errorf("UI hosts where no endpoint has a name: %v", got)
	}
	if depth, ok := UIVerifyDepth(r); depth != 2 || !ok {
		t.Errorf("depth %d, %v", depth, ok)
	}
	if depth, ok := UIVerifyDepth(resource(t, epHead)); ok {
		t.Errorf("depth %d where none is set", depth)
	}
}
