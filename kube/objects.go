package kube

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/yamledit"
)

// resourceFrom makes of an object what deploy works on: its text is its names,
// labels, annotations and specification, or webhooks; the rest is the operator's and the API
// server's.
func resourceFrom(u *unstructured.Unstructured) (deploy.Resource, error) {
	meta := map[string]any{"name": u.GetName()}
	if ns := u.GetNamespace(); ns != "" {
		meta["namespace"] = ns
	}
	if a := u.GetAnnotations(); len(a) > 0 {
		meta["annotations"] = plain(a)
	}
	if l := u.GetLabels(); len(l) > 0 {
		meta["labels"] = plain(l)
	}
	obj := map[string]any{"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "metadata": meta}
	for _, field := range []string{"spec", "webhooks"} {
		if v, ok := u.Object[field]; ok {
			obj[field] = v
		}
	}
	source, err := yamledit.Encode(obj)
	if err == nil {
		// Read back, a value is of the type that edits compare with.
		obj, err = yamledit.Decode(source)
	}
	if err != nil {
		return deploy.Resource{}, fmt.Errorf("%s: %w", deploy.Target(u.GetKind(), u.GetNamespace(), u.GetName()), err)
	}
	status, _ := u.Object["status"].(map[string]any)
	return deploy.Resource{
		Group: u.GroupVersionKind().Group, Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName(),
		Source: source, Object: obj, Status: status,
		Generation: u.GetGeneration(), UID: string(u.GetUID()), ResourceVersion: u.GetResourceVersion(), Writers: writers(u),
	}, nil
}

func plain(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// writers are the field managers, flowcert and those of subresources left aside.
func writers(u *unstructured.Unstructured) []deploy.Writer {
	var out []deploy.Writer
	for _, f := range u.GetManagedFields() {
		if f.Subresource == "" && f.Time != nil && f.Manager != fieldManager {
			out = append(out, deploy.Writer{Name: f.Manager, Time: f.Time.Time})
		}
	}
	slices.SortFunc(out, func(a, b deploy.Writer) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func podFrom(u *unstructured.Unstructured) deploy.Pod {
	phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
	spec, _, _ := unstructured.NestedFieldNoCopy(u.Object, "spec")
	return deploy.Pod{
		Namespace: u.GetNamespace(), Name: u.GetName(), UID: string(u.GetUID()), Labels: u.GetLabels(), Started: started(u),
		Ready: condition(u, "Ready"), Pending: phase == "Pending", Leaving: u.GetDeletionTimestamp() != nil, LeavesBy: leavesBy(u),
		Finished: phase == "Succeeded" || phase == "Failed", Secrets: mountedSecrets(spec),
	}
}

// nodeSlack is how far from the time at which a pod got its node the kubelet's word
// may be that it took the pod: it does so at once. One that says other has a clock
// that is wrong.
const nodeSlack = 2 * time.Minute

// started is when the kubelet took a pod; zero: none has it yet. The kubelet writes
// that by the node's clock; what it is compared with, and when the pod got its node,
// come from the API server's. By a clock that is ahead a pod would pass for one that
// has read what came after it, by one that is behind every new pod for one that has
// not.
func started(u *unstructured.Unstructured) time.Time {
	text, _, _ := unstructured.NestedString(u.Object, "status", "startTime")
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	if scheduled := since(u, "PodScheduled"); !scheduled.IsZero() && at.Sub(scheduled).Abs() > nodeSlack {
		return scheduled
	}
	return at
}

// leavesBy is when a pod that is being deleted is to be gone; zero: it stays.
func leavesBy(u *unstructured.Unstructured) time.Time {
	if at := u.GetDeletionTimestamp(); at != nil {
		return at.Time
	}
	return time.Time{}
}

// since is when a condition became true; zero: it has not, or nobody says when.
func since(u *unstructured.Unstructured, kind string) time.Time {
	all, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range all {
		m, _ := c.(map[string]any)
		if m["type"] != kind || m["status"] != "True" {
			continue
		}
		text, _ := m["lastTransitionTime"].(string)
		at, _ := time.Parse(time.RFC3339, text) // zero: it does not say
		return at
	}
	return time.Time{}
}

func condition(u *unstructured.Unstructured, kind string) bool {
	all, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	return slices.ContainsFunc(all, func(c any) bool {
		m, _ := c.(map[string]any)
		return m["type"] == kind && m["status"] == "True"
	})
}

func controllerFrom(kind string, u *unstructured.Unstructured) deploy.Controller {
	replicas, asked := number(u, "spec", "replicas")
	if !asked {
		replicas = 1 // the API's default
	}
	c := deploy.Controller{
		Kind: kind, Namespace: u.GetNamespace(), Name: u.GetName(), Labels: u.GetLabels(),
		Generation: u.GetGeneration(), Replicas: replicas,
	}
	c.Observed, _ = number(u, "status", "observedGeneration")
	c.Ready, _ = number(u, "status", "readyReplicas")
	c.Updated, _ = number(u, "status", "updatedReplicas")
	if kind == replicaSetKind {
		c.Updated, _ = number(u, "status", "replicas") // it has one template only
	}
	c.PodLabels, _, _ = unstructured.NestedStringMap(u.Object, "spec", "template", "metadata", "labels")
	spec, _, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "template", "spec")
	c.Secrets = mountedSecrets(spec)
	return c
}

func number(u *unstructured.Unstructured, fields ...string) (int64, bool) {
	n, ok, _ := unstructured.NestedInt64(u.Object, fields...)
	return n, ok
}

// mountedSecrets are the Secrets that a pod's volumes name, those inside
// projected volumes among them.
func mountedSecrets(podSpec any) []string {
	spec, _ := podSpec.(map[string]any)
	volumes, _ := spec["volumes"].([]any)
	var out []string
	add := func(name any) {
		if s, _ := name.(string); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, v := range volumes {
		volume, _ := v.(map[string]any)
		secret, _ := volume["secret"].(map[string]any)
		add(secret["secretName"])
		projected, _ := volume["projected"].(map[string]any)
		sources, _ := projected["sources"].([]any)
		for _, s := range sources {
			source, _ := s.(map[string]any)
			inner, _ := source["secret"].(map[string]any)
			add(inner["name"])
		}
	}
	return out
}
