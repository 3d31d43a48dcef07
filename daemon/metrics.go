package daemon

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/flowcert/flowcert/renew"
)

// Metrics are what Prometheus reads. Names follow its naming practices; a time is
// a gauge in seconds since 1970, so that rules subtract it from time().
type Metrics struct {
	// Registry holds them.
	Registry *prometheus.Registry

	notAfter, renewAt           *series
	blocked, faults, rollouts   *series
	passFailures, actions       *prometheus.CounterVec
	lastPass, isLeader, isValid prometheus.Gauge
	duration                    prometheus.Histogram
}

// NewMetrics makes them.
func NewMetrics(version, goVersion string) *Metrics {
	certificate := []string{"namespace", "target", "role", "secret"}
	m := &Metrics{
		Registry:     prometheus.NewRegistry(),
		notAfter:     newSeries("flowcert_certificate_not_after_timestamp_seconds", "When the certificate, or the first one of a truststore, ends.", certificate...),
		renewAt:      newSeries("flowcert_certificate_renew_at_timestamp_seconds", "When the certificate is renewed.", certificate...),
		blocked:      newSeries("flowcert_blocked", "1 for each step that is due and waits.", "target", "reason"),
		faults:       newSeries("flowcert_faults", "How many faults keep flowcert from working on a target.", "target"),
		rollouts:     newSeries("flowcert_rollouts_in_progress", "1 for each resource whose last change has not reached all that runs.", "target"),
		passFailures: counter("flowcert_pass_failures_total", "Passes, and actions of a pass, that failed.", "reason"),
		actions:      counter("flowcert_actions_total", "Actions that were carried out.", "action", "result"),
		lastPass:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "flowcert_last_successful_pass_timestamp_seconds", Help: "When everything was last looked at and nothing failed."}),
		isLeader:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "flowcert_leader", Help: "1 if this process holds the lease."}),
		isValid:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "flowcert_configuration_valid", Help: "0 if the configuration does not read and an earlier one is in force."}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "flowcert_pass_duration_seconds", Help: "How long a pass took.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 8),
		}),
	}
	info := gauge("flowcert_build_info", "1, with the version.", "version", "goversion")
	info.WithLabelValues(version, goVersion).Set(1)
	m.Registry.MustRegister(m.notAfter.vec, m.renewAt.vec, m.blocked.vec, m.faults.vec, m.rollouts.vec, m.passFailures, m.actions, m.lastPass, m.isLeader, m.isValid, m.duration, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// planned shows a plan's items, waits, faults and rollouts in place of those of the
// plan before.
func (m *Metrics) planned(plan *renew.Plan) {
	for _, i := range plan.Items {
		if i.Name == "" || i.NotAfter.IsZero() {
			continue
		}
		labels := []string{renew.NamespaceOf(i.Target), i.Target, string(i.Role), i.Name}
		m.notAfter.set(float64(i.NotAfter.Unix()), labels...)
		if !i.RenewAt.IsZero() {
			m.renewAt.set(float64(i.RenewAt.Unix()), labels...)
		}
	}
	for _, w := range plan.Waits {
		m.blocked.set(1, w.Target, w.Reason())
	}
	faults := map[string]int{}
	for _, f := range plan.Faults {
		faults[f.Target]++
	}
	for target, n := range faults {
		m.faults.set(float64(n), target)
	}
	for _, r := range plan.Rolling {
		m.rollouts.set(1, r.Target)
	}
	for _, s := range []*series{m.notAfter, m.renewAt, m.blocked, m.faults, m.rollouts} {
		s.dropOld()
	}
}

func (m *Metrics) passed(took time.Duration, err error) {
	m.duration.Observe(took.Seconds())
	if err != nil {
		m.passFailures.WithLabelValues("pass").Inc()
		return
	}
	m.lastPass.SetToCurrentTime()
}

func (m *Metrics) done(a renew.Action) { m.actions.WithLabelValues(renew.ActionName(a), "done").Inc() }

func (m *Metrics) failed(a renew.Action, err error) {
	result := "failed"
	if renew.Overtaken(err) {
		result = "overtaken"
	} else {
		m.passFailures.WithLabelValues(renew.ActionName(a)).Inc()
	}
	m.actions.WithLabelValues(renew.ActionName(a), result).Inc()
}

func (m *Metrics) leader(is bool)        { m.isLeader.Set(number(is)) }
func (m *Metrics) configuration(ok bool) { m.isValid.Set(number(ok)) }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// series are gauges of which a plan brings the whole set. What is in two plans in a
// row is never gone in between: an alert that waits would begin to wait anew.
type series struct {
	vec      *prometheus.GaugeVec
	now, was map[string][]string // labels
}

func newSeries(name, help string, labels ...string) *series {
	return &series{vec: gauge(name, help, labels...), now: map[string][]string{}}
}

func (s *series) set(value float64, labels ...string) {
	s.vec.WithLabelValues(labels...).Set(value)
	s.now[strings.Join(labels, "\x00")] = labels
}

// dropOld drops what was set before the last call and not since.
func (s *series) dropOld() {
	for key, labels := range s.was {
		if s.now[key] == nil {
			s.vec.DeleteLabelValues(labels...)
		}
	}
	s.was, s.now = s.now, map[string][]string{}
}
