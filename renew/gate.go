package renew

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// clockSlack is how far the API server's clock may be from this one: beyond it
// nothing is planned, because one of the two is wrong about what has ended.
const clockSlack = 2 * time.Minute

// heldBack says why nothing is done to a resource in this plan; empty: it may be
// changed.
func (p *planner) heldBack(r deploy.Resource) string {
	if r.Paused() {
		return "it is paused by its annotation " + deploy.PauseAnnotation
	}
	return p.gated[r.String()]
}

// gate says why a resource of a cluster must not be restarted now; empty: it may
// be. What runs nothing restarts nothing, and what has never run has nothing to
// lose.
func (p *planner) gate(r deploy.Resource) string {
	if !p.state.live() {
		return ""
	}
	h := p.state.health(r)
	first := r.Root() == "" && r.Kind == deploy.EventProcessingKind
	if h.Idle || first || h.Fresh {
		return ""
	}
	if p.starved(r) {
		return p.stateless(r)
	}
	return cmp.Or(h.Failed, h.Unfit, h.Rolling, p.stateless(r))
}

// stateless refuses a restart that throws a job's state away, unless it is
// allowed. Nothing overrides it: the certificate ends loudly instead.
func (p *planner) stateless(r deploy.Resource) string {
	if r.Kind != deploy.FlinkDeploymentKind {
		return ""
	}
	allow, option := p.cfg.Rotation.Flink.AllowStateless, "allowStateless"
	loses, session := deploy.LosesState(r)
	if session {
		allow, option = p.cfg.Rotation.Flink.AllowSessionWithoutHA, "allowSessionWithoutHA"
	}
	if loses == "" || allow {
		return ""
	}
	return fmt.Sprintf("%s; let it restart with rotation.flink.%s: true, or keep the state", loses, option)
}

// holding are the resources that a plan would change and must not, and why:
// those that a gate holds, and those that have a fault, of which a part alone
// would be done.
func (p *planner) holding() map[string]string {
	out := map[string]string{}
	if !p.state.live() {
		return out
	}
	for _, f := range p.plan.Faults {
		if p.wired[f.Target] != nil || p.flinks[f.Target] != nil {
			out[f.Target] = "it has a fault"
		}
	}
	broken := p.webhookBroken()
	for _, a := range p.plan.Actions {
		if r, ok := changed(a); ok {
			why := p.state.Held[r.String()]
			if r.Kind == deploy.FlinkDeploymentKind {
				why = cmp.Or(why, broken)
			}
			if why == "" && a.Disturbs() != "" && !p.bringsBack(a) {
				why = p.gate(r)
				if why == "" && !p.down(r) {
					why = p.settling[r.String()]
				}
			}
			if why != "" && out[r.String()] == "" {
				out[r.String()] = why
			}
		}
	}
	return out
}

// waitHeld says, of every resource that is held, what it waits for, and shows its
// certificates as the plan that was not to be carried out found them.
func (p *planner) waitHeld(before *Plan) {
	for _, f := range before.Faults {
		if p.gated[f.Target] != "" && !p.hasFault(f) {
			p.plan.Faults = append(p.plan.Faults, f)
		}
	}
	for _, a := range before.Actions {
		if r, ok := changed(a); ok && p.gated[r.String()] != "" && !p.faulty(r.String()) {
			p.plan.Waits = append(p.plan.Waits, Wait{
				Target: r.String(), Kind: "gate", For: fmt.Sprintf("%s (it is to be changed because %s)", p.gated[r.String()], a.Reason()),
			})
		}
	}
	for _, i := range before.Items {
		if why := p.gated[i.Target]; why != "" {
			if i.State != stateOK {
				i.State = "waits (" + i.State + ")"
			}
			p.item(i)
		}
	}
	sortItems(p.plan.Items)
}

func (p *planner) faulty(target string) bool {
	for _, f := range p.plan.Faults {
		if f.Target == target {
			return true
		}
	}
	return false
}

func (p *planner) hasFault(f Fault) bool {
	for _, have := range p.plan.Faults {
		if have.Target == f.Target && have.Err.Error() == f.Err.Error() {
			return true
		}
	}
	return false
}

// planRollouts names what the last change of a resource has not reached yet, and
// what ended in a failure.
func (p *planner) planRollouts() {
	if !p.state.live() {
		return
	}
	look := func(r deploy.Resource) {
		if r.Absent || r.Root() == "" {
			return
		}
		p.noteStuckLeaving(r)
		switch h := p.state.health(r); {
		case h.Idle:
		case h.Failed != "":
			p.fault(r.String(), fmt.Errorf("%s: %s", r, h.Failed), "look at its status and its operator's log; correct the resource, and flowcert goes on")
		case h.Rolling != "":
			p.plan.Rolling = append(p.plan.Rolling, Wait{Target: r.String(), For: h.Rolling})
		case h.Unfit != "":
			p.plan.Unfit = append(p.plan.Unfit, Wait{Target: r.String(), For: h.Unfit})
		}
	}
	for _, job := range p.sortedFlinks() {
		look(job.resource)
	}
	for _, job := range p.sortedEventProcessing() {
		look(job.resource)
	}
	for _, target := range slices.Sorted(maps.Keys(p.settling)) {
		p.plan.Rolling = append(p.plan.Rolling, Wait{Target: target, For: p.settling[target]})
	}
	p.rollingOperator()
}

// rollingOperator says how long the Flink operator may go by what it trusted
// before, where something waits for that: it reads its stores anew by itself.
func (p *planner) rollingOperator() {
	ns, _ := p.operatorNamespace()
	s := p.state.Secrets[secrets.Ref{Namespace: ns, Name: config.OperatorCertSecret}]
	if s == nil || !slices.ContainsFunc(p.plan.Waits, func(w Wait) bool { return w.Kind == "" }) || len(p.earlierTrust(s)) == 0 {
		return
	}
	p.plan.Rolling = append(p.plan.Rolling, Wait{Target: s.Target(), For: p.state.staleReaders(s)})
}

// clockWrong reports, as a fault, a clock that the API server does not share.
func (p *planner) clockWrong() bool {
	if !p.state.live() || p.state.Live.Ahead.Abs() <= clockSlack {
		return false
	}
	p.fault("cluster", fmt.Errorf("the API server's clock is %s away from this one", p.state.Live.Ahead.Abs().Round(time.Second)),
		"set the clocks right: nothing is issued until they agree within "+clockSlack.String())
	return true
}
