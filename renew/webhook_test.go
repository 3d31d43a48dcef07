package renew

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

const (
	webhookConfig = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkDeployments: [{name: session}]
flinkOperator: {namespace: flink, webhook: true}
`
	testWebhooks = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: flink-operator-flink-webhook-configuration}
webhooks:
- name: validationwebhook.flink.apache.org
  clientConfig:
    service: {name: flink-operator-webhook-service, namespace: flink, path: /validate}
  failurePolicy: Fail
`
	webhookAt   = "flink-operator-webhook-service.flink.svc:443"
	theWebhook  = "flinkOperator/flink/flink-operator-webhook-service"
	theBundleOf = "validatingWebhookConfiguration/flink-operator-flink-webhook-configuration"
)

func webhookSite(t *testing.T) *testSite {
	t.Helper()
	return newSite(t, webhookConfig, map[string]string{"flink.yaml": testFlink, "webhooks.yaml": testWebhooks})
}

// webhookChain is what lies in the webhook's Secret.
func (s *testSite) webhookChain(now time.Time) []*x509.Certificate {
	s.t.Helper()
	id, err := s.observe(now).Secrets[secrets.Ref{Namespace: "flink", Name: config.WebhookCertSecret}].Identity(secrets.DefaultKeys())
	if err != nil {
		s.t.Fatal(err)
	}
	return id.Chain
}

// bundle is what the API server trusts.
func (s *testSite) bundle() []*x509.Certificate {
	s.t.Helper()
	return bundled(deploy.Webhooks(s.observe(testNow).webhooks[0])[0].Bundle)
}

// inCluster is the site as a cluster shows it in which the webhook answers so.
func (s *testSite) inCluster(now time.Time, a answer, pods ...deploy.Pod) *State {
	s.t.Helper()
	state := s.observe(now)
	state.Live = &secrets.Live{Closed: map[string]error{}}
	for _, pod := range pods {
		pod.Namespace, pod.Secrets = "flink", []string{config.WebhookCertSecret}
		state.Live.Pods = append(state.Live.Pods, pod)
	}
	state.asked = map[string]answer{webhookAt: a}
	return state
}

// saysOf are the words of a plan about the webhook, and the pods that it restarts.
func saysOf(plan *Plan) string {
	var out []string
	for _, a := range plan.Actions {
		if r, ok := a.(*RestartPod); ok {
			out = append(out, "restart "+r.Pod.Name)
		}
	}
	for _, w := range plan.Rolling {
		if w.Target == theWebhook {
			out = append(out, "rolls: "+w.For)
		}
	}
	for _, w := range plan.Waits {
		if w.Target == theWebhook {
			out = append(out, "waits: "+w.For)
		}
	}
	return strings.Join(out, "; ")
}

func TestWebhookServing(t *testing.T) {
	s := webhookSite(t)
	s.apply(testNow)
	old := answer{chain: s.webhookChain(testNow)}
	renewed := testNow.Add(24 * time.Hour)
	marked, err := Wish(s.plan(renewed), s.observe(renewed), theWebhook)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range marked {
		if err := s.store.UpdateSecret(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	s.apply(renewed)
	fresh := answer{chain: s.webhookChain(renewed)}
	if fresh.chain[0].Equal(old.chain[0]) {
		t.Fatal("nothing was renewed")
	}
	nobody := answer{err: fmt.Errorf("%w: connection refused", ErrUnreachable)}
	outside := answer{err: fmt.Errorf("%w: no such host", ErrUnreachable)}
	early := deploy.Pod{Name: "early", UID: "1", Started: testNow, Ready: true}
	late := deploy.Pod{Name: "late", UID: "2", Started: renewed.Add(time.Hour), Ready: true}
	soon, then := renewed.Add(time.Minute), renewed.Add(2*time.Hour)

	for _, tt := range []struct {
		name   string
		now    time.Time
		answer answer
		pods   []deploy.Pod
		upset  string // lifecycle state of the FlinkDeployment
		want   string // what the plan says, in part; empty: nothing
	}{
		{"serves the new one", soon, fresh, []deploy.Pod{early}, "", ""},
		{"the kubelet may not have brought it yet", soon, old, []deploy.Pod{early}, "", "rolls: " + webhookAt + " serves another certificate than secret flink/webhook-server-cert holds"},
		{"it should have seen it", then, old, []deploy.Pod{early}, "STABLE", "restart early"},
		{"during an upgrade", then, old, []deploy.Pod{early}, "UPGRADING", "waits: " + webhookAt + " serves another certificate"},
		{"during a rollback", then, old, []deploy.Pod{early}, "ROLLING_BACK", "disturbs nothing: flinkDeployment/ea/session: its lifecycle state is ROLLING_BACK"},
		{"nothing to restart", then, old, nil, "", "nothing in namespace flink mounts webhook-server-cert"},
		{"it starts", then, old, []deploy.Pod{{Name: "new"}}, "", "rolls: pod new has not started yet"},
		{"it leaves", then, old, []deploy.Pod{{Name: "early", Started: testNow, Ready: true, Leaving: true}}, "", "rolls: pod early is still leaving"},
		{"silent for a moment", soon, nobody, []deploy.Pod{early}, "", "rolls: what it serves is not known"},
		{"silent", then, nobody, []deploy.Pod{early}, "", "waits: what it serves is not known"},
		{"a dial reaches one of two", then, fresh, []deploy.Pod{late, early}, "", "restart early"},
		{"both are new", then, fresh, []deploy.Pod{late, late}, "", ""},
		{"from outside, it has not read it", then, outside, []deploy.Pod{early}, "", "restart early"},
		{"from outside, it has", then, outside, []deploy.Pod{late}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state := s.inCluster(tt.now, tt.answer, tt.pods...)
			for i := range state.resources {
				state.resources[i].Status = map[string]any{"lifecycleState": tt.upset, "observedGeneration": int64(1)}
			}
			state.admission.known = strings.HasPrefix(tt.name, "from outside")
			got := saysOf(NewPlan(s.cfg, state))
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("the plan says %q, want %q", got, tt.want)
			}
		})
	}
}

// TestWebhookRewritten: pods that have the certificate are not taken for older ones because the Secret around
// it was written again, with other roots beside it.
func TestWebhookRewritten(t *testing.T) {
	s := webhookSite(t)
	s.apply(testNow)
	now := testNow.Add(48 * time.Hour)
	pod := deploy.Pod{Name: "a", Started: testNow.Add(time.Hour), Ready: true}
	state := s.inCluster(now, answer{chain: s.webhookChain(testNow)}, pod, pod)
	secret := state.Secrets[secrets.Ref{Namespace: "flink", Name: config.WebhookCertSecret}]
	before, _ := newCA(t, "an earlier CA", testNow.AddDate(0, -1, 0)).serving(t, testNow)
	secret.Annotations[earlierAnnotation] = string(pki.EncodeCertificates(before...))
	secret.Annotations[secrets.CreatedAnnotation] = now.Add(-time.Minute).Format(time.RFC3339)
	p := newPlanner(s.cfg, state)
	p.findWebhook()
	if n := len(p.earlierChains(secret)); n != 0 {
		t.Errorf("%d earlier chains count", n)
	}
	state.Live.Pods[1].Started = testNow.Add(-time.Hour)
	if n := len(p.earlierChains(secret)); n != 1 {
		t.Errorf("%d earlier chains of an older pod count, want 1", n)
	}
}

// TestWebhookHoldsFlinkBack: a change of a FlinkDeployment that the API server would refuse is not begun: no
// leaf is made for it either.
func TestWebhookHoldsFlinkBack(t *testing.T) {
	s := webhookSite(t)
	s.apply(testNow)
	due := testNow.AddDate(0, 10, 0)
	working := answer{chain: s.webhookChain(testNow)}
	stranger := newCA(t, "somebody else", testNow.AddDate(0, -1, 0))
	chain, _ := stranger.serving(t, testNow)
	for _, tt := range []struct {
		name   string
		answer answer
		admits admission
		ignore bool
		want   string // empty: it goes on
	}{
		{"works", working, admission{}, false, ""},
		{"silent", answer{err: ErrUnreachable}, admission{err: errors.New("forbidden")}, false, "does not answer at " + webhookAt},
		{"silent here, not to the API server", answer{err: ErrUnreachable}, admission{known: true}, false, ""},
		{"not even the API server reaches it", answer{err: ErrUnreachable}, admission{true, errors.New("failed calling webhook")}, false, "cannot be called: failed calling webhook"},
		{"not verified", answer{chain: chain}, admission{}, false, "that its caBundle does not verify"},
		{"not asked for", answer{err: errors.New("no")}, admission{}, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state := s.inCluster(due, tt.answer)
			state.admission = tt.admits
			if tt.ignore {
				obj := state.webhooks[0].Object["webhooks"].([]any)[0].(map[string]any)
				obj["failurePolicy"] = "Ignore"
			}
			plan := NewPlan(s.cfg, state)
			touched := slices.ContainsFunc(plan.Actions, func(a Action) bool { return a.Subject() == "flinkDeployment/ea/session" })
			said := slices.ContainsFunc(plan.Waits, func(w Wait) bool {
				return w.Target == "flinkDeployment/ea/session" && w.Kind == "gate" && tt.want != "" && strings.Contains(w.For, tt.want)
			})
			if touched == (tt.want != "") || said != (tt.want != "") {
				t.Errorf("changed: %v; waits for it: %v; %v %v", touched, said, plan.Waits, objects(plan))
			}
			if made := slices.ContainsFunc(plan.Actions, func(a Action) bool { return a.Subject() == theWebhook }); !made {
				t.Error("the webhook itself, which is due too, is held back")
			}
		})
	}
}

// TestWebhookOfOthers: what the Operator Lifecycle Manager keeps is left alone, and so is all of it where
// nobody may see what the API server trusts. Configurations that are to come are waited for.
func TestWebhookOfOthers(t *testing.T) {
	s := newSite(t, webhookConfig, map[string]string{"flink.yaml": testFlink})
	state := func() *State { return s.inCluster(testNow, answer{err: ErrUnreachable}) }
	makes := func(plan *Plan) bool {
		return slices.ContainsFunc(plan.Actions, func(a Action) bool { return strings.HasSuffix(a.Object(), "/webhook-server-cert") })
	}

	olm := state()
	olm.Live.Controllers = []deploy.Controller{{Namespace: "flink", Kind: "Deployment", Name: "flink-kubernetes-operator",
		Labels: map[string]string{"app.kubernetes.io/name": "flink-kubernetes-operator", "olm.owner": "flink.v1"}}}
	plan := NewPlan(s.cfg, olm)
	if makes(plan) || len(plan.Faults) > 0 || !slices.ContainsFunc(plan.Notices, func(n string) bool { return strings.Contains(n, "Operator Lifecycle Manager") }) {
		t.Errorf("of the Operator Lifecycle Manager: %v %v %v", objects(plan), plan.Faults, plan.Notices)
	}

	closed := state()
	closed.Live.WebhooksClosed = errors.New("forbidden")
	plan = NewPlan(s.cfg, closed)
	if makes(plan) || len(plan.Faults) != 1 || plan.Faults[0].Target != theWebhook || !strings.Contains(RemedyOf(plan.Faults[0].Err), "ClusterRole") {
		t.Errorf("forbidden: %v %v", objects(plan), plan.Faults)
	}
	if len(plan.Actions) < 5 {
		t.Errorf("the others do not go on: %v", objects(plan))
	}

	plan = NewPlan(s.cfg, state())
	if !makes(plan) || !strings.Contains(saysOf(plan), "neither of its webhook configurations") {
		t.Errorf("not installed yet: %v %s", objects(plan), saysOf(plan))
	}
}

// TestWebhookThroughAChangeOfCA: nothing vouches for another CA of the user's, so the API server's trust
// comes first, then the certificate, then the old root goes.
func TestWebhookThroughAChangeOfCA(t *testing.T) {
	first, second := makeCA(t, caTemplate("first CA"), generate(t), nil), makeCA(t, caTemplate("second CA"), generate(t), nil)
	s := webhookSite(t)
	s.edit("flowcert.yaml", "authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}", "authority: {secret: {name: corporate-ca}}")
	s.write("ca.yaml", first.manifest(t, first.key, first.cert))
	s.reload()
	s.apply(testNow)
	under := func(ca *userCA) bool { return s.webhookChain(testNow)[0].CheckSignatureFrom(ca.cert) == nil }
	trusts := func(want ...*userCA) {
		t.Helper()
		var certs []*x509.Certificate
		for _, ca := range want {
			certs = append(certs, ca.cert)
		}
		if have := s.bundle(); !sameCertificates(have, certs) {
			t.Errorf("the caBundle holds %d certificates, want %d others", len(have), len(certs))
		}
	}
	trusts(first)

	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	plan := s.apply(testNow)
	trusts(first, second)
	if !under(first) || !strings.Contains(saysOf(s.plan(testNow)), "the API server still uses trust the caBundle of "+theBundleOf) {
		t.Errorf("the certificate moved before the trust, or nothing says why it waits: %q, %v", saysOf(s.plan(testNow)), objects(plan))
	}
	s.deployed(testNow)
	if s.apply(testNow); !under(first) {
		t.Error("the certificate moved before the soak time was over")
	}
	later := testNow.AddDate(0, 0, 2)
	s.apply(later)
	trusts(first, second)
	if !under(second) {
		t.Errorf("the certificate has not moved: %q", saysOf(s.plan(later)))
	}
	s.deployed(later)
	s.apply(later.AddDate(0, 0, 2))
	trusts(second)
}

// deployed says so of everything.
func (s *testSite) deployed(now time.Time) {
	s.t.Helper()
	state := s.observe(now)
	for _, secret := range Deployed(state) {
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, m := range DeployedBundles(state) {
		if err := s.store.WriteResource(context.Background(), m.Resource, m.Source); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestEarlierBundleInACluster: for a moment after a change of a caBundle an API server may go by the one before.
func TestEarlierBundleInACluster(t *testing.T) {
	s := webhookSite(t)
	s.apply(testNow)
	r := s.observe(testNow).webhooks[0]
	other := newCA(t, "another CA", testNow.AddDate(0, -1, 0)).root
	result := (&WebhookWiring{Roots: []*x509.Certificate{other}, At: testNow}).Edits(r, "")
	if err := s.store.WriteResource(context.Background(), r, result.Source); err != nil {
		t.Fatal(err)
	}
	count := func(after time.Duration) int {
		state := s.inCluster(testNow.Add(after), answer{err: ErrUnreachable})
		return len(newPlanner(s.cfg, state).bundleTrust(state.webhooks[0]))
	}
	if now, later := count(0), count(bundleDelay); now != 2 || later != 1 {
		t.Errorf("%d caBundles count at once, %d after %s, want 2 and 1", now, later, bundleDelay)
	}
}

// TestWebhookNames: the certificate has every name by which the API server calls the server.
func TestWebhookNames(t *testing.T) {
	s := webhookSite(t)
	s.edit("webhooks.yaml", "service: {name: flink-operator-webhook-service, namespace: flink, path: /validate}", `url: "https://192.0.2.7:9443/validate"`)
	s.reload()
	s.apply(testNow)
	leaf := s.webhookChain(testNow)[0]
	for _, name := range []string{"192.0.2.7", "flink-operator-webhook-service.flink", "flink-operator-webhook-service.flink.svc", "flink-operator-webhook-service.flink.svc.cluster.local"} {
		if err := pki.VerifyHost(pki.Go(), leaf, name); err != nil {
			t.Error(err)
		}
	}
}
