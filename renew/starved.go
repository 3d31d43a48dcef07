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
	return !r.MidChange() && slices.ContainsFunc(deploy.References(r).Secrets(), p.goneIn(r.Namespace))
}

// down reports whether a pod of a starved resource waits for the version that is
// gone. To restart it once more later is then a smaller harm than to leave it.
func (p *planner) down(r deploy.Resource) bool {
	return p.starved(r) && p.state.live() && slices.ContainsFunc(deploy.RunningOf(r, p.state.Live.Running).Pods, func(pod deploy.Pod) bool {
		return pod.Pending && slices.ContainsFunc(pod.Secrets, p.goneIn(r.Namespace))
	})
}

// goneIn reports of a name whether it is that of a version which is not in the
// namespace any more.
func (p *planner) goneIn(namespace string) func(name string) bool {
	return func(name string) bool {
		return secrets.IsVersionName(name) && p.state.Secrets[secrets.Ref{Namespace: namespace, Name: name}] == nil
	}
}
