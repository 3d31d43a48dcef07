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
				ours[v.Name] = s.foundSince(v)
			}
		}
	}
	run := deploy.RunningOf(r, s.Live.Running)
	run.Pods = slices.DeleteFunc(run.Pods, s.stuckLeaving)
	h := deploy.HealthOf(r, run, ours)
	if before := s.servesBefore(r); before != "" && h.Rolling == "" && !h.Idle {
		h.Rolling = "its REST endpoint still serves the certificate of " + before
	}
	return h
}

// foundSince is when a version was there for every pod that started later: while it is new, its resource may not have been
// changed yet, or its operator may not have looked.
func (s *State) foundSince(v *secrets.Secret) time.Time {
	if found := v.Created().Add(operatorDelay); s.Now.Before(found) {
		return found
	}
	return v.Created()
}

// operatorDelay is how long it may take from a version's making until the operator of its resource has begun to act.
const operatorDelay = time.Minute

// leavingDelay is how long after its time a pod that is being deleted is waited
// for.
const leavingDelay = 10 * time.Minute

// stuckLeaving reports whether a pod should be gone long since: its node is lost,
// or something keeps it from being removed. Nothing waits for it, or a certificate
// would end for it; what it may have loaded counts still.
func (s *State) stuckLeaving(p deploy.Pod) bool {
	return p.Leaving && !p.LeavesBy.IsZero() && s.Now.After(p.LeavesBy.Add(leavingDelay))
}

// noteStuckLeaving names such pods of what flowcert looks after.
func (p *planner) noteStuckLeaving(r deploy.Resource) {
	for _, pod := range deploy.RunningOf(r, p.state.Live.Running).Pods {
		if p.state.stuckLeaving(pod) {
			p.notice("%s: pod %s should have been gone at %s, and is not waited for any more; what it has loaded counts as in use until it is gone: when it is certain that it does not run, kubectl delete pod --force %s -n %s",
				r, pod.Name, pod.LeavesBy.UTC().Format(time.RFC3339), pod.Name, pod.Namespace)
		}
	}
}

// uses lists what holds on to a Secret in a cluster, its resource left aside.
func (s *State) uses(v *secrets.Secret) []string {
	out := s.Live.Uses(v.Ref)
	for _, name := range v.Originals() {
		out = append(out, s.usesOriginal(v, secrets.Ref{Namespace: v.Namespace, Name: name})...)
	}
	for _, r := range s.resources {
		if r.Namespace == v.Namespace && r.MentionsInHistory(v.Name) {
			out = append(out, r.String()+" (its operator may go back to it)")
		}
		if r.String() == v.Target() && v.Role() == secrets.RoleFlinkTrust {
			out = append(out, s.copiedBy(r, v)...)
		}
	}
	return append(out, s.wantedBack(v)...)
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

// loadedBy counts the pods that mount a version; of one that is updated in place
// those that have loaded what it holds.
func (s *State) loadedBy(referenced []string, v *secrets.Secret) string {
	pods, sure := 0, 0
	for _, p := range s.Live.Pods {
		if !mounts(p, v.Ref) {
			continue
		}
		pods++
		if v.Annotations[earlierTrustAnnotation] == "" || !p.Started.Before(v.Since().Add(kubeletDelay)) {
			sure++
		}
	}
	switch {
	case sure < pods:
		return fmt.Sprintf("%d of %d pods", sure, pods)
	case pods == 1:
		return "1 pod"
	case pods > 1:
		return fmt.Sprintf("%d pods", pods)
	case slices.Contains(referenced, v.Name):
		return "resource"
	}
	return "-"
}

// usesOriginal lists what holds on to a Secret that was taken over. One that made
// room has its name from one of flowcert's now: only who started before that can
// have loaded the original, and the Flink operator reads it anew by itself.
func (s *State) usesOriginal(record *secrets.Secret, ref secrets.Ref) []string {
	now := s.Secrets[ref]
	if now == nil || !now.Ours() || now.Target() != record.Target() {
		return s.Live.Uses(ref)
	}
	var out []string
	for _, p := range s.Live.Pods {
		if record.AdoptedRole() != secrets.RoleOperatorCert && mounts(p, ref) && p.Started.Before(record.Created().Add(kubeletDelay)) {
			out = append(out, "pod "+p.Name)
		}
	}
	return out
}

func mounts(p deploy.Pod, ref secrets.Ref) bool {
	return p.Namespace == ref.Namespace && !p.Finished && slices.Contains(p.Secrets, ref.Name)
}

// mayBeStale reports whether a reader of a Secret that is updated in place may
// still have what was in it until some time: a pod that started before the kubelet
// can have brought what came then, or, where no pod mounts it, nobody knows. The
// Flink operator reads its stores at every call.
func (s *State) mayBeStale(v *secrets.Secret, since time.Time, soak time.Duration) bool {
	sure := since.Add(kubeletDelay)
	if v.Role() == secrets.RoleOperatorCert {
		return s.Now.Before(sure)
	}
	mounted := false
	for _, p := range s.Live.Pods {
		if !mounts(p, v.Ref) {
			continue
		}
		mounted = true
		if p.Started.Before(sure) {
			return true
		}
	}
	return !mounted && s.Now.Before(since.Add(soak))
}

// mounting lists the pods of a resource that mount a Secret and stay.
func (s *State) mounting(r deploy.Resource, name string) []deploy.Pod {
	return slices.DeleteFunc(deploy.RunningOf(r, s.Live.Running).Pods, func(p deploy.Pod) bool {
		return p.Leaving || !mounts(p, secrets.Ref{Namespace: r.Namespace, Name: name})
	})
}

// stalePods are those of them that may have loaded what a Secret which is updated
// in place held before.
func (s *State) stalePods(r deploy.Resource, v *secrets.Secret) []deploy.Pod {
	sure := v.Since().Add(kubeletDelay)
	return slices.DeleteFunc(s.mounting(r, v.Name), func(p deploy.Pod) bool { return !p.Started.Before(sure) })
}

// staleReaders says who may go by what a Secret held before, in words.
func (s *State) staleReaders(v *secrets.Secret) string {
	sure := v.Since().Add(kubeletDelay)
	if v.Role() == secrets.RoleOperatorCert {
		return fmt.Sprintf("the operator may go by what %s held before until %s", v.Name, sure.UTC().Format(time.RFC3339))
	}
	var pods []string
	for _, p := range s.Live.Pods {
		if mounts(p, v.Ref) && p.Started.Before(sure) {
			pods = append(pods, "pod "+p.Name)
		}
	}
	if len(pods) == 0 {
		return ""
	}
	return fmt.Sprintf("what %s held before may be loaded by %s", v.Name, someOf(pods))
}

// inTheWay says what still uses a version, in words.
func (s *State) inTheWay(v *secrets.Secret) string {
	if v.Annotations[earlierTrustAnnotation] != "" {
		if stale := s.staleReaders(v); stale != "" {
			return stale
		}
	}
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
