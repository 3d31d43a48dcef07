package renew

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// What cannot be looked at may be a client, or a server, of what can. A client
// works today, so by one root at least it verifies what its server serves today;
// nothing else is known of it. A server may stand under any root that was ever
// trusted. Both halves of the safety rule go by that.

// unseen is why something cannot be looked at.
type unseen struct {
	why  string // a clause
	hint string // what to do about it
}

// closed is why a namespace cannot be read; nil if it can, and in a directory.
func (s *State) closed(namespace string) error {
	if !s.live() {
		return nil
	}
	return s.Live.Closed[namespace]
}

// closedHint is what to do about such a namespace.
const closedHint = "bind flowcert's Role there (flowcert manifests prints it), or take the namespace out of flowcert.yaml"

func closedError(namespace string, err error) error {
	return Hinted{Err: fmt.Errorf("namespace %s cannot be read: %w", namespace, err), Hint: closedHint}
}

func unseenIn(namespace string) *unseen {
	return &unseen{"namespace " + namespace + " cannot be read", "let flowcert read namespace " + namespace + ": " + closedHint}
}

// findUnseen notes what of the configuration cannot be looked at, by its target.
func (p *planner) findUnseen() {
	if !p.state.live() {
		return
	}
	for _, t := range p.cfg.Targets() {
		if p.state.closed(t.Namespace) != nil {
			p.unseen[t.String()] = unseenIn(t.Namespace)
		} else if p.state.Live.Unread[t.String()] != nil {
			p.unseen[t.String()] = &unseen{"it does not read", "put the resource right, or take it out of flowcert.yaml"}
		}
	}
	for _, ns := range p.unseenOperator() {
		p.unseen[operatorTarget(ns)] = unseenIn(ns)
	}
}

// unseenOperator lists the namespaces in which the Flink operator may be and cannot
// be looked at: the configured one, or, where it is to be found, any.
func (p *planner) unseenOperator() []string {
	if o := p.cfg.FlinkOperator; o != nil && o.Namespace != "" {
		if p.state.closed(o.Namespace) != nil {
			return []string{o.Namespace}
		}
		return nil
	}
	if p.state.Live.OperatorNamespace != "" {
		return nil
	}
	return slices.Sorted(maps.Keys(p.state.Live.Closed))
}

// unseenEdge is that from a client which cannot be looked at.
func (p *planner) unseenEdge(client, server string) Edge {
	return Edge{Client: client, Server: server, Profile: pki.JVM(), Unseen: p.unseen[client]}
}

// unseenCallers are the edges to a FlinkDeployment from what may call it: every
// EventProcessing whose endpoint nobody can look up, and the operator.
func (p *planner) unseenCallers(server string) []Edge {
	var out []Edge
	for _, c := range p.cfg.EventProcessing {
		if client := c.Target().String(); p.unseen[client] != nil {
			out = append(out, p.unseenEdge(client, server))
		}
	}
	if p.state.live() {
		for _, ns := range p.unseenOperator() {
			out = append(out, p.unseenEdge(operatorTarget(ns), server))
		}
	}
	return out
}

// unseenMounting are the workloads that are to mount a truststore and cannot be
// looked at.
func (p *planner) unseenMounting(t config.Truststore) []string {
	var out []string
	for _, w := range p.cfg.Workloads() {
		if p.unseen[w.String()] != nil && mountedBy(t, w) {
			out = append(out, w.String())
		}
	}
	return out
}

// doubtful is why a client that can be looked at may trust what no Secret tells: a
// version that it refers to, or that a pod of it has loaded, is gone or spoilt, or it
// refers to a Secret of somebody else's. Nil: that is not so. In a directory what is loaded is not known.
func (p *planner) doubtful(r deploy.Resource, k slot, prefix, referenced string) *unseen {
	if !p.state.live() || r.Absent {
		return nil
	}
	names := []string{referenced}
	for _, pod := range deploy.RunningOf(r, p.state.Live.Running).Pods {
		if !pod.Pending {
			names = append(names, pod.Secrets...)
		}
	}
	if s := p.state.Secrets[secrets.Ref{Namespace: r.Namespace, Name: referenced}]; s != nil && !s.Ours() && len(p.adoptedOf(k, r.Namespace)) == 0 {
		return &unseen{fmt.Sprintf("it verifies by %s, which is somebody else's", s.Ref), "let flowcert take that over (--adopt), or take the reference out"}
	}
	const hint = "what takes its place has to be in use first"
	for _, name := range names {
		if !secrets.IsVersionOf(name, prefix) {
			continue
		}
		s := p.state.Secrets[secrets.Ref{Namespace: r.Namespace, Name: name}]
		if s == nil {
			return &unseen{fmt.Sprintf("secret %s/%s, by which it verifies, is gone", r.Namespace, name), hint}
		}
		if _, err := p.trustOf(s); err != nil && s.Target() == k.target {
			return &unseen{fmt.Sprintf("%s, by which it verifies, is spoilt", s.Ref), hint}
		}
	}
	return nil
}

// assumed gives every client that cannot be looked at the trust that it may have:
// one root by which it verifies what is served now, and no other.
func (p *planner) assumed(w leafWant) []Edge {
	out := slices.Clone(w.edges)
	for i, e := range out {
		if e.Unseen == nil {
			continue
		}
		out[i].Trust = slices.Clone(e.Trust)
		for _, c := range p.vouching(e.Profile, w) {
			out[i].Trust = append(out[i].Trust, Trust{Version: fmt.Sprintf("%q", c.Subject.CommonName), Anchors: []*x509.Certificate{c}, Unseen: e.Unseen})
		}
	}
	return out
}

// vouching are the roots each of which verifies, alone, what a server may serve
// now; where its leaf is gone, every root that is trusted. Of a server that never
// had a leaf nothing can be lost.
func (p *planner) vouching(profile pki.Profile, w leafWant) []*x509.Certificate {
	a := &p.authority
	versions := p.inOrder(w)
	chains := slices.DeleteFunc(p.leavesInUse(w.slot, w.namespace), func(chain []*x509.Certificate) bool { return p.expired(chain[0]) })
	if len(chains) == 0 && len(versions) > 0 {
		return a.certificates()
	}
	known := slices.Concat(a.certificates(), certificatesOf(a.lost), a.distrusted, secrets.Certificates(p.adoptedEntries(w.slot, w.namespace, nil)))
	for _, chain := range chains {
		if end := chain[len(chain)-1]; pki.IsSelfSigned(end) {
			known = append(known, end)
		}
	}
	for _, s := range versions {
		if id, err := p.identityOf(s); err == nil {
			known = appendNew(known, id.Roots)
		}
	}
	return slices.DeleteFunc(appendNew(nil, known), func(c *x509.Certificate) bool {
		return !slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
			return pki.VerifyChain(profile, chain, []*x509.Certificate{c}, "", p.state.Now) == nil
		})
	})
}

// hiddenServer is something that serves, by its target, and cannot be looked at;
// nil: there is none. It is looked for once a pass.
func (p *planner) hiddenServer() (string, *unseen) {
	if p.hidden == nil {
		p.hidden = &hidden{}
		p.hidden.target, p.hidden.unseen = p.findHidden()
	}
	return p.hidden.target, p.hidden.unseen
}

type hidden struct {
	target string
	*unseen
}

func (p *planner) findHidden() (string, *unseen) {
	for _, t := range p.cfg.Targets() {
		if u := p.unseen[t.String()]; u != nil {
			return t.String(), u
		}
	}
	for _, c := range p.cfg.Certificates {
		if u := p.lostLeaf(c); u != nil {
			return c.Target().String(), u
		}
	}
	return "", nil
}

// anyUnseen is the same of what serves or trusts.
func (p *planner) anyUnseen() (string, *unseen) {
	for _, target := range slices.Sorted(maps.Keys(p.unseen)) {
		return target, p.unseen[target]
	}
	return p.hiddenServer()
}

// kept are the authority's roots that a client goes on trusting as long as a
// server cannot be looked at: those that it has under the alias of the
// authority's, or all where it has none yet.
func (p *planner) kept(client slot, namespace, alias string) []*x509.Certificate {
	if _, hidden := p.hiddenServer(); hidden == nil {
		return nil
	}
	var out []*x509.Certificate
	for _, s := range p.state.versions[client] {
		if s.Namespace != namespace || p.retired(s) {
			continue
		}
		entries, err := p.trustOf(s)
		if err != nil {
			continue // it is made anew
		}
		for _, e := range entries {
			if ofSource(e.Alias, alias) && !p.expired(e.Certificate) && !slices.ContainsFunc(p.authority.distrusted, e.Certificate.Equal) {
				out = appendNew(out, []*x509.Certificate{e.Certificate})
			}
		}
	}
	if out == nil {
		return p.authority.certificates()
	}
	return out
}

// A configured workload that is not there may come back as it was: somebody
// removed it by mistake, or GitOps makes it anew, and it is not wired again until
// it has started.

// findMissing notes the configured workloads of a cluster that are not there, or do not read.
func (s *State) findMissing(cfg *config.Config) {
	s.missing = map[string]absentee{}
	if !s.live() {
		return
	}
	there := map[string]bool{}
	for _, r := range s.resources {
		there[r.String()] = true
	}
	for _, t := range cfg.Workloads() {
		if target := t.String(); !there[target] && s.closed(t.Namespace) == nil {
			s.missing[target] = absentee{t, truststoresOf(cfg, t)}
		}
	}
}

// absentee is a configured workload that is not there.
type absentee struct {
	config.Target
	truststores []string // that it is to mount, by their targets
}

func truststoresOf(cfg *config.Config, w config.Target) []string {
	var out []string
	for _, t := range cfg.Truststores {
		if mountedBy(t, w) {
			out = append(out, truststoreTarget(w.Namespace, t.Name))
		}
	}
	return out
}

func mountedBy(t config.Truststore, w config.Target) bool {
	if w.Kind == config.KindEventProcessing {
		return t.MountsEventProcessing(w.Namespace, w.Name)
	}
	return t.MountsFlink(w.Namespace, w.Name)
}

// wantedBack lists the workloads that are not there and may come back with a
// version.
func (s *State) wantedBack(v *secrets.Secret) []string {
	var out []string
	for _, target := range slices.Sorted(maps.Keys(s.missing)) {
		if v.Target() == target || slices.Contains(s.missing[target].truststores, v.Target()) {
			out = append(out, target+" (it is not there, or does not read, and may come back with it; if it does not, take it out of flowcert.yaml)")
		}
	}
	return out
}

// missingCallers are the edges to a FlinkDeployment from every EventProcessing that
// is not there: which one it called nobody knows.
func (p *planner) missingCallers(server string) []Edge {
	var out []Edge
	for _, job := range p.sortedEventProcessing() {
		if p.state.live() && job.resource.Absent {
			out = append(out, Edge{
				Client: job.target, Server: server, Profile: pki.JVM(),
				Trust: p.trustInUse(slot{job.target, secrets.RoleFlinkTrust}, job.config.Namespace),
			})
		}
	}
	return out
}

// operatorEdge is that of the Flink operator, which reads its stores by a fixed
// name. Where somebody removed them nobody knows what it goes by.
func (p *planner) operatorEdge(namespace, server string) Edge {
	k := slot{operatorTarget(namespace), secrets.RoleOperatorCert}
	e := Edge{Client: k.target, Server: server, Profile: pki.JVM(), Trust: p.trustInUse(k, namespace)}
	ref := secrets.Ref{Namespace: namespace, Name: config.OperatorCertSecret}
	isLost := func(t Trust) bool { return t.Lost }
	switch s := p.state.Secrets[ref]; {
	case s == nil && len(e.Trust) == 0:
		e.Unseen = &unseen{ref.String() + " is gone", "flowcert makes it again first"}
	case slices.ContainsFunc(e.Trust, isLost):
		e.Trust = slices.DeleteFunc(e.Trust, isLost)
		e.Unseen = &unseen{"nobody knows what " + ref.String() + " held before: it was not there, and somebody may have removed it", p.whatNext(s)}
	}
	return e
}

// unseenFlink is why the FlinkDeployment that an EventProcessing calls cannot be
// looked at; nil: it can, or none of flowcert.yaml is called.
func (p *planner) unseenFlink(job *eventProcessingJob) *unseen {
	namespace, name, ok := deploy.FlinkEndpoint(job.resource)
	if !ok {
		return nil
	}
	return p.unseen[deploy.Target(deploy.FlinkDeploymentKind, namespace, name)]
}

// withoutOperator says why a FlinkDeployment gets no first stores now: their
// password is the operator's, see flinkShape, and which that is cannot be told.
// Later ones keep the password of those before.
func (p *planner) withoutOperator(job *flinkJob) string {
	o := p.cfg.FlinkOperator
	if o == nil || !job.config.TLS.Rest || len(p.state.versions[slot{job.target, secrets.RoleFlinkTLS}]) > 0 {
		return ""
	}
	u := p.unseen[operatorTarget(o.Namespace)]
	if u == nil {
		return ""
	}
	return fmt.Sprintf("the password of the Flink operator's stores, which its truststore is to have, is not known (%s); %s", u.why, u.hint)
}

// partly is the error of a cluster of which not everything could be read; nil: it
// could.
func (s *State) partly() error {
	if !s.live() {
		return nil
	}
	for _, ns := range slices.Sorted(maps.Keys(s.Live.Closed)) {
		return closedError(ns, s.Live.Closed[ns])
	}
	for _, target := range slices.Sorted(maps.Keys(s.Live.Unread)) {
		return Hinted{Err: s.Live.Unread[target], Hint: "put the resource right first"}
	}
	return nil
}
