package renew

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/parallel"
	"github.com/flowcert/flowcert/secrets"
)

// Apply runs the plan's actions in order and fills in the versions that they
// make; where the store takes several writes at a time, leaves that follow each other
// side by side. What goes into Secrets and resources is made in parallel, ahead of the
// actions that write it. done is called after each action. Where the plan isolates its targets, an
// action that fails stops those that need what it makes, and no others. A plan with faults is not for this function: the
// caller decides what they stop.
func Apply(ctx context.Context, plan *Plan, store Store, now time.Time, done func(Action)) error {
	if err := store.Prepare(rewritten(plan), asides(plan)...); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &runner{store: store, opened: plan.opened, now: now, keys: makeKeys(ctx, plan), root: plan.Root, issuers: map[*Version]secrets.Identity{}}
	if err := r.choosePasswords(plan); err != nil {
		return err
	}
	r.ahead = makeAhead(ctx, plan, r)
	r.rewiring = rewireAhead(plan, r)
	var errs []error
	for actions := plan.Actions; len(actions) > 0; {
		n := together(actions, writers(store))
		for a, err := range parallel.InOrder(writers(store), actions[:n], r.carryOut(ctx)) {
			switch {
			case err == nil:
				r.rewiring.done(a, r)
				done(a)
			case errors.Is(err, errNotBegun):
				return errors.Join(append(errs, ctx.Err())...)
			case !plan.Isolate:
				return named(a, err)
			case (len(errs) > 0 || plan.Partial) && errors.Is(err, errNotMade): // follows from an earlier one
			default:
				errs = append(errs, &Failure{a, named(a, err)})
			}
		}
		actions = actions[n:]
	}
	return errors.Join(errs...)
}

// carryOut runs an action, if nothing stops it.
func (r *runner) carryOut(ctx context.Context) func(Action) error {
	return func(a Action) error {
		if ctx.Err() != nil {
			return errNotBegun
		}
		if err := unmade(a, r.ahead.root); err != nil {
			return err
		}
		return a.run(ctx, r)
	}
}

var errNotBegun = errors.New("was not begun")

// writers is how many writes a store takes at a time: a directory one, an API server several.
func writers(store Store) int {
	if s, ok := store.(interface{ Writers() int }); ok {
		return s.Writers()
	}
	return 1
}

// together is how many of the next actions may run side by side: leaves, none of which needs another.
func together(actions []Action, writers int) int {
	n := slices.IndexFunc(actions, func(a Action) bool {
		_, leaf := a.(*MakeLeaf)
		return !leaf
	})
	switch {
	case n < 0 && writers > 1:
		return len(actions)
	case writers > 1:
		return max(n, 1)
	}
	return 1
}

// Failure is an action that failed, where others went on.
type Failure struct {
	Action Action
	Err    error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Failures takes the error of Apply apart, where the plan isolates its targets.
func Failures(err error) []*Failure {
	var one *Failure
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*Failure
		for _, e := range many.Unwrap() {
			out = append(out, Failures(e)...)
		}
		return out
	}
	if errors.As(err, &one) {
		return []*Failure{one}
	}
	return nil
}

// unmade reports what an action needs and an earlier one failed to write, or was left
// out: much of it is made ahead, and nothing may trust, or be signed by, what nobody
// has. root is the root that is still to be made; nil: none.
func unmade(a Action, root *Version) error {
	var needs []*Version
	switch a := a.(type) {
	case *MakeIntermediate:
		needs = []*Version{a.Root}
	case *MakeLeaf:
		needs = []*Version{a.Issuer, a.NewRoot, a.Shape.passwordFrom, a.Shape.trustFrom}
	case *MakeTrust:
		needs = []*Version{a.NewRoot, a.PasswordFrom}
	case *Rewire:
		needs = append(a.Wiring.versions(), root)
	}
	for _, v := range needs {
		if v != nil && v.Secret == nil {
			return fmt.Errorf("%s of %s %w", v.Role, v.Target, errNotMade)
		}
	}
	return nil
}

// errNotMade is the error of an action that needs what an earlier one failed to
// make.
var errNotMade = errors.New("was not made")

// named puts the object in front of an error that does not name it.
func named(a Action, err error) error {
	if strings.HasPrefix(err.Error(), a.Object()) {
		return err
	}
	return fmt.Errorf("%s: %w", a.Object(), err)
}

func rewires(plan *Plan) []*Rewire {
	var out []*Rewire
	for _, a := range plan.Actions {
		if w, ok := a.(*Rewire); ok {
			out = append(out, w)
		}
	}
	return out
}

func rewritten(plan *Plan) []string {
	var files []string
	for _, w := range rewires(plan) {
		if w.Resource.File != "" {
			files = append(files, w.Resource.File)
		}
	}
	return files
}

// runner carries out one plan.
type runner struct {
	store Store
	now   time.Time
	keys  map[Action]<-chan keyResult
	roots []*x509.Certificate // made by this plan
	cross *x509.Certificate   // with which the root before it vouches for it
	root  string              // fingerprint of the newest one

	opened    *openOnce
	ahead     *ahead
	rewiring  *rewiring
	passwords map[*Version]string // of the Secrets of their own that the plan makes

	reading sync.Mutex                    // of issuers
	issuers map[*Version]secrets.Identity // made or read so far
}

// create writes a new Secret; from then on the version is that Secret.
func (r *runner) create(ctx context.Context, v *Version, s *secrets.Secret) error {
	if err := r.store.CreateSecret(ctx, s); err != nil {
		return err
	}
	v.Secret = s
	return nil
}

// update writes a Secret in place of another; from then on the version is that Secret. Until then it is not: what needs
// it is left alone.
func (r *runner) update(ctx context.Context, v *Version, s *secrets.Secret) error {
	if err := r.store.UpdateSecret(ctx, s); err != nil {
		return err
	}
	v.Secret = s
	return nil
}

// knows keeps what will sign: it is not read again.
func (r *runner) knows(v *Version, id secrets.Identity) {
	r.reading.Lock()
	defer r.reading.Unlock()
	r.issuers[v] = id
}

func (a *Forget) run(ctx context.Context, r *runner) error {
	return r.store.DeleteSecret(ctx, a.Secret)
}

func (a *Rewire) run(ctx context.Context, r *runner) error {
	var result deploy.Result
	select {
	case result = <-r.rewiring.results[a]:
	case <-ctx.Done():
		return ctx.Err()
	}
	if len(result.Conflicts) > 0 {
		return result.Conflicts[0]
	}
	if len(result.Edits)+len(result.Claims) == 0 {
		return nil
	}
	for _, s := range a.Back {
		if err := r.store.UpdateSecret(ctx, unmarking(s, deployedAnnotation)); err != nil {
			return err
		}
	}
	return r.store.WriteResource(ctx, a.Resource, result.Source)
}
