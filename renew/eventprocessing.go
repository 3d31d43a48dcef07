package renew

import (
	"fmt"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// eventProcessingJob is one EventProcessing in a pass.
type eventProcessingJob struct {
	config   config.EventProcessing
	resource deploy.Resource
	names    []string // of its certificate; in mode ca those that cert-manager gives it
	uiNames  []string // of its separate UI certificate
	target   string

	certificate, ca, ui, flinkTrust, trust *Version
	trustFile                              string
}

// planEventProcessing plans, for every EventProcessing, its certificate or the CA
// that cert-manager signs it with, its separate UI certificate, and its copy of
// Flink's truststore.
func (p *planner) planEventProcessing() {
	for _, job := range p.sortedEventProcessing() {
		if job.names == nil || p.heldBack(job.resource) != "" {
			continue
		}
		if job.config.Mode == config.ModeCA {
			job.ca = p.planSigningCA(job)
		} else {
			job.certificate = p.planCertificate(job)
		}
		if job.config.UI != nil {
			job.ui = p.planUI(job)
		}
		job.flinkTrust = p.planFlinkTrust(job)
	}
}

// leafOf is what the certificates of an EventProcessing have in common.
func (p *planner) leafOf(job *eventProcessingJob, role secrets.Role, names []string) leafWant {
	return leafWant{
		slot:      slot{job.target, role},
		namespace: job.config.Namespace, holders: []string{job.target},
		names: names, commonName: names[0], usages: mutual[:1],
		validity: p.cfg.Defaults.Validity.Std(), key: p.cfg.Defaults.Key,
		edges: p.declaredEdges(job.target),
	}
}

// planLeaf is leaf with its actions in the plan.
func (p *planner) planLeaf(w leafWant) *Version {
	v, actions := p.leaf(w)
	p.plan.Actions = append(p.plan.Actions, actions...)
	return v
}

// planCertificate plans the certificate of spec.authoring.tls.secretName. It
// carries the UI's names too where those have a certificate of their own: the
// products do not say which of the two a request by another name meets.
func (p *planner) planCertificate(job *eventProcessingJob) *Version {
	w := p.leafOf(job, secrets.RoleCertificate, job.names)
	w.prefix = job.config.Name + "-cert"
	w.shape = shape{data: deploy.EventProcessingDataKeys(job.resource)}
	w.referenced = []string{deploy.References(job.resource).Certificate}
	return p.planLeaf(w)
}

// planUI plans the separate UI certificate. What verifies it reads the roots from
// the same Secret, so that trust and leaf change hands together and not at one
// moment: the ingress may have the old ca.crt when the pod serves the new
// certificate, and the other way round. Every version in use therefore counts
// on both sides of its edges.
func (p *planner) planUI(job *eventProcessingJob) *Version {
	w := p.leafOf(job, secrets.RoleUICertificate, job.uiNames)
	w.prefix = job.config.Name + "-ui-cert"
	w.shape = shape{data: deploy.EventProcessingUIDataKeys(job.resource), ingress: true}
	w.referenced = []string{deploy.References(job.resource).UI}
	if job.certificate != nil && p.certificateOf(job.certificate) == nil {
		w.early = w.validity / 8 // one restart for both, should they have come apart
	}
	leaves := p.leavesInUse(w.slot, w.namespace)
	trust := p.trustInUse(w.slot, w.namespace)
	for _, e := range []Edge{
		{Client: "the ingress in front of " + job.target, Profile: ingressProfile(job.resource)},
		{Client: job.target + " (its trustedCertificates)", Profile: pki.JVM()},
	} {
		e.Server, e.Trust = job.target+" (its UI)", trust
		w.edges = append(w.edges, e)
		w.faces = append(w.faces, facing{e, leaves})
	}
	v := p.planLeaf(w)
	if v != nil && v.Secret != nil {
		if err := p.ingressAccepts(job, v.Secret); err != nil {
			p.notice("%s: %v; %s", job.target, err, hintOf(err))
		}
	}
	return v
}

// ingressProfile is the nginx that re-encrypts for the UI: it verifies against
// ca.crt of the UI's Secret, to depth 1 unless an annotation of the endpoint
// says otherwise.
func ingressProfile(r deploy.Resource) pki.Profile {
	profile := pki.Nginx()
	if depth, ok := deploy.UIVerifyDepth(r); ok {
		profile.MaxIntermediates = depth
		if depth == 0 {
			profile.MaxIntermediates = -1
		}
	}
	return profile
}

// ingressAccepts verifies a UI Secret as an nginx in front of it does: what it
// trusts and what the UI serves are both in there. Routes of OpenShift verify as
// deep as they need.
func (p *planner) ingressAccepts(job *eventProcessingJob, s *secrets.Secret) error {
	id, err := p.identityOf(s)
	if err != nil || p.clusterAPI() != "" {
		return nil // said elsewhere
	}
	if err := pki.VerifyChain(ingressProfile(job.resource), id.Chain, id.Roots, "", p.state.Now); err != nil {
		return Hinted{
			Err:  fmt.Errorf("an nginx ingress that re-encrypts to the UI does not accept %s: %w", s.Name, err),
			Hint: fmt.Sprintf("if it is too deep for nginx, set the annotation nginx.ingress.kubernetes.io/proxy-ssl-verify-depth: \"%d\" on the ui endpoint", len(id.Chain)-1),
		}
	}
	return nil
}

// planFlinkTrust plans the truststore of spec.flink.tls; nil where no
// FlinkDeployment of flowcert's is called.
func (p *planner) planFlinkTrust(job *eventProcessingJob) *Version {
	flink := p.flinkOf(job)
	if u := p.unseenFlink(job); u != nil {
		p.notice("%s: the FlinkDeployment that spec.flink.endpoint names cannot be looked at (%s); spec.flink.tls is left alone", job.target, u.why)
		return nil
	}
	if flink == nil {
		p.notice("%s: spec.flink.endpoint names no FlinkDeployment of flowcert.yaml with TLS on its REST endpoint; spec.flink.tls is left alone", job.target)
		return nil
	}
	trust, step := p.trust(trustWant{
		slot:      slot{job.target, secrets.RoleFlinkTrust},
		namespace: job.config.Namespace, prefix: flinkTrustPrefix(job),
		format:    truststore.JKS, // spec.flink.tls takes truststore.jks only
		authority: secrets.RootAlias, referenced: []string{deploy.References(job.resource).FlinkTrust}, holders: []string{job.target},
		faces:   []facing{{Edge{Client: job.target, Server: flink.target, Profile: pki.JVM()}, p.flinkLeaves(flink)}},
		adopted: p.adoptedEntries(slot{job.target, secrets.RoleFlinkTrust}, job.config.Namespace, nil),
	})
	if step != nil {
		p.act(step)
	}
	return trust
}

func flinkTrustPrefix(job *eventProcessingJob) string { return job.config.Name + "-flink-trust" }

// nameEventProcessing finds the names of an EventProcessing's certificates.
//
// The UI's certificate carries the names by which browsers open it: those of the
// route, the hosts of endpoints named ui, and extraDNSNames, which do not say what
// they are for. It carries the Services' too: an ingress that re-encrypts calls
// the Service and verifies its name where the annotation proxy-ssl-name asks for
// it. Hosts of other endpoints are not the UI's.
func (p *planner) nameEventProcessing(job *eventProcessingJob) error {
	with := func(hosts []string) ([]string, error) {
		return pki.EventProcessingNames(job.config.Name, job.config.Namespace, p.cfg.ClusterDomain, p.clusterAPI(), append(hosts, job.config.ExtraDNSNames...))
	}
	names, err := with(deploy.EventProcessingHosts(job.resource))
	if err != nil {
		return err
	}
	job.names = names
	job.uiNames, err = with(deploy.EventProcessingUIHosts(job.resource))
	return err
}

// needEventProcessing notes the names that leaves of ours carry. In mode ca
// cert-manager issues the leaf: no intermediate of ours has to permit its names.
func (p *planner) needEventProcessing(job *eventProcessingJob) {
	hosts := deploy.EventProcessingUIHosts(job.resource)
	if job.config.Mode == config.ModeCertificate {
		hosts = deploy.EventProcessingHosts(job.resource)
		p.needNames(job.config.Namespace, job.names)
	} else if job.config.UI == nil {
		return
	}
	if job.config.UI != nil && (job.config.Mode == config.ModeCA || len(job.uiNames) < len(job.names)) {
		p.needNames(job.config.Namespace, job.uiNames)
	}
	if p.clusterAPI() == "" && len(hosts)+len(job.config.ExtraDNSNames) == 0 {
		p.notice("%s: no host for browsers is known, so the certificate names the Services alone; set clusterAPI in flowcert.yaml (OpenShift) or spec.authoring.endpoints[].host", job.target)
	}
}
