package daemon

import (
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

	notAfter, renewAt           *prometheus.GaugeVec
	blocked, faults, rollouts   *prometheus.GaugeVec
	passFailures, actions       *prometheus.CounterVec
	lastPass, isLeader, isValid prometheus.Gauge
	duration                    prometheus.Histogram
}

// NewMetrics makes them.
func NewMetrics(version, goVersion string) *Metrics {
	certificate := []string{"namespace", "target", "role", "secret"}
	m := &Metrics{
		Registry:     prometheus.NewRegistry(),
		notAfter:     gauge("flowcert_certificate_not_after_timestamp_seconds", "When the certificate, or the first one of a truststore, ends.", certificate...),
		renewAt:      gauge("flowcert_certificate_renew_at_timestamp_seconds", "When the certificate is renewed.", certificate...),
		blocked:      gauge("flowcert_blocked", "1 for each step that is due and waits.", "target", "reason"),
		faults:       gauge("flowcert_faults", "How many faults keep flowcert from working on a target.", "target"),
		rollouts:     gauge("flowcert_rollouts_in_progress", "1 for each resource whose last change has not reached all that runs.", "target"),
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
	m.Registry.MustRegister(m.notAfter, m.renewAt, m.blocked, m.faults, m.rollouts, m.passFailures, m.actions, m.lastPass, m.isLeader, m.isValid, m.duration, info,
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
	for _, v := range []*prometheus.GaugeVec{m.notAfter, m.renewAt, m.blocked, m.faults, m.rollouts} {
		v.Reset()
	}
	for _, i := range plan.Items {
		if i.Name == "" || i.NotAfter.IsZero() {
			continue
		}
		labels := []string{renew.NamespaceOf(i.Target), i.Target, string(i.Role), i.Name}
		m.notAfter.WithLabelValues(labels...).Set(float64(i.NotAfter.Unix()))
		if !i.RenewAt.IsZero() {
			m.renewAt.WithLabelValues(labels...).Set(float64(i.RenewAt.Unix()))
		}
	}
	for _, w := range plan.Waits {
		m.blocked.WithLabelValues(w.Target, w.Reason()).Set(1)
	}
	for _, f := range plan.Faults {
		m.faults.WithLabelValues(f.Target).Inc()
	}
	for _, r := range plan.Rolling {
		m.rollouts.WithLabelValues(r.Target).Set(1)
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
