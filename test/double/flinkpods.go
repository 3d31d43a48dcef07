package double

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	flinkType      = "flink-native-kubernetes"
	flinkContainer = "flink-main-container"
)

// configuration returns flinkConfiguration with flat keys, whichever form it is written in.
func configuration(spec map[string]any) map[string]string {
	out := map[string]string{}
	flatten("", spec["flinkConfiguration"], out)
	return out
}

func flatten(prefix string, value any, out map[string]string) {
	m, ok := value.(map[string]any)
	if !ok {
		if value != nil {
			out[prefix] = fmt.Sprint(value)
		}
		return
	}
	for k, v := range m {
		if prefix != "" {
			k = prefix + "." + k
		}
		flatten(k, v, out)
	}
}

// restarts reports whether a change of the spec restarts anything.
func restarts(old, changed map[string]any) bool {
	return !reflect.DeepEqual(essence(old), essence(changed))
}

// essence is a spec without what the operator can change in place.
func essence(spec map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range spec {
		out[k] = runtime.DeepCopyJSONValue(v)
	}
	conf := configuration(spec)
	for k := range conf {
		if strings.HasPrefix(k, "kubernetes.operator.") || strings.HasPrefix(k, "job.autoscaler.") || k == "parallelism.default" {
			delete(conf, k)
		}
	}
	out["flinkConfiguration"] = conf
	if job, ok := out["job"].(map[string]any); ok {
		delete(job, "upgradeMode")
	}
	// Numbers come as they are from the API server and as float64 from the status.
	return numbersAlike(out).(map[string]any)
}

func numbersAlike(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbersAlike(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbersAlike(v[i])
		}
	case int64:
		return float64(v)
	}
	return value
}

// createJobManager makes the Deployment for a spec. One that crashes never gets ready.
func (d *Double) createJobManager(ctx context.Context, f *flinkDeployment, want snapshot, crashing bool) error {
	template, err := podTemplate(f.name, want.Spec, "jobManager", "jobmanager")
	if err != nil {
		return err
	}
	if crashing {
		template.Annotations = with(template.Annotations, crashes, "true")
	}
	replicas := replicasOf(want.Spec, "jobManager")
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: f.name, Labels: template.Labels,
			Annotations:     map[string]string{generationAnnotation: fmt.Sprint(want.Metadata.Metadata.Generation)},
			OwnerReferences: ownedBy(f.object, f.object.GetAPIVersion(), f.kind)},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Template: template,
			Selector: &metav1.LabelSelector{MatchLabels: roleLabels(f.name, "jobmanager")}},
	}
	_, err = d.apps.Deployments(f.namespace).Create(ctx, deployment, metav1.CreateOptions{})
	return err
}

// taskManagers makes the pods that the JobManager asks Kubernetes for, and reports whether all are ready. They are
// made for the spec that the JobManager runs with.
func (d *Double) taskManagers(ctx context.Context, f *flinkDeployment) (areReady bool, err error) {
	deployment, err := d.apps.Deployments(f.namespace).Get(ctx, f.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil || !available(deployment) {
		return false, err
	}
	deployed, err := f.deployed(deployment)
	if err != nil {
		return false, err
	}
	template, err := podTemplate(f.name, deployed.Spec, "taskManager", "taskmanager")
	if err != nil {
		return false, err
	}
	areReady = true
	for i := range replicasOf(deployed.Spec, "taskManager") {
		name := fmt.Sprintf("%s-taskmanager-1-%d", f.name, i+1)
		pod, err := d.core.Pods(f.namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			pod = podOf(template, ownedBy(deployment, "apps/v1", "Deployment"))
			pod.Name = name
			pod, err = d.core.Pods(f.namespace).Create(ctx, pod, metav1.CreateOptions{})
		}
		if err != nil {
			return false, err
		}
		areReady = areReady && ready(pod)
	}
	return areReady, nil
}

// deployed is the spec that a Deployment was made from.
func (f *flinkDeployment) deployed(deployment *appsv1.Deployment) (snapshot, error) {
	stable, err := readSnapshot(f.status.ReconciliationStatus.LastStableSpec)
	if err != nil {
		return snapshot{}, err
	}
	if deployment.Annotations[generationAnnotation] == fmt.Sprint(stable.Metadata.Metadata.Generation) {
		return stable, nil
	}
	return f.last, nil
}

func replicasOf(spec map[string]any, role string) int32 {
	section, _ := spec[role].(map[string]any)
	switch n := section["replicas"].(type) {
	case int64:
		return int32(n)
	case float64:
		return int32(n)
	}
	return 1
}

func roleLabels(name, component string) map[string]string {
	return map[string]string{"app": name, "component": component, "type": flinkType}
}

// podTemplate is what the operator and Flink make of a spec for one role: the shared pod template, the role's own
// over it, the Secrets of kubernetes.secrets.
func podTemplate(name string, spec map[string]any, role, component string) (corev1.PodTemplateSpec, error) {
	conf := configuration(spec)
	var same func(map[string]any) string
	if conf["kubernetes.operator.pod-template.merge-arrays-by-name"] == "true" {
		same = byName
	}
	section, _ := spec[role].(map[string]any)
	merged, _ := merge(spec["podTemplate"], section["podTemplate"], same).(map[string]any)
	var out corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(merged, &out); err != nil {
		return out, fmt.Errorf("pod template of %s: %w", component, err)
	}
	out.Name = ""
	for k, v := range roleLabels(name, component) {
		out.Labels = with(out.Labels, k, v)
	}
	if account := str(spec["serviceAccount"]); account != "" {
		out.Spec.ServiceAccountName = account
	}
	main := mainContainer(&out.Spec)
	main.Image = str(spec["image"])
	for _, secret := range mountedSecrets(conf["kubernetes.secrets"]) {
		volume := secret.name + "-volume"
		out.Spec.Volumes = append(out.Spec.Volumes, corev1.Volume{Name: volume,
			VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret.name}}})
		main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: volume, MountPath: secret.path})
	}
	return out, nil
}

// mainContainer is Flink's container of a pod, added if the template does not speak of it.
func mainContainer(spec *corev1.PodSpec) *corev1.Container {
	for i := range spec.Containers {
		if spec.Containers[i].Name == flinkContainer {
			return &spec.Containers[i]
		}
	}
	spec.Containers = append(spec.Containers, corev1.Container{Name: flinkContainer})
	return &spec.Containers[len(spec.Containers)-1]
}

type mountedSecret struct{ name, path string }

// mountedSecrets reads the value of kubernetes.secrets.
func mountedSecrets(value string) []mountedSecret {
	var out []mountedSecret
	for pair := range strings.SplitSeq(value, ",") {
		if name, path, ok := strings.Cut(strings.TrimSpace(pair), ":"); ok {
			out = append(out, mountedSecret{name, path})
		}
	}
	return out
}
