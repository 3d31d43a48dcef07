package incluster_test

import (
	"sync"
	"testing"
	"time"

	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/double"
)

// etcdAway is how long etcd stands still: longer than a lease, and about as long as a request may take.
const etcdAway = 30 * time.Second

// runningOn is running on a control plane of the test's own.
func runningOn(t *testing.T, c *cluster.Cluster, manifests, configuration string) (*site, *double.Double) {
	t.Helper()
	s := siteOn(t, c)
	d := double.Start(t, c, s.namespace)
	s.write(t, "flowcert.yaml", configuration)
	s.Apply(t, s.namespace, s.expand(manifests))
	s.settled(t, d)
	return s, d
}

func TestTheAPIServerGoesAway(t *testing.T) {
	t.Parallel()
	s, d := runningOn(t, cluster.Start(t), plain, config)
	p := s.throughProxy(t, s.User(t, s.namespace, account))

	// In the middle of apply, after a write of which flowcert hears nothing.
	s.atWrite(t, p, 4, func() { s.KillAPIServer(t) })
	apply := s.background(t, "apply")
	p.wait(t)
	s.StartAPIServer(t)
	if output, code := apply(); code != 0 {
		t.Fatalf("apply ended with %d:\n%s", code, output)
	}
	s.endedWell(t, d, plain)

	// What holds the API server's data, in the middle of apply: the lease ends meanwhile.
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	var resume func()
	s.atWrite(t, p, 1, func() { resume = s.PauseEtcd(t) })
	apply = s.background(t, "apply")
	p.wait(t)
	time.Sleep(etcdAway)
	resume()
	if output, code := apply(); code != 0 {
		t.Fatalf("apply ended with %d:\n%s", code, output)
	}
	s.endedWell(t, d, plain)
	if n := s.restarts(t, d, "session"); n != 2 {
		t.Errorf("the session cluster restarted %d times, and not once for each change", n)
	}

	// In the middle of run.
	s.must(t, 0, "renew", "--ca")
	s.atWrite(t, p, 3, func() { s.KillAPIServer(t) })
	run := s.start(t)
	p.wait(t)
	s.StartAPIServer(t)
	s.eventuallyPlanned(t)

	// And what holds the API server's data.
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session") // beside the daemon
	eventually(t, "the renewal is done", func() bool { return s.run(t, "plan").code == 0 })
	s.atWrite(t, p, 1, func() { resume = s.PauseEtcd(t) })
	s.deleteSecret(t, s.certificateName(t))
	p.wait(t)
	time.Sleep(etcdAway)
	resume()
	s.eventuallyPlanned(t)
	run.terminate(t)
	s.endedWell(t, d, plain)
}

// atWrite does something when flowcert's n-th write from now on has been done, or where it takes the API server away, is on its way.
func (s *site) atWrite(t *testing.T, p *proxy, n int, what func()) {
	t.Helper()
	var once sync.Once
	p.set(func(p *proxy) {
		from, happened := p.writes, make(chan struct{})
		p.happened = happened
		p.before = func(w write) int {
			if w.n == from+n {
				once.Do(func() {
					what()
					close(happened)
				})
			}
			return 0
		}
	})
}
