package renew

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// backdate is how far before the time of making a certificate begins: a client
// whose clock is behind would refuse it otherwise (istio#32176).
const backdate = 5 * time.Minute

// namespaceAnnotation says which namespace an intermediate signs for.
const namespaceAnnotation = "flowcert.io/namespace"

// authority is the certificate authority as a pass finds it.
type authority struct {
	target string
	known  bool     // it could be told what there is
	roots  []root   // not expired, oldest first
	newest *Version // the root that signs; nil if nothing needs one
	user   *issuer  // a CA of the user's, which signs leaves itself; nil: ours
}

// root is one generation.
type root struct {
	version     *Version
	certificate *x509.Certificate
}

// certificates are the roots that exist; a root still to be made is not among
// them.
func (a authority) certificates() []*x509.Certificate {
	var out []*x509.Certificate
	for _, r := range a.roots {
		out = append(out, r.certificate)
	}
	return out
}

// pending reports whether the first root is still to be made.
func (a authority) pending() bool { return a.newest != nil && a.newest.Secret == nil }

// fingerprint of the root that signs, for RootAnnotation.
func (a authority) fingerprint() string {
	switch {
	case a.newest == nil:
		return ""
	case a.pending():
		return secrets.PendingName("root")
	}
	return pki.Fingerprint(a.roots[len(a.roots)-1].certificate)
}

func authorityTarget(cfg *config.Config) string {
	return "authority/" + cfg.Namespace + "/" + cfg.Authority.Name
}

// planAuthority finds the roots, or makes the first one where nothing of ours
// exists anywhere.
func (p *planner) planAuthority() {
	a := &p.authority
	a.target = authorityTarget(p.cfg)
	if p.cfg.Authority.Secret != nil {
		p.userAuthority()
		return
	}
	if !p.readRoots() {
		return
	}
	a.known = true
	if n := len(a.roots); n > 0 {
		a.newest = a.roots[n-1].version
		p.rootItems()
		return
	}
	if !p.needsAuthority() {
		return
	}
	if evidence := p.evidence(); evidence != "" {
		a.known = false
		p.fault(a.target, fmt.Errorf("the authority's root is not there, but %s was made under it", evidence),
			fmt.Sprintf("put %s back from a backup; without one, take flowcert's work out (flowcert revert --delete-secrets) and apply again: every client then needs the new CA", p.rootName(1)))
		return
	}
	p.makeRoot()
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
	return len(p.names) > 0
}

// readRoots reads the generations that have not ended; false if one does not
// read, which is a fault.
func (p *planner) readRoots() bool {
	a := &p.authority
	for _, s := range slices.Backward(p.state.versions[slot{a.target, secrets.RoleRoot}]) {
		id, err := s.Identity(secrets.DefaultKeys())
		if err == nil && !pki.SameKey(id.Chain[0], id.Key) {
			err = fmt.Errorf("%s: the key does not belong to the certificate", s.Ref)
		}
		if err != nil {
			p.fault(a.target, err, "put the root's manifest back from a backup")
			return false
		}
		if start := id.Chain[0].NotBefore; p.state.Now.Before(start) {
			p.fault(a.target, fmt.Errorf("%s: the root is not valid before %s", s.Ref, start.UTC().Format(time.RFC3339)), "set the clock right: it is earlier than the root")
			return false
		}
		if p.expired(id.Chain[0]) {
			p.notice("%s: root %q ended on %s", s.Ref, id.Chain[0].Subject.CommonName, day(id.Chain[0].NotAfter))
			continue
		}
		a.roots = append(a.roots, root{certificate: id.Chain[0], version: &Version{Target: a.target, Role: secrets.RoleRoot, Secret: s}})
	}
	slices.SortStableFunc(a.roots, func(x, y root) int { return generation(x.version.Secret) - generation(y.version.Secret) })
	return true
}

func (p *planner) rootItems() {
	if end := p.rootEnd(); end.Before(p.state.Now.Add(time.Duration(p.cfg.Defaults.Validity))) {
		p.notice("%s: the root ends on %s, and every new certificate with it", p.authority.target, day(end))
	}
	for _, r := range p.authority.roots {
		p.item(Item{Target: p.authority.target, Role: secrets.RoleRoot, Name: r.version.Secret.Name, NotAfter: r.certificate.NotAfter, Loaded: "-", State: stateOK})
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

// evidence names something that only a root of ours can have led to. A missing
// root is then a loss, not a beginning.
func (p *planner) evidence() string {
	for _, r := range p.state.resources {
		if r.Root() != "" {
			return r.Where()
		}
	}
	var made []string
	for k, versions := range p.state.versions {
		if k.role != secrets.RolePassword && k.role != secrets.RoleTruststore {
			for _, s := range versions {
				made = append(made, s.Ref.String())
			}
		}
	}
	if len(made) == 0 {
		return ""
	}
	slices.Sort(made)
	return made[0]
}

func (p *planner) makeRoot() {
	a := &p.authority
	self := p.cfg.Authority.SelfSigned
	ref := secrets.Ref{Namespace: p.cfg.Namespace, Name: p.rootName(1)}
	if p.taken(a.target, ref) {
		a.known = false
		return
	}
	a.newest = &Version{Target: a.target, Role: secrets.RoleRoot, Known: ref.Name}
	end := p.state.Now.Add(time.Duration(self.Validity))
	p.act(&MakeRoot{
		Version: a.newest, Ref: ref, Because: "there is no certificate authority yet",
		Request: pki.RootRequest{Subject: self.Subject, NotBefore: p.state.Now.Add(-backdate), NotAfter: end},
		Key:     self.Key,
	})
	p.item(Item{Target: a.target, Role: secrets.RoleRoot, Name: ref.Name, NotAfter: end, State: "to be made"})
}

// taken reports, as a fault, that somebody else's Secret has the name.
func (p *planner) taken(target string, ref secrets.Ref) bool {
	s, ok := p.state.Secrets[ref]
	if !ok || s.Ours() {
		return false
	}
	p.fault(target, fmt.Errorf("%s is there already, not made by flowcert", ref), "rename or remove it; flowcert does not overwrite it")
	return true
}

// collectNames gathers, by namespace, every DNS name that a leaf there carries:
// they decide what an intermediate must permit.
func (p *planner) collectNames() {
	for _, job := range p.sortedEventProcessing() {
		extra := append(deploy.EventProcessingHosts(job.resource), job.config.ExtraDNSNames...)
		names, err := pki.EventProcessingNames(job.config.Name, job.config.Namespace, p.cfg.ClusterDomain, p.cfg.ClusterAPI, extra)
		if err != nil {
			p.fault(job.target, err, "names come from the resource's name, its namespace and clusterAPI: shorten one of them")
			continue
		}
		if p.cfg.ClusterAPI == "" && len(extra) == 0 {
			p.notice("%s: no host for browsers is known, so the certificate names the Services alone; set clusterAPI in flowcert.yaml (OpenShift) or spec.authoring.endpoints[].host", job.target)
		}
		job.names = names
		p.needNames(job.config.Namespace, names)
	}
	for _, job := range p.sortedFlinks() {
		names, err := pki.FlinkNames(job.config.Name, job.config.Namespace, p.cfg.ClusterDomain)
		if err != nil {
			p.fault(job.target, err, "names come from the resource's name and its namespace: shorten one of them")
			continue
		}
		job.names = names
		if job.config.TLS.Rest || job.config.TLS.Internal {
			p.needNames(job.config.Namespace, names)
		}
	}
	for _, c := range p.cfg.Certificates {
		names := slices.Clone(c.DNSNames)
		for _, ip := range c.IPAddresses {
			names = append(names, ip.String())
		}
		p.needNames(c.Namespace, names)
	}
	if ns, ok := p.operatorNamespace(); ok {
		p.needNames(ns, []string{operatorName})
	}
}

func (p *planner) needNames(namespace string, names []string) {
	if p.names[namespace] == nil {
		p.names[namespace] = map[string]bool{}
	}
	for _, n := range names {
		p.names[namespace][n] = true
	}
}

// intermediateItems lists the intermediates in use, beside those that are made.
func (p *planner) intermediateItems() {
	for _, namespace := range sorted(p.namespaces()) {
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

func (p *planner) namespaces() map[string]bool {
	out := map[string]bool{}
	for namespace := range p.names {
		out[namespace] = true
	}
	return out
}

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

func (p *planner) rootEnd() time.Time {
	if p.authority.pending() {
		return p.state.Now.Add(time.Duration(p.cfg.Authority.SelfSigned.Validity))
	}
	return p.authority.roots[len(p.authority.roots)-1].certificate.NotAfter
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

func (p *planner) newestRoots() []*x509.Certificate {
	if len(p.authority.roots) == 0 {
		return nil
	}
	return []*x509.Certificate{p.authority.roots[len(p.authority.roots)-1].certificate}
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
