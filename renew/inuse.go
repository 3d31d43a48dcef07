package renew

import (
	"fmt"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// deployedAnnotation is when the user said, of a version that was replaced, that
// what replaced it has been rolled out.
const deployedAnnotation = "flowcert.io/deployed"

// retired reports whether nothing can use a version any more. In a directory
// what runs is not known: a replaced version counts as in use until the user
// has said that its successor is deployed, and the soak time has passed since
// it was replaced.
func (p *planner) retired(s *secrets.Secret) bool {
	if s.Annotations[deployedAnnotation] == "" || p.state.references()[s.Ref] {
		return false
	}
	replaced, ok := p.state.replacedAt(s)
	return ok && !p.state.Now.Before(replaced.Add(p.cfg.Rotation.Soak.Std()))
}

// whatNext says what a person can do about trust that is still in use.
func (p *planner) whatNext(version string) string {
	for _, versions := range p.state.versions {
		for _, s := range versions {
			if s.Name != version || s.Annotations[deployedAnnotation] == "" {
				continue
			}
			if at, ok := p.state.replacedAt(s); ok {
				return fmt.Sprintf("it counts as in use until %s (rotation.soak)", at.Add(p.cfg.Rotation.Soak.Std()).UTC().Format(time.RFC3339))
			}
		}
	}
	return fmt.Sprintf("roll the resources out, then run flowcert apply --deployed, and apply again after %s (rotation.soak)", p.cfg.Rotation.Soak)
}

// keptVersions of everything stay even if nothing uses them: a rollback of Flink
// looks for the Secret of its last stable specification.
const keptVersions = 3

// planCleanup removes versions that were replaced long ago. Without the user's
// word that their successors are deployed, all of them stay.
func (p *planner) planCleanup() {
	for _, role := range []secrets.Role{secrets.RoleCertificate, secrets.RoleFlinkTLS, secrets.RoleFlinkTrust, secrets.RoleTruststore} {
		for _, target := range p.targetsOf(role) {
			for i, s := range p.state.versions[slot{target, role}] {
				if i >= keptVersions && p.retired(s) {
					p.act(&Forget{Secret: s})
				}
			}
		}
	}
}

func (p *planner) targetsOf(role secrets.Role) []string {
	set := map[string]bool{}
	for k := range p.state.versions {
		if k.role == role {
			set[k.target] = true
		}
	}
	return sorted(set)
}

// references are all Secrets that a resource refers to in fields of ours.
func (s *State) references() map[secrets.Ref]bool {
	out := map[secrets.Ref]bool{}
	for _, r := range s.resources {
		refs := deploy.References(r)
		for _, name := range append([]string{refs.Certificate, refs.FlinkTrust, refs.TrustStore}, refs.FlinkTLS...) {
			if name != "" {
				out[secrets.Ref{Namespace: r.Namespace, Name: name}] = true
			}
		}
	}
	return out
}

// replacedAt is when the next version of the same thing was made: making and
// switching are neighbours.
func (s *State) replacedAt(old *secrets.Secret) (at time.Time, ok bool) {
	for _, v := range s.versions[slot{old.Target(), old.Role()}] {
		if v != old && v.Namespace == old.Namespace && !v.Created().Before(old.Created()) && (!ok || v.Created().Before(at)) {
			at, ok = v.Created(), true
		}
	}
	return at, ok
}

// Deployed returns the versions that have been replaced, marked with the user's
// word that what replaced them is deployed. Those marked before are left out.
func Deployed(state *State) []*secrets.Secret {
	var out []*secrets.Secret
	references := state.references()
	for _, s := range Removable(state) {
		if _, replaced := state.replacedAt(s); !replaced || references[s.Ref] || s.Annotations[deployedAnnotation] != "" {
			continue
		}
		out = append(out, marking(s, deployedAnnotation, state.Now))
	}
	return out
}
