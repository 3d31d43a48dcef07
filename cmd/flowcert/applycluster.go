package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flowcert/flowcert/kube"
	"github.com/flowcert/flowcert/renew"
)

// applyToCluster opens the cluster and applies.
func (a *app) applyToCluster(ctx context.Context, deployed bool) error {
	if deployed {
		return hinted(errors.New("--deployed is for a directory: in a cluster flowcert sees what runs"), "leave it out, or add --dir DIR")
	}
	s, err := a.open()
	if err != nil {
		return err
	}
	return a.applyCluster(ctx, s)
}

// applyCluster works until everything is done and rolled out, or only waits are
// left. Where another flowcert holds the lease, it looks on while that one works.
func (a *app) applyCluster(ctx context.Context, s *site) error {
	w := &applying{app: a, view: a.newView(), changed: map[string]bool{}, done: []actionJSON{}}
	defer w.view.close()
	state, plan, err := a.underLease(ctx, s, w)
	w.view.close()
	if err != nil {
		return a.notConverged(ctx, err)
	}
	return a.converged(state, plan, w)
}

// underLease works while it holds the lease. One that is lost it asks for again: an
// API server that was away for longer than a lease lasts ends it, too, and if another
// flowcert is at work, that one is looked on.
func (a *app) underLease(ctx context.Context, s *site, w *applying) (*renew.State, *renew.Plan, error) {
	for held := false; ; {
		t := &taking{app: a, site: s, applying: w, answered: held}
		state, plan, under, release, err := t.take(ctx)
		if err != nil || under == nil {
			return state, plan, err
		}
		held = true
		state, plan, err = renew.Converge(under, s.cfg, s.kube, a.adopt, time.Now, w)
		lost := context.Cause(under)
		release()
		if err == nil || !errors.Is(lost, kube.ErrLeaseLost) {
			return state, plan, err
		}
		w.view.show(nil)
		w.Troubled(lost, leaseAgain)
	}
}

// Times of a lease that is not to be had: between tries, and how often in a row it may
// be refused once it was not. An API server that has just started knows no Roles for a
// moment.
const (
	leaseAgain    = 2 * time.Second
	leasePatience = 8
)

// taking asks for the lease.
type taking struct {
	app      *app
	site     *site
	applying *applying
	answered bool   // the lease could be read at least once
	refusals int    // in a row, since then
	said     string // who holds it, or why it is not known, as last told
}

// take returns a context that ends with the lease, or the state and plan in which
// another flowcert has left nothing to do.
func (t *taking) take(ctx context.Context) (*renew.State, *renew.Plan, context.Context, func(), error) {
	for lease := t.site.lease(); ; {
		holder, err := lease.Try(ctx)
		switch {
		case err == nil && lease.Is(holder):
			held, release := lease.Hold(ctx)
			return nil, nil, held, release, nil
		case err == nil:
			t.answered, t.refusals = true, 0
			state, plan, err := t.app.pass(ctx, t.site)
			if err == nil && len(plan.Actions)+len(plan.Rolling) == 0 {
				return state, plan, nil, nil, nil
			}
			t.tell(holder, func() {
				t.applying.view.line("%s is at work (lease %s/%s); looking on", holder, t.site.cfg.Namespace, leaseName)
			})
		case ctx.Err() != nil:
		case t.mayPass(err):
			t.tell(err.Error(), func() { t.applying.Troubled(err, leaseAgain) })
		default:
			return nil, nil, nil, nil, err
		}
		if ended := pause(ctx, leaseAgain); ended != nil {
			return nil, nil, nil, nil, t.unfinished(ended)
		}
	}
}

// mayPass reports whether an error may be gone in a while: a refusal only of what was
// permitted before.
func (t *taking) mayPass(err error) bool {
	if t.site.kube.Unavailable(err) {
		return true
	}
	t.refusals++
	return t.answered && t.refusals <= leasePatience
}

func (t *taking) tell(what string, how func()) {
	if t.said != what {
		t.said = what
		how()
	}
}

// unfinished says what stood in the way of the lease.
func (t *taking) unfinished(err error) error {
	if t.said == "" {
		return err
	}
	return fmt.Errorf("lease %s/%s: %s: %w", t.site.cfg.Namespace, leaseName, t.said, err)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// notConverged is the error of an apply that came to no end.
func (a *app) notConverged(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, kube.ErrLeaseLost):
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("not finished within --timeout: %w", err)
	case errors.Is(ctx.Err(), context.Canceled):
		err = errors.New("interrupted")
	default:
		return err
	}
	return hinted(err, "run "+a.line("apply")+" again: it goes on from there")
}

// converged reports the end of an apply.
func (a *app) converged(state *renew.State, plan *renew.Plan, w *applying) error {
	a.notices(plan)
	for _, f := range plan.Faults {
		a.printError(describe(f))
	}
	broken := slices.DeleteFunc(slices.Clone(plan.Unfit), func(u renew.Wait) bool { return !w.changed[u.Target] })
	for _, u := range broken {
		a.printError(fmt.Errorf("%s does not work after its change: %s", u.Target, u.For))
	}
	if a.json() {
		if err := a.printJSON(applyOutput(plan, w.done)); err != nil {
			return err
		}
	} else {
		if len(w.done) == 0 && len(plan.Waits)+len(plan.Faults) == 0 {
			a.print("Nothing to do: everything is as it should be.\n\n")
		}
		for _, wait := range plan.Waits {
			a.print("waiting: %s: %s\n", wait.Target, wait.For)
		}
		a.printItems(plan, state.Now)
	}
	switch {
	case len(plan.Faults)+len(broken) > 0:
		return exit(exitError)
	case len(plan.Waits) > 0:
		return exit(exitWaiting)
	}
	return nil
}

// applying shows how an apply goes on.
type applying struct {
	app     *app
	view    *view
	changed map[string]bool // resources that this run has changed
	done    []actionJSON
	rolling []renew.Wait
}

// Planned implements renew.Watcher.
func (w *applying) Planned(_ *renew.State, plan *renew.Plan) {
	w.view.hide() // what it says of those that are ready
	for _, was := range w.rolling {
		same := func(r renew.Wait) bool { return r.Target == was.Target }
		if !slices.ContainsFunc(plan.Rolling, same) && !slices.ContainsFunc(plan.Unfit, same) {
			w.view.line("%s %s", w.app.paint(w.app.stderr, green, "ready "), was.Target)
		}
	}
	w.rolling = plan.Rolling
	w.view.show(waitLines(plan))
}

// waitLines says what goes on without flowcert, and what has to wait for it. The last
// plan's waits are told at the end.
func waitLines(plan *renew.Plan) []string {
	if len(plan.Actions)+len(plan.Rolling) == 0 {
		return nil
	}
	var lines []string
	for _, w := range slices.Concat(plan.Rolling, plan.Waits) {
		lines = append(lines, fmt.Sprintf("waits  %s: %s", w.Target, w.For))
	}
	return lines
}

// Done implements renew.Watcher.
func (w *applying) Done(action renew.Action) {
	switch r := action.(type) {
	case *renew.Rewire:
		w.rolls(r.Resource.String())
	case *renew.Restart:
		w.rolls(r.Resource.String())
	}
	w.done = append(w.done, actionsOutput([]renew.Action{action})...)
	v := verbOf(action)
	w.view.line("%s %s: %s", w.app.paint(w.app.stderr, v.colour, fmt.Sprintf("%-6s", v.done)), action.Object(), action.What())
}

// rolls notes a resource that was changed. It may have rolled out before the next look, and is ready all the same.
func (w *applying) rolls(target string) {
	w.changed[target] = true
	if !slices.ContainsFunc(w.rolling, func(r renew.Wait) bool { return r.Target == target }) {
		w.rolling = append(slices.Clone(w.rolling), renew.Wait{Target: target})
	}
}

// Troubled implements renew.Watcher.
func (w *applying) Troubled(err error, again time.Duration) {
	if renew.Overtaken(err) {
		if w.app.verbose {
			w.view.line("looking again: %v", err)
		}
		return
	}
	w.view.line("%s %v; trying again in %s", w.app.paint(w.app.stderr, yellow, "trouble"), printable(err.Error()), again)
}
