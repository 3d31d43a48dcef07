package incluster_test

import (
	"bytes"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A moment is when a process is killed.
type moment struct {
	command []string
	passes  int  // writes that are done, and of which it hears, before the one at which it is killed
	ends    int  // exit status of one that is not killed
	done    bool // the API server has done that one, and it never hears of it; false: it does not get that far
}

// TestKilledAtEveryWrite does a first wiring and then another root, with a process that is killed at every write in turn, and
// another that goes on. Where a write is not done, the one before it is, so that it comes to an end.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	daemon := []string{"run", "--listen", "127.0.0.1:0"}
	for name, m := range map[string]moment{
		"apply, when it is done":   {command: []string{"apply"}, done: true},
		"apply, before it is done": {command: []string{"apply"}, passes: 1},
		"run, when it is done":     {command: daemon, done: true},
		"run, before it is done":   {command: daemon, passes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := running(t, plain, config)
			s.settled(t, d)
			direct := s.kubeconfig
			p := s.throughProxy(t, s.User(t, s.namespace, account))
			byProxy := s.kubeconfig
			walk := func() (killed int) {
				for ; killed <= 60; killed++ {
					s.kubeconfig = byProxy
					v := s.victim(t, p, m)
					s.kubeconfig = direct
					if !v.wasKilled(t, s) {
						return killed
					}
					s.leaseEnds(t)
				}
				t.Fatal("it comes to no end")
				return killed
			}
			if n := walk(); n < 8 {
				t.Errorf("it was killed at %d writes of the first wiring", n)
			}
			s.endedWell(t, d, plain)
			s.must(t, 0, "renew", "--ca")
			if n := walk(); n < 7 {
				t.Errorf("it was killed at %d writes of the rollover", n)
			}
			s.endedWell(t, d, plain)
			for _, name := range []string{"session", "my-ep"} {
				if n := s.restarts(t, d, name); n != 2 {
					t.Errorf("%s restarted %d times, and not once for each change", name, n)
				}
			}
		})
	}
}

// victim is a process that is to be killed at a write.
type victim struct {
	cmd    *exec.Cmd
	ends   int
	output bytes.Buffer
	gone   chan struct{} // closed when it has ended
}

// victim starts a process that is killed at a moment, if it gets there.
func (s *site) victim(t *testing.T, p *proxy, m moment) *victim {
	t.Helper()
	v := &victim{cmd: s.command(t.Context(), m.command...), ends: m.ends, gone: make(chan struct{})}
	v.cmd.Stdout, v.cmd.Stderr = &v.output, &v.output
	started := make(chan struct{})
	kill := sync.OnceFunc(func() {
		<-started
		_ = v.cmd.Process.Kill()
	})
	p.set(func(p *proxy) {
		at := p.writes + m.passes + 1
		p.before = func(w write) int {
			switch {
			case w.n > at: // those beside it come too late
				<-v.gone
				return http.StatusInternalServerError
			case w.n == at && !m.done:
				kill()
				panic(http.ErrAbortHandler)
			}
			return 0
		}
		p.after = func(w write) {
			if w.n == at {
				kill()
				panic(http.ErrAbortHandler)
			}
		}
	})
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	go func() {
		defer close(v.gone)
		_ = v.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = v.cmd.Process.Kill()
		<-v.gone
	})
	return v
}

// wasKilled waits until it was killed, or has come to its end and ended well: the daemon, when there is nothing left to do.
func (v *victim) wasKilled(t *testing.T, s *site) bool {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		select {
		case <-v.gone:
			switch state := v.cmd.ProcessState; {
			case !state.Exited():
				return true
			case state.ExitCode() != v.ends:
				t.Fatalf("the last one ended with %d:\n%s", state.ExitCode(), v.output.String())
			}
			return false
		case <-time.After(300 * time.Millisecond):
		}
		if v.cmd.Args[1] == "run" && s.run(t, "plan").code == 0 {
			s.eventuallyPlanned(t)
			_ = v.cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	t.Fatal("it neither was killed nor came to its end")
	return false
}
