package daemon

import (
	"context"
	"fmt"
	"strings"
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

// told is what people have been told of each target, so that they are told once.
type told map[string]string

// news reports whether this is something else than what was told last, under a
// topic of a target.
func (t told) news(topic, text string) bool {
	if t[topic] == text {
		return false
	}
	t[topic] = text
	return true
}

// done logs an action, counts it, and tells of it on the resource that it is for.
func (w *worker) done(ctx context.Context, a renew.Action) {
	w.d.Metrics.done(a)
	w.d.Log.Info("done", "action", renew.ActionName(a), "what", a.Object(), "detail", a.What(), "reason", a.Reason())
	switch a := a.(type) {
	case *renew.Rewire:
		w.told["rolling "+a.Resource.String()] = "started"
		w.event(ctx, a.Resource, false, reasonWired, "Rewire", "refers to what flowcert made: "+a.Because)
	case *renew.Restart:
		w.told["rolling "+a.Resource.String()] = "started"
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
		if w.told.news("fault "+f.Target, f.Err.Error()) {
			w.d.Log.Error("refused", "target", f.Target, "error", f.Err, "hint", renew.RemedyOf(f.Err))
			w.eventOn(ctx, state, f.Target, true, reasonRefused, "Plan", f.Err.Error()+hint(f.Err))
		}
	}
	for _, wait := range plan.Waits {
		if w.told.news("wait "+wait.Target, wait.For) {
			w.d.Log.Warn("waiting", "target", wait.Target, "for", wait.For)
			w.eventOn(ctx, state, wait.Target, true, reasonBlocked, "Plan", wait.For)
		}
	}
	for _, u := range plan.Unfit {
		if w.told.news("unfit "+u.Target, u.For) {
			w.d.Log.Warn("does not work", "target", u.Target, "because", u.For)
			w.eventOn(ctx, state, u.Target, true, reasonUnfit, "Observe", u.For)
		}
	}
	for _, r := range plan.Rolling {
		if w.told.news("rolling "+r.Target, "rolling") {
			w.d.Log.Info("rolling out", "target", r.Target, "for", r.For)
		}
	}
	w.finished(ctx, state, plan)
	for _, n := range plan.Notices {
		if w.told.news("notice "+n, n) {
			w.d.Log.Info("note", "note", n)
		}
	}
}

// finished tells of rollouts that are over.
func (w *worker) finished(ctx context.Context, state *renew.State, plan *renew.Plan) {
	rolling := map[string]bool{}
	for _, r := range plan.Rolling {
		rolling[r.Target] = true
	}
	for topic := range w.told {
		target, is := strings.CutPrefix(topic, "rolling ")
		if is && !rolling[target] {
			delete(w.told, topic)
			w.d.Log.Info("rolled out", "target", target)
			w.eventOn(ctx, state, target, false, reasonFinished, "Observe", "everything that runs uses what flowcert made")
		}
	}
}

// forget drops what is no longer so: should it come back, it is news.
func (t told) forget(plan *renew.Plan) {
	now := map[string]bool{}
	for _, f := range plan.Faults {
		now["fault "+f.Target] = true
	}
	for _, w := range plan.Waits {
		now["wait "+w.Target] = true
	}
	for _, u := range plan.Unfit {
		now["unfit "+u.Target] = true
	}
	for topic := range t {
		if _, rolling := strings.CutPrefix(topic, "rolling "); !rolling && !now[topic] {
			if _, notice := strings.CutPrefix(topic, "notice "); !notice {
				delete(t, topic)
			}
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
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := w.store.Event(ctx, r, warns, reason, action, note); err != nil {
		w.d.Log.Warn("an event was not written", "resource", r.String(), "error", err)
	}
}
