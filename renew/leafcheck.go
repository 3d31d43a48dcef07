package renew

import (
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
	unreadable, wrongKey, notYetValid, expired, wrongUsage, untrusted, wrongNames, nearEnd, askedFor, wrongRoots, wrongFormat,
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
	if p.state.Now.Before(p.renewAt(w.target, leaf)) {
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

// wrongRoots looks for missing roots only: one too many rides along with the
// next version.
func wrongRoots(p *planner, _ leafWant, c candidate) verdict {
	if len(appendNew(c.id.Roots, p.authority.certificates())) > len(c.id.Roots) {
		return verdict{reason: "the authority's root is not beside it", keep: true}
	}
	return verdict{}
}
