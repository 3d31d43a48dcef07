package renew

import (
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
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

// intermediateItems lists the intermediates that would sign a leaf now, beside
// those that are made.
func (p *planner) intermediateItems() {
	if p.authority.user != nil || p.cfg.Authority.SelfSigned.Intermediate.None {
		return
	}
	listed := map[string]bool{}
	for _, namespace := range p.namespaces() {
		for _, names := range p.names[namespace] {
			i := p.fitIntermediate(namespace, names)
			if i == nil || listed[i.version.Name()] {
				continue
			}
			listed[i.version.Name()] = true
			p.item(Item{Target: p.authority.target, Role: secrets.RoleIntermediate, Name: i.version.Name(), NotAfter: i.end, Loaded: "-", State: stateOK})
		}
	}
}

// namespaces lists where leaves are wanted, sorted.
func (p *planner) namespaces() []string { return slices.Sorted(maps.Keys(p.names)) }

// issuer is who signs the leaves of a namespace.
type issuer struct {
	version *Version
	end     time.Time           // leaves do not outlive it
	chain   []*x509.Certificate // what follows the leaf; nil while it is to be made
	subject pkix.Name           // of a user's CA
}

// issuerFor returns the issuer for a new leaf with these names, planning one
// where none is fit.
func (p *planner) issuerFor(namespace string, names []string) *issuer {
	switch {
	case p.authority.user != nil:
		return p.authority.user
	case p.cfg.Authority.SelfSigned.Intermediate.None:
		return p.rootIssuer()
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

// rootIssuer is the newest root as the issuer of what it signs itself.
func (p *planner) rootIssuer() *issuer {
	i := &issuer{version: p.authority.newest, end: p.rootEnd()}
	if !p.authority.pending() {
		i.chain = []*x509.Certificate{}
	}
	return i
}

func (p *planner) intermediateEnd() time.Time {
	return earlier(p.state.Now.Add(time.Duration(p.cfg.Authority.SelfSigned.Intermediate.Validity)), p.rootEnd())
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
// first. They are read once a pass.
func (p *planner) intermediates(namespace string) []*issuer {
	if fit, ok := p.fit[namespace]; ok {
		return fit
	}
	var fit []*issuer
	for _, s := range p.state.versions[slot{p.authority.target, secrets.RoleIntermediate}] {
		if s.Annotations[namespaceAnnotation] != namespace {
			continue
		}
		id, err := s.Identity(secrets.DefaultKeys())
		if err != nil {
			p.notice("not used: %v", err)
			continue
		}
		if p.unfit(id) == "" {
			v := &Version{Target: p.authority.target, Role: secrets.RoleIntermediate, Secret: s}
			fit = append(fit, &issuer{version: v, end: id.Chain[0].NotAfter, chain: id.Chain})
		}
	}
	p.fit[namespace] = fit
	return fit
}

// unfit says why an intermediate shall sign no more leaves.
func (p *planner) unfit(id secrets.Identity) string {
	cert, want := id.Chain[0], p.state.Now.Add(p.cfg.Defaults.Validity.Std())
	later := p.intermediateEnd().Sub(cert.NotAfter)
	switch {
	case !pki.SameKey(cert, id.Key):
		return "its key is another's"
	case pki.VerifyChain(pki.Go(), id.Chain, p.newestRoots(), "", p.state.Now) != nil:
		return "it is not under the newest root"
	case cert.NotAfter.Before(want) && later >= p.cfg.Defaults.Validity.Std()/4:
		return "it ends before a new leaf would"
	}
	return ""
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
	self := p.cfg.Authority.SelfSigned
	subject := self.Subject
	p.made[namespace]++
	subject.CommonName = intermediateName(self.Subject.CommonName, namespace, p.intermediatesOf(namespace)+p.made[namespace])
	v := &Version{Target: p.authority.target, Role: secrets.RoleIntermediate, Prefix: p.cfg.Authority.Name + "-intermediate"}
	p.act(&MakeIntermediate{
		Version: v, Namespace: p.cfg.Namespace, For: namespace, Root: p.authority.newest, Key: self.Key,
		Because: p.whyIntermediate(namespace),
		Request: pki.IntermediateRequest{
			Subject: subject, NotBefore: p.state.Now.Add(-backdate), NotAfter: p.intermediateEnd(),
			Constraints: p.constraints(namespace, names),
		},
	})
	p.item(Item{Target: p.authority.target, Role: secrets.RoleIntermediate, Name: v.Name(), NotAfter: p.intermediateEnd(), Loaded: "-", State: stateToBeMade})
	return &issuer{version: v, end: p.intermediateEnd()}
}

func (p *planner) whyIntermediate(namespace string) string {
	for _, s := range p.state.versions[slot{p.authority.target, secrets.RoleIntermediate}] {
		if s.Annotations[namespaceAnnotation] != namespace {
			continue
		}
		why := "it does not permit every name"
		if id, err := s.Identity(secrets.DefaultKeys()); err == nil {
			why = cmp.Or(p.unfit(id), why)
		}
		return s.Name + " is not fit: " + why
	}
	if p.made[namespace] > 1 {
		return "the names of namespace " + namespace + " are too many for one"
	}
	return "none signs for namespace " + namespace + " yet"
}

func (p *planner) intermediatesOf(namespace string) int {
	n := 0
	for _, s := range p.state.versions[slot{p.authority.target, secrets.RoleIntermediate}] {
		if s.Annotations[namespaceAnnotation] == namespace {
			n++
		}
	}
	return n
}

// intermediateName keeps subjects of roots and intermediates apart, generation
// by generation: two CAs of one name confuse OpenSSL. 64 characters are the
// bound of RFC 5280, appendix A (ub-common-name).
func intermediateName(root, namespace string, generation int) string {
	suffix := " intermediate " + namespace
	if generation > 1 {
		suffix += fmt.Sprintf(" G%d", generation)
	}
	runes := []rune(root)
	runes = runes[:min(len(runes), max(64-len([]rune(suffix)), 0))]
	full := []rune(strings.TrimSpace(string(runes) + suffix))
	return string(full[max(len(full)-64, 0):])
}

func (p *planner) constraints(namespace string, names []string) *pki.Constraints {
	nc := p.cfg.Authority.SelfSigned.NameConstraints
	switch nc.Mode {
	case config.ConstraintsNone:
		return nil
	case config.ConstraintsList:
		return &pki.Constraints{PermittedDNS: nc.PermittedDNS}
	}
	c := pki.NamespaceConstraints(namespace, p.cfg.ClusterDomain, p.cfg.ClusterAPI, names)
	return &c
}
