package renew

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// backdate is how far before the time of making a certificate begins: a client
// whose clock is behind would refuse it otherwise (istio#32176).
const backdate = 5 * time.Minute

// authority is the certificate authority as a pass finds it.
type authority struct {
	target string
	known  bool   // it could be told what there is
	ended  string // the day on which the last root ended, if one did
	last   int    // the generation of the newest root that was ever made here
	roots  []root // trusted: not ended, not compromised; oldest first
	lost   []root // compromised, and those that vouched for a compromised one
	// distrusted are compromised roots whose Secrets are gone.
	distrusted []*x509.Certificate
	newest     *Version // the root that signs; nil if nothing needs one
	user       *issuer  // a CA of the user's; nil: ours
}

// root is one generation.
type root struct {
	version     *Version
	certificate *x509.Certificate
	// cross is a certificate for its key that the root before it signed; nil if
	// there is none, or if that root is not trusted any more.
	cross *x509.Certificate
	by    *x509.Certificate // the root that signed it
}

// asked is the time at which somebody asked for the root that follows this one;
// empty if nobody did.
func (r root) asked() string { return r.version.Secret.Annotations[wishAnnotation] }

// certificates are the trusted roots that exist; a root still to be made is not
// among them.
func (a authority) certificates() []*x509.Certificate { return certificatesOf(a.roots) }

func certificatesOf(roots []root) []*x509.Certificate {
	var out []*x509.Certificate
	for _, r := range roots {
		out = append(out, r.certificate)
	}
	return out
}

// pending reports whether the root that signs is still to be made.
func (a authority) pending() bool { return a.newest != nil && a.newest.Secret == nil }

// signing is the root that signs; nil if there is none yet.
func (a authority) signing() *root {
	if a.newest == nil || a.pending() {
		return nil
	}
	return &a.roots[len(a.roots)-1]
}

// fingerprint of the root that signs, for RootAnnotation.
func (a authority) fingerprint() string {
	switch {
	case a.newest == nil:
		return ""
	case a.pending():
		return secrets.PendingName("root")
	}
	return pki.Fingerprint(a.signing().certificate)
}

func authorityTarget(cfg *config.Config) string {
	return "authority/" + cfg.Namespace + "/" + cfg.Authority.Name
}

// planAuthority finds the roots, or makes the first one where nothing of ours
// exists anywhere.
func (p *planner) planAuthority() {
	a := &p.authority
	a.target = authorityTarget(p.cfg)
	if p.state.closed(p.cfg.Namespace) != nil {
		return // a fault says so; which roots there are, and are distrusted, is not known
	}
	if p.cfg.Authority.Secret != nil {
		if p.readFormer() {
			p.userAuthority()
		}
		return
	}
	if !p.readRoots() {
		return
	}
	a.known = true
	if n := len(a.roots); n > 0 {
		if err := p.lostNewer(); err != nil {
			a.known = false
			p.fault(a.target, err, "")
			return
		}
		a.newest = a.roots[n-1].version
		p.rootItems()
		if why := p.wantsNextRoot(a.roots[n-1]); why != "" {
			p.makeRoot(why)
		}
		return
	}
	if !p.needsAuthority() {
		return
	}
	if ns := p.anyClosed(); ns != "" && a.last == 0 {
		a.known = false
		p.fault(a.target, fmt.Errorf("whether there is an authority already cannot be told: namespace %s cannot be read", ns), "let flowcert read it, or take it out of flowcert.yaml")
		return
	}
	if e := p.evidence(); a.last == 0 && e != nil {
		a.known = false
		p.fault(a.target, p.lost(*e), "")
		return
	}
	p.makeRoot(p.whyFirst())
}

// anyClosed is a namespace that could not be read; empty: there is none.
func (p *planner) anyClosed() string {
	if !p.state.live() || len(p.state.Live.Closed) == 0 {
		return ""
	}
	return slices.Min(slices.Collect(maps.Keys(p.state.Live.Closed)))
}

// whyFirst says why a root is made that no earlier one can vouch for.
func (p *planner) whyFirst() string {
	switch a := &p.authority; {
	case len(a.lost) > 0:
		return fmt.Sprintf("root %q is compromised; nothing vouches for the new one", a.lost[len(a.lost)-1].certificate.Subject.CommonName)
	case a.ended != "":
		return "the last root ended on " + a.ended
	}
	return "there is no certificate authority yet"
}

// needsAuthority reports whether anything is to be signed or trusts what is.
func (p *planner) needsAuthority() bool {
	for _, t := range p.cfg.Truststores {
		for _, source := range t.Sources {
			if source.Authority {
				return true
			}
		}
	}
	return len(p.names) > 0 || p.anySigningCA()
}

// readRoots reads the generations that have not ended; false if one does not
// read, which is a fault.
func (p *planner) readRoots() bool {
	a := &p.authority
	if !p.readDistrusted() {
		return false
	}
	for _, s := range slices.Backward(p.state.versions[slot{a.target, secrets.RoleRoot}]) {
		id, err := p.once.openIdentity(s, secrets.DefaultKeys())
		if err == nil && !pki.SameKey(id.Chain[0], id.Key) {
			err = fmt.Errorf("%s: the key does not belong to the certificate", s.Ref)
		}
		if err != nil {
			p.fault(a.target, err, p.damaged())
			return false
		}
		if start := id.Chain[0].NotBefore; p.state.Now.Before(start) {
			p.fault(a.target, fmt.Errorf("%s: the root is not valid before %s", s.Ref, start.UTC().Format(time.RFC3339)), "set the clock right: it is earlier than the root")
			return false
		}
		a.last = max(a.last, generation(s))
		if p.expired(id.Chain[0]) {
			a.ended = day(id.Chain[0].NotAfter)
			if r := (root{certificate: id.Chain[0], version: &Version{Target: a.target, Role: secrets.RoleRoot, Secret: s}}); r.compromised() != "" {
				a.lost = append(a.lost, r)
			}
			continue
		}
		a.roots = append(a.roots, root{certificate: id.Chain[0], version: &Version{Target: a.target, Role: secrets.RoleRoot, Secret: s}})
	}
	slices.SortStableFunc(a.roots, func(x, y root) int { return generation(x.version.Secret) - generation(y.version.Secret) })
	if err := p.readCrosses(); err != nil {
		p.fault(a.target, err, p.damaged())
		return false
	}
	return true
}

func (p *planner) rootItems() {
	a := &p.authority
	for i, r := range a.roots {
		item := Item{Target: a.target, Role: secrets.RoleRoot, Name: r.version.Secret.Name, NotAfter: r.certificate.NotAfter, Loaded: "-", State: stateOK}
		if i == len(a.roots)-1 {
			item.RenewAt = p.rootRenewAt(r.certificate)
		}
		p.item(item)
	}
}

// generation reads the N of `<authority>-root-gN`.
func generation(s *secrets.Secret) int {
	i := strings.LastIndex(s.Name, "-g")
	n, err := strconv.Atoi(s.Name[i+2:])
	if i < 0 || err != nil {
		return 0
	}
	return n
}

func (p *planner) rootName(n int) string {
	return fmt.Sprintf("%s-root-g%d", p.cfg.Authority.Name, n)
}

// makeRoot plans the next generation. The one before it vouches for it with a
// cross certificate.
func (p *planner) makeRoot(why string) {
	a := &p.authority
	self := p.cfg.Authority.SelfSigned
	next := max(a.last, a.distrustedGeneration()) + 1
	ref := secrets.Ref{Namespace: p.cfg.Namespace, Name: p.rootName(next)}
	if p.taken(a.target, ref) {
		a.known = false
		return
	}
	subject := self.Subject
	subject.CommonName = rootCommonName(subject.CommonName, next)
	a.newest = &Version{Target: a.target, Role: secrets.RoleRoot, Known: ref.Name}
	end := p.state.Now.Add(time.Duration(self.Validity))
	step := &MakeRoot{
		Version: a.newest, Ref: ref, Because: why,
		Request: pki.RootRequest{Subject: subject, NotBefore: p.state.Now.Add(-backdate), NotAfter: end},
		Key:     self.Key,
	}
	if n := len(a.roots); n > 0 {
		step.CrossBy = a.roots[n-1].version
	}
	p.act(step)
	item := Item{Target: a.target, Role: secrets.RoleRoot, Name: ref.Name, NotAfter: end, Loaded: "-", State: stateToBeMade, Due: len(a.roots) > 0}
	if len(a.roots) == 0 && a.ended != "" {
		item.Name, item.NotAfter, item.State = p.rootName(a.last), time.Time{}, "it ended on "+a.ended
	}
	p.item(item)
}

// taken reports, as a fault, that somebody else's Secret has the name.
func (p *planner) taken(target string, ref secrets.Ref) bool {
	s, ok := p.state.Secrets[ref]
	switch {
	case !ok || s.Ours() && s.Target() == target:
		return false
	case s.Ours():
		p.fault(target, fmt.Errorf("%s is there already, for %s", ref, s.Target()), "give one of the two another name")
	default:
		p.fault(target, fmt.Errorf("%s is there already, not made by flowcert", ref), "rename or remove it; flowcert does not overwrite it")
	}
	return true
}

func (p *planner) rootEnd() time.Time {
	if p.authority.pending() {
		return p.state.Now.Add(time.Duration(p.cfg.Authority.SelfSigned.Validity))
	}
	return p.authority.roots[len(p.authority.roots)-1].certificate.NotAfter
}
