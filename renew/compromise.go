package renew

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/flowcert/flowcert/secrets"
)

// compromisedAnnotation is on a root's Secret whose key somebody else may have,
// with the time at which that was said.
const compromisedAnnotation = "flowcert.io/compromised"

// compromised is the time at which the root was called compromised; empty if
// nobody did.
func (r root) compromised() string { return r.version.Secret.Annotations[compromisedAnnotation] }

// setApart takes compromised roots out of those that are trusted, and every root
// that vouched for one: whoever has the key of the one signs for clients of the
// other too. What they vouched for is dropped with them.
func (a *authority) setApart() {
	lost := map[*x509.Certificate]bool{}
	for _, r := range a.roots {
		if r.compromised() == "" {
			continue
		}
		lost[r.certificate] = true
		for older := a.predecessor(r); older != nil; older = a.predecessor(*older) {
			lost[older.certificate] = true
		}
	}
	if len(lost) == 0 {
		return
	}
	var kept []root
	for _, r := range a.roots {
		if lost[r.certificate] {
			a.lost = append(a.lost, r)
			continue
		}
		if lost[r.by] {
			r.cross, r.by = nil, nil
		}
		kept = append(kept, r)
	}
	a.roots = kept
}

// predecessor is the root that vouches for this one; nil if none does.
func (a *authority) predecessor(r root) *root {
	for i := range a.roots {
		if r.by != nil && a.roots[i].certificate == r.by {
			return &a.roots[i]
		}
	}
	return nil
}

// underLost reports, as its name, the compromised root under which a chain
// stands.
func (a authority) underLost(chain []*x509.Certificate) (name string, found bool) {
	if r := home(chain, a.lost); r != nil {
		return r.certificate.Subject.CommonName, true
	}
	return "", false
}

// isLost reports whether a certificate is that of a compromised root.
func (a authority) isLost(c *x509.Certificate) bool {
	return slices.ContainsFunc(certificatesOf(a.lost), c.Equal)
}

// compromise reports whether a compromised root is still about. Nothing soaks
// then: the user's word that a step is deployed is enough for the next.
func (s *State) compromise() bool { return s.compromised }

func (s *State) anyCompromised() bool {
	for k, versions := range s.versions {
		if k.role != secrets.RoleRoot {
			continue
		}
		for _, v := range versions {
			if v.Annotations[compromisedAnnotation] != "" {
				return true
			}
		}
	}
	return false
}

// planForgetLost removes everything of a compromised root, its key included,
// once nothing in use trusts it or stands under it.
func (p *planner) planForgetLost() {
	a := &p.authority
	if len(a.lost) == 0 {
		return
	}
	var old []*secrets.Secret
	used := p.usedNames()
	for _, s := range Removable(p.state) {
		if !p.knowsLost(s) {
			continue
		}
		if s.Role() != secrets.RoleIntermediate && !p.retired(s) {
			name := s.Name
			if p.earlierLost(s) {
				name += earlierWord
			}
			p.lostItems("compromised; " + s.Name + " still has it")
			p.plan.Waits = append(p.plan.Waits, Wait{Target: a.target, For: fmt.Sprintf(
				"the compromised root %q cannot go while %s has it; %s", a.lost[0].certificate.Subject.CommonName, name, p.whatNext(name))})
			return
		}
		if !used[s.Ref] {
			old = append(old, s)
		}
	}
	if a.pending() {
		p.lostItems("compromised")
		return
	}
	const why = "its root is compromised, and nothing uses it any more"
	for _, s := range old {
		p.act(&Forget{Secret: s, Because: why})
	}
	for _, r := range a.lost { // last: their word is what the rest goes by
		p.act(&Forget{Secret: r.version.Secret, Because: why})
	}
	p.lostItems("compromised; to be removed")
}

func (p *planner) lostItems(state string) {
	for _, r := range p.authority.lost {
		p.item(Item{Target: p.authority.target, Role: secrets.RoleRoot, Name: r.version.Secret.Name, NotAfter: r.certificate.NotAfter, Loaded: "-", State: state, Due: true})
	}
}

// knowsLost reports whether a Secret holds a compromised root, or stands under
// one, or may have been loaded when it did.
func (p *planner) knowsLost(s *secrets.Secret) bool {
	a := &p.authority
	if p.earlierLost(s) {
		return true
	}
	switch s.Role() {
	case secrets.RoleTruststore, secrets.RoleFlinkTrust:
		entries, err := p.trustOf(s)
		return err == nil && slices.ContainsFunc(secrets.Certificates(entries), a.isLost)
	case secrets.RoleIntermediate:
		id, err := s.Identity(secrets.DefaultKeys())
		return err == nil && home(id.Chain, a.lost) != nil
	case secrets.RolePassword:
		return false
	}
	id, err := p.identityOf(s)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(id.Roots, a.isLost) || slices.ContainsFunc(append(p.earlierChains(s), id.Chain), func(chain []*x509.Certificate) bool {
		return home(chain, a.lost) != nil
	})
}

// earlierLost reports whether a reader of a Secret that is updated in place may
// go by a compromised root that it held before.
func (p *planner) earlierLost(s *secrets.Secret) bool {
	return slices.ContainsFunc(p.earlierTrust(s), func(c content) bool {
		return slices.ContainsFunc(secrets.Certificates(c.entries), p.authority.isLost)
	})
}

// compromised finds a leaf that stands under a compromised root.
func compromised(p *planner, _ leafWant, c candidate) verdict {
	if name, found := p.authority.underLost(c.id.Chain); found {
		return verdict{reason: fmt.Sprintf("root %q is compromised", name)}
	}
	return verdict{}
}
