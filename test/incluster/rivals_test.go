package incluster_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/secrets"
)

func TestTwoDaemonsAndAJob(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	one, other := s.start(t), s.start(t)
	job := s.background(t, "apply", "--timeout", "5m")
	if output, code := job(); code != 0 {
		t.Fatalf("apply ended with %d:\n%s", code, output)
	}
	s.endedWell(t, d, plain)
	eventually(t, "both are ready", func() bool {
		a, _ := one.page(t, "/readyz")
		b, _ := other.page(t, "/readyz")
		return a == 200 && b == 200
	})
	leaders := 0
	for _, daemon := range []*daemon{one, other} {
		if _, page := daemon.page(t, "/metrics"); strings.Contains(page, "\nflowcert_leader 1\n") {
			leaders++
		}
	}
	if leaders != 1 {
		t.Errorf("%d daemons lead", leaders)
	}
	// The one that leads is killed: the other takes over when the lease has ended.
	leader, standby := one, other
	if _, page := other.page(t, "/metrics"); strings.Contains(page, "\nflowcert_leader 1\n") {
		leader, standby = other, one
	}
	if err := leader.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.must(t, 0, "renew", "eventProcessing/"+s.namespace+"/my-ep")
	eventually(t, "the other one has renewed it", func() bool { return s.restarts(t, d, "my-ep") == 2 })
	s.eventuallyPlanned(t)
	standby.terminate(t)
	s.endedWell(t, d, plain)
	for _, name := range []string{"session", "my-ep"} {
		if n, want := s.restarts(t, d, name), map[string]int{"session": 1, "my-ep": 2}[name]; n != want {
			t.Errorf("%s restarted %d times, want %d", name, n, want)
		}
	}
}

// TestTheLeaseIsLostBetweenPlanAndWrite has a write of the first one arrive when the second has long done everything.
func TestTheLeaseIsLostBetweenPlanAndWrite(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	s.must(t, 0, "apply")
	direct := s.kubeconfig
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	p := s.throughProxy(t, s.User(t, s.namespace, account))
	release := make(chan struct{})
	var held atomic.Bool
	p.set(func(p *proxy) {
		p.before = func(w write) int {
			held.Store(true)
			<-release
			return 0
		}
	})
	late := s.start(t)
	eventually(t, "the first one writes", held.Load)
	s.leaseEnds(t)
	s.kubeconfig = direct
	s.must(t, 0, "apply")
	want := s.oneOf(t, secrets.RoleFlinkTLS).Name
	close(release)
	eventually(t, "the late write has arrived", func() bool {
		return s.oneOf(t, secrets.RoleFlinkTLS).Name != want || len(s.versions(t, secrets.RoleFlinkTLS)) == 3
	})
	s.eventuallyPlanned(t)
	if n := s.restarts(t, d, "session"); n != 2 {
		t.Errorf("it restarted %d times", n)
	}
	late.terminate(t)

	// What it left goes after a while.
	orphans := 0
	for name, secret := range s.ours(t) {
		if secret.Role() == secrets.RoleFlinkTLS && !s.everUsed(t, d, name) {
			orphans++
			s.change(t, secretsGVR, name, "test", func(u *unstructured.Unstructured) {
				a := u.GetAnnotations()
				a[secrets.CreatedAnnotation] = time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
				u.SetAnnotations(a)
			})
		}
	}
	if orphans != 1 {
		t.Errorf("the late write left %d versions, want 1", orphans)
	}
	s.must(t, 0, "apply")
	s.endedWell(t, d, plain)
}

// versions are flowcert's Secrets of a role.
func (s *site) versions(t *testing.T, role secrets.Role) []*secrets.Secret {
	t.Helper()
	var out []*secrets.Secret
	for _, secret := range s.ours(t) {
		if secret.Role() == role {
			out = append(out, secret)
		}
	}
	return out
}

// A webhook that does not answer is the matter of one resource alone.
func TestOneResourceRefusesEveryChange(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	p := s.throughProxy(t, s.User(t, s.namespace, account))
	p.set(func(p *proxy) {
		p.before = func(w write) int {
			if strings.HasSuffix(w.path, "/flinkdeployments/session") {
				return http.StatusInternalServerError
			}
			return 0
		}
	})
	run := s.start(t)
	eventually(t, "the other resource is wired", func() bool { return s.certificateName(t) != "" })
	eventually(t, "it is ready", func() bool { code, _ := run.page(t, "/readyz"); return code == 200 })
	before := p.written()
	p.set(func(p *proxy) { p.before = nil })
	s.eventuallyPlanned(t)
	if before > 60 {
		t.Errorf("%d writes", before)
	}
	// Nothing is left that it would try again and again.
	s.delete(t, flinkGVR, "session")
	s.Apply(t, s.namespace, s.expand(plain))
	s.eventuallyPlanned(t)
	run.terminate(t)
	s.endedWell(t, d, plain)
}

// Somebody who touches the lease in between does not take it away.
func TestAConflictOnTheLease(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	p := s.throughProxy(t, s.User(t, s.namespace, account))
	run := s.start(t)
	eventually(t, "it is ready", func() bool { code, _ := run.page(t, "/readyz"); return code == 200 })
	p.set(func(p *proxy) { p.conflicts = 2 })
	eventually(t, "the lease was renewed after the conflicts", func() bool { return p.conflictsLeft() < 0 })
	s.eventuallyPlanned(t)
	run.terminate(t)
	if strings.Contains(run.output(), "lease was lost") {
		t.Error("the lease was given up")
	}
	s.endedWell(t, d, plain)
}
