package renew

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// askWebhooks dials the servers of the Flink operator's webhook configurations, by
// address: what they have loaded is told by nothing else.
func askWebhooks(ctx context.Context, configurations []deploy.Resource) map[string]answer {
	var servers []server
	for _, r := range configurations {
		for _, w := range deploy.Webhooks(r) {
			servers = append(servers, server{w.Address, config.TLS})
		}
	}
	out := map[string]answer{}
	for s, a := range askAll(ctx, servers) {
		out[s.address] = a
	}
	return out
}

// admission is whether the API server takes changes of FlinkDeployments, by its own
// word; it is asked where the webhook cannot be.
type admission struct {
	known bool
	err   error
}

// admitter is a store that can ask the API server.
type admitter interface {
	// Admits asks whether it would take a change of a resource now. An error with known
	// is why it would not.
	Admits(context.Context, deploy.Resource) (known bool, err error)
}

// askAdmission asks the API server where a webhook cannot be reached from here: as
// from outside of the cluster, where the names of Services lead nowhere.
func (s *State) askAdmission(ctx context.Context, store Store) admission {
	asks, ok := store.(admitter)
	if !ok || !s.webhookUnseen() {
		return admission{}
	}
	for _, r := range s.resources {
		if r.Kind == deploy.FlinkDeploymentKind {
			known, err := asks.Admits(ctx, r)
			return admission{known, err}
		}
	}
	return admission{}
}

// webhookUnseen reports whether a server of the webhook cannot be reached from
// here.
func (s *State) webhookUnseen() bool {
	for _, a := range s.asked {
		if errors.Is(a.err, ErrUnreachable) {
			return true
		}
	}
	return false
}

// admits reports whether the API server has said that it takes changes.
func (s *State) admits() bool { return s.admission.known && s.admission.err == nil }

// webhookSecret is the Secret of the webhook; nil if there is none of ours.
func (p *planner) webhookSecret(h *webhookJob) *secrets.Secret {
	s := p.state.Secrets[h.ref()]
	if s == nil || !s.Ours() {
		return nil
	}
	return s
}

// webhookLeaf is the certificate in the webhook's Secret; nil if none reads.
func (p *planner) webhookLeaf(s *secrets.Secret) *x509.Certificate {
	id, err := p.identityOf(s)
	if err != nil {
		return nil
	}
	return id.Chain[0]
}

// leafSince is when the certificate came that a Secret holds now. The webhook's
// Secret is also written when the roots beside it change, which its pods need not
// notice.
func (p *planner) leafSince(s *secrets.Secret) time.Time {
	if s.Role() == secrets.RoleWebhookCert {
		if leaf := p.webhookLeaf(s); leaf != nil {
			return leaf.NotBefore.Add(backdate)
		}
	}
	return s.Since()
}

// webhookLoaded reports whether a dial proves that what is in the Secret is all
// that the webhook serves: every server of it answers with that, and it has no
// second pod that did not get the call.
func (p *planner) webhookLoaded(s *secrets.Secret) bool {
	h := p.webhook
	if h == nil || s.Ref != h.ref() || len(p.state.webhookPods(h)) > 1 {
		return false
	}
	leaf := p.webhookLeaf(s)
	entries := h.entries()
	for _, w := range entries {
		a, asked := p.state.asked[w.Address]
		if !asked || a.err != nil || leaf == nil || !a.chain[0].Equal(leaf) {
			return false
		}
	}
	return len(entries) > 0
}

// webhookPods are those that mount the webhook's Secret.
func (s *State) webhookPods(h *webhookJob) []deploy.Pod {
	var out []deploy.Pod
	if !s.live() {
		return nil
	}
	for _, pod := range s.Live.Pods {
		if pod.Namespace == h.namespace && !pod.Finished && slices.Contains(pod.Secrets, config.WebhookCertSecret) {
			out = append(out, pod)
		}
	}
	return out
}

// webhookBroken says why the API server would refuse any change of a
// FlinkDeployment; empty: nothing is known to be in the way.
func (p *planner) webhookBroken() string {
	h := p.webhook
	if h == nil || !p.state.live() {
		return ""
	}
	for _, r := range h.configurations {
		for _, w := range deploy.Webhooks(r) {
			if why := p.webhookFails(w); w.Required && why != "" {
				return fmt.Sprintf("the Flink operator's webhook (%s of %s) %s, and without it the API server takes no change", w.Name, r, why)
			}
		}
	}
	return ""
}

// webhookFails says why a call of the API server's fails; empty: it does not.
func (p *planner) webhookFails(w deploy.Webhook) string {
	a, asked := p.state.asked[w.Address]
	switch {
	case !asked, errors.Is(a.err, ErrUnreachable) && p.state.admits():
		return ""
	case errors.Is(a.err, ErrUnreachable) && p.state.admission.known:
		return fmt.Sprintf("cannot be called: %v", p.state.admission.err)
	case a.err != nil:
		return fmt.Sprintf("does not answer at %s: %v", w.Address, a.err)
	case len(bundled(w.Bundle)) == 0:
		return "has no caBundle yet"
	}
	if err := pki.VerifyChain(pki.Go(), a.chain, bundled(w.Bundle), w.Host, p.state.Now); err != nil {
		return fmt.Sprintf("serves a certificate at %s that its caBundle does not verify: %v", w.Address, err)
	}
	return ""
}

// planWebhookServing compares what the webhook serves with what it should. It
// reads its key store once, and misses that the kubelet puts another in its place,
// so its pod is restarted where it has not the new one when it should have.
func (p *planner) planWebhookServing() {
	h := p.webhook
	if h == nil || p.faulty(h.target) {
		return
	}
	if len(h.configurations) == 0 {
		p.noWebhookConfiguration(h)
		return
	}
	s := p.webhookSecret(h)
	if !p.state.live() || s == nil || p.changes(s) {
		return
	}
	if p.settlingBundles(h) {
		return
	}
	rolls := func(format string, args ...any) {
		p.plan.Rolling = append(p.plan.Rolling, Wait{Target: h.target, For: fmt.Sprintf(format, args...)})
	}
	waits := func(format string, args ...any) {
		p.plan.Waits = append(p.plan.Waits, Wait{Target: h.target, Kind: "gate", For: fmt.Sprintf(format, args...)})
	}
	if p.state.webhookUnseen() && p.state.admits() {
		p.notice("%s cannot be reached from here, so that what it serves is not compared; the API server accepts it", h.target)
	}
	pods := p.state.webhookPods(h)
	if why := p.state.webhookStarting(h, pods); why != "" {
		rolls("%s", why)
		return
	}
	fault, stale := p.webhookStale(h, s, pods)
	if fault == "" {
		return
	}
	restartAt := s.Created().Add(kubeletDelay)
	switch blocked := p.operatorBusy(); {
	case !stale && p.state.Now.Before(restartAt.Add(kubeletDelay)):
		rolls("%s", fault)
	case !stale:
		waits("%s", fault)
	case p.state.Now.Before(restartAt):
		rolls("%s; it is restarted at %s unless it has read the new one by then", fault, restartAt.UTC().Format(time.RFC3339))
	case len(pods) == 0:
		waits("%s; nothing in namespace %s mounts %s: restart what serves the webhook", fault, h.namespace, config.WebhookCertSecret)
	case blocked != "":
		waits("%s; its pod is restarted when that disturbs nothing: %s", fault, blocked)
	default:
		p.act(&RestartPod{Pod: oldest(pods), Target: h.target, Because: fault})
	}
}

// noWebhookConfiguration says what is left to do where the API server has not been
// told yet whom to trust.
func (p *planner) noWebhookConfiguration(h *webhookJob) {
	name := deploy.WebhookConfiguration(h.namespace)
	if p.state.live() {
		p.plan.Waits = append(p.plan.Waits, Wait{Target: h.target, Kind: "absent", For: fmt.Sprintf(
			"neither of its webhook configurations (%s) is there; what its server needs is ready: install the operator with its webhook, or set flinkOperator.webhook: false in flowcert.yaml", name)})
		return
	}
	p.notice("%s: its webhook configurations are not in the directory: give the API server the CA before you hand the Secrets over, with CA=$(flowcert ca | base64 -w0) and, for validatingwebhookconfiguration and mutatingwebhookconfiguration, "+
		`kubectl patch KIND %s --type json -p '[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"'$CA'"}]'; or put their manifests into the directory`, h.target, name)
}

// changes reports whether the plan writes a Secret.
func (p *planner) changes(s *secrets.Secret) bool {
	return slices.ContainsFunc(p.plan.Actions, func(a Action) bool {
		leaf, ok := a.(*MakeLeaf)
		return ok && leaf.Namespace == s.Namespace && leaf.FixedName == s.Name
	})
}

// settlingBundles reports whether an API server may still go by an earlier
// caBundle.
func (p *planner) settlingBundles(h *webhookJob) bool {
	for _, r := range h.configurations {
		if len(p.earlierBundles(r)) > 0 {
			p.plan.Rolling = append(p.plan.Rolling, Wait{Target: r.String(), For: "API servers take the new caBundle over"})
			return true
		}
	}
	return false
}

// webhookStarting names a pod that does not serve yet, or serves no more, or the
// Deployment whose pod is still to come.
func (s *State) webhookStarting(h *webhookJob, pods []deploy.Pod) string {
	for _, c := range s.Live.Controllers {
		if len(pods) == 0 && c.Namespace == h.namespace && c.Replicas > 0 && slices.Contains(c.Secrets, config.WebhookCertSecret) {
			return "no pod of " + strings.ToLower(c.Kind) + " " + c.Name + " runs yet"
		}
	}
	for _, pod := range pods {
		if pod.Started.IsZero() {
			return "pod " + pod.Name + " has not started yet"
		}
	}
	return deploy.Unready(pods)
}

// webhookStale says what is wrong with what is served; stale tells that it is an
// earlier certificate, which a restart mends. Of several pods a dial reaches one,
// and none from outside of the cluster: there the time at which they started
// decides.
func (p *planner) webhookStale(h *webhookJob, s *secrets.Secret, pods []deploy.Pod) (fault string, stale bool) {
	leaf := p.webhookLeaf(s)
	if leaf == nil {
		return "", false // the plan mends it
	}
	for _, address := range slices.Sorted(maps.Keys(p.state.asked)) {
		a := p.state.asked[address]
		switch {
		case errors.Is(a.err, ErrUnreachable) && p.state.admits():
		case errors.Is(a.err, ErrUnreachable):
			fault = cmp.Or(fault, fmt.Sprintf("what it serves is not known: %s: %v", address, a.err))
		case a.err != nil:
			fault = cmp.Or(fault, fmt.Sprintf("%s: %v", address, a.err))
		case !a.chain[0].Equal(leaf):
			return fmt.Sprintf("%s serves another certificate than %s holds (until %s)", address, s.Ref, day(a.chain[0].NotAfter)), true
		}
	}
	if fault == "" && len(pods) > 0 && (len(pods) > 1 || p.state.webhookUnseen()) && s.Annotations[earlierAnnotation] != "" {
		if pod := oldest(pods); pod.Started.Before(p.leafSince(s).Add(kubeletDelay)) {
			return fmt.Sprintf("pod %s started before it can have read what %s holds", pod.Name, s.Ref), true
		}
	}
	return fault, false
}

func oldest(pods []deploy.Pod) deploy.Pod {
	return slices.MinFunc(pods, func(a, b deploy.Pod) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.Name, b.Name))
	})
}

// operatorBusy says why the Flink operator must not be restarted now: it is in
// the middle of a change of a FlinkDeployment, or will be.
func (p *planner) operatorBusy() string {
	for _, a := range p.plan.Actions {
		if w, ok := a.(*Rewire); ok && w.Resource.Kind == deploy.FlinkDeploymentKind {
			return w.Resource.String() + " is changed first"
		}
	}
	for _, r := range p.state.resources {
		if why := deploy.InUpgrade(r); why != "" {
			return r.String() + ": " + why
		}
	}
	return ""
}

// RestartPod deletes a pod that its Deployment makes again.
type RestartPod struct {
	Pod     deploy.Pod
	Target  string
	Because string
}

// Object, What, Reason and Disturbs describe the action.

func (a *RestartPod) Object() string  { return "pod " + a.Pod.Namespace + "/" + a.Pod.Name }
func (a *RestartPod) Subject() string { return a.Target }
func (a *RestartPod) What() string    { return "deleted, so that its Deployment starts another" }
func (a *RestartPod) Reason() string  { return a.Because }
func (a *RestartPod) Disturbs() string {
	return "the Flink operator; jobs go on, and changes of FlinkDeployments wait for it"
}

// podRestarter is a store in which something runs.
type podRestarter interface {
	// RestartPod deletes a pod that something else makes again, if it is still the one
	// that was read.
	RestartPod(context.Context, deploy.Pod) error
}

var errNoPods = errors.New("nothing runs in a directory")

func (a *RestartPod) run(ctx context.Context, r *runner) error {
	store, ok := r.store.(podRestarter)
	if !ok {
		return errNoPods
	}
	return store.RestartPod(ctx, a.Pod)
}
