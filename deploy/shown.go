package deploy

import (
	"path"
	"strings"
)

// Shown is what a resource says of its own TLS, as far as a first configuration should go
// along with it. Placeholders say nothing.
type Shown struct {
	CA string // EventProcessing: Secret of spec.authoring.tls.caSecretName
	UI string // EventProcessing: Secret of spec.authoring.tls.ui.secretName

	RestOff, InternalOff bool // FlinkDeployment: TLS of the channel is turned off by name
	PKCS12               bool // FlinkDeployment: the key store is in this format
}

// ShownBy reads it.
func ShownBy(r Resource) Shown {
	if r.Kind == EventProcessingKind {
		return Shown{
			CA: reference(r, keys("spec", "authoring", "tls", "caSecretName")),
			UI: reference(r, keys("spec", "authoring", "tls", "ui", "secretName")),
		}
	}
	c, err := readConf(r)
	if err != nil {
		return Shown{}
	}
	return Shown{
		RestOff:     c.isFalse("security.ssl.rest.enabled"),
		InternalOff: c.isFalse("security.ssl.internal.enabled"),
		PKCS12:      c.showsPKCS12(),
	}
}

// isFalse reports whether the key says no; a key that is absent does not.
func (c conf) isFalse(key string) bool {
	v, _ := c.get(key)
	return strings.EqualFold(v, "false")
}

// showsPKCS12 goes by what says the format, else by the file's extension.
func (c conf) showsPKCS12() bool {
	for _, channel := range []string{"rest", "internal"} {
		if v, ok := c.get("security.ssl." + channel + ".keystore-type"); ok && !blank(v) {
			return strings.EqualFold(v, storeTypes[".p12"])
		}
	}
	file, _ := c.get("security.ssl.keystore")
	return !Placeholder(file) && path.Ext(file) == ".p12"
}

// Taken lists the fields in which flowcert would find somebody else's values: those of the
// resource's own TLS, and those of its truststore. Which Secrets it would refer to does not
// matter. callsFlink says of an EventProcessing that it calls a Flink under flowcert's care.
func Taken(r Resource, callsFlink bool) (tls, truststore []Conflict) {
	const secret, password = "flowcert-asks", "flowcert-asks"
	store := &TrustStore{Secret: secret, File: "truststore.jks", Password: password}
	shown := ShownBy(r)
	if r.Kind == EventProcessingKind {
		var w EventProcessingWiring
		if shown.CA == "" {
			w.Certificate = secret
		}
		if callsFlink {
			w.FlinkTrust = &FlinkTrust{Secret: secret, PasswordKey: "password"}
		}
		return EventProcessing(r, w).Conflicts, EventProcessing(r, EventProcessingWiring{TrustStore: store}).Conflicts
	}
	own := FlinkWiring{TLS: &FlinkTLS{
		Secret: secret, KeyStore: "keystore.jks", Trust: "truststore.jks", StorePassword: password, TrustPassword: password,
		Rest: !shown.RestOff, Internal: !shown.InternalOff,
	}}
	if shown.PKCS12 {
		own.TLS.KeyStore, own.TLS.Trust = "keystore.p12", "truststore.p12"
	}
	return FlinkDeployment(r, own).Conflicts, FlinkDeployment(r, FlinkWiring{TrustStore: store}).Conflicts
}
