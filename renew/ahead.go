package renew

import (
	"context"

	"github.com/flowcert/flowcert/secrets"
)

// ahead are the leaves that are issued in the background, as soon as their key and
// their issuer are there: a signature with RSA 4096 takes longer than all else that
// is done for a leaf but its key. Actions still write in their order.
type ahead struct {
	leaves map[*MakeLeaf]<-chan issuedLeaf
	made   map[*Version]chan struct{} // closed once the root or the intermediate is there
}

type issuedLeaf struct {
	id  secrets.Identity
	err error
}

// issueAhead begins. Call done after every action.
func issueAhead(ctx context.Context, plan *Plan, r *runner) ahead {
	a := ahead{leaves: map[*MakeLeaf]<-chan issuedLeaf{}, made: map[*Version]chan struct{}{}}
	for _, action := range plan.Actions {
		if v := signer(action); v != nil {
			a.made[v] = make(chan struct{})
		}
	}
	for _, action := range plan.Actions {
		leaf, ok := action.(*MakeLeaf)
		if !ok || leaf.Keep != nil {
			continue
		}
		out := make(chan issuedLeaf, 1)
		a.leaves[leaf] = out
		go func() {
			var l issuedLeaf
			if l.err = a.wait(ctx, leaf.NewRoot, leaf.Issuer); l.err == nil {
				l.id, l.err = leaf.identity(r)
			}
			out <- l
		}()
	}
	return a
}

// signer is what an action makes that leaves are issued by or verified by.
func signer(action Action) *Version {
	switch action := action.(type) {
	case *MakeRoot:
		return action.Version
	case *MakeIntermediate:
		return action.Version
	}
	return nil
}

// wait returns when the versions are there. Those that the plan does not make are
// there already.
func (a ahead) wait(ctx context.Context, versions ...*Version) error {
	for _, v := range versions {
		made, ok := a.made[v]
		if !ok {
			continue
		}
		select {
		case <-made:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// done says that an action has run.
func (a ahead) done(action Action) {
	if v := signer(action); v != nil {
		close(a.made[v])
	}
}

// leaf is what the action puts into its Secret.
func (a ahead) leaf(action *MakeLeaf, r *runner) (secrets.Identity, error) {
	if out, ok := a.leaves[action]; ok {
		l := <-out
		return l.id, l.err
	}
	return action.identity(r)
}
