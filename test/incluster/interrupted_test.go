package incluster_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowcert/flowcert/test/double"
)

// leaseEnds is what time does to the lease of a process that was killed.
func (s *site) leaseEnds(t *testing.T) {
	t.Helper()
	if err := s.Dynamic.Resource(leaseGVR).Namespace(s.namespace).Delete(context.WithoutCancel(t.Context()), "flowcert", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// settled waits until everything in the site runs for the first time.
func (s *site) settled(t *testing.T, d *double.Double) {
	t.Helper()
	d.WaitFlink(t, s.namespace, "session", "STABLE")
	d.WaitEventProcessing(t, s.namespace, "my-ep", "Running")
}

func TestEveryOtherWriteConflicts(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	p := s.throughProxy(t, s.User(t, s.namespace, account))
	var conflicts atomic.Int64
	p.set(func(p *proxy) {
		p.before = func(w write) int {
			if w.n%2 == 1 {
				conflicts.Add(1)
				return http.StatusConflict
			}
			return 0
		}
	})
	s.must(t, 0, "apply")
	if n := conflicts.Load(); n < 8 {
		t.Errorf("%d conflicts", n)
	}
	s.endedWell(t, d, plain)

	// And the daemon. A person who runs renew runs it again.
	if r := s.run(t, "renew", "--ca"); r.code != 0 {
		s.must(t, 0, "renew", "--ca")
	}
	run := s.start(t)
	s.eventuallyPlanned(t)
	run.terminate(t)
	s.endedWell(t, d, plain)
}

// eventuallyPlanned waits until nothing is left to do, nor rolling out.
func (s *site) eventuallyPlanned(t *testing.T) {
	t.Helper()
	eventually(t, "plan finds nothing to do", func() bool { return s.run(t, "plan").code == 0 })
	eventually(t, "it is rolled out", func() bool { return strings.Contains(s.run(t, "apply", "--timeout", "1m").stdout, "Nothing to do") })
}

// terminate ends the daemon as the kubelet does, and wants it to end well.
func (d *daemon) terminate(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.ended:
	case <-time.After(time.Minute):
		t.Fatal("the daemon does not end")
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
}
