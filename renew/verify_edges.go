package renew

import (
	"crypto/x509"
	"fmt"
	"net"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// meetings checks every edge with the stores in use at both its ends: whether
// the client's truststore verifies what the server presents, by the name under
// which the client calls it.
func (v *verifier) meetings() {
	for _, ep := range v.sortedEventProcessing() {
		if trust := v.flink[ep.target]; trust != nil {
			v.callsFlink(ep, trust)
		}
	}
	for _, job := range v.sortedFlinks() {
		s := v.served[job.target]
		v.within(job, s.channels.Internal, s.internal)
		v.within(job, s.channels.Rest, s.rest)
		v.operator(job, s.rest.key)
	}
	for _, c := range v.cfg.Certificates {
		v.meetCertificate(c)
	}
	for _, ep := range v.sortedEventProcessing() {
		v.meetUI(ep)
	}
}

// meetUI looks at the UI Secret that the resource refers to as the ingress does.
func (v *verifier) meetUI(ep *eventProcessingJob) {
	s := v.state.Secrets[secrets.Ref{Namespace: ep.config.Namespace, Name: deploy.References(ep.resource).UI}]
	if s == nil || s.Role() != secrets.RoleUICertificate || v.flaw(s) != nil {
		return
	}
	v.Checked++
	if err := v.ingressAccepts(ep, s); err != nil {
		v.finding(ep.target, err.Error(), hintOf(err))
	}
}

// callsFlink checks the truststore of spec.flink.tls with the server at
// spec.flink.endpoint.
func (v *verifier) callsFlink(ep *eventProcessingJob, trust *opened) {
	host := deploy.FlinkHost(ep.resource)
	job := v.flinkOf(ep)
	if job == nil {
		v.unknown(ep.target, fmt.Sprintf("spec.flink.endpoint leads to %q, which is no FlinkDeployment of flowcert.yaml with TLS at its REST endpoint: what it serves is not known", host),
			"correct spec.flink.endpoint, or add the FlinkDeployment to flowcert.yaml")
		return
	}
	v.meet(edge{ep.target, trust.secret.Ref.String(), trust.trusted, v.served[job.target].rest.key, host, endpointHint(job, v.served[job.target].rest.key, host)})
}

// endpointHint is what to do where Event Processing does not accept Flink's
// certificate: a name that it does not have is the author's to correct.
func endpointHint(job *flinkJob, server *opened, host string) string {
	if server != nil && len(server.chain) > 0 && server.chain[0].VerifyHostname(host) != nil {
		return fmt.Sprintf("call it %s-rest.%s in spec.flink.endpoint, or see clusterDomain in flowcert.yaml", job.config.Name, job.config.Namespace)
	}
	return mendHint
}

// within checks a channel whose ends are both Flink's, and that verifies both
// ends where the channel asks for client certificates.
func (v *verifier) within(job *flinkJob, c deploy.FlinkChannel, s channelStores) {
	if s.trust == nil || len(c.Pinned) > 0 {
		return // nothing is verified, or the fingerprints decide
	}
	trust := fmt.Sprintf("%s of %s", s.trust.file.Origin.Key, s.trust.secret.Ref)
	v.meet(edge{job.target, trust, s.trust.trusted, s.key, "", mendHint})
	if c.ClientAuth {
		v.meetClient(job.target, trust, s.trust.trusted, s.key)
	}
}

// meetClient checks that a server accepts the client's certificate.
func (v *verifier) meetClient(server, trust string, anchors []*x509.Certificate, client *opened) {
	profile := pki.JVM()
	profile.Usage = x509.ExtKeyUsageClientAuth
	if client == nil || pki.VerifyChain(pki.JVM(), client.chain, anchors, "", v.state.Now) != nil {
		return // reported by the other end
	}
	v.Checked++
	if err := pki.VerifyChain(profile, client.chain, anchors, "", v.state.Now); err != nil {
		v.finding(server, fmt.Sprintf("%s does not verify %s as a client's: %v", trust, client.secret.Ref, err), mendHint)
	}
}

func (v *verifier) operator(job *flinkJob, server *opened) {
	ns, ok := v.operatorNamespace()
	if !ok {
		return
	}
	s := v.state.Secrets[secrets.Ref{Namespace: ns, Name: config.OperatorCertSecret}]
	if s == nil || v.flaw(s) != nil {
		return // reported, or somebody else's
	}
	entries, err := v.trustOf(s)
	if err != nil {
		return
	}
	host := job.config.Name + "-rest." + job.config.Namespace
	v.meet(edge{operatorTarget(ns), s.Ref.String(), secrets.Certificates(entries), server, host, mendHint})
}

// edge is a client that verifies a server by a truststore and a name; empty:
// it checks no name.
type edge struct {
	client, trust string
	anchors       []*x509.Certificate
	server        *opened
	host, hint    string
}

// meet checks one edge. A server that is wrong in itself is reported by itself.
func (v *verifier) meet(e edge) {
	if e.server == nil || len(e.server.chain) == 0 {
		return
	}
	v.Checked++
	if err := pki.VerifyChain(pki.JVM(), e.server.chain, e.anchors, e.host, v.state.Now); err != nil {
		v.finding(e.client, fmt.Sprintf("%s does not verify %s%s: %v", e.trust, e.server.secret.Ref, as(e.host), err), e.hint)
	}
}

func as(host string) string {
	if host == "" {
		return ""
	}
	return " as " + host
}

const authorityHint = "flowcert plan shows what would mend it; if nothing, give the truststore a source with authority: true"

// meetCertificate checks the workloads that reach the server of a certificate by
// a truststore of ours.
func (v *verifier) meetCertificate(c config.Certificate) {
	s := v.certificateSecret(c)
	if s == nil || v.flaw(s) != nil {
		return
	}
	id, err := s.Identity(secrets.DefaultKeys())
	if err != nil {
		return
	}
	server := &opened{secret: s, chain: id.Chain}
	for _, e := range v.edgesToCertificate(c) {
		for _, client := range v.jvm[e.Client] {
			for _, host := range hostsOf(v.cfg.Truststores, id.Chain[0], c) {
				v.meet(edge{e.Client, client.secret.Ref.String(), client.trusted, server, host, authorityHint})
			}
		}
	}
}

// certificateSecret is the Secret of a certificate that its server should use.
func (v *verifier) certificateSecret(c config.Certificate) *secrets.Secret {
	for _, i := range v.wanted.Items {
		if i.Target == c.Target().String() && i.Role == secrets.RoleCertificate {
			return v.secretOf(i)
		}
	}
	return nil
}

// hostsOf are the addresses in sources that lead to the certificate's server; an
// edge that is only declared has none.
func hostsOf(truststores []config.Truststore, leaf *x509.Certificate, c config.Certificate) []string {
	wanted := x509.Certificate{DNSNames: c.DNSNames, IPAddresses: leaf.IPAddresses}
	set := map[string]bool{}
	for _, t := range truststores {
		for _, source := range t.Sources {
			for _, server := range source.Servers {
				if host, _, err := net.SplitHostPort(server.Address); err == nil && wanted.VerifyHostname(host) == nil {
					set[host] = true
				}
			}
		}
	}
	if len(set) == 0 {
		return []string{""}
	}
	return sorted(set)
}
