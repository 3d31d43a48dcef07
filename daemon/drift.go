package daemon

import (
	"fmt"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/renew"
)

// drift counts how often somebody else put back what flowcert wrote. Two writers
// that correct each other restart a workload for ever (cert-manager#6992): after
// a few times flowcert stops, and says who it is.
type drift struct {
	wired map[string]time.Time // resources that this process wired and that nobody has put back yet, and when
	backs map[string][]back    // by resource
}

// back is one time that somebody put a resource back.
type back struct {
	by string
	at time.Time
}

// Bounds of a quarrel: so many times within so long.
const (
	quarrels      = 3
	quarrelWindow = time.Hour
)

func newDrift() drift { return drift{wired: map[string]time.Time{}, backs: map[string][]back{}} }

// note looks at a plan before it is carried out: a resource that this process
// wired, and that is to be wired again although nothing new is there for it, was
// put back. However often it takes to put it right, that counts once. It reports
// whether that was once too often.
func (d drift) note(plan *renew.Plan, now time.Time) (enough bool) {
	before := len(d.held(now))
	for _, a := range plan.Actions {
		w, ok := a.(*renew.Rewire)
		if !ok || !w.Repairs() {
			continue
		}
		target := w.Resource.String()
		at, ours := d.wired[target]
		if !ours {
			continue
		}
		delete(d.wired, target)
		d.backs[target] = append(d.recent(target, now), back{writerSince(w.Resource, at), now})
	}
	return len(d.held(now)) > before
}

// writerSince is who changed a resource last, since flowcert did. Somebody who only
// took fields away is not among those whom the API server notes. Times of managed
// fields are whole seconds.
func writerSince(r deploy.Resource, wired time.Time) string {
	for _, w := range r.Writers {
		if !w.Time.Before(wired.Truncate(time.Second)) {
			return w.Name
		}
	}
	return "somebody"
}

func (d drift) wrote(a renew.Action, now time.Time) {
	if w, ok := a.(*renew.Rewire); ok {
		d.wired[w.Resource.String()] = now
	}
}

func (d drift) recent(target string, now time.Time) []back {
	var out []back
	for _, b := range d.backs[target] {
		// One that is still to come was noted by a clock that has been set back since.
		if age := now.Sub(b.at); age >= 0 && age < quarrelWindow {
			out = append(out, b)
		}
	}
	return out
}

// held says, of every resource that somebody keeps putting back, that it is left
// alone for now.
func (d drift) held(now time.Time) map[string]string {
	out := map[string]string{}
	for target := range d.backs {
		recent := d.recent(target, now)
		by := map[string]int{}
		for _, b := range recent {
			if by[b.by]++; by[b.by] >= quarrels {
				out[target] = fmt.Sprintf("%q has put flowcert's changes back %d times within an hour; let it leave alone what the field manager flowcert sets, or take it over into what it applies, or set %s; it is looked at again at %s",
					b.by, by[b.by], "flowcert.io/pause: \"true\"", recent[0].at.Add(quarrelWindow).UTC().Format(time.RFC3339))
			}
		}
	}
	return out
}
