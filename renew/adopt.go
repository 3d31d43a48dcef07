package renew

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// adoption is somebody else's Secret, or two that go together, that a workload
// uses and flowcert takes over. What it served and trusted counts like a version
// of the slot: pods may use it until the user says otherwise.
type adoption struct {
	slot
	namespace string
	prefix    string            // begins the record's name
	originals []*secrets.Secret // the one with the leaf first
	identity  secrets.Identity  // of a server's
	entries   []truststore.Entry
	password  string // of a truststore
	aside     bool   // read by a fixed name: the original makes room
	resumed   bool   // it made room in a pass that was stopped
	record    *secrets.Secret
}

// Adopt takes over somebody else's Secret: what it serves and trusts is recorded,
// so that it goes on being trusted.
type Adopt struct {
	Originals []*secrets.Secret
	Record    *secrets.Secret
	Exists    bool            // it is there from an earlier adoption, with other content
	Aside     *secrets.Secret // the original that makes room; nil: none does
	Served    bool            // there is a leaf, too
	Trusted   int
}

// Object, What, Reason and Disturbs describe the action.

func (a *Adopt) Object() string { return a.Originals[0].Ref.String() }

func (a *Adopt) What() string {
	what := fmt.Sprintf("the %d certificates that it trusts", a.Trusted)
	switch {
	case a.Trusted == 1:
		what = "the certificate that it trusts"
	case a.Trusted == 0:
		what = "nothing that it trusts"
	}
	if a.Served {
		what += " and the chain that it serves"
	}
	what += " kept in " + a.Record.Name
	if a.Aside != nil {
		what += ", with its manifest, which makes room"
	}
	return what
}

func (a *Adopt) Reason() string {
	return a.Record.Target() + " uses it, and --adopt takes it over"
}

func (a *Adopt) Disturbs() string { return "" }

// Subject implements Action.
func (a *Adopt) Subject() string { return a.Record.Target() }

func (a *Adopt) run(ctx context.Context, r *runner) error {
	switch {
	case a.Aside != nil:
		return r.store.SetAside(ctx, a.Aside, a.Record)
	case a.Exists:
		return r.store.UpdateSecret(ctx, a.Record)
	}
	return r.store.CreateSecret(ctx, a.Record)
}

// adoptHint is what a person can do who means it.
const adoptHint = "; or run again with --adopt: flowcert takes it over and keeps what it trusts"

// planAdoption finds what others made and a configured workload uses. Without
// State.Adopt only what an earlier pass began is finished.
func (p *planner) planAdoption() {
	if p.state.Adopt {
		for _, job := range p.sortedFlinks() {
			found, faults := p.foreignOfFlink(job)
			p.adoptAll(job.target, found, append(faults, p.otherPath(job)...))
		}
		for _, job := range p.sortedEventProcessing() {
			found, faults := p.foreignOfEventProcessing(job)
			p.adoptAll(job.target, found, faults)
		}
	}
	for _, f := range p.fixedNames() {
		if a, err := p.adoptFixed(f); err != nil && p.state.Adopt {
			p.fault(f.target, err, "")
		} else if a != nil && err == nil && (a.resumed || p.state.Adopt) {
			p.adopt(a)
		}
	}
	p.noteAdopted()
}

func (p *planner) adoptAll(target string, found []*adoption, faults []error) {
	for _, err := range faults {
		p.fault(target, err, "")
	}
	if len(faults) > 0 {
		return
	}
	for _, a := range found {
		p.adopt(a)
	}
}

// adopt records one adoption, once: two workloads may share a truststore.
func (p *planner) adopt(a *adoption) {
	var names []string
	for _, s := range a.originals {
		names = append(names, s.Name)
	}
	content := secrets.Adopted{Chain: a.identity.Chain, Entries: a.entries}
	a.record = secrets.NewAdopted(a.namespace, a.prefix, a.target, a.role, names, content, p.state.Now)
	if err := a.record.CheckSize(); err != nil {
		p.fault(a.target, fmt.Errorf("%s trusts too much to be recorded: %w", a.originals[0].Ref, err), "remove from its store what nobody needs, such as public CAs: flowcert adds those itself")
		return
	}
	if recorded, err := a.record.Adopted(); err == nil {
		a.entries = recorded.Entries // with the aliases that last
	}
	if slices.ContainsFunc(p.adopting[a.slot], func(b *adoption) bool { return b.record.Name == a.record.Name }) {
		return
	}
	p.adopting[a.slot] = append(p.adopting[a.slot], a)
	if a.resumed {
		return
	}
	have := p.state.Secrets[a.record.Ref]
	if have != nil && sameData(have, a.record) && have.Annotations[deployedAnnotation] == "" && !a.aside {
		return
	}
	step := &Adopt{Originals: a.originals, Record: a.record, Exists: have != nil, Served: len(a.identity.Chain) > 0, Trusted: len(a.entries)}
	if a.aside {
		step.Aside = a.originals[0]
	}
	if a.role == secrets.RoleCertificate && p.wired[a.target] != nil && p.cfg.Authority.Secret == nil {
		p.notice("%s: clients that flowcert does not know, such as browsers, trust the CA of %s: give them the new root (flowcert ca) before you roll out", a.target, names[0])
	}
	p.act(step)
}

func sameData(a, b *secrets.Secret) bool {
	if !slices.Equal(a.Keys(), b.Keys()) {
		return false
	}
	for k, v := range a.Data {
		if string(b.Data[k]) != string(v) {
			return false
		}
	}
	return true
}

// adoptable reports whether --adopt would take over what keeps a resource from
// being wired.
func (p *planner) adoptable(target string) bool {
	found, faults := p.foreignOf(target)
	return len(found) > 0 && len(faults) == 0
}

// conflictHint is the remedy of a value that somebody else set.
func (p *planner) conflictHint(target string, c deploy.Conflict) deploy.Conflict {
	if c.Adoptable && !p.state.Adopt && p.adoptable(target) {
		c.Hint += adoptHint
	}
	return c
}

// adopted is what a Secret that was taken over served and trusted.
type adopted struct {
	name   string // of the Secret
	record *secrets.Secret
	secrets.Adopted
}

// adoptedOf lists what was taken over for a slot in a namespace, or in any where
// that is empty, in this pass and before. A record that does not read is a notice: what it held is unknown.
func (p *planner) adoptedOf(k slot, namespace string) []adopted {
	var out []adopted
	for _, a := range p.adopting[k] {
		if namespace == "" || a.namespace == namespace {
			out = append(out, adopted{a.originals[0].Name, a.record, secrets.Adopted{Chain: a.identity.Chain, Entries: a.entries}})
		}
	}
	for _, s := range p.state.versions[slot{k.target, secrets.RoleAdopted}] {
		fresh := slices.ContainsFunc(out, func(a adopted) bool { return a.record.Name == s.Name })
		if fresh || s.AdoptedRole() != k.role || namespace != "" && s.Namespace != namespace {
			continue
		}
		content, err := s.Adopted()
		if err != nil {
			p.unreadableRecord(s, err)
			continue
		}
		out = append(out, adopted{s.Originals()[0], s, content})
	}
	return out
}

// unreadableRecord is a fault, once: what it holds must not get lost.
func (p *planner) unreadableRecord(s *secrets.Secret, err error) {
	target := s.Ref.String()
	if !slices.ContainsFunc(p.plan.Faults, func(f Fault) bool { return f.Target == target }) {
		p.fault(target, err, "put it back from a backup; an entry that is to be trusted no more is removed as a whole")
	}
}

// adoptedInUse leaves out what nothing can use any more; see retired.
func (p *planner) adoptedInUse(k slot, namespace string) []adopted {
	return slices.DeleteFunc(p.adoptedOf(k, namespace), func(a adopted) bool {
		return !p.isAdopting(k, a.record) && p.retired(a.record)
	})
}

func (p *planner) isAdopting(k slot, record *secrets.Secret) bool {
	return slices.ContainsFunc(p.adopting[k], func(a *adoption) bool { return a.record.Name == record.Name })
}

// adoptedTrust is the trust of what was taken over and may be in use.
func (p *planner) adoptedTrust(k slot, namespace string) []Trust {
	var out []Trust
	for _, a := range p.adoptedInUse(k, namespace) {
		if len(a.Entries) > 0 {
			out = append(out, Trust{Version: a.name, Anchors: secrets.Certificates(a.Entries), Of: a.record})
		}
	}
	return out
}

// adoptedLeaves are the chains of what was taken over and may be served.
func (p *planner) adoptedLeaves(k slot, namespace string) [][]*x509.Certificate {
	var out [][]*x509.Certificate
	for _, a := range p.adoptedInUse(k, namespace) {
		if len(a.Chain) > 0 {
			out = append(out, a.Chain)
		}
	}
	return out
}

// adoptedEntries are what every later version goes on trusting because somebody
// else's did: a person made that choice, and flowcert does not know why. It ends
// when somebody takes the entry out of the record, or distrusts it, or calls it
// compromised. Those that
// have ended stay, because a JVM does not look at the dates of what it trusts.
func (p *planner) adoptedEntries(k slot, namespace string, distrust []string) []truststore.Entry {
	var out []truststore.Entry
	for _, a := range p.adoptedOf(k, namespace) {
		for _, e := range a.Entries {
			if !slices.Contains(distrust, pki.Fingerprint(e.Certificate)) && !p.givenUp(e.Certificate) {
				out = append(out, e)
			}
		}
	}
	return out
}

// adoptedBefore are those that the workloads' truststore was made with before it got
// another name in flowcert.yaml: what they mount holds them, or what took its place.
func (p *planner) adoptedBefore(w trustWant, distrust []string) []truststore.Entry {
	held := slices.Clone(p.state.versions[w.slot])
	for _, m := range w.mounts {
		if s := p.state.Secrets[secrets.Ref{Namespace: w.namespace, Name: m.referenced}]; s != nil && s.Role() == w.role {
			held = append(held, s)
		}
	}
	var have []*x509.Certificate
	for _, s := range held {
		if entries, err := p.trustOf(s); err == nil {
			have = append(have, secrets.Certificates(entries)...)
		}
	}
	var out []truststore.Entry
	for _, target := range p.formerTruststores(w.namespace, secrets.RoleAdopted) {
		for _, e := range p.adoptedEntries(slot{target, secrets.RoleTruststore}, w.namespace, distrust) {
			if slices.ContainsFunc(have, e.Certificate.Equal) {
				out = append(out, e)
			}
		}
	}
	return out
}

// adoptedSources name entries that no source covers by their own aliases.
func adoptedSources(entries []truststore.Entry, covered []*x509.Certificate) []truststore.Source {
	var out []truststore.Source
	for _, e := range entries {
		if !slices.ContainsFunc(covered, e.Certificate.Equal) {
			out = append(out, truststore.Source{Name: e.Alias, Certificates: []*x509.Certificate{e.Certificate}})
		}
	}
	return out
}

// adoptedAlone tells roots that are there only because of what was taken over:
// they have aliases of their own.
func (w trustWant) adoptedAlone(authority []*x509.Certificate) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool {
		return !slices.ContainsFunc(authority, c.Equal) &&
			slices.ContainsFunc(w.adopted, func(e truststore.Entry) bool { return e.Certificate.Equal(c) })
	}
}

func allCertificates(sources []truststore.Source) []*x509.Certificate {
	var out []*x509.Certificate
	for _, s := range sources {
		out = append(out, s.Certificates...)
	}
	return out
}

// distrusted are the fingerprints that any source of the truststore gives up.
func distrusted(t config.Truststore) []string {
	var out []string
	for _, s := range t.Sources {
		out = append(out, s.Distrust...)
	}
	return out
}

// asides are the Secrets that make room in a plan.
func asides(plan *Plan) []*secrets.Secret {
	var out []*secrets.Secret
	for _, a := range plan.Actions {
		if adopt, ok := a.(*Adopt); ok && adopt.Aside != nil {
			out = append(out, adopt.Aside)
		}
	}
	return out
}

// judgeAdopted judges the leaf that a workload uses now and flowcert did not
// make. It is never fit as it is: it has to go into a Secret of flowcert's.
func (p *planner) judgeAdopted(w leafWant) []judged {
	var out []judged
	for _, a := range p.adopting[w.slot] {
		if a.namespace != w.namespace || a.identity.Key == nil {
			continue
		}
		c := candidate{secret: a.originals[0], id: a.identity, adopted: true}
		v := verdict{}
		for _, check := range w.checks() {
			if v = check(p, w, c); v.reason != "" {
				break
			}
		}
		if v.reason == "" {
			v = verdict{reason: "flowcert did not make it", keep: true}
		}
		out = append(out, judged{c, v})
	}
	return out
}

// adoptedPassword is the truststore's password that is in use: jobs may name it
// beside the truststore's path.
func (p *planner) adoptedPassword(k slot) string {
	for _, a := range p.adopting[k] {
		if truststore.CheckPassword(a.password) == nil {
			return a.password
		}
	}
	return ""
}

// takesPlaceOf says why a truststore is made where others were taken over.
func (p *planner) takesPlaceOf(k slot) string {
	var names []string
	for _, a := range p.adopting[k] {
		names = append(names, a.originals[0].Name)
	}
	if len(names) == 0 {
		return ""
	}
	return "it takes the place of " + strings.Join(names, ", ")
}

// noteAdopted says which of the Secrets that were taken over nothing needs any
// more. flowcert does not remove what it did not make.
func (p *planner) noteAdopted() {
	for _, target := range p.targetsOf(secrets.RoleAdopted) {
		for _, s := range p.state.versions[slot{target, secrets.RoleAdopted}] {
			if !p.retired(s) {
				p.noteHandOver(s)
				continue
			}
			for _, name := range s.Originals() {
				original := p.state.Secrets[secrets.Ref{Namespace: s.Namespace, Name: name}]
				if original != nil && !original.Ours() && !p.state.mentioned(original) {
					p.notice("%s may be removed by hand%s: what took its place at %s is deployed, the soak time is over, and no resource here refers to it",
						original.Ref, alsoIn(original.File), target)
				}
			}
		}
	}
}

// alsoIn names both places of what a directory has; empty in a cluster.
func alsoIn(file string) string {
	if file == "" {
		return ""
	}
	return ", in the cluster and " + file
}

// noteHandOver says how a Secret that took another's name reaches the cluster from a
// directory: the API server keeps whoever wrote a field as its owner.
func (p *planner) noteHandOver(record *secrets.Secret) {
	if p.state.live() {
		return
	}
	for _, name := range record.Originals() {
		now := p.state.Secrets[secrets.Ref{Namespace: record.Namespace, Name: name}]
		if record.Data[secrets.ManifestKey] != nil && now != nil && now.Ours() {
			p.notice("%s takes the place of one that somebody else wrote to the cluster: hand it over with kubectl apply --server-side --force-conflicts -f %s", now.Ref, now.File)
		}
	}
}

// mentioned reports whether a resource of the Secret's namespace names it.
func (s *State) mentioned(secret *secrets.Secret) bool {
	return slices.ContainsFunc(s.resources, func(r deploy.Resource) bool {
		return r.Namespace == secret.Namespace && deploy.Mentions(r, secret.Name)
	})
}

// succeeded reports whether what took the place of a Secret that was taken over
// is what the resource, or the fixed name, has now.
func (s *State) succeeded(record *secrets.Secret) bool {
	names := record.Originals()
	for _, name := range names {
		if record.Data[secrets.ManifestKey] != nil {
			now := s.Secrets[secrets.Ref{Namespace: record.Namespace, Name: name}]
			return now != nil && now.Ours()
		}
	}
	for _, r := range s.resources {
		wired := r.Root() != "" && r.Namespace == record.Namespace
		if wired && slices.ContainsFunc(s.foreignNames(r), func(name string) bool { return slices.Contains(names, name) }) {
			return false
		}
	}
	return true
}

// foreignNames are the Secrets that a resource uses in fields of ours and that
// flowcert did not set.
func (s *State) foreignNames(r deploy.Resource) []string {
	certificate, ca, ui := deploy.ForeignTLS(r)
	out := []string{certificate, ca, ui}
	if trust, ok := deploy.ForeignFlinkTrust(r); ok {
		out = append(out, trust.Secret)
	}
	stores, _ := deploy.ForeignTrustStores(r)
	for _, store := range stores {
		out = append(out, store.Secret)
	}
	channels, _ := deploy.ForeignFlinkTLS(r, deploy.FlinkTLS{Rest: true, Internal: true})
	for _, c := range channels {
		out = append(out, c.KeyStore.Secret, c.Trust.Secret)
	}
	return out
}
