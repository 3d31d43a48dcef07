package double

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
)

// wishes are what a test has asked for.
type wishes struct {
	pace        time.Duration
	heldUpgrade map[key]int
	heldReady   map[key]int
	fates       map[key]fate
}

// A fate is what becomes of the next upgrade of a FlinkDeployment.
type fate struct {
	failure string
	back    bool
}

func newWishes() wishes {
	return wishes{heldUpgrade: map[key]int{}, heldReady: map[key]int{}, fates: map[key]fate{}}
}

// memory is what the double knows and the API server does not.
type memory struct {
	losses, faults []string
	restarts       map[key]int
	rollingBack    map[key]bool
	ran            map[types.UID]bool      // StatefulSets whose EventProcessing has been Running once
	lastStart      map[types.UID]types.UID // the last pod that started, by StatefulSet
}

func newMemory() memory {
	return memory{restarts: map[key]int{}, rollingBack: map[key]bool{}, ran: map[types.UID]bool{}, lastStart: map[types.UID]types.UID{}}
}

func flinkKey(namespace, name string) key { return key{"FlinkDeployment", namespace, name} }

// SetPace has the operators wait before every step; at first they do not.
func (d *Double) SetPace(pace time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wishes.pace = pace
}

// pause waits as SetPace asked for.
func (d *Double) pause(ctx context.Context) {
	d.mu.Lock()
	pace := d.wishes.pace
	d.mu.Unlock()
	if pace == 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(pace):
	}
}

// HoldUpgrade keeps a FlinkDeployment in UPGRADING, with its old pods gone, from its next upgrade on until release is called.
func (d *Double) HoldUpgrade(namespace, name string) (release func()) {
	return d.hold(d.wishes.heldUpgrade, flinkKey(namespace, name))
}

// HoldReady keeps the pods that start from now on for a FlinkDeployment or an EventProcessing from being ready until
// release is called. They run, and have loaded their Secrets.
func (d *Double) HoldReady(namespace, name string) (release func()) {
	return d.hold(d.wishes.heldReady, key{"", namespace, name})
}

func (d *Double) hold(held map[key]int, k key) (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held[k]++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		held[k]--
		if k.kind != "" {
			d.queue.Add(k)
			return
		}
		for _, object := range d.stores[k.namespace]["Pod"].List() {
			if u, ok := object.(*unstructured.Unstructured); ok {
				d.queue.Add(keyOf(u))
			}
		}
	}
}

func (d *Double) isHeld(held map[key]int, k key) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return held[k] > 0
}

// FailNext has the next deployment of a FlinkDeployment fail: its JobManager does not come up, and the message
// stands in status.error until the resource is changed.
func (d *Double) FailNext(namespace, name, message string) {
	d.setFate(flinkKey(namespace, name), fate{failure: message})
}

// RollBackNext has the operator roll the next upgrade of a FlinkDeployment back to the last stable spec, which
// ends in ROLLED_BACK. There has to be one.
func (d *Double) RollBackNext(namespace, name string) {
	d.setFate(flinkKey(namespace, name), fate{back: true})
}

func (d *Double) setFate(k key, f fate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wishes.fates[k] = f
}

// takeFate is what the next deployment comes to; the one after that goes well.
func (d *Double) takeFate(k key) fate {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.wishes.fates[k]
	delete(d.wishes.fates, k)
	return f
}

// EditStatus changes a resource's status, such as error or jobStatus.state, as its operator would. The kind is
// FlinkDeployment or EventProcessing.
func (d *Double) EditStatus(t testing.TB, kind, namespace, name string, edit func(status map[string]any)) {
	t.Helper()
	client := d.dynamic.Resource(resources[kind]).Namespace(namespace)
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		u, err := client.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		status, ok := u.Object["status"].(map[string]any)
		if !ok {
			status = map[string]any{}
			u.Object["status"] = status
		}
		edit(status)
		_, err = client.UpdateStatus(t.Context(), u, metav1.UpdateOptions{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// Losses are the jobs, and the jobs' state, that changes have cost, one sentence each.
func (d *Double) Losses() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.memory.losses)
}

// Faults are changes that should never have been made: to a FlinkDeployment during a rollout, or such that
// an EventProcessing restarts before it has been Running once.
func (d *Double) Faults() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.memory.faults)
}

// Restarts is how often a FlinkDeployment was restarted since its first deployment.
func (d *Double) Restarts(namespace, name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.memory.restarts[flinkKey(namespace, name)]
}

func (d *Double) lose(k key, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.memory.losses = append(d.memory.losses, fmt.Sprintf("%s: %s", k, what))
}

func (d *Double) fault(k key, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.memory.faults = append(d.memory.faults, fmt.Sprintf("%s: %s", k, what))
}
