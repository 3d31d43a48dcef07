package kube

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// isWebhooks tells webhook configurations, which have no specification.
func isWebhooks(r deploy.Resource) bool { return r.Group == deploy.AdmissionGroup }

// webhookOperator is the namespace of the Flink operator whose webhook is wanted;
// empty: none is. The configured one comes before one that was found.
func (s *Store) webhookOperator(found string) string {
	o := s.cfg.FlinkOperator
	switch {
	case o == nil || !o.Webhook:
		return ""
	case o.Namespace != "":
		return o.Namespace
	}
	return found
}

// webhookConfigurations name both configurations of an operator.
func webhookConfigurations(namespace string) []deploy.Resource {
	var out []deploy.Resource
	for _, kind := range deploy.WebhookKinds() {
		out = append(out, deploy.Resource{Group: deploy.AdmissionGroup, Kind: kind, Name: deploy.WebhookConfiguration(namespace)})
	}
	return out
}

// webhooksToWatch are the configurations of an operator whose namespace is
// configured. One that is found is looked at in every pass.
func (s *Store) webhooksToWatch() []deploy.Resource {
	if ns := s.webhookOperator(""); ns != "" {
		return webhookConfigurations(ns)
	}
	return nil
}

// readWebhooks reads the webhook configurations of the Flink operator, if they
// are asked for. That they are forbidden is noted: the rest goes on.
func (s *Store) readWebhooks(ctx context.Context, snap *secrets.Snapshot) error {
	ns := s.webhookOperator(snap.Live.OperatorNamespace)
	if ns == "" {
		return nil
	}
	for _, r := range webhookConfigurations(ns) {
		u, err := s.one(ctx, resourceOf(r), secrets.Ref{Name: r.Name})
		switch {
		case apierrors.IsNotFound(err):
			continue
		case apierrors.IsForbidden(err):
			snap.Live.WebhooksClosed = fmt.Errorf("%s: %w", r, err)
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", r, err)
		}
		read, err := resourceFrom(u)
		if err != nil {
			snap.Broken = append(snap.Broken, err)
			continue
		}
		snap.Webhooks = append(snap.Webhooks, read)
	}
	return nil
}

// webhookRefusal adds the remedy to a write of a webhook configuration that is
// forbidden.
func (s *Store) webhookRefusal(r deploy.Resource, err error) error {
	if !isWebhooks(r) || !apierrors.IsForbidden(err) {
		return err
	}
	return secrets.Refusal{Err: err, Hint: "bind the ClusterRole that flowcert manifests --webhook-namespace prints; it allows to get, patch and watch this name"}
}

// RestartPod deletes a pod that something else will make again, if it is still
// the one that was read.
func (s *Store) RestartPod(ctx context.Context, p deploy.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	uid := types.UID(p.UID)
	err := s.client.dynamic.Resource(podResource).Namespace(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	switch {
	case err == nil, apierrors.IsNotFound(err):
		return nil
	case apierrors.IsForbidden(err):
		return secrets.Refusal{
			Err:  fmt.Errorf("pod %s/%s: %w", p.Namespace, p.Name, err),
			Hint: "let flowcert delete pods there (flowcert manifests prints the Role), or restart it yourself: kubectl delete pod " + p.Name + " -n " + p.Namespace,
		}
	}
	return fmt.Errorf("pod %s/%s: %w", p.Namespace, p.Name, written(err))
}

// Admits asks the API server whether it would take a change of a resource now,
// without making one: it calls every webhook for it. An error with known is why it
// would not; without, it could not be told.
func (s *Store) Admits(ctx context.Context, r deploy.Resource) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err = s.client.dynamic.Resource(resourceOf(r)).Namespace(r.Namespace).Patch(ctx, r.Name, types.MergePatchType, []byte("{}"),
		metav1.PatchOptions{FieldManager: fieldManager, DryRun: []string{metav1.DryRunAll}})
	switch {
	case err == nil, apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return true, nil // whatever is wrong with the resource: the webhook was called
	case apierrors.IsInternalError(err):
		return true, err
	}
	return false, err
}
