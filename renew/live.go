package renew

import (
	"fmt"
	"slices"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// kubeletDelay is how long a pod may still read the old content of a Secret that
// is updated in place: what the kubelet projects into a volume lags behind.
const kubeletDelay = 5 * time.Minute

// live reports whether what runs is known: in a cluster, not in a directory.
func (s *State) live() bool { return s.Live != nil }

// clusterAPI is the domain of the cluster's routes: the configured one, or what
// an OpenShift cluster says of itself; empty: there is none.
func (p *planner) clusterAPI() string {
	if p.cfg.ClusterAPI == "" && p.state.live() {
		return p.state.Live.ClusterAPI
	}
	return p.cfg.ClusterAPI
}

// health judges a resource by what runs of it.
func (s *State) health(r deploy.Resource) deploy.Health {
	ours := map[string]time.Time{}
	for k, versions := range s.versions {
		if k.target != r.String() && k.role != secrets.RoleTruststore {
			continue
		}
		for _, v := range versions {
			if v.Namespace == r.Namespace && v.Immutable {
				ours[v.Name] = v.Created()
			}
		}
	}
	h := deploy.HealthOf(r, deploy.RunningOf(r, s.Live.Running), ours)
	if before := s.servesBefore(r); before != "" && h.Rolling == "" && !h.Idle {
		h.Rolling = "its REST endpoint still serves the certificate of " + before
	}
	return h
}

// uses lists what holds on to a Secret in a cluster, its resource left aside.
func (s *State) uses(v *secrets.Secret) []string {
	out := s.Live.Uses(v.Ref)
	for _, name := range v.Originals() {
		out = append(out, s.Live.Uses(secrets.Ref{Namespace: v.Namespace, Name: name})...)
	}
	for _, r := range s.resources {
		if r.Namespace == v.Namespace && r.MentionsInHistory(v.Name) {
			out = append(out, r.String()+" (its operator may go back to it)")
		}
		if r.String() == v.Target() && v.Role() == secrets.RoleFlinkTrust {
			out = append(out, s.copiedBy(r, v)...)
		}
	}
	return out
}

// copiedBy lists the pods that may hold what their operator took from a Secret
// that none of them mounts: those that started before the next version was made.
func (s *State) copiedBy(r deploy.Resource, v *secrets.Secret) []string {
	next, replaced := s.successor(v)
	if !replaced {
		return nil
	}
	var out []string
	for _, p := range deploy.RunningOf(r, s.Live.Running).Pods {
		for _, name := range p.Secrets {
			if other := s.Secrets[secrets.Ref{Namespace: r.Namespace, Name: name}]; other != nil && other.Role() == v.Role() && other.Target() == v.Target() {
				return nil // it is mounted: pods say themselves which one
			}
		}
		if p.Started.Before(next) {
			out = append(out, "pod "+p.Name)
		}
	}
	return out
}

// successor is when the version that came after this one was made.
func (s *State) successor(v *secrets.Secret) (made time.Time, ok bool) {
	for _, other := range s.versions[slot{v.Target(), v.Role()}] {
		if other.Namespace == v.Namespace && other != v && other.Created().After(v.Created()) && (!ok || other.Created().Before(made)) {
			made, ok = other.Created(), true
		}
	}
	return made, ok
}

// loadedBy counts the pods that mount a version.
func (s *State) loadedBy(referenced []string, v *secrets.Secret) string {
	pods := 0
	for _, p := range s.Live.Pods {
		if p.Namespace == v.Namespace && !p.Finished && slices.Contains(p.Secrets, v.Name) {
			pods++
		}
	}
	switch {
	case pods == 1:
		return "1 pod"
	case pods > 1:
		return fmt.Sprintf("%d pods", pods)
	case slices.Contains(referenced, v.Name):
		return "resource"
	}
	return "-"
}

// mayBeStale reports whether a reader of a Secret that is updated in place may
// still have what was in it until some time: a pod that started before the kubelet
// can have brought what came then, or, where no pod mounts it, nobody knows.
func (s *State) mayBeStale(v *secrets.Secret, since time.Time, soak time.Duration) bool {
	mounted := false
	for _, p := range s.Live.Pods {
		if p.Namespace != v.Namespace || p.Finished || !slices.Contains(p.Secrets, v.Name) {
			continue
		}
		mounted = true
		if p.Started.Before(since.Add(kubeletDelay)) {
			return true
		}
	}
	return !mounted && s.Now.Before(since.Add(soak))
}

// inTheWay says what still uses a version, in words.
func (s *State) inTheWay(v *secrets.Secret) string {
	if uses := s.uses(v); len(uses) > 0 {
		return fmt.Sprintf("%s of %s is still in use by %s", v.Name, v.Target(), someOf(uses))
	}
	for _, r := range s.resources {
		if r.Namespace == v.Namespace && slices.Contains(deploy.References(r).Secrets(), v.Name) {
			return fmt.Sprintf("%s refers to %s", r, v.Name)
		}
	}
	return ""
}
