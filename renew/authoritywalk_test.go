package renew

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// TestWalksOfAuthorities changes who signs, what is trusted and what flowcert keeps,
// at random from fixed seeds: what TestWalksOfChanges wants holds, nothing that was
// taken over is trusted no more, and what is compromised is trusted by nothing once
// everything has been rolled out. More walks: FLOWCERT_WALKS=1-100.
func TestWalksOfAuthorities(t *testing.T) { walksAtRandom(t, 2, 3, 12, authorityChanges) }

func hours(n int) time.Duration { return time.Duration(n) * time.Hour }

// trusts is what every workload that flowcert keeps would trust that starts now, by
// what it is for.
func (w *walker) trusts() map[string][]*x509.Certificate {
	p := newPlanner(w.cfg, w.observe(w.now))
	p.findResources()
	asked, out := w.plan(w.now), map[string][]*x509.Certificate{}
	add := func(what, namespace, name string) {
		s := p.state.Secrets[secrets.Ref{Namespace: namespace, Name: name}]
		if s == nil || !s.Ours() || !asked.lists(s) {
			return
		}
		if s.Role() == secrets.RoleFlinkTrust || s.Role() == secrets.RoleTruststore {
			if entries, err := p.trustOf(s); err == nil {
				out[what] = secrets.Certificates(entries)
			}
		} else if id, err := p.identityOf(s); err == nil {
			out[what] = append(out[what], id.Roots...)
		}
	}
	for _, job := range p.sortedEventProcessing() {
		refs, ns := deploy.References(job.resource), job.config.Namespace
		add(job.target+" certificate", ns, refs.Certificate)
		add(job.target+" ui", ns, refs.UI)
		add(job.target+" ca", ns, refs.CA)
		add(job.target+" flink-trust", ns, refs.FlinkTrust)
		add(job.target+" truststore", ns, refs.TrustStore)
	}
	for _, job := range p.sortedFlinks() {
		refs, ns := deploy.References(job.resource), job.config.Namespace
		for _, name := range refs.FlinkTLS {
			add(job.target+" tls", ns, name)
		}
		add(job.target+" truststore", ns, refs.TrustStore)
	}
	if ns, ok := p.operatorNamespace(); ok {
		add("operator", ns, config.OperatorCertSecret)
	}
	for _, c := range w.cfg.Certificates {
		if versions := p.state.versions[slot{c.Target().String(), secrets.RoleCertificate}]; len(versions) > 0 {
			add(c.Target().String(), c.Namespace, versions[0].Name)
		}
	}
	if h := w.conf.FlinkOperator; h != nil && h.Webhook {
		for _, r := range p.state.webhooks {
			for _, hook := range deploy.Webhooks(r) {
				out["caBundle"] = append(out["caBundle"], bundled(hook.Bundle)...)
			}
		}
	}
	return out
}

// keepsTrust wants every certificate that was taken over to be trusted still.
func (w *walker) keepsTrust() {
	now, given := w.trusts(), slices.Clone(w.compromised)
	for key, certs := range w.keeps {
		have, there := now[key]
		if !there || strings.HasSuffix(key, " truststore") && len(w.conf.Truststores) == 0 {
			continue
		}
		for _, c := range certs {
			if !slices.ContainsFunc(have, c.Equal) && !slices.ContainsFunc(given, c.Equal) && !w.isDistrusted(c) {
				w.t.Errorf("%s does not trust %q any more, which was taken over: %s", key, c.Subject.CommonName, subjects(have))
			}
		}
	}
}

func (w *walker) isDistrusted(c *x509.Certificate) bool {
	for _, t := range w.conf.Truststores {
		for _, s := range t.Sources {
			if slices.Contains(s.Distrust, pki.Fingerprint(c)) {
				return true
			}
		}
	}
	return false
}

// gaveUp wants nothing compromised to be trusted or served, when everything has
// been rolled out.
func (w *walker) gaveUp() {
	own, _ := Roots(w.cfg, w.observe(w.now))
	for key, certs := range w.trusts() {
		for _, c := range certs {
			if slices.ContainsFunc(w.compromised, c.Equal) {
				w.t.Errorf("%s trusts %q, which is compromised", key, c.Subject.CommonName)
			}
			if strings.HasSuffix(key, " truststore") && w.isDistrusted(c) && !slices.ContainsFunc(own, c.Equal) {
				w.t.Errorf("%s trusts %q, which is distrusted", key, c.Subject.CommonName)
			}
		}
	}
	for key, chain := range w.rolledOut(w.now).leaves {
		for _, c := range w.compromised {
			if pki.VerifyChain(pki.Go(), chain, []*x509.Certificate{c}, "", w.now) == nil {
				w.t.Errorf("%s serves what %q vouches for, which is compromised", key, c.Subject.CommonName)
			}
		}
	}
}

// leaveUserLost renews everything, as the operator's guide says of a compromised CA of
// the user's, and wants it to be trusted nowhere but where it was taken over.
func (w *walker) leaveUserLost() {
	if len(w.userLost) == 0 || len(w.plan(w.now).Waits) > 0 {
		return
	}
	var targets []string
	for _, i := range w.plan(w.now).Items {
		if !i.RenewAt.IsZero() && !strings.HasPrefix(i.Target, "authority/") {
			targets = append(targets, i.Target)
		}
	}
	for _, target := range targets {
		w.renewal(target)
	}
	w.note("  everything renewed")
	w.pass()
	for key, certs := range w.trusts() {
		for _, c := range certs {
			if slices.ContainsFunc(w.userLost, c.Equal) && !w.wasAdopted(c) && !strings.HasSuffix(key, " truststore") { // a source may have it
				w.t.Errorf("%s trusts %q, the user's compromised CA", key, c.Subject.CommonName)
			}
		}
	}
	w.userLost = nil
}

func (w *walker) wasAdopted(c *x509.Certificate) bool {
	for _, s := range w.observe(w.now).Secrets {
		if aliasIn(s, c) != "" && s.Role() == secrets.RoleAdopted {
			return true
		}
	}
	return false
}

// takeOver counts in what was set up by hand: it runs, and what is taken over of it
// stays trusted.
func (w *walker) takeOver(plan *Plan) {
	for _, a := range plan.Actions {
		adopt, ok := a.(*Adopt)
		if !ok || w.taking == nil {
			continue
		}
		for _, s := range adopt.Originals {
			for who, certs := range w.taking.trusts[s.Name] {
				if who != "" && s.Namespace == w.taking.namespace {
					w.keeps[who] = appendNew(w.keeps[who], certs)
				}
			}
		}
	}
	if w.taking == nil {
		return
	}
	if len(w.ran) == 0 {
		w.ran = []running{nothingRuns()}
	}
	for _, before := range w.ran {
		for k, v := range w.taking.running.trust {
			before.trust[k] = v
		}
		for k, v := range w.taking.running.leaves {
			before.leaves[k] = v
		}
	}
	w.taking = nil
}
