package cluster

import (
	"cmp"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	authorizationv1client "k8s.io/client-go/kubernetes/typed/authorization/v1"
	rbacv1client "k8s.io/client-go/kubernetes/typed/rbac/v1"
)

// awaitGranted waits until the API server grants what a binding gives to ServiceAccounts: its authorizer reads Roles
// and bindings from a copy, which learns of them a moment after they are stored.
func (c *Cluster) awaitGranted(t testing.TB, object *unstructured.Unstructured) {
	t.Helper()
	// A ClusterRoleBinding differs only in having no namespace.
	var binding rbacv1.RoleBinding
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &binding); err != nil {
		t.Fatal(err)
	}
	reviews, err := authorizationv1client.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	rules := c.rulesOf(t, binding)
	for _, subject := range binding.Subjects {
		for _, rule := range rules {
			if subject.Kind == rbacv1.ServiceAccountKind && len(rule.Resources) > 0 {
				user := UserName(cmp.Or(subject.Namespace, binding.Namespace), subject.Name)
				awaitAllowed(t, reviews.SubjectAccessReviews(), reviewOf(user, binding.Namespace, rule))
			}
		}
	}
}

func (c *Cluster) rulesOf(t testing.TB, binding rbacv1.RoleBinding) []rbacv1.PolicyRule {
	t.Helper()
	roles, err := rbacv1client.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	if binding.RoleRef.Kind == "Role" {
		role, err := roles.Roles(binding.Namespace).Get(t.Context(), binding.RoleRef.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return role.Rules
	}
	role, err := roles.ClusterRoles().Get(t.Context(), binding.RoleRef.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

// reviewOf asks for the first thing that a rule grants: all of it comes at once.
func reviewOf(user, namespace string, rule rbacv1.PolicyRule) *authorizationv1.SubjectAccessReview {
	resource, subresource, _ := strings.Cut(rule.Resources[0], "/")
	attributes := &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: resource, Subresource: subresource,
	}
	if len(rule.ResourceNames) > 0 {
		attributes.Name = rule.ResourceNames[0]
	}
	return &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: attributes}}
}

func awaitAllowed(t testing.TB, reviews authorizationv1client.SubjectAccessReviewInterface, review *authorizationv1.SubjectAccessReview) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		answer, err := reviews.Create(t.Context(), review, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status.Allowed {
			return
		}
	}
	t.Fatalf("%s may not do what its Role grants: %v", review.Spec.User, review.Spec.ResourceAttributes)
}
