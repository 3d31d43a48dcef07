package renew

import (
	"slices"
	"time"

	"github.com/flowcert/flowcert/secrets"
)

// followsAnnotation names, on a version made in a cluster, the one that was in use
// when it was planned; empty: there was none. Two versions that follow the same one
// were made by two writers at once, or by one that did not know how its last write
// ended: only one of them was switched to.
const followsAnnotation = "flowcert.io/follows"

// firstVersion stands for the version before the first one.
const firstVersion = "none"

// follows is the version that a new one is planned to take the place of; empty in a
// directory, in which one flowcert at a time writes.
func (p *planner) follows(have, referenced []string) string {
	switch {
	case !p.state.live():
		return ""
	case len(have) > 0:
		return have[0]
	case len(referenced) > 0 && referenced[0] != "":
		return referenced[0]
	}
	return firstVersion
}

// follow notes it.
func follow(s *secrets.Secret, before string) {
	if before != "" && s.Immutable {
		s.Annotations[followsAnnotation] = before
	}
}

// orphanAge is how long a version that nothing refers to may still be on its way
// into a resource: longer than a lease takes to change hands.
const orphanAge = 10 * time.Minute

// twinInUse names the version that was switched to in place of this one, which
// nothing ever referred to; empty: it may have been in use, or be about to be.
func (p *planner) twinInUse(s *secrets.Secret) string {
	before := s.Annotations[followsAnnotation]
	if !p.state.live() || before == "" || p.state.Now.Before(s.Created().Add(orphanAge)) || p.unsettled(s) {
		return ""
	}
	all := p.state.versions[slot{s.Target(), s.Role()}]
	followed := func(v *secrets.Secret) bool {
		return slices.ContainsFunc(all, func(next *secrets.Secret) bool { return next.Annotations[followsAnnotation] == v.Name })
	}
	if followed(s) {
		return "" // it was in use once
	}
	for _, v := range all {
		if v != s && v.Namespace == s.Namespace && v.Annotations[followsAnnotation] == before && (p.referenced[v.Ref] || followed(v)) {
			return v.Name
		}
	}
	return ""
}

// unsettled reports whether what is in use may yet change: another version is
// planned, or a resource that may want this one is held.
func (p *planner) unsettled(s *secrets.Secret) bool {
	for _, r := range p.state.resources {
		if r.Namespace == s.Namespace && p.heldBack(r) != "" {
			return true
		}
	}
	return slices.ContainsFunc(p.plan.Actions, func(a Action) bool {
		switch a := a.(type) {
		case *MakeLeaf:
			return a.Target == s.Target() && a.Role == s.Role()
		case *MakeTrust:
			return a.Target == s.Target() && a.Role == s.Role()
		}
		return false
	})
}
