package renew

import (
	"slices"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// trustAnew plans a truststore of a fixed name where there is none: it is the first,
// or somebody removed it, and what its readers have loaded is not known any more.
func (p *planner) trustAnew(w trustWant, v *Version, step *MakeTrust) *Version {
	if slices.ContainsFunc(w.mounts, func(m mount) bool { return p.hasRead(w, m) }) {
		var err error
		if step.Earlier, err = encodeEarlier([]content{{lost: true}}); err != nil {
			p.fault(w.target, err, "")
			return nil
		}
	}
	p.act(step)
	p.restartsFor(w, nil, step)
	return v
}

// hasRead reports whether a workload has read a truststore of a fixed name that is
// gone. One that waits for its first has not; what made room is in its record.
func (p *planner) hasRead(w trustWant, m mount) bool {
	if m.referenced != w.prefix || m.resource.Root() == "" || len(p.adoptedUnder(w)) > 0 {
		return false
	}
	return !p.state.live() || slices.ContainsFunc(p.state.mounting(m.resource, w.prefix), func(pod deploy.Pod) bool { return pod.Ready })
}

// lostTrust stands, in the edges of its readers, for a truststore of a fixed name
// that is gone: nobody knows what they trust until they have restarted.
func (p *planner) lostTrust(t config.Truststore, namespace string) []Trust {
	w := trustWant{slot: slot{truststoreTarget(namespace, t.Name), secrets.RoleTruststore}, namespace: namespace, prefix: t.Name}
	if t.Naming != config.Fixed || p.state.Secrets[w.ref()] != nil {
		return nil
	}
	if !slices.ContainsFunc(p.mountsIn(namespace, t), func(m mount) bool { return p.hasRead(w, m) }) {
		return nil
	}
	return []Trust{{Version: t.Name + earlierWord, Lost: true, Of: &secrets.Secret{Ref: w.ref()}}}
}
