package renew

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

var fixedConfig = strings.Replace(testConfig, "{publicCAs: false,", "{naming: fixed, publicCAs: false,", 1)

var fixedRef = secrets.Ref{Namespace: "ea", Name: "ssl-truststore"}

// secondCA adds a CA to the source of the truststore.
func (s *testSite) secondCA() *x509.Certificate {
	s.t.Helper()
	root := newCA(s.t, "database CA 2", testNow.AddDate(-1, 0, 0)).root
	s.write("db.pem", s.files()["db.pem"]+string(pki.EncodeCertificates(root)))
	return root
}

// asItRuns is what the site's directory would be in a cluster in which everything
// runs: pods by resource, and when each of them started.
func (s *testSite) asItRuns(now time.Time, started map[string]time.Time) *State {
	s.t.Helper()
	state := s.observe(now)
	state.Live = &secrets.Live{Closed: map[string]error{}}
	for i := range state.resources {
		r := &state.resources[i]
		r.File, r.Generation = "", 1
		pod := deploy.Pod{
			Namespace: r.Namespace, Name: r.Name + "-0", UID: r.Name, Ready: true, Started: started[r.String()],
			Secrets: deploy.References(*r).Secrets(), Labels: map[string]string{"app.kubernetes.io/instance": r.Name},
		}
		r.Status = map[string]any{"phase": "Running"}
		if r.Kind == deploy.FlinkDeploymentKind {
			pod.Labels = map[string]string{"app": r.Name, "type": "flink-native-kubernetes"}
			r.Status = map[string]any{
				"lifecycleState": "STABLE", "jobManagerDeploymentStatus": "READY", "observedGeneration": int64(1),
				"reconciliationStatus": map[string]any{"lastReconciledSpec": `{"spec":{"restartNonce":7}}`, "lastStableSpec": "{}"},
			}
		}
		state.Live.Pods = append(state.Live.Pods, pod)
	}
	return state
}

// restarted lists what a plan restarts.
func restarted(plan *Plan) []string {
	var out []string
	for _, a := range plan.Actions {
		if r, ok := changed(a); ok && a.Disturbs() != "" {
			out = append(out, r.String())
		}
	}
	slices.Sort(out)
	return out
}

const haSession = `
  flinkConfiguration:
    high-availability.type: kubernetes
    high-availability.storageDir: file:///ha
`

var (
	haFlink = strings.Replace(testFlink, "\n  flinkConfiguration:\n", haSession, 1)
	both    = []string{"eventProcessing/ea/my-ep", "flinkDeployment/ea/session"}
)

// TestRestartsAfterAChangeInPlace: in a cluster the content changes first; what
// has loaded the earlier one restarts when a new pod is sure to find the new one,
// once.
func TestRestartsAfterAChangeInPlace(t *testing.T) {
	s := newSite(t, fixedConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": haFlink})
	s.apply(testNow)
	began := testNow.Add(time.Minute)
	started := map[string]time.Time{both[0]: began, both[1]: began}
	wrote := testNow.Add(time.Hour)
	if plan := NewPlan(s.cfg, s.asItRuns(wrote, started)); len(plan.Actions)+len(plan.Rolling) > 0 {
		t.Fatalf("although nothing has changed: %v, rolling %v", objects(plan), plan.Rolling)
	}
	s.secondCA()
	plan := NewPlan(s.cfg, s.asItRuns(wrote, started))
	s.noFaults(plan)
	if got := objects(plan); !slices.Equal(got, []string{fixedRef.String()}) || len(plan.Rolling) != 2 {
		t.Fatalf("at the change: %v, rolling %v", got, plan.Rolling)
	}
	if err := Apply(context.Background(), plan, s.store, wrote, func(Action) {}); err != nil {
		t.Fatal(err)
	}
	if plan := NewPlan(s.cfg, s.asItRuns(wrote.Add(4*time.Minute), started)); len(plan.Actions) > 0 || len(plan.Rolling) != 2 {
		t.Errorf("while the kubelet may lag: %v, rolling %v", objects(plan), plan.Rolling)
	}
	sure := wrote.Add(kubeletDelay)
	plan = NewPlan(s.cfg, s.asItRuns(sure, started))
	s.noFaults(plan)
	if got := restarted(plan); !slices.Equal(got, both) || len(plan.Actions) != 2 {
		t.Fatalf("restarts %v by %v, want %v", got, objects(plan), both)
	}
	for _, a := range plan.Actions {
		switch a := a.(type) {
		case *Rewire:
			if e := a.Preview; len(e) != 1 || e[0].Path.String() != "spec.restartNonce" || e[0].Value != int64(8) || a.Repairs() {
				t.Errorf("the FlinkDeployment: %v, repairs %v", e, a.Repairs())
			}
		case *Restart:
			if len(a.Pods) != 1 || a.Pods[0].UID != "my-ep" {
				t.Errorf("the pods of the EventProcessing: %v", a.Pods)
			}
		}
		if !strings.Contains(a.Reason(), "database CA 2") {
			t.Errorf("%s: why: %s", a.Object(), a.Reason())
		}
	}
	// One has restarted, the other is not free to.
	started[both[0]] = sure
	state := s.asItRuns(sure.Add(time.Minute), started)
	for i := range state.resources {
		if state.resources[i].String() == both[1] {
			state.resources[i].Status["error"] = "boom"
		}
	}
	plan = NewPlan(s.cfg, state)
	if len(plan.Actions) > 0 || len(plan.Waits) != 1 || !strings.Contains(plan.Waits[0].For, "reports an error") {
		t.Errorf("behind a gate: %v, waits %v", objects(plan), plan.Waits)
	}
	for _, i := range NewPlan(s.cfg, s.asItRuns(sure, started)).Items {
		if i.Role == secrets.RoleTruststore && i.Loaded != "1 of 2 pods" {
			t.Errorf("loaded by %s", i.Loaded)
		}
	}
	started[both[1]] = sure
	if plan := NewPlan(s.cfg, s.asItRuns(sure.Add(time.Minute), started)); len(plan.Actions)+len(plan.Rolling)+len(plan.Waits) > 0 {
		t.Errorf("after the restarts: %v, rolling %v, waits %v", objects(plan), plan.Rolling, plan.Waits)
	}
}

// TestOneRestartForLeafAndTruststore: a renewal that comes up while the kubelet
// may lag waits for it: one restart brings both.
func TestOneRestartForLeafAndTruststore(t *testing.T) {
	s := newSite(t, fixedConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": haFlink})
	s.apply(testNow)
	started := map[string]time.Time{both[0]: testNow, both[1]: testNow}
	s.secondCA()
	wrote := testNow.Add(time.Hour)
	marked, err := Wish(s.plan(wrote), s.observe(wrote), both[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range marked {
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			t.Fatal(err)
		}
	}
	plan := NewPlan(s.cfg, s.asItRuns(wrote, started))
	if got := objects(plan); !slices.Equal(got, []string{fixedRef.String()}) {
		t.Fatalf("at the change: %v", got)
	}
	if err := Apply(context.Background(), plan, s.store, wrote, func(Action) {}); err != nil {
		t.Fatal(err)
	}
	plan = NewPlan(s.cfg, s.asItRuns(wrote.Add(kubeletDelay), started))
	if got := restarted(plan); !slices.Equal(got, both) {
		t.Errorf("restarts %v", got)
	}
	for _, a := range plan.Actions {
		if w, ok := a.(*Rewire); ok && (w.restartsAlone() || strings.Contains(fmt.Sprint(w.Preview), "restartNonce")) {
			t.Errorf("the nonce is counted on beside a change that restarts: %v", w.Preview)
		}
	}
}

// TestRestartsOfADirectory: the manifest of Flink says that it restarts, once,
// also if the pass is stopped after any write; Event Processing is restarted by
// hand until the user says that it is done.
func TestRestartsOfADirectory(t *testing.T) {
	for n := range 3 {
		s := newSite(t, fixedConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
		s.apply(testNow)
		before := s.files()
		s.secondCA()
		later := testNow.Add(time.Hour)
		if plan := s.plan(later); !slices.ContainsFunc(plan.Actions, func(a Action) bool {
			return strings.Contains(a.Disturbs(), "kubectl delete pod -n ea -l app.kubernetes.io/instance=my-ep")
		}) {
			t.Errorf("nobody is told to restart Event Processing: %v", objects(plan))
		}
		s.stopAfter(n, later)
		s.stopAfter(n, later)
		s.apply(later)
		after := s.files()
		if !strings.Contains(after["flink.yaml"], "restartNonce: 1\n") || before["ep.yaml"] != after["ep.yaml"] {
			t.Errorf("stopped after %d: %s\n%s", n, after["flink.yaml"], after["ep.yaml"])
		}
		if byHand := s.plan(later).ByHand; len(byHand) != 1 || byHand[0].Name != "my-ep" {
			t.Errorf("to be restarted by hand: %v", byHand)
		}
		s.sayDeployed(later)
		if byHand := s.plan(later).ByHand; len(byHand) > 0 {
			t.Errorf("still to be restarted by hand: %v", byHand)
		}
	}
}

// TestEarlierTrustCounts: what a Secret that is updated in place held before is
// in use until the user's word and the soak time, each content by itself.
func TestEarlierTrustCounts(t *testing.T) {
	s := newSite(t, fixedConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	trusts := func(now time.Time) []int {
		var out []int
		for _, trust := range newPlanner(s.cfg, s.observe(now)).trustInUse(slot{"truststore/ea/ssl-truststore", secrets.RoleTruststore}, "ea") {
			out = append(out, len(trust.Anchors))
		}
		return out
	}
	now := testNow
	for _, want := range [][]int{{1}, {2, 1}, {3, 2, 1}} {
		if got := trusts(now); !slices.Equal(got, want) {
			t.Errorf("%d certificates each, want %d", got, want)
		}
		now = now.Add(time.Hour)
		s.secondCA()
		s.apply(now)
	}
	s.sayDeployed(now)
	if got := trusts(now.Add(23 * time.Hour)); len(got) != 4 {
		t.Errorf("within the soak time %d", got)
	}
	if got := trusts(now.Add(24 * time.Hour)); !slices.Equal(got, []int{4}) {
		t.Errorf("after it %d", got)
	}
	// What is not in use any more is not remembered any longer.
	now = now.Add(25 * time.Hour)
	s.secondCA()
	s.apply(now)
	if got := trusts(now); !slices.Equal(got, []int{5, 4}) {
		t.Errorf("after the next change %d", got)
	}
}

// TestEarlierTrustOfTheOperator: it reads its stores anew, and until it is sure to
// have done so a server must not switch to what the earlier ones do not verify.
func TestEarlierTrustOfTheOperator(t *testing.T) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	const configuration = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {secret: {name: corporate-ca}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkDeployments: [{name: session, tls: {internal: false}}]
flinkOperator: {namespace: flink}
`
	s := newSite(t, configuration, map[string]string{"flink.yaml": haFlink, "ca.yaml": first.manifest(t, first.key, first.cert)})
	s.apply(testNow)
	started := map[string]time.Time{both[1]: testNow}
	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	wrote := testNow.Add(time.Hour)
	operator := func(now time.Time) []Trust {
		return newPlanner(s.cfg, s.asItRuns(now, started)).trustInUse(slot{operatorTarget("flink"), secrets.RoleOperatorCert}, "flink")
	}
	s.apply(wrote)
	if got := operator(wrote.Add(4 * time.Minute)); len(got) != 2 || len(got[1].Anchors) != 1 || !got[1].Anchors[0].Equal(first.cert) {
		t.Errorf("while the kubelet may lag the operator trusts %d contents", len(got))
	}
	if got := operator(wrote.Add(kubeletDelay)); len(got) != 1 {
		t.Errorf("after that it trusts %d contents", len(got))
	}
}

// TestPasswordInPlace: another password changes the resources with the Secret;
// where one of them must not change, nothing does.
func TestPasswordInPlace(t *testing.T) {
	configuration := strings.Replace(fixedConfig, "naming: fixed,", "naming: fixed, password: {secret: {name: pw, key: password}},", 1)
	s := newSite(t, configuration, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "pw.yaml": passwordManifest("first-Passw0rd")})
	s.apply(testNow)
	s.write("pw.yaml", passwordManifest("second-Passw0rd"))
	s.edit("flink.yaml", "  annotations:\n", "  annotations:\n    flowcert.io/pause: 'true'\n")
	later := testNow.Add(time.Hour)
	plan := s.plan(later)
	s.noFaults(plan)
	if len(plan.Actions) > 0 || len(plan.Waits) != 1 || !strings.Contains(plan.Waits[0].For, "cannot be changed now") {
		t.Errorf("beside a paused resource: %v, waits %v", objects(plan), plan.Waits)
	}
	s.edit("flink.yaml", "    flowcert.io/pause: 'true'\n", "")
	if got := restarted(s.apply(later)); !slices.Equal(got, both) {
		t.Errorf("restarts %v", got)
	}
	if strings.Contains(s.files()["flink.yaml"], "restartNonce") {
		t.Error("the nonce is counted on beside a change that restarts")
	}
}

func passwordManifest(password string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: pw, namespace: ea}\nstringData: {password: " + password + "}\n"
}

// TestNamingBackAndForth: the resources follow from one naming to the other.
func TestNamingBackAndForth(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	now := testNow
	for _, change := range [][2]string{{"{publicCAs: false,", "{naming: fixed, publicCAs: false,"}, {"{naming: fixed, publicCAs: false,", "{publicCAs: false,"}} {
		now = now.Add(time.Hour)
		s.reconfigure(change[0], change[1])
		if got := restarted(s.apply(now)); !slices.Equal(got, both) {
			t.Errorf("%s: restarts %v", change[1], got)
		}
		for _, r := range s.observe(now).resources {
			if got := deploy.References(r).TrustStore; (got == fixedRef.Name) != strings.Contains(change[1], "fixed") {
				t.Errorf("%s: %s refers to %s", change[1], r, got)
			}
		}
	}
}

// TestSpoiltTruststoreInPlace: garbage is put right; nobody can have loaded it.
func TestSpoiltTruststoreInPlace(t *testing.T) {
	s := newSite(t, fixedConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	secret := s.observe(testNow).Secrets[fixedRef]
	secret.Data[secrets.TrustFile(truststore.JKS)] = []byte("garbage")
	if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
		t.Fatal(err)
	}
	later := testNow.Add(time.Hour)
	if got := restarted(s.apply(later)); len(got) > 0 {
		t.Errorf("restarts %v", got)
	}
	if after := s.observe(later).Secrets[fixedRef]; after.Annotations[earlierTrustAnnotation] != "" {
		t.Error("garbage is remembered")
	}
}

// TestEarlierRecord: what is remembered reads back as it was, and the public CAs
// are left out.
func TestEarlierRecord(t *testing.T) {
	one, two := newCA(t, "one", testNow).root, newCA(t, "two", testNow).root
	public := truststore.Source{Certificates: truststore.PublicCAs()}
	contents := []content{
		contentOf(truststore.Entries([]truststore.Source{{Name: "db", Certificates: []*x509.Certificate{one, two}}, public})),
		contentOf(truststore.Entries([]truststore.Source{{Name: "db", Certificates: []*x509.Certificate{one}}})),
		contentOf(truststore.Entries([]truststore.Source{{Certificates: []*x509.Certificate{two}}})), // of a file of public CAs: somebody's own
	}
	text, err := encodeEarlier(contents)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 4096 {
		t.Errorf("%d bytes for two certificates", len(text))
	}
	back, err := decodeEarlier(text)
	if err != nil || len(back) != len(contents) {
		t.Fatalf("%d contents: %v", len(back), err)
	}
	for i := range contents {
		if !back[i].same(contents[i]) || back[i].digest() != contents[i].digest() {
			t.Errorf("content %d is %v, was %v", i, back[i], contents[i])
		}
	}
	if n := []int{len(back[0].entries), len(back[1].entries), len(back[2].entries)}; !slices.Equal(n, []int{2, 1, 1}) || back[0].public == "" {
		t.Errorf("entries %v, public ones %q", n, back[0].public)
	}
	for _, broken := range []string{"{", `{"certificates":["eA=="]}`, `{"contents":[{"anchors":{"a":1}}]}`, `{"contents":[{"anchors":{"a":-1}}]}`} {
		if _, err := decodeEarlier(broken); err == nil {
			t.Errorf("%s reads", broken)
		}
	}
}

// TestRolloverOfAFixedTruststore: another root costs each workload one restart in
// a directory too.
func TestRolloverOfAFixedTruststore(t *testing.T) {
	s := newSite(t, strings.Replace(walkConfig, "authority: {secret: {name: corporate-ca}}", "authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}", 1),
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.reconfigure("- publicCAs: false", "- naming: fixed\n  publicCAs: false")
	s.apply(testNow)
	ran, restarts, now := s.rolledOut(testNow), map[string]int{}, testNow.Add(time.Hour)
	s.wishRoot(now, false)
	s.walk(now, ran, restarts)
	if want := map[string]int{both[0]: 1, both[1]: 1}; !maps.Equal(restarts, want) {
		t.Errorf("restarts %v, want %v", restarts, want)
	}
}

// TestPublicCAsInPlace: they are no burden to what is remembered, and to take
// them away restarts what has loaded them.
func TestPublicCAsInPlace(t *testing.T) {
	s := newSite(t, strings.Replace(fixedConfig, "publicCAs: false", "publicCAs: true", 1), map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	s.secondCA()
	later := testNow.Add(time.Hour)
	s.apply(later)
	if n := len(s.observe(later).Secrets[fixedRef].Annotations[earlierTrustAnnotation]); n == 0 || n > 4096 {
		t.Errorf("%d bytes are remembered", n)
	}
	s.sayDeployed(later)
	if got := restarted(s.plan(later)); len(got) > 0 {
		t.Errorf("although nothing has changed: %v", got)
	}
	s.reconfigure("publicCAs: true", "publicCAs: false")
	if got := restarted(s.apply(later.Add(time.Hour))); !slices.Equal(got, both[1:]) {
		t.Errorf("restarts %v", got)
	}
	if byHand := s.plan(later.Add(time.Hour)).ByHand; len(byHand) != 1 {
		t.Errorf("by hand %v", byHand)
	}
}

// TestRemovedTruststoreInPlace: what its readers have loaded is not known when
// somebody has removed it: they restart, and until then no server gets a leaf that
// they might not verify. What has not read it yet does not restart.
func TestRemovedTruststoreInPlace(t *testing.T) {
	configuration := strings.Replace(fixedConfig, "{name: db,", "{name: ours, authority: true}, {name: db,", 1) + "certificates: [{secretName: db-server, dnsNames: [db]}]\n"
	s := newSite(t, configuration, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": haFlink})
	s.apply(testNow)
	started := map[string]time.Time{both[0]: testNow, both[1]: testNow}
	gone, sure := testNow.Add(time.Hour), testNow.Add(time.Hour+kubeletDelay)
	if err := s.store.DeleteSecret(context.Background(), s.observe(gone).Secrets[fixedRef]); err != nil {
		t.Fatal(err)
	}
	waiting := s.asItRuns(gone, started)
	for i := range waiting.Live.Pods {
		waiting.Live.Pods[i].Ready = false
	}
	if plan := NewPlan(s.cfg, waiting); len(plan.settlingFor("removed it")) > 0 {
		t.Errorf("what waits for it is to restart: %v", plan.Rolling)
	}
	plan := NewPlan(s.cfg, s.asItRuns(gone, started))
	s.noFaults(plan)
	if got := objects(plan); !slices.Equal(got, []string{fixedRef.String()}) || len(plan.settlingFor("removed it")) != 2 {
		t.Errorf("when it is gone: %v, rolling %v", got, plan.Rolling)
	}
	edges := newPlanner(s.cfg, s.asItRuns(gone, started))
	edges.run()
	for _, e := range edges.edgesToCertificate(s.cfg.Certificates[0]) {
		if len(e.Trust) != 1 || !e.Trust[0].Lost {
			t.Errorf("when it is gone %s trusts %v", e.Client, e.Trust)
		}
	}
	if err := Apply(context.Background(), plan, s.store, gone, func(Action) {}); err != nil {
		t.Fatal(err)
	}
	marked, err := Wish(s.plan(gone), s.observe(gone), "certificate/ea/db-server")
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range marked {
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			t.Fatal(err)
		}
	}
	plan = NewPlan(s.cfg, s.asItRuns(gone.Add(time.Minute), started))
	if len(plan.Actions) > 0 || len(plan.Waits) != 1 || plan.Waits[0].Target != "certificate/ea/db-server" {
		t.Errorf("a server switches beside what nobody knows: %v, waits %v", objects(plan), plan.Waits)
	}
	if got := restarted(NewPlan(s.cfg, s.asItRuns(sure, started))); !slices.Equal(got, both) {
		t.Errorf("restarts %v", got)
	}
	started[both[0]], started[both[1]] = sure, sure
	plan = NewPlan(s.cfg, s.asItRuns(sure.Add(time.Minute), started))
	if got := objects(plan); !slices.Equal(got, []string{"secret ea/db-server"}) || len(plan.Rolling) > 0 {
		t.Errorf("after the restarts: %v, rolling %v", got, plan.Rolling)
	}
}

// settlingFor are the workloads that are to restart, but not yet.
func (plan *Plan) settlingFor(why string) []Wait {
	return slices.DeleteFunc(slices.Clone(plan.Rolling), func(w Wait) bool { return !strings.Contains(w.For, why) })
}

// TestRemovedTruststoreOfADirectory: the same from the manifests: Flink restarts by
// its nonce, once, Event Processing by hand.
func TestRemovedTruststoreOfADirectory(t *testing.T) {
	s := newSite(t, fixedConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	if first := s.apply(testNow); len(first.ByHand) > 0 || strings.Contains(s.files()["flink.yaml"], "restartNonce") {
		t.Errorf("the first is no reason to restart: by hand %v", first.ByHand)
	}
	if err := s.store.DeleteSecret(context.Background(), s.observe(testNow).Secrets[fixedRef]); err != nil {
		t.Fatal(err)
	}
	later := testNow.Add(time.Hour)
	if got := restarted(s.apply(later)); !slices.Equal(got, both[1:]) {
		t.Errorf("restarts %v", got)
	}
	if n := strings.Count(s.files()["flink.yaml"], "restartNonce: 1\n"); n != 1 {
		t.Errorf("%d nonces", n)
	}
	if plan := s.plan(later); len(plan.Actions) > 0 || len(plan.ByHand) != 1 {
		t.Errorf("afterwards: %v, by hand %v", objects(plan), plan.ByHand)
	}
}

// TestFrozen: a Secret of a fixed name that somebody made immutable is neither
// changed nor removed, and what mounts it goes on.
func TestFrozen(t *testing.T) {
	s := newSite(t, fixedConfig+"certificates: [{secretName: db-server, dnsNames: [db]}]\n", map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	server := secrets.Ref{Namespace: "ea", Name: "db-server"}
	for _, ref := range []secrets.Ref{fixedRef, server} {
		secret := s.observe(testNow).Secrets[ref]
		secret.Immutable = true
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			t.Fatal(err)
		}
	}
	plan := s.plan(testNow)
	s.noFaults(plan)
	if len(plan.Actions) > 0 {
		t.Errorf("although nothing is to change: %v", objects(plan))
	}
	s.secondCA()
	s.reconfigure("dnsNames: [db]", "dnsNames: [db, other]")
	plan = s.plan(testNow.Add(time.Hour))
	var targets []string
	for _, f := range plan.Faults {
		targets = append(targets, f.Target)
		if !strings.Contains(f.Err.Error(), "is immutable") || !strings.Contains(RemedyOf(f.Err), "kubectl delete secret") {
			t.Errorf("%s: %v, hint %s", f.Target, f.Err, RemedyOf(f.Err))
		}
	}
	slices.Sort(targets)
	if want := []string{"certificate/ea/db-server", "truststore/ea/ssl-truststore"}; !slices.Equal(targets, want) {
		t.Errorf("faults of %v, want %v", targets, want)
	}
	for _, object := range objects(plan) {
		if object == fixedRef.String() || object == server.String() {
			t.Errorf("%s is to change", object)
		}
	}
}

// TestRestartForANewRoot: what a FlinkDeployment was restarted for is noted also
// where the content has a root that the same pass makes, and it restarts once.
func TestRestartForANewRoot(t *testing.T) {
	s := newSite(t, strings.Replace(fixedConfig, "{name: db,", "{name: ours, authority: true}, {name: db,", 1), map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.reconfigure("flinkDeployments: [{name: session}]", "flinkDeployments: [{name: session, tls: {rest: false, internal: false}}]")
	s.apply(testNow)
	later := testNow.Add(time.Hour)
	s.secondCA()
	s.wishRoot(later, false)
	if got := restarted(s.apply(later)); !slices.Contains(got, both[1]) {
		t.Errorf("restarts %v", got)
	}
	if got := restarted(s.plan(later)); slices.Contains(got, both[1]) || strings.Contains(s.files()["flink.yaml"], "(new)") {
		t.Errorf("it restarts again: %v\n%s", got, s.files()["flink.yaml"])
	}
}

// TestReferenceBeforeTheSecret: a resource that refers to a truststore of a fixed
// name before there is one has read nothing yet.
func TestReferenceBeforeTheSecret(t *testing.T) {
	s := newSite(t, fixedConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink + `  podTemplate:
    spec:
      containers: [{name: flink-main-container, volumeMounts: [{name: truststore, mountPath: /certs, readOnly: true}]}]
      volumes: [{name: truststore, secret: {secretName: ssl-truststore, items: [{key: truststore.jks, path: truststore.jks}]}}]
`})
	if plan := s.apply(testNow); len(plan.ByHand) > 0 || strings.Contains(s.files()["flink.yaml"], "restartNonce") {
		t.Errorf("it restarts: by hand %v\n%s", plan.ByHand, s.files()["flink.yaml"])
	}
	if note := s.observe(testNow).Secrets[fixedRef].Annotations[earlierTrustAnnotation]; note != "" {
		t.Errorf("something is remembered: %s", note)
	}
}
