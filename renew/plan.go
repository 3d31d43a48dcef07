package renew

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// Plan is what a pass would do, and everything there is to say about it.
type Plan struct {
	// Actions run in this order.
	Actions []Action
	// Items are the things under management, one a row, as they are now.
	Items []Item
	// Faults stop their target. In a directory they stop the whole pass.
	Faults []Fault
	// Waits are steps that are due and not permitted yet.
	Waits []Wait
	// Partial: actions that belong to it were left out.
	Partial bool
	// Isolate lets a failure of one target leave the others alone; in a cluster.
	Isolate bool
	// Rolling are resources whose last change has not reached all that runs; in a
	// cluster.
	Rolling []Wait
	// Unfit are resources that do not work, for reasons that waiting does not mend.
	Unfit []Wait
	// ByHand are resources that a person has to restart, because what they mount has
	// changed in place; in a directory.
	ByHand []deploy.Resource
	// Files hold the configured resources, sorted; in a directory.
	Files []string
	// Root is the fingerprint of the newest root; of one still to be made only a
	// stand-in is known.
	Root string
	// Notices are worth attention and change nothing.
	Notices []string

	opened  *openOnce // what was read for it
	newRoot *Version  // that signs, and is still to be made; nil: there is none
}

// Without is the plan less the actions for some targets. What needs what they
// make is left out when the plan is carried out.
func (plan *Plan) Without(targets map[string]bool) *Plan {
	out := *plan
	out.Actions = slices.DeleteFunc(slices.Clone(plan.Actions), func(a Action) bool { return targets[a.Subject()] })
	out.Partial = len(out.Actions) < len(plan.Actions)
	return &out
}

// Deadline is when the first certificate of a target ends; zero: none is known.
func (plan *Plan) Deadline(target string) time.Time {
	return first(plan.Items, func(i Item) time.Time {
		if i.Target != target {
			return time.Time{}
		}
		return i.NotAfter
	})
}

// NextDue is the first time after now at which a certificate is to be renewed or
// ends; zero: none is known.
func (plan *Plan) NextDue(now time.Time) time.Time {
	later := func(t time.Time) time.Time {
		if t.After(now) {
			return t
		}
		return time.Time{}
	}
	renewal := first(plan.Items, func(i Item) time.Time { return later(i.RenewAt) })
	end := first(plan.Items, func(i Item) time.Time { return later(i.NotAfter) })
	if renewal.IsZero() || !end.IsZero() && end.Before(renewal) {
		return end
	}
	return renewal
}

// first is the earliest time that the items have.
func first(items []Item, of func(Item) time.Time) (at time.Time) {
	for _, i := range items {
		if t := of(i); !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}

// NamespaceOf is the namespace in a target, kind/namespace/name.
func NamespaceOf(target string) string {
	_, rest, _ := strings.Cut(target, "/")
	namespace, _, _ := strings.Cut(rest, "/")
	return namespace
}

// Fault is something that keeps flowcert from working on a target.
type Fault struct {
	Target string
	Err    error
}

// Wait is a step that an edge forbids for now.
type Wait struct {
	Target string
	For    string // what has to happen first, in words
	Kind   string // gate, absent; empty: trust has to move first
}

// Reason is what a wait is for in one word, for metrics: its words tell more than
// a label should.
func (w Wait) Reason() string {
	return cmp.Or(w.Kind, "trust")
}

// Item is one thing under management.
type Item struct {
	Target   string
	Role     secrets.Role
	Name     string // the Secret in use; a pending name where it is still to be made
	NotAfter time.Time
	RenewAt  time.Time
	Loaded   string // who uses it, as far as is known
	State    string // ok, to be made, waits (why), or why it is to be replaced
	Due      bool   // the reason is no damage: a change is due
}

// Version is a Secret that a plan refers to: one that exists, or one that an
// earlier action of the same plan makes.
type Version struct {
	Target string
	Role   secrets.Role
	Prefix string // begins the name of a new one
	// Known is the name of a new one where it can be told beforehand: it names
	// content that is here already.
	Known string
	// Values are those of a new one's data that are known beforehand: passwords
	// that it takes over.
	Values map[string]string
	// Secret is nil until the version is made.
	Secret *secrets.Secret
}

// Name is the Secret's name, or what stands for it in a plan.
func (v *Version) Name() string {
	switch {
	case v.Secret != nil:
		return v.Secret.Name
	case v.Known != "":
		return v.Known
	}
	return secrets.PendingName(v.Prefix)
}

// passwordToBe stands in a plan for a password that is not generated yet.
const passwordToBe = "(generated)"

// value is one of the Secret's values, or what stands for it in a plan.
func (v *Version) value(key string) string {
	if v.Secret != nil {
		return string(v.Secret.Data[key])
	}
	return cmp.Or(v.Values[key], passwordToBe)
}

// planner gathers a plan. Its methods are called in the order in which things
// depend on each other; each records actions, items, faults.
type planner struct {
	cfg   *config.Config
	state *State
	plan  *Plan

	authority      authority
	reasons        map[*Version]string            // of versions that this plan makes
	names          map[string][][]string          // of the leaves in a namespace, a list each
	groups         map[string][]nameGroup         // of them, see group
	fit            map[string][]*issuer           // intermediates of a namespace that may sign
	planned        map[string]*issuer             // intermediates that this plan makes
	made           map[string]int                 // how many of them, by namespace
	wired          map[string]*eventProcessingJob // by target
	unseen         map[string]*unseen             // by target, see findUnseen
	hidden         *hidden                        // see hiddenServer; nil: not looked for yet
	flinks         map[string]*flinkJob
	webhook        *webhookJob                // of the Flink operator; nil: none to look after
	operatorStores *shape                     // of the Flink operator; nil: not known
	adopting       map[slot][]*adoption       // what this pass takes over
	keeps          map[*x509.Certificate]bool // roots under which a chain in use stands; nil: not looked at yet

	facing []facing // see faces
	holds  []held   // see held; nil: not read yet

	settling map[string]string   // workloads that are to restart, but not yet, and why
	restarts map[string]*restart // workloads that are to restart now

	restarting map[string]bool   // resources that this plan restarts for other reasons
	postponed  map[string]bool   // resources for which something waits for a restart
	gated      map[string]string // resources that must not be changed now, and why
	otherKeys  otherKeys
	callers    map[*flinkJob][]*eventProcessingJob // see callersOf
	mounts     map[string]mounting                 // by truststore, see mounting
	readers    map[string]deploy.Resource          // every EventProcessing by its target, see dataKeys

	referenced map[secrets.Ref]bool // by a resource, see State.references
	once       *openOnce
}

func newPlanner(cfg *config.Config, state *State) *planner {
	return &planner{
		cfg: cfg, state: state, plan: &Plan{Isolate: state.live()}, reasons: map[*Version]string{},
		names: map[string][][]string{}, groups: map[string][]nameGroup{}, fit: map[string][]*issuer{}, planned: map[string]*issuer{}, made: map[string]int{},
		wired: map[string]*eventProcessingJob{}, unseen: map[string]*unseen{}, flinks: map[string]*flinkJob{}, postponed: map[string]bool{}, adopting: map[slot][]*adoption{},
		settling: map[string]string{}, restarts: map[string]*restart{},
		otherKeys: otherKeys{}, mounts: map[string]mounting{}, readers: state.eventProcessings(), referenced: state.references(), once: cmp.Or(state.opened, newOpenOnce()),
	}
}

// NewPlan decides what to do. It is pure: the same configuration and state give
// the same plan. It goes as often as it learns more: what a gate holds is left
// out of the next go, and what restarts anyway takes along what waited for that.
func NewPlan(cfg *config.Config, state *State) *Plan {
	p := newPlanner(cfg, state)
	first := p.run()
	held := p.holding()
	if len(held) > 0 {
		read := p.once
		p = newPlanner(cfg, state)
		p.gated, p.once = held, read
		p.run()
	}
	if riding := p.ridingAlong(); len(riding) > 0 {
		read := p.once
		p = newPlanner(cfg, state)
		p.gated, p.restarting, p.once = held, riding, read
		p.run()
	}
	if len(held) > 0 {
		p.waitHeld(first)
	}
	p.plan.opened = p.once
	return p.plan
}

// ridingAlong are the resources that the plan restarts and for which something
// less urgent has waited for that.
func (p *planner) ridingAlong() map[string]bool {
	out := map[string]bool{}
	for _, a := range p.plan.Actions {
		if r, ok := changed(a); ok && a.Disturbs() != "" && p.postponed[r.String()] {
			out[r.String()] = true
		}
	}
	return out
}

func (p *planner) run() *Plan {
	if p.clockWrong() {
		return p.plan
	}
	p.readAhead()
	p.unreadable()
	p.unsupported()
	p.findUnseen()
	p.findResources()
	p.findWebhook()
	p.noteAbsent()
	p.collectNames()
	p.checkNames()
	p.planAdoption()
	p.planAuthority()
	if p.authority.known {
		p.plan.Root = p.authority.fingerprint()
		p.plan.newRoot = p.newRoot()
		p.refuseOthers()
		p.findOperatorStores()
		p.planFlink()
		p.planEventProcessing()
		p.planOperator()
		p.planWebhook()
		p.planCertificates()
		p.planTruststores()
		p.planWiring()
		p.planStuck()
		p.planRollouts()
		p.planWebhookServing()
		p.planForgetLost()
		p.noteDistrusted()
		p.planCleanup()
		p.intermediateItems()
		p.noteKeys()
		sortItems(p.plan.Items)
	}
	return p.plan
}

func (p *planner) act(a Action) { p.plan.Actions = append(p.plan.Actions, a) }

func (p *planner) fault(target string, err error, hint string) {
	if hint != "" {
		err = Hinted{Err: err, Hint: hint}
	}
	p.plan.Faults = append(p.plan.Faults, Fault{Target: target, Err: err})
}

func (p *planner) notice(format string, args ...any) {
	p.plan.Notices = append(p.plan.Notices, fmt.Sprintf(format, args...))
}

func (p *planner) item(i Item) { p.plan.Items = append(p.plan.Items, i) }

// sortItems puts what signs first, then what serves, then what trusts.
func sortItems(items []Item) {
	rank := map[secrets.Role]int{
		secrets.RoleRoot: 0, secrets.RoleIntermediate: 1, secrets.RoleCA: 2, secrets.RoleCertificate: 2, secrets.RoleUICertificate: 2,
		secrets.RoleFlinkTLS: 2, secrets.RoleFlinkTrust: 2, secrets.RoleOperatorCert: 3, secrets.RoleWebhookCert: 3, secrets.RoleTruststore: 4,
	}
	slices.SortStableFunc(items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(rank[a.Role], rank[b.Role]), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Role, b.Role))
	})
}

// flinkJob is one FlinkDeployment in a pass.
type flinkJob struct {
	config   config.FlinkDeployment
	resource deploy.Resource
	names    []string
	target   string

	tls, trust *Version
	trustFile  string
}

// unreadable reports what could not be read. Of flowcert's own files that is a
// fault: what they hold may be a root, and nothing is made in place of what may
// be there.
func (p *planner) unreadable() {
	for _, err := range p.state.Broken {
		var u *secrets.Unreadable
		if errors.As(err, &u) && u.Ours {
			p.fault(u.File, err, "")
		} else {
			p.notice("not read: %v", err)
		}
	}
	if p.state.live() {
		for _, ns := range slices.Sorted(maps.Keys(p.state.Live.Closed)) {
			p.fault("namespace/"+ns, closedError(ns, p.state.Live.Closed[ns]), "")
		}
		configured := p.cfg.Targets()
		for _, target := range slices.Sorted(maps.Keys(p.state.Live.Unread)) {
			if !slices.ContainsFunc(configured, func(t config.Target) bool { return t.String() == target }) { // else a fault says so
				p.notice("not read: %v", p.state.Live.Unread[target])
			}
		}
	}
}

// unsupported refuses what a configuration may say and this version does not
// do: nothing is left out silently.
func (p *planner) unsupported() {
	const hint = "take it out of flowcert.yaml; this version of flowcert does not do it"
	refuse := func(line int, what string) {
		p.fault(p.cfg.At(line), errors.New(what), hint)
	}
	for _, e := range p.cfg.Edges {
		if e.Client.Kind == config.KindCertificate {
			refuse(e.Line, fmt.Sprintf("edges: from %s to %s; only from a workload, which trusts by its truststore", e.Client, e.Server))
		}
		if p.signedElsewhere(e.Server) {
			refuse(e.Line, fmt.Sprintf("edges: to %s, whose certificate cert-manager makes (mode ca)", e.Server))
		}
	}
}

// findResources looks every configured resource up.
func (p *planner) findResources() {
	lacks := func(line int, namespace string, err error) {
		if p.state.closed(namespace) == nil { // else a fault of the namespace says so
			p.fault(p.cfg.At(line), err, "")
		}
	}
	for _, c := range p.cfg.EventProcessing {
		target := deploy.Target(deploy.EventProcessingKind, c.Namespace, c.Name)
		r, err := p.state.resource(deploy.EventProcessingKind, c.Namespace, c.Name)
		if err != nil {
			lacks(c.Line, c.Namespace, err)
			continue
		}
		p.wired[target] = &eventProcessingJob{config: c, resource: r, target: target}
		p.notePause(r)
	}
	for _, c := range p.cfg.FlinkDeployments {
		target := deploy.Target(deploy.FlinkDeploymentKind, c.Namespace, c.Name)
		r, err := p.state.resource(deploy.FlinkDeploymentKind, c.Namespace, c.Name)
		if err != nil {
			lacks(c.Line, c.Namespace, err)
			continue
		}
		p.flinks[target] = &flinkJob{config: c, resource: r, target: target}
		p.notePause(r)
	}
	p.noteUnmanaged()
	files := map[string]bool{}
	for _, job := range p.wired {
		files[job.resource.File] = true
	}
	for _, job := range p.flinks {
		files[job.resource.File] = true
	}
	delete(files, "") // of a resource in a cluster
	p.plan.Files = sorted(files)
}

// noteUnmanaged names what flowcert wired once and is not told to keep: nothing
// renews it any more.
func (p *planner) noteUnmanaged() {
	for _, r := range p.state.resources {
		if r.Root() == "" {
			continue
		}
		target := r.String()
		if r.Unrecorded() {
			p.notice("%s: annotation %s is gone: revert cannot take flowcert's edits out, and at the next renewal they count as somebody else's; put it back", r.Where(), deploy.EditsAnnotation)
		}
		if p.wired[target] == nil && p.flinks[target] == nil {
			p.notice("%s carries flowcert's wiring and is not in flowcert.yaml: nothing renews it; add it, or take the wiring out", target)
			continue
		}
		switch job := p.flinks[target]; {
		case job == nil:
		case !job.config.TLS.Rest && !job.config.TLS.Internal && p.ourTLS(r):
			p.notice("%s refers to TLS stores of flowcert's, but tls is off in flowcert.yaml: nothing renews them; turn it on, or revert", target)
		case !job.config.TLS.Rest && job.servesREST():
			p.notice("%s: its REST endpoint speaks TLS as flowcert wired it, but tls.rest is off in flowcert.yaml; turn it on, or take security.ssl.rest.enabled out of the resource", target)
		}
	}
}

func (p *planner) ourTLS(r deploy.Resource) bool {
	return slices.ContainsFunc(deploy.References(r).FlinkTLS, func(name string) bool {
		s := p.state.Secrets[secrets.Ref{Namespace: r.Namespace, Name: name}]
		return s != nil && s.Ours()
	})
}

// notePause says that a resource is held. It keeps its place in every edge: what
// it uses still counts.
func (p *planner) notePause(r deploy.Resource) {
	if r.Paused() {
		p.notice("%s: paused by its annotation %s: nothing is done to it", r, deploy.PauseAnnotation)
	}
}

// expired reports whether the certificate is over at the time of the pass.
func (p *planner) expired(c *x509.Certificate) bool { return !p.state.Now.Before(c.NotAfter) }
