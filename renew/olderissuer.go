package renew

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/flowcert/flowcert/pki"
)

// olderIssuer is an intermediate, or a root, of an earlier generation that is
// still trusted, and the end that a leaf of it may have: a leaf that ends, or is
// damaged, gets a successor under it where the newest root has to be trusted
// first. It is nil for a wish alone, which waits, and where none gains a quarter
// of a leaf's life.
func (p *planner) olderIssuer(w leafWant, current judged) (*issuer, time.Time) {
	ends := current.err == nil && !p.state.Now.Before(p.renewAt(w.target, current.id.Chain[0]))
	if w.ca != nil || p.authority.user != nil || current.due && !ends {
		return nil, time.Time{}
	}
	serves := func(i *issuer) (time.Time, bool) {
		end := earlier(p.state.Now.Add(w.validity), i.end)
		gains := current.err != nil || end.Sub(current.id.Chain[0].NotAfter) >= w.validity/4
		return end, gains && p.forbids(w, i, end) == ""
	}
	for _, top := range p.olderRoots() {
		for _, i := range p.signersUnder(top, w) {
			if end, ok := serves(i); ok {
				return i, end
			}
		}
		if p.intermediateSpec() == nil {
			continue
		}
		toBe := &issuer{end: earlier(p.state.Now.Add(p.intermediateSpec().validity), top.end), proofs: below(top.proofs)}
		if end, ok := serves(toBe); ok {
			group := p.group(w.namespace, w.allNames())
			return p.makeIntermediateUnder(top, w.namespace, group, "the newest root has to be trusted first, and none under the older one is fit"), end
		}
	}
	return nil, time.Time{}
}

// olderRoots are the trusted roots that do not sign any more, the newest first.
func (p *planner) olderRoots() []*issuer {
	var out []*issuer
	a := &p.authority
	for k := range slices.Backward(a.roots) {
		if r := &a.roots[k]; r.version != a.newest {
			out = append(out, &issuer{
				version: r.version, certificate: r.certificate, end: r.certificate.NotAfter, chain: []*x509.Certificate{}, older: true,
				beyond: a.crossingOf(r, maxCrosses), proofs: []proof{{path: []*x509.Certificate{r.certificate}}},
			})
		}
	}
	return out
}

// signersUnder are what can sign the leaf under a root: its intermediates, or the
// root itself where it signs leaves.
func (p *planner) signersUnder(top *issuer, w leafWant) []*issuer {
	if p.intermediateSpec() == nil {
		return []*issuer{top}
	}
	var out []*issuer
	for _, h := range p.heldFor(w.namespace) {
		if !h.whole() || p.expired(h.id.Chain[0]) || !pki.Signed(top.certificate, h.id.Chain[0]) || permits(h.id.Chain[0], w.allNames()) != nil {
			continue
		}
		i := h.issuer(top.beyond)
		i.older = true
		out = append(out, i)
	}
	return out
}
