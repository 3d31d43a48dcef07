package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/renew"
)

// Reasons of Events, one word each.
const (
	reasonIssued   = "Issued"
	reasonRenewed  = "Renewed"
	reasonWired    = "RolloutStarted"
	reasonFinished = "RolloutFinished"
	reasonBlocked  = "Blocked"
	reasonRefused  = "Refused"
	reasonUnfit    = "NotWorking"
)

// told is what people have been told and is still so: they are told once, also
// where there are several things to say of one target.
type told map[message]bool

// message is one thing that was told.
type message struct{ topic, target, text string }

// Topics that a plan brings anew each time.
const (
	aboutFault  = "fault"
	aboutWait   = "wait"
	aboutUnfit  = "unfit"
	aboutNotice = "notice"
)

// news reports whether this has not been told yet.
func (t told) news(topic, target, text string) bool {
	n := message{topic, target, text}
	known := t[n]
	t[n] = true
	return !known
}

// done logs an action, counts it, and tells of it on the resource that it is for.
func (w *worker) done(ctx context.Context, a renew.Action) {
	w.d.Metrics.done(a)
	w.d.Log.Info("done", "action", renew.ActionName(a), "what", a.Object(), "detail", a.What(), "reason", a.Reason())
	switch a := a.(type) {
	case *renew.Rewire:
		w.rolling[a.Resource.String()] = true
		w.event(ctx, a.Resource, false, reasonWired, "Rewire", "refers to what flowcert made: "+a.Because)
	case *renew.Restart:
		w.rolling[a.Resource.String()] = true
		w.event(ctx, a.Resource, false, reasonWired, "Restart", a.What()+": "+a.Because)
	case *renew.MakeLeaf:
		reason := reasonIssued
		if a.Renews {
			reason = reasonRenewed
		}
		if r, ok := w.state.Resource(a.Target); ok && !r.Absent {
			w.event(ctx, r, false, reason, "Issue", fmt.Sprintf("secret %s: %s (%s)", a.Name(), a.What(), a.Reason()))
		}
	}
}

// report logs, and tells on the resources, what a pass found and could not mend.
func (w *worker) report(ctx context.Context, state *renew.State, plan *renew.Plan) {
	w.told.forget(plan)
	for _, f := range plan.Faults {
		if w.told.news(aboutFault, f.Target, f.Err.Error()) {
			w.d.Log.Error("refused", "target", f.Target, "error", f.Err, "hint", renew.RemedyOf(f.Err))
			w.eventOn(ctx, state, f.Target, true, reasonRefused, "Plan", f.Err.Error()+hint(f.Err))
		}
	}
	for _, wait := range plan.Waits {
		if w.told.news(aboutWait, wait.Target, wait.For) {
			w.d.Log.Warn("waiting", "target", wait.Target, "for", wait.For)
			w.eventOn(ctx, state, wait.Target, true, reasonBlocked, "Plan", wait.For)
		}
	}
	for _, u := range plan.Unfit {
		if w.told.news(aboutUnfit, u.Target, u.For) {
			w.d.Log.Warn("does not work", "target", u.Target, "because", u.For)
			w.eventOn(ctx, state, u.Target, true, reasonUnfit, "Observe", u.For)
		}
	}
	for _, r := range plan.Rolling {
		if !w.seen[r.Target] {
			w.d.Log.Info("rolling out", "target", r.Target, "for", r.For)
		}
		w.rolling[r.Target], w.seen[r.Target] = true, true
	}
	w.finished(ctx, state, plan)
	for _, n := range plan.Notices {
		if w.told.news(aboutNotice, "", n) {
			w.d.Log.Info("note", "note", n)
		}
	}
}

// finished tells of rollouts that are over.
func (w *worker) finished(ctx context.Context, state *renew.State, plan *renew.Plan) {
	for target := range w.rolling {
		if slices.ContainsFunc(plan.Rolling, func(r renew.Wait) bool { return r.Target == target }) {
			continue
		}
		delete(w.rolling, target)
		delete(w.seen, target)
		if r, ok := state.Resource(target); !ok || r.Absent {
			w.d.Log.Info("gone before it was rolled out", "target", target)
			continue
		}
		if slices.ContainsFunc(plan.Faults, func(f renew.Fault) bool { return f.Target == target }) {
			continue // it came to another end, of which the fault tells
		}
		w.d.Log.Info("rolled out", "target", target)
		w.eventOn(ctx, state, target, false, reasonFinished, "Observe", "everything that runs uses what flowcert made")
	}
}

// forget drops what is no longer so: should it come back, it is news.
func (t told) forget(plan *renew.Plan) {
	still := told{}
	for _, f := range plan.Faults {
		still.news(aboutFault, f.Target, f.Err.Error())
	}
	for _, w := range plan.Waits {
		still.news(aboutWait, w.Target, w.For)
	}
	for _, u := range plan.Unfit {
		still.news(aboutUnfit, u.Target, u.For)
	}
	for _, n := range plan.Notices {
		still.news(aboutNotice, "", n)
	}
	for n := range t {
		if !still[n] {
			delete(t, n)
		}
	}
}

func hint(err error) string {
	if h := renew.RemedyOf(err); h != "" {
		return " (" + h + ")"
	}
	return ""
}

func (w *worker) eventOn(ctx context.Context, state *renew.State, target string, warns bool, reason, action, note string) {
	if r, ok := state.Resource(target); ok && !r.Absent {
		w.event(ctx, r, warns, reason, action, note)
	}
}

// event is best effort: nobody shall wait for a certificate because a message did
// not arrive.
func (w *worker) event(ctx context.Context, r deploy.Resource, warns bool, reason, action, note string) {
	if r.Namespace == "" {
		return // it would be written beside other people's
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := w.store.Event(ctx, r, warns, reason, action, note); err != nil {
		w.d.Log.Warn("an event was not written", "resource", r.String(), "error", err)
	}
}
