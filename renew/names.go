package renew

import (
	"slices"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
)

// collectNames gathers, by namespace, every DNS name that a leaf there carries:
// they decide what an intermediate must permit.
func (p *planner) collectNames() {
	for _, job := range p.sortedEventProcessing() {
		extra := append(deploy.EventProcessingHosts(job.resource), job.config.ExtraDNSNames...)
		names, err := pki.EventProcessingNames(job.config.Name, job.config.Namespace, p.cfg.ClusterDomain, p.cfg.ClusterAPI, extra)
		if err != nil {
			p.fault(job.target, err, "names come from the resource's name, its namespace and clusterAPI: shorten one of them")
			continue
		}
		if p.cfg.ClusterAPI == "" && len(extra) == 0 {
			p.notice("%s: no host for browsers is known, so the certificate names the Services alone; set clusterAPI in flowcert.yaml (OpenShift) or spec.authoring.endpoints[].host", job.target)
		}
		job.names = names
		p.needNames(job.config.Namespace, names)
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
		names := slices.Clone(c.DNSNames)
		for _, ip := range c.IPAddresses {
			names = append(names, ip.String())
		}
		p.needNames(c.Namespace, names)
	}
	if ns, ok := p.operatorNamespace(); ok {
		p.needNames(ns, []string{operatorName})
	}
}

func (p *planner) needNames(namespace string, names []string) {
	if p.names[namespace] == nil {
		p.names[namespace] = map[string]bool{}
	}
	for _, n := range names {
		p.names[namespace][n] = true
	}
}
