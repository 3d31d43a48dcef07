package renew

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// A Secret of a fixed name remembers the chain that it held before, because its
// reader may serve it still. When somebody removes it, or writes something else
// into it, that is lost: what is served may stand under any root. So none of them
// is taken from a client until the reader has started anew. Nobody can tell the
// Secret that was removed from one that there never was; for the second this is
// a root that goes a little later.

// lostChain stands in earlierAnnotation for a chain that nobody knows.
const lostChain = "# a chain that nobody knows, because somebody removed it\n"

// removed reports whether a leaf of a fixed name may have had another before it
// of which nothing is left.
func (p *planner) removed(w leafWant) bool {
	return w.fixedName != "" && p.replacedInPlace(w) == nil && p.hadAuthority() && len(p.adoptedOf(w.slot, w.namespace)) == 0
}

// hadAuthority reports whether anything was signed before this pass.
func (p *planner) hadAuthority() bool {
	for k, versions := range p.state.versions {
		if len(versions) > 0 && k.role != secrets.RoleRoot && !slices.Contains(rootless, k.role) {
			return true
		}
	}
	return false
}

// chainOrLost is the chain in a Secret of a fixed name as it is to be remembered;
// empty: there never was one.
func chainOrLost(s *secrets.Secret) string {
	chain := s.Data[secrets.TLSCert]
	if _, err := pki.ParseCertificates(chain); err != nil && s.Ours() && s.Role() != secrets.RoleOperatorCert {
		return lostChain
	}
	return string(chain)
}

// mayServeEarlier reports whether the reader of a Secret that is updated in place
// may serve what it held before.
func (p *planner) mayServeEarlier(s *secrets.Secret) bool {
	if until, said := p.soaksUntil(s); p.webhookLoaded(s) || said && !p.state.Now.Before(until) {
		return false
	}
	return !p.state.live() || p.state.mayBeStale(s, p.leafSince(s), p.cfg.Rotation.Soak.Std())
}

// servesLost reports whether the reader of a Secret may serve a chain that nobody
// knows.
func (p *planner) servesLost(s *secrets.Secret) bool {
	return strings.Contains(s.Annotations[earlierAnnotation], lostChain) && p.mayServeEarlier(s)
}

// lostLeaf is why nobody knows what the server of a certificate serves; nil: that
// is known.
func (p *planner) lostLeaf(c config.Certificate) *unseen {
	ref := secrets.Ref{Namespace: c.Namespace, Name: c.SecretName}
	w := leafWant{slot: slot{c.Target().String(), secrets.RoleCertificate}, namespace: c.Namespace, fixedName: c.SecretName}
	s := p.state.Secrets[ref]
	switch {
	case c.Naming != config.Fixed:
		return nil
	case s == nil && p.removed(w):
		return &unseen{ref.String() + " is not there, and what its reader serves is not known", "flowcert makes it again first"}
	case s != nil && p.servesLost(s):
		return &unseen{fmt.Sprintf("nobody knows what %s held before: it was not there, and somebody may have removed it", ref), p.lostNext(s)}
	}
	return nil
}

// lostNext says how it becomes known what is served.
func (p *planner) lostNext(s *secrets.Secret) string {
	if !p.state.live() {
		return p.whatNext(s)
	}
	if stale := p.state.staleReaders(s); stale != "" {
		return stale + ": restart it"
	}
	return "restart what reads it; " + countsUntil(p.leafSince(s).Add(p.cfg.Rotation.Soak.Std()))
}

// bundleKeeps are the roots that stay in a caBundle because nobody knows what the
// webhook serves.
func (p *planner) bundleKeeps(h *webhookJob, r deploy.Resource) []*x509.Certificate {
	s := p.state.Secrets[h.ref()]
	if s != nil && !p.servesLost(s) || s == nil && p.webhookAnswers(h) {
		return nil
	}
	ours := append(p.authority.certificates(), certificatesOf(p.authority.lost)...)
	var out []*x509.Certificate
	for _, t := range p.bundleTrust(r) {
		out = appendNew(out, slices.DeleteFunc(slices.Clone(t.Anchors), func(c *x509.Certificate) bool {
			return p.expired(c) || !slices.ContainsFunc(ours, c.Equal)
		}))
	}
	return out
}

// webhookAnswers reports whether a dial has told what every server of the webhook
// presents.
func (p *planner) webhookAnswers(h *webhookJob) bool {
	entries := h.entries()
	return len(entries) > 0 && len(p.state.webhookPods(h)) <= 1 && !slices.ContainsFunc(entries, func(w deploy.Webhook) bool {
		a, asked := p.state.asked[w.Address]
		return !asked || a.err != nil
	})
}
