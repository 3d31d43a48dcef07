package renew

import (
	"context"

	"github.com/flowcert/flowcert/secrets"
)

// ahead is what is made in the background, as soon as what it needs is there:
// certificates, because a signature with RSA 4096 takes longer than all else that
// is done for a leaf but its key, and truststores, while these are signed. Actions
// still write in their order.
type ahead struct {
	root   *Version                   // that the plan makes; nil: it makes none
	signs  map[*Version]chan struct{} // closed once the root or the intermediate can sign
	issued map[Action]<-chan outcome[secrets.Identity]
	trust  map[*MakeTrust]<-chan outcome[*secrets.Secret]
}

type outcome[T any] struct {
	value T
	err   error
}

func inBackground[T any](f func() (T, error)) <-chan outcome[T] {
	out := make(chan outcome[T], 1)
	go func() {
		value, err := f()
		out <- outcome[T]{value, err}
	}()
	return out
}

// makeAhead begins.
func makeAhead(ctx context.Context, plan *Plan, r *runner) *ahead {
	a := &ahead{
		signs: map[*Version]chan struct{}{}, issued: map[Action]<-chan outcome[secrets.Identity]{},
		trust: map[*MakeTrust]<-chan outcome[*secrets.Secret]{},
	}
	for _, action := range plan.Actions {
		switch action := action.(type) {
		case *MakeRoot:
			a.root = action.Version
			a.signs[action.Version] = make(chan struct{})
		case *MakeIntermediate:
			a.signs[action.Version] = make(chan struct{})
		}
	}
	for _, action := range plan.Actions {
		switch action := action.(type) {
		case *MakeRoot:
			a.issued[action] = a.signer(r, action.Version, func() (secrets.Identity, error) { return action.identity(r) })
		case *MakeIntermediate:
			a.issued[action] = a.signer(r, action.Version, func() (secrets.Identity, error) {
				return after(ctx, a, []*Version{action.Root}, func() (secrets.Identity, error) { return action.identity(r) })
			})
		case *MakeLeaf:
			if action.Keep == nil {
				a.issued[action] = inBackground(func() (secrets.Identity, error) {
					return after(ctx, a, []*Version{a.root, action.Issuer}, func() (secrets.Identity, error) { return action.identity(r) })
				})
			}
		case *MakeTrust:
			a.trust[action] = inBackground(func() (*secrets.Secret, error) {
				return after(ctx, a, []*Version{a.root}, func() (*secrets.Secret, error) { return action.secret(r) })
			})
		}
	}
	return a
}

// signer makes a root or an intermediate, which others wait for.
func (a *ahead) signer(r *runner, v *Version, f func() (secrets.Identity, error)) <-chan outcome[secrets.Identity] {
	return inBackground(func() (secrets.Identity, error) {
		id, err := f()
		if err == nil {
			r.knows(v, id)
			close(a.signs[v])
		}
		return id, err
	})
}

// after calls f when the versions can sign. Those that the plan does not make can
// already; nil stands for none.
func after[T any](ctx context.Context, a *ahead, versions []*Version, f func() (T, error)) (T, error) {
	for _, v := range versions {
		signs, ok := a.signs[v]
		if !ok {
			continue
		}
		select {
		case <-signs:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
	return f()
}

// identity is what an action puts into its Secret.
func (a *ahead) identity(action Action) (secrets.Identity, error) {
	id := <-a.issued[action]
	return id.value, id.err
}
