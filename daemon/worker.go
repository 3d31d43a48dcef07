package daemon

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/renew"
)

// worker makes passes under one lease.
type worker struct {
	d       *Daemon
	cfg     *config.Config
	store   Store
	changed chan struct{} // something may be different; one word is enough
	files   *files
	failing failing
	drift   drift

	sight     renew.Sight
	badConfig string // why the configuration is not used as it is now; empty: it is

	told    told
	rolling map[string]bool // resources of which it is to be told when they are rolled out
	seen    map[string]bool // of those, the ones of which it was told that they roll out
	state   *renew.State    // of the pass that is being carried out
	stop    func()
	watches sync.WaitGroup
}

func newWorker(d *Daemon, cfg *config.Config) *worker {
	w := &worker{
		d: d, cfg: cfg, store: d.Open(cfg), changed: make(chan struct{}, 1), failing: failing{}, drift: newDrift(),
		told: told{}, rolling: map[string]bool{}, seen: map[string]bool{}, stop: func() {},
	}
	w.files = watchFiles(d.Log, w.wake)
	w.files.follow(cfg)
	// A change since the configuration was read is one that nobody watched: this
	// process may have stood by for months.
	w.files.dirty.Store(true)
	return w
}

// wake makes the next pass come soon.
func (w *worker) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// watch follows the cluster from now on, for the present configuration.
func (w *worker) watch(ctx context.Context) {
	w.stop()
	w.watches.Wait()
	ctx, stop := context.WithCancel(ctx)
	w.stop = stop
	store := w.store
	w.watches.Go(func() { store.Watch(ctx, w.wake) })
}

func (w *worker) close() {
	w.stop()
	w.watches.Wait()
	w.files.close()
}

// reload takes over a configuration that has changed. One that does not read is
// reported, and the last good one stays in force. It returns a configuration that
// needs another lease.
func (w *worker) reload(ctx context.Context) (moved *config.Config) {
	if !w.files.touched() {
		return nil
	}
	next, err := w.d.Load()
	if err != nil {
		if w.badConfig != err.Error() {
			w.d.Log.Error("the new configuration is not used; the last good one stays in force", "error", err)
		}
		w.badConfig = err.Error()
		w.files.dirty.Store(true) // what mends it may be no change of a file: a permission, a mount
		w.d.Metrics.configuration(false)
		return nil
	}
	if w.badConfig != "" {
		w.d.Log.Info("the configuration reads again")
	}
	w.badConfig = ""
	w.d.Metrics.configuration(true)
	if reflect.DeepEqual(next, w.cfg) {
		return nil // a CA file has changed: the pass reads it
	}
	w.d.Log.Info("the configuration has changed")
	if next.Namespace != w.cfg.Namespace {
		return next
	}
	w.cfg, w.store = next, w.d.Open(next)
	w.files.follow(next)
	w.watch(ctx)
	return nil
}

// pass looks, plans and acts, until nothing can be done at once, and returns when
// to look again.
func (w *worker) pass(ctx context.Context) time.Time {
	began := time.Now()
	state, plan, err := w.converge(ctx)
	w.d.Metrics.passed(time.Since(began), err)
	now := w.d.now()
	if ctx.Err() != nil {
		return now
	}
	if err != nil {
		again := w.failing.failed(wholePass, time.Time{}, now)
		w.d.Log.Warn("the pass failed; trying again", "error", err, "in", again.Sub(now).Round(time.Second).String())
		return again
	}
	w.failing.succeeded(wholePass)
	w.d.health.ready()
	w.report(ctx, state, plan)
	w.state = nil // what was read is not kept
	return w.next(plan, now)
}

// converge makes passes for as long as they find something to do.
func (w *worker) converge(ctx context.Context) (*renew.State, *renew.Plan, error) {
	const rounds = 8 // what a pass leads to is done in two or three
	var before renew.Opened
	for range rounds {
		state, err := renew.Observe(ctx, w.cfg, w.store, w.d.now())
		if err == nil {
			err = w.sight.Refused(w.cfg, state)
		}
		if err != nil {
			return nil, nil, err
		}
		state.Held = w.drift.held(state.Now)
		state.Follows(before)
		plan := renew.NewPlan(w.cfg, state)
		before = plan.Opened()
		w.d.Metrics.planned(plan)
		todo := plan.Without(w.failing.waiting(state.Now))
		if len(todo.Actions) == 0 {
			w.failing.keep(plan)
			return state, plan, nil
		}
		if w.drift.note(todo, state.Now) {
			continue // somebody has gone too far: the next plan leaves it alone
		}
		w.state = state
		if err := w.carryOut(ctx, todo, plan, state.Now); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, errors.New("pass after pass finds something to do: flowcert and somebody else may be undoing each other's work")
}

// carryOut runs the actions. Those that fail wait for their next try. That an API
// server is not there the next look finds out: an error of one write, such as that
// of a broken webhook, is the target's alone.
func (w *worker) carryOut(ctx context.Context, todo, plan *renew.Plan, now time.Time) error {
	err := renew.Apply(ctx, todo, w.store, now, func(a renew.Action) {
		w.failing.succeeded(a.Subject())
		w.drift.wrote(a, w.d.now())
		w.done(ctx, a)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, f := range renew.Failures(err) {
		w.d.Metrics.failed(f.Action, f.Err)
		if renew.Overtaken(f.Err) {
			w.d.Log.Info("somebody else was faster; looking again", "what", f.Action.Object(), "error", f.Err)
			continue
		}
		target := f.Action.Subject()
		again := w.failing.failed(target, plan.Deadline(target), now)
		level := slog.LevelError
		if w.store.Unavailable(f.Err) {
			level = slog.LevelWarn
		}
		w.d.Log.Log(ctx, level, "failed", "what", f.Action.Object(), "error", f.Err, "again", again.UTC().Format(time.RFC3339))
	}
	return nil
}

// next is when to look again although nothing says that something has changed.
func (w *worker) next(plan *renew.Plan, now time.Time) time.Time {
	at := now.Add(lookAnyway)
	if len(plan.Waits)+len(plan.Faults)+len(plan.Unfit) > 0 || w.badConfig != "" {
		at = now.Add(lookWait)
	}
	if len(plan.Rolling) > 0 {
		at = now.Add(lookRoll)
	}
	if due := plan.NextDue(now); !due.IsZero() && due.Before(at) {
		at = due
	}
	if again := w.failing.next(); !again.IsZero() && again.Before(at) {
		at = again
	}
	return at
}
