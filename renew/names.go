package renew

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
)

// collectNames gathers, by namespace, every DNS name that a leaf there carries:
// they decide what an intermediate must permit.
func (p *planner) collectNames() {
	for _, job := range p.sortedEventProcessing() {
		if !p.hostsValid(job) {
			continue
		}
		if err := p.nameEventProcessing(job); err != nil {
			p.fault(job.target, err, "names come from the resource's name, its namespace and clusterAPI: shorten one of them")
			continue
		}
		p.needEventProcessing(job)
	}
	for _, job := range p.sortedFlinks() {
		names, err := pki.FlinkNames(job.config.Name, job.config.Namespace, p.cfg.ClusterDomain)
		if err != nil {
			p.fault(job.target, err, "names come from the resource's name and its namespace: shorten one of them")
			continue
		}
		job.names = names
		if job.config.TLS.Rest || job.config.TLS.Internal {
			p.needNames(job.config.Namespace, names)
		}
	}
	for _, c := range p.cfg.Certificates {
		p.needNames(c.Namespace, leafWant{commonName: commonName(c), names: c.DNSNames, ips: c.IPAddresses}.allNames())
	}
	if ns, ok := p.operatorNamespace(); ok {
		p.needNames(ns, []string{operatorName})
	}
	if h := p.webhook; h != nil {
		p.needNames(h.namespace, h.allNames())
	}
}

// hostsValid checks the names that people write, so that the message can say
// where they stand.
func (p *planner) hostsValid(job *eventProcessingJob) bool {
	valid := true
	for _, host := range deploy.EventProcessingHosts(job.resource) {
		if err := pki.CheckDNSName(host); err != nil {
			p.fault(job.resource.Where(), fmt.Errorf("spec.authoring.endpoints[].host: %w", err), "give a DNS name alone, without scheme, port or path")
			valid = false
		}
	}
	return valid
}

// needNames notes the names of one leaf.
func (p *planner) needNames(namespace string, names []string) {
	p.names[namespace] = append(p.names[namespace], names)
}

// allNames are the names of every leaf in the namespace, sorted.
func (p *planner) allNames(namespace string) []string {
	set := map[string]bool{}
	for _, names := range p.names[namespace] {
		for _, n := range names {
			set[n] = true
		}
	}
	return sorted(set)
}

// maxGroup bounds the names that one intermediate permits, in bytes of its
// certificate: pki refuses one over 8 KB, because servers send it in every
// handshake and Java takes 32 KB in all.
const maxGroup = 6000

// group is the share of a namespace's names that one intermediate permits: those
// of the leaf, and of as many others as fit beside them.
func (p *planner) group(namespace string, leaf []string) []string {
	groups, ok := p.groups[namespace]
	if !ok {
		groups = p.grouped(namespace)
		p.groups[namespace] = groups
	}
	for _, g := range groups {
		if slices.ContainsFunc(g.leaves, func(names []string) bool { return slices.Equal(names, leaf) }) {
			return g.names
		}
	}
	return leaf
}

// nameGroup are leaves that one intermediate signs.
type nameGroup struct {
	leaves [][]string
	names  []string // of all of them, sorted
}

func (p *planner) grouped(namespace string) []nameGroup {
	var groups []nameGroup
	size := 0
	for _, names := range p.names[namespace] {
		more := p.encoded(namespace, names)
		if len(groups) == 0 || size+more > maxGroup {
			groups, size = append(groups, nameGroup{}), 0
		}
		g := &groups[len(groups)-1]
		g.leaves, size = append(g.leaves, names), size+more
	}
	for i := range groups {
		groups[i].names = slices.Compact(slices.Sorted(slices.Values(slices.Concat(groups[i].leaves...))))
	}
	return groups
}

// encoded is about what names take in the certificate of an intermediate: nothing where the domains that it permits
// anyway cover them, or where it permits the same whatever it signs.
func (p *planner) encoded(namespace string, names []string) int {
	size := func(c *pki.Constraints) (n int) {
		if c != nil {
			n = len(c.PermittedIPs) * 12
			for _, d := range c.PermittedDNS {
				n += len(d) + 4
			}
		}
		return n
	}
	return max(size(p.constraints(namespace, names))-size(p.constraints(namespace, nil)), 0)
}

// checkNames refuses what no intermediate of the namespace could sign.
func (p *planner) checkNames() {
	spec := p.intermediateSpec()
	if spec == nil || spec.constraints.Mode == config.ConstraintsNone {
		return
	}
	nc, field := spec.constraints, "authority.selfSigned.nameConstraints"
	if p.cfg.Authority.Secret != nil {
		field = "authority.secret.intermediate.nameConstraints"
	}
	for _, namespace := range p.namespaces() {
		for _, names := range p.names[namespace] {
			if p.encoded(namespace, names) > maxGroup {
				p.fault(authorityTarget(p.cfg), fmt.Errorf("one certificate in namespace %s has %d names, too many for a name-constrained intermediate", namespace, len(names)),
					"use fewer names, or set "+field+": none")
			}
			for _, n := range names {
				if nc.Mode == config.ConstraintsList && !covered(n, nc.PermittedDNS) {
					p.fault(authorityTarget(p.cfg), fmt.Errorf("%s.permittedDNS does not cover %s, which is needed in namespace %s", field, n, namespace),
						"add the name or a domain above it")
				}
			}
		}
	}
}

// covered reports whether a domain or one below it is permitted (RFC 5280
// section 4.2.1.10).
func covered(name string, permitted []string) bool {
	name = strings.ToLower(strings.TrimPrefix(name, "*."))
	return slices.ContainsFunc(permitted, func(d string) bool {
		d = strings.ToLower(d)
		return name == d || strings.HasSuffix(name, "."+d)
	})
}
