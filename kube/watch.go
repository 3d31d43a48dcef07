package kube

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/secrets"
)

// Watch calls changed whenever one of the resources, or a Secret that the store
// looks at, has changed, until the context ends. It says that there is something
// to look at, not what: the next pass reads everything. Only metadata is sent.
// Where a watch breaks it begins again, and what was missed counts as a change.
func (s *Store) Watch(ctx context.Context, changed func()) {
	var all sync.WaitGroup
	for _, ns := range s.cfg.Served() {
		for _, gvr := range []schema.GroupVersionResource{secretResource, eventProcessingResource, flinkDeploymentResource} {
			all.Go(func() { s.watchAll(ctx, s.client.metadata.Resource(gvr).Namespace(ns), gvr, "", changed) })
		}
	}
	for _, ref := range s.readElsewhere() {
		all.Go(func() {
			s.watchAll(ctx, s.client.metadata.Resource(secretResource).Namespace(ref.Namespace), secretResource, ref.Name, changed)
		})
	}
	for _, r := range s.webhooksToWatch() {
		all.Go(func() { s.watchAll(ctx, s.client.metadata.Resource(resourceOf(r)), resourceOf(r), r.Name, changed) })
	}
	all.Wait()
}

// readElsewhere lists the Secrets that the configuration names in namespaces which
// are not served: RBAC permits these names there, and nothing else.
func (s *Store) readElsewhere() []config.Ref {
	served := s.cfg.Served()
	refs := slices.DeleteFunc(s.cfg.Secrets(), func(ref config.Ref) bool {
		return ref.Namespace == "" || slices.Contains(served, ref.Namespace)
	})
	slices.SortFunc(refs, func(a, b config.Ref) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(refs)
}

// Times of a watch: how long the API server keeps it open, and pauses after one
// that broke, which double up to the last. A kind that is not there, or forbidden,
// is soon tried seldom; not at once, because an API server that has just started
// forbids for a moment what it permitted before.
const (
	watchFor         = 8 * time.Minute
	watchAgain       = time.Second
	watchLast        = time.Minute
	watchMissingLast = 5 * time.Minute
)

// watchAll watches until the context ends; one name alone where it is not empty.
func (s *Store) watchAll(ctx context.Context, from metadata.ResourceInterface, gvr schema.GroupVersionResource, name string, changed func()) {
	last := "" // resource version up to which everything was seen
	for pause := time.Duration(0); ; {
		if !sleepFor(ctx, pause) && ctx.Err() != nil {
			return
		}
		began := time.Now()
		err := s.watchOnce(ctx, from, gvr, name, &last, changed)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && time.Since(began) > watchAgain:
			pause = 0
		case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
			pause = min(max(2*pause, watchAgain), watchMissingLast)
		case err != nil:
			last = "" // too old, or unknown: begin with what is there now
			pause = min(max(2*pause, watchAgain), watchLast)
		default:
			pause = watchAgain
		}
		pause += rand.N(pause/4 + 1)
	}
}

func (s *Store) watchOnce(ctx context.Context, from metadata.ResourceInterface, gvr schema.GroupVersionResource, name string, last *string, changed func()) error {
	seconds := int64((watchFor + rand.N(watchFor/4)) / time.Second)
	options := metav1.ListOptions{ResourceVersion: *last, AllowWatchBookmarks: true, TimeoutSeconds: &seconds}
	if name != "" {
		// RBAC permits a name alone only to a watch that asks for no more.
		options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	}
	w, err := from.Watch(ctx, options)
	if err != nil {
		return err
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		if event.Type == watch.Error {
			return apierrors.FromObject(event.Object)
		}
		object, err := meta.Accessor(event.Object)
		if err != nil {
			return err
		}
		*last = object.GetResourceVersion()
		if event.Type != watch.Bookmark && s.concerns(gvr, object) {
			changed()
		}
	}
	return nil
}

// concerns leaves out Secrets that are neither flowcert's nor looked at by name.
func (s *Store) concerns(gvr schema.GroupVersionResource, object metav1.Object) bool {
	if gvr != secretResource || object.GetLabels()[secrets.ManagedLabel] == secrets.ManagedValue {
		return true
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.looksAt[secrets.Ref{Namespace: object.GetNamespace(), Name: object.GetName()}]
}
