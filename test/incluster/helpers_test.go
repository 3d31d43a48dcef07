package incluster_test

import (
	"bytes"
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"

	"github.com/flowcert/flowcert/secrets"
)

// background starts flowcert and returns what waits for its end.
func (s *site) background(t *testing.T, args ...string) (wait func() (output string, code int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := s.command(ctx, args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return func() (string, int) {
		<-done
		return output.String(), cmd.ProcessState.ExitCode()
	}
}

// certificateName is the Secret that the instance refers to.
func (s *site) certificateName(t *testing.T) string {
	t.Helper()
	name, _, _ := unstructured.NestedString(s.get(t, epGVR, "my-ep").Object, "spec", "authoring", "tls", "secretName")
	return name
}

// oneOf is a Secret of flowcert's with this role that a resource refers to or a pod mounts.
func (s *site) oneOf(t *testing.T, role secrets.Role) *secrets.Secret {
	t.Helper()
	var newest *secrets.Secret
	for _, secret := range s.ours(t) {
		if secret.Role() == role && (newest == nil || secret.Created().After(newest.Created())) {
			newest = secret
		}
	}
	if newest == nil {
		t.Fatalf("there is no %s", role)
	}
	return newest
}

func (s *site) deleteSecret(t *testing.T, name string) {
	t.Helper()
	s.delete(t, secretsGVR, name)
}

func (s *site) delete(t *testing.T, gvr schema.GroupVersionResource, name string) {
	t.Helper()
	if err := s.Dynamic.Resource(gvr).Namespace(s.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// spoil replaces what is in a Secret with something else. One that is immutable is removed and made again under its
// name; change may take its labels away.
func (s *site) spoil(t *testing.T, name string, change func(*unstructured.Unstructured)) {
	t.Helper()
	u := s.get(t, secretsGVR, name)
	data, _, _ := unstructured.NestedMap(u.Object, "data")
	for k := range data {
		data[k] = "Z2FyYmFnZQ=="
	}
	u.Object["data"] = data
	if change != nil {
		change(u)
	}
	if immutable, _, _ := unstructured.NestedBool(u.Object, "immutable"); immutable {
		s.deleteSecret(t, name)
		u.SetResourceVersion("")
		u.SetUID("")
		if _, err := s.Dynamic.Resource(secretsGVR).Namespace(s.namespace).Create(t.Context(), u, metav1.CreateOptions{FieldManager: "somebody"}); err != nil {
			t.Fatal(err)
		}
		return
	}
	if _, err := s.Dynamic.Resource(secretsGVR).Namespace(s.namespace).Update(t.Context(), u, metav1.UpdateOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
}

// change edits an object as somebody would who does not give up at a conflict.
func (s *site) change(t *testing.T, gvr schema.GroupVersionResource, name, by string, change func(*unstructured.Unstructured)) {
	t.Helper()
	client := s.Dynamic.Resource(gvr).Namespace(s.namespace)
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		u, err := client.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(u)
		_, err = client.Update(t.Context(), u, metav1.UpdateOptions{FieldManager: by})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
