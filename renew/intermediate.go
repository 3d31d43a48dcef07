package renew

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// namespaceAnnotation says which namespace an intermediate signs for.
const namespaceAnnotation = "flowcert.io/namespace"

// intermediateSpec is how to make intermediates; nil: leaves are signed without.
func (p *planner) intermediateSpec() *intermediateSpec {
	switch own := p.cfg.Authority.Secret; {
	case own != nil && own.Intermediate == nil:
		return nil
	case own != nil:
		return &intermediateSpec{own.Intermediate.Key, own.Intermediate.Validity.Std(), own.Intermediate.NameConstraints}
	}
	self := p.cfg.Authority.SelfSigned
	if self.Intermediate.None {
		return nil
	}
	return &intermediateSpec{self.Key, self.Intermediate.Validity.Std(), self.NameConstraints}
}

// intermediateSpec is how to make an intermediate.
type intermediateSpec struct {
	key         pki.KeySpec
	validity    time.Duration
	constraints config.NameConstraints
}

// intermediateItems lists the intermediates that would sign a leaf now, and those
// whose leaves are in use, beside those that are made.
func (p *planner) intermediateItems() {
	if p.intermediateSpec() == nil {
		return
	}
	listed := map[string]bool{}
	for _, namespace := range p.namespaces() {
		for _, names := range p.names[namespace] {
			if i := p.fitIntermediate(namespace, names); i != nil {
				listed[i.version.Name()] = true
			}
		}
	}
	signed := p.issuersInUse()
	for _, h := range p.held() {
		if h.err != nil || p.expired(h.id.Chain[0]) {
			continue
		}
		if cert := h.id.Chain[0]; listed[h.secret.Name] || signed[pki.Fingerprint(cert)] {
			p.item(Item{Target: p.authority.target, Role: secrets.RoleIntermediate, Name: h.secret.Name, NotAfter: cert.NotAfter, Loaded: "-", State: stateOK})
		}
	}
}

// issuersInUse are the certificates above every leaf that something may serve, by
// fingerprint.
func (p *planner) issuersInUse() map[string]bool {
	out := map[string]bool{}
	for k, versions := range p.state.versions {
		if !slices.Contains(leafRoles, k.role) {
			continue
		}
		for _, s := range versions {
			for _, chain := range p.chainsInUse(s) {
				for _, c := range chain[1:] {
					out[pki.Fingerprint(c)] = true
				}
			}
		}
	}
	return out
}

// namespaces lists where leaves are wanted, sorted.
func (p *planner) namespaces() []string { return slices.Sorted(maps.Keys(p.names)) }

// issuer is who signs the leaves of a namespace.
type issuer struct {
	version *Version
	end     time.Time           // leaves do not outlive it
	chain   []*x509.Certificate // what follows the leaf; nil while it is to be made
	beyond  []*x509.Certificate // what follows that: cross certificates, or the path to a user's root

	certificate *x509.Certificate // of a user's CA, or of an older root
	older       bool              // it stands under a root that does not sign any more

	// proofs is what edges are judged by before there is a leaf. One that verifies
	// is enough.
	proofs []proof
}

// proof is a path of certificates of which the first stands for a leaf that is
// still to be issued.
type proof struct {
	path  []*x509.Certificate
	depth int // intermediates between the leaf and the first
}

// below are the same proofs with one more intermediate under them.
func below(proofs []proof) []proof {
	out := slices.Clone(proofs)
	for i := range out {
		out[i].depth++
	}
	return out
}

// issuerFor returns the issuer for a new leaf with these names, planning one
// where none is fit.
func (p *planner) issuerFor(namespace string, names []string) *issuer {
	if p.intermediateSpec() == nil {
		return p.topIssuer()
	}
	if i := p.fitIntermediate(namespace, names); i != nil {
		return i
	}
	group := p.group(namespace, names)
	key := namespace + "\n" + strings.Join(group, "\n")
	if p.planned[key] == nil {
		p.planned[key] = p.makeIntermediate(namespace, group)
	}
	return p.planned[key]
}

// topIssuer is the root, or a user's CA, as what signs leaves itself.
func (p *planner) topIssuer() *issuer {
	a := &p.authority
	switch {
	case a.user != nil:
		return a.user
	case a.pending():
		return &issuer{version: a.newest, end: p.rootEnd(), beyond: a.crossing(), proofs: a.rootProofs()}
	}
	return &issuer{version: a.newest, end: p.rootEnd(), chain: []*x509.Certificate{}, beyond: a.crossing(), proofs: a.rootProofs()}
}

// rootProofs stand for leaves of the root that signs: the root itself where a
// client knows it, or its cross certificates. Of a root that is still to be made
// the one before it stands, with the cross certificate below.
func (a authority) rootProofs() []proof {
	if len(a.roots) == 0 {
		return nil
	}
	out := []proof{{path: []*x509.Certificate{a.roots[len(a.roots)-1].certificate}}}
	if crosses := a.crossing(); len(crosses) > 0 {
		out = append(out, proof{path: crosses, depth: 1})
	}
	if a.pending() {
		return below(out)
	}
	return out
}

// topEnd is the end of what signs intermediates, or leaves without any.
func (p *planner) topEnd() time.Time {
	if p.authority.user != nil {
		return p.authority.user.end
	}
	return p.rootEnd()
}

func (p *planner) intermediateEnd() time.Time {
	return earlier(p.state.Now.Add(p.intermediateSpec().validity), p.topEnd())
}

// fitIntermediate finds an existing intermediate that can sign these names.
func (p *planner) fitIntermediate(namespace string, names []string) *issuer {
	for _, i := range p.intermediates(namespace) {
		if permits(i.chain[0], names) == nil {
			return i
		}
	}
	return nil
}

// intermediates are those of the namespace that may sign more leaves, newest
// first. They are looked for once a pass.
func (p *planner) intermediates(namespace string) []*issuer {
	if fit, ok := p.fit[namespace]; ok {
		return fit
	}
	var fit []*issuer
	for _, h := range p.heldFor(namespace) {
		switch {
		case h.err != nil:
			p.notice("not used: %v", h.err)
		case p.unfit(h.id) == "":
			fit = append(fit, h.issuer(p.aboveIntermediates()))
		}
	}
	p.fit[namespace] = fit
	return fit
}

// aboveIntermediates is what a chain goes on with behind an intermediate.
func (p *planner) aboveIntermediates() []*x509.Certificate {
	if p.authority.user != nil {
		return p.userPath()
	}
	return p.authority.crossing()
}

// userPath leads from a user's CA to its root, the root left out; empty if the
// authority is ours.
func (p *planner) userPath() []*x509.Certificate {
	if p.authority.user == nil {
		return nil
	}
	return p.authority.user.chain
}

// unfit says why an intermediate shall sign no more leaves.
func (p *planner) unfit(id secrets.Identity) string {
	longest := p.longestValidity()
	cert, want := id.Chain[0], p.state.Now.Add(longest)
	later := p.intermediateEnd().Sub(cert.NotAfter)
	switch {
	case !pki.SameKey(cert, id.Key):
		return "its key is another's"
	case !p.underNewest(cert):
		return "it is not under " + p.topName()
	case cert.NotAfter.Before(want) && later >= longest/4:
		return "it ends before a new leaf would"
	}
	return ""
}

// longestValidity is that of the longest leaf that is asked for.
func (p *planner) longestValidity() time.Duration {
	longest := p.cfg.Defaults.Validity.Std()
	for _, c := range p.cfg.Certificates {
		longest = max(longest, c.Validity.Std())
	}
	return longest
}

// underNewest reports whether what signs intermediates now signed this one.
func (p *planner) underNewest(cert *x509.Certificate) bool {
	a := &p.authority
	switch {
	case a.user != nil:
		return pki.Signed(a.user.certificate, cert)
	case a.pending():
		return false
	}
	return pki.Signed(a.signing().certificate, cert)
}

func (p *planner) topName() string {
	if p.authority.user != nil {
		return "the CA of authority.secret"
	}
	return "the newest root"
}

// permits checks names, IP addresses among them, against a CA's constraints.
func permits(ca *x509.Certificate, names []string) error {
	var dns []string
	var ips []netip.Addr
	for _, n := range names {
		if ip, err := netip.ParseAddr(n); err == nil {
			ips = append(ips, ip)
		} else {
			dns = append(dns, n)
		}
	}
	return pki.CheckConstraints(ca, dns, ips)
}

func (p *planner) makeIntermediate(namespace string, names []string) *issuer {
	top := &issuer{version: p.authority.newest, end: p.topEnd(), beyond: p.aboveIntermediates(), proofs: p.topIssuer().proofs}
	return p.makeIntermediateUnder(top, namespace, names, p.whyIntermediate(namespace))
}

// makeIntermediateUnder plans an intermediate under what signs it; beyond is what
// follows behind the intermediate.
func (p *planner) makeIntermediateUnder(top *issuer, namespace string, names []string, why string) *issuer {
	spec, subject := p.intermediateSpec(), p.subject()
	p.made[namespace]++
	subject.CommonName = intermediateName(p.topCommonName(), namespace, p.lastIntermediate(namespace)+p.made[namespace])
	v := &Version{Target: p.authority.target, Role: secrets.RoleIntermediate, Prefix: p.cfg.Authority.Name + "-intermediate"}
	end := earlier(p.state.Now.Add(spec.validity), top.end)
	p.act(&MakeIntermediate{
		Version: v, Namespace: p.cfg.Namespace, For: namespace, Root: top.version, Above: p.userPath(), Key: spec.key,
		Because: why,
		Request: pki.IntermediateRequest{
			Subject: subject, NotBefore: p.state.Now.Add(-backdate), NotAfter: end,
			Constraints: p.constraints(namespace, names),
		},
	})
	p.item(Item{
		Target: p.authority.target, Role: secrets.RoleIntermediate, Name: v.Name(), NotAfter: end, Loaded: "-", State: stateToBeMade,
		Due: p.lastIntermediate(namespace) > 0, // what another one signed is served
	})
	return &issuer{version: v, end: end, beyond: top.beyond, proofs: below(top.proofs), older: top.older}
}

// topCommonName begins the names of intermediates.
func (p *planner) topCommonName() string {
	if p.authority.user != nil {
		return p.authority.user.certificate.Subject.CommonName
	}
	return p.cfg.Authority.SelfSigned.Subject.CommonName
}

func (p *planner) whyIntermediate(namespace string) string {
	if have := p.heldFor(namespace); len(have) > 0 {
		why := "it does not permit every name"
		if have[0].err == nil {
			why = cmp.Or(p.unfit(have[0].id), why)
		}
		return have[0].secret.Name + " is not fit: " + why
	}
	if p.made[namespace] > 1 {
		return "the names of namespace " + namespace + " are too many for one"
	}
	return "none signs for namespace " + namespace + " yet"
}

// intermediateName keeps subjects of roots and intermediates apart, generation
// by generation: two CAs of one name confuse OpenSSL. 64 characters are the
// bound of RFC 5280, appendix A (ub-common-name).
func intermediateName(root, namespace string, generation int) string {
	suffix := " intermediate " + namespace
	if generation > 1 {
		suffix += fmt.Sprintf(" G%d", generation)
	}
	return withSuffix(root, suffix)
}

// withSuffix ends a common name, cut short before its end where it is too long.
func withSuffix(name, suffix string) string {
	runes := []rune(name)
	runes = runes[:min(len(runes), max(64-len([]rune(suffix)), 0))]
	full := []rune(strings.TrimSpace(string(runes) + suffix))
	return string(full[max(len(full)-64, 0):])
}

func (p *planner) constraints(namespace string, names []string) *pki.Constraints {
	nc := p.intermediateSpec().constraints
	switch nc.Mode {
	case config.ConstraintsNone:
		return nil
	case config.ConstraintsList:
		return &pki.Constraints{PermittedDNS: nc.PermittedDNS}
	}
	c := pki.NamespaceConstraints(namespace, p.cfg.ClusterDomain, p.clusterAPI(), names)
	return &c
}
