package renew

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/yamledit"
)

// Reverted is a resource without flowcert's edits.
type Reverted struct {
	Resource deploy.Resource
	Source   []byte
	Kept     []string // fields that somebody changed since
}

// Reverts returns every resource that carries flowcert's record, with the text
// that it had before. Nothing is returned if one of them cannot be reverted, or may
// be where nothing can be read: it would refer to what is removed.
func Reverts(state *State) ([]Reverted, error) {
	if err := state.partly(); err != nil {
		return nil, err
	}
	var out []Reverted
	// The webhook's trust last: without it no FlinkDeployment can be changed.
	for _, r := range slices.Concat(state.resources, state.webhooks) {
		source, kept, err := deploy.Revert(r)
		if err != nil {
			return nil, err
		}
		if r.Paused() && string(source) != string(r.Source) {
			return nil, Hinted{
				Err:  fmt.Errorf("%s: is paused by its annotation %s", r.Where(), deploy.PauseAnnotation),
				Hint: "remove the annotation first",
			}
		}
		if string(source) != string(r.Source) {
			out = append(out, Reverted{Resource: r, Source: source, Kept: kept})
		}
	}
	return out, nil
}

// StillReferred names a resource that would refer to a Secret of flowcert's after
// the reverts; empty if none does. Its record is gone, or somebody changed the
// field. A name to which somebody else's Secret comes back is not meant.
func StillReferred(state *State, reverts []Reverted, back ...PutBack) (string, error) {
	after := map[string][]byte{}
	for _, r := range reverts {
		after[r.Resource.String()] = r.Source
	}
	for _, r := range state.resources {
		if source, ok := after[r.String()]; ok {
			obj, err := yamledit.Decode(source)
			if err != nil {
				return "", fmt.Errorf("%s: %w", r.Where(), err)
			}
			r.Object = obj
		}
		for _, ref := range inOrderOf((&State{resources: []deploy.Resource{r}}).references()) {
			returns := slices.ContainsFunc(back, func(b PutBack) bool { return b.Ref == ref })
			if s := state.Secrets[ref]; s != nil && s.Ours() && !returns {
				return fmt.Sprintf("%s: still refers to %s", r.Where(), ref), nil
			}
		}
	}
	return "", nil
}

// Removable lists flowcert's own Secrets less the roots' and the list of those that
// are distrusted, sorted by name.
func Removable(state *State) []*secrets.Secret {
	var out []*secrets.Secret
	for _, s := range state.Secrets {
		if s.Ours() && s.Role() != secrets.RoleRoot && s.Role() != secrets.RoleDistrusted {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *secrets.Secret) int { return byRef(a.Ref, b.Ref) })
	return out
}

// Roots returns the authority's roots that have not ended, oldest first.
func Roots(cfg *config.Config, state *State) ([]*x509.Certificate, error) {
	if err := state.closed(cfg.Namespace); err != nil {
		return nil, closedError(cfg.Namespace, err)
	}
	p := newPlanner(cfg, state)
	p.authority.target = authorityTarget(cfg)
	if cfg.Authority.Secret != nil {
		p.userAuthority()
	} else {
		p.authority.known = p.readRoots()
	}
	if len(p.authority.roots) == 0 {
		p.unreadable() // one of these may be the root
	}
	if len(p.plan.Faults) > 0 {
		return nil, p.plan.Faults[0].Err
	}
	return p.authority.certificates(), nil
}
