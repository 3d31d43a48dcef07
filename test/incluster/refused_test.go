package incluster_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowcert/flowcert/secrets"
)

// isList is a request for all of flowcert's Secrets, the first of every look.
func isList(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/secrets")
}

// isLease is a request about the lease.
func isLease(r *http.Request) bool { return strings.Contains(r.URL.Path, "/leases") }

// TestRefusedForAMoment: an API server that has just started refuses what it permitted a moment ago. apply looks again, and
// has the lease again where that was lost meanwhile.
func TestRefusedForAMoment(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	p := s.throughProxy(t, s.User(t, s.namespace, account))
	var refusals atomic.Int64
	p.set(func(p *proxy) {
		p.other = func(r *http.Request) int {
			if isList(r) && p.written() >= 3 && refusals.Add(1) <= 3 {
				return http.StatusForbidden
			}
			return 0
		}
	})
	r := s.must(t, 0, "apply")
	if n := strings.Count(r.stderr, "trouble namespace "+s.namespace+" cannot be read: "); n != 3 {
		t.Errorf("it was refused 3 times, and says so %d times: %s", n, r)
	}
	s.endedWell(t, d, plain)

	// The lease cannot be renewed until it is lost, and is refused when it is asked for again.
	release := d.HoldReady(s.namespace, "session")
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	before := p.written()
	var away atomic.Int64
	var begun atomic.Value // time.Time
	p.set(func(p *proxy) {
		p.other = func(r *http.Request) int {
			if !isLease(r) || p.written() == before {
				return 0
			}
			begun.CompareAndSwap(nil, time.Now())
			if time.Since(begun.Load().(time.Time)) < 15*time.Second {
				return http.StatusServiceUnavailable
			}
			if away.Add(1) <= 2 {
				return http.StatusForbidden
			}
			return 0
		}
	})
	apply := s.background(t, "apply")
	eventually(t, "the lease is had again", func() bool { return away.Load() > 3 })
	release()
	output, code := apply()
	if code != 0 || !strings.Contains(output, "trouble the lease was lost") {
		t.Errorf("apply ended with %d:\n%s", code, output)
	}
	p.set(func(p *proxy) { p.other = nil })
	s.endedWell(t, d, plain)
	if n := s.restarts(t, d, "session"); n != 2 {
		t.Errorf("the session cluster restarted %d times, and not once for each change", n)
	}
}

// TestRefusedForGood: what is never permitted is said at once; what is not permitted any more after a while.
func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	p := s.throughProxy(t, s.User(t, s.namespace, account))
	var lists atomic.Int64
	refuseFrom := func(writes int) {
		p.set(func(p *proxy) {
			p.other = func(r *http.Request) int {
				if isList(r) && p.written() >= writes {
					lists.Add(1)
					return http.StatusForbidden
				}
				return 0
			}
		})
	}
	says := "error: namespace/" + s.namespace + ": namespace " + s.namespace + " cannot be read: "
	refuseFrom(0)
	if r := s.must(t, 1, "apply"); !strings.Contains(r.stderr, says) || strings.Contains(r.stderr, "trouble") || lists.Load() != 1 {
		t.Errorf("refused from the start, it looked %d times: %s", lists.Load(), r)
	}
	lists.Store(0)
	refuseFrom(3)
	if r := s.must(t, 1, "apply"); !strings.Contains(r.stderr, says) || lists.Load() < 3 || lists.Load() > 10 {
		t.Errorf("refused from the third write on, it looked %d times: %s", lists.Load(), r)
	}
	p.set(func(p *proxy) {
		p.other = func(r *http.Request) int { return map[bool]int{true: http.StatusForbidden}[isLease(r)] }
	})
	if r := s.must(t, 1, "apply"); !strings.Contains(r.stderr, "error: lease "+s.namespace+"/flowcert: ") || strings.Contains(r.stderr, "trouble") {
		t.Errorf("without a right to the lease: %s", r)
	}
	p.set(func(p *proxy) {
		p.other = func(r *http.Request) int { return map[bool]int{true: http.StatusServiceUnavailable}[isLease(r)] }
	})
	if r := s.must(t, 1, "apply", "--timeout", "5s"); !strings.Contains(r.stderr, "trouble lease "+s.namespace+"/flowcert: the test answers 503; trying again in 2s\n") ||
		!strings.Contains(r.stderr, "error: not finished within --timeout: lease "+s.namespace+"/flowcert: ") {
		t.Errorf("while the lease cannot be asked for: %s", r)
	}
	p.set(func(p *proxy) { p.other = nil })
	s.must(t, 0, "apply")
	s.endedWell(t, d, plain)
}

// TestDeletedUnderApply: a resource that somebody deletes while apply waits for it is waited for no longer, and what comes in
// its place is wired like any other.
func TestDeletedUnderApply(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	release := d.HoldReady(s.namespace, "session")
	o := s.onTerminal(t, 120, 24, "apply")
	eventually(t, "it waits", func() bool { return strings.Contains(o.text(), "waits  flinkDeployment/") })
	s.delete(t, flinkGVR, "session")
	o.end(t, 3)
	if text := o.text(); !strings.Contains(text, "waiting: flinkDeployment/"+s.namespace+"/session: it does not exist yet") || strings.Contains(text, "waits  ") {
		t.Error("it does not say for what it waits now")
	}
	if n := len(s.versions(t, secrets.RoleFlinkTLS)); n != 1 {
		t.Errorf("there are %d key stores of the session cluster", n)
	}
	release()
	s.Apply(t, s.namespace, s.expand(plain))
	s.settled(t, d)
	s.must(t, 0, "apply")
	s.endedWell(t, d, plain)
}
