package incluster_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"

	"github.com/flowcert/flowcert/pki"
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

// flinkConfiguration is the session cluster's.
func (s *site) flinkConfiguration(t *testing.T) map[string]string {
	t.Helper()
	conf, _, err := unstructured.NestedStringMap(s.get(t, flinkGVR, "session").Object, "spec", "flinkConfiguration")
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// create makes an object in the site's namespace.
func (s *site) create(t *testing.T, gvr schema.GroupVersionResource, u *unstructured.Unstructured) {
	t.Helper()
	if _, err := s.Dynamic.Resource(gvr).Namespace(s.namespace).Create(t.Context(), u, metav1.CreateOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
}

// truststoreOf is the Secret that the volume "truststore" of a resource names.
func (s *site) truststoreOf(t *testing.T, gvr schema.GroupVersionResource, name string) string {
	t.Helper()
	fields := []string{"spec", "podTemplate", "spec", "volumes"}
	if gvr == epGVR {
		fields = []string{"spec", "authoring", "template", "pod", "spec", "volumes"}
	}
	volumes, _, _ := unstructured.NestedSlice(s.get(t, gvr, name).Object, fields...)
	for _, v := range volumes {
		if m, _ := v.(map[string]any); m["name"] == "truststore" {
			secret, _, _ := unstructured.NestedString(m, "secret", "secretName")
			return secret
		}
	}
	return ""
}

// testCA is the certificate of a CA of somebody else's.
func testCA(t *testing.T, name string) string {
	t.Helper()
	key, err := pki.GenerateKey(pki.KeySpec{Algorithm: pki.ECDSA, Size: 256})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cert, err := pki.NewRoot(pki.RootRequest{Subject: pki.Subject{CommonName: name}, Key: key, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(5, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return string(pki.EncodeCertificates(cert))
}
