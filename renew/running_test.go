package renew

import (
	"crypto/x509"
	"maps"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// running is what the pods of a site have loaded: the tests' own idea of it,
// not the planner's.
type running struct {
	trust  map[string][]*x509.Certificate // anchors by client → server
	leaves map[string][]*x509.Certificate // chain by server
}

func nothingRuns() running {
	return running{trust: map[string][]*x509.Certificate{}, leaves: map[string][]*x509.Certificate{}}
}

// starting reads what pods would load that start now. What does not open nothing
// loads.
type starting struct {
	*planner
	out running
}

// rolledOut is what runs when all that is written has been rolled out, by every edge.
func (s *testSite) rolledOut(now time.Time) running {
	s.t.Helper()
	r := starting{newPlanner(s.cfg, s.observe(now)), nothingRuns()}
	r.findResources()
	for _, job := range r.sortedFlinks() {
		r.readFlink(job)
	}
	for _, job := range r.sortedEventProcessing() {
		r.readEventProcessing(job)
	}
	for _, c := range s.cfg.Certificates {
		r.readDatabase(c)
	}
	return r.out
}

func (s starting) secret(namespace, name string) *secrets.Secret {
	return s.state.Secrets[secrets.Ref{Namespace: namespace, Name: name}]
}

// anchors of a Secret that a client mounts.
func (s starting) anchors(namespace, name string) []*x509.Certificate {
	secret := s.secret(namespace, name)
	if secret == nil {
		return nil
	}
	entries, err := s.trustOf(secret)
	if err != nil {
		return nil
	}
	return secrets.Certificates(entries)
}

func (s starting) readFlink(job *flinkJob) {
	refs := deploy.References(job.resource)
	s.out.trust[job.target+" → databases"] = s.anchors(job.config.Namespace, refs.TrustStore)
	for _, name := range refs.FlinkTLS {
		secret := s.secret(job.config.Namespace, name)
		if secret == nil {
			continue
		}
		id, err := s.storesOf(secret)
		if err != nil {
			continue
		}
		s.out.leaves[job.target] = id.Chain
		if job.config.TLS.Internal {
			s.out.trust[job.target+" → "+job.target] = id.Roots
		}
		if ns, ok := s.operatorNamespace(); ok && deploy.FlinkStores(job.resource).Rest.TLS {
			s.out.trust["operator → "+job.target] = s.anchors(ns, config.OperatorCertSecret)
		}
	}
}

func (s starting) readEventProcessing(job *eventProcessingJob) {
	refs, ns := deploy.References(job.resource), job.config.Namespace
	s.out.trust[job.target+" → databases"] = s.anchors(ns, refs.TrustStore)
	if f := s.flinkOf(job); f != nil {
		s.out.trust[job.target+" → "+f.target] = s.anchors(ns, refs.FlinkTrust)
	}
	ui := s.secret(ns, refs.UI)
	if ui == nil {
		return
	}
	if id, err := ui.Identity(secrets.DefaultKeys()); err == nil {
		s.out.leaves[job.target+" ui"] = id.Chain
		s.out.trust["ingress → "+job.target+" ui"] = id.Roots
		var own []*x509.Certificate
		for _, name := range refs.Trusted {
			own = append(own, s.anchors(ns, name)...)
		}
		s.out.trust[job.target+" → "+job.target+" ui"] = own
	}
}

// readDatabase reads the server of a certificate.
func (s starting) readDatabase(c config.Certificate) {
	secret := s.secret(c.Namespace, c.SecretName)
	if versions := s.state.versions[slot{c.Target().String(), secrets.RoleCertificate}]; c.Naming != config.Fixed && len(versions) > 0 {
		secret = versions[0]
	}
	if secret == nil || !c.HasUsage(config.UsageServer) {
		return
	}
	id, err := secret.Identity(secrets.DefaultKeys())
	if err != nil {
		return
	}
	s.out.leaves[c.Target().String()] = id.Chain
	for _, e := range s.edgesToCertificate(c) {
		s.out.trust[e.Client+" → "+c.Target().String()] = s.out.trust[e.Client+" → databases"]
	}
}

// intact checks every edge in every mixture of what ran before and what starts
// now. Nothing loaded is nothing to fail.
func (s *testSite) intact(when string, now time.Time, before, after running) {
	s.t.Helper()
	edges := maps.Clone(before.trust)
	maps.Copy(edges, after.trust)
	for key := range edges {
		name, called, _ := strings.Cut(key, " → ")
		for i, client := range []running{before, after} {
			for j, server := range []running{before, after} {
				anchors, chain := client.trust[key], server.leaves[called]
				if anchors == nil || chain == nil {
					continue
				}
				if err := pki.VerifyChain(profileOf(name), chain, anchors, "", now); err != nil {
					s.t.Errorf("%s: %s, client %s, server %s: %v", when, key, age(i), age(j), err)
				}
			}
		}
	}
}

// profileOf is how a client of the walk verifies.
func profileOf(client string) pki.Profile {
	if client == "ingress" {
		return pki.Nginx()
	}
	return pki.JVM()
}

func age(i int) string { return []string{"before", "after"}[i] }
