package incluster_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	configuration "github.com/flowcert/flowcert/config"
	loop "github.com/flowcert/flowcert/daemon"
	"github.com/flowcert/flowcert/kube"
	"github.com/flowcert/flowcert/secrets"
)

const month = 30 * 24 * time.Hour

// While the API server's clock is another one nothing is issued.
func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	p := s.throughProxy(t, s.User(t, s.namespace, account))
	for _, by := range []time.Duration{month, -month, 3 * time.Minute} {
		p.set(func(p *proxy) { p.shift = func(there time.Time) time.Time { return there.Add(by) } })
		if r := s.must(t, 1, "apply"); !strings.Contains(r.stderr, "the API server's clock is") {
			t.Errorf("with a clock that is %s ahead: %s", by, r)
		}
	}
	if n := p.written(); n > 0 {
		t.Errorf("it wrote %d times", n)
	}
	p.set(func(p *proxy) { p.shift = nil })
	run := s.start(t)
	eventually(t, "everything is done", func() bool { return s.run(t, "plan").code == 0 })
	s.eventuallyPlanned(t)
	done := p.written()

	// A clock that is wrong for a while changes nothing.
	p.set(func(p *proxy) { p.shift = func(there time.Time) time.Time { return there.Add(month) } })
	name := s.certificateName(t)
	s.deleteSecret(t, name)
	eventually(t, "it is told", func() bool { return strings.Contains(run.output(), "the API server's clock is") })
	if n := p.written(); n > done {
		t.Errorf("it wrote %d times", n-done)
	}
	p.set(func(p *proxy) { p.shift = nil })
	s.patch(t, epGVR, "my-ep", `{"metadata": {"labels": {"look": "again"}}}`)
	eventually(t, "it goes on", func() bool { return s.certificateName(t) != name })
	s.eventuallyPlanned(t)
	run.terminate(t)
	s.endedWell(t, d, plain)
}

// moved is a store in a cluster whose clocks all are wrong by the same.
type moved struct {
	*kube.Store
	by *atomic.Int64
}

func (m moved) Read(ctx context.Context) (*secrets.Snapshot, error) {
	snap, err := m.Store.Read(ctx)
	if err == nil {
		snap.Live.Ahead -= time.Duration(m.by.Load())
	}
	return snap, err
}

// TestTheClockStepsAMonthAheadAndBack steps the clocks of flowcert and of the API server alike, under a daemon that renews
// a certificate meanwhile.
func TestTheClockStepsAMonthAheadAndBack(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	var by atomic.Int64
	p := s.throughProxy(t, s.User(t, s.namespace, account))
	p.set(func(p *proxy) {
		p.shift = func(there time.Time) time.Time { return there.Add(time.Duration(by.Load())) }
	})
	client, err := kube.Connect(kube.Options{KubeConfig: s.kubeconfig, UserAgent: "flowcert/test"})
	if err != nil {
		t.Fatal(err)
	}
	steady := &loop.Daemon{
		Load: func() (*configuration.Config, error) { return configuration.Load(s.dir + "/flowcert.yaml") },
		Open: func(cfg *configuration.Config) loop.Store { return moved{kube.NewStore(client, cfg, "test"), &by} },
		Lease: func(cfg *configuration.Config) loop.Lease {
			return kube.NewLease(client, cfg.Namespace, "flowcert", "test")
		},
		Log:     slog.New(slog.DiscardHandler),
		Metrics: loop.NewMetrics("test", "test"),
		Now:     func() time.Time { return time.Now().Add(time.Duration(by.Load())) },
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- steady.Run(ctx) }()
	eventually(t, "everything is done", func() bool { return steady.Ready() && s.certificateName(t) != "" && s.flinkSecret(t) != "" })
	s.settled(t, d)
	first := s.certificateName(t)
	look := func() {
		s.patch(t, epGVR, "my-ep", `{"metadata": {"labels": {"look": "`+time.Now().Format("150405.000")[7:]+`"}}}`)
	}

	by.Store(int64(month))
	look()
	s.deleteSecret(t, first) // what is issued now is valid in a month only
	eventually(t, "there is another certificate", func() bool { return s.certificateName(t) != first })
	ahead := s.certificateName(t)
	s.settled(t, d)
	by.Store(0)
	look()
	// A renewal that was asked for shows that no pause from the future holds it.
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	flink := s.flinkSecret(t)
	eventually(t, "what is due is done", func() bool { return s.flinkSecret(t) != flink })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// What was issued ahead of its time is named, and nothing is made up in its place while it is not known which clock is right.
	p.set(func(p *proxy) { p.shift = nil })
	r := s.run(t, "plan")
	if s.certificateName(t) != ahead || !strings.Contains(r.stderr+r.stdout, "is not valid before") {
		t.Errorf("what becomes of a certificate of the future: %s", r)
	}
	s.deleteSecret(t, ahead)
	s.must(t, 0, "apply")
	s.endedWell(t, d, plain)
}
