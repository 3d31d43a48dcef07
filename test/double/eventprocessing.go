package double

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	instanceLabel = "app.kubernetes.io/instance"
	// statefulSetSuffix is what people's scripts wait for: <name>-ibm-ep-sts-0.
	statefulSetSuffix = "-ibm-ep-sts"
	specAnnotation    = "double/spec"
)

// eventProcessing does the operator's next step for an EventProcessing.
func (d *Double) eventProcessing(ctx context.Context, u *unstructured.Unstructured) error {
	d.pause(ctx)
	template, err := eventProcessingPod(u)
	if err != nil {
		return d.setPhase(ctx, u, "Failed", err.Error())
	}
	sets := d.apps.StatefulSets(u.GetNamespace())
	set, err := sets.Get(ctx, u.GetName()+statefulSetSuffix, metav1.GetOptions{})
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return err
	}
	d.wait(keyOf(u))
	loaded, err := d.load(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: u.GetNamespace()}, Spec: template.Spec})
	switch {
	case err != nil:
		return err
	case loaded == nil && missing:
		return d.setPhase(ctx, u, "Pending", "waiting for a Secret")
	case loaded == nil:
		return nil // it goes on as it is
	case missing:
		if err := d.setPhase(ctx, u, "Pending", "creating the StatefulSet"); err != nil {
			return err
		}
		_, err := sets.Create(ctx, statefulSetOf(u, template), metav1.CreateOptions{})
		return err
	case set.Spec.Template.Annotations[specAnnotation] != template.Annotations[specAnnotation]:
		set.Spec.Template = template
		_, err := sets.Update(ctx, set, metav1.UpdateOptions{})
		return err
	}
	if !rolledOut(set) {
		return d.setPhase(ctx, u, "Pending", "waiting for the pod")
	}
	d.mu.Lock()
	d.memory.ran[set.UID] = true
	d.mu.Unlock()
	return d.setPhase(ctx, u, "Running", "")
}

// rolledOut reports whether all pods of a StatefulSet are of its template, and ready.
func rolledOut(set *appsv1.StatefulSet) bool {
	s := set.Status
	return s.ObservedGeneration == set.Generation && s.UpdatedReplicas == *set.Spec.Replicas &&
		s.ReadyReplicas == *set.Spec.Replicas && s.CurrentRevision == s.UpdateRevision
}

// setPhase writes the status if it is another.
func (d *Double) setPhase(ctx context.Context, u *unstructured.Unstructured, phase, message string) error {
	status, _ := u.Object["status"].(map[string]any)
	isReady := "False"
	if phase == "Running" {
		isReady = "True"
	}
	if conditions, ok := status["conditions"].([]any); ok && status["phase"] == phase && len(conditions) == 1 {
		if condition, ok := conditions[0].(map[string]any); ok && condition["message"] == message {
			return nil
		}
	}
	if status == nil {
		status = map[string]any{}
	}
	status["phase"] = phase
	status["conditions"] = []any{map[string]any{"type": "Ready", "status": isReady, "reason": phase, "message": message,
		"lastTransitionTime": metav1.Now().UTC().Format("2006-01-02T15:04:05Z")}}
	u.Object["status"] = status
	_, err := d.dynamic.Resource(resources["EventProcessing"]).Namespace(u.GetNamespace()).UpdateStatus(ctx, u, metav1.UpdateOptions{})
	return err
}

func statefulSetOf(u *unstructured.Unstructured, template corev1.PodTemplateSpec) *appsv1.StatefulSet {
	one := int32(1)
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: u.GetName() + statefulSetSuffix, Labels: template.Labels,
			OwnerReferences: ownedBy(u, u.GetAPIVersion(), u.GetKind())},
		Spec: appsv1.StatefulSetSpec{Replicas: &one, Template: template, ServiceName: u.GetName() + "-ibm-eventprocessing-svc",
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{instanceLabel: u.GetName()}}},
	}
}

// eventProcessingPod is the pod that an EventProcessing asks for: the two containers, the Secrets that it names, and the
// user's template over them. The hash of the whole spec is in it: any change rolls the pod.
func eventProcessingPod(u *unstructured.Unstructured) (corev1.PodTemplateSpec, error) {
	spec, _ := u.Object["spec"].(map[string]any)
	volumes, mounts, env := secretsOf(spec)
	base := map[string]any{
		"containers": []any{
			map[string]any{"name": "backend", "image": "ep.example.com/backend:1", "volumeMounts": mounts, "env": env},
			map[string]any{"name": "ui", "image": "ep.example.com/ui:1"},
		},
		"volumes": volumes,
	}
	own, _, err := unstructured.NestedFieldNoCopy(spec, "authoring", "template", "pod", "spec")
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	out := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{
		Labels:      map[string]string{instanceLabel: u.GetName(), "app.kubernetes.io/name": "eventprocessing"},
		Annotations: map[string]string{specAnnotation: hashOf(spec)}}}
	merged, ok := merge(base, own, byPlace).(map[string]any)
	if !ok {
		return out, fmt.Errorf("spec.authoring.template.pod.spec is not a mapping")
	}
	return out, runtime.DefaultUnstructuredConverter.FromUnstructured(merged, &out.Spec)
}

// secretsOf returns volumes for the Secrets that the fields of an EventProcessing name, their mounts, and the
// environment that takes the password of the truststore for Flink.
func secretsOf(spec map[string]any) (volumes, mounts, env []any) {
	add := func(volume, secret string) {
		if secret == "" {
			return
		}
		volumes = append(volumes, map[string]any{"name": volume, "secret": map[string]any{"secretName": secret}})
		mounts = append(mounts, map[string]any{"name": volume, "mountPath": "/var/run/double/" + volume, "readOnly": true})
	}
	add("authoring-tls", field(spec, "authoring", "tls", "secretName"))
	add("authoring-ca", field(spec, "authoring", "tls", "caSecretName"))
	add("ui-tls", field(spec, "authoring", "tls", "ui", "secretName"))
	add("flink-tls", field(spec, "flink", "tls", "secretName"))
	trusted, _, _ := unstructured.NestedSlice(spec, "authoring", "tls", "trustedCertificates") // absent: none
	for i, entry := range trusted {
		if m, ok := entry.(map[string]any); ok {
			add(fmt.Sprintf("trusted-%d", i), str(m["secretName"]))
		}
	}
	if name := field(spec, "flink", "tls", "secretKeyRef", "name"); name != "" {
		env = append(env, map[string]any{"name": "FLINK_TRUSTSTORE_PASSWORD", "valueFrom": map[string]any{
			"secretKeyRef": map[string]any{"name": name, "key": field(spec, "flink", "tls", "secretKeyRef", "key")}}})
	}
	return volumes, mounts, env
}

// field is a text in a spec, "" if it is not there.
func field(spec map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(spec, path...) // another type: not there
	return s
}
