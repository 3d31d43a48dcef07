package renew

import (
	"fmt"
	"slices"
	"time"

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
		return nil, Hinted{Err: fmt.Errorf("%s has no certificate to renew", target), Hint: fmt.Sprintf("a target is kind/namespace/name; there is %v", slices.Compact(known))}
	}
	return marked, nil
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
