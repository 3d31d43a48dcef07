package config

import (
	"cmp"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/flowcert/flowcert/pki"
)

// maxCommonName leaves room for " G2" to " G99" in the 64 characters of RFC 5280
// Appendix A, so that no rollover in some years finds the name too long.
const maxCommonName = 64 - len(" G99")

// minValidity is the shortest lifetime: NotBefore lies 5 minutes back, and 12m is 12 minutes.
const minValidity = Duration(time.Hour)

func (v *validator) checkAuthority() {
	a := v.Authority
	if v.given("authority.name") {
		v.check("authority.name", a.Name, pki.CheckLabel)
	}
	if a.Secret != nil {
		v.checkAuthoritySecret(a.Secret)
		if v.given("authority.selfSigned") {
			v.fail("authority", "has both selfSigned and secret; keep one: secret for a CA of yours, else selfSigned")
		}
		return
	}
	const path = "authority.selfSigned"
	s := a.SelfSigned
	v.checkSubject(path+".subject", s.Subject)
	v.key(path+".key", s.Key, errNotForAuthority)
	v.validity(path+".validity", s.Validity)
	v.validity(path+".intermediate.validity", s.Intermediate.Validity)
	if s.Intermediate.None && s.NameConstraints.Mode == ConstraintsList {
		v.fail(path+".nameConstraints", "are an intermediate's, but intermediate is none; leave one of the two out")
	}
	v.checkNameConstraints(path+".nameConstraints", s.NameConstraints)
}

var errNotForAuthority = errors.New("Ed25519 is for `certificates` only, not every client takes it; choose RSA or ECDSA")

func (v *validator) checkAuthoritySecret(s *AuthoritySecret) {
	const path = "authority.secret"
	if v.faulty[path] {
		return
	}
	v.namespace(path, s.Namespace)
	v.name(path+".name", s.Name, checkObjectName)
	v.secretRef(path+".passphrase.secret", s.Passphrase)
	if s.Intermediate != nil {
		v.checkUserIntermediate(path+".intermediate", s.Intermediate)
	}
}

func (v *validator) checkUserIntermediate(path string, i *UserIntermediate) {
	if v.faulty[path] {
		return
	}
	v.key(path+".key", i.Key, errNotForAuthority)
	v.validity(path+".validity", i.Validity)
	v.checkNameConstraints(path+".nameConstraints", i.NameConstraints)
}

// checkSubject asks for each field alone, so that each has its line.
func (v *validator) checkSubject(path string, s pki.Subject) {
	if n := utf8.RuneCountInString(s.CommonName); n > maxCommonName {
		at := v.firstGiven(path+".commonName", "authority.name", "namespace")
		v.fail(at, "the authority's common name %s has %d characters, at most %d leave room for its successors' numbers; "+
			"set a shorter authority.selfSigned.subject.commonName", quote(s.CommonName), n, maxCommonName)
	}
	for _, part := range []struct {
		field, value string
		subject      pki.Subject
	}{
		{"commonName", s.CommonName, pki.Subject{CommonName: s.CommonName}},
		{"organization", s.Organization, pki.Subject{Organization: s.Organization}},
		{"organizationalUnit", s.OrganizationalUnit, pki.Subject{OrganizationalUnit: s.OrganizationalUnit}},
		{"country", s.Country, pki.Subject{Country: s.Country}},
		{"province", s.Province, pki.Subject{Province: s.Province}},
		{"locality", s.Locality, pki.Subject{Locality: s.Locality}},
		{"emailAddress", s.EmailAddress, pki.Subject{EmailAddress: s.EmailAddress}},
	} {
		if err := part.subject.Validate(); err != nil && v.given(path+"."+part.field) {
			// Without pki's words for the field, which the path names.
			v.fail(path+"."+part.field, "%s: %v", quote(part.value), cmp.Or(errors.Unwrap(err), err))
		}
	}
}

// key reports a key that cannot be made, or Ed25519 if that is an error here.
func (v *validator) key(path string, k pki.KeySpec, ed25519 error) {
	if v.faulty[path+".algorithm"] || v.faulty[path+".size"] || v.faulty[path] {
		return
	}
	if err := k.Validate(); err != nil {
		v.fail(v.firstGiven(path+".size", path), "%v", err)
		return
	}
	if k.Algorithm == pki.Ed25519 && ed25519 != nil {
		v.fail(path+".algorithm", "%v", ed25519)
	}
}

// validity reports a lifetime that is given and too short to be meant.
func (v *validator) validity(path string, d Duration) {
	if v.given(path) && d > 0 && d < minValidity {
		v.fail(path, "%s is shorter than an hour; days are written like 365d (m is minutes)", d)
	}
}

func (v *validator) checkNameConstraints(path string, n NameConstraints) {
	if n.Mode != ConstraintsList {
		return
	}
	if len(n.PermittedDNS) == 0 {
		v.fail(path+".permittedDNS", "is empty, so nothing could be signed; list names, or write nameConstraints: auto")
	}
	v.names(path+".permittedDNS", n.PermittedDNS, checkHost)
}

func (v *validator) checkDefaults() {
	v.key("defaults.key", v.Defaults.Key, errors.New(
		"Ed25519 is for `certificates` only, neither Flink nor every browser takes it; choose RSA or ECDSA"))
	v.validity("defaults.validity", v.Defaults.Validity)
}
