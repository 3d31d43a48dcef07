package incluster_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// daemon is a flowcert run.
type daemon struct {
	cmd     *exec.Cmd
	address string
	ended   chan struct{}

	mutex sync.Mutex
	log   strings.Builder
}

var listening = regexp.MustCompile(`listen=(127\.0\.0\.1:\d+)`)

// start runs the daemon until the test ends.
func (s *site) start(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := &daemon{ended: make(chan struct{})}
	d.cmd = s.command(t.Context(), append([]string{"run", "--listen", "127.0.0.1:0"}, args...)...)
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		defer close(d.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			d.mutex.Lock()
			fmt.Fprintln(&d.log, lines.Text())
			d.mutex.Unlock()
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
		_ = d.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.ended
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.output())
		}
	})
	select {
	case d.address = <-address:
	case <-d.ended:
		t.Fatalf("flowcert run ended:\n%s", d.output())
	}
	return d
}

func (d *daemon) output() string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.log.String()
}

// page reads one of the daemon's pages.
func (d *daemon) page(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + d.address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// eventually waits until something is so. How long it takes is no matter: the bound is for what never comes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it never came: %s", what)
}

func TestRun(t *testing.T) {
	s := newSite(t)
	s.write(t, "flowcert.yaml", config)
	s.Apply(t, s.namespace, s.expand(plain))
	d := s.start(t)
	eventually(t, "the daemon is ready", func() bool { code, _ := d.page(t, "/readyz"); return code == 200 })
	name, found, _ := unstructured.NestedString(s.get(t, epGVR, "my-ep").Object, "spec", "authoring", "tls", "secretName")
	if !found {
		t.Fatal("the instance is not wired")
	}

	// The daemon has done it all: another flowcert finds nothing to do.
	s.must(t, 0, "plan")
	if _, body := d.page(t, "/metrics"); !strings.Contains(body, `flowcert_certificate_not_after_timestamp_seconds{namespace="`+s.namespace+`",role="certificate",secret="`+name) {
		t.Errorf("the metrics do not tell when the certificate ends:\n%s", body)
	}

	// A resource that somebody changed is put right.
	ep := s.get(t, epGVR, "my-ep")
	unstructured.RemoveNestedField(ep.Object, "spec", "authoring", "tls")
	if _, err := s.Dynamic.Resource(epGVR).Namespace(s.namespace).Update(t.Context(), ep, metav1.UpdateOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the instance is wired again", func() bool {
		again, _, _ := unstructured.NestedString(s.get(t, epGVR, "my-ep").Object, "spec", "authoring", "tls", "secretName")
		return again == name
	})

	// A certificate that somebody removed is issued again, under another name.
	if err := s.Dynamic.Resource(secretsGVR).Namespace(s.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the instance has another certificate", func() bool {
		again, _, _ := unstructured.NestedString(s.get(t, epGVR, "my-ep").Object, "spec", "authoring", "tls", "secretName")
		return again != name
	})

	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-d.ended
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
	s.must(t, 0, "apply")
	t.Log(d.output())
}
