package kube

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Times of a lease, those of client-go's own leader election: a holder that does
// not renew for leaseDuration has lost it, and gives up by itself after
// renewDeadline, so that there are never two.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	renewEvery    = 5 * time.Second
	renewAgain    = time.Second // after a try that failed
)

// leaseTime is how a Lease writes times (k8s.io/api/coordination/v1, MicroTime).
const leaseTime = "2006-01-02T15:04:05.000000Z07:00"

// Lease is the right to write (Kubernetes documentation, "Leases"). Whoever
// holds it acts; others look on. It is for one goroutine until it is held.
//
// It is written here, on the dynamic client, because client-go's leader election
// links the typed clientset, which would be most of the binary.
type Lease struct {
	client          *Client
	namespace, name string
	identity        string

	seen   string    // the holder and its last renewal, as last read
	seenAt time.Time // by this clock: clocks of other machines are not compared
}

// NewLease names the lease. Identity tells this process from every other one.
func NewLease(c *Client, namespace, name, identity string) *Lease {
	return &Lease{client: c, namespace: namespace, name: name, identity: identity}
}

// Try takes the lease if it is free, or has not been renewed for its duration
// while this process looked on. Otherwise it names the holder.
func (l *Lease) Try(ctx context.Context) (holder string, err error) {
	ctx, cancel := context.WithTimeout(ctx, renewDeadline)
	defer cancel()
	leases := l.client.dynamic.Resource(leaseResource).Namespace(l.namespace)
	now := time.Now()
	u, err := leases.Get(ctx, l.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		u = &unstructured.Unstructured{Object: map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}}
		u.SetName(l.name)
		u.SetNamespace(l.namespace)
		l.claim(u, now)
		_, err = leases.Create(ctx, u, metav1.CreateOptions{FieldManager: fieldManager})
		return l.lostRace(err)
	}
	if err != nil {
		return "", fmt.Errorf("lease %s/%s: %w", l.namespace, l.name, err)
	}
	if holder, free := l.judge(u, now); !free {
		return holder, nil
	}
	l.claim(u, now)
	_, err = leases.Update(ctx, u, metav1.UpdateOptions{FieldManager: fieldManager})
	return l.lostRace(err)
}

// Is reports whether a holder that Try named is this process.
func (l *Lease) Is(holder string) bool { return holder == l.identity }

// somebody has changed the lease since it was read: who, and whether it is theirs
// now, the next look tells.
const somebody = "another flowcert"

// lostRace turns a conflict into the word that somebody else was faster.
func (l *Lease) lostRace(err error) (holder string, _ error) {
	switch {
	case err == nil:
		return l.identity, nil
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return somebody, nil
	}
	return "", fmt.Errorf("lease %s/%s: %w", l.namespace, l.name, err)
}

// judge reports whether the lease is free, and who holds it otherwise.
func (l *Lease) judge(u *unstructured.Unstructured, now time.Time) (holder string, free bool) {
	holder, _, _ = unstructured.NestedString(u.Object, "spec", "holderIdentity")
	renewed, _, _ := unstructured.NestedString(u.Object, "spec", "renewTime")
	if holder == "" || holder == l.identity {
		return holder, true
	}
	if seen := holder + " " + renewed; seen != l.seen {
		l.seen, l.seenAt = seen, now
	}
	return holder, now.Sub(l.seenAt) >= leaseDuration
}

func (l *Lease) claim(u *unstructured.Unstructured, now time.Time) {
	spec, _, _ := unstructured.NestedMap(u.Object, "spec")
	if spec == nil {
		spec = map[string]any{}
	}
	if spec["holderIdentity"] != l.identity {
		moves, _ := spec["leaseTransitions"].(int64)
		spec["leaseTransitions"] = moves + 1
		spec["acquireTime"] = now.UTC().Format(leaseTime)
	}
	spec["holderIdentity"] = l.identity
	spec["leaseDurationSeconds"] = int64(leaseDuration / time.Second)
	spec["renewTime"] = now.UTC().Format(leaseTime)
	u.Object["spec"] = spec
}

// Hold renews a lease that Try has taken. The context that it returns ends when
// the lease is lost, and with the one given; release gives it up, so that the
// next one need not wait.
func (l *Lease) Hold(ctx context.Context) (held context.Context, release func()) {
	held, stop := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		last, pause := time.Now(), renewEvery
		for sleepFor(held, pause) {
			began := time.Now()
			holder, err := l.tryUntil(held, last.Add(renewDeadline))
			switch {
			case err == nil && holder == l.identity:
				last, pause = began, renewEvery
			case err == nil && holder != somebody, time.Since(last) >= renewDeadline:
				stop(ErrLeaseLost)
			default:
				pause = min(renewAgain, time.Until(last.Add(renewDeadline)))
			}
		}
	}()
	return held, func() {
		stop(nil)
		<-done
		l.free()
	}
}

// tryUntil is Try, but no longer than until the deadline: an API server that does
// not answer must not keep the holder from giving up in time.
func (l *Lease) tryUntil(ctx context.Context, deadline time.Time) (holder string, err error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return l.Try(ctx)
}

// ErrLeaseLost is the cause of a context that ended because another process may
// write now.
var ErrLeaseLost = fmt.Errorf("the lease was lost: another flowcert may be at work")

// free gives the lease up, if it is still ours. Where that fails, it ends by
// itself.
func (l *Lease) free() {
	ctx, cancel := context.WithTimeout(context.Background(), renewEvery)
	defer cancel()
	leases := l.client.dynamic.Resource(leaseResource).Namespace(l.namespace)
	u, err := leases.Get(ctx, l.name, metav1.GetOptions{})
	if err != nil {
		return
	}
	if holder, _, _ := unstructured.NestedString(u.Object, "spec", "holderIdentity"); holder != l.identity {
		return
	}
	_ = unstructured.SetNestedField(u.Object, "", "spec", "holderIdentity")
	_, _ = leases.Update(ctx, u, metav1.UpdateOptions{FieldManager: fieldManager})
}

func sleepFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
