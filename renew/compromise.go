package renew

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/deploy"
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
		if r.compromised() == "" && !slices.ContainsFunc(a.distrusted, r.certificate.Equal) {
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

// readFormer reads the roots of flowcert's own that a CA of the user's took the
// place of, where one of them is compromised: the others are not needed any more,
// and ride out. It returns false if one does not read, which is a fault.
func (p *planner) readFormer() bool {
	if !p.state.compromise() {
		return p.readDistrusted()
	}
	ok := p.readRoots()
	p.authority.roots = nil
	return ok
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

// compromiseEnded is when the last compromised root went; zero: none ever did.
func (s *State) compromiseEnded() (at time.Time) {
	for k, versions := range s.versions {
		if k.role != secrets.RoleDistrusted {
			continue
		}
		for _, v := range versions {
			if ended := v.Created(); ended.After(at) {
				at = ended
			}
		}
	}
	return at
}

// planForgetLost removes everything of a compromised root, its key included,
// once nothing in use trusts it or stands under it.
func (p *planner) planForgetLost() {
	a := &p.authority
	if len(a.lost) == 0 {
		return
	}
	if target, u := p.anyUnseen(); u != nil {
		p.lostItems("compromised; " + target + " may still have it")
		p.plan.Waits = append(p.plan.Waits, Wait{Target: a.target, For: fmt.Sprintf(
			"the compromised root %q cannot go while %s may have it (%s); %s", a.lost[0].certificate.Subject.CommonName, target, u.why, u.hint)})
		return
	}
	var old, holding []*secrets.Secret
	used := p.usedNames()
	for _, s := range Removable(p.state) {
		switch {
		case !p.knowsLost(s):
		case s.Role() != secrets.RoleIntermediate && !p.retired(s):
			holding = append(holding, s)
		case !used[s.Ref] && s.Role() != secrets.RoleAdopted: // a record has more in it
			old = append(old, s)
		}
	}
	if len(holding) > 0 {
		p.waitForHolders(holding)
		return
	}
	if a.pending() {
		p.lostItems("compromised")
		return
	}
	const why = "its root is compromised, and nothing uses it any more"
	for _, s := range old {
		p.act(&Forget{Secret: s, Because: why})
	}
	p.putDown()
	for _, r := range a.lost { // last: their word is what the rest goes by
		p.act(&Forget{Secret: r.version.Secret, Because: why})
	}
	p.lostItems("compromised; to be removed")
}

// waitForHolders records that versions keep a compromised root. Of several it
// names one that no rollout will take away.
func (p *planner) waitForHolders(holding []*secrets.Secret) {
	name, next := holding[0].Name, ""
	for _, s := range holding {
		if next = p.whatHolds(s); next != "" {
			name = s.Name
			break
		}
	}
	if next == "" {
		next = p.whatNext(holding[0])
	}
	p.lostItems("compromised; " + name + " still has it")
	p.plan.Waits = append(p.plan.Waits, Wait{Target: p.authority.target, For: fmt.Sprintf(
		"the compromised root %q cannot go while %s has it; %s", p.authority.lost[0].certificate.Subject.CommonName, name, next)})
}

// whatHolds says what a person has to change before a version can go that keeps a
// compromised root: a resource is paused, flowcert.yaml has given something up that
// is still used, or a truststore has nothing else in it. Empty: it goes with the next
// rollout.
func (p *planner) whatHolds(s *secrets.Secret) string {
	for _, r := range p.state.resources {
		if r.Paused() && (&State{resources: []deploy.Resource{r}}).references()[s.Ref] {
			return fmt.Sprintf("%s uses it and is paused: take its annotation %s away, then run flowcert apply", r, deploy.PauseAnnotation)
		}
	}
	if !p.plan.lists(s) {
		return p.givenUpInUse(s)
	}
	entries, err := p.trustOf(s)
	if s.Role() != secrets.RoleTruststore || err != nil || !p.referenced[s.Ref] {
		return ""
	}
	for _, e := range entries {
		if !p.authority.isLost(e.Certificate) {
			return ""
		}
	}
	places := p.placesOf(entries[0].Certificate)
	if len(places) == 0 {
		return ""
	}
	return "nothing else is in it, and it comes from " + strings.Join(places, " and from ") + ": put there what to trust in its place (flowcert ca), then run flowcert apply"
}

// lists reports whether the plan says anything of what a Secret is for: otherwise
// flowcert.yaml does not ask for it.
func (p *Plan) lists(s *secrets.Secret) bool {
	return slices.ContainsFunc(p.Items, func(i Item) bool { return i.Target == s.Target() && i.Role == s.Role() })
}

// givenUpInUse says how a Secret goes that flowcert.yaml gave up and that is used.
func (p *planner) givenUpInUse(s *secrets.Secret) string {
	const why = "flowcert.yaml does not ask for it any more: "
	for _, r := range p.state.resources {
		if (&State{resources: []deploy.Resource{r}}).references()[s.Ref] {
			return fmt.Sprintf("%s uses it, and %sput back what it is for, or take flowcert's edits out (flowcert revert)", r, why)
		}
	}
	if secrets.IsVersionName(s.Name) {
		return "" // it goes with the next rollout, like others that were replaced
	}
	return why + "put back " + s.Target() + ", or remove the Secret when nothing reads it"
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
		id, err := p.once.openIdentity(s, secrets.DefaultKeys())
		return err == nil && home(id.Chain, a.lost) != nil
	case secrets.RoleAdopted:
		content, err := s.Adopted()
		return err == nil && (slices.ContainsFunc(secrets.Certificates(content.Entries), a.isLost) || home(content.Chain, a.lost) != nil)
	case secrets.RolePassword, secrets.RoleDistrusted:
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
		return c.lost || slices.ContainsFunc(secrets.Certificates(c.entries), p.authority.isLost)
	})
}

// compromised finds a leaf that stands under a compromised root.
func compromised(p *planner, _ leafWant, c candidate) verdict {
	if name, found := p.authority.underLost(c.id.Chain); found {
		return verdict{reason: fmt.Sprintf("root %q is compromised", name)}
	}
	return verdict{}
}
