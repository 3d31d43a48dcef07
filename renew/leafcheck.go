package renew

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/pki"
)

// verdict is what a check found: nothing, a fault of the leaf itself, or one of
// the Secret around it, which a new Secret with the same leaf mends.
type verdict struct {
	reason string
	keep   bool
	due    bool // nothing is broken: a change is due
}

// leafChecks look for faults, the gravest first. A name is the fault it finds.
var leafChecks = []func(*planner, leafWant, candidate) verdict{
	unreadable, wrongKey, notYetValid, expired, wrongUsage, compromised, untrusted, wrongNames, nearEnd, askedFor, rootAskedFor, wrongRoots, wrongFormat,
}

func unreadable(_ *planner, _ leafWant, c candidate) verdict {
	if c.err != nil {
		return verdict{reason: fmt.Sprintf("it cannot be read: %v", c.err)}
	}
	return verdict{}
}

func wrongKey(_ *planner, _ leafWant, c candidate) verdict {
	if !pki.SameKey(c.id.Chain[0], c.id.Key) {
		return verdict{reason: "the key does not belong to the certificate"}
	}
	return verdict{}
}

func notYetValid(p *planner, _ leafWant, c candidate) verdict {
	if start := c.id.Chain[0].NotBefore; p.state.Now.Before(start) {
		return verdict{reason: "it is not valid before " + start.UTC().Format(time.RFC3339)}
	}
	return verdict{}
}

func expired(p *planner, _ leafWant, c candidate) verdict {
	if p.expired(c.id.Chain[0]) {
		return verdict{reason: "it ended on " + day(c.id.Chain[0].NotAfter)}
	}
	return verdict{}
}

// untrusted compares with the roots that are trusted now, not with the ones in
// the same Secret (cert-manager#2478: leaves that outlive a change of CA).
func untrusted(p *planner, w leafWant, c candidate) verdict {
	jvm := pki.JVM()
	jvm.Usage = w.usages[0]
	if err := pki.VerifyChain(jvm, c.id.Chain, p.authority.certificates(), "", p.state.Now); err != nil {
		return verdict{reason: fmt.Sprintf("the authority's root does not verify it: %v", err)}
	}
	return verdict{}
}

// wrongNames looks for missing names only: one too many is no reason to
// restart anything.
func wrongNames(_ *planner, w leafWant, c candidate) verdict {
	var missing []string
	leaf := c.id.Chain[0]
	for _, n := range w.names {
		if !slices.ContainsFunc(leaf.DNSNames, func(have string) bool { return strings.EqualFold(have, n) }) {
			missing = append(missing, n)
		}
	}
	for _, ip := range w.ips {
		if !slices.ContainsFunc(leaf.IPAddresses, net.IP(ip.AsSlice()).Equal) {
			missing = append(missing, ip.String())
		}
	}
	if len(missing) > 0 {
		return verdict{reason: "it lacks the name " + strings.Join(missing, ", ")}
	}
	return verdict{}
}

func wrongUsage(_ *planner, w leafWant, c candidate) verdict {
	for _, u := range w.usages {
		if !slices.Contains(c.id.Chain[0].ExtKeyUsage, u) {
			return verdict{reason: "it lacks an extended key usage"}
		}
	}
	return verdict{}
}

// nearEnd asks for a renewal only where it gains time: an issuer that ends soon
// would otherwise be chased with restarts that change nothing.
func nearEnd(p *planner, w leafWant, c candidate) verdict {
	leaf := c.id.Chain[0]
	if p.state.Now.Add(w.early).Before(p.renewAt(w.target, leaf)) {
		return verdict{}
	}
	gain := p.leafEnd(w).Sub(leaf.NotAfter)
	if gain < w.validity/4 {
		return verdict{}
	}
	return verdict{reason: "it ends on " + day(leaf.NotAfter), due: true}
}

// askedFor finds the wish that flowcert renew recorded on this very version.
func askedFor(_ *planner, _ leafWant, c candidate) verdict {
	if at := c.secret.Annotations[wishAnnotation]; at != "" {
		return verdict{reason: "its renewal was asked for at " + at, due: true}
	}
	return verdict{}
}

// rootAskedFor finds a leaf under a root that somebody asked to be replaced.
func rootAskedFor(p *planner, _ leafWant, c candidate) verdict {
	a := &p.authority
	r := home(c.id.Chain, a.roots)
	if r == nil || r.asked() == "" || r.version == a.newest {
		return verdict{}
	}
	return verdict{reason: fmt.Sprintf("the renewal of root %q was asked for at %s", r.certificate.Subject.CommonName, r.asked()), due: true}
}

// wrongRoots looks for roots that are missing beside the leaf, and for ones that
// should not be there. Neither is urgent as long as old and new roots vouch for
// each other.
func wrongRoots(p *planner, w leafWant, c candidate) verdict {
	a := &p.authority
	want := p.wanted()
	missing := slices.DeleteFunc(slices.Clone(want), func(r *x509.Certificate) bool { return slices.ContainsFunc(c.id.Roots, r.Equal) })
	onlyNewest := len(missing) == 0 || len(missing) == 1 && !a.pending() && missing[0] == a.signing().certificate
	switch {
	case len(missing) == 0 && !a.pending():
	case onlyNewest && p.mayLackNewest(w.holders, c.id.Roots):
	default:
		return verdict{reason: "the authority's root is not beside it", keep: true}
	}
	if server := p.unverified(w, c.id.Roots); server != "" {
		return verdict{reason: "the root of what " + server + " serves is not beside it", keep: true}
	}
	if len(appendNew(want, c.id.Roots)) == len(want) {
		return verdict{}
	}
	want = p.leafRoots(w)
	for _, r := range c.id.Roots {
		switch {
		case slices.ContainsFunc(want, r.Equal):
		case a.isLost(r):
			return verdict{reason: fmt.Sprintf("root %q beside it is compromised", r.Subject.CommonName), keep: true}
		case !p.canWait(w.holders) && len(w.holders) > 0:
			return verdict{reason: fmt.Sprintf("root %q beside it is not needed any more", r.Subject.CommonName), keep: true, due: true}
		}
	}
	return verdict{}
}

// unverified names a server that the roots beside a leaf do not verify, while those
// that should be there do: it came under management with a certificate of another CA,
// or stands under an older root. Empty: there is none.
func (p *planner) unverified(w leafWant, roots []*x509.Certificate) string {
	for _, f := range w.faces {
		if n := len(p.failing(f, roots)); n > 0 && len(p.failing(f, p.leafRoots(w))) < n {
			return f.edge.Server
		}
	}
	return ""
}
