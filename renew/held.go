package renew

import (
	"crypto/x509"
	"regexp"
	"slices"
	"strconv"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// held is an intermediate that is here.
type held struct {
	secret    *secrets.Secret
	namespace string // that it signs for
	id        secrets.Identity
	err       error // it does not read
}

// held are the authority's intermediates, newest first. They are read once a
// pass: RSA keys are checked whenever they are read.
func (p *planner) held() []held {
	if p.holds == nil {
		p.holds = []held{}
		for _, s := range p.state.versions[slot{p.authority.target, secrets.RoleIntermediate}] {
			id, err := p.once.openIdentity(s, secrets.DefaultKeys())
			p.holds = append(p.holds, held{s, s.Annotations[namespaceAnnotation], id, err})
		}
	}
	return p.holds
}

// heldFor are those that sign for the namespace.
func (p *planner) heldFor(namespace string) []held {
	return slices.DeleteFunc(slices.Clone(p.held()), func(h held) bool { return h.namespace != namespace })
}

// whole reports whether it reads and its key is its own.
func (h held) whole() bool { return h.err == nil && pki.SameKey(h.id.Chain[0], h.id.Key) }

// issuer is the intermediate as what signs leaves; beyond follows it in chains.
func (h held) issuer(beyond []*x509.Certificate) *issuer {
	return &issuer{
		version: &Version{Target: h.secret.Target(), Role: secrets.RoleIntermediate, Secret: h.secret},
		end:     h.id.Chain[0].NotAfter, chain: h.id.Chain[:1], beyond: beyond,
		proofs: []proof{{path: slices.Concat(h.id.Chain[:1], beyond), depth: 1}},
	}
}

// lastIntermediate is the highest generation of the namespace's intermediates
// that is here: a subject is not used again while a later one is left.
func (p *planner) lastIntermediate(namespace string) int {
	last := 0
	for _, h := range p.heldFor(namespace) {
		n := 1
		if h.err == nil {
			n = nameGeneration(h.id.Chain[0].Subject.CommonName)
		}
		last = max(last, n)
	}
	return last
}

// generationSuffix ends the common names of later generations.
var generationSuffix = regexp.MustCompile(` G([0-9]+)$`)

// nameGeneration is the N of a common name that ends in GN, and 1 without it.
func nameGeneration(name string) int {
	if m := generationSuffix.FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 1
}
