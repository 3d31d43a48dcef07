package double

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// patience is how long a resource may take to get into a state. It is long because it only decides when a
// test that hangs is given up.
const patience = time.Minute

// WaitFlink waits until the operator has seen the latest generation of a FlinkDeployment, and has brought it to the lifecycle
// state. For STABLE all its pods have to be ready: the operator calls a session cluster so before its TaskManagers are.
func (d *Double) WaitFlink(t testing.TB, namespace, name, state string) {
	t.Helper()
	d.await(t, flinkKey(namespace, name), state, func(u *unstructured.Unstructured) bool {
		f, err := readFlink(u)
		if err != nil || f.status.LifecycleState != state || f.status.ObservedGeneration < u.GetGeneration() {
			return false
		}
		if state != "STABLE" {
			return true
		}
		pods, err := d.flinkPods(t.Context(), f)
		return err == nil && len(pods) == int(replicasOf(f.spec, "jobManager")+replicasOf(f.spec, "taskManager")) &&
			!slices.ContainsFunc(pods, func(p corev1.Pod) bool { return !ready(&p) })
	})
}

// WaitEventProcessing waits until an EventProcessing is in the phase. For Running its pod has to be that of the latest spec.
func (d *Double) WaitEventProcessing(t testing.TB, namespace, name, phase string) {
	t.Helper()
	d.await(t, key{"EventProcessing", namespace, name}, phase, func(u *unstructured.Unstructured) bool {
		if field(u.Object, "status", "phase") != phase {
			return false
		}
		if phase != "Running" {
			return true
		}
		template, err := eventProcessingPod(u)
		if err != nil {
			return false
		}
		set, err := d.apps.StatefulSets(namespace).Get(t.Context(), name+statefulSetSuffix, metav1.GetOptions{})
		return err == nil && rolledOut(set) && set.Spec.Template.Annotations[specAnnotation] == template.Annotations[specAnnotation]
	})
}

func (d *Double) await(t testing.TB, k key, want string, reached func(*unstructured.Unstructured) bool) {
	t.Helper()
	var status []byte
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		u, err := d.dynamic.Resource(resources[k.kind]).Namespace(k.namespace).Get(t.Context(), k.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			t.Fatalf("%s is not there", k)
		}
		if err != nil {
			continue // the test may have taken the API server away
		}
		if reached(u) {
			return
		}
		if status, err = json.Marshal(u.Object["status"]); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%s is not %s after %v, but: %s", k, want, patience, status)
}
