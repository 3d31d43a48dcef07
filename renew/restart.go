package renew

import (
	"context"
	"fmt"
	"strings"

	"github.com/flowcert/flowcert/deploy"
)

// Restart deletes pods of an EventProcessing, which its StatefulSet makes anew:
// what they mount has changed in place, or is gone. A FlinkDeployment restarts by a Rewire
// that counts its nonce on.
type Restart struct {
	Resource deploy.Resource
	Pods     []deploy.Pod
	Idle     bool // nothing runs in them
	Because  string
}

// Object, Subject, What, Reason and Disturbs describe the action.

func (a *Restart) Object() string { return a.Resource.String() }

// Subject implements Action.
func (a *Restart) Subject() string { return a.Resource.String() }

func (a *Restart) What() string {
	var names []string
	for _, pod := range a.Pods {
		names = append(names, pod.Name)
	}
	if len(names) == 1 {
		return "pod " + names[0] + " is deleted and comes back"
	}
	return "pods " + strings.Join(names, ", ") + " are deleted and come back"
}

func (a *Restart) Reason() string { return a.Because }

// Disturbs implements Action.
func (a *Restart) Disturbs() string {
	if a.Idle {
		return ""
	}
	return "the Event Processing pod"
}

func (a *Restart) run(ctx context.Context, r *runner) error {
	store, ok := r.store.(podRestarter)
	if !ok {
		return errNoPods
	}
	for _, pod := range a.Pods {
		if err := store.RestartPod(ctx, pod); err != nil {
			return err
		}
	}
	return nil
}

// wireOrRestart plans what a resource needs: a rewrite, or, where what it mounts
// has changed in place and nothing else restarts it, a restart alone.
func (p *planner) wireOrRestart(w wired, result deploy.Result) {
	due := p.restarts[w.resource.String()]
	alone := due != nil && len(result.Conflicts) == 0 && !w.resource.Absent && restarts(w.resource, result.Edits) == ""
	flink, isFlink := w.wiring.(*FlinkWiring)
	if isFlink && due != nil {
		if flink.Content = due.content; alone {
			flink.Restart = due.because
		}
		result = flink.Edits(w.resource, p.plan.Root)
	}
	p.wire(w.resource, w.wiring, result)
	if alone && !isFlink && len(due.pods) > 0 {
		p.act(&Restart{Resource: w.resource, Pods: due.pods, Because: due.because})
	}
}

// changed is the resource that an action changes or restarts; what is idle does not
// restart.
func changed(a Action) (r deploy.Resource, ok bool) {
	switch a := a.(type) {
	case *Rewire:
		return a.Resource, true
	case *Restart:
		return a.Resource, !a.Idle
	}
	return r, false
}

// byHand says of resources of a directory how a person restarts them.
func byHand(resources []deploy.Resource) string {
	var out []string
	for _, r := range resources {
		out = append(out, fmt.Sprintf("the Event Processing pod of %s, by hand: %s", r.Name, RestartCommand(r)))
	}
	return strings.Join(out, "; ")
}

// RestartCommand is what restarts an EventProcessing in whose manifest nothing
// changes.
func RestartCommand(r deploy.Resource) string {
	return fmt.Sprintf("kubectl delete pod -n %s -l app.kubernetes.io/instance=%s", r.Namespace, r.Name)
}
