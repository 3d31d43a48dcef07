package renew

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
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

// intermediateItems lists the intermediates in use, beside those that are made.
func (p *planner) intermediateItems() {
	for _, namespace := range p.namespaces() {
		if p.authority.user != nil || p.cfg.Authority.SelfSigned.Intermediate.None {
			return
		}
		if _, planned := p.intermediates[namespace]; planned {
			continue
		}
		if i := p.fitIntermediate(namespace); i != nil {
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

// issuerFor returns the issuer for a new leaf in the namespace, planning one
// where none is fit.
func (p *planner) issuerFor(namespace string) *issuer {
	if have, ok := p.intermediates[namespace]; ok {
		return have
	}
	var i *issuer
	if p.authority.user != nil {
		i = p.authority.user
	} else if p.cfg.Authority.SelfSigned.Intermediate.None {
		i = &issuer{version: p.authority.newest, end: p.rootEnd()}
		if !p.authority.pending() {
			i.chain = []*x509.Certificate{}
		}
	} else if i = p.fitIntermediate(namespace); i == nil {
		i = p.makeIntermediate(namespace)
	}
	p.intermediates[namespace] = i
	return i
}

func (p *planner) intermediateEnd() time.Time {
	return earlier(p.state.Now.Add(time.Duration(p.cfg.Authority.SelfSigned.Intermediate.Validity)), p.rootEnd())
}

// fitIntermediate finds an existing intermediate that can sign every name of
// the namespace for long enough.
func (p *planner) fitIntermediate(namespace string) *issuer {
	for _, s := range p.state.versions[slot{p.authority.target, secrets.RoleIntermediate}] {
		if s.Annotations[namespaceAnnotation] != namespace {
			continue
		}
		id, err := s.Identity(secrets.DefaultKeys())
		if err != nil {
			p.notice("not used: %v", err)
			continue
		}
		cert := id.Chain[0]
		if p.unfit(namespace, id) == "" {
			return &issuer{version: &Version{Target: p.authority.target, Role: secrets.RoleIntermediate, Secret: s}, end: cert.NotAfter, chain: id.Chain}
		}
	}
	return nil
}

// unfit says why an intermediate shall sign no more leaves.
func (p *planner) unfit(namespace string, id secrets.Identity) string {
	cert, want := id.Chain[0], p.state.Now.Add(time.Duration(p.cfg.Defaults.Validity))
	later := p.intermediateEnd().Sub(cert.NotAfter)
	switch {
	case !pki.SameKey(cert, id.Key):
		return "wrong key"
	case pki.VerifyChain(pki.Go(), id.Chain, p.newestRoots(), "", p.state.Now) != nil:
		return "not under the newest root"
	case permits(cert, p.names[namespace]) != nil:
		return "does not permit every name"
	case cert.NotAfter.Before(want) && later >= time.Duration(p.cfg.Defaults.Validity)/4:
		return "ends before a new leaf would"
	}
	return ""
}

// permits checks names, IP addresses among them, against a CA's constraints.
func permits(ca *x509.Certificate, names map[string]bool) error {
	var dns []string
	var ips []netip.Addr
	for _, n := range sorted(names) {
		if ip, err := netip.ParseAddr(n); err == nil {
			ips = append(ips, ip)
		} else {
			dns = append(dns, n)
		}
	}
	return pki.CheckConstraints(ca, dns, ips)
}

func (p *planner) makeIntermediate(namespace string) *issuer {
	self := p.cfg.Authority.SelfSigned
	subject := self.Subject
	subject.CommonName = intermediateName(self.Subject.CommonName, namespace, p.intermediatesOf(namespace)+1)
	v := &Version{Target: p.authority.target, Role: secrets.RoleIntermediate, Prefix: p.cfg.Authority.Name + "-intermediate"}
	p.act(&MakeIntermediate{
		Version: v, Namespace: p.cfg.Namespace, For: namespace, Root: p.authority.newest, Key: self.Key,
		Because: p.whyIntermediate(namespace),
		Request: pki.IntermediateRequest{
			Subject: subject, NotBefore: p.state.Now.Add(-backdate), NotAfter: p.intermediateEnd(),
			Constraints: p.constraints(namespace),
		},
	})
	p.item(Item{Target: p.authority.target, Role: secrets.RoleIntermediate, Name: v.Name(), NotAfter: p.intermediateEnd(), State: "to be made"})
	return &issuer{version: v, end: p.intermediateEnd()}
}

func (p *planner) whyIntermediate(namespace string) string {
	why := errors.New("none signs for namespace " + namespace + " yet")
	for _, s := range p.state.versions[slot{p.authority.target, secrets.RoleIntermediate}] {
		if s.Annotations[namespaceAnnotation] != namespace {
			continue
		}
		if id, err := s.Identity(secrets.DefaultKeys()); err == nil {
			why = fmt.Errorf("%s is not fit: %s", s.Name, p.unfit(namespace, id))
		}
	}
	return why.Error()
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

func (p *planner) constraints(namespace string) *pki.Constraints {
	nc := p.cfg.Authority.SelfSigned.NameConstraints
	switch nc.Mode {
	case config.ConstraintsNone:
		return nil
	case config.ConstraintsList:
		return &pki.Constraints{PermittedDNS: nc.PermittedDNS}
	}
	c := pki.NamespaceConstraints(namespace, p.cfg.ClusterDomain, p.cfg.ClusterAPI, sorted(p.names[namespace]))
	return &c
}
