package renew

import (
	"errors"
	"fmt"

	"github.com/flowcert/flowcert/secrets"
)

// errFrozen is the fault of a Secret of a fixed name that somebody made immutable.
var errFrozen = errors.New("is immutable, and its content is to change in place")

// frozen reports, as a fault, that somebody made a Secret immutable which is
// updated in place. To remove it and make it again is not for flowcert: a crash in
// between would lose what its readers trusted before, and a node on which a pod
// mounts the old one may show that to new pods too (Kubernetes documentation,
// "Immutable Secrets": the kubelet watches them no more).
func (p *planner) frozen(target string, ref secrets.Ref) bool {
	s := p.state.Secrets[ref]
	if s == nil || !s.Ours() || !s.Immutable {
		return false
	}
	hint := fmt.Sprintf("stop what mounts it, remove it (kubectl delete secret %s -n %s), and flowcert makes it again", ref.Name, ref.Namespace)
	if !p.state.live() {
		hint = fmt.Sprintf("stop what mounts it, remove it from the cluster (kubectl delete secret %s -n %s), and take immutable out of %s", ref.Name, ref.Namespace, s.File)
	}
	p.fault(target, fmt.Errorf("%s %w", ref, errFrozen), hint)
	return true
}

// leafInPlace plans a leaf in a Secret of a fixed name.
func (p *planner) leafInPlace(w leafWant) {
	_, actions := p.leaf(w)
	if len(actions) > 0 && !p.frozen(w.target, secrets.Ref{Namespace: w.namespace, Name: w.fixedName}) {
		p.plan.Actions = append(p.plan.Actions, actions...)
	}
}
