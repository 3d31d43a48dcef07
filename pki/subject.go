package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Subject holds the parts of a distinguished name that the configuration knows.
// Absent parts are empty.
type Subject struct {
	CommonName         string `yaml:"commonName"`
	Organization       string `yaml:"organization"`
	OrganizationalUnit string `yaml:"organizationalUnit"`
	Country            string `yaml:"country"`
	Province           string `yaml:"province"`
	Locality           string `yaml:"locality"`
	EmailAddress       string `yaml:"emailAddress"`
}

// Attribute types: RFC 5280 Appendix A.1, and PKCS #9 (RFC 2985) for the e-mail address.
var (
	oidCommonName         = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidCountry            = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidLocality           = asn1.ObjectIdentifier{2, 5, 4, 7}
	oidProvince           = asn1.ObjectIdentifier{2, 5, 4, 8}
	oidOrganization       = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOrganizationalUnit = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidEmailAddress       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// An attribute is one part of a subject with its rules.
type attribute struct {
	field string // as in the configuration
	short string // as openssl prints it
	oid   asn1.ObjectIdentifier
	tag   int // ASN.1 string type
	max   int // characters: the upper bounds ("ub-…") of RFC 5280 Appendix A.1
	value string
}

// attributes lists the parts in the order of the manual procedure's openssl
// request: C, ST, L, O, OU, emailAddress, CN. The string types are openssl's too
// (utf8only), so a subject typed again has the same bytes.
func (s Subject) attributes() []attribute {
	return []attribute{
		{"country", "C", oidCountry, asn1.TagPrintableString, 2, s.Country},
		{"province", "ST", oidProvince, asn1.TagUTF8String, 128, s.Province},
		{"locality", "L", oidLocality, asn1.TagUTF8String, 128, s.Locality},
		{"organization", "O", oidOrganization, asn1.TagUTF8String, 64, s.Organization},
		{"organizationalUnit", "OU", oidOrganizationalUnit, asn1.TagUTF8String, 64, s.OrganizationalUnit},
		{"emailAddress", "emailAddress", oidEmailAddress, asn1.TagIA5String, 255, s.EmailAddress},
		{"commonName", "CN", oidCommonName, asn1.TagUTF8String, 64, s.CommonName},
	}
}

// Validate checks every part against RFC 5280 Appendix A.1: common name,
// organization and unit at most 64 characters, locality and province 128, e-mail
// address 255 of ASCII, country two letters. Control, formatting and unassigned
// characters are refused everywhere, as are blanks at the ends. Empty parts are
// fine, even all of them.
func (s Subject) Validate() error {
	for _, a := range s.attributes() {
		if a.value == "" {
			continue
		}
		if err := a.check(); err != nil {
			return fmt.Errorf("subject: %s %q: %w", a.field, a.value, err)
		}
	}
	return nil
}

func (a attribute) check() error {
	if !utf8.ValidString(a.value) {
		return errors.New("not UTF-8")
	}
	if n := utf8.RuneCountInString(a.value); n > a.max {
		return fmt.Errorf("%d characters, at most %d are allowed", n, a.max)
	}
	for _, r := range a.value {
		// Also refuses what only changes how the text looks (RFC 3454 C.8: bidi marks).
		if !unicode.IsGraphic(r) {
			return fmt.Errorf("holds the character %U, which is not printable", r)
		}
	}
	if strings.TrimSpace(a.value) != a.value {
		return errors.New("starts or ends with a blank")
	}
	switch a.tag {
	case asn1.TagPrintableString:
		return checkCountry(a.value)
	case asn1.TagIA5String:
		return checkEmail(a.value)
	}
	return nil
}

func checkCountry(s string) error {
	letter := func(c byte) bool { return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' }
	if len(s) != 2 || !letter(s[0]) || !letter(s[1]) {
		return errors.New("want the two letters of ISO 3166, such as US")
	}
	return nil
}

func checkEmail(s string) error {
	for _, r := range s {
		if r > unicode.MaxASCII {
			return fmt.Errorf("holds the character %U, only ASCII is allowed", r)
		}
	}
	local, host, _ := strings.Cut(s, "@")
	// RFC 5321 4.1.2 without quoted strings, which crypto/x509 and Java read differently.
	atoms := strings.Split(local, ".")
	if slices.ContainsFunc(atoms, func(a string) bool { return a == "" || strings.ContainsAny(a, "\"(),:;<>@[\\] ") }) {
		return errors.New("want an address such as pki@example.com")
	}
	if err := checkDNSName(host); err != nil || strings.HasPrefix(host, "*") {
		return errors.New("want an address such as pki@example.com")
	}
	return nil
}

// Name is the subject as crypto/x509 takes it, in the order C, ST, L, O, OU,
// emailAddress, CN. The bytes of each part are fixed: PrintableString for the
// country, IA5String for the e-mail address (RFC 5280 4.1.2.6), UTF8String else.
// The named fields are set as well, for reading.
func (s Subject) Name() pkix.Name {
	list := func(v string) []string {
		if v == "" {
			return nil
		}
		return []string{v}
	}
	name := pkix.Name{
		CommonName:         s.CommonName,
		Organization:       list(s.Organization),
		OrganizationalUnit: list(s.OrganizationalUnit),
		Country:            list(s.Country),
		Province:           list(s.Province),
		Locality:           list(s.Locality),
	}
	for _, a := range s.attributes() {
		if a.value == "" {
			continue
		}
		name.ExtraNames = append(name.ExtraNames, pkix.AttributeTypeAndValue{
			Type:  a.oid,
			Value: asn1.RawValue{Class: asn1.ClassUniversal, Tag: a.tag, Bytes: []byte(a.value)},
		})
	}
	return name
}

// emails is the e-mail address as the SAN must repeat it (RFC 5280 4.1.2.6).
func (s Subject) emails() []string {
	if s.EmailAddress == "" {
		return nil
	}
	return []string{s.EmailAddress}
}

// String is for messages: "C=US, O=MyOrg, CN=my CA".
func (s Subject) String() string {
	var parts []string
	for _, a := range s.attributes() {
		if a.value != "" {
			parts = append(parts, a.short+"="+a.value)
		}
	}
	return strings.Join(parts, ", ")
}

// SubjectOf reads a parsed certificate's subject (or issuer) back. Parts that
// Subject does not know are left out; of repeated parts the last counts.
func SubjectOf(name pkix.Name) Subject {
	var s Subject
	for _, atv := range name.Names {
		v, ok := atv.Value.(string)
		if !ok {
			continue
		}
		switch {
		case atv.Type.Equal(oidCountry):
			s.Country = v
		case atv.Type.Equal(oidProvince):
			s.Province = v
		case atv.Type.Equal(oidLocality):
			s.Locality = v
		case atv.Type.Equal(oidOrganization):
			s.Organization = v
		case atv.Type.Equal(oidOrganizationalUnit):
			s.OrganizationalUnit = v
		case atv.Type.Equal(oidEmailAddress):
			s.EmailAddress = v
		case atv.Type.Equal(oidCommonName):
			s.CommonName = v
		}
	}
	return s
}
