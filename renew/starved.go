package renew

import (
	"slices"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/yamledit"
)

// bringsBack reports whether a rewrite takes a resource back to what runs: somebody
// changed it, and nothing that runs has followed. That restarts nothing, and to wait
// until what runs has followed may be to wait for ever.
func (p *planner) bringsBack(a Action) bool {
	w, ok := a.(*Rewire)
	if !ok || !p.state.live() || !w.Repairs() || w.Resource.MidChange() || p.state.health(w.Resource).Rolling == "" {
		return false
	}
	after := w.Resource
	var err error
	if after.Object, err = yamledit.Decode(w.Wiring.Edits(w.Resource, p.plan.Root).Source); err != nil {
		return false
	}
	h := p.state.health(after)
	return h.Rolling == "" && h.Unfit == "" && h.Failed == ""
}

// starved reports whether a resource refers to a version that is gone, and so
// nothing of it can start any more: to wait until it is well would be to wait for
// ever. What loses a job's state is still not done.
func (p *planner) starved(r deploy.Resource) bool {
	return !r.MidChange() && slices.ContainsFunc(deploy.References(r).Secrets(), func(name string) bool {
		return secrets.IsVersionName(name) && p.state.Secrets[secrets.Ref{Namespace: r.Namespace, Name: name}] == nil
	})
}
