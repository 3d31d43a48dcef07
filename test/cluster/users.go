package cluster

import (
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Namespace makes a namespace for the test and returns its name. It stays until the control plane ends: nothing here
// could delete what is in it.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	namespace, err := c.core.Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// User returns the configuration of a ServiceAccount, with a token that is good for an hour. The account is
// made if it is not there, and may do nothing until a Role is bound to it. Deleting the ServiceAccount ends its tokens.
func (c *Cluster) User(t testing.TB, namespace, name string) *rest.Config {
	t.Helper()
	accounts := c.core.ServiceAccounts(namespace)
	_, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	token, err := accounts.CreateToken(t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(c.Config)
	config.BearerToken = token.Status.Token
	return config
}

// UserName is the name under which RBAC and the audit log know a ServiceAccount.
func UserName(namespace, name string) string {
	return "system:serviceaccount:" + namespace + ":" + name
}

// KubeConfig returns the path of a kubeconfig file of the administrator's, which is there until the test ends.
func (c *Cluster) KubeConfig(t testing.TB) string {
	t.Helper()
	return KubeConfig(t, c.Config, metav1.NamespaceDefault)
}

// KubeConfig writes a kubeconfig file for a configuration and returns its path. The context "test" has the namespace.
func KubeConfig(t testing.TB, config *rest.Config, namespace string) string {
	t.Helper()
	file := api.NewConfig()
	file.Clusters["test"] = &api.Cluster{Server: strings.TrimSuffix(config.Host, "/"), CertificateAuthorityData: config.CAData}
	file.AuthInfos["test"] = &api.AuthInfo{
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
		Token:                 config.BearerToken,
	}
	file.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "test", Namespace: namespace}
	file.CurrentContext = "test"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		t.Fatal(err)
	}
	return path
}
