package renew

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// deployedAnnotation is when the user said, of a version that was replaced, that
// what replaced it has been rolled out.
const deployedAnnotation = "flowcert.io/deployed"

// earlierAnnotation holds, on a Secret that is updated in place, the chain that
// it held before, in PEM: whoever loaded it may serve it still.
const earlierAnnotation = "flowcert.io/earlier"

// retired reports whether nothing can use a version any more. In a cluster what
// runs says so. In a directory that is not known: a replaced version counts as in use until the user
// has said that its successor is deployed, and the soak time has passed since.
func (p *planner) retired(s *secrets.Secret) bool {
	if p.referenced[s.Ref] || !secrets.IsVersionName(s.Name) && slices.Contains(leafRoles, s.Role()) {
		return false // what is updated in place is read by its name
	}
	if p.state.live() {
		return !p.state.fresh(s) && len(p.state.uses(s)) == 0
	}
	until, said := p.soaksUntil(s)
	return said && !p.state.Now.Before(until)
}

// fresh reports whether a pod may have loaded, since it was taken over, what a record
// is of: one that is only starting is not seen to use it yet.
func (s *State) fresh(record *secrets.Secret) bool {
	return record.Role() == secrets.RoleAdopted && s.Now.Before(record.Created().Add(kubeletDelay))
}

// soaksUntil is when a version that the user has called replaced stops counting
// as in use: the soak time begins with that word. What did not soak because of a
// compromise does not begin to when that is over.
func (p *planner) soaksUntil(s *secrets.Secret) (until time.Time, said bool) {
	at, err := time.Parse(time.RFC3339, s.Annotations[deployedAnnotation])
	if p.state.compromise() || !at.After(p.state.compromiseEnded()) {
		return at, err == nil
	}
	return at.Add(p.cfg.Rotation.Soak.Std()), err == nil
}

// usedAgain are Secrets that a resource leaves and of which the user has said before
// that they were replaced: somebody had brought an earlier manifest back, or that word
// was of what a Secret of a fixed name held before. It is taken back: until it is said
// again, what the resource leaves is in use.
func (p *planner) usedAgain(r deploy.Resource, w Wiring) []*secrets.Secret {
	if p.state.live() {
		return nil // what runs says what is in use
	}
	var out []*secrets.Secret
	for _, name := range deploy.References(r).Secrets() {
		s := p.state.Secrets[secrets.Ref{Namespace: r.Namespace, Name: name}]
		if s == nil || !s.Ours() || s.Annotations[deployedAnnotation] == "" {
			continue
		}
		if slices.ContainsFunc(w.versions(), func(v *Version) bool { return v != nil && v.Role == s.Role() && v.Name() != name }) {
			out = append(out, s)
		}
	}
	return out
}

// whatNext says what a person can do about a version, or a record, that is still
// in use. Nil stands for a caBundle, which is in no Secret.
func (p *planner) whatNext(s *secrets.Secret) string {
	if s == nil {
		return p.bundleNext()
	}
	if p.state.live() {
		if p.state.fresh(s) {
			return fmt.Sprintf("it counts as in use until %s, when every pod has what took its place", s.Created().Add(kubeletDelay).UTC().Format(time.RFC3339))
		}
		return cmp.Or(p.state.inTheWay(s), "it goes when nothing uses it any more")
	}
	if until, said := p.soaksUntil(s); said && !p.referenced[s.Ref] {
		return countsUntil(until)
	}
	return p.rollOut()
}

func countsUntil(t time.Time) string {
	return fmt.Sprintf("it counts as in use until %s (rotation.soak)", t.UTC().Format(time.RFC3339))
}

// rollOut is what a person has to do who works on a directory.
func (p *planner) rollOut() string {
	if p.state.compromise() {
		return "roll the resources out, then run flowcert apply --deployed"
	}
	return fmt.Sprintf("roll the resources out, then run flowcert apply --deployed, and apply again after %s (rotation.soak)", p.cfg.Rotation.Soak)
}

// keptVersions of everything stay even if nothing uses them: a rollback of Flink
// looks for the Secret of its last stable specification.
const keptVersions = 3

// planCleanup removes versions that were replaced long ago. Without the user's
// word that their successors are deployed, all of them stay.
func (p *planner) planCleanup() {
	gone := map[*secrets.Secret]bool{}
	for _, a := range p.plan.Actions {
		if f, ok := a.(*Forget); ok {
			gone[f.Secret] = true
		}
	}
	used := p.usedNames()
	for _, role := range versionRoles {
		for _, target := range p.targetsOf(role) {
			for i, s := range p.state.versions[slot{target, role}] {
				if gone[s] || used[s.Ref] || !p.retired(s) {
					continue
				}
				if twin := p.twinInUse(s); twin != "" {
					p.act(&Forget{Secret: s, Because: "nothing ever referred to it; " + twin + ", made in the same place, is in use"})
				} else if i >= keptVersions && p.soaked(s) {
					p.act(&Forget{Secret: s})
				}
			}
		}
	}
	for _, h := range p.held() {
		if h.err == nil && !gone[h.secret] && p.state.Now.After(h.id.Chain[0].NotAfter.Add(keptIntermediate)) {
			p.act(&Forget{Secret: h.secret, Because: "it ended on " + day(h.id.Chain[0].NotAfter)})
		}
	}
}

// soaked reports whether a version was replaced long enough ago. In a directory
// retired has counted the time since the user's word.
func (p *planner) soaked(s *secrets.Secret) bool {
	next, replaced := p.state.successor(s)
	return !p.state.live() || replaced && !p.state.Now.Before(next.Add(p.cfg.Rotation.Soak.Std()))
}

// usedNames are the Secrets that this plan makes, or makes again under their own
// names, or wires: they are not the old ones of their name any more.
func (p *planner) usedNames() map[secrets.Ref]bool {
	out := map[secrets.Ref]bool{}
	for _, a := range p.plan.Actions {
		switch a := a.(type) {
		case *MakeTrust:
			out[secrets.Ref{Namespace: a.Namespace, Name: a.Name()}] = true
		case *MakeLeaf:
			out[secrets.Ref{Namespace: a.Namespace, Name: a.Name()}] = true
		case *Rewire:
			for _, v := range a.Wiring.versions() {
				if v != nil {
					out[secrets.Ref{Namespace: a.Resource.Namespace, Name: v.Name()}] = true
				}
			}
		}
	}
	return out
}

// keptIntermediate is how long an intermediate that has ended stays: a clock that
// is wrong for a while shall cost nothing.
const keptIntermediate = 90 * 24 * time.Hour

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
		for _, name := range deploy.References(r).Secrets() {
			out[secrets.Ref{Namespace: r.Namespace, Name: name}] = true
		}
	}
	return out
}

// inOrderOf sorts references, so that messages come out the same every time.
func inOrderOf(references map[secrets.Ref]bool) []secrets.Ref {
	return slices.SortedFunc(maps.Keys(references), byRef)
}

func byRef(a, b secrets.Ref) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// replaced reports whether something else took a version's place: nothing refers
// to it, and there is one that is not older.
func (s *State) replaced(old *secrets.Secret, references map[secrets.Ref]bool) bool {
	if references[old.Ref] {
		return false
	}
	return slices.ContainsFunc(s.versions[slot{old.Target(), old.Role()}], func(v *secrets.Secret) bool {
		return v != old && v.Namespace == old.Namespace && !v.Created().Before(old.Created())
	})
}

// versionRoles are the roles of Secrets that workloads mount and that are
// replaced, never changed.
var versionRoles = []secrets.Role{
	secrets.RoleCertificate, secrets.RoleUICertificate, secrets.RoleCA, secrets.RoleFlinkTLS, secrets.RoleFlinkTrust, secrets.RoleTruststore,
}

// mountedNowhere reports whether a version that only a resource would mount is
// mounted by none: its successor may be older, or its resource is gone.
func mountedNowhere(s *secrets.Secret, references map[secrets.Ref]bool) bool {
	return !references[s.Ref] && (s.Immutable || s.Role() == secrets.RoleTruststore) && !strings.HasPrefix(s.Target(), string(config.KindCertificate)+"/")
}

// Deployed returns the versions that have been replaced, marked with the user's
// word that what replaced them is deployed. Those marked before are left out.
func Deployed(state *State) []*secrets.Secret {
	var out []*secrets.Secret
	references := state.references()
	for _, s := range Removable(state) {
		if s.Role() == secrets.RoleAdopted && s.Annotations[deployedAnnotation] == "" && state.succeeded(s) {
			out = append(out, marking(s, deployedAnnotation, state.Now))
		}
		earlier := s.Annotations[earlierAnnotation]+s.Annotations[earlierTrustAnnotation] != ""
		if !slices.Contains(versionRoles, s.Role()) && !earlier || s.Annotations[deployedAnnotation] != "" {
			continue
		}
		if !state.replaced(s, references) && !earlier && !mountedNowhere(s, references) {
			continue
		}
		out = append(out, marking(s, deployedAnnotation, state.Now))
	}
	return out
}
