package deploy

import (
	"encoding/base64"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/yamledit"
)

// API group and kinds of webhook configurations. They live in no namespace.
const (
	AdmissionGroup = "admissionregistration.k8s.io"
	ValidatingKind = "ValidatingWebhookConfiguration"
	MutatingKind   = "MutatingWebhookConfiguration"
)

// WebhookService is the Service of the Flink operator's webhook (Flink Kubernetes
// Operator, Helm chart, templates/webhook/service.yaml).
const WebhookService = "flink-operator-webhook-service"

// WebhookConfiguration is the name that both webhook configurations of a Flink
// operator have (the same chart, templates/webhook).
func WebhookConfiguration(namespace string) string {
	return "flink-operator-" + namespace + "-webhook-configuration"
}

// WebhookKinds lists both kinds, in the order in which an API server asks them.
func WebhookKinds() []string { return []string{MutatingKind, ValidatingKind} }

// Annotations of a webhook configuration whose caBundle flowcert writes.
const (
	// BundleWrittenAnnotation is when flowcert last changed a caBundle, RFC 3339.
	BundleWrittenAnnotation = "flowcert.io/ca-bundle-written"
	// EarlierBundlesAnnotation holds the caBundles that were replaced and that an API
	// server may still go by, with commas.
	EarlierBundlesAnnotation = "flowcert.io/earlier-ca-bundles"
	// BundleDeployedAnnotation is when the user said that the change is deployed; in
	// a directory.
	BundleDeployedAnnotation = "flowcert.io/deployed"
)

// olmOwner marks what the Operator Lifecycle Manager made (Operator Lifecycle
// Manager documentation, "Advanced topics", admission webhooks): it keeps the
// webhook's certificate and caBundle itself.
const olmOwner = "olm.owner"

// OwnedByOLM reports whether labels say that the Operator Lifecycle Manager made
// the object.
func OwnedByOLM(labels map[string]string) bool { return labels[olmOwner] != "" }

// Labels are the resource's own.
func (r Resource) Labels() map[string]string {
	v, _ := yamledit.Get(r.Object, keys("metadata", "labels"))
	m, _ := v.(map[string]any)
	out := map[string]string{}
	for k, v := range m {
		out[k] = text(v)
	}
	return out
}

// Webhook is one entry of a webhook configuration: whom the API server calls, and
// what it trusts there.
type Webhook struct {
	Name string
	// Address is host:port of the server; Host the name that its certificate has to
	// have.
	Address, Host string
	// Bundle is the caBundle, in PEM; empty: none.
	Bundle []byte
	// Required: a change that the webhook does not answer is refused (failurePolicy
	// Fail, the default).
	Required bool
}

// Webhooks reads a configuration's entries. One without an address is left out:
// the API server does not take it.
func Webhooks(r Resource) []Webhook {
	var out []Webhook
	for _, m := range mappings(r.Object, keys("webhooks")) {
		w := Webhook{Required: text(m["failurePolicy"]) != "Ignore"}
		w.Name, _ = m["name"].(string)
		w.Address, w.Host = webhookServer(m)
		bundle, _ := getString(m, keys("clientConfig", "caBundle"))
		w.Bundle, _ = base64.StdEncoding.DecodeString(bundle)
		if w.Name != "" && w.Address != "" {
			out = append(out, w)
		}
	}
	return out
}

// httpsPort is where a webhook listens that names no port.
const httpsPort = "443"

// webhookServer is where the API server finds a webhook (Kubernetes API,
// WebhookClientConfig).
func webhookServer(webhook map[string]any) (address, host string) {
	if raw, _ := getString(webhook, keys("clientConfig", "url")); raw != "" {
		u, err := url.Parse(raw)
		if err != nil || u.Hostname() == "" {
			return "", ""
		}
		port := u.Port()
		if port == "" {
			port = httpsPort
		}
		return net.JoinHostPort(u.Hostname(), port), u.Hostname()
	}
	name, _ := getString(webhook, keys("clientConfig", "service", "name"))
	namespace, _ := getString(webhook, keys("clientConfig", "service", "namespace"))
	if name == "" || namespace == "" {
		return "", ""
	}
	port, _ := getString(webhook, keys("clientConfig", "service", "port"))
	if _, err := strconv.Atoi(port); err != nil {
		port = httpsPort
	}
	host = name + "." + namespace + ".svc"
	return net.JoinHostPort(host, port), host
}

// EarlierBundles are the caBundles that were replaced, in PEM.
func EarlierBundles(r Resource) [][]byte {
	var out [][]byte
	for _, s := range strings.Split(r.annotation(EarlierBundlesAnnotation), ",") {
		if pem, err := base64.StdEncoding.DecodeString(s); err == nil && len(pem) > 0 {
			out = append(out, pem)
		}
	}
	return out
}

// BundleWritten is when flowcert last changed a caBundle; zero: never.
func BundleWritten(r Resource) time.Time { return r.timeOf(BundleWrittenAnnotation) }

// BundleDeployed is when the user said that the change is deployed; zero: not yet.
func BundleDeployed(r Resource) time.Time { return r.timeOf(BundleDeployedAnnotation) }

func (r Resource) timeOf(annotation string) time.Time {
	t, err := time.Parse(time.RFC3339, r.annotation(annotation))
	if err != nil {
		return time.Time{}
	}
	return t
}

// MarkBundleDeployed notes, on a configuration whose caBundle changed, that what
// stands there is deployed. The result has no edits where there is nothing to note.
func MarkBundleDeployed(r Resource, now time.Time) Result {
	e := newEditor(r)
	if len(EarlierBundles(r)) > 0 && BundleDeployed(r).IsZero() {
		e.annotate(BundleDeployedAnnotation, now.UTC().Format(time.RFC3339))
	}
	return e.result()
}

// BundleWiring is what an API server is to trust of a webhook.
type BundleWiring struct {
	// Bundle holds the certificates, in PEM.
	Bundle []byte
	// Same reports whether a caBundle that is there does as well.
	Same func(pem []byte) bool
	// Empty reports whether what is there holds no certificate, as the placeholder
	// that charts leave does.
	Empty func(pem []byte) bool
	// Earlier are caBundles that were replaced before and that still count.
	Earlier [][]byte
	// At is the time of the change.
	At time.Time
	// Adopt takes a caBundle of somebody else's over.
	Adopt bool
}

// WebhookBundle returns the edits that give every entry of a webhook configuration
// its caBundle. One that somebody else set is a conflict.
func WebhookBundle(r Resource, w BundleWiring) Result {
	e := newEditor(r)
	e.adopt = w.Adopt
	earlier, theirs := w.Earlier, false
	for _, hook := range Webhooks(r) {
		p := under(keys("webhooks"), yamledit.Item("name", hook.Name), yamledit.Key("clientConfig"), yamledit.Key("caBundle"))
		before := len(e.edits)
		e.fulfil(wish{
			path: p, want: base64.StdEncoding.EncodeToString(w.Bundle), secret: true, hint: bundleHint(r),
			equal: func(string) bool { return w.Same(hook.Bundle) },
			ours:  func(string) bool { return w.Empty(hook.Bundle) },
		})
		if len(e.edits) == before {
			continue
		}
		if current, _ := yamledit.Get(r.Object, p); len(e.record) > 0 && !e.record.wrote(p, current) {
			theirs = true
		}
		known := slices.ContainsFunc(earlier, func(b []byte) bool { return string(b) == string(hook.Bundle) })
		if !known && !w.Empty(hook.Bundle) {
			earlier = append(slices.Clone(earlier), hook.Bundle)
		}
	}
	if len(e.edits) > 0 {
		e.noteEarlier(earlier, w.At)
	}
	out := e.result()
	out.Theirs = theirs
	return out
}

func bundleHint(r Resource) string {
	if r.annotation("cert-manager.io/inject-ca-from") != "" {
		return "take cert-manager.io/inject-ca-from off it and remove the caBundle to hand it over, or set flinkOperator.webhook: false in flowcert.yaml"
	}
	return "remove it to hand it over, or set flinkOperator.webhook: false in flowcert.yaml"
}

// noteEarlier writes down what the edits replace.
func (e *editor) noteEarlier(bundles [][]byte, at time.Time) {
	e.annotate(BundleWrittenAnnotation, at.UTC().Format(time.RFC3339))
	var all []string
	for _, b := range bundles {
		all = append(all, base64.StdEncoding.EncodeToString(b))
	}
	if len(all) > 0 || e.resource.annotation(EarlierBundlesAnnotation) != "" {
		e.annotate(EarlierBundlesAnnotation, strings.Join(all, ","))
	}
	if e.resource.annotation(BundleDeployedAnnotation) != "" {
		e.annotate(BundleDeployedAnnotation, "")
	}
}
