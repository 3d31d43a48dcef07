package renew

import (
	"crypto/x509"
	"maps"
	"slices"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// edgesTo lists who verifies a FlinkDeployment: every Event Processing whose
// spec.flink.endpoint leads there, the Flink operator, and Flink's own pods.
func (p *planner) edgesTo(job *flinkJob) []Edge {
	edges := []Edge{{
		Client: job.target + " (its pods)", Server: job.target, Profile: pki.JVM(),
		Trust: p.trustInUse(slot{job.target, secrets.RoleFlinkTLS}, job.config.Namespace),
	}}
	for _, ep := range p.callersOf(job) {
		k := slot{ep.target, secrets.RoleFlinkTrust}
		edges = append(edges, Edge{
			Client: ep.target, Server: job.target, Profile: pki.JVM(), Trust: p.trustInUse(k, ep.config.Namespace),
			Unseen: p.doubtful(ep.resource, k, flinkTrustPrefix(ep), deploy.References(ep.resource).FlinkTrust),
		})
	}
	if ns, ok := p.operatorNamespace(); ok {
		edges = append(edges, p.operatorEdge(ns, job.target))
	}
	return slices.Concat(edges, p.unseenCallers(job.target), p.missingCallers(job.target), p.declaredEdges(job.target))
}

// trustInUse is every version of a client's trust that something may still
// use, see retired.
// One that does not open can be no pod's, because a JVM would not start with it.
func (p *planner) trustInUse(k slot, namespace string) []Trust {
	var out []Trust
	for _, s := range p.state.versions[k] {
		if s.Namespace != namespace || p.retired(s) {
			continue
		}
		entries, err := p.trustOf(s)
		if err == nil {
			out = append(out, Trust{Version: s.Name, Anchors: secrets.Certificates(entries), Of: s})
		}
		for _, c := range p.earlierTrust(s) {
			out = append(out, Trust{Version: s.Name + earlierWord, Anchors: secrets.Certificates(c.entries), Lost: c.lost, Of: s})
		}
	}
	return append(out, p.adoptedTrust(k, namespace)...)
}

// leavesInUse are the chains that a server may still serve: those of its
// versions, of a Secret that is updated in place the ones before, and of what
// was taken over.
func (p *planner) leavesInUse(k slot, namespace string) [][]*x509.Certificate {
	var out [][]*x509.Certificate
	for _, s := range p.state.versions[k] {
		if s.Namespace == namespace {
			out = append(out, p.chainsInUse(s)...)
		}
	}
	return append(out, p.adoptedLeaves(k, namespace)...)
}

// flinkLeaves are leavesInUse of a FlinkDeployment.
func (p *planner) flinkLeaves(job *flinkJob) [][]*x509.Certificate {
	return p.leavesInUse(slot{job.target, secrets.RoleFlinkTLS}, job.config.Namespace)
}

// formatOf is the format of the stores that a Secret holds.
func formatOf(s *secrets.Secret) truststore.Format {
	if s.Role() == secrets.RoleOperatorCert {
		return truststore.JKS // PKCS12 only stands beside it, see operatorFormats
	}
	if _, ok := s.Data[secrets.TrustFile(truststore.PKCS12)]; ok {
		return truststore.PKCS12
	}
	return truststore.JKS
}

// callersOf lists every Event Processing that calls a FlinkDeployment, see
// flinkOf.
func (p *planner) callersOf(job *flinkJob) []*eventProcessingJob {
	if p.callers == nil {
		p.callers = map[*flinkJob][]*eventProcessingJob{}
		for _, ep := range p.sortedEventProcessing() {
			flink := p.flinkOf(ep)
			p.callers[flink] = append(p.callers[flink], ep)
		}
	}
	return p.callers[job]
}

// flinkOf is the configured FlinkDeployment that an Event Processing calls; nil
// if it calls none, or one without TLS on its REST endpoint.
func (p *planner) flinkOf(job *eventProcessingJob) *flinkJob {
	namespace, name, ok := deploy.FlinkEndpoint(job.resource)
	if !ok {
		return nil
	}
	flink := p.flinks[deploy.Target(deploy.FlinkDeploymentKind, namespace, name)]
	if flink == nil || !flink.servesREST() {
		return nil
	}
	return flink
}

// servesREST reports whether Flink's REST endpoint has flowcert's certificate: as
// flowcert.yaml asks for, or as it once asked for, because what is turned off there
// is left as it stands in the resource. Clients go by what is served.
func (job *flinkJob) servesREST() bool {
	return job.config.TLS.Rest || deploy.ServesREST(job.resource)
}

func (p *planner) sortedEventProcessing() []*eventProcessingJob {
	return inKeyOrder(p.wired)
}

func (p *planner) sortedFlinks() []*flinkJob { return inKeyOrder(p.flinks) }

func inKeyOrder[T any](m map[string]T) []T {
	var out []T
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
