package double

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

const hashLabel = "pod-template-hash"

// deployment makes a ReplicaSet of a Deployment's template. One of an earlier template keeps its pods until the new
// ones are ready, and then stays without pods, for a rollback.
func (d *Double) deployment(ctx context.Context, u *unstructured.Unstructured) error {
	deployment := &appsv1.Deployment{}
	if err := convert(u, deployment); err != nil {
		return err
	}
	sets, err := d.replicaSetsOf(ctx, deployment)
	if err != nil {
		return err
	}
	hash := hashOf(deployment.Spec.Template)
	current, ok := sets[hash]
	if !ok {
		_, err := d.apps.ReplicaSets(deployment.Namespace).Create(ctx, replicaSetOf(deployment, hash), metav1.CreateOptions{})
		return err // its creation queues the Deployment again
	}
	isReady := current.Status.ReadyReplicas >= *deployment.Spec.Replicas
	for _, set := range sets {
		want := *deployment.Spec.Replicas
		if set.UID != current.UID {
			if !isReady {
				continue
			}
			want = 0
		}
		if *set.Spec.Replicas == want {
			continue
		}
		set.Spec.Replicas = &want
		if _, err := d.apps.ReplicaSets(set.Namespace).Update(ctx, set, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	status := appsv1.DeploymentStatus{ObservedGeneration: deployment.Generation, UpdatedReplicas: current.Status.Replicas}
	for _, set := range sets {
		status.Replicas += set.Status.Replicas
		status.ReadyReplicas += set.Status.ReadyReplicas
		status.AvailableReplicas += set.Status.AvailableReplicas
	}
	if equality.Semantic.DeepEqual(status, deployment.Status) {
		return nil
	}
	deployment.Status = status
	_, err = d.apps.Deployments(deployment.Namespace).UpdateStatus(ctx, deployment, metav1.UpdateOptions{})
	return err
}

// replicaSetsOf returns the ReplicaSets of a Deployment by the hash of their templates.
func (d *Double) replicaSetsOf(ctx context.Context, deployment *appsv1.Deployment) (map[string]*appsv1.ReplicaSet, error) {
	list, err := d.apps.ReplicaSets(deployment.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	sets := map[string]*appsv1.ReplicaSet{}
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], deployment) {
			sets[list.Items[i].Labels[hashLabel]] = &list.Items[i]
		}
	}
	return sets, nil
}

func replicaSetOf(deployment *appsv1.Deployment, hash string) *appsv1.ReplicaSet {
	template := deployment.Spec.Template.DeepCopy()
	template.Labels = with(template.Labels, hashLabel, hash)
	selector := deployment.Spec.Selector.DeepCopy()
	selector.MatchLabels = with(selector.MatchLabels, hashLabel, hash)
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: deployment.Name + "-" + hash, Namespace: deployment.Namespace,
			Labels: template.Labels, OwnerReferences: ownedBy(deployment, "apps/v1", "Deployment")},
		Spec: appsv1.ReplicaSetSpec{Replicas: deployment.Spec.Replicas, Selector: selector, Template: *template},
	}
}

// replicaSet makes a ReplicaSet have as many pods as it should.
func (d *Double) replicaSet(ctx context.Context, u *unstructured.Unstructured) error {
	set := &appsv1.ReplicaSet{}
	if err := convert(u, set); err != nil {
		return err
	}
	list, err := d.core.Pods(set.Namespace).List(ctx, metav1.ListOptions{LabelSelector: hashLabel + "=" + set.Labels[hashLabel]})
	if err != nil {
		return err
	}
	status := appsv1.ReplicaSetStatus{ObservedGeneration: set.Generation}
	for i := range list.Items {
		pod := &list.Items[i]
		if !metav1.IsControlledBy(pod, set) || pod.DeletionTimestamp != nil {
			continue
		}
		if status.Replicas == *set.Spec.Replicas {
			if err := d.core.Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{}); err != nil {
				return err
			}
			continue
		}
		status.Replicas++
		if ready(pod) {
			status.ReadyReplicas++
			status.AvailableReplicas++
		}
	}
	for ; status.Replicas < *set.Spec.Replicas; status.Replicas++ {
		pod := podOf(set.Spec.Template, ownedBy(set, "apps/v1", "ReplicaSet"))
		pod.GenerateName = set.Name + "-"
		if _, err := d.core.Pods(set.Namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	if equality.Semantic.DeepEqual(status, set.Status) {
		return nil
	}
	set.Status = status
	_, err = d.apps.ReplicaSets(set.Namespace).UpdateStatus(ctx, set, metav1.UpdateOptions{})
	return err
}

// statefulSet makes the pods of a StatefulSet one after the other, and after a change of its template replaces
// them from the last to the first. A pod that is not ready keeps those after it from being made or replaced, as
// the real controller has it where podManagementPolicy is OrderedReady: also the pod itself is not replaced.
func (d *Double) statefulSet(ctx context.Context, u *unstructured.Unstructured) error {
	set := &appsv1.StatefulSet{}
	if err := convert(u, set); err != nil {
		return err
	}
	revision := set.Name + "-" + hashOf(set.Spec.Template)
	status := appsv1.StatefulSetStatus{ObservedGeneration: set.Generation,
		CurrentRevision: set.Status.CurrentRevision, UpdateRevision: revision}
	if status.CurrentRevision == "" {
		status.CurrentRevision = revision
	}
	stale, err := d.orderedPods(ctx, set, &status)
	if err != nil {
		return err
	}
	if status.ReadyReplicas == *set.Spec.Replicas {
		if stale != nil {
			if err := d.core.Pods(stale.Namespace).Delete(ctx, stale.Name, metav1.DeleteOptions{}); err != nil {
				return err
			}
		} else {
			status.CurrentRevision = revision
			status.CurrentReplicas = status.UpdatedReplicas
		}
	}
	if equality.Semantic.DeepEqual(status, set.Status) {
		return nil
	}
	set.Status = status
	_, err = d.apps.StatefulSets(set.Namespace).UpdateStatus(ctx, set, metav1.UpdateOptions{})
	return err
}

// orderedPods counts a StatefulSet's pods into the status, makes the first one that is missing, and returns
// the last one of another revision.
func (d *Double) orderedPods(ctx context.Context, set *appsv1.StatefulSet, status *appsv1.StatefulSetStatus) (stale *corev1.Pod, err error) {
	for i := range *set.Spec.Replicas {
		name := fmt.Sprintf("%s-%d", set.Name, i)
		pod, err := d.core.Pods(set.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			pod = podOf(set.Spec.Template, ownedBy(set, "apps/v1", "StatefulSet"))
			pod.Name = name
			pod.Labels = with(pod.Labels, appsv1.ControllerRevisionHashLabelKey, status.UpdateRevision)
			pod.Labels = with(pod.Labels, appsv1.StatefulSetPodNameLabel, name)
			pod, err = d.core.Pods(set.Namespace).Create(ctx, pod, metav1.CreateOptions{})
		}
		if err != nil {
			return nil, err
		}
		status.Replicas++
		if pod.Labels[appsv1.ControllerRevisionHashLabelKey] == status.UpdateRevision {
			status.UpdatedReplicas++
		} else {
			stale = pod
			status.CurrentReplicas++
		}
		if !ready(pod) {
			return stale, nil
		}
		status.ReadyReplicas++
		status.AvailableReplicas++
	}
	return stale, nil
}

// podOf makes a pod of a template.
func podOf(template corev1.PodTemplateSpec, owners []metav1.OwnerReference) *corev1.Pod {
	template = *template.DeepCopy()
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Labels: template.Labels, Annotations: template.Annotations, OwnerReferences: owners},
		Spec:       template.Spec,
	}
}

// ownedBy refers to the controller of an object.
func ownedBy(owner metav1.Object, apiVersion, kind string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: owner.GetName(), UID: owner.GetUID(),
		Controller: &yes, BlockOwnerDeletion: &yes}}
}

// with returns a copy of labels with one more.
func with(labels map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range labels {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// hashOf is a short hash of a value's JSON.
func hashOf(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // it came as JSON
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:5])
}

// convert reads an object as what it is.
func convert(u *unstructured.Unstructured, into any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into)
}
