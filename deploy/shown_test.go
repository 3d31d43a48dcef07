package deploy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func epSource(authoring string) string {
	return "apiVersion: events.ibm.com/v1beta1\nkind: EventProcessing\nmetadata: {name: ep, namespace: ea}\nspec:\n  flink: {tls: {secretName: theirs}}\n  authoring: " + authoring + "\n"
}

func flinkSource(configuration string) string {
	return "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: f, namespace: ea}\nspec:\n  flinkConfiguration: " + configuration + "\n"
}

func TestShownBy(t *testing.T) {
	for source, want := range map[string]Shown{
		epSource("{}"): {},
		epSource("{tls: {caSecretName: a, ui: {secretName: b}}}"):     {CA: "a", UI: "b"},
		epSource("{tls: {caSecretName: <a>, ui: {secretName: <b>}}}"): {},
		flinkSource("{}"):   {},
		flinkSource("text"): {},
		flinkSource("{security.ssl.rest.enabled: 'true'}"):                                                                {},
		flinkSource("{security.ssl.rest.enabled: 'FALSE', security: {ssl: {internal: {enabled: false}}}}"):                {RestOff: true, InternalOff: true},
		flinkSource("{security.ssl.keystore: /a/keystore.p12}"):                                                           {PKCS12: true},
		flinkSource("{security.ssl.keystore: /a/<b>.p12}"):                                                                {},
		flinkSource("{security.ssl.keystore: /a/keystore.jks}"):                                                           {},
		flinkSource("{security.ssl.keystore: /a/keystore.p12, security.ssl.rest.keystore-type: jks}"):                     {},
		flinkSource("{security.ssl.internal.keystore-type: pkcs12, security.ssl.keystore: /a/keystore.jks}"):              {PKCS12: true},
		flinkSource("{security.ssl.rest.keystore-type: <type>, security.ssl.keystore: /opt/flink/tls-cert/keystore.p12}"): {PKCS12: true},
	} {
		if diff := cmp.Diff(want, ShownBy(resource(t, source))); diff != "" {
			t.Errorf("%s: -want +got\n%s", source, diff)
		}
	}
}

func TestTaken(t *testing.T) {
	for _, c := range []struct {
		source     string
		callsFlink bool
		tls, trust []string
	}{
		{epSource("{}"), false, nil, nil},
		{epSource("{}"), true, []string{"spec.flink.tls.secretName"}, nil},
		{epSource("{tls: {secretName: theirs}}"), false, []string{"spec.authoring.tls.secretName"}, nil},
		{epSource("{tls: {secretName: <theirs>}}"), false, nil, nil},
		{epSource("{tls: {caSecretName: theirs}}"), false, nil, nil},
		{epSource("{template: {pod: {spec: {volumes: [{name: truststore, secret: {secretName: theirs}}]}}}}"), false, nil, []string{"spec.authoring.template.pod.spec.volumes[name=truststore].secret.secretName"}},
		{flinkSource("{}"), false, nil, nil},
		{flinkSource("{security.ssl.rest.enabled: false, security.ssl.internal.enabled: false, security.ssl.key-password: theirs}"), false, nil, nil},
		{flinkSource("{security.ssl.internal.enabled: false, security.ssl.key-password: theirs}"), false, []string{`spec.flinkConfiguration["security.ssl.key-password"]`}, nil},
		{flinkSource("{env.java.opts.taskmanager: -Djavax.net.ssl.trustStore=/theirs}"), false, nil, []string{`spec.flinkConfiguration["env.java.opts.taskmanager"]`}},
	} {
		tls, trust := Taken(resource(t, c.source), c.callsFlink)
		if diff := cmp.Diff(c.tls, pathsOf(tls)); diff != "" {
			t.Errorf("%s: tls: -want +got\n%s", c.source, diff)
		}
		if diff := cmp.Diff(c.trust, pathsOf(trust)); diff != "" {
			t.Errorf("%s: truststore: -want +got\n%s", c.source, diff)
		}
	}
}

func pathsOf(conflicts []Conflict) []string {
	var out []string
	for _, c := range conflicts {
		out = append(out, c.Path.String())
	}
	return out
}

// What flowcert set itself is not taken.
func TestOwnFieldsAreNotTaken(t *testing.T) {
	for source, w := range map[string]wiring{epSource("{}"): epWiring("1"), flinkSource("{}"): flinkWiring("1")} {
		r := resource(t, source)
		if w.ep != nil {
			w.ep.FlinkTrust = nil
		}
		result := w.edits(r)
		text, err := Rewrite(r, result.Edits)
		if err != nil {
			t.Fatal(err)
		}
		if tls, trust := Taken(resource(t, string(text)), false); len(tls)+len(trust) > 0 {
			t.Errorf("%s: %v and %v", text, tls, trust)
		}
	}
}
