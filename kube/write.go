package kube

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/yamledit"
)

// fieldManager is what flowcert's changes are marked with in managed fields.
const fieldManager = "flowcert"

// CreateSecret refuses a name that is taken.
func (s *Store) CreateSecret(ctx context.Context, secret *secrets.Secret) error {
	answer, err := s.client.secrets.create(ctx, secretFor(secret))
	if err != nil {
		return fmt.Errorf("%s: %w", secret.Ref, written(err))
	}
	return wrote(secret, answer)
}

// UpdateSecret replaces a Secret of flowcert's, or makes it where there is none.
// An immutable version with other content is removed and made again: its name says
// what it holds, and a pod that starts in between waits for it. One of a fixed name
// that somebody made immutable is refused.
func (s *Store) UpdateSecret(ctx context.Context, secret *secrets.Secret) error {
	there, err := s.client.secrets.get(ctx, secret.Ref)
	switch {
	case apierrors.IsNotFound(err) && secret.ResourceVersion != "":
		return fmt.Errorf("%s: %w", secret.Ref, secrets.ErrChanged)
	case apierrors.IsNotFound(err):
		return s.CreateSecret(ctx, secret)
	case err != nil:
		return fmt.Errorf("%s: %w", secret.Ref, err)
	}
	old := secretFrom(there)
	if !old.Ours() {
		return fmt.Errorf("%s %w", secret.Ref, errNotOurs)
	}
	if secret.ResourceVersion != "" && secret.ResourceVersion != old.ResourceVersion {
		return fmt.Errorf("%s: %w", secret.Ref, secrets.ErrChanged)
	}
	switch {
	case old.Immutable && !secret.Immutable:
		return fmt.Errorf("%s is immutable now: %w", secret.Ref, secrets.ErrChanged)
	case old.Immutable && !sameData(old, secret):
		return s.replace(ctx, secret, old)
	}
	next := secretFor(secret)
	next.OwnerReferences, next.Finalizers = there.OwnerReferences, there.Finalizers
	next.ResourceVersion, next.UID = there.ResourceVersion, there.UID
	answer, err := s.client.secrets.update(ctx, next)
	if err != nil {
		return fmt.Errorf("%s: %w", secret.Ref, written(err))
	}
	return wrote(secret, answer)
}

func sameData(a, b *secrets.Secret) bool {
	if len(a.Data) != len(b.Data) {
		return false
	}
	for k, v := range a.Data {
		if other, ok := b.Data[k]; !ok || string(other) != string(v) {
			return false
		}
	}
	return true
}

func (s *Store) replace(ctx context.Context, secret, old *secrets.Secret) error {
	if err := s.DeleteSecret(ctx, old); err != nil {
		return err
	}
	return s.CreateSecret(ctx, secret)
}

// SetAside keeps what somebody else's Secret is in the record, and then removes
// it, if it is still what was read.
func (s *Store) SetAside(ctx context.Context, old, record *secrets.Secret) error {
	manifest := &secrets.Secret{Ref: old.Ref, Labels: old.Labels, Annotations: old.Annotations, Type: old.Type, Immutable: old.Immutable, Data: old.Data}
	text, err := yamledit.Encode(manifest.Object())
	if err != nil {
		return fmt.Errorf("%s: %w", old.Ref, err)
	}
	record.Data[secrets.ManifestKey] = text
	if err := s.keep(ctx, record); err != nil {
		return err
	}
	return s.remove(ctx, old)
}

// keep writes a record that is not there as it is to be: one that was stopped after it
// had written it comes further the next time.
func (s *Store) keep(ctx context.Context, record *secrets.Secret) error {
	there, err := s.client.secrets.get(ctx, record.Ref)
	if err == nil {
		if have := secretFrom(there); have.Ours() && sameData(have, record) {
			return nil
		}
	}
	return s.UpdateSecret(ctx, record)
}

// PutBack undoes SetAside: the Secret in the record comes back in place of
// flowcert's. The record stays.
func (s *Store) PutBack(ctx context.Context, record *secrets.Secret, ref secrets.Ref) error {
	obj, err := yamledit.Decode(record.Data[secrets.ManifestKey])
	if err != nil {
		return fmt.Errorf("%s: key %q: %w", record.Ref, secrets.ManifestKey, err)
	}
	original, err := secrets.FromObject(obj)
	if err != nil {
		return fmt.Errorf("%s: key %q: %w", record.Ref, secrets.ManifestKey, err)
	}
	there, err := s.client.secrets.get(ctx, ref)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("%s: %w", ref, err)
	default:
		ours := secretFrom(there)
		if !ours.Ours() {
			return nil // it is back already
		}
		if err := s.remove(ctx, ours); err != nil {
			return err
		}
	}
	return s.CreateSecret(ctx, original)
}

// DeleteSecret removes a Secret of flowcert's, if it is still the one that was
// read.
func (s *Store) DeleteSecret(ctx context.Context, secret *secrets.Secret) error {
	if !secret.Ours() {
		return fmt.Errorf("%s %w", secret.Ref, errNotOurs)
	}
	return s.remove(ctx, secret)
}

func (s *Store) remove(ctx context.Context, secret *secrets.Secret) error {
	uid := types.UID(secret.UID)
	only := metav1.Preconditions{UID: &uid}
	if secret.ResourceVersion != "" {
		only.ResourceVersion = &secret.ResourceVersion
	}
	err := s.client.secrets.delete(ctx, secret.Ref, only)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", secret.Ref, written(err))
	}
	return nil
}

// WriteResource changes the annotations and the specification, or the webhooks of
// a webhook configuration, in one patch, if the resource is still what was read.
func (s *Store) WriteResource(ctx context.Context, r deploy.Resource, source []byte) error {
	obj, err := yamledit.Decode(source)
	if err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	meta, _ := obj["metadata"].(map[string]any)
	change := operation{"add", "/spec", orEmpty(obj["spec"])}
	if isWebhooks(r) {
		change = operation{"add", "/webhooks", obj["webhooks"]}
	}
	patch, err := json.Marshal([]operation{
		{"test", "/metadata/uid", r.UID},
		// The API server compares it with what is there and answers with a conflict.
		{"replace", "/metadata/resourceVersion", r.ResourceVersion},
		{"add", "/metadata/annotations", orEmpty(meta["annotations"])},
		change,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err = s.client.dynamic.Resource(resourceOf(r)).Namespace(r.Namespace).Patch(ctx, r.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return s.webhookRefusal(r, fmt.Errorf("%s: %w", r, written(err)))
	}
	return nil
}

// operation is one of a JSON patch (RFC 6902 section 4).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

func orEmpty(v any) any {
	if v == nil {
		return map[string]any{}
	}
	return v
}

func resourceOf(r deploy.Resource) schema.GroupVersionResource {
	switch r.Kind {
	case deploy.FlinkDeploymentKind:
		return flinkDeploymentResource
	case deploy.ValidatingKind:
		return validatingResource
	case deploy.MutatingKind:
		return mutatingResource
	}
	return eventProcessingResource
}
