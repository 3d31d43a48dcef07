package renew

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/secrets"
)

// Watcher is told how a convergence goes on. Its methods are called by one
// goroutine.
type Watcher interface {
	// Planned is called with each plan, before its actions run.
	Planned(*State, *Plan)
	// Done is called after each action.
	Done(Action)
	// Troubled is called with an error after which it is tried again.
	Troubled(err error, again time.Duration)
}

// Cluster is a store whose API server may be away for a while.
type Cluster interface {
	Store
	// Unavailable reports whether an error says that the API server cannot answer now:
	// trying again may help.
	Unavailable(error) bool
}

// Steps between looks at a cluster in which something rolls out, and between
// tries after an error.
const (
	lookAgain  = time.Second
	firstRetry = 500 * time.Millisecond
	lastRetry  = 15 * time.Second
	// patience is how many tries in a row may fail for a reason that is not the API
	// server's absence.
	patience = 6
)

// Converge observes, plans and applies, until there is nothing left to do and
// every change has reached what runs, or only waits are left. now is asked at
// each look. It returns the last state and plan; an error is one that trying
// again did not mend, or the context's.
func Converge(ctx context.Context, cfg *config.Config, store Cluster, adopt bool, now func() time.Time, w Watcher) (*State, *Plan, error) {
	failures := 0
	var rolling []Wait // at the last look
	retry := func(err error) error {
		switch {
		case ctx.Err() != nil && len(rolling) > 0:
			return stillRolling(rolling, ctx.Err())
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		}
		if failures++; failures >= patience && !store.Unavailable(err) {
			return err
		}
		pause := min(firstRetry<<min(failures-1, 10), lastRetry)
		w.Troubled(err, pause)
		return sleep(ctx, pause)
	}
	var before Opened
	var seen Sight
	for {
		state, err := Observe(ctx, cfg, store, now())
		if err == nil {
			err = seen.Refused(cfg, state)
		}
		if err != nil {
			if err = retry(err); err != nil {
				return nil, nil, err
			}
			continue
		}
		state.Adopt = adopt
		state.Follows(before)
		plan := NewPlan(cfg, state)
		before = plan.Opened()
		rolling = plan.Rolling
		w.Planned(state, plan)
		switch {
		case len(plan.Actions) > 0:
			err = Apply(ctx, plan, store, state.Now, func(a Action) {
				failures = 0 // as long as something gets done it is worth while
				w.Done(a)
			})
			if err == nil {
				failures = 0
			} else if err = retry(err); err != nil {
				return state, plan, err
			}
		case len(plan.Rolling) > 0:
			failures = 0
			if err := sleep(ctx, lookAgain); err != nil {
				return state, plan, stillRolling(rolling, err)
			}
		default:
			return state, plan, nil
		}
	}
}

// Sight is what could be read, from look to look. An API server that has just started knows no
// Roles for a moment, and refuses what it permitted before: that is looked at again, a
// few times. Somebody may have taken the Role away, though, and what could never be read
// is refused for good.
type Sight struct {
	namespaces map[string]bool
	webhooks   bool
	tries      int // since something was refused
}

// Refused is why something cannot be read now that could be before; nil: it all can, or
// the refusal stands.
func (s *Sight) Refused(cfg *config.Config, state *State) error {
	if err := s.lost(state.Live); err != nil && s.tries < patience-2 {
		s.tries++
		return err
	}
	s.tries = 0
	s.namespaces, s.webhooks = map[string]bool{}, state.Live.WebhooksClosed == nil
	for _, ns := range cfg.Served() {
		s.namespaces[ns] = state.Live.Closed[ns] == nil
	}
	return nil
}

func (s *Sight) lost(now *secrets.Live) error {
	for _, ns := range slices.Sorted(maps.Keys(now.Closed)) {
		if s.namespaces[ns] {
			return closedError(ns, now.Closed[ns])
		}
	}
	if s.webhooks {
		return now.WebhooksClosed
	}
	return nil
}

// stillRolling names what a convergence waited for when it was told to end.
func stillRolling(rolling []Wait, err error) error {
	return fmt.Errorf("%s: %s: %w", rolling[0].Target, rolling[0].For, err)
}

// Overtaken reports whether an error says that somebody else changed what was
// read: to look again is all there is to do.
func Overtaken(err error) bool {
	return errors.Is(err, secrets.ErrChanged) || errors.Is(err, secrets.ErrExists)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
