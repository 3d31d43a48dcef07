package renew

import (
	"slices"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// starved reports whether a resource refers to a version that is gone, and so
// nothing of it can start any more: to wait until it is well would be to wait for
// ever. What loses a job's state is still not done.
func (p *planner) starved(r deploy.Resource) bool {
	return !r.MidChange() && slices.ContainsFunc(deploy.References(r).Secrets(), func(name string) bool {
		return secrets.IsVersionName(name) && p.state.Secrets[secrets.Ref{Namespace: r.Namespace, Name: name}] == nil
	})
}
