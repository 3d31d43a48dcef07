package renew

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/secrets"
)

// wishAnnotation is on a version whose renewal somebody asked for, with the time.
// The version that follows does not carry it: a wish is granted once.
const wishAnnotation = "flowcert.io/renew"

// Wish returns the Secrets of a target, kind/namespace/name, marked with the
// wish to renew their certificates. The next apply grants it. A target without
// a certificate is an error whose remedy lists those that have one.
func Wish(plan *Plan, state *State, target string) ([]*secrets.Secret, error) {
	var marked []*secrets.Secret
	var known []string
	for _, i := range plan.Items {
		if i.RenewAt.IsZero() {
			continue
		}
		known = append(known, i.Target)
		if i.Target != target {
			continue
		}
		for _, s := range state.Secrets {
			if s.Name == i.Name && s.Target() == target && s.Role() == i.Role {
				marked = append(marked, marking(s, wishAnnotation, state.Now))
			}
		}
	}
	if len(marked) == 0 {
		slices.Sort(known)
		return nil, Hinted{Err: fmt.Errorf("%s has no certificate to renew", target), Hint: "a target is kind/namespace/name; there is " + strings.Join(slices.Compact(known), ", ")}
	}
	return marked, nil
}

// WishRoot returns the newest root's Secret, marked with the wish that another
// root follows it now. Of a compromised authority it returns every root's,
// marked so: none of them is to be trusted any more. A user's CA is an error, and
// of a compromised authority a root that cannot be read: it would stay trusted.
func WishRoot(cfg *config.Config, state *State, compromised bool) ([]*secrets.Secret, error) {
	if own := cfg.Authority.Secret; own != nil {
		return nil, Hinted{
			Err:  fmt.Errorf("the authority is a CA of yours, secret %s/%s; flowcert cannot make the next one", own.Namespace, own.Name),
			Hint: "put the new CA into that Secret and run flowcert apply: trust moves first, then the certificates",
		}
	}
	if err := state.closed(cfg.Namespace); err != nil {
		return nil, closedError(cfg.Namespace, err)
	}
	p := newPlanner(cfg, state)
	p.authority.target = authorityTarget(cfg)
	if !p.readRoots() {
		return nil, p.plan.Faults[0].Err
	}
	if compromised {
		if err := p.allRootsHere(); err != nil {
			return nil, err
		}
	}
	roots := p.authority.roots
	if len(roots) == 0 {
		return nil, Hinted{Err: fmt.Errorf("%s has no root yet", p.authority.target), Hint: "run flowcert apply, which makes one"}
	}
	if !compromised {
		return []*secrets.Secret{marking(roots[len(roots)-1].version.Secret, wishAnnotation, state.Now)}, nil
	}
	var marked []*secrets.Secret
	for _, r := range roots {
		marked = append(marked, marking(r.version.Secret, compromisedAnnotation, state.Now))
	}
	return marked, nil
}

// allRootsHere is an error where a root may exist that was not read.
func (p *planner) allRootsHere() error {
	for _, err := range p.state.Broken {
		var u *secrets.Unreadable
		if errors.As(err, &u) && u.Authority {
			return err
		}
	}
	p.findResources()
	return p.lostNewer()
}

// unmarking is a copy of the Secret without an annotation.
func unmarking(s *secrets.Secret, annotation string) *secrets.Secret {
	marked := *s
	marked.Annotations = maps.Clone(s.Annotations)
	delete(marked.Annotations, annotation)
	return &marked
}

// marking is a copy of the Secret with the time in an annotation.
func marking(s *secrets.Secret, annotation string, now time.Time) *secrets.Secret {
	marked := *s
	marked.Annotations = map[string]string{annotation: now.UTC().Format(time.RFC3339)}
	for k, v := range s.Annotations {
		if k != annotation {
			marked.Annotations[k] = v
		}
	}
	return &marked
}
