package deploy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/yamledit"
)

// adopting is the wiring with others' values taken over.
func (w wiring) adopting() wiring {
	if w.ep != nil {
		ep := *w.ep
		ep.Adopt = true
		return wiring{ep: &ep}
	}
	flink := *w.flink
	flink.Adopt = true
	return wiring{flink: &flink}
}

// inFormat is the wiring with stores of another format, and other passwords.
func (w wiring) inFormat(ext string) wiring {
	change := func(t *TrustStore) *TrustStore {
		other := *t
		other.File, other.Password = "truststore."+ext, "0therPassw0rd"
		return &other
	}
	if w.ep != nil {
		ep := *w.ep
		ep.TrustStore = change(ep.TrustStore)
		return wiring{ep: &ep}
	}
	flink := *w.flink
	flink.TLS, flink.TrustStore = flinkTLS("v3", ext), change(flink.TrustStore)
	return wiring{flink: &flink}
}

// adopted takes a document over and checks what holds for every adoption: nothing
// is left to do, with --adopt or without; later changes need none; a revert gives
// the document to the byte.
func adopted(t *testing.T, source string, w wiring) string {
	t.Helper()
	r := resource(t, source)
	result := w.adopting().edits(r)
	for _, c := range result.Conflicts {
		t.Errorf("conflict: %v (%s)", c, c.Remedy())
	}
	out, err := Rewrite(r, result.Edits, result.Claims...)
	if err != nil {
		t.Fatal(err)
	}
	for _, again := range []wiring{w, w.adopting()} {
		left := again.edits(resource(t, string(out)))
		if len(left.Edits)+len(left.Claims)+len(left.Conflicts) > 0 {
			t.Errorf("left to do: %v, %v, %v; in:\n%s", left.Edits, left.Claims, left.Conflicts, out)
		}
	}
	for _, ext := range []string{"p12", "jks"} {
		later := rewired(t, string(out), w.inFormat(ext))
		if diff := cmp.Diff(source, unwired(t, later)); diff != "" {
			t.Errorf("adopted, changed to %s and reverted (-want +got):\n%s", ext, diff)
		}
	}
	once := rewired(t, string(out), w.inFormat("p12"))
	thrice := rewired(t, rewired(t, once, w.inFormat("jks")), w.inFormat("p12"))
	if a, b := len(recorded(t, once)), len(recorded(t, thrice)); a != b {
		t.Errorf("the record grows from %d entries to %d", a, b)
	}
	if diff := cmp.Diff(source, unwired(t, string(out))); diff != "" {
		t.Errorf("adopted and reverted (-want +got):\n%s", diff)
	}
	return string(out)
}

func recorded(t *testing.T, source string) ledger {
	t.Helper()
	l, err := readLedger(resource(t, source))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestAdoptedListSomebodyEdited: without flowcert's words the options would name
// no truststore at all, so they stay as they are and are named.
func TestAdoptedListSomebodyEdited(t *testing.T) {
	out := adopted(t, configured(`
env.java.opts.taskmanager: -Dmine=1 -Djavax.net.ssl.trustStore=/mine/t.jks -Djavax.net.ssl.trustStorePassword=theirSecret
kubernetes.secrets: 'mine:/mine'
`), flinkWiring("v1"))
	back, kept, err := Revert(resource(t, strings.Replace(out, "taskmanager: -Dmine=1", "taskmanager: -Dmine=2", 1)))
	if err != nil || len(kept) != 1 || !strings.Contains(kept[0], "taskmanager") {
		t.Errorf("kept %v, %v", kept, err)
	}
	if !strings.Contains(string(back), "-Dmine=2 -Djavax.net.ssl.trustStore=/certs/truststore.jks") {
		t.Errorf("the options are not as they were:\n%s", back)
	}
}

// foreignDocument is a document that is wired, and not by flowcert.
func foreignDocument(t *testing.T, source string) string {
	t.Helper()
	out := []byte(rewired(t, source, wiringFor(source, "theirs")))
	for _, name := range []string{EditsAnnotation, RootAnnotation} {
		var err error
		if out, _, err = yamledit.Apply(out, []yamledit.Edit{{Path: metadataAnnotation(name), Remove: true}}); err != nil {
			t.Fatal(err)
		}
	}
	return string(out)
}

// TestAdoptFixtures takes over every fixture as somebody else would have wired it.
func TestAdoptFixtures(t *testing.T) {
	for name, source := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			theirs := foreignDocument(t, source)
			if refused := refusals(t, theirs, wiringFor(source, "v1")); len(refused) == 0 {
				t.Error("without --adopt nothing is refused")
			}
			out := adopted(t, theirs, wiringFor(source, "v1"))
			if left := resource(t, out); len(foreignTo(left)) > 0 {
				t.Errorf("still in use: %v", foreignTo(left))
			}
			if len(foreignTo(resource(t, theirs))) == 0 {
				t.Error("what is in use was not found")
			}
		})
	}
}

// foreignTo lists the Secrets that the resource uses and that flowcert did not set.
func foreignTo(r Resource) (out []string) {
	certificate, ca, ui := ForeignTLS(r)
	for _, name := range []string{certificate, ca, ui} {
		if name != "" {
			out = append(out, name)
		}
	}
	if s, ok := ForeignFlinkTrust(r); ok {
		out = append(out, s.Secret)
	}
	stores, _ := ForeignTrustStores(r)
	for _, s := range stores {
		out = append(out, s.Secret+"/"+s.Key+" "+s.Password.Value+s.Password.Secret)
	}
	channels, _ := ForeignFlinkTLS(r, FlinkTLS{Rest: true, Internal: true})
	for _, c := range channels {
		out = append(out, c.KeyStore.Secret+"/"+c.KeyStore.Key+" "+c.KeyStore.Password.Value+", "+c.Trust.Secret+"/"+c.Trust.Key+" "+c.Trust.Password.Value)
	}
	return out
}

// TestAdoptFlinkVariations are ways to write what Flink uses.
func TestAdoptFlinkVariations(t *testing.T) {
	tests := []struct {
		name, conf string
		found      []string
		gone       []string // words that are not in the result
	}{
		{"a store a channel", `
security.ssl.rest.keystore: /rest/server.jks
security.ssl.rest.keystore-password: theirSecret1
security.ssl.rest.key-password: theirSecret1
security.ssl.rest.truststore: /rest/ca.jks
security.ssl.rest.truststore-password: theirSecret2
security.ssl.internal.enabled: true
security.ssl.keystore: /opt/flink/tls-cert/keystore.jks
security.ssl.keystore-password: theirSecret3
security.ssl.key-password: theirSecret3
security.ssl.truststore: /opt/flink/tls-cert/truststore.jks
security.ssl.truststore-password: theirSecret4
kubernetes.secrets: 'rest-tls:/rest,internal-tls:/opt/flink/tls-cert,mine:/mine'
`, []string{"rest-tls/server.jks theirSecret1, rest-tls/ca.jks theirSecret2", "internal-tls/keystore.jks theirSecret3, internal-tls/truststore.jks theirSecret4"},
			[]string{"security.ssl.rest.keystore", "internal-tls:", "theirSecret"}},
		{"options for every JVM", `
env.java.opts.all: -Dmine=1 -Djavax.net.ssl.trustStore=/mine/t.jks -Djavax.net.ssl.trustStorePassword=theirSecret
kubernetes.secrets: 'mine:/mine'
`, []string{"mine/t.jks theirSecret"}, []string{"/mine/t.jks"}},
		{"the last option counts", `
env.java.opts.all: -Djavax.net.ssl.trustStore=/nowhere/t.jks
env.java.opts.taskmanager: -Djavax.net.ssl.trustStore=/mine/a.jks -Djavax.net.ssl.trustStore=/mine/t.jks
env.java.opts.jobmanager: -Djavax.net.ssl.trustStore=/mine/t.jks
kubernetes.secrets: 'mine:/mine'
`, []string{"mine/t.jks "}, []string{"/mine/t.jks", "/nowhere"}},
		{"nothing filled in", `
security.ssl.keystore: /opt/flink/tls-cert/keystore.jks
security.ssl.keystore-password: <jks-password>
security.ssl.truststore: /opt/flink/tls-cert/truststore.jks
security.ssl.truststore-password: <jks-password>
kubernetes.secrets: '<jks-secret>:/opt/flink/tls-cert'
env.java.opts.taskmanager: -Djavax.net.ssl.trustStore=/certs/truststore.jks -Djavax.net.ssl.trustStorePassword=<password>
`, nil, []string{"<jks"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source := configured(tt.conf)
			if diff := cmp.Diff(tt.found, foreignTo(resource(t, source))); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			out := adopted(t, source, flinkWiring("v1"))
			for _, word := range tt.gone {
				if strings.Contains(plain(t, out), word) {
					t.Errorf("%s is still there:\n%s", word, plain(t, out))
				}
			}
		})
	}
}

// TestForeignTrustStore finds the file behind the JVM's option.
func TestForeignTrustStore(t *testing.T) {
	const head = `kind: EventProcessing
metadata: {name: my-ep}
spec:
  authoring:
    template:
      pod:
        spec:
          containers:
          - name: backend
            env:
            - {name: WORD, value: plainSecret}
            - {name: REF, valueFrom: {secretKeyRef: {name: word, key: is}}}
            - {name: JAVA_TOOL_OPTIONS, value: "-Djavax.net.ssl.trustStore=FILE -Djavax.net.ssl.trustStorePassword=PASSWORD"}
            volumeMounts:
            - {name: whole, mountPath: /whole/}
            - {name: items, mountPath: /whole/items}
            - {name: items, mountPath: /one.jks, subPath: one.jks}
            - {name: truststore, mountPath: /opt/ibm/sp-backend/certs}
            - {name: disk, mountPath: /disk}
            - {name: later, mountPath: /later}
          volumes:
          - {name: whole, secret: {secretName: a}}
          - {name: items, secret: {secretName: b, items: [{key: k1, path: one.jks}, {key: k2, path: two.jks}]}}
          - {name: truststore, secret: {secretName: c}}
          - {name: disk, persistentVolumeClaim: {claimName: d}}
          - {name: later, secret: {secretName: <ssl-truststore>}}
`
	tests := []struct{ name, file, password, want string }{
		{"the whole Secret", "/whole/t.jks", "plain", "a/t.jks plain"},
		{"an item of the deeper mount", "/whole/items/two.jks", "$(WORD)", "b/k2 plainSecret"},
		{"one file of a volume", "/one.jks", "$(REF)", "b/k1 word"},
		{"where the documentation mounts it", "/opt/ibm/sp-backend/certs/../certs/t.jks", "$(OTHER)", "c/t.jks $(OTHER)"},
		{"not among the items", "/whole/items/three.jks", "p", "refused"},
		{"no Secret", "/disk/t.jks", "p", "refused"},
		{"the image's", "/opt/java/lib/security/cacerts", "p", "refused"},
		{"not filled in", "/later/t.jks", "p", ""},
		{"no option", "<path>", "p", "c/ "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := resource(t, strings.NewReplacer("FILE", tt.file, "=PASSWORD", "="+tt.password).Replace(head))
			stores, problems := ForeignTrustStores(r)
			got := ""
			for _, s := range stores {
				got += s.Secret + "/" + s.Key + " " + s.Password.Value + s.Password.Secret
			}
			for _, p := range problems {
				got += "refused"
				noPassword(t, p.Error())
			}
			if got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMentions(t *testing.T) {
	r := resource(t, configured("kubernetes.secrets: 'other:/x,flink-tls:/opt/flink/tls-cert'\n"))
	for name, want := range map[string]bool{"flink-tls": true, "other": true, "tls": false, "flink-tls-v1": false} {
		if got := Mentions(r, name); got != want {
			t.Errorf("mentions %s: %v", name, got)
		}
	}
}
