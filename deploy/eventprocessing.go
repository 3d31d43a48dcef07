package deploy

import (
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
// empty field is left alone, but of Certificate, CA and UI: where one of them is
// set, what flowcert once set for another is taken out again.
type EventProcessingWiring struct {
	Certificate string      // Secret of spec.authoring.tls.secretName
	CA          string      // Secret of spec.authoring.tls.caSecretName
	UI          string      // Secret of spec.authoring.tls.ui.secretName, trusted by its entry in trustedCertificates
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
	if w.Certificate != "" || w.CA != "" || w.UI != "" {
		e.eventProcessingTLS(w)
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
	e.noteOverrides(container)
	e.mount(under(container, yamledit.Key("volumeMounts")), backendCertsDir)
	e.volume(under(pod, yamledit.Key("volumes")), t)
}
