package deploy

import (
	"fmt"
	"path"

	"github.com/flowcert/flowcert/yamledit"
)

// Where the Event Processing documentation puts a database truststore ("Adding
// trusted certificates for a database", Event Processing documentation).
const (
	backendContainer = "backend"
	backendCertsDir  = "/opt/ibm/sp-backend/certs"
	javaToolOptions  = "JAVA_TOOL_OPTIONS"
)

// EventProcessingWiring is what one EventProcessing should refer to. A nil or
// empty field is left alone.
type EventProcessingWiring struct {
	Certificate string      // Secret of spec.authoring.tls.secretName
	FlinkTrust  *FlinkTrust // spec.flink.tls
	TrustStore  *TrustStore // JVM truststore of the backend container
	Root        string      // fingerprint for RootAnnotation
	Adopt       bool        // what others set in these fields is taken over
}

// FlinkTrust is the JKS truststore with which Event Processing verifies Flink's
// REST endpoint.
type FlinkTrust struct {
	Secret      string // holds truststore.jks
	PasswordKey string // key of the same Secret that holds the password
}

// EventProcessing returns the edits that wire an EventProcessing
// (events.ibm.com/v1beta1) as wanted.
func EventProcessing(r Resource, w EventProcessingWiring) Result {
	e := newEditor(r)
	e.adopt = w.Adopt
	if w.Root != "" {
		e.annotate(RootAnnotation, w.Root)
	}
	if w.Certificate != "" {
		e.eventProcessingCertificate(w.Certificate)
	}
	if w.FlinkTrust != nil {
		e.eventProcessingFlink(*w.FlinkTrust)
	}
	if w.TrustStore != nil {
		e.eventProcessingTrustStore(*w.TrustStore)
	}
	e.leftoverPlaceholders()
	return e.result()
}

func (e *editor) eventProcessingCertificate(secret string) {
	const hint = "remove the field to hand the certificate to flowcert, or take this instance out of flowcert.yaml"
	tls := keys("spec", "authoring", "tls")
	ca := under(tls, yamledit.Key("caSecretName"))
	if v, ok := yamledit.Get(e.resource.Object, ca); !unset(v, ok) {
		e.conflict(ca, fmt.Sprintf("is %s, the mode in which cert-manager signs with a CA of yours; flowcert.yaml asks for mode certificate (secretName)", show(v)), hint)
	}
	// What the samples leave open would send the operator after Secrets and
	// keys of that name. The keys fall back to what flowcert writes.
	for _, field := range [][]string{
		{"caSecretName"}, {"caCertificate"}, {"serverCertificate"}, {"key"},
		{"ui", "secretName"}, {"ui", "caCertificate"}, {"ui", "serverCertificate"}, {"ui", "key"},
	} {
		e.drop(under(tls, keys(field...)...), tls)
	}
	e.set(under(tls, yamledit.Key("secretName")), secret, hint)
}

func (e *editor) eventProcessingFlink(t FlinkTrust) {
	tls := keys("spec", "flink", "tls")
	hint := "remove spec.flink.tls to hand it to flowcert"
	e.set(under(tls, yamledit.Key("secretName")), t.Secret, hint)
	e.set(under(tls, yamledit.Key("secretKeyRef"), yamledit.Key("name")), t.Secret, hint)
	e.set(under(tls, yamledit.Key("secretKeyRef"), yamledit.Key("key")), t.PasswordKey, hint)
}

func (e *editor) eventProcessingTrustStore(t TrustStore) {
	pod := keys("spec", "authoring", "template", "pod", "spec")
	container := under(pod, yamledit.Key("containers"), yamledit.Item("name", backendContainer))
	env := under(container, yamledit.Key("env"), yamledit.Item("name", javaToolOptions))
	if v, ok := yamledit.Get(e.resource.Object, under(env, yamledit.Key("valueFrom"))); ok && v != nil {
		e.conflict(env, "takes its value from elsewhere (valueFrom)", "write the options out as value, so that flowcert can append to them")
	} else {
		e.setTrustOptions(under(env, yamledit.Key("value")), path.Join(backendCertsDir, t.File), t.Password)
	}
	e.mount(under(container, yamledit.Key("volumeMounts")), backendCertsDir)
	e.volume(under(pod, yamledit.Key("volumes")), t)
}

// DataKeys are the keys under which EventProcessing looks into its Secret.
type DataKeys struct{ CA, Certificate, Key string }

// EventProcessingDataKeys returns the keys that the resource names, or the
// documented defaults ca.crt, tls.crt and tls.key.
func EventProcessingDataKeys(r Resource) DataKeys {
	named := func(field, otherwise string) string {
		v, ok := yamledit.Get(r.Object, keys("spec", "authoring", "tls", field))
		if s, isString := v.(string); isString && !unset(v, ok) {
			return s
		}
		return otherwise
	}
	return DataKeys{
		CA:          named("caCertificate", "ca.crt"),
		Certificate: named("serverCertificate", "tls.crt"),
		Key:         named("key", "tls.key"),
	}
}
