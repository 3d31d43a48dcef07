package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/parallel"
	"github.com/flowcert/flowcert/secrets"
)

// Kinds of what makes pods.
const (
	deploymentKind  = "Deployment"
	statefulSetKind = "StatefulSet"
	replicaSetKind  = "ReplicaSet"
)

// pageSize bounds one answer to a list: Secrets with stores are tens of
// kilobytes each, and a page of them is all that is held twice.
const pageSize = 100

// readers is how many Secrets are asked for by name at a time.
const readers = 8

// Store is a cluster as renew plans on it. It looks at the namespaces of one
// configuration, and of their Secrets at flowcert's own and at those that the
// configuration or a resource names. Watch may run beside one goroutine that does
// the rest, and that one may have [Store.Writers] write Secrets for it.
type Store struct {
	client   *Client
	cfg      *config.Config
	instance string // in Events

	noOpenShift bool   // the cluster has said so
	domain      string // of the cluster's routes, as last read

	mutex   sync.Mutex
	looksAt map[secrets.Ref]bool // others' Secrets that the last Read looked at
}

// NewStore returns the store for what a configuration names. Instance names this
// process in Events.
func NewStore(c *Client, cfg *config.Config, instance string) *Store {
	return &Store{client: c, cfg: cfg, instance: instance, looksAt: map[secrets.Ref]bool{}}
}

// Writers is how many of CreateSecret and UpdateSecret may run at a time: with more the API server was not faster.
func (s *Store) Writers() int { return 8 }

// Read looks at every namespace. One that cannot be read is named in the
// snapshot, and the others are there; only a cluster that does not answer is an
// error.
func (s *Store) Read(ctx context.Context) (*secrets.Snapshot, error) {
	snap := &secrets.Snapshot{
		Secrets: map[secrets.Ref]*secrets.Secret{}, ConfigMaps: map[secrets.Ref]map[string]string{},
		Live: &secrets.Live{Closed: map[string]error{}, Unread: map[string]error{}},
	}
	for _, ns := range s.cfg.Served() {
		if err := s.readNamespace(ctx, snap, ns); err != nil {
			if !refused(err) {
				return nil, fmt.Errorf("namespace %s: %w", ns, err)
			}
			snap.Live.Closed[ns] = err
		}
	}
	findOperator(snap)
	err := s.readNamed(ctx, snap)
	if err != nil {
		return nil, err
	}
	if snap.Live.ClusterAPI, err = s.clusterAPI(ctx, len(snap.Live.Closed) == 0); err != nil {
		return nil, err
	}
	if err := s.readWebhooks(ctx, snap); err != nil {
		return nil, err
	}
	snap.Live.Ahead = time.Duration(s.client.clock.ahead.Load())
	return snap, nil
}

// clusterAPI reads spec.domain of ingresses.config.openshift.io/cluster (OpenShift
// documentation, "Ingress [config.openshift.io/v1]"). It is asked for where the
// configuration does not say it; a cluster that has it not, or keeps it to
// itself, is no error, and is not asked again. An API server that has just started
// refuses what it permits a moment later: what it says counts if it was permitted to
// read everything else, and what was read once is not forgotten.
func (s *Store) clusterAPI(ctx context.Context, permitted bool) (string, error) {
	if s.cfg.ClusterAPI != "" || len(s.cfg.EventProcessing) == 0 || s.noOpenShift {
		return s.domain, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	u, err := s.client.dynamic.Resource(ingressConfigResource).Get(ctx, "cluster", metav1.GetOptions{})
	if err != nil {
		if refused(err) {
			s.noOpenShift = permitted && s.domain == ""
			return s.domain, nil
		}
		return "", fmt.Errorf("ingresses.config.openshift.io/cluster: %w", err)
	}
	s.domain, _, _ = unstructured.NestedString(u.Object, "spec", "domain")
	return s.domain, nil
}

// refused reports whether an error concerns the object alone: another namespace
// may still answer.
func refused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err)
}

// readNamespace reads all of a namespace, or nothing of it.
func (s *Store) readNamespace(ctx context.Context, snap *secrets.Snapshot, ns string) error {
	found, err := s.ours(ctx, ns)
	if err != nil {
		return err
	}
	var resources []deploy.Resource
	var live deploy.Running
	unread := map[string]error{}
	add := func(u *unstructured.Unstructured) {
		r, err := resourceFrom(u)
		if err != nil {
			unread[deploy.Target(u.GetKind(), u.GetNamespace(), u.GetName())] = err
			return
		}
		resources = append(resources, r)
	}
	for _, gvr := range []schema.GroupVersionResource{eventProcessingResource, flinkDeploymentResource} {
		// A cluster may have one of the products only: the kind is then not found.
		if err := s.list(ctx, gvr, ns, "", add); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	if err := s.readRunning(ctx, ns, &live); err != nil {
		return err
	}
	maps.Copy(snap.Secrets, found)
	maps.Copy(snap.Live.Unread, unread)
	snap.Resources = append(snap.Resources, resources...)
	snap.Live.Pods = append(snap.Live.Pods, live.Pods...)
	snap.Live.Controllers = append(snap.Live.Controllers, live.Controllers...)
	return nil
}

// findOperator finds the Flink operator by its Deployment (its Helm chart,
// templates/_helpers.tpl). Where that is not there, because somebody installs it
// anew, it is where its stores are: it will read them again.
func findOperator(snap *secrets.Snapshot) {
	for _, c := range snap.Live.Controllers {
		if c.Kind == deploymentKind && c.Labels["app.kubernetes.io/name"] == "flink-kubernetes-operator" {
			snap.Live.OperatorNamespace = c.Namespace
		}
	}
	if snap.Live.OperatorNamespace != "" {
		return
	}
	for ref, secret := range snap.Secrets {
		if ref.Name == config.OperatorCertSecret && secret.Role() == secrets.RoleOperatorCert && snap.Live.OperatorNamespace <= ref.Namespace {
			snap.Live.OperatorNamespace = ref.Namespace
		}
	}
}

// ours are flowcert's Secrets in a namespace, read a page at a time.
func (s *Store) ours(ctx context.Context, ns string) (map[secrets.Ref]*secrets.Secret, error) {
	found := map[secrets.Ref]*secrets.Secret{}
	options := metav1.ListOptions{LabelSelector: secrets.ManagedLabel + "=" + secrets.ManagedValue, Limit: pageSize}
	for {
		page, err := s.client.secrets.list(ctx, ns, options)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			secret := secretFrom(&page.Items[i])
			found[secret.Ref] = secret
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return found, nil
		}
	}
}

func (s *Store) readRunning(ctx context.Context, ns string, live *deploy.Running) error {
	err := s.list(ctx, podResource, ns, "", func(u *unstructured.Unstructured) {
		live.Pods = append(live.Pods, podFrom(u))
	})
	if err != nil {
		return err
	}
	for kind, gvr := range map[string]schema.GroupVersionResource{
		deploymentKind: deploymentResource, statefulSetKind: statefulSetResource, replicaSetKind: replicaSetResource,
	} {
		err := s.list(ctx, gvr, ns, "", func(u *unstructured.Unstructured) {
			live.Controllers = append(live.Controllers, controllerFrom(kind, u))
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(live.Controllers, func(a, b deploy.Controller) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

// list hands over every object of a kind, a page at a time.
func (s *Store) list(ctx context.Context, gvr schema.GroupVersionResource, ns, labels string, each func(*unstructured.Unstructured)) error {
	options := metav1.ListOptions{LabelSelector: labels, Limit: pageSize}
	for {
		page, err := s.get(ctx, gvr, ns, options)
		if err != nil {
			return err
		}
		for i := range page.Items {
			each(&page.Items[i])
			page.Items[i].Object = nil // what was made of it is smaller
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}

func (s *Store) get(ctx context.Context, gvr schema.GroupVersionResource, ns string, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return s.client.dynamic.Resource(gvr).Namespace(ns).List(ctx, o)
}

// readNamed reads the Secrets and ConfigMaps of others' that the configuration or
// a resource names.
func (s *Store) readNamed(ctx context.Context, snap *secrets.Snapshot) error {
	needed := s.named(snap)
	named := slices.SortedFunc(maps.Keys(needed), byRef)
	s.noteNamed(named)
	named = slices.DeleteFunc(named, func(ref secrets.Ref) bool {
		return snap.Secrets[ref] != nil || snap.Live.Closed[ref.Namespace] != nil
	})
	for ref, got := range parallel.InOrder(readers, s.there(ctx, named), s.getter(ctx)) {
		switch {
		case snap.Live.Closed[ref.Namespace] != nil: // since another of them was refused
		case got.err == nil:
			snap.Secrets[ref] = secretFrom(got.secret)
		case apierrors.IsNotFound(got.err):
		case refused(got.err) && needed[ref] && slices.Contains(s.cfg.Served(), ref.Namespace):
			// To list what is flowcert's is not enough: nobody knows whose the name is.
			snap.Close(ref.Namespace, got.err)
		case refused(got.err):
			snap.Broken = append(snap.Broken, fmt.Errorf("%s: %w", ref, got.err))
		default:
			return fmt.Errorf("%s: %w", ref, got.err)
		}
	}
	for _, ref := range s.configMaps() {
		u, err := s.one(ctx, configMapResource, ref)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil && refused(err):
			snap.Broken = append(snap.Broken, fmt.Errorf("configmap %s/%s: %w", ref.Namespace, ref.Name, err))
		case err != nil:
			return fmt.Errorf("configmap %s/%s: %w", ref.Namespace, ref.Name, err)
		default:
			data, _, _ := unstructured.NestedStringMap(u.Object, "data")
			snap.ConfigMaps[ref] = data
		}
	}
	return nil
}

type answer struct {
	secret *corev1.Secret
	err    error
}

func (s *Store) getter(ctx context.Context) func(secrets.Ref) answer {
	return func(ref secrets.Ref) answer {
		secret, err := s.client.secrets.get(ctx, ref)
		return answer{secret, err}
	}
}

// noteNamed tells Watch which of others' Secrets matter.
func (s *Store) noteNamed(refs []secrets.Ref) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	clear(s.looksAt)
	for _, ref := range refs {
		s.looksAt[ref] = true
	}
}

func (s *Store) one(ctx context.Context, gvr schema.GroupVersionResource, ref secrets.Ref) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return s.client.dynamic.Resource(gvr).Namespace(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
}

func (s *Store) configMaps() []secrets.Ref {
	var out []secrets.Ref
	for _, t := range s.cfg.Truststores {
		for _, source := range t.Sources {
			if m := source.ConfigMap; m != nil {
				out = append(out, secrets.Ref{Namespace: m.Namespace, Name: m.Name})
			}
		}
	}
	return out
}

// Prepare has nothing to do: every write of a cluster's is complete in itself.
func (s *Store) Prepare([]string, ...*secrets.Secret) error { return nil }

// written turns the API server's answer to a write into what renew knows.
func written(err error) error {
	switch {
	case apierrors.IsAlreadyExists(err):
		return secrets.ErrExists
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return fmt.Errorf("%w: %w", secrets.ErrChanged, err)
	}
	return err
}

var errNotOurs = errors.New("is not flowcert's: it lacks the label " + secrets.ManagedLabel + "=" + secrets.ManagedValue)
