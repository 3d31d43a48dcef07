package renew

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// States of an item that is as it should be, or not there yet.
const (
	stateOK       = "ok"
	stateToBeMade = "to be made"
)

// leafWant is what a leaf, and the Secret that holds it, should be.
type leafWant struct {
	slot
	namespace  string
	prefix     string // of a versioned name
	fixedName  string // of a Secret that is read by a fixed name; empty: versioned
	commonName string
	names      []string
	ips        []netip.Addr
	usages     []x509.ExtKeyUsage // the first is what its clients ask for
	key        pki.KeySpec
	validity   time.Duration
	shape      shape
	referenced []string      // names of Secrets that the resource refers to now
	holders    []string      // resources that restart with a new version; none: it is updated in place
	edges      []Edge        // that lead to this server
	faces      []facing      // servers that the trust beside the leaf has to verify
	early      time.Duration // by which it may be renewed before its time, because its holder restarts anyway
	ca         *pki.Subject  // of an intermediate for cert-manager, in place of a leaf; nil: a leaf
}

// allNames are DNS names and IP addresses; without any DNS name the common name, which Java holds against constraints.
func (w leafWant) allNames() []string {
	out := slices.Clone(w.names)
	if len(out) == 0 && w.commonName != "" {
		out = append(out, w.commonName)
	}
	for _, ip := range w.ips {
		out = append(out, ip.String())
	}
	return out
}

// candidate is a version that may be what is wanted.
type candidate struct {
	secret *secrets.Secret
	id     secrets.Identity
	err    error
	// adopted: it is somebody else's, and may stay in no Secret but one of ours.
	adopted bool
}

// mutual are the usages of a peer that is client and server, as every pod of
// Flink is on its internal channels.
var mutual = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}

// renewAt is when a leaf is due: renewBefore its end, and a little earlier by a
// stable hash of its target, so that not everything is due in one minute.
func (p *planner) renewAt(target string, leaf *x509.Certificate) time.Time {
	lifetime := leaf.NotAfter.Sub(leaf.NotBefore)
	before := p.cfg.Defaults.RenewBefore.Of(lifetime)
	sum := sha256.Sum256([]byte(target))
	share := float64(binary.BigEndian.Uint32(sum[:4])) / (1 << 32)
	jitter := time.Duration(share * float64(before) / 20)
	return leaf.NotAfter.Add(-before - jitter)
}

// leafEnd is when a leaf issued now would end.
func (p *planner) leafEnd(w leafWant) time.Time {
	end := p.state.Now.Add(w.validity)
	if w.ca != nil {
		return earlier(end, p.signingIssuer().end)
	}
	if p.intermediateSpec() == nil {
		return earlier(end, p.topEnd())
	}
	if i := p.fitIntermediate(w.namespace, w.allNames()); i != nil {
		return earlier(end, i.end)
	}
	return earlier(end, p.intermediateEnd())
}

// leaf returns the version to use, existing or planned, and the actions that
// make it. Where an edge forbids a new leaf now, the one in use stays and a
// wait is recorded; nil: there is none that could stay.
func (p *planner) leaf(w leafWant) (*Version, []Action) {
	best, verdicts := p.judge(w)
	w.edges = p.assumed(w)
	w.edges = p.live(w, verdicts)
	if best != nil {
		if refused := p.forbidsSwitch(w, best); refused != "" {
			p.plan.Waits = append(p.plan.Waits, Wait{Target: w.target, For: refused})
			if verdicts[0].adopted {
				return p.trustFirst(w, verdicts)
			}
			return p.stay(w, verdicts[0].candidate, verdicts[0].reason), nil
		}
		v := &Version{Target: w.target, Role: w.role, Prefix: w.prefix, Secret: best.secret}
		if len(verdicts) > 0 {
			p.reasons[v] = verdicts[0].reason
		}
		p.otherKeys.compare(w.target, best.id, w.key)
		leaf := best.id.Chain[0]
		p.item(Item{Target: w.target, Role: w.role, Name: best.secret.Name, NotAfter: leaf.NotAfter, RenewAt: p.renewAt(w.target, leaf), Loaded: p.loaded(w.referenced, best.secret), State: stateOK})
		return v, nil
	}
	if clock := p.clockBehind(w, verdicts); clock {
		return p.stay(w, verdicts[0].candidate, verdicts[0].reason), nil
	}
	reason, keep := p.firstReason(w, verdicts)
	roots := p.leafRoots(w)
	if keep != nil {
		return p.newLeaf(w, verdicts, reason, keep, &issuer{}, roots, keep.Chain[0].NotAfter)
	}
	i, current := p.issuerOf(w), judged{candidate: candidate{err: errors.New(reason)}}
	if len(verdicts) > 0 {
		current = verdicts[0]
	}
	end, blocked := p.permitted(w, i, earlier(p.state.Now.Add(w.validity), i.end), current.candidate)
	if blocked == "" {
		return p.newLeaf(w, verdicts, reason, nil, i, roots, end)
	}
	if older, until := p.olderIssuer(w, current); older != nil {
		if made := p.madeBefore(verdicts); made != nil {
			return p.stay(w, *made, reason), nil
		}
		return p.newLeaf(w, verdicts, reason, nil, older, roots, until)
	}
	p.plan.Waits = append(p.plan.Waits, Wait{Target: w.target, For: blocked})
	if len(verdicts) > 0 {
		return p.trustFirst(w, verdicts)
	}
	// It may be one that somebody removed, which is still served.
	p.item(Item{Target: w.target, Role: w.role, Name: cmp.Or(w.fixedName, secrets.PendingName(w.prefix)), Loaded: "-", State: "waits (" + reason + ")"})
	return nil, nil
}

// madeBefore is a version whose leaf is whole and not near its end, and that only
// a wish would replace: a crash came between its making and the switch.
func (p *planner) madeBefore(verdicts []judged) *candidate {
	for _, j := range verdicts {
		if j.err == nil && j.due && !j.adopted && p.state.Now.Before(p.renewAt(j.secret.Target(), j.id.Chain[0])) {
			return &j.candidate
		}
	}
	return nil
}

// trustFirst keeps the leaf in use, in a version that has every root beside it.
func (p *planner) trustFirst(w leafWant, verdicts []judged) (*Version, []Action) {
	current, reason, roots := verdicts[0].candidate, verdicts[0].reason, p.leafRoots(w)
	if current.err != nil {
		return p.stay(w, current, reason), nil
	}
	if ready, ok := trusting(verdicts, current, roots); ok && !p.authority.pending() {
		return p.stay(w, ready, reason), nil
	}
	// The same leaf, with the new roots beside the old.
	v, actions := p.newLeaf(w, verdicts, "the new root has to be trusted first", &current.id, &issuer{}, appendNew(roots, current.id.Roots), current.id.Chain[0].NotAfter)
	actions[0].(*MakeLeaf).Wish = current.secret.Annotations[wishAnnotation]
	return v, actions
}

// leafRoots are what is trusted beside a leaf.
func (p *planner) leafRoots(w leafWant) []*x509.Certificate {
	return appendNew(p.roots(w.slot, w.namespace, secrets.RootAlias, w.faces), secrets.Certificates(p.adoptedEntries(w.slot, w.namespace, nil)))
}

// trusting finds a version of the leaf in use that has every root beside it: the
// one in use, or one that a crash left before it was switched to.
func trusting(verdicts []judged, current candidate, roots []*x509.Certificate) (candidate, bool) {
	for _, j := range verdicts {
		if j.err == nil && !j.adopted && j.id.Chain[0].Equal(current.id.Chain[0]) && len(appendNew(j.id.Roots, roots)) == len(j.id.Roots) {
			return j.candidate, true
		}
	}
	return candidate{}, false
}

// newLeaf plans a new version: with a new leaf, or around the one that is kept.
func (p *planner) newLeaf(w leafWant, have []judged, reason string, keep *secrets.Identity, i *issuer, roots []*x509.Certificate, end time.Time) (*Version, []Action) {
	shape := p.withPasswords(w)
	v := &Version{Target: w.target, Role: w.role, Prefix: w.prefix, Known: w.fixedName, Values: map[string]string{
		secrets.Password: shape.keyPassword, secrets.TrustPassword: shape.trustPassword,
	}}
	p.reasons[v] = reason
	p.newItem(w, v, have, reason)
	step := &MakeLeaf{
		CA:      w.caRequest(p.state.Now, end),
		Version: v, Namespace: w.namespace, FixedName: w.fixedName, Replaces: p.replacedInPlace(w), Follows: p.follows(judgedNames(have), w.referenced), Taken: p.takenNames(w), Because: reason, Issuer: i.version, Above: i.chain, Beyond: i.beyond, Roots: roots, NewRoot: p.newRoot(), Cross: p.authority.pending() && !i.older,
		Renews: len(have) > 0, Keep: keep, Key: w.key, Shape: shape, Edges: w.edges,
		Request: pki.LeafRequest{
			CommonName: w.commonName, Subject: p.subject(), DNSNames: w.names, IPAddresses: w.ips,
			Server: slices.Contains(w.usages, x509.ExtKeyUsageServerAuth), Client: slices.Contains(w.usages, x509.ExtKeyUsageClientAuth),
			NotBefore: p.state.Now.Add(-backdate), NotAfter: end,
		},
	}
	step.Settled = step.Replaces != nil && !p.mayServeEarlier(step.Replaces)
	if step.Lost = p.removed(w); step.Lost && len(w.faces) > 0 {
		step.Earlier, _ = encodeEarlier([]content{{lost: true}}) // there is no certificate in it that could fail
	} else if w.fixedName != "" && len(w.faces) > 0 {
		next := contentOf(secrets.RootEntries(roots))
		if step.NewRoot != nil {
			next = unknownContent
		}
		var err error
		if step.Earlier, err = p.earlierFor(step.Replaces, next); err != nil {
			p.fault(w.target, err, "")
		}
	}
	if keep != nil && step.NewRoot == nil && w.fixedName == "" {
		step.Known = step.name(secrets.Identity{Key: keep.Key, Chain: keep.Chain, Roots: roots})
	}
	return v, []Action{step}
}

// replacedInPlace is the Secret that a fixed name has now.
func (p *planner) replacedInPlace(w leafWant) *secrets.Secret {
	if w.fixedName == "" {
		return nil
	}
	return p.state.Secrets[secrets.Ref{Namespace: w.namespace, Name: w.fixedName}]
}

// newItem shows what is there, and why it is to be replaced.
func (p *planner) newItem(w leafWant, v *Version, have []judged, reason string) {
	item := Item{Target: w.target, Role: w.role, Name: v.Name(), Loaded: "-", State: stateToBeMade}
	if len(have) > 0 {
		current := have[0]
		item.Name, item.Loaded, item.State, item.Due = current.secret.Name, p.loaded(w.referenced, current.secret), reason, current.due
		if current.err == nil {
			item.NotAfter = current.id.Chain[0].NotAfter
			item.RenewAt = p.renewAt(w.target, current.id.Chain[0])
		}
	}
	p.item(item)
}

// takenNames are those of every version that is here, also of those given up and
// those that somebody spoilt: an immutable Secret is not written twice.
func (p *planner) takenNames(w leafWant) []string {
	var out []string
	for _, s := range p.state.versions[w.slot] {
		if s.Namespace == w.namespace {
			out = append(out, s.Name)
		}
	}
	return out
}

func judgedNames(have []judged) []string {
	var out []string
	for _, j := range have {
		out = append(out, j.secret.Name)
	}
	return out
}

// subject is that of the authority: leaves take all of it but the common name.
func (p *planner) subject() pki.Subject {
	if p.authority.user != nil {
		return pki.SubjectOf(p.authority.user.certificate.Subject)
	}
	return p.cfg.Authority.SelfSigned.Subject
}

// newRoot is the root that this plan makes, or leaves for a later one; nil: every root is there.
func (p *planner) newRoot() *Version {
	if p.authority.pending() {
		return p.authority.newest
	}
	return nil
}

// loaded says who uses a version: in a cluster how many pods. What runs is not
// known of a directory; that the manifest refers to it is.
func (p *planner) loaded(referenced []string, s *secrets.Secret) string {
	if p.state.live() {
		return p.state.loadedBy(referenced, s)
	}
	if slices.Contains(referenced, s.Name) {
		return "manifest"
	}
	return "-"
}

type judged struct {
	candidate
	verdict
}

// judge looks at every version there is, those in use first, and returns the
// first without a fault.
func (p *planner) judge(w leafWant) (best *candidate, rest []judged) {
	rest = p.judgeAdopted(w)
	for _, s := range p.inOrder(w) {
		if s.Annotations[deployedAnnotation] != "" && w.fixedName == "" && !slices.Contains(w.referenced, s.Name) {
			continue // given up for good: its word must not hold for another life
		}
		c := candidate{secret: s}
		c.id, c.err = w.shape.open(s, p.once)
		v := verdict{}
		for _, check := range w.checks() {
			if v = check(p, w, c); v.reason != "" {
				break
			}
		}
		if v.reason == "" {
			return &c, rest
		}
		rest = append(rest, judged{c, v})
	}
	return nil, rest
}

// inOrder lists a target's versions: the referenced ones, then newest first.
func (p *planner) inOrder(w leafWant) []*secrets.Secret {
	all := slices.Clone(p.state.versions[w.slot])
	slices.SortStableFunc(all, func(a, b *secrets.Secret) int {
		return boolOrder(slices.Contains(w.referenced, a.Name), slices.Contains(w.referenced, b.Name))
	})
	return slices.DeleteFunc(all, func(s *secrets.Secret) bool { return s.Namespace != w.namespace })
}

func (p *planner) firstReason(w leafWant, rest []judged) (reason string, keep *secrets.Identity) {
	if len(rest) == 0 {
		return p.noneYet(w.namespace, w.referenced), nil
	}
	if rest[0].keep {
		keep = &rest[0].id
	}
	return cmp.Or(p.gone(w.namespace, w.referenced), rest[0].reason), keep
}

// noneYet says why a first version is made.
func (p *planner) noneYet(namespace string, referenced []string) string {
	return cmp.Or(p.gone(namespace, referenced), "there is none yet")
}

// gone says that somebody removed a version that a resource refers to; empty: nobody did.
func (p *planner) gone(namespace string, referenced []string) string {
	for _, name := range referenced {
		if secrets.IsVersionName(name) && p.state.Secrets[secrets.Ref{Namespace: namespace, Name: name}] == nil {
			return name + " is gone"
		}
	}
	return ""
}

// clockBehind reports, as a fault, a leaf of ours that begins in the future: the
// clock is wrong, and issuing by it would restart everything for nothing.
func (p *planner) clockBehind(w leafWant, verdicts []judged) bool {
	if len(verdicts) == 0 || verdicts[0].err != nil {
		return false
	}
	start := verdicts[0].id.Chain[0].NotBefore
	if !p.state.Now.Before(start) {
		return false
	}
	p.fault(w.target, fmt.Errorf("%s: its certificate is not valid before %s", verdicts[0].secret.Ref, start.UTC().Format(time.RFC3339)), "set the clock right: it is earlier than the certificate")
	return true
}

// stay keeps the version in use while a step waits.
func (p *planner) stay(w leafWant, c candidate, reason string) *Version {
	item := Item{Target: w.target, Role: w.role, Name: c.secret.Name, Loaded: p.loaded(w.referenced, c.secret), State: "waits (" + reason + ")"}
	if c.err == nil {
		item.NotAfter = c.id.Chain[0].NotAfter
	}
	p.item(item)
	return &Version{Target: w.target, Role: w.role, Prefix: w.prefix, Secret: c.secret}
}

func sameCertificates(a, b []*x509.Certificate) bool {
	set := func(certs []*x509.Certificate) map[string]bool {
		m := map[string]bool{}
		for _, c := range certs {
			m[pki.Fingerprint(c)] = true
		}
		return m
	}
	return maps.Equal(set(a), set(b))
}

func boolOrder(a, b bool) int {
	switch {
	case a && !b:
		return -1
	case b && !a:
		return 1
	}
	return 0
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
