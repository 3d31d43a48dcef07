package renew

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// The Flink operator's webhook is a server whose only client is the API server. It
// trusts by the caBundle of each entry of two webhook configurations. While it is
// broken no change of a FlinkDeployment is accepted, one of flowcert's neither.

// webhookJob is the webhook in a pass.
type webhookJob struct {
	namespace, target string
	// configurations are those that exist.
	configurations []deploy.Resource
	names          []string
	ips            []netip.Addr
}

func webhookTarget(namespace string) string {
	return "flinkOperator/" + namespace + "/" + deploy.WebhookService
}

func (h *webhookJob) slot() slot { return slot{h.target, secrets.RoleWebhookCert} }

func (h *webhookJob) ref() secrets.Ref {
	return secrets.Ref{Namespace: h.namespace, Name: config.WebhookCertSecret}
}

// findWebhook looks the webhook up, if it is asked for. Nothing is done about one
// that the Operator Lifecycle Manager keeps, nor where nobody can tell what the
// API server trusts.
func (p *planner) findWebhook() {
	ns, ok := p.operatorNamespace()
	if o := p.cfg.FlinkOperator; !ok || o == nil || !o.Webhook {
		return
	}
	h := &webhookJob{namespace: ns, target: webhookTarget(ns)}
	for _, r := range p.state.webhooks {
		if r.Name != deploy.WebhookConfiguration(ns) {
			continue
		}
		if slices.ContainsFunc(h.configurations, func(o deploy.Resource) bool { return o.Kind == r.Kind }) {
			p.fault(h.target, fmt.Errorf("%s stands in two places", r.Where()), "keep one of the two in the directory")
			return
		}
		h.configurations = append(h.configurations, r)
	}
	switch {
	case p.state.webhookOfOLM(h):
		p.notice("%s: the Operator Lifecycle Manager keeps the certificate of this operator's webhook: it is left alone; set flinkOperator.webhook: false in flowcert.yaml", h.target)
		return
	case p.state.live() && p.state.Live.WebhooksClosed != nil:
		p.fault(h.target, fmt.Errorf("what the API server trusts of it cannot be read: %w", p.state.Live.WebhooksClosed),
			"bind the ClusterRole that flowcert manifests --webhook-namespace "+ns+" prints, or set flinkOperator.webhook: false in flowcert.yaml")
		return
	}
	for _, r := range h.configurations {
		p.addFile(r)
	}
	h.nameIt(p.cfg.ClusterDomain)
	p.webhook = h
}

// webhookOfOLM reports whether the Operator Lifecycle Manager installed the
// operator: it marks what it makes.
func (s *State) webhookOfOLM(h *webhookJob) bool {
	for _, r := range h.configurations {
		if deploy.OwnedByOLM(r.Labels()) {
			return true
		}
	}
	return s.live() && slices.ContainsFunc(s.Live.Controllers, func(c deploy.Controller) bool {
		return c.Namespace == h.namespace && c.Labels[operatorLabel] == operatorApp && deploy.OwnedByOLM(c.Labels)
	})
}

// Label of the operator's Deployment (its Helm chart, templates/_helpers.tpl).
const (
	operatorLabel = "app.kubernetes.io/name"
	operatorApp   = "flink-kubernetes-operator"
)

// nameIt gathers the names under which the webhook is called: those of its
// Service, and what its configurations say.
func (h *webhookJob) nameIt(clusterDomain string) {
	service := deploy.WebhookService + "." + h.namespace
	h.names = []string{service, service + ".svc", service + ".svc." + clusterDomain}
	for _, w := range h.entries() {
		ip, err := netip.ParseAddr(w.Host)
		switch {
		case err == nil && !slices.Contains(h.ips, ip):
			h.ips = append(h.ips, ip)
		case err != nil && !slices.Contains(h.names, w.Host):
			h.names = append(h.names, w.Host)
		}
	}
}

// entries are those of both configurations.
func (h *webhookJob) entries() []deploy.Webhook {
	var out []deploy.Webhook
	for _, r := range h.configurations {
		out = append(out, deploy.Webhooks(r)...)
	}
	return out
}

// allNames are DNS names and IP addresses.
func (h *webhookJob) allNames() []string { return leafWant{names: h.names, ips: h.ips}.allNames() }

// planWebhook plans the webhook's certificate, and what the API server trusts.
func (p *planner) planWebhook() {
	h := p.webhook
	if h == nil || p.takenFixed(h.slot(), h.ref()) {
		return
	}
	s := shape{data: secrets.DefaultKeys(), also: []truststore.Format{truststore.PKCS12}}
	if !p.sharedStorePassword(h.target, secrets.Ref{Namespace: h.namespace, Name: config.WebhookPasswordSecret}, &s) || !p.planBundles(h) {
		return
	}
	p.leafInPlace(leafWant{
		slot:      h.slot(),
		namespace: h.namespace, fixedName: config.WebhookCertSecret,
		commonName: deploy.WebhookService, names: h.names, ips: h.ips,
		usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, key: p.cfg.Defaults.Key, validity: p.cfg.Defaults.Validity.Std(),
		shape: s, edges: p.edgesToWebhook(h),
	})
}

// sharedStorePassword gives the shape the one password of a reader's stores, which
// lies in a Secret of its own, whoever made that: its reader takes it into its
// environment once. Where there is none, one is planned.
func (p *planner) sharedStorePassword(target string, ref secrets.Ref, s *shape) bool {
	if password, ok := p.passwordIn(ref); ok {
		s.onePassword = password
		return true
	}
	if p.state.Secrets[ref] != nil {
		p.fault(target, fmt.Errorf("%s: key %q holds no password that the stores could have", ref, secrets.Password),
			"put a password of 6 or more printable characters there, or remove the Secret")
		return false
	}
	s.passwordFrom = &Version{Target: target, Role: secrets.RolePassword, Known: ref.Name}
	p.act(&MakePassword{Version: s.passwordFrom, Key: secrets.Password, Because: "there is none yet", Ref: ref})
	return true
}

// passwordIn is the value of a Secret that holds one password.
func (p *planner) passwordIn(ref secrets.Ref) (string, bool) {
	s, ok := p.state.Secrets[ref]
	if !ok {
		return "", false
	}
	value, ok := s.Data[secrets.Password]
	if err := truststore.CheckPassword(string(value)); !ok || err != nil {
		return "", false
	}
	return string(value), true
}

// edgesToWebhook are the API server's, one an entry. Of a webhook that has no
// certificate yet nothing can be lost.
func (p *planner) edgesToWebhook(h *webhookJob) []Edge {
	if len(p.state.versions[h.slot()]) == 0 && len(p.adopting[h.slot()]) == 0 {
		return nil
	}
	var out []Edge
	for _, r := range h.configurations {
		out = append(out, Edge{Client: "the API server", Server: h.target, Profile: pki.Go(), Trust: p.bundleTrust(r)})
	}
	return out
}

// bundleVersion names a caBundle in messages.
func bundleVersion(r deploy.Resource) string { return "the caBundle of " + r.String() }

// bundleNext says when a caBundle stops being in the way.
func (p *planner) bundleNext() string {
	if p.state.live() {
		return "that is changed first"
	}
	for _, r := range p.webhook.configurations {
		if said := deploy.BundleDeployed(r); !said.IsZero() {
			return countsUntil(said.Add(p.cfg.Rotation.Soak.Std()))
		}
	}
	return p.rollOut()
}

// bundleTrust is what an API server may go by: the caBundles that stand there, and
// those before, for as long as somebody may not have seen the change.
func (p *planner) bundleTrust(r deploy.Resource) []Trust {
	var bundles [][]byte
	for _, w := range deploy.Webhooks(r) {
		bundles = append(bundles, w.Bundle)
	}
	var out []Trust
	for _, b := range append(bundles, p.earlierBundles(r)...) {
		if anchors := bundled(b); len(anchors) > 0 {
			out = append(out, Trust{Version: bundleVersion(r), Anchors: anchors})
		}
	}
	return out
}

// bundleDelay is how long every API server may take to see a change of a
// configuration: each keeps a copy of its own, which follows in moments.
const bundleDelay = 5 * time.Second

// earlierBundles are replaced caBundles that count still: in a cluster for a
// moment; in a directory until the user's word that the change is deployed.
func (p *planner) earlierBundles(r deploy.Resource) [][]byte {
	if p.state.live() {
		if !p.state.Now.Before(deploy.BundleWritten(r).Add(bundleDelay)) {
			return nil
		}
		return deploy.EarlierBundles(r)
	}
	said := deploy.BundleDeployed(r)
	soaked := said.Add(p.cfg.Rotation.Soak.Std())
	if p.state.compromise() {
		soaked = said
	}
	if !said.IsZero() && !p.state.Now.Before(soaked) {
		return nil
	}
	return deploy.EarlierBundles(r)
}

// bundled are the certificates of a caBundle; none where it does not read: the
// API server then calls nobody.
func bundled(pem []byte) []*x509.Certificate {
	certs, err := pki.ParseCertificates(pem)
	if err != nil {
		return nil
	}
	return certs
}

// planBundles gives every configuration the roots that it needs; false if
// somebody else's caBundle is in the way.
func (p *planner) planBundles(h *webhookJob) bool {
	done := true
	for _, r := range h.configurations {
		if p.heldBack(r) != "" {
			if r.Paused() {
				p.notePause(r)
			}
			continue
		}
		wiring := &WebhookWiring{Roots: p.bundleRoots(h, r), NewRoot: p.newRoot(), Earlier: p.earlierBundles(r), At: p.state.Now, Adopt: p.state.Adopt}
		result := wiring.Edits(r, p.plan.Root)
		wiring.Theirs = result.Theirs
		for _, c := range result.Conflicts {
			if c.Adoptable && !p.state.Adopt {
				c.Hint += adoptHint
			}
			p.fault(h.target, c, "")
			done = false
		}
		if len(result.Edits)+len(result.Claims) > 0 {
			p.act(&Rewire{Resource: r, Wiring: wiring, Preview: result.Edits, Claims: result.Claims, Because: p.whyBundle(r, wiring)})
		}
	}
	return done
}

// addFile notes the file of a configuration among those to hand to a cluster.
func (p *planner) addFile(r deploy.Resource) {
	if r.File != "" && !slices.Contains(p.plan.Files, r.File) {
		p.plan.Files = append(p.plan.Files, r.File)
		slices.Sort(p.plan.Files)
	}
}

// bundleRoots are the authority's roots, and of what stands there now that by
// which a chain verifies that may still be served, and that they do not verify.
func (p *planner) bundleRoots(h *webhookJob, r deploy.Resource) []*x509.Certificate {
	want := appendNew(p.wanted(), p.bundleKeeps(h, r))
	f := facing{Edge{Client: "the API server", Server: h.target, Profile: pki.Go()}, p.webhookLeaves(h)}
	if f.leaves = p.failing(f, want); len(f.leaves) == 0 {
		return want
	}
	foreign := p.foreignTo(f)
	for _, t := range p.bundleTrust(r) {
		want = appendNew(want, slices.DeleteFunc(slices.Clone(t.Anchors), foreign))
	}
	return want
}

// webhookLeaves are the chains that the webhook may serve: by its Secret, and by
// its own word.
func (p *planner) webhookLeaves(h *webhookJob) [][]*x509.Certificate {
	out := p.leavesInUse(h.slot(), h.namespace)
	for _, w := range h.entries() {
		if a, ok := p.state.asked[w.Address]; ok && a.err == nil {
			out = append(out, a.chain)
		}
	}
	return out
}

// whyBundle says why a caBundle is written.
func (p *planner) whyBundle(r deploy.Resource, w *WebhookWiring) string {
	var have []*x509.Certificate
	for _, t := range p.bundleTrust(r) {
		have = appendNew(have, t.Anchors)
	}
	name := func(certs []*x509.Certificate) string {
		var out []string
		for _, c := range certs {
			out = append(out, fmt.Sprintf("%q", c.Subject.CommonName))
		}
		return strings.Join(out, ", ")
	}
	lacks := slices.DeleteFunc(slices.Clone(w.Roots), func(c *x509.Certificate) bool { return slices.ContainsFunc(have, c.Equal) })
	extra := slices.DeleteFunc(slices.Clone(have), func(c *x509.Certificate) bool { return slices.ContainsFunc(w.Roots, c.Equal) })
	switch {
	case len(have) == 0 && !w.Theirs:
		return "the API server has nothing to verify the webhook by"
	case w.Theirs:
		return "somebody changed it"
	case w.NewRoot != nil:
		return "it lacks the new root"
	case len(lacks) > 0:
		return "it lacks root " + name(lacks)
	case len(extra) > 0:
		return "it holds root " + name(extra) + ", under which nothing stands any more"
	}
	return "what others set is taken over"
}

// WebhookWiring is what the API server trusts of a webhook.
type WebhookWiring struct {
	Roots   []*x509.Certificate
	NewRoot *Version // a root that this plan makes; nil: it makes none
	Earlier [][]byte // caBundles that were replaced before and count still
	At      time.Time
	Adopt   bool
	// Theirs: somebody changed what flowcert wrote.
	Theirs bool
}

// Edits implements Wiring.
func (w *WebhookWiring) Edits(r deploy.Resource, _ string) deploy.Result {
	roots, toCome := w.Roots, w.NewRoot != nil && w.NewRoot.Secret == nil
	if w.NewRoot != nil && !toCome {
		if id, err := w.NewRoot.Secret.Identity(secrets.DefaultKeys()); err == nil {
			roots = appendNew(roots, id.Chain[:1])
		}
	}
	bundle := pki.EncodeCertificates(roots...)
	if toCome {
		bundle = append(bundle, "(and the new root)"...)
	}
	return deploy.WebhookBundle(r, deploy.BundleWiring{
		Bundle: bundle, Earlier: w.Earlier, At: w.At, Adopt: w.Adopt,
		Same:  func(pem []byte) bool { return !toCome && sameCertificates(bundled(pem), roots) },
		Empty: holdsNone,
	})
}

func (w *WebhookWiring) versions() []*Version { return []*Version{w.NewRoot} }

// holdsNone reports whether a caBundle says nothing, as the line break does that
// charts leave for somebody to replace.
func holdsNone(pem []byte) bool { return strings.TrimSpace(string(pem)) == "" }

// DeployedBundles returns the webhook configurations whose caBundle has changed,
// with the user's word that they are deployed. Those marked before are left out.
func DeployedBundles(state *State) []Reverted {
	var out []Reverted
	for _, r := range state.webhooks {
		if marked := deploy.MarkBundleDeployed(r, state.Now); marked.Source != nil {
			out = append(out, Reverted{Resource: r, Source: marked.Source})
		}
	}
	return out
}
