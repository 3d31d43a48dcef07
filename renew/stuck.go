package renew

import (
	"fmt"
	"slices"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// planStuck deletes pods of an EventProcessing that can never start: they mount a
// version that somebody removed, and that nothing refers to any more. A StatefulSet
// replaces no pod that is not ready, whatever its template says since (Kubernetes
// documentation, "StatefulSets", Forced rollback). Nothing runs in such a pod, so
// there is no gate to it.
func (p *planner) planStuck() {
	if !p.state.live() {
		return
	}
	for _, job := range p.sortedEventProcessing() {
		r := job.resource
		if r.Absent || r.Paused() || p.state.Held[r.String()] != "" {
			continue
		}
		var pods []deploy.Pod
		var lacks string
		run := deploy.RunningOf(r, p.state.Live.Running)
		for _, pod := range run.Pods {
			if name := p.waitsInVain(r, run, pod); name != "" {
				pods, lacks = append(pods, pod), name
			}
		}
		if len(pods) > 0 {
			p.act(&Restart{Resource: r, Pods: pods, Idle: true, Because: fmt.Sprintf("it cannot start without %s, which is gone, and a StatefulSet replaces no pod that is not ready", lacks)})
		}
	}
}

// waitsInVain is the version without which a pod cannot start, and that will not
// come back; empty: it may start. The pod that takes its place must not need it too.
func (p *planner) waitsInVain(r deploy.Resource, run deploy.Running, pod deploy.Pod) string {
	if !pod.Pending || pod.Leaving {
		return ""
	}
	for _, name := range pod.Secrets {
		if secrets.IsVersionName(name) && p.state.Secrets[secrets.Ref{Namespace: r.Namespace, Name: name}] == nil &&
			!slices.Contains(deploy.References(r).Secrets(), name) && madeWithout(run.Controllers, name) {
			return name
		}
	}
	return ""
}

// madeWithout reports whether a StatefulSet makes the pods, and none that it makes
// from now on mounts a Secret.
func madeWithout(controllers []deploy.Controller, name string) bool {
	sets := slices.DeleteFunc(slices.Clone(controllers), func(c deploy.Controller) bool { return c.Kind != "StatefulSet" })
	return len(sets) > 0 && !slices.ContainsFunc(sets, func(c deploy.Controller) bool {
		return c.Observed < c.Generation || slices.Contains(c.Secrets, name)
	})
}
