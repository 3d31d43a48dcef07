package kube

import (
	"cmp"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/flowcert/flowcert/secrets"
)

// secretClient reads and writes Secrets in protobuf: with stores they are the bulk of what goes to the API server and
// comes from it, and as JSON values they took several times the processor time of both and a third more on the way.
// The scheme holds Secrets alone, so that no other kind is linked in.
type secretClient struct {
	rest       rest.Interface
	parameters runtime.ParameterCodec
}

const protobuf = "application/vnd.kubernetes.protobuf"

func newSecretClient(cfg *rest.Config) (*secretClient, error) {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Secret{}, &corev1.SecretList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	cfg = rest.CopyConfig(cfg)
	cfg.APIPath, cfg.GroupVersion = "/api", &corev1.SchemeGroupVersion
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	// What stands between flowcert and the API server may answer in JSON.
	cfg.ContentType, cfg.AcceptContentTypes = protobuf, protobuf+",application/json"
	// Keys and encrypted stores do not get smaller, and both ends would try.
	cfg.DisableCompression = true
	client, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, err
	}
	return &secretClient{rest: client, parameters: runtime.NewParameterCodec(scheme)}, nil
}

func (c *secretClient) list(ctx context.Context, ns string, o metav1.ListOptions) (*corev1.SecretList, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out := &corev1.SecretList{}
	return out, c.rest.Get().Namespace(ns).Resource("secrets").VersionedParams(&o, c.parameters).Do(ctx).Into(out)
}

func (c *secretClient) get(ctx context.Context, ref secrets.Ref) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out := &corev1.Secret{}
	return out, c.rest.Get().Namespace(ref.Namespace).Resource("secrets").Name(ref.Name).Do(ctx).Into(out)
}

func (c *secretClient) create(ctx context.Context, s *corev1.Secret) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out := &corev1.Secret{}
	o := &metav1.CreateOptions{FieldManager: fieldManager}
	return out, c.rest.Post().Namespace(s.Namespace).Resource("secrets").VersionedParams(o, c.parameters).Body(s).Do(ctx).Into(out)
}

func (c *secretClient) update(ctx context.Context, s *corev1.Secret) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out := &corev1.Secret{}
	o := &metav1.UpdateOptions{FieldManager: fieldManager}
	return out, c.rest.Put().Namespace(s.Namespace).Resource("secrets").Name(s.Name).VersionedParams(o, c.parameters).Body(s).Do(ctx).Into(out)
}

func (c *secretClient) delete(ctx context.Context, ref secrets.Ref, only metav1.Preconditions) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return c.rest.Delete().Namespace(ref.Namespace).Resource("secrets").Name(ref.Name).Body(&metav1.DeleteOptions{Preconditions: &only}).Do(ctx).Error()
}

// secretFrom is what the API server has.
func secretFrom(s *corev1.Secret) *secrets.Secret {
	out := &secrets.Secret{
		Ref: secrets.Ref{Namespace: s.Namespace, Name: s.Name}, Labels: orNew(s.Labels), Annotations: orNew(s.Annotations),
		Type: string(s.Type), Immutable: s.Immutable != nil && *s.Immutable, Data: s.Data,
		UID: string(s.UID), ResourceVersion: s.ResourceVersion,
	}
	if out.Data == nil {
		out.Data = map[string][]byte{}
	}
	return out
}

func orNew(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// secretFor is what the API server is sent.
func secretFor(s *secrets.Secret) *corev1.Secret {
	out := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, Labels: s.Labels, Annotations: s.Annotations},
		Type:       corev1.SecretType(cmp.Or(s.Type, string(corev1.SecretTypeOpaque))),
		Data:       s.Data,
	}
	if s.Immutable {
		out.Immutable = &s.Immutable
	}
	return out
}

// wrote takes over which object, and which state of it, a write has made. It refuses what an admission webhook has
// made something else of: what the Secret is for would not work.
func wrote(s *secrets.Secret, answer *corev1.Secret) error {
	s.UID, s.ResourceVersion = string(answer.UID), answer.ResourceVersion
	if !sameData(s, secretFrom(answer)) {
		return fmt.Errorf("%s: an admission webhook of the cluster has changed its data", s.Ref)
	}
	return nil
}
