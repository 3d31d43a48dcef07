package renew

import (
	"context"
	"crypto"
	"runtime"
	"slices"

	"github.com/flowcert/flowcert/secrets"
)

// ahead is what is made in the background, as soon as what it needs is there:
// certificates, because a signature with RSA 4096 takes longer than all else that
// is done for a leaf but its key, and the stores, which take longer than to write them. Actions
// still write in their order.
type ahead struct {
	root   *Version                   // that is still to be made, by this plan or a later one; nil: there is none
	signs  map[*Version]chan struct{} // closed once the root or the intermediate can sign, or never will
	issued map[Action]<-chan outcome[secrets.Identity]
	trust  map[*MakeTrust]<-chan outcome[*secrets.Secret]
	leaves map[*MakeLeaf]<-chan outcome[leaf]
	slots  slots
}

// leaf is a leaf's Secret, and what it holds.
type leaf struct {
	secret *secrets.Secret
	holds  secrets.Identity
}

type outcome[T any] struct {
	value T
	err   error
}

// slots let as many work at a time as there are processors: what is begun takes
// memory until it is done.
type slots chan struct{}

func newSlots() slots { return make(slots, runtime.GOMAXPROCS(0)) }

// take waits for a slot; call the function that it returns to give it back.
func (s slots) take() (release func()) {
	s <- struct{}{}
	return func() { <-s }
}

// makeAhead begins.
func makeAhead(ctx context.Context, plan *Plan, r *runner) *ahead {
	a := &ahead{
		root:  plan.newRoot,
		signs: map[*Version]chan struct{}{}, issued: map[Action]<-chan outcome[secrets.Identity]{},
		trust: map[*MakeTrust]<-chan outcome[*secrets.Secret]{}, leaves: map[*MakeLeaf]<-chan outcome[leaf]{}, slots: newSlots(),
	}
	for _, action := range plan.Actions {
		switch action := action.(type) {
		case *MakeRoot:
			a.signs[action.Version] = make(chan struct{})
		case *MakeIntermediate:
			a.signs[action.Version] = make(chan struct{})
		}
	}
	for _, action := range plan.Actions {
		switch action := action.(type) {
		case *MakeRoot:
			a.issued[action] = issue(ctx, r, a, action, action.identity)
		case *MakeIntermediate:
			a.issued[action] = issue(ctx, r, a, action, action.identity, action.Root)
		case *MakeLeaf:
			a.leaves[action] = makeLeaf(ctx, r, a, action)
		case *MakeTrust:
			a.trust[action] = inBackground(func() (*secrets.Secret, error) {
				if err := a.wait(ctx, a.root); err != nil {
					return nil, err
				}
				defer a.slots.take()()
				return action.secret(r)
			})
		}
	}
	return a
}

// makeLeaf makes a leaf's Secret, of a new certificate or of one that is kept beside the roots of now, in one go: the first
// are written while others are still to be signed.
func makeLeaf(ctx context.Context, r *runner, a *ahead, action *MakeLeaf) <-chan outcome[leaf] {
	return inBackground(func() (leaf, error) {
		var key crypto.Signer
		if action.Keep == nil {
			var err error
			if key, err = r.key(action); err != nil {
				return leaf{}, err
			}
		}
		if err := a.wait(ctx, a.root, action.Issuer); err != nil {
			return leaf{}, err
		}
		defer a.slots.take()()
		id, err := action.holds(r, key)
		if err != nil {
			return leaf{}, err
		}
		s, err := action.secret(r, id)
		return leaf{s, id}, err
	})
}

// holds is what the leaf's Secret will hold.
func (a *MakeLeaf) holds(r *runner, key crypto.Signer) (secrets.Identity, error) {
	if a.Keep != nil {
		return secrets.Identity{Key: a.Keep.Key, Chain: a.Keep.Chain, Roots: slices.Concat(a.Roots, r.roots)}, nil
	}
	return a.identity(r, key)
}

func inBackground[T any](f func() (T, error)) <-chan outcome[T] {
	out := make(chan outcome[T], 1)
	go func() {
		value, err := f()
		out <- outcome[T]{value, err}
	}()
	return out
}

// issue calls f with the action's key when the versions that it needs can sign.
func issue(ctx context.Context, r *runner, a *ahead, action Action, f func(*runner, crypto.Signer) (secrets.Identity, error), needs ...*Version) <-chan outcome[secrets.Identity] {
	return inBackground(func() (id secrets.Identity, err error) {
		v := makes(action)
		if a.signs[v] != nil {
			defer close(a.signs[v]) // who finds nothing that signs says so
		}
		key, err := r.key(action)
		if err != nil {
			return id, err
		}
		if err := a.wait(ctx, needs...); err != nil {
			return id, err
		}
		defer a.slots.take()()
		if id, err = f(r, key); err != nil {
			return id, err
		}
		if a.signs[v] != nil {
			r.knows(v, id)
		}
		return id, nil
	})
}

// wait returns when the versions can sign, or never will. Those that the plan does not
// make can already; nil stands for none.
func (a *ahead) wait(ctx context.Context, versions ...*Version) error {
	for _, v := range versions {
		signs, ok := a.signs[v]
		if !ok {
			continue
		}
		select {
		case <-signs:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// identity is what an action puts into its Secret.
func (a *ahead) identity(action Action) (secrets.Identity, error) {
	id := <-a.issued[action]
	return id.value, id.err
}
