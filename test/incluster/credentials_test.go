package incluster_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/flink"
)

// furnish puts a folder where a pod finds its ServiceAccount, in mounts of its own, and runs what follows.
const furnish = `
set -eu
run=$(readlink -f /var/run)
mount -t tmpfs none "$run"
mkdir -p "$run/secrets/kubernetes.io"
ln -s "$1" "$run/secrets/kubernetes.io/serviceaccount"
shift
exec "$@"
`

// inPod is a command of flowcert's as a pod runs it: the only credentials are those that the kubelet has put there.
// Files are the names in the ServiceAccount's folder and what is in them.
func (s *site) inPod(t *testing.T, files map[string]string, args ...string) *exec.Cmd {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(s.Config.Host, "https://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	line := slices.Concat(flink.Unshare(t), []string{"sh", "-c", furnish, "pod", folder, program}, args)
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port}
	return cmd
}

// TestAsAPod: without a kubeconfig the ServiceAccount of the pod is used, and init takes its namespace. Every request
// says that it is flowcert's.
func TestAsAPod(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Apply(t, s.namespace, s.expand(plain))
	user := s.User(t, s.namespace, account)
	files := map[string]string{"token": user.BearerToken, "ca.crt": string(user.CAData), "namespace": s.namespace}
	if r := finished(t, s.inPod(t, files, "init")); r.code != 0 {
		t.Fatalf("init: %s", r)
	}
	if text, err := os.ReadFile(filepath.Join(s.dir, "flowcert.yaml")); err != nil || !strings.Contains(string(text), "namespace: "+s.namespace) {
		t.Errorf("init wrote %q, %v", text, err)
	}
	s.write(t, "flowcert.yaml", config)
	if r := finished(t, s.inPod(t, files, "apply")); r.code != 0 {
		t.Fatalf("apply: %s", r)
	}
	s.must(t, 0, "plan")

	asked := 0
	for _, q := range s.Requests(t) {
		if q.User != cluster.UserName(s.namespace, account) {
			continue
		}
		asked++
		if !strings.HasPrefix(q.UserAgent, "flowcert/") {
			t.Errorf("a request of %q: %+v", q.UserAgent, q)
		}
	}
	if asked == 0 {
		t.Error("nobody asked as the ServiceAccount")
	}

	// A pod that gets no token has no cluster.
	r := finished(t, s.inPod(t, nil, "plan"))
	if r.code != 1 || !strings.Contains(r.stderr, "no cluster is configured") || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("without a token: %s", r)
	}
}

// TestContexts: of several files and contexts the one is used that is asked for.
func TestContexts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(t, "flowcert.yaml", config)
	s.Apply(t, s.namespace, s.expand(plain))
	may := s.kubeconfig
	mayNot := filepath.Join(t.TempDir(), "other")
	file, err := clientcmd.LoadFromFile(cluster.KubeConfig(t, s.User(t, s.namespace, "nobody"), s.namespace))
	if err != nil {
		t.Fatal(err)
	}
	file.Contexts["nobody"], file.AuthInfos["nobody"] = file.Contexts["test"], file.AuthInfos["test"]
	file.Contexts["nobody"].AuthInfo, file.CurrentContext = "nobody", "nobody"
	delete(file.Contexts, "test")
	delete(file.AuthInfos, "test")
	if err := clientcmd.WriteToFile(*file, mayNot); err != nil {
		t.Fatal(err)
	}

	// The first file decides which context is the current one; what is not there is passed over.
	s.kubeconfig = strings.Join([]string{filepath.Join(t.TempDir(), "absent"), mayNot, may}, string(filepath.ListSeparator))
	if r := s.must(t, 1, "plan"); !strings.Contains(r.stderr, `User "`+cluster.UserName(s.namespace, "nobody")+`" cannot list`) {
		t.Errorf("in the current context: %s", r)
	}
	s.must(t, 2, "plan", "--context", "test")
	s.must(t, 2, "plan", "--kubeconfig", may)
	if r := s.must(t, 1, "plan", "--context", "elsewhere"); !strings.Contains(r.stderr, `error: kubeconfig: context "elsewhere" does not exist`) {
		t.Errorf("in a context that is not there: %s", r)
	}
	if r := s.must(t, 1, "plan", "--kubeconfig", may, "--context", "nobody"); !strings.Contains(r.stderr, `context "nobody" does not exist`) {
		t.Errorf("in a context of another file: %s", r)
	}
}

// tunnels is a proxy that people reach the API server by.
type tunnels struct {
	url string

	mutex sync.Mutex
	asked []string // host:port of every CONNECT
}

// newTunnels starts one that leads to the API server, whatever name it is asked for.
func newTunnels(t *testing.T, apiServer string) *tunnels {
	t.Helper()
	p := &tunnels{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		p.mutex.Lock()
		p.asked = append(p.asked, r.Host)
		p.mutex.Unlock()
		there, err := net.Dial("tcp", apiServer)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		w.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		go func() {
			_, _ = io.Copy(there, buffered)
			there.Close()
		}()
		_, _ = io.Copy(here, there)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// hosts are those that it was asked for, and forgets them.
func (p *tunnels) hosts() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	asked := slices.Compact(slices.Sorted(slices.Values(p.asked)))
	p.asked = nil
	return asked
}

// TestByAProxy: HTTPS_PROXY is honoured, and so is the proxy that a kubeconfig names.
func TestByAProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(t, "flowcert.yaml", config)
	s.Apply(t, s.namespace, s.expand(plain))
	file, err := clientcmd.LoadFromFile(s.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	// A name that leads nowhere without the proxy: addresses of this machine are never asked of one.
	direct := strings.TrimPrefix(s.Config.Host, "https://")
	const name = "api.flowcert.invalid:6443"
	file.Clusters["test"].Server, file.Clusters["test"].TLSServerName = "https://"+name, "localhost"
	if err := clientcmd.WriteToFile(*file, s.kubeconfig); err != nil {
		t.Fatal(err)
	}
	p := newTunnels(t, strings.TrimSuffix(direct, "/"))
	through := func(variable string, args ...string) result {
		cmd := s.command(t.Context(), args...)
		cmd.Env = append(cmd.Env, variable)
		return finished(t, cmd)
	}
	if r := through("HTTPS_PROXY="+p.url, "apply", "--timeout", "1m"); r.code != 0 {
		t.Fatalf("apply: %s", r)
	}
	if asked := p.hosts(); len(asked) != 1 || asked[0] != name {
		t.Errorf("the proxy was asked for %q, want %s", asked, name)
	}
	if r := through("HTTPS_PROXY="+p.url+"/", "plan", "--kubeconfig", cluster.KubeConfig(t, s.User(t, s.namespace, account), s.namespace)); r.code != 0 || len(p.hosts()) > 0 {
		t.Errorf("the address of this machine was asked of the proxy, or there is something left to do: %s", r)
	}

	file.Clusters["test"].ProxyURL = p.url
	if err := clientcmd.WriteToFile(*file, s.kubeconfig); err != nil {
		t.Fatal(err)
	}
	s.must(t, 0, "plan")
	if asked := p.hosts(); len(asked) != 1 || asked[0] != name {
		t.Errorf("the proxy of the kubeconfig was asked for %q, want %s", asked, name)
	}
	run := s.start(t)
	eventually(t, "it is ready", func() bool { code, _ := run.page(t, "/readyz"); return code == 200 })
	run.terminate(t)
	if asked := p.hosts(); len(asked) != 1 {
		t.Errorf("the daemon asked the proxy for %q", asked)
	}

	// What stands in the way is named.
	s.as(t, &rest.Config{Host: "https://" + name, TLSClientConfig: rest.TLSClientConfig{CAData: s.Config.CAData}})
	gone := httptest.NewServer(nil)
	gone.Close()
	if r := through("HTTPS_PROXY="+gone.URL, "plan"); r.code != 1 || !strings.Contains(r.stderr, "proxyconnect tcp") {
		t.Errorf("by a proxy that is not there: %s", r)
	}
}
