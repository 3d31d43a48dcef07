package deploy

import (
	"fmt"

	"github.com/flowcert/flowcert/yamledit"
)

// tlsField is a field of spec.authoring.tls, where an EventProcessing says how
// it gets its certificates.
func tlsField(names ...string) yamledit.Path {
	return under(keys("spec", "authoring", "tls"), keys(names...)...)
}

// A tlsMode is one of the fields by which EventProcessing takes a certificate or
// a CA, and the mode that somebody chose by setting it.
type tlsMode struct {
	field string
	what  string // a Secret of somebody else's in it
	asks  string // the mode in flowcert.yaml
}

var (
	modeCertificate = tlsMode{"secretName", "the mode with a certificate of yours", "mode certificate (secretName)"}
	modeCA          = tlsMode{"caSecretName", "the mode in which cert-manager signs with a CA of yours", "mode ca (caSecretName)"}
)

const tlsHint = "remove the field to hand the certificate to flowcert, or take this instance out of flowcert.yaml"

// eventProcessingTLS sets the field of the wanted mode, and takes back what
// flowcert set for the other one in the same rewrite, so that no mode is half
// set. A mode that somebody else chose is refused, both named: with two fields
// set it would be the operator's choice which of them counts.
func (e *editor) eventProcessingTLS(w EventProcessingWiring) {
	switch {
	case w.Certificate != "":
		e.otherMode(modeCA, modeCertificate)
	case w.CA != "":
		e.otherMode(modeCertificate, modeCA)
	}
	// What the samples leave open would send the operator after keys of that
	// name. They fall back to what flowcert writes.
	for _, field := range [][]string{
		{"caCertificate"}, {"serverCertificate"}, {"key"},
		{"ui", "caCertificate"}, {"ui", "serverCertificate"}, {"ui", "key"},
	} {
		e.drop(tlsField(field...), tlsField())
	}
	if w.UI == "" {
		e.withoutUI()
	}
	if w.Certificate != "" {
		e.checkDataKeys(EventProcessingDataKeys(e.resource), tlsField())
		e.set(tlsField(modeCertificate.field), w.Certificate, tlsHint)
	}
	if w.CA != "" {
		e.set(tlsField(modeCA.field), w.CA, tlsHint)
	}
	if w.UI != "" {
		e.withUI(w.UI)
	}
}

// otherMode takes out the field of a mode that is not wanted.
func (e *editor) otherMode(other, wanted tlsMode) {
	p := tlsField(other.field)
	v, ok := yamledit.Get(e.resource.Object, p)
	switch {
	case unset(v, ok):
		e.drop(p, tlsField())
	case e.record.wrote(p, v):
		e.remove(p, tlsField())
	default:
		e.conflict(p, fmt.Sprintf("is %s, %s; flowcert.yaml asks for %s", show(v), other.what, wanted.asks), tlsHint)
	}
}

// withUI makes the UI serve the Secret's certificate, and Event Processing trust
// what signed it.
func (e *editor) withUI(secret string) {
	data := EventProcessingUIDataKeys(e.resource)
	e.checkDataKeys(data, tlsField("ui"))
	e.set(tlsField("ui", "secretName"), secret, "remove the field to hand the UI's certificate to flowcert, or take ui out of flowcert.yaml")
	entry := trustedEntry(secret)
	if _, ok := yamledit.Get(e.resource.Object, entry); ok {
		e.set(under(entry, yamledit.Key("certificate")), data.CA, "remove the entry: flowcert writes it anew")
	} else {
		e.edit(entry, map[string]any{"secretName": secret, "certificate": data.CA})
	}
	for _, name := range e.trustedByUs() {
		if name != secret {
			e.edits = append(e.edits, yamledit.Edit{Path: trustedEntry(name), Remove: true})
		}
	}
}

// withoutUI takes flowcert's UI certificate back. One of somebody else's stays:
// it goes together with every mode.
func (e *editor) withoutUI() {
	p := tlsField("ui", "secretName")
	v, ok := yamledit.Get(e.resource.Object, p)
	switch {
	case unset(v, ok):
		e.drop(p, tlsField())
	case e.record.wrote(p, v):
		e.remove(p, tlsField())
	default:
		e.notice("%s is %s, a UI certificate of yours: flowcert leaves it alone and does not renew it; ui: {} in flowcert.yaml would hand it over", p, show(v))
	}
	ours := e.trustedByUs()
	if list, _ := yamledit.Get(e.resource.Object, trustedCertificates()); len(ours) > 0 && len(ours) == length(list) {
		e.remove(trustedCertificates(), tlsField())
		return
	}
	for _, name := range ours {
		e.remove(trustedEntry(name), trustedCertificates())
	}
}

func length(list any) int {
	entries, _ := list.([]any)
	return len(entries)
}

// trustedCertificates lists what Event Processing trusts besides its own CA. Its
// entries have no name: the Secret's tells them apart.
func trustedCertificates() yamledit.Path { return tlsField("trustedCertificates") }

func trustedEntry(secret string) yamledit.Path {
	return under(trustedCertificates(), yamledit.Item("secretName", secret))
}

// trustedByUs are the Secrets whose entries flowcert added.
func (e *editor) trustedByUs() []string {
	var out []string
	for _, m := range e.list(trustedCertificates()) {
		name, _ := m["secretName"].(string)
		if name != "" && e.record.wrote(under(trustedEntry(name), yamledit.Key("secretName")), name) {
			out = append(out, name)
		}
	}
	return out
}
