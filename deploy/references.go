package deploy

import (
	"slices"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// Refs are the names of Secrets that a resource refers to in fields of ours;
// empty where it refers to none.
type Refs struct {
	Certificate string   // EventProcessing: spec.authoring.tls.secretName
	CA          string   // EventProcessing: spec.authoring.tls.caSecretName
	UI          string   // EventProcessing: spec.authoring.tls.ui.secretName
	Trusted     []string // EventProcessing: spec.authoring.tls.trustedCertificates, the author's own among them
	FlinkTrust  string   // EventProcessing: spec.flink.tls.secretName
	FlinkTLS    []string // FlinkDeployment: kubernetes.secrets, the author's own among them
	TrustStore  string   // both: the volume named truststore
}

// Secrets lists them all.
func (r Refs) Secrets() []string {
	all := slices.Concat([]string{r.Certificate, r.CA, r.UI, r.FlinkTrust, r.TrustStore}, r.Trusted, r.FlinkTLS)
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

// volumes are those that the pods mount as the resource says, whatever its operator
// does with the others.
func (r Refs) volumes() []string { return append(slices.Clone(r.FlinkTLS), r.TrustStore) }

// References reads them. A placeholder is no reference.
func References(r Resource) Refs {
	if r.Kind == EventProcessingKind {
		return Refs{
			Certificate: reference(r, tlsField("secretName")),
			CA:          reference(r, tlsField("caSecretName")),
			UI:          reference(r, tlsField("ui", "secretName")),
			Trusted:     trusted(r),
			FlinkTrust:  reference(r, keys("spec", "flink", "tls", "secretName")),
			TrustStore:  trustReference(r, keys("spec", "authoring", "template", "pod")),
		}
	}
	var refs Refs
	if c, err := readConf(r); err == nil {
		list, _ := c.get(kubernetesSecrets)
		for _, s := range strings.Split(list, ",") {
			if name := parsePair(s).secret; name != "" && !Placeholder(name) {
				refs.FlinkTLS = append(refs.FlinkTLS, name)
			}
		}
	}
	for _, root := range slices.Concat(sharedHome, roleHome) {
		if refs.TrustStore == "" {
			refs.TrustStore = trustReference(r, root)
		}
	}
	return refs
}

func trusted(r Resource) []string {
	var out []string
	for _, m := range mappings(r.Object, trustedCertificates()) {
		if name, ok := m["secretName"].(string); ok && name != "" && !Placeholder(name) {
			out = append(out, name)
		}
	}
	return out
}

func trustReference(r Resource, template yamledit.Path) string {
	return reference(r, under(template, yamledit.Key("spec"), yamledit.Key("volumes"),
		yamledit.Item("name", trustVolume), yamledit.Key("secret"), yamledit.Key("secretName")))
}

func reference(r Resource, p yamledit.Path) string {
	v, ok := yamledit.Get(r.Object, p)
	if s, isString := v.(string); isString && !unset(v, ok) {
		return s
	}
	return ""
}
