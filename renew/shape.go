package renew

import (
	"bytes"
	"cmp"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// shape is how a leaf lies in its Secret: in PEM under the data keys that its
// reader looks for, or in a key store with a truststore beside it.
type shape struct {
	data   deploy.DataKeys   // PEM
	format truststore.Format // stores; empty: PEM
	// also are the formats of stores beside the PEM files, or beside those of format.
	also []truststore.Format
	// ingress says that an nginx ingress reads the Secret too: it looks for
	// what it trusts under ca.crt, whatever the resource calls that key.
	ingress bool
	// onePassword opens both stores and comes from elsewhere: the Flink operator
	// knows only one. Empty: two passwords, which lie in the Secret itself.
	onePassword string
	// passwordFrom is the Secret of a onePassword that is still to be made.
	passwordFrom *Version
	// keyPassword and trustPassword are those of earlier versions, kept because
	// they stand in custom resources, or the operator's; empty: to be generated.
	keyPassword, trustPassword string
	// trustFrom is the Secret of a trustPassword that is still to be made.
	trustFrom *Version
}

// open reads a leaf from a Secret of this shape, whatever format its stores
// have; see wrongFormat.
func (s shape) open(secret *secrets.Secret, o *openOnce) (secrets.Identity, error) {
	if s.format == "" {
		return o.openIdentity(secret, s.data)
	}
	key, trust := s.passwords(secret)
	return o.openStores(secret, formatOf(secret), key, trust)
}

// formats of the stores in a Secret of this shape.
func (s shape) formats() []truststore.Format {
	if s.format == "" {
		return s.also
	}
	return append([]truststore.Format{s.format}, s.also...)
}

// passwords of a Secret of this shape.
func (s shape) passwords(secret *secrets.Secret) (key, trust string) {
	if s.onePassword != "" {
		return s.onePassword, s.onePassword
	}
	return string(secret.Data[secrets.Password]), string(secret.Data[secrets.TrustPassword])
}

func wrongFormat(p *planner, w leafWant, c candidate) verdict {
	for _, f := range w.shape.also {
		key, trust := w.shape.passwords(c.secret)
		id, err := p.once.openStores(c.secret, f, key, trust)
		if err != nil || !id.Chain[0].Equal(c.id.Chain[0]) || !sameCertificates(id.Roots, c.id.Roots) {
			return verdict{reason: "its " + string(f) + " stores are not those of the certificate", keep: true}
		}
	}
	if w.shape.ingress && !bytes.Equal(c.secret.Data[deploy.IngressCA], c.secret.Data[w.shape.data.CA]) {
		return verdict{reason: deploy.IngressCA + ", which the ingress reads, is not what stands under " + w.shape.data.CA, keep: true}
	}
	if w.shape.format != "" && formatOf(c.secret) != w.shape.format {
		return verdict{reason: "its format is to be " + string(w.shape.format), keep: true, due: true}
	}
	return verdict{}
}

// withPasswords keeps the passwords of the newest version that has them.
func (p *planner) withPasswords(w leafWant) shape {
	s := w.shape
	if s.format == "" && len(s.also) == 0 || s.onePassword != "" || s.passwordFrom != nil {
		return s
	}
	for _, secret := range p.inOrder(w) {
		s.keyPassword = cmp.Or(s.keyPassword, usable(secret, secrets.Password))
		if s.trustFrom == nil {
			s.trustPassword = cmp.Or(s.trustPassword, usable(secret, secrets.TrustPassword))
		}
	}
	return s
}

// usable is a password in a Secret, if a store can have it.
func usable(s *secrets.Secret, key string) string {
	password := string(s.Data[key])
	if truststore.CheckPassword(password) != nil {
		return ""
	}
	return password
}
