package secrets

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/truststore"
)

// RoleAdopted is the record of somebody else's Secret that flowcert took over:
// the chain that it served and what it trusted, public certificates alone.
const RoleAdopted Role = "adopted"

// Annotations of such a record.
const (
	// AdoptedAnnotation names the Secrets that were taken over, with commas.
	AdoptedAnnotation = "flowcert.io/adopted"
	// AdoptedRoleAnnotation is the role of what took their place.
	AdoptedRoleAnnotation = "flowcert.io/adopted-role"
	// AdoptedFileAnnotation is the file, relative to the directory, in which a
	// Secret stood that made room for flowcert's. Its text is under ManifestKey.
	AdoptedFileAnnotation = "flowcert.io/adopted-file"
)

// ManifestKey is the data key of a record for the text of a manifest that made
// room, as it was.
const ManifestKey = "manifest"

// TrustSuffix ends the data keys of a record that hold one trusted certificate
// each: alias.pem. Whoever removes one of them gives that certificate up.
const TrustSuffix = ".pem"

// Adopted is what a record holds.
type Adopted struct {
	Chain   []*x509.Certificate // leaf first; empty where nothing was served
	Entries []truststore.Entry  // what was trusted, by alias
}

// NewAdopted makes a record. Aliases are made fit to be data keys, and unique.
func NewAdopted(namespace, prefix, target string, role Role, originals []string, a Adopted, now time.Time) *Secret {
	public := append([]string{string(role)}, originals...)
	s := New(Ref{Namespace: namespace}, target, RoleAdopted, now)
	s.Immutable = false // people may take entries out
	s.Annotations[AdoptedAnnotation] = strings.Join(originals, ",")
	s.Annotations[AdoptedRoleAnnotation] = string(role)
	if len(a.Chain) > 0 {
		s.Data[TLSCert] = pki.EncodeCertificates(a.Chain...)
	}
	for _, c := range a.Chain {
		public = append(public, pki.Fingerprint(c))
	}
	for _, e := range a.Entries {
		alias := freeAlias(s, e.Alias)
		s.Data[alias+TrustSuffix] = pki.EncodeCertificates(e.Certificate)
		public = append(public, alias+"="+pki.Fingerprint(e.Certificate))
	}
	s.Name = VersionName(prefix+"-adopted", public...)
	return s
}

// freeAlias is an alias as a data key may be, and a source's name.
func freeAlias(s *Secret, alias string) string {
	fit := fitAlias(alias)
	for n, try := 2, fit; ; n++ {
		if _, taken := s.Data[try+TrustSuffix]; !taken {
			return try
		}
		try = fmt.Sprintf("%s-%d", fit, n)
	}
}

// maxAlias leaves room for a number within the 63 characters of a source's name.
const maxAlias = 58

func fitAlias(alias string) string {
	var last rune
	fit := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			last = r
			return r
		}
		if last == '-' {
			return -1
		}
		last = '-'
		return '-'
	}, strings.ToLower(alias))
	fit = strings.Trim(fit, "-._")
	if len(fit) > maxAlias {
		fit = strings.TrimRight(fit[:maxAlias], "-._")
	}
	if fit == "" {
		return "adopted"
	}
	return fit
}

// Originals are the names of the Secrets that the record is of.
func (s *Secret) Originals() []string {
	if s.Role() != RoleAdopted {
		return nil
	}
	return strings.Split(s.Annotations[AdoptedAnnotation], ",")
}

// AdoptedRole is the role of what took the originals' place.
func (s *Secret) AdoptedRole() Role { return Role(s.Annotations[AdoptedRoleAnnotation]) }

// Adopted reads a record.
func (s *Secret) Adopted() (a Adopted, err error) {
	if _, ok := s.Data[TLSCert]; ok {
		if a.Chain, err = s.certificates(TLSCert); err != nil {
			return a, err
		}
	}
	for _, key := range s.Keys() {
		alias, ok := strings.CutSuffix(key, TrustSuffix)
		if !ok {
			continue
		}
		certs, err := s.certificates(key)
		if err != nil {
			return a, err
		}
		for _, c := range certs {
			a.Entries = append(a.Entries, truststore.Entry{Alias: alias, Certificate: c})
		}
	}
	return a, nil
}

// rootCASuffix ends the name of the CA that the Event Processing operator has
// cert-manager make (Event Processing documentation, "Configuring TLS").
const rootCASuffix = "-ibm-ep-root-ca"

// CertManager says by what a Secret is known to be cert-manager's; empty if it
// is not (cert-manager documentation, "Annotations and labels").
func (s *Secret) CertManager() string {
	for _, name := range []string{"cert-manager.io/certificate-name", "cert-manager.io/issuer-name"} {
		if v, ok := s.Annotations[name]; ok {
			return fmt.Sprintf("annotation %s: %s", name, v)
		}
	}
	if v, ok := s.Labels["controller.cert-manager.io/fao"]; ok {
		return "label controller.cert-manager.io/fao: " + v
	}
	if strings.HasSuffix(s.Name, rootCASuffix) {
		return "the name that the Event Processing operator gives to the CA it has cert-manager make"
	}
	return ""
}

// Certificate returns the name of cert-manager's Certificate behind the Secret,
// if it says so.
func (s *Secret) Certificate() string { return s.Annotations["cert-manager.io/certificate-name"] }

// LooseIdentity reads an identity in PEM of somebody else's, in which the roots
// may be missing: a kubernetes.io/tls Secret needs none.
func (s *Secret) LooseIdentity(k deploy.DataKeys) (Identity, error) {
	if _, ok := s.Data[k.CA]; ok {
		return s.Identity(k)
	}
	less := *s
	less.Data = map[string][]byte{k.CA: s.Data[k.Certificate], k.Certificate: s.Data[k.Certificate], k.Key: s.Data[k.Key]}
	id, err := less.Identity(k)
	id.Roots = nil
	return id, err
}

// OpenStore opens a store of somebody else's, whatever its file is called. A nil
// password stands for one that nobody knows: JKS opens, nothing proves that it is
// whole.
func (s *Secret) OpenStore(key string, password *string) (*truststore.Store, error) {
	data, err := s.Get(key)
	if err != nil {
		return nil, err
	}
	var store *truststore.Store
	if password == nil {
		store, err = truststore.OpenWithoutPassword(data)
	} else {
		store, err = truststore.Open(data, *password)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: key %q: %w", s.Ref, key, err)
	}
	return store, nil
}

// Trusts is everything that a JVM trusts by a store: its certificates, and the
// leaf of each private key (sun.security.validator.TrustStoreUtil).
func Trusts(store *truststore.Store) []truststore.Entry {
	out := slices.Clone(store.Trusted)
	for _, k := range store.Keys {
		if len(k.Chain) > 0 {
			out = append(out, truststore.Entry{Alias: k.Alias, Certificate: k.Chain[0]})
		}
	}
	return out
}
