package renew

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// Edge is a client that verifies a server.
type Edge struct {
	Client, Server string
	// Profile is as strict as the client is.
	Profile pki.Profile
	// Trust is every trust version in use at the client. A client without any
	// does not verify by a store of ours: nothing of ours can fail it.
	Trust []Trust
}

// Trust is one version of what a client trusts.
type Trust struct {
	Version string
	Anchors []*x509.Certificate
}

// Serving is a chain that a server may present from now until its leaf ends.
type Serving struct {
	Chain []*x509.Certificate // leaf first
	From  time.Time
}

// Refusal is an edge that would break, in words.
type Refusal struct {
	Edge    Edge
	Version string
	Err     error
}

func (r Refusal) String() string {
	return fmt.Sprintf("%s still uses trust %s, which does not verify %s: %v", r.Edge.Client, r.Version, r.Edge.Server, r.Err)
}

// MayServe is the first half of the safety rule: a server gets a new leaf only
// if for every edge to it every trust version in use at the client verifies the
// new chain, now and until the leaf ends. It returns the edges that forbid it.
func MayServe(edges []Edge, s Serving) []Refusal {
	var refused []Refusal
	for _, e := range edges {
		for _, t := range e.Trust {
			if err := pki.VerifyUntil(e.Profile, s.Chain, t.Anchors, "", s.From, s.Chain[0].NotAfter); err != nil {
				refused = append(refused, Refusal{Edge: e, Version: t.Version, Err: err})
			}
		}
	}
	return refused
}

// MayTrust is the other half: a client gets a new trust version, and with it
// loses roots, only if what remains still verifies every leaf in use at every
// server that it faces. Leaves are by server; the edges are the client's.
func MayTrust(edges []Edge, anchors []*x509.Certificate, leaves map[string][][]*x509.Certificate, now time.Time) []Refusal {
	var refused []Refusal
	for _, e := range edges {
		for _, chain := range leaves[e.Server] {
			if !now.Before(chain[0].NotAfter) {
				continue // it fails already; no trust can mend it
			}
			if err := pki.VerifyUntil(e.Profile, chain, anchors, "", now, chain[0].NotAfter); err != nil {
				refused = append(refused, Refusal{Edge: e, Version: "to be", Err: err})
			}
		}
	}
	return refused
}

// mayIssue applies MayServe to a leaf that is still to be issued: its issuer's
// chain is known, its own bytes are not. The issuer stands where the leaf will,
// given a leaf's key usages, so the depth counts one less; what only the leaf
// can fail is checked on the leaf itself before it is served.
func mayIssue(edges []Edge, issuerChain []*x509.Certificate, from, until time.Time) []Refusal {
	standIn := *issuerChain[0]
	standIn.KeyUsage |= x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	chain := append([]*x509.Certificate{&standIn}, issuerChain[1:]...)
	var refused []Refusal
	for _, e := range edges {
		p := e.Profile
		if p.MaxIntermediates > 0 {
			if p.MaxIntermediates--; p.MaxIntermediates == 0 {
				p.MaxIntermediates = -1
			}
		}
		for _, t := range e.Trust {
			if err := pki.VerifyUntil(p, chain, t.Anchors, "", from, until); err != nil {
				refused = append(refused, Refusal{Edge: e, Version: t.Version, Err: err})
			}
		}
	}
	return refused
}

// forbids says, in words, what keeps a new leaf of the issuer from being
// served; empty if nothing does.
func (p *planner) forbids(w leafWant, i *issuer, until time.Time) string {
	edges := inUse(w.edges)
	if len(edges) == 0 {
		return ""
	}
	chain := i.chain
	switch {
	case p.authority.pending():
		return fmt.Sprintf("%s trusts an earlier authority; it has to trust the new root first", edges[0].Client)
	case chain == nil: // the intermediate is still to be made, under a root that is here
		chain = p.newestRoots()
	case len(chain) == 0: // the root itself signs
		chain = p.newestRoots()
	}
	if refused := mayIssue(edges, chain, p.state.Now, until); len(refused) > 0 {
		return refused[0].String() + "; " + p.whatNext(refused[0].Version)
	}
	return ""
}

// forbidsSwitch is forbids for a version that exists and is not referred to yet:
// a crash came between its making and the switch.
func (p *planner) forbidsSwitch(w leafWant, best *candidate) string {
	if len(w.referenced) == 0 || slices.Contains(w.referenced, best.secret.Name) || !p.anyReferenced(w) && len(p.adopting[w.slot]) == 0 {
		return ""
	}
	if refused := MayServe(inUse(w.edges), Serving{Chain: best.id.Chain, From: p.state.Now}); len(refused) > 0 {
		return refused[0].String() + "; " + p.whatNext(refused[0].Version)
	}
	return ""
}

func (p *planner) anyReferenced(w leafWant) bool {
	return slices.ContainsFunc(p.state.versions[w.slot], func(s *secrets.Secret) bool {
		return slices.Contains(w.referenced, s.Name)
	})
}

// live drops trust that does not verify what the server serves now either: no
// renewal can break that edge, and waiting for it would let the leaf expire for
// all the others.
func (p *planner) live(w leafWant, serving []judged) []Edge {
	var chains [][]*x509.Certificate
	for _, j := range serving {
		if j.err == nil && !p.expired(j.id.Chain[0]) {
			chains = append(chains, j.id.Chain)
		}
	}
	if len(chains) == 0 && len(serving) > 0 && serving[0].err == nil {
		return nil // what is served has ended: every edge fails already
	}
	if len(chains) == 0 {
		return w.edges
	}
	var out []Edge
	for _, e := range w.edges {
		e.Trust = slices.DeleteFunc(slices.Clone(e.Trust), func(t Trust) bool {
			return !slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
				return pki.VerifyChain(e.Profile, chain, t.Anchors, "", p.state.Now) == nil
			})
		})
		out = append(out, e)
	}
	return out
}

// inUse drops edges whose client trusts nothing of ours yet.
func inUse(edges []Edge) []Edge {
	var out []Edge
	for _, e := range edges {
		if len(e.Trust) > 0 {
			out = append(out, e)
		}
	}
	return out
}
