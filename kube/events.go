package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/deploy"
)

// maxNote bounds an Event's note (k8s.io/api/events/v1, Event.note).
const maxNote = 1024

// Event types, as kubectl shows them.
const (
	normal  = "Normal"
	warning = "Warning"
)

// Event tells people something about a resource, where kubectl describe shows it.
// Action is what was done or tried, reason why in one word.
func (s *Store) Event(ctx context.Context, r deploy.Resource, warns bool, reason, action, note string) error {
	kind := normal
	if warns {
		kind = warning
	}
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote-len("…")], "") + "…"
	}
	now := time.Now()
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "events.k8s.io/v1", "kind": "Event",
		"eventTime": now.UTC().Format(leaseTime), "type": kind, "reason": reason, "action": action, "note": note,
		"reportingController": "flowcert.io/flowcert", "reportingInstance": s.instance,
		"regarding": map[string]any{
			"apiVersion": resourceOf(r).GroupVersion().String(), "kind": r.Kind, "namespace": r.Namespace, "name": r.Name, "uid": r.UID,
		},
	}}
	u.SetNamespace(r.Namespace)
	u.SetName(fmt.Sprintf("%s.%x", strings.ToLower(r.Name), now.UnixNano()))
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := s.client.dynamic.Resource(eventResource).Namespace(r.Namespace).Create(ctx, u, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("event on %s: %w", r, err)
	}
	return nil
}
