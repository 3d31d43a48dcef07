package renew

import (
	"crypto/x509"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// reserved are names that flowcert gives to roots and to versions.
var reserved = regexp.MustCompile(`-root-g[0-9]+$|-[0-9a-f]{10}$`)

// planCertificates plans everything else that is to have a certificate: a
// database, a gateway. Nothing of ours mounts them, so by default their Secret
// has a fixed name and is updated in place.
func (p *planner) planCertificates() {
	for _, c := range p.cfg.Certificates {
		target := c.Target().String()
		if p.state.closed(c.Namespace) != nil {
			continue // a fault says so
		}
		if reserved.MatchString(c.SecretName) {
			p.fault(p.cfg.At(c.Line), fmt.Errorf("certificates: %s looks like the name of a Secret that flowcert makes itself", c.SecretName), "give it another name")
			continue
		}
		w := leafWant{
			slot:      slot{target, secrets.RoleCertificate},
			namespace: c.Namespace, prefix: c.SecretName,
			commonName: commonName(c), names: c.DNSNames, ips: c.IPAddresses,
			usages: usages(c), key: c.Key, validity: c.Validity.Std(),
			shape: shape{data: secrets.DefaultKeys(), also: c.Stores},
			edges: p.edgesToCertificate(c),
		}
		if c.Naming == config.Fixed {
			w.fixedName = c.SecretName
			if p.takenFixed(w.slot, secrets.Ref{Namespace: c.Namespace, Name: c.SecretName}) {
				continue
			}
			p.leafInPlace(w)
			continue
		}
		_, actions := p.leaf(w)
		p.plan.Actions = append(p.plan.Actions, actions...)
	}
}

func usages(c config.Certificate) []x509.ExtKeyUsage {
	var out []x509.ExtKeyUsage
	if c.HasUsage(config.UsageServer) {
		out = append(out, x509.ExtKeyUsageServerAuth)
	}
	if c.HasUsage(config.UsageClient) {
		out = append(out, x509.ExtKeyUsageClientAuth)
	}
	return out
}

// commonName is the first name that fits: RFC 5280 bounds it at 64 characters.
func commonName(c config.Certificate) string {
	for _, n := range append(slices.Clone(c.DNSNames), c.SecretName) {
		if len(n) <= 64 {
			return n
		}
	}
	return c.SecretName[:64]
}

// certificateLeaves are leavesInUse of a certificate's server.
func (p *planner) certificateLeaves(c config.Certificate) [][]*x509.Certificate {
	return p.leavesInUse(slot{c.Target().String(), secrets.RoleCertificate}, c.Namespace)
}

// edgesToCertificate lists the workloads that reach the certificate's server by
// a truststore of ours: a source names the server's address, or an edge is
// declared.
func (p *planner) edgesToCertificate(c config.Certificate) []Edge {
	return p.truststoreEdges(c.Target().String(), func(t config.Truststore) bool { return servesAny(t, c) })
}

// declaredEdges lists the workloads that the configuration names as clients of a
// server, and that have a truststore of ours to verify it by.
func (p *planner) declaredEdges(server string) []Edge {
	if !slices.ContainsFunc(p.cfg.Edges, func(e config.Edge) bool { return e.Server.String() == server }) {
		return nil // as nearly always: not every workload is to be looked at for every server
	}
	return p.truststoreEdges(server, func(config.Truststore) bool { return false })
}

// truststoreEdges lists the workloads that mount a truststore which reaches the
// server, or of which the configuration says that they call it.
func (p *planner) truststoreEdges(server string, reaches func(config.Truststore) bool) []Edge {
	var edges []Edge
	for _, t := range p.cfg.Truststores {
		eps, flinks := p.mounting(t)
		for _, job := range eps {
			if reaches(t) || p.declared(job.target, server) {
				edges = append(edges, p.truststoreEdge(t, job.resource, server))
			}
		}
		for _, job := range flinks {
			if reaches(t) || p.declared(job.target, server) {
				edges = append(edges, p.truststoreEdge(t, job.resource, server))
			}
		}
		for _, client := range p.unseenMounting(t) {
			if reaches(t) || p.declared(client, server) {
				edges = append(edges, p.unseenEdge(client, server))
			}
		}
	}
	return edges
}

// faces are truststoreFaces, looked for once a pass.
func (p *planner) faces() []facing {
	if p.facing == nil {
		p.facing = append([]facing{}, p.truststoreFaces()...)
	}
	return p.facing
}

// truststoreFaces are the servers here that workloads call by a truststore, and
// what those may still serve.
func (p *planner) truststoreFaces() []facing {
	var out []facing
	add := func(edges []Edge, leaves func() [][]*x509.Certificate) {
		if len(edges) == 0 {
			return
		}
		chains := leaves()
		for _, e := range edges {
			out = append(out, facing{e, chains})
		}
	}
	for _, c := range p.cfg.Certificates {
		add(p.edgesToCertificate(c), func() [][]*x509.Certificate { return p.certificateLeaves(c) })
	}
	for _, job := range p.sortedEventProcessing() {
		for _, role := range []secrets.Role{secrets.RoleCertificate, secrets.RoleUICertificate} {
			add(p.declaredEdges(job.target), func() [][]*x509.Certificate {
				return p.leavesInUse(slot{job.target, role}, job.config.Namespace)
			})
		}
	}
	for _, job := range p.sortedFlinks() {
		add(p.declaredEdges(job.target), func() [][]*x509.Certificate { return p.flinkLeaves(job) })
	}
	return out
}

func (p *planner) truststoreEdge(t config.Truststore, client deploy.Resource, server string) Edge {
	k := slot{truststoreTarget(client.Namespace, t.Name), secrets.RoleTruststore}
	return Edge{
		Client: client.String(), Server: server, Profile: pki.JVM(),
		Trust:  slices.Concat(p.trustInUse(k, client.Namespace), p.lostTrust(t, client.Namespace), p.trustBefore(client)),
		Unseen: p.doubtful(client, k, t.Name, deploy.References(client).TrustStore),
	}
}

// trustBefore is what a client may still use of truststores that flowcert.yaml does
// not have in its namespace any more: another name takes nothing away from what runs.
func (p *planner) trustBefore(client deploy.Resource) []Trust {
	var out []Trust
	for _, target := range p.formerTruststores(client.Namespace, secrets.RoleTruststore) {
		for _, t := range p.trustInUse(slot{target, secrets.RoleTruststore}, client.Namespace) {
			if !p.referenced[t.Of.Ref] || t.Of.Name == deploy.References(client).TrustStore {
				out = append(out, t)
			}
		}
	}
	return out
}

// formerTruststores are those of a namespace that flowcert.yaml does not have there any
// more, by target, as far as Secrets of the role tell.
func (p *planner) formerTruststores(namespace string, role secrets.Role) []string {
	configured := map[string]bool{}
	for _, t := range p.cfg.Truststores {
		for _, namespace := range t.Namespaces() {
			configured[truststoreTarget(namespace, t.Name)] = true
		}
	}
	return slices.DeleteFunc(p.targetsOf(role), func(target string) bool {
		return !strings.HasPrefix(target, truststoreTarget(namespace, "")) || configured[target]
	})
}

// servesAny reports whether a source of the truststore names a server at one of
// the certificate's names, or trusts the authority without naming any.
func servesAny(t config.Truststore, c config.Certificate) bool {
	named := x509.Certificate{DNSNames: c.DNSNames}
	for _, ip := range c.IPAddresses {
		named.IPAddresses = append(named.IPAddresses, ip.AsSlice())
	}
	for _, source := range t.Sources {
		if source.Authority && len(source.Servers) == 0 && c.HasUsage(config.UsageServer) {
			return true // which servers it is for is not said
		}
		for _, server := range source.Servers {
			host, _, err := net.SplitHostPort(server.Address)
			if err == nil && named.VerifyHostname(host) == nil {
				return true
			}
		}
	}
	return false
}

func (p *planner) declared(client, server string) bool {
	return slices.ContainsFunc(p.cfg.Edges, func(e config.Edge) bool {
		return e.Client.String() == client && e.Server.String() == server
	})
}
