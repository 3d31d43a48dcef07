// Package double plays, for tests on a real API server, what a cluster has besides it: the operators of
// Flink and of Event Processing, the controllers of Deployments and StatefulSets, the garbage collector and the kubelet.
//
// Start begins to play in the namespaces that it is given. From then on a FlinkDeployment goes through the states of
// the real operator in their order, and pods that mount what the resources say come and go. A pod starts
// once every Secret that it needs is there, and Started tells which content of which it loaded then. Where a change
// costs jobs or their state, Losses says so; Faults tells what an operator should never have been asked for.
//
// A test steers it with HoldUpgrade, HoldReady, FailNext, RollBackNext, EditStatus and SetPace, and waits with
// WaitFlink and WaitEventProcessing.
//
// What the real ones do was read in the source of the Apache Flink Kubernetes operator and in IBM's documentation. Inferred,
// because Event Processing's operator is closed source: that it waits for the Secrets that a resource names before
// it touches the StatefulSet, that every change of the spec rolls the pod, its status conditions, and the names of the volumes. No
// pod has a node or runs a program, and nothing is scheduled.
package double

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/flowcert/flowcert/test/cluster"
)

// UserAgent is that of the double's requests.
const UserAgent = "operators-double"

// resources are what the double watches, by kind.
var resources = map[string]schema.GroupVersionResource{
	"FlinkDeployment": {Group: "flink.apache.org", Version: "v1beta1", Resource: "flinkdeployments"},
	"EventProcessing": {Group: "events.ibm.com", Version: "v1beta1", Resource: "eventprocessings"},
	"Deployment":      {Group: "apps", Version: "v1", Resource: "deployments"},
	"ReplicaSet":      {Group: "apps", Version: "v1", Resource: "replicasets"},
	"StatefulSet":     {Group: "apps", Version: "v1", Resource: "statefulsets"},
	"Pod":             {Version: "v1", Resource: "pods"},
	"Secret":          {Version: "v1", Resource: "secrets"},
	"Service":         {Version: "v1", Resource: "services"},
	"ConfigMap":       {Version: "v1", Resource: "configmaps"},
}

// onlyOfRealOperators are kinds that the real operators make and the double's do not: they are collected when their owner goes.
var onlyOfRealOperators = map[string]bool{"Service": true, "ConfigMap": true}

// workers is how many objects are worked on at a time.
const workers = 4

// A Double plays the operators and the kubelet in some namespaces.
type Double struct {
	t         testing.TB
	operators bool // are played
	dynamic   dynamic.Interface
	apps      *appsv1client.AppsV1Client
	core      *corev1client.CoreV1Client
	queue     workqueue.TypedRateLimitingInterface[key]
	stores    map[string]map[string]cache.Store // by namespace and kind

	mu      sync.Mutex
	wishes  wishes
	waiting map[key]bool // for a Secret of their namespace
	started []Pod
	memory  memory
}

// A key names an object.
type key struct{ kind, namespace, name string }

func (k key) String() string { return k.kind + " " + k.namespace + "/" + k.name }

// Start plays in the namespaces until the test ends.
func Start(t testing.TB, c *cluster.Cluster, namespaces ...string) *Double {
	t.Helper()
	return start(t, c, true, namespaces)
}

// StartWithoutOperators plays the controllers and the kubelet alone: the operators are real ones. A FlinkDeployment's JobManager
// comes up, because its Deployment has a pod; nobody makes TaskManagers.
func StartWithoutOperators(t testing.TB, c *cluster.Cluster, namespaces ...string) *Double {
	t.Helper()
	return start(t, c, false, namespaces)
}

func start(t testing.TB, c *cluster.Cluster, operators bool, namespaces []string) *Double {
	t.Helper()
	config := rest.CopyConfig(c.Config)
	config.UserAgent = UserAgent
	d := &Double{t: t, operators: operators, stores: map[string]map[string]cache.Store{}, waiting: map[key]bool{}, wishes: newWishes(), memory: newMemory()}
	var err error
	if d.dynamic, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if d.apps, err = appsv1client.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if d.core, err = corev1client.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	// Short waits: a test that takes the API server away wants the double back with it.
	d.queue = workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[key](5*time.Millisecond, 500*time.Millisecond))
	// Not the test's context: that ends before its cleanups run.
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		d.queue.ShutDown()
		running.Wait()
	})
	for _, namespace := range namespaces {
		d.watch(ctx, &running, namespace)
	}
	for range workers {
		running.Go(func() {
			for d.next(ctx) {
			}
		})
	}
	return d
}

// watch has the changes of a namespace's objects put into the queue.
func (d *Double) watch(ctx context.Context, running *sync.WaitGroup, namespace string) {
	d.t.Helper()
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(d.dynamic, 0, namespace, nil)
	d.stores[namespace] = map[string]cache.Store{}
	for kind, resource := range resources {
		if d.operators && onlyOfRealOperators[kind] {
			continue
		}
		informer := factory.ForResource(resource).Informer()
		d.stores[namespace][kind] = informer.GetStore()
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    d.changed,
			UpdateFunc: d.updated,
			DeleteFunc: d.deleted,
		}); err != nil {
			d.t.Fatal(err)
		}
		running.Go(func() { informer.RunWithContext(ctx) })
	}
}

// changed queues an object and what has to do with it.
func (d *Double) changed(object any) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return
	}
	k := keyOf(u)
	d.queue.Add(k)
	if k.kind == "Secret" {
		d.retryWaiting(k.namespace)
	}
	for _, owner := range u.GetOwnerReferences() {
		d.queue.Add(key{owner.Kind, k.namespace, owner.Name})
	}
	// Flink's operator looks at the pods too, which are not its own.
	if labels := u.GetLabels(); k.kind == "Pod" && labels["type"] == flinkType {
		d.queue.Add(key{"FlinkDeployment", k.namespace, labels["app"]})
	}
}

// updated is changed. While a watch was away an object may have been deleted and another made under its name.
func (d *Double) updated(before, object any) {
	was, one := before.(*unstructured.Unstructured)
	is, two := object.(*unstructured.Unstructured)
	if one && two && was.GetUID() != is.GetUID() {
		d.deleted(was)
	}
	d.changed(object)
}

// deleted queues what belonged to an object, too.
func (d *Double) deleted(object any) {
	if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = last.Obj
	}
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return
	}
	d.changed(u)
	for _, store := range d.stores[u.GetNamespace()] {
		for _, other := range store.List() {
			if dependent, ok := other.(*unstructured.Unstructured); ok && owns(u, dependent) {
				d.queue.Add(keyOf(dependent))
			}
		}
	}
}

func keyOf(u *unstructured.Unstructured) key { return key{u.GetKind(), u.GetNamespace(), u.GetName()} }

func owns(owner, dependent metav1.Object) bool {
	for _, ref := range dependent.GetOwnerReferences() {
		if ref.UID == owner.GetUID() {
			return true
		}
	}
	return false
}

// wait has an object worked on again when a Secret of its namespace changes.
func (d *Double) wait(k key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting[k] = true
}

func (d *Double) retryWaiting(namespace string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.waiting {
		if k.namespace == namespace {
			delete(d.waiting, k)
			d.queue.Add(k)
		}
	}
}

// next works on one object. It returns false when there will be no more.
func (d *Double) next(ctx context.Context) bool {
	k, shutdown := d.queue.Get()
	if shutdown {
		return false
	}
	defer d.queue.Done(k)
	err := d.reconcile(ctx, k)
	switch {
	case err == nil:
		d.queue.Forget(k)
	case ctx.Err() != nil:
	default:
		// A conflict is daily business. The API server may be gone: that is a test's doing.
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
			d.t.Logf("double: %s: %v", k, err)
		}
		d.queue.AddRateLimited(k)
	}
	return true
}

// reconcile does the next step for an object, on what the API server has now.
func (d *Double) reconcile(ctx context.Context, k key) error {
	if k.kind == "Secret" {
		return nil
	}
	resource, ok := resources[k.kind]
	if !ok {
		return nil // an owner that is nothing to us
	}
	u, err := d.dynamic.Resource(resource).Namespace(k.namespace).Get(ctx, k.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || u.GetDeletionTimestamp() != nil {
		return err
	}
	if collected, err := d.collect(ctx, u); collected || err != nil {
		return err
	}
	if !d.operators && (k.kind == "FlinkDeployment" || k.kind == "EventProcessing") {
		return nil
	}
	switch k.kind {
	case "FlinkDeployment":
		return d.flink(ctx, u)
	case "EventProcessing":
		return d.eventProcessing(ctx, u)
	case "Deployment":
		return d.deployment(ctx, u)
	case "ReplicaSet":
		return d.replicaSet(ctx, u)
	case "StatefulSet":
		return d.statefulSet(ctx, u)
	case "Pod":
		return d.kubelet(ctx, u)
	case "Service", "ConfigMap":
		return nil
	}
	return fmt.Errorf("nobody plays the part of %s", k.kind)
}

// collect deletes an object whose owner is gone, as the garbage collector does.
func (d *Double) collect(ctx context.Context, u *unstructured.Unstructured) (bool, error) {
	for _, ref := range u.GetOwnerReferences() {
		resource, ok := resources[ref.Kind]
		if !ok {
			continue
		}
		owner, err := d.dynamic.Resource(resource).Namespace(u.GetNamespace()).Get(ctx, ref.Name, metav1.GetOptions{})
		if err == nil && owner.GetUID() == ref.UID {
			continue
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return false, err
		}
		return true, d.delete(ctx, u)
	}
	return false, nil
}

// delete deletes this very object. It is no error if it is gone.
func (d *Double) delete(ctx context.Context, u *unstructured.Unstructured) error {
	uid, now := u.GetUID(), int64(0)
	err := d.dynamic.Resource(resources[u.GetKind()]).Namespace(u.GetNamespace()).Delete(ctx, u.GetName(),
		metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &uid}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
