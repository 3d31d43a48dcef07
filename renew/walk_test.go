package renew

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// The servers and clients of the walking site.
const (
	walkingEvents   = "eventProcessing/ea/my-ep"
	walkingSession  = "flinkDeployment/ea/session"
	walkingDatabase = "certificate/ea/orders-db-server"
	walkingUI       = walkingEvents + " ui"
)

// edgesOfWalk are the edges of the walking site: who verifies whom.
var edgesOfWalk = [][2]string{
	{walkingEvents, walkingSession}, {"operator", walkingSession}, {walkingSession, walkingSession}, {walkingEvents, walkingDatabase},
	{walkingSession, walkingDatabase}, {"ingress", walkingUI}, {walkingEvents, walkingUI},
}

const walkConfig = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {secret: {name: corporate-ca}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep, ui: {}}]
flinkDeployments: [{name: session}]
flinkOperator: {namespace: flink}
truststores:
- publicCAs: false
  sources: [{name: db, authority: true, servers: [{address: "orders-db:5432"}]}]
certificates: [{secretName: orders-db-server, dnsNames: [orders-db], key: {algorithm: ECDSA, size: 256}}]
`

// TestWalkThroughACAChange replaces a user's CA, which nobody can cross-sign,
// and walks to the end: apply, stop after every write, roll out, say so, wait.
// In every mixture of what ran and what starts every edge must hold.
func TestWalkThroughACAChange(t *testing.T) {
	t.Run("signing leaves", func(t *testing.T) { walkThroughACAChange(t, walkConfig) })
	t.Run("signing an intermediate", func(t *testing.T) {
		walkThroughACAChange(t, strings.Replace(walkConfig, "{name: corporate-ca}", "{name: corporate-ca, intermediate: {key: {algorithm: ECDSA, size: 256}}}", 1))
	})
	t.Run("with a truststore of a fixed name", func(t *testing.T) {
		walkThroughACAChange(t, strings.Replace(walkConfig, "- publicCAs: false", "- naming: fixed\n  publicCAs: false", 1))
	})
}

func walkThroughACAChange(t *testing.T, configuration string) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	s := newSite(t, configuration, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": first.manifest(t, first.key, first.cert)})
	s.apply(testNow)
	ran := s.rolledOut(testNow)
	for _, e := range edgesOfWalk {
		if ran.trust[e[0]+" → "+e[1]] == nil || ran.leaves[e[1]] == nil {
			t.Fatalf("the walk does not see the edge %v", e)
		}
	}
	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	now, restarts := testNow, 0
	for round := 0; round < 6; round++ {
		now = now.Add(25 * time.Hour)
		for n := 0; s.stopAfter(n, now); n = 1 { // one write, then the rest one at a time
			s.intact(fmt.Sprintf("round %d, in between", round), now, ran, s.rolledOut(now))
			if n == 1 {
				restarts++
			}
		}
		next := s.rolledOut(now)
		s.intact(fmt.Sprintf("round %d", round), now, ran, next)
		plan := s.plan(now)
		s.noFaults(plan)
		if len(plan.Actions) > 0 {
			t.Fatalf("round %d: left to do: %v", round, objects(plan))
		}
		ran = next
		s.sayDeployed(now.Add(time.Minute))
		if len(plan.Waits) == 0 {
			break
		}
	}
	for server, chain := range ran.leaves {
		if err := pki.VerifyChain(pki.JVM(), chain, []*x509.Certificate{second.cert}, "", now); err != nil {
			t.Errorf("at the end %s is not under the new CA: %v", server, err)
		}
	}
	if restarts == 0 {
		t.Error("no write was stopped at")
	}
}

// TestCABackAndForth: a version that was given up is not taken up again with its
// old word: what runs is what counts.
func TestCABackAndForth(t *testing.T) {
	a := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	b := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	s := newSite(t, walkConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": a.manifest(t, a.key, a.cert)})
	s.apply(testNow)
	ran, now := s.rolledOut(testNow), testNow
	for i, ca := range []*userCA{b, a, b} {
		s.write("ca.yaml", ca.manifest(t, ca.key, ca.cert))
		for range 4 {
			now = now.Add(26 * time.Hour)
			plan := s.plan(now)
			s.noFaults(plan)
			if err := Apply(context.Background(), plan, s.store, now, func(Action) {}); err != nil {
				t.Fatal(err)
			}
			next := s.rolledOut(now)
			s.intact(fmt.Sprintf("change %d", i), now, ran, next)
			ran = next
			s.sayDeployed(now)
		}
		if waits := s.plan(now.Add(26 * time.Hour)).Waits; len(waits) > 0 {
			t.Errorf("change %d never ends: %v", i, waits)
		}
	}
}

// TestKeepIsOfTheVersionInUse: another format once, then a renewal that is asked
// for: the version of the earlier format must not be taken for the one to keep.
func TestKeepIsOfTheVersionInUse(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	s.edit("flowcert.yaml", "[{name: session}]", "[{name: session, tls: {format: PKCS12}}]")
	s.reload()
	s.apply(testNow.Add(time.Hour))
	at := testNow.Add(2 * time.Hour)
	marked, err := Wish(s.plan(at), s.observe(at), "flinkDeployment/ea/session")
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range marked {
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			t.Fatal(err)
		}
	}
	s.apply(at)
}

// TestNamelessClient: a client certificate needs no DNS name.
func TestNamelessClient(t *testing.T) {
	s := newSite(t, testConfig+"certificates: [{secretName: kafka-client, usages: [client]}, {secretName: by-address, ipAddresses: [10.0.0.1]}]\n",
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
}

// TestOthersStayInAFixedSecret: what somebody else put into a Secret that is
// updated in place survives a renewal.
func TestOthersStayInAFixedSecret(t *testing.T) {
	s := newSite(t, testConfig+"certificates: [{secretName: db-server, dnsNames: [db]}]\n", map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	secret := s.version(testNow, "certificate/ea/db-server", secrets.RoleCertificate)
	secret.Labels["team"], secret.Annotations["note"], secret.Data["dhparams"] = "orders", "ours", []byte("x")
	if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
		t.Fatal(err)
	}
	due := testNow.AddDate(0, 10, 0)
	s.apply(due)
	after := s.version(due, "certificate/ea/db-server", secrets.RoleCertificate)
	if after.Labels["team"] == "" || after.Annotations["note"] == "" || len(after.Data["dhparams"]) == 0 {
		t.Errorf("lost: labels %v, annotations %v, keys %v", after.Labels, after.Annotations, after.Keys())
	}
}

// TestNothingGoesSilentlyUnmanaged: what is taken out of the configuration while
// it is wired is named.
func TestNothingGoesSilentlyUnmanaged(t *testing.T) {
	for _, change := range [][2]string{{"[{name: my-ep}]", "[]"}, {"[{name: session}]", "[{name: session, tls: {rest: false, internal: false}}]"}} {
		s := quickSite(t)
		s.apply(testNow)
		s.edit("flowcert.yaml", change[0], change[1])
		s.reload()
		if notices := strings.Join(s.plan(testNow).Notices, "\n"); !strings.Contains(notices, "nothing renews") {
			t.Errorf("%s: nobody is told: %s", change[1], notices)
		}
	}
}

// TestMetadataRestartsNothing: an edit of annotations alone names no restart.
func TestMetadataRestartsNothing(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	s.edit("flink.yaml", "flowcert.io/root: ", "flowcert.io/root: f00")
	for _, a := range s.plan(testNow).Actions {
		if a.Disturbs() != "" {
			t.Errorf("%s: restarts %s", a.Object(), a.Disturbs())
		}
	}
}

// TestSpoiltRootsBesideALeaf: a wrong ca.crt makes a new version around the same
// key: a cluster does not let anybody change an immutable Secret.
func TestSpoiltRootsBesideALeaf(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	const target = "eventProcessing/ea/my-ep"
	before := s.version(testNow, target, secrets.RoleCertificate)
	stranger := newCA(t, "somebody else", testNow.AddDate(-1, 0, 0))
	s.replaceData(target, secrets.RoleCertificate, secrets.CACert, pki.EncodeCertificates(stranger.root))
	plan := s.apply(testNow)
	after := s.version(testNow, target, secrets.RoleCertificate)
	if len(plan.Actions) != 2 || after.Name == before.Name || string(after.Data[secrets.TLSCert]) != string(before.Data[secrets.TLSCert]) {
		t.Errorf("actions %v; %s became %s", objects(plan), before.Name, after.Name)
	}
	if string(after.Data[secrets.CACert]) == string(pki.EncodeCertificates(stranger.root)) {
		t.Error("the wrong root is still there")
	}
	if spoilt := s.observe(testNow).Secrets[before.Ref]; string(spoilt.Data[secrets.CACert]) != string(pki.EncodeCertificates(stranger.root)) {
		t.Error("an immutable Secret was changed")
	}
}

// TestReservedNames: a certificate's Secret cannot take the place of a root or of
// a version.
func TestReservedNames(t *testing.T) {
	for _, name := range []string{"ea-root-g1", "my-ep-cert-0123456789"} {
		s := newSite(t, testConfig+"certificates: [{secretName: "+name+", dnsNames: [db]}]\n", map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
		plan := s.plan(testNow)
		if len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), "looks like the name of a Secret that flowcert makes itself") {
			t.Errorf("%s: %v", name, plan.Faults)
		}
	}
}

// TestVerifyTellsDueFromWrong: a renewal that is due is not damage, and what
// nobody keeps any more is looked at too.
func TestVerifyTellsDueFromWrong(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	due := testNow.AddDate(0, 10, 0)
	report := Verify(s.cfg, s.observe(due))
	if len(report.Findings) > 0 || len(report.Due) == 0 {
		t.Errorf("near the end: wrong %v, due %v", report.Findings, report.Due)
	}
	s.edit("flowcert.yaml", "[{name: my-ep}]", "[]")
	s.reload()
	after := Verify(s.cfg, s.observe(testNow.AddDate(1, 1, 0))).Findings
	if !strings.Contains(fmt.Sprint(after), "flowcert.yaml does not keep it") {
		t.Errorf("an unmanaged certificate that ended: %v", after)
	}
}

// TestLostRecord: where the record of the edits is gone, somebody is told, and
// no Secret is removed that a manifest still refers to.
func TestLostRecord(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	lines := strings.SplitAfter(s.files()["ep.yaml"], "\n")
	s.write("ep.yaml", strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, deploy.EditsAnnotation) }), ""))
	if notices := strings.Join(s.plan(testNow).Notices, "\n"); !strings.Contains(notices, "is gone: revert cannot take") {
		t.Errorf("nobody is told: %s", notices)
	}
	state := s.observe(testNow)
	reverts, err := Reverts(state)
	if err != nil {
		t.Fatal(err)
	}
	if referred, err := StillReferred(state, reverts); err != nil || !strings.Contains(referred, "still refers to secret ea/my-ep-") {
		t.Errorf("%q, %v", referred, err)
	}
}

// TestLeafAsSource: a server's own certificate among the sources is named.
func TestLeafAsSource(t *testing.T) {
	chain, _ := newCA(t, "database CA", testNow.AddDate(-1, 0, 1)).serving(t, testNow.Add(-backdate))
	s := newSite(t, testConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "db.pem": string(pki.EncodeCertificates(chain[0]))})
	if notices := strings.Join(s.plan(testNow).Notices, "\n"); !strings.Contains(notices, "a server's own certificate, not a CA") {
		t.Errorf("nobody is told: %s", notices)
	}
}

// TestGivenUpLeafStaysGivenUp: a version of which the user has said that it is
// replaced everywhere is not taken up again when its successor is lost.
func TestGivenUpLeafStaysGivenUp(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	const target = "eventProcessing/ea/my-ep"
	first := s.version(testNow, target, secrets.RoleCertificate)
	marked, err := Wish(s.plan(testNow), s.observe(testNow), target)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range marked {
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			t.Fatal(err)
		}
	}
	later := testNow.Add(time.Hour)
	s.apply(later)
	s.sayDeployed(later)
	second := s.version(later, target, secrets.RoleCertificate)
	if err := s.store.DeleteSecret(context.Background(), second); err != nil {
		t.Fatal(err)
	}
	given := s.observe(later).Secrets[first.Ref]
	delete(given.Annotations, wishAnnotation) // whole and valid, but for the user's word
	if err := s.store.UpdateSecret(context.Background(), given); err != nil {
		t.Fatal(err)
	}
	s.apply(later)
	if got := s.version(later, target, secrets.RoleCertificate).Name; got == first.Name || got == second.Name {
		t.Errorf("%s is in use again", got)
	}
}

// TestEarlierChainCounts: who loaded a Secret before it was updated in place may
// serve the chain that it held, until the user's word and the soak time.
func TestEarlierChainCounts(t *testing.T) {
	s := newSite(t, testConfig+"certificates: [{secretName: db-server, dnsNames: [db]}]\n", map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	leaves := func(now time.Time) int {
		return len(newPlanner(s.cfg, s.observe(now)).certificateLeaves(s.cfg.Certificates[0]))
	}
	if got := leaves(testNow); got != 1 {
		t.Errorf("%d chains at first, want 1", got)
	}
	due := testNow.AddDate(0, 10, 0)
	s.apply(due)
	if got := leaves(due); got != 2 {
		t.Errorf("%d chains after an update in place, want 2", got)
	}
	s.sayDeployed(due)
	if got := leaves(due.Add(23 * time.Hour)); got != 2 {
		t.Errorf("%d chains within the soak time, want 2", got)
	}
	if got := leaves(due.Add(24 * time.Hour)); got != 1 {
		t.Errorf("%d chains after the soak time, want 1", got)
	}
}

// TestLostVersionsGiveNoNameAgain: a name stands for one content, password
// included: the cluster may still have the version that was lost here.
func TestLostVersionsGiveNoNameAgain(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	before := map[string]bool{}
	for _, secret := range s.observe(testNow).Secrets {
		if secret.Ours() && secret.Role() != secrets.RoleRoot && secret.Role() != secrets.RoleIntermediate {
			before[secret.Name] = secret.Immutable
			if err := s.store.DeleteSecret(context.Background(), secret); err != nil {
				t.Fatal(err)
			}
		}
	}
	later := testNow.Add(time.Hour)
	s.apply(later)
	for _, secret := range s.observe(later).Secrets {
		if immutable, had := before[secret.Name]; had && (immutable || secret.Immutable) {
			t.Errorf("%s is there again, with another content", secret.Ref)
		}
	}
}

// TestAuthoritySourceWithoutServers: a truststore that trusts the authority may
// be for any server that has a certificate of it.
func TestAuthoritySourceWithoutServers(t *testing.T) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	s := newSite(t, strings.Replace(walkConfig, `, servers: [{address: "orders-db:5432"}]`, "", 1),
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": first.manifest(t, first.key, first.cert)})
	s.apply(testNow)
	ran, now := s.rolledOut(testNow), testNow.Add(time.Hour)
	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	s.walk(now, ran, map[string]int{})
	if !slices.ContainsFunc(s.plan(now).Waits, func(w Wait) bool { return w.Target == "certificate/ea/orders-db-server" }) {
		t.Errorf("the database's certificate does not wait: %v", s.plan(now).Waits)
	}
}

// TestUnmountedTruststoreIsNamed: it is not taken away, and somebody is told.
func TestUnmountedTruststoreIsNamed(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	s.edit("flowcert.yaml", "truststores: [{publicCAs: false, sources: [{name: db, file: db.pem}]}]", "")
	s.reload()
	if notices := strings.Join(s.plan(testNow).Notices, "\n"); !strings.Contains(notices, "mounts ssl-truststore-") {
		t.Errorf("nobody is told: %s", notices)
	}
}
