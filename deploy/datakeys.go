package deploy

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/flowcert/flowcert/yamledit"
)

// DataKeys are the keys under which EventProcessing looks into its Secret.
type DataKeys struct{ CA, Certificate, Key string }

// IngressCA is the key under which an nginx ingress looks for what it trusts,
// whatever the resource calls it (ingress-nginx documentation, annotation
// nginx.ingress.kubernetes.io/proxy-ssl-secret).
const IngressCA = "ca.crt"

// EventProcessingDataKeys returns the keys that the resource names for the
// Secret of spec.authoring.tls.secretName, or the documented defaults ca.crt,
// tls.crt and tls.key.
func EventProcessingDataKeys(r Resource) DataKeys { return dataKeys(r, tlsField()) }

// EventProcessingUIDataKeys returns those for the Secret of
// spec.authoring.tls.ui.secretName, with the same defaults.
func EventProcessingUIDataKeys(r Resource) DataKeys { return dataKeys(r, tlsField("ui")) }

func dataKeys(r Resource, at yamledit.Path) DataKeys {
	named := func(field, otherwise string) string {
		v, ok := yamledit.Get(r.Object, under(at, yamledit.Key(field)))
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

// dataKey is what Kubernetes takes for a key of a Secret (Kubernetes
// documentation, "Secrets": restrictions on names and data).
var dataKey = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)

// checkDataKeys refuses keys that no Secret can have, and those that would make
// one file overwrite another.
func (e *editor) checkDataKeys(k DataKeys, at yamledit.Path) {
	taken := map[string]string{}
	if slices.Equal(at, tlsField("ui")) && k.CA != IngressCA {
		taken[IngressCA] = "where the ingress looks for what it trusts"
	}
	for _, f := range []struct{ name, value string }{{"caCertificate", k.CA}, {"serverCertificate", k.Certificate}, {"key", k.Key}} {
		p := under(at, yamledit.Key(f.name))
		if !dataKey.MatchString(f.value) {
			e.conflict(p, fmt.Sprintf("is %q, which cannot be a key of a Secret", f.value), "use letters, digits, hyphens, dots and underscores")
		} else if other := taken[f.value]; other != "" {
			e.conflict(p, fmt.Sprintf("is %q, %s", f.value, other), "give each of caCertificate, serverCertificate and key a key of its own")
		}
		taken[f.value] = "the same as " + f.name
	}
}
