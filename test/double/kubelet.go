package double

import (
	"bytes"
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// crashes is the annotation of pods whose program ends as soon as it has started.
const crashes = "double/crashes"

// A Pod is one that started.
type Pod struct {
	Namespace, Name string
	UID             types.UID
	Labels          map[string]string
	// Secrets are what it loaded when it started, by name: what its volumes, its environment and nothing else had then.
	Secrets map[string]Loaded
}

// Loaded is the content that a pod found in a Secret.
type Loaded struct {
	UID             types.UID
	ResourceVersion string
	Data            map[string][]byte
}

// Started returns every pod that has started, in order, also those that are gone.
func (d *Double) Started() []Pod {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.started)
}

// Running returns the pods of a namespace that have started and are still there, in the order in which they started.
func (d *Double) Running(ctx context.Context, namespace string) ([]Pod, error) {
	list, err := d.core.Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	there := map[types.UID]bool{}
	for _, pod := range list.Items {
		there[pod.UID] = runs(&pod)
	}
	return slices.DeleteFunc(d.Started(), func(p Pod) bool { return !there[p.UID] }), nil
}

// kubelet starts a pod as soon as everything that it needs of Secrets is there.
func (d *Double) kubelet(ctx context.Context, u *unstructured.Unstructured) error {
	pod := &corev1.Pod{}
	if err := convert(u, pod); err != nil {
		return err
	}
	if !runs(pod) {
		return d.startPod(ctx, pod)
	}
	if !ready(pod) && !crashing(pod) && !d.unready(pod) {
		return d.runPod(ctx, pod)
	}
	return nil
}

// startPod gets a pod from Pending to Running.
func (d *Double) startPod(ctx context.Context, pod *corev1.Pod) error {
	// Before the Secrets are read: one that comes in between is then noticed.
	d.wait(key{"Pod", pod.Namespace, pod.Name})
	loaded, err := d.load(ctx, pod)
	if err != nil {
		return err
	}
	if loaded == nil {
		return d.creating(ctx, pod)
	}
	// Before it is written that the pod runs: whether that write arrives is not known while the API server goes.
	d.record(Pod{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, Labels: maps.Clone(pod.Labels), Secrets: loaded})
	d.noteFirstStart(pod)
	return d.runPod(ctx, pod)
}

// record notes what a pod loaded; what it loaded in a start that was not written down is forgotten.
func (d *Double) record(pod Pod) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.started = append(slices.DeleteFunc(d.started, func(p Pod) bool { return p.UID == pod.UID }), pod)
}

// noteFirstStart finds out whether the pod of an EventProcessing that has never been Running is replaced: the
// instance's storage key is made in its first start.
func (d *Double) noteFirstStart(pod *corev1.Pod) {
	owner := metav1.GetControllerOf(pod)
	if pod.Labels[instanceLabel] == "" || owner == nil {
		return
	}
	d.mu.Lock()
	last, known := d.memory.lastStart[owner.UID]
	d.memory.lastStart[owner.UID] = pod.UID
	replaced := known && last != pod.UID && !d.memory.ran[owner.UID]
	d.mu.Unlock()
	if replaced {
		d.fault(key{"EventProcessing", pod.Namespace, pod.Labels[instanceLabel]}, "its pod was replaced before it had been Running once")
	}
}

// load returns the Secrets that a pod needs, nil if one or a key of one is missing.
func (d *Double) load(ctx context.Context, pod *corev1.Pod) (map[string]Loaded, error) {
	loaded := map[string]Loaded{}
	for _, need := range needs(pod.Spec) {
		secret, err := d.core.Secrets(pod.Namespace).Get(ctx, need.secret, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			if need.optional {
				continue
			}
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, k := range need.keys {
			if _, ok := secret.Data[k]; !ok && !need.optional {
				return nil, nil
			}
		}
		loaded[need.secret] = Loaded{UID: secret.UID, ResourceVersion: secret.ResourceVersion, Data: secret.Data}
	}
	return loaded, nil
}

// A need is a Secret that a pod wants before it starts.
type need struct {
	secret   string
	keys     []string // that have to be in it
	optional bool
}

// needs lists the Secrets of a pod's volumes and environment.
func needs(spec corev1.PodSpec) []need {
	var out []need
	for _, volume := range spec.Volumes {
		if s := volume.Secret; s != nil {
			out = append(out, need{s.SecretName, keysOf(s.Items), isTrue(s.Optional)})
		}
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if s := source.Secret; s != nil {
				out = append(out, need{s.Name, keysOf(s.Items), isTrue(s.Optional)})
			}
		}
	}
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, env := range container.Env {
			if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
				s := env.ValueFrom.SecretKeyRef
				out = append(out, need{s.Name, []string{s.Key}, isTrue(s.Optional)})
			}
		}
		for _, from := range container.EnvFrom {
			if s := from.SecretRef; s != nil {
				out = append(out, need{s.Name, nil, isTrue(s.Optional)})
			}
		}
	}
	return out
}

func keysOf(items []corev1.KeyToPath) []string {
	var out []string
	for _, item := range items {
		out = append(out, item.Key)
	}
	return out
}

func isTrue(b *bool) bool { return b != nil && *b }

// creating notes that a pod's containers wait for their volumes.
func (d *Double) creating(ctx context.Context, pod *corev1.Pod) error {
	if pod.Status.StartTime != nil {
		return nil // noted
	}
	now := metav1.Now()
	status := corev1.PodStatus{Phase: corev1.PodPending, StartTime: &now, Conditions: conditions(false)}
	for _, container := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{Name: container.Name, Image: container.Image,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}})
	}
	return d.writeStatus(ctx, pod, status)
}

// runPod notes that a pod's containers run, and whether they are ready.
func (d *Double) runPod(ctx context.Context, pod *corev1.Pod) error {
	crashed := crashing(pod)
	isReady := !crashed && !d.unready(pod)
	now := metav1.Now()
	status := corev1.PodStatus{Phase: corev1.PodRunning, StartTime: pod.Status.StartTime, PodIP: "127.0.0.1",
		PodIPs: []corev1.PodIP{{IP: "127.0.0.1"}}, Conditions: conditions(isReady)}
	if status.StartTime == nil {
		status.StartTime = &now
	}
	for _, container := range pod.Spec.Containers {
		c := corev1.ContainerStatus{Name: container.Name, Image: container.Image, ImageID: container.Image, Ready: isReady, Started: &isReady,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}}
		if crashed {
			c.RestartCount = 1
			c.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
		}
		status.ContainerStatuses = append(status.ContainerStatuses, c)
	}
	return d.writeStatus(ctx, pod, status)
}

func (d *Double) writeStatus(ctx context.Context, pod *corev1.Pod, status corev1.PodStatus) error {
	for i, c := range status.Conditions {
		if c.Type == corev1.PodScheduled && status.StartTime != nil { // it has its node once and for all
			status.Conditions[i].LastTransitionTime = *status.StartTime
		}
	}
	pod.Status = status
	_, err := d.core.Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

// conditions are a pod's, once it has got its place.
func conditions(isReady bool) []corev1.PodCondition {
	now := metav1.Now()
	status := corev1.ConditionFalse
	if isReady {
		status = corev1.ConditionTrue
	}
	return []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: corev1.PodInitialized, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: corev1.ContainersReady, Status: status, LastTransitionTime: now},
		{Type: corev1.PodReady, Status: status, LastTransitionTime: now},
	}
}

func runs(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodRunning }

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func crashing(pod *corev1.Pod) bool { return pod.Annotations[crashes] != "" }

// unready reports whether HoldReady keeps a pod from being ready.
func (d *Double) unready(pod *corev1.Pod) bool {
	for _, label := range []string{"app", instanceLabel} {
		if name := pod.Labels[label]; name != "" && d.isHeld(d.wishes.heldReady, key{"", pod.Namespace, name}) {
			return true
		}
	}
	return false
}

// Same reports whether a Secret had the same content when it was loaded.
func (l Loaded) Same(other Loaded) bool {
	return l.UID == other.UID && maps.EqualFunc(l.Data, other.Data, bytes.Equal)
}
