// Package daemon keeps a cluster as its configuration wants it, for as long as it
// runs: it looks when something has changed, when something is due, and now and
// then anyway, and carries out what renew plans.
//
// Fill in a [Daemon] and call [Daemon.Run]. It refuses a configuration that does
// not read, and keeps the last good one; it stops writing when the lease is lost;
// and it stops putting a resource right that somebody else keeps putting back.
package daemon

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/renew"
)

// Store is a cluster, of one configuration.
type Store interface {
	renew.Cluster
	// Watch calls changed until the context ends.
	Watch(ctx context.Context, changed func())
	// Event tells people something about a resource.
	Event(ctx context.Context, r deploy.Resource, warns bool, reason, action, note string) error
}

// Lease is the right to write.
type Lease interface {
	Try(context.Context) (holder string, err error)
	Is(holder string) bool
	Hold(context.Context) (held context.Context, release func())
}

// Daemon is what Run works with. All fields but Now are needed.
type Daemon struct {
	// Load reads the configuration. It is called at the start and after a change of
	// its files.
	Load func() (*config.Config, error)
	// Open returns the store for a configuration.
	Open func(*config.Config) Store
	// Lease returns the lease in the configuration's namespace.
	Lease func(*config.Config) Lease
	Log   *slog.Logger
	// Metrics are those that NewMetrics made.
	Metrics *Metrics
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time

	health health
}

// Times of the loop. Time is the wall clock's, looked at every tick: a machine
// that slept does not miss what was due (strimzi#6649).
const (
	tick       = 20 * time.Second // how often the wall clock is looked at
	settle     = 500 * time.Millisecond
	lookRoll   = 2 * time.Second // while something rolls out
	lookWait   = time.Minute     // while something waits or is at fault
	lookAnyway = time.Hour       // although nothing said so
	askLease   = 4 * time.Second // while another process holds it
)

// Run works until the context ends. The error is one of the start: what happens
// later is logged, and tried again.
func (d *Daemon) Run(ctx context.Context) error {
	cfg, err := d.Load()
	if err != nil {
		return err
	}
	d.health.began()
	d.Metrics.configuration(true)
	for ctx.Err() == nil {
		if cfg, err = d.lead(ctx, cfg); err != nil && ctx.Err() == nil {
			d.Log.Warn("not working", "error", err)
		}
	}
	d.Log.Info("stopped")
	return nil
}

// lead waits for the lease and works under it. It returns when the lease is lost or
// the configuration names another, with the configuration to go on with: the last
// good one.
func (d *Daemon) lead(ctx context.Context, cfg *config.Config) (*config.Config, error) {
	lease, said := d.Lease(cfg), ""
	for {
		d.health.alive()
		holder, err := lease.Try(ctx)
		if err == nil && lease.Is(holder) {
			break
		}
		if err != nil && ctx.Err() == nil {
			d.Log.Warn("the lease cannot be asked for", "error", err)
		} else if holder != said {
			d.Log.Info("another flowcert holds the lease; standing by", "holder", holder)
			d.health.ready() // to take over is what it is for
			said = holder
		}
		if !wait(ctx, askLease+rand.N(askLease/4)) {
			return cfg, ctx.Err()
		}
	}
	held, release := lease.Hold(ctx)
	defer release()
	d.Log.Info("holding the lease")
	d.Metrics.leader(true)
	defer d.Metrics.leader(false)
	// Another process goes on, and what it does changes what was last seen here.
	defer d.Metrics.planned(&renew.Plan{})
	return d.work(held, cfg)
}

// work makes pass after pass until the context ends or the configuration names
// another lease. It returns the last good configuration.
func (d *Daemon) work(ctx context.Context, cfg *config.Config) (*config.Config, error) {
	w := newWorker(d, cfg)
	defer w.close()
	w.watch(ctx)
	for {
		if moved := w.reload(ctx); moved != nil {
			d.Log.Info("the configuration's namespace has changed, and so has the lease")
			return moved, nil
		}
		if !w.sleep(ctx, w.pass(ctx)) {
			return w.cfg, context.Cause(ctx)
		}
	}
}

// sleep waits until the time has come, something changed, or the context ended;
// false for the last.
func (w *worker) sleep(ctx context.Context, next time.Time) bool {
	for {
		w.d.health.alive()
		left := next.Sub(w.d.now())
		if left <= 0 || left > lookAnyway { // further away: the clock has been set back
			return ctx.Err() == nil
		}
		timer := time.NewTimer(min(left, tick))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-w.changed:
			timer.Stop()
			// What belongs together changes within moments.
			return wait(ctx, settle)
		case <-timer.C:
		}
	}
}

// now is the wall clock's time, without the monotonic one: a machine that slept is
// to notice.
func (d *Daemon) now() time.Time {
	if d.Now != nil {
		return d.Now().Round(0)
	}
	return time.Now().Round(0)
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// health is what /healthz and /readyz answer from.
type health struct {
	lastAlive atomic.Int64
	isReady   atomic.Bool
}

// stuck is how long the loop may show no sign of life: a pass over hundreds of
// RSA keys takes a while.
const stuck = 10 * time.Minute

func (h *health) began() { h.alive() }
func (h *health) alive() { h.lastAlive.Store(time.Now().UnixNano()) }
func (h *health) ready() { h.isReady.Store(true) }

// Alive reports whether the loop goes round.
func (d *Daemon) Alive() bool {
	return time.Since(time.Unix(0, d.health.lastAlive.Load())) < stuck
}

// Ready reports whether a pass has succeeded, or another process leads.
func (d *Daemon) Ready() bool { return d.health.isReady.Load() }
