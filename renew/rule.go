package renew

import (
	"cmp"
	"crypto/x509"
	"errors"
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
	// Unseen is why there may be more trust that nobody can look at; nil: there is
	// none. See planner.assumed.
	Unseen *unseen
}

// Trust is one version of what a client trusts.
type Trust struct {
	Version string
	Anchors []*x509.Certificate
	// Lost: nobody knows what it was. It verifies nothing, for all that is known.
	Lost bool
	// Of is the version, or the record of one that was taken over: it says how
	// long the trust counts as in use. Nil: it is in no Secret, but a caBundle.
	Of *secrets.Secret
	// Unseen: it is assumed, because nobody can look at the client, and this is why.
	Unseen *unseen
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
	Of      *secrets.Secret // see Trust
	Unseen  *unseen         // see Trust
	Err     error
}

func (r Refusal) String() string {
	if r.Unseen != nil {
		return fmt.Sprintf("%s may trust nothing but %s (%s), which does not verify %s: %v", r.Edge.Client, r.Version, r.Unseen.why, r.Edge.Server, r.Err)
	}
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
				refused = append(refused, Refusal{Edge: e, Version: t.Version, Of: t.Of, Unseen: t.Unseen, Err: err})
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

// mayIssue applies MayServe to a leaf that is still to be issued: who signs it is
// known, its own bytes are not. The first certificate of a proof stands where the
// leaf will, given a leaf's key usages, so the depth counts less; what only the
// leaf can fail is checked on the leaf itself before it is served.
func mayIssue(edges []Edge, i *issuer, from, until time.Time) []Refusal {
	var refused []Refusal
	for _, e := range edges {
		for _, t := range e.Trust {
			if err := anyVerifies(e.Profile, i.proofs, t.Anchors, from, until); err != nil {
				refused = append(refused, Refusal{Edge: e, Version: t.Version, Of: t.Of, Unseen: t.Unseen, Err: err})
			}
		}
	}
	return refused
}

// errNoProof and errTooDeep say why nothing can stand for a leaf to be issued.
var (
	errNoProof = errors.New("nothing that it trusts vouches for the new root")
	errTooDeep = errors.New("the chain will be too long for it")
)

// anyVerifies returns the error of the first proof where none verifies: it is the
// one without a cross certificate.
func anyVerifies(p pki.Profile, proofs []proof, anchors []*x509.Certificate, from, until time.Time) error {
	var first error
	for _, proof := range proofs {
		err := proof.verify(p, anchors, from, until)
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
	}
	return cmp.Or(first, errNoProof)
}

func (i proof) verify(p pki.Profile, anchors []*x509.Certificate, from, until time.Time) error {
	switch {
	case p.MaxIntermediates < 0 && i.depth > 0, p.MaxIntermediates > 0 && i.depth > p.MaxIntermediates:
		return errTooDeep
	case p.MaxIntermediates > 0 && i.depth == p.MaxIntermediates:
		p.MaxIntermediates = -1
	case p.MaxIntermediates > 0:
		p.MaxIntermediates -= i.depth
	}
	standIn := *i.path[0]
	standIn.KeyUsage |= x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	chain := append([]*x509.Certificate{&standIn}, i.path[1:]...)
	err := pki.VerifyUntil(p, chain, anchors, "", from, until)
	if err != nil && p.MaxIntermediates != 0 {
		// The bound was made smaller for what is still to come below: not the
		// number to show.
		if p.MaxIntermediates = 0; pki.VerifyUntil(p, chain, anchors, "", from, until) == nil {
			return errTooDeep
		}
	}
	return err
}

// forbids says, in words, what keeps a new leaf of the issuer from being
// served; empty if nothing does.
func (p *planner) forbids(w leafWant, i *issuer, until time.Time) string {
	if refused := mayIssue(inUse(w.edges), i, p.state.Now, until); len(refused) > 0 {
		return p.inWords(refused[0])
	}
	return ""
}

// inWords says what forbids a step, and what can be done about it.
func (p *planner) inWords(r Refusal) string {
	if r.Unseen != nil {
		return r.String() + "; " + r.Unseen.hint
	}
	return r.String() + "; " + p.whatNext(r.Of)
}

// permitted is the end that a new leaf may have now; blocked says, in words, what
// keeps it from being served at all. A leaf does not outlive the cross
// certificate that it needs.
func (p *planner) permitted(w leafWant, i *issuer, end time.Time, current candidate) (until time.Time, blocked string) {
	if blocked = p.forbids(w, i, end); blocked == "" {
		return end, ""
	}
	for _, c := range p.authority.crossing() {
		gains := current.err != nil || c.NotAfter.Sub(current.id.Chain[0].NotAfter) >= w.validity/4
		if gains && c.NotAfter.Before(end) && p.forbids(w, i, c.NotAfter) == "" {
			return c.NotAfter, ""
		}
	}
	return end, blocked
}

// forbidsSwitch is forbids for a version that exists and is not referred to yet:
// a crash came between its making and the switch.
func (p *planner) forbidsSwitch(w leafWant, best *candidate) string {
	if len(w.referenced) == 0 || slices.Contains(w.referenced, best.secret.Name) || !p.anyReferenced(w) && len(p.adopting[w.slot]) == 0 {
		return ""
	}
	if refused := MayServe(inUse(w.edges), Serving{Chain: best.id.Chain, From: p.state.Now}); len(refused) > 0 {
		return p.inWords(refused[0])
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
	dead := func(e Edge, t Trust) bool {
		return !t.Lost && !slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
			return pki.VerifyChain(e.Profile, chain, t.Anchors, "", p.state.Now) == nil
		})
	}
	if len(chains) == 0 {
		known := p.everTrusted()
		dead = func(_ Edge, t Trust) bool {
			return !t.Lost && !slices.ContainsFunc(t.Anchors, func(c *x509.Certificate) bool { return slices.ContainsFunc(known, c.Equal) })
		}
	}
	var out []Edge
	for _, e := range w.edges {
		e.Trust = slices.DeleteFunc(slices.Clone(e.Trust), func(t Trust) bool { return dead(e, t) })
		out = append(out, e)
	}
	return out
}

// everTrusted are the roots under which something of ours stands or stood, as far as
// any Secret tells. Who trusts none of them cannot have verified a server of which
// nobody knows what it served, if it served at all.
func (p *planner) everTrusted() []*x509.Certificate {
	a := &p.authority
	out := slices.Concat(a.certificates(), certificatesOf(a.lost), a.distrusted)
	for _, role := range leafRoles {
		for _, target := range p.targetsOf(role) {
			out = appendNew(out, p.rootsBeside(target))
		}
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
