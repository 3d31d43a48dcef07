package deploy

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/yamledit"
)

const webhooksManifest = `# the chart's
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: flink-operator-flink-webhook-configuration
  labels: {app: x}
webhooks:
- name: one.flink.apache.org   # comments stay
  clientConfig:
    service: {name: flink-operator-webhook-service, namespace: flink, path: /validate}
  failurePolicy: Fail
- name: two.flink.apache.org
  clientConfig:
    url: https://192.0.2.7/validate
    caBundle: Cg==
  failurePolicy: Ignore
`

func webhooksResource(t *testing.T, text string) Resource {
	t.Helper()
	obj, err := yamledit.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Resource{Group: AdmissionGroup, Kind: ValidatingKind, Name: "flink-operator-flink-webhook-configuration", Source: []byte(text), Object: obj}
}

// bundleOf is a wiring with one bundle; nothing else does as well.
func bundleOf(bundle string, at time.Time, earlier ...string) BundleWiring {
	w := BundleWiring{
		Bundle: []byte(bundle), At: at,
		Same:  func(pem []byte) bool { return string(pem) == bundle },
		Empty: func(pem []byte) bool { return strings.TrimSpace(string(pem)) == "" },
	}
	for _, e := range earlier {
		w.Earlier = append(w.Earlier, []byte(e))
	}
	return w
}

func TestWebhooks(t *testing.T) {
	got := Webhooks(webhooksResource(t, webhooksManifest))
	want := []Webhook{
		{Name: "one.flink.apache.org", Address: "flink-operator-webhook-service.flink.svc:443", Host: "flink-operator-webhook-service.flink.svc", Required: true},
		{Name: "two.flink.apache.org", Address: "192.0.2.7:443", Host: "192.0.2.7", Bundle: []byte("\n")},
	}
	if len(got) != len(want) {
		t.Fatalf("%d webhooks, want %d", len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; g.Name != w.Name || g.Address != w.Address || g.Host != w.Host || g.Required != w.Required || string(g.Bundle) != string(w.Bundle) {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
	for text, address := range map[string]string{
		"service: {name: s, namespace: ns}":              "s.ns.svc:443",
		"service: {name: s, namespace: ns, port: 8443}":  "s.ns.svc:8443",
		"url: 'https://example.com:9443/x'":              "example.com:9443",
		"url: 'https://[2001:db8::1]/x'":                 "[2001:db8::1]:443",
		"service: {name: s}":                             "",
		"url: ':'":                                       "",
		"{}":                                             "",
		"service: {name: s, namespace: ns, port: null}":  "s.ns.svc:443",
		"service: {name: s, namespace: ns, port: '444'}": "s.ns.svc:444",
	} {
		if !strings.HasPrefix(text, "{") {
			text = "{" + text + "}"
		}
		var have string
		if all := Webhooks(webhooksResource(t, "webhooks: [{name: x, clientConfig: "+text+"}]")); len(all) == 1 {
			have = all[0].Address
		}
		if have != address {
			t.Errorf("%s: called at %q, want %q", text, have, address)
		}
	}
}

// TestWebhookBundle: one caBundle after the other is written, what was before is noted, and all of it is taken
// back to the byte.
func TestWebhookBundle(t *testing.T) {
	at := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	r := webhooksResource(t, webhooksManifest)
	for i, w := range []BundleWiring{bundleOf("first", at), bundleOf("second", at.Add(time.Hour)), bundleOf("third", at.Add(2*time.Hour), "first")} {
		result := WebhookBundle(r, w)
		if len(result.Conflicts) > 0 || result.Theirs {
			t.Fatalf("%s: conflicts %v, changed by somebody: %v", w.Bundle, result.Conflicts, result.Theirs)
		}
		r = webhooksResource(t, string(result.Source))
		for _, hook := range Webhooks(r) {
			if string(hook.Bundle) != string(w.Bundle) {
				t.Errorf("%s has %q, want %q", hook.Name, hook.Bundle, w.Bundle)
			}
		}
		if again := WebhookBundle(r, w); len(again.Edits) > 0 {
			t.Errorf("the second time there are %d edits", len(again.Edits))
		}
		if got := BundleWritten(r); !got.Equal(w.At) {
			t.Errorf("written at %v, want %v", got, w.At)
		}
		var earlier []string
		for _, e := range EarlierBundles(r) {
			earlier = append(earlier, string(e))
		}
		if got, want := strings.Join(earlier, " "), []string{"", "first", "first second"}[i]; got != want {
			t.Errorf("earlier ones are %q, want %q", got, want)
		}
	}

	marked := MarkBundleDeployed(r, at)
	if r = webhooksResource(t, string(marked.Source)); !BundleDeployed(r).Equal(at) {
		t.Error("the user's word is not noted")
	}
	if again := MarkBundleDeployed(r, at); again.Source != nil {
		t.Error("it is noted a second time")
	}
	changed := WebhookBundle(r, bundleOf("fourth", at))
	r = webhooksResource(t, string(changed.Source))
	if !BundleDeployed(r).IsZero() {
		t.Error("the user's word holds for the next change too")
	}
	source, kept, err := Revert(r)
	if err != nil || len(kept) > 0 || string(source) != webhooksManifest {
		t.Errorf("reverted: %v, kept %v:\n%s", err, kept, source)
	}
}

// TestWebhookBundleOfOthers: it is not overwritten, unless it is to be taken over; one that somebody removed
// is put right, and said to be so.
func TestWebhookBundleOfOthers(t *testing.T) {
	theirs := strings.Replace(webhooksManifest, "caBundle: Cg==", "caBundle: "+base64.StdEncoding.EncodeToString([]byte("theirs")), 1)
	r, at := webhooksResource(t, theirs), time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	result := WebhookBundle(r, bundleOf("ours", at))
	if len(result.Conflicts) != 1 || len(result.Edits) > 0 || !result.Conflicts[0].Adoptable {
		t.Fatalf("conflicts %v, %d edits", result.Conflicts, len(result.Edits))
	}
	if text := result.Conflicts[0].Error(); text != `validatingWebhookConfiguration/flink-operator-flink-webhook-configuration: webhooks[name="two.flink.apache.org"].clientConfig.caBundle: is set, not by flowcert` {
		t.Error(text)
	}
	w := bundleOf("ours", at)
	w.Adopt = true
	adopted := WebhookBundle(r, w)
	if len(adopted.Conflicts) > 0 || len(adopted.Claims) != 1 {
		t.Fatalf("conflicts %v, %d claims", adopted.Conflicts, len(adopted.Claims))
	}
	source, _, err := Revert(webhooksResource(t, string(adopted.Source)))
	if err != nil || string(source) != theirs {
		t.Errorf("reverted: %v\n%s", err, source)
	}

	wired := string(WebhookBundle(webhooksResource(t, webhooksManifest), bundleOf("ours", at)).Source)
	line := "    caBundle: " + base64.StdEncoding.EncodeToString([]byte("ours")) + "\n"
	gone := webhooksResource(t, strings.Replace(wired, line, "", 1))
	if mended := WebhookBundle(gone, bundleOf("ours", at)); !mended.Theirs || len(mended.Conflicts) > 0 {
		t.Errorf("somebody changed it: %v, conflicts %v", mended.Theirs, mended.Conflicts)
	}
}

func TestOwnedByOLM(t *testing.T) {
	r := webhooksResource(t, strings.Replace(webhooksManifest, "{app: x}", "{olm.owner: flink-operator.v1.2.3}", 1))
	if !OwnedByOLM(r.Labels()) || OwnedByOLM(webhooksResource(t, webhooksManifest).Labels()) {
		t.Error("whose a configuration is, is told wrong")
	}
}
