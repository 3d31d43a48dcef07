package daemon

import (
	"math/rand/v2"
	"time"

	"github.com/flowcert/flowcert/renew"
)

// failing is what failed lately, by target, and when it is tried again.
type failing map[string]*failure

type failure struct {
	count int
	again time.Time
}

// wholePass is the target of a pass that could not even look.
const wholePass = ""

// Pauses between tries of one target.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
	// share of the time that is left until something ends which a pause may take.
	share = 100
)

// failed notes a failure and returns when to try again: later each time, at most
// lastPause, never longer than a small share of the time left until the deadline,
// and not at the same moment as everything else that failed with it.
func (f failing) failed(target string, deadline, now time.Time) time.Time {
	entry := f[target]
	if entry == nil {
		entry = &failure{}
		f[target] = entry
	}
	pause := min(firstPause<<min(entry.count, 12), lastPause)
	if !deadline.IsZero() {
		pause = max(min(pause, deadline.Sub(now)/share), firstPause)
	}
	pause = pause/2 + rand.N(pause/2+1)
	entry.count++
	entry.again = now.Add(pause)
	return entry.again
}

func (f failing) succeeded(target string) { delete(f, target) }

// waiting are the targets that are not tried yet. A time that no pause reaches was
// set by a clock that has been set back since.
func (f failing) waiting(now time.Time) map[string]bool {
	out := map[string]bool{}
	for target, entry := range f {
		if left := entry.again.Sub(now); target != wholePass && left > 0 && left <= lastPause {
			out[target] = true
		}
	}
	return out
}

// keep drops every target but those for which there is still something to do: what
// somebody else has done, or what is gone, is not tried again.
func (f failing) keep(plan *renew.Plan) {
	open := map[string]bool{wholePass: true}
	for _, a := range plan.Actions {
		open[a.Subject()] = true
	}
	for target := range f {
		if !open[target] {
			delete(f, target)
		}
	}
}

// next is the first time at which something is tried again; zero: nothing is.
func (f failing) next() time.Time {
	var first time.Time
	for _, entry := range f {
		if first.IsZero() || entry.again.Before(first) {
			first = entry.again
		}
	}
	return first
}
