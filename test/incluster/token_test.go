package incluster_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

var accountGVR = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}

// withTokenFile lets flowcert run with a token in a file, as it is in a pod.
func (s *site) withTokenFile(t *testing.T, name string) (renew func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	config := s.User(t, s.namespace, name)
	renew = func() {
		next := path + ".next"
		if err := os.WriteFile(next, []byte(s.User(t, s.namespace, name).BearerToken), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	renew()
	file := api.NewConfig()
	file.Clusters["test"] = &api.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos["test"] = &api.AuthInfo{TokenFile: path}
	file.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "test"}
	file.CurrentContext = "test"
	s.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*file, s.kubeconfig); err != nil {
		t.Fatal(err)
	}
	return renew
}

// TestATokenThatEnds: the daemon is told so, does nothing meanwhile, and goes on when the kubelet has brought another.
func TestATokenThatEnds(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	renew := s.withTokenFile(t, account)
	run := s.start(t)
	eventually(t, "it is ready", func() bool { code, _ := run.page(t, "/readyz"); return code == 200 })
	s.delete(t, accountGVR, account) // and with it all of its tokens, when the API server has forgotten them
	eventually(t, "it is told that its token has ended", func() bool { return strings.Contains(run.output(), "Unauthorized") })
	name := s.certificateName(t)
	s.deleteSecret(t, name)
	renew()
	eventually(t, "it works again", func() bool { return s.certificateName(t) != name })
	s.as(t, s.Config)
	s.eventuallyPlanned(t)
	run.terminate(t)
	s.endedWell(t, d, plain)
}
