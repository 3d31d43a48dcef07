package renew

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// A root is followed by the next one long before it ends. The old one vouches
// for the new one with a cross certificate, which leaves carry: whoever knows
// only the old root accepts new leaves, and whoever knows both accepts old ones.
// So nothing has to happen at once: a workload gets the new root beside the old
// one, and later loses the old one, when it restarts anyway.

// maxCrosses bounds the cross certificates in a chain: servers send them in
// every handshake. They stand one above the other, the newest root signed by the
// one before it and that by the one before, because Java follows a PKCS12 key
// store's chain by names and keeps no second certificate of one name.
const maxCrosses = 2

// crossPrefix begins the data keys of cross certificates in a root's Secret:
// cross-g1.crt is signed by generation 1.
const crossPrefix = "cross-"

// rootCommonName tells generations apart: two roots of one name confuse OpenSSL.
func rootCommonName(name string, generation int) string {
	if generation == 1 {
		return name
	}
	return withSuffix(name, fmt.Sprintf(" G%d", generation))
}

// rootRenewAt is when the next root is made: at renewBefore, but early enough for
// every workload to renew its leaf once before leaves would be cut short, and not
// in the first half of its life.
func (p *planner) rootRenewAt(root *x509.Certificate) time.Time {
	lifetime := root.NotAfter.Sub(root.NotBefore)
	before := max(p.cfg.Defaults.RenewBefore.Of(lifetime), 2*p.longestValidity())
	return root.NotAfter.Add(-min(before, lifetime/2))
}

// wantsNextRoot says why the newest root is to be followed by another one now;
// empty if it is not.
func (p *planner) wantsNextRoot(newest root) string {
	if at := newest.asked(); at != "" {
		return "it was asked for at " + at
	}
	validity := p.cfg.Authority.SelfSigned.Validity.Std()
	gain := p.state.Now.Add(validity).Sub(newest.certificate.NotAfter)
	if p.state.Now.Before(p.rootRenewAt(newest.certificate)) || gain < validity/4 || !p.needsAuthority() {
		return ""
	}
	return fmt.Sprintf("root %q ends on %s", newest.certificate.Subject.CommonName, day(newest.certificate.NotAfter))
}

// readCrosses reads the cross certificate of every root, and sets roots that are
// not to be trusted any more apart.
func (p *planner) readCrosses() error {
	a := &p.authority
	for i := 1; i < len(a.roots); i++ {
		r, older := &a.roots[i], a.roots[i-1]
		c, err := readCross(*r, older)
		if err != nil {
			return err
		}
		if c != nil && !p.expired(c) {
			r.cross, r.by = c, older.certificate
		}
	}
	a.setApart()
	return nil
}

// readCross reads the certificate that the older root signed for r; nil if there
// is none.
func readCross(r, older root) (*x509.Certificate, error) {
	s := r.version.Secret
	key := crossKey(older.version.Secret)
	data, ok := s.Data[key]
	if !ok {
		return nil, nil
	}
	certs, err := pki.ParseCertificates(data)
	if err == nil && (len(certs) != 1 || !bytes.Equal(certs[0].RawSubjectPublicKeyInfo, r.certificate.RawSubjectPublicKeyInfo) || !pki.Signed(older.certificate, certs[0])) {
		err = fmt.Errorf("is not the certificate of %q signed by %q", r.certificate.Subject.CommonName, older.certificate.Subject.CommonName)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: key %q: %w", s.Ref, key, err)
	}
	return certs[0], nil
}

func crossKey(old *secrets.Secret) string {
	return fmt.Sprintf("%sg%d.crt", crossPrefix, generation(old))
}

// crossing are the cross certificates that follow an intermediate of the root
// that signs, the newest first. That of a root still to be made is not among
// them; it will stand before the others.
func (a authority) crossing() []*x509.Certificate {
	if len(a.roots) == 0 {
		return nil
	}
	limit := maxCrosses
	if a.pending() {
		limit--
	}
	return a.crossingOf(&a.roots[len(a.roots)-1], limit)
}

// crossingOf are the cross certificates of one root.
func (a *authority) crossingOf(r *root, limit int) []*x509.Certificate {
	var out []*x509.Certificate
	for ; r != nil && r.cross != nil && len(out) < limit; r = a.predecessor(*r) {
		out = append(out, r.cross)
	}
	return out
}

// home is the root under which a chain stands by itself, cross certificates left
// aside; nil if it is none of these.
func home(chain []*x509.Certificate, roots []root) *root {
	isRoot := func(c *x509.Certificate) bool {
		return slices.ContainsFunc(roots, func(r root) bool { return bytes.Equal(c.RawSubject, r.certificate.RawSubject) })
	}
	for i := range roots {
		for _, c := range chain {
			r := roots[i].certificate
			if bytes.Equal(c.RawIssuer, r.RawSubject) && !isRoot(c) && pki.Signed(r, c) {
				return &roots[i]
			}
		}
	}
	return nil
}

// vouchedUntil is how long clients with these anchors accept leaves of the root
// that signs without knowing it; zero if they do not, or if the roots that they
// know are to be left at once.
func (p *planner) vouchedUntil(anchors []*x509.Certificate) (until time.Time) {
	a := &p.authority
	if len(a.roots) == 0 {
		return until
	}
	r, end, crosses := &a.roots[len(a.roots)-1], p.rootEnd(), 0
	if a.pending() { // the newest that is there will vouch for it
		end, crosses = earlier(end, r.certificate.NotAfter), 1
	}
	for ; r != nil && crosses <= maxCrosses; r = a.predecessor(*r) {
		if crosses > 0 && r.asked() == "" && slices.ContainsFunc(anchors, r.certificate.Equal) && end.After(until) {
			until = end
		}
		if r.cross != nil {
			end = earlier(end, r.cross.NotAfter)
		}
		crosses++
	}
	return until
}

// mayLackNewest reports whether trust in these anchors can do without the newest
// root until its holder restarts anyway: what stands under that root verifies
// all the same, and goes on to for the life of a leaf.
func (p *planner) mayLackNewest(holders []string, anchors []*x509.Certificate) bool {
	if p.vouchedUntil(anchors).Before(p.state.Now.Add(p.cfg.Defaults.Validity.Std())) {
		return false
	}
	return p.canWait(holders)
}

// canWait reports whether a change that is not urgent waits for a restart that
// comes anyway. Nobody restarts for what has no holder.
func (p *planner) canWait(holders []string) bool {
	if len(holders) == 0 || slices.ContainsFunc(holders, func(h string) bool { return p.restarting[h] }) {
		return false
	}
	for _, h := range holders {
		p.postponed[h] = true
	}
	return true
}

// wanted are the roots that a truststore should hold: the newest, and an older
// one as long as a leaf stands under it that something may still serve. The
// rest rides out with the next restart.
func (p *planner) wanted() []*x509.Certificate {
	a := &p.authority
	if len(a.roots) < 2 && !a.pending() {
		return a.certificates()
	}
	if p.keeps == nil {
		p.keeps = p.homesInUse(a.roots)
	}
	var out []*x509.Certificate
	for i, r := range a.roots {
		if i == len(a.roots)-1 && !a.pending() || p.keeps[r.certificate] {
			out = append(out, r.certificate)
		}
	}
	return out
}

// homesInUse are the roots under which a chain stands that something may still
// serve.
func (p *planner) homesInUse(roots []root) map[*x509.Certificate]bool {
	out := map[*x509.Certificate]bool{}
	for k, versions := range p.state.versions {
		if !slices.Contains(leafRoles, k.role) {
			continue
		}
		for _, s := range versions {
			for _, chain := range p.chainsInUse(s) {
				if r := home(chain, roots); r != nil {
					out[r.certificate] = true
				}
			}
		}
	}
	return out
}

// leafRoles are the roles of Secrets from which something is served or signed, or
// which a client shows.
var leafRoles = []secrets.Role{secrets.RoleCertificate, secrets.RoleUICertificate, secrets.RoleCA, secrets.RoleFlinkTLS, secrets.RoleOperatorCert, secrets.RoleWebhookCert}

// chainsInUse are the chains that a Secret's readers may have loaded: its own,
// and of one that is updated in place the one before.
func (p *planner) chainsInUse(s *secrets.Secret) [][]*x509.Certificate {
	var out [][]*x509.Certificate
	if id, err := p.identityOf(s); err == nil && !p.retired(s) {
		out = append(out, id.Chain)
	}
	return append(out, p.earlierChains(s)...)
}

// earlierChains are those that a Secret which is updated in place held before and
// that somebody may serve still.
func (p *planner) earlierChains(s *secrets.Secret) [][]*x509.Certificate {
	if !p.mayServeEarlier(s) {
		return nil
	}
	certs, err := pki.ParseCertificates([]byte(s.Annotations[earlierAnnotation]))
	if err != nil {
		return nil
	}
	var out [][]*x509.Certificate
	for _, c := range certs {
		if !c.IsCA || len(out) == 0 {
			out = append(out, nil) // a leaf begins the next chain
		}
		out[len(out)-1] = append(out[len(out)-1], c)
	}
	return out
}

// identityOf opens a Secret from which something is served, whatever its shape,
// under the keys by which its reader looks for it now.
func (p *planner) identityOf(s *secrets.Secret) (secrets.Identity, error) {
	switch s.Role() {
	case secrets.RoleFlinkTLS, secrets.RoleOperatorCert:
		return p.storesOf(s)
	}
	return p.once.openIdentity(s, p.dataKeys(s))
}
