package renew

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/parallel"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
	"github.com/flowcert/flowcert/yamledit"
)

// operatorName is the DNS name in the Flink operator's certificate. The
// operator is a client; nothing checks it.
const operatorName = "flink-operator"

// planFlink plans the key store and truststore of every FlinkDeployment.
func (p *planner) planFlink() {
	for _, job := range p.sortedFlinks() {
		if !job.config.TLS.Rest && !job.config.TLS.Internal || job.names == nil || p.heldBack(job.resource) != "" {
			continue
		}
		if why := p.withoutOperator(job); why != "" {
			p.plan.Waits = append(p.plan.Waits, Wait{Target: job.target, For: why})
			continue
		}
		v, actions := p.leaf(leafWant{
			slot:      slot{job.target, secrets.RoleFlinkTLS},
			namespace: job.config.Namespace, prefix: job.config.Name + "-tls",
			commonName: job.names[0], names: job.names, usages: mutual, validity: p.cfg.Defaults.Validity.Std(),
			key: p.cfg.Defaults.FlinkKey(), shape: p.flinkShape(job),
			referenced: deploy.References(job.resource).FlinkTLS, holders: []string{job.target},
			edges: p.edgesTo(job),
			faces: []facing{{Edge{Client: job.target, Server: job.target, Profile: pki.JVM()}, p.flinkLeaves(job)}},
		})
		job.tls = v
		p.plan.Actions = append(p.plan.Actions, actions...)
	}
	if spec := p.cfg.Defaults.FlinkKey(); spec != p.cfg.Defaults.Key && len(p.flinks) > 0 {
		p.notice("Flink's stores get %s keys: Flink's cipher suites take RSA only", spec)
	}
}

// operatorNamespace is the namespace of the Flink operator: the configured one, or
// in a cluster the one in which it was found.
func (p *planner) operatorNamespace() (string, bool) {
	if o := p.cfg.FlinkOperator; o != nil && o.Namespace != "" {
		return o.Namespace, p.state.closed(o.Namespace) == nil
	}
	if p.state.live() {
		return p.state.Live.OperatorNamespace, p.state.Live.OperatorNamespace != ""
	}
	return "", false
}

func operatorTarget(namespace string) string {
	return "flinkOperator/" + namespace + "/" + operatorName
}

// planOperator plans the stores with which the Flink operator calls the REST
// endpoints.
func (p *planner) planOperator() {
	ns, ok := p.operatorNamespace()
	if !ok {
		if p.cfg.FlinkOperator == nil && p.anyRest() {
			p.notice("flinkOperator is not configured: the operator cannot verify Flink's REST endpoints without flink-operator-cert; set flinkOperator: {namespace: …} unless somebody else makes it")
		}
		if p.cfg.FlinkOperator != nil {
			p.fault(p.cfg.At(p.cfg.FlinkOperator.Line), errors.New("flinkOperator.namespace is empty"),
				"name the operator's namespace: in a directory it cannot be found")
		}
		return
	}
	target, s := operatorTarget(ns), p.operatorStores
	if p.takenOperatorStores(ns) || s == nil {
		return
	}
	p.leafInPlace(leafWant{
		slot:      slot{target, secrets.RoleOperatorCert},
		namespace: ns, fixedName: config.OperatorCertSecret,
		commonName: operatorName, names: []string{operatorName}, usages: mutual[1:], validity: p.cfg.Defaults.Validity.Std(),
		key: p.cfg.Defaults.FlinkKey(), shape: *s,
		faces: p.operatorFaces(target),
	})
}

// takenOperatorStores reports whether somebody else makes the operator's stores.
func (p *planner) takenOperatorStores(ns string) bool {
	return p.takenFixed(slot{operatorTarget(ns), secrets.RoleOperatorCert}, secrets.Ref{Namespace: ns, Name: config.OperatorCertSecret})
}

// findOperatorStores finds the shape of the operator's stores before anything that has to
// do with them is planned, and plans their password if there is none.
func (p *planner) findOperatorStores() {
	ns, ok := p.operatorNamespace()
	if !ok {
		return
	}
	ref := secrets.Ref{Namespace: ns, Name: config.OperatorPasswordSecret}
	if _, ok := p.passwordIn(ref); !ok && p.takenOperatorStores(ns) {
		return
	}
	s := shape{format: truststore.JKS, also: p.operatorFormats()}
	if p.sharedStorePassword(operatorTarget(ns), ref, &s) {
		p.operatorStores = &s
	}
}

// operatorFormats are those beside JKS, which the operator itself reads: the Flink client in
// it opens a file by the name that stands in the resource, see flinkShape.
func (p *planner) operatorFormats() []truststore.Format {
	for _, job := range p.sortedFlinks() {
		if job.config.TLS.Rest && job.config.TLS.Format == truststore.PKCS12 {
			return []truststore.Format{truststore.PKCS12}
		}
	}
	return nil
}

// flinkShape is that of a FlinkDeployment's stores. Their truststore has the password of the
// operator's: when the operator has made a cluster's pods, its Flink client
// (KubernetesClusterDescriptor of Flink's source) opens the truststore that the
// resource names, with the password that the resource has, and finds at that
// path its own.
func (p *planner) flinkShape(job *flinkJob) shape {
	s := shape{format: job.config.TLS.Format}
	if own := p.operatorStores; own != nil && job.config.TLS.Rest {
		s.trustPassword, s.trustFrom = own.onePassword, own.passwordFrom
	}
	return s
}

// operatorFaces are the REST endpoints that the operator calls: those of every
// FlinkDeployment here.
func (p *planner) operatorFaces(target string) []facing {
	var out []facing
	for _, job := range p.sortedFlinks() {
		if job.servesREST() {
			out = append(out, facing{Edge{Client: target, Server: job.target, Profile: pki.JVM()}, p.flinkLeaves(job)})
		}
	}
	return out
}

func (p *planner) anyRest() bool {
	for _, job := range p.flinks {
		if job.config.TLS.Rest {
			return true
		}
	}
	return false
}

// operatorPassword is the value of operator-certificate-password, whoever made
// it: the operator reads it into its environment once.
func (p *planner) operatorPassword(namespace string) (string, bool) {
	return p.passwordIn(secrets.Ref{Namespace: namespace, Name: config.OperatorPasswordSecret})
}

// wired is a resource and what it should refer to.
type wired struct {
	resource deploy.Resource
	wiring   Wiring
}

// noteUnmounted names a truststore of ours that the configuration does not mount
// any more: it stays, because something may need it, and nothing renews it.
func (p *planner) noteUnmounted(w wired) {
	name := deploy.References(w.resource).TrustStore
	s := p.state.Secrets[secrets.Ref{Namespace: w.resource.Namespace, Name: name}]
	if s == nil || !s.Ours() || len(p.plan.Faults) > 0 || slices.ContainsFunc(w.wiring.versions(), func(v *Version) bool {
		return v != nil && v.Role == secrets.RoleTruststore
	}) {
		return
	}
	p.notice("%s mounts %s of %s, which flowcert.yaml does not give it any more: nothing renews it; put it back into flowcert.yaml, or revert", w.resource, name, s.Target())
}

// planWiring compares every resource with what it should refer to.
func (p *planner) planWiring() {
	var all []wired
	for _, job := range p.sortedFlinks() {
		all = append(all, wired{job.resource, &FlinkWiring{TLS: job.tls, Config: job.config.TLS, Trust: job.trust, TrustFile: job.trustFile, Adopt: p.state.Adopt}})
	}
	for _, job := range p.sortedEventProcessing() {
		all = append(all, wired{job.resource, &EventProcessingWiring{Certificate: job.certificate, CA: job.ca, UI: job.ui, FlinkTrust: job.flinkTrust, Trust: job.trust, TrustFile: job.trustFile, Adopt: p.state.Adopt}})
	}
	all = slices.DeleteFunc(all, func(w wired) bool { return p.heldBack(w.resource) != "" })
	for _, w := range all {
		p.noteUnmounted(w)
	}
	results := parallel.Map(all, func(w wired) deploy.Result { return w.wiring.Edits(w.resource, p.plan.Root) })
	for i, w := range all {
		p.wireOrRestart(w, results[i])
	}
}

// wire plans one rewrite of a resource, if it needs any.
func (p *planner) wire(r deploy.Resource, w Wiring, result deploy.Result) {
	for _, n := range result.Notices {
		p.notice("%s", n)
	}
	if len(result.Conflicts) > 0 {
		for _, c := range result.Conflicts {
			p.fault(r.String(), p.conflictHint(r.String(), c), "")
		}
		return
	}
	if r.Absent {
		p.plan.Waits = append(p.plan.Waits, Wait{Target: r.String(), Kind: "absent", For: "it does not exist yet; what it needs is ready for it (" + p.state.candidates(r.Kind) + ")"})
		return
	}
	if len(result.Edits)+len(result.Claims) > 0 {
		p.act(&Rewire{Resource: r, Wiring: w, Preview: result.Edits, Claims: result.Claims, Because: p.because(r, w, result), Restarts: restarts(r, result.Edits), Back: p.usedAgain(r, w)})
	}
}

// because says why a resource is rewritten: what is new in it, or which fields
// do not hold what flowcert set.
func (p *planner) because(r deploy.Resource, w Wiring, result deploy.Result) string {
	if flink, ok := w.(*FlinkWiring); ok && flink.Restart != "" {
		return flink.Restart
	}
	if len(result.Claims) > 0 {
		return "what others set is taken over"
	}
	if r.Root() == "" {
		return "first wiring"
	}
	var why []string
	for _, v := range w.versions() {
		if v != nil && p.reasons[v] != "" {
			why = append(why, fmt.Sprintf("%s is new: %s", v.Name(), p.reasons[v]))
		}
	}
	if len(why) == 0 {
		for _, e := range result.Edits {
			why = append(why, e.Path.String()+" does not hold what it should")
		}
	}
	if len(why) > 3 {
		why = append(why[:3], fmt.Sprintf("and %d more", len(why)-3))
	}
	return strings.Join(why, "; ")
}

// restarts says what the change of a resource does to what runs.
func restarts(r deploy.Resource, edits []yamledit.Edit) string {
	if !slices.ContainsFunc(edits, func(e yamledit.Edit) bool { return e.Path[0].Key == "spec" }) {
		return "" // metadata restarts nothing
	}
	if r.Kind == deploy.EventProcessingKind {
		return "the Event Processing pod, if it runs"
	}
	mode, session := deploy.UpgradeMode(r)
	switch {
	case session && deploy.HighlyAvailable(r):
		return "the session cluster, if it runs; its jobs recover from high availability"
	case session:
		return "the session cluster, if it runs; WITHOUT high availability its jobs are lost"
	case mode == "stateless":
		return "the job, if it runs; upgradeMode stateless THROWS ITS STATE AWAY"
	}
	return "the job, if it runs (upgradeMode " + mode + ")"
}
