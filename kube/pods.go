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
			Hint: "let flowcert delete pods there, or restart it yourself: kubectl delete pod " + p.Name + " -n " + p.Namespace,
		}
	}
	return fmt.Errorf("pod %s/%s: %w", p.Namespace, p.Name, written(err))
}
