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

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// rolloverConfig is walkConfig under an authority of flowcert's own.
var rolloverConfig = strings.Replace(ingressConfig, ", ui: {}", "", 1)

// ingressConfig has a client that follows one intermediate only.
var ingressConfig = strings.Replace(walkConfig, "authority: {secret: {name: corporate-ca}}", "authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}", 1)

func rolloverSite(t *testing.T) *testSite {
	t.Helper()
	s := newSite(t, rolloverConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	return s
}

// wishRoot does what flowcert renew --ca does.
func (s *testSite) wishRoot(now time.Time, compromised bool) {
	s.t.Helper()
	marked, err := WishRoot(s.cfg, s.observe(now), compromised)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, secret := range marked {
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			s.t.Fatal(err)
		}
	}
}

// roots are the authority's, by generation.
func (s *testSite) roots(now time.Time) map[int]*x509.Certificate {
	s.t.Helper()
	out := map[int]*x509.Certificate{}
	for _, secret := range s.observe(now).Secrets {
		if secret.Role() != secrets.RoleRoot {
			continue
		}
		id, err := secret.Identity(secrets.DefaultKeys())
		if err != nil {
			s.t.Fatal(err)
		}
		out[generation(secret)] = id.Chain[0]
	}
	return out
}

// restarts counts, by resource, the rewrites of a plan that restart something.
func restartsIn(plan *Plan, count map[string]int) {
	for _, a := range plan.Actions {
		if w, ok := a.(*Rewire); ok && w.Restarts != "" {
			count[w.Resource.String()]++
		}
	}
}

// walk applies to the end, stopping after every write, and checks every edge in
// every mixture of what ran before and what starts now.
func (s *testSite) walk(now time.Time, ran running, restarts map[string]int) running {
	s.t.Helper()
	restartsIn(s.plan(now), restarts)
	for n := 0; s.stopAfter(n, now); n = 1 {
		s.intact(fmt.Sprintf("%s, in between", now.Format(time.DateOnly)), now, ran, s.rolledOut(now))
	}
	next := s.rolledOut(now)
	s.intact(now.Format(time.DateOnly), now, ran, next)
	plan := s.plan(now)
	s.noFaults(plan)
	for _, a := range plan.Actions {
		s.t.Errorf("%s: left to do: %s: %s (%s)", now.Format(time.DateOnly), a.Object(), a.What(), a.Reason())
	}
	return next
}

// TestAskedForRollover: every leaf moves to the new root at once, every workload
// restarts once, and no mixture of old and new fails. The old root leaves with
// the next restart.
func TestAskedForRollover(t *testing.T) {
	s := rolloverSite(t)
	ran, restarts := s.rolledOut(testNow), map[string]int{}
	now := testNow.Add(time.Hour)
	s.wishRoot(now, false)
	plan := s.plan(now)
	if len(plan.Waits) > 0 {
		t.Errorf("something waits: %v", plan.Waits)
	}
	ran = s.walk(now, ran, restarts)
	if want := map[string]int{"eventProcessing/ea/my-ep": 1, "flinkDeployment/ea/session": 1}; !maps.Equal(restarts, want) {
		t.Errorf("restarts %v, want %v", restarts, want)
	}
	roots := s.roots(now)
	if len(roots) != 2 || roots[2].Subject.CommonName != "ea CA G2" {
		t.Fatalf("roots %v", roots)
	}
	for server, chain := range ran.leaves {
		for n, root := range roots {
			if err := pki.VerifyChain(pki.JVM(), chain, []*x509.Certificate{root}, "", now); err != nil {
				t.Errorf("%s does not verify with root %d alone: %v", server, n, err)
			}
		}
	}
	for edge, anchors := range ran.trust {
		if len(anchors) != 2 {
			t.Errorf("%s trusts %d roots, want both", edge, len(anchors))
		}
	}
	s.retire(now, ran)
}

// retire says that everything is deployed, waits, and sees the old roots leave
// with the next renewal and not before.
func (s *testSite) retire(now time.Time, ran running) {
	s.t.Helper()
	s.sayDeployed(now)
	now = now.Add(25 * time.Hour)
	if plan := s.plan(now); len(plan.Actions) > 0 {
		s.t.Errorf("retirement restarts something by itself: %v", objects(plan))
	}
	due := now.AddDate(0, 10, 0)
	ran = s.walk(due, ran, map[string]int{})
	for edge, anchors := range ran.trust {
		if len(anchors) != 1 {
			s.t.Errorf("%s still trusts %d roots", edge, len(anchors))
		}
	}
}

// TestRolloverBehindAnIngress: nginx follows one intermediate, so its trust moves
// first and the UI's certificate waits; the others do not.
func TestRolloverBehindAnIngress(t *testing.T) {
	s := newSite(t, ingressConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	ran, now := s.rolledOut(testNow), testNow.Add(time.Hour)
	s.wishRoot(now, false)
	for _, wantWaits := range []int{1, 0} {
		ran = s.walk(now, ran, map[string]int{})
		if waits := s.plan(now).Waits; len(waits) != wantWaits {
			t.Errorf("waits %v, want %d", waits, wantWaits)
		}
		s.sayDeployed(now)
		now = now.Add(25 * time.Hour)
	}
	for server, chain := range ran.leaves {
		if r := home(chain, []root{{certificate: s.roots(now)[2]}}); r == nil {
			t.Errorf("%s is not under the second root", server)
		}
	}
}

// TestSecondRollover: a rollover upon a rollover, before anybody has restarted,
// breaks nothing (OpenShift's service CA operator once did).
func TestSecondRollover(t *testing.T) {
	s := rolloverSite(t)
	first := s.rolledOut(testNow)
	ran := first
	for i := 1; i <= 3; i++ {
		now := testNow.Add(time.Duration(i) * time.Hour)
		s.wishRoot(now, false)
		s.onePass(now)
		next := s.rolledOut(now)
		s.intact("in one pass", now, ran, next)
		ran = next
		for server, chain := range ran.leaves {
			if crosses := len(chain) - 2; crosses != min(i, maxCrosses) {
				t.Errorf("%s sends %d cross certificates after %d rollovers", server, crosses, i)
			}
		}
		if i <= maxCrosses {
			s.intact("since the beginning", now, first, ran)
		}
	}
}

// TestNaturalRollover lives through the whole life of a root: nothing restarts
// for the sake of it, and at no moment does an edge fail.
func TestNaturalRollover(t *testing.T) {
	s := newSite(t, strings.NewReplacer("selfSigned: {", "selfSigned: {validity: 600d, intermediate: {validity: 200d}, ", "defaults: {", "defaults: {validity: 90d, ").Replace(rolloverConfig),
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	ran, restarts := s.rolledOut(testNow), map[string]int{}
	var made []int
	for day := 10; day < 840; day += 10 {
		now := testNow.AddDate(0, 0, day)
		before := s.leavesNow(now)
		changed := map[string]int{}
		ran = s.walk(now, ran, changed)
		for target := range changed {
			restarts[target]++
			if s.leavesNow(now)[target] == before[target] {
				t.Errorf("day %d: %s restarts and keeps its certificate: %v", day, target, changed)
			}
		}
		if n := len(s.roots(now)); n > len(made)+1 {
			made = append(made, day)
		}
		if day%20 == 0 {
			s.sayDeployed(now.Add(time.Minute))
		}
	}
	if len(made) != 2 {
		t.Errorf("roots were made on days %v, want two", made)
	}
	for _, anchors := range ran.trust {
		if slices.ContainsFunc(anchors, s.roots(testNow.AddDate(0, 0, 840))[1].Equal) {
			t.Error("the first root has ended and is still trusted")
		}
	}
	for target, n := range restarts {
		if n > 840/50 {
			t.Errorf("%s restarted %d times in 840 days with certificates of 90", target, n)
		}
	}
}

// leavesNow are the fingerprints of the leaves that resources refer to.
func (s *testSite) leavesNow(now time.Time) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	p := newPlanner(s.cfg, s.observe(now))
	references := p.state.references()
	for _, secret := range p.state.Secrets {
		if !secret.Ours() || !references[secret.Ref] || !slices.Contains(leafRoles, secret.Role()) {
			continue
		}
		id, err := p.identityOf(secret)
		if err != nil {
			s.t.Fatal(err)
		}
		out[secret.Target()] = pki.Fingerprint(id.Chain[0])
	}
	return out
}

// TestCompromise: nothing vouches for the new root, so trust moves first, then
// the leaves, then the compromised root goes, with its key; nothing soaks.
func TestCompromise(t *testing.T) {
	s := rolloverSite(t)
	lost := s.roots(testNow)[1]
	ran, restarts := s.rolledOut(testNow), map[string]int{}
	now := testNow.Add(time.Hour)
	s.wishRoot(now, true)
	for range 4 {
		ran = s.walk(now, ran, restarts)
		now = now.Add(time.Minute)
		s.sayDeployed(now)
	}
	plan := s.plan(now)
	if len(plan.Actions) > 0 || len(plan.Waits) > 0 {
		t.Errorf("left to do: %v, waits %v", objects(plan), plan.Waits)
	}
	for name, content := range s.files() {
		if strings.Contains(name, "ea-root-g1") {
			t.Errorf("%s is still there:\n%s", name, content)
		}
	}
	for edge, anchors := range ran.trust {
		if slices.ContainsFunc(anchors, lost.Equal) {
			t.Errorf("%s still trusts the compromised root", edge)
		}
	}
	p := newPlanner(s.cfg, s.observe(now))
	for _, secret := range Ours(p.state) {
		if slices.Contains(leafRoles, secret.Role()) {
			id, err := p.identityOf(secret)
			if err != nil {
				t.Fatal(err)
			}
			if home(id.Chain, []root{{certificate: lost}}) != nil {
				t.Errorf("%s stands under the compromised root", secret.Ref)
			}
		}
	}
	for target, n := range restarts {
		if n > 3 {
			t.Errorf("%s restarted %d times", target, n)
		}
	}
}

// TestCompromiseReachesWhatVouched: whoever has the new root's key is believed by
// clients of the old one too, by the cross certificate.
func TestCompromiseReachesWhatVouched(t *testing.T) {
	s := rolloverSite(t)
	s.wishRoot(testNow.Add(time.Hour), false)
	s.apply(testNow.Add(time.Hour))
	now := testNow.Add(2 * time.Hour)
	g2 := s.observe(now).Secrets[secrets.Ref{Namespace: "ea", Name: "ea-root-g2"}]
	if err := s.store.UpdateSecret(context.Background(), marking(g2, compromisedAnnotation, now)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		s.onePass(now)
		now = now.Add(time.Minute)
		s.sayDeployed(now)
	}
	if roots := s.roots(now); len(roots) != 1 || roots[3] == nil {
		t.Errorf("roots %v, want the third alone", roots)
	}
}

// onePass applies once; after it only old versions may be left to remove.
func (s *testSite) onePass(now time.Time) {
	s.t.Helper()
	for i := range 2 {
		plan := s.plan(now)
		s.noFaults(plan)
		for _, a := range plan.Actions {
			if _, forget := a.(*Forget); i > 0 && !forget {
				s.t.Errorf("left to do: %s: %s (%s)", a.Object(), a.What(), a.Reason())
			}
		}
		if err := Apply(context.Background(), plan, s.store, now, func(Action) {}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestEndedRoot: after a sleep of many years the next root follows, and nobody is
// asked to begin anew.
func TestEndedRoot(t *testing.T) {
	s := rolloverSite(t)
	late := testNow.AddDate(11, 0, 0)
	s.apply(late)
	if roots := s.roots(late); len(roots) != 2 || roots[2] == nil {
		t.Errorf("roots %v", roots)
	}
	if notices := s.plan(late).Notices; noticed(s.plan(late), "ended") {
		t.Errorf("a root that has been followed is named for ever: %v", notices)
	}
}

// TestSpoiltCross: a cross certificate that is another's is a fault, not a part
// of chains.
func TestSpoiltCross(t *testing.T) {
	s := rolloverSite(t)
	now := testNow.Add(time.Hour)
	s.wishRoot(now, false)
	s.apply(now)
	secret := s.observe(now).Secrets[secrets.Ref{Namespace: "ea", Name: "ea-root-g2"}]
	stranger := newCA(t, "somebody else", testNow.AddDate(-1, 0, 0))
	secret.Data["cross-g1.crt"] = pki.EncodeCertificates(stranger.root)
	if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
		t.Fatal(err)
	}
	plan := s.plan(now)
	if len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), `key "cross-g1.crt": is not the certificate of "ea CA G2" signed by "ea CA"`) {
		t.Errorf("faults %v", plan.Faults)
	}
}

// TestRidingAlong: a restart that comes for another reason, a database's new CA,
// takes the new root along, beside the old one under which the leaves still are.
func TestRidingAlong(t *testing.T) {
	s := newSite(t, strings.NewReplacer("selfSigned: {", "selfSigned: {validity: 800d, ", "defaults: {", "defaults: {validity: 300d, ").Replace(testConfig),
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	s.apply(testNow.AddDate(0, 0, 350)) // leaves end on day 650; the next root is due on day 400
	now := testNow.AddDate(0, 0, 410)
	restarts := map[string]int{}
	restartsIn(s.apply(now), restarts)
	if len(restarts) > 0 || len(s.roots(now)) != 2 {
		t.Fatalf("restarts %v, %d roots; want a second root and no restart", restarts, len(s.roots(now)))
	}
	before := s.leavesNow(now)
	s.write("db.pem", string(pki.EncodeCertificates(newCA(t, "next database CA", testNow).root)))
	restartsIn(s.apply(now), restarts)
	if want := map[string]int{"eventProcessing/ea/my-ep": 1, "flinkDeployment/ea/session": 1}; !maps.Equal(restarts, want) {
		t.Errorf("restarts %v, want %v", restarts, want)
	}
	if !maps.Equal(before, s.leavesNow(now)) {
		t.Error("leaves were issued anew")
	}
	for edge, anchors := range s.rolledOut(now).trust {
		if !strings.HasSuffix(edge, "db") && len(anchors) != 2 {
			t.Errorf("%s trusts %d roots, want both", edge, len(anchors))
		}
	}
	id, err := s.version(now, "eventProcessing/ea/my-ep", secrets.RoleCertificate).Identity(secrets.DefaultKeys())
	if err != nil || len(id.Roots) != 2 {
		t.Errorf("%d roots beside Event Processing's certificate, want both (%v)", len(id.Roots), err)
	}
}

// TestNewRootBecomesUrgent: where leaves would soon be cut short for the sake of
// a client that knows the old root alone, it gets the new one by itself.
func TestNewRootBecomesUrgent(t *testing.T) {
	s := newSite(t, strings.NewReplacer("selfSigned: {", "selfSigned: {validity: 800d, ", "defaults: {", "defaults: {validity: 300d, ").Replace(testConfig),
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	s.apply(testNow.AddDate(0, 0, 350)) // leaves are due on day 551, the next root on day 400
	for day, want := range []struct{ day, restarts int }{{410, 0}, {495, 0}, {520, 2}} {
		now, restarts := testNow.AddDate(0, 0, want.day), map[string]int{}
		restartsIn(s.apply(now), restarts)
		if len(restarts) != want.restarts {
			t.Errorf("step %d: restarts %v, want %d", day, restarts, want.restarts)
		}
	}
}

// TestWaitingLeafIsRenewedUnderTheOldRoot: where nobody says that anything was
// rolled out, a certificate that waits for the new root does not run out under
// the old one, which all of its clients know.
func TestWaitingLeafIsRenewedUnderTheOldRoot(t *testing.T) {
	s := newSite(t, ingressConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	now := testNow.Add(time.Hour)
	s.wishRoot(now, false)
	ran := s.walk(now, s.rolledOut(testNow), map[string]int{})
	for months := 1; months <= 30; months++ {
		now = testNow.AddDate(0, months, 0)
		ran = s.walk(now, ran, map[string]int{})
		if left := ran.leaves[walkingUI][0].NotAfter.Sub(now); left < 60*24*time.Hour {
			t.Fatalf("after %d months the UI's certificate has %s left", months, left)
		}
	}
}

// TestVerifyTellsARolloverFromDamage: what is due, and what waits without being
// near its end, is not wrong.
func TestVerifyTellsARolloverFromDamage(t *testing.T) {
	s := rolloverSite(t)
	now := testNow.Add(time.Hour)
	s.wishRoot(now, false)
	if report := Verify(s.cfg, s.observe(now)); len(report.Findings) > 0 || len(report.Due) == 0 {
		t.Errorf("a rollover that was asked for: wrong %v, due %v", report.Findings, report.Due)
	}
	waiting := newSite(t, ingressConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	waiting.apply(testNow)
	waiting.wishRoot(now, false)
	waiting.onePass(now)
	if report := Verify(waiting.cfg, waiting.observe(now)); len(report.Findings) > 0 {
		t.Errorf("a UI that waits: wrong %v", report.Findings)
	}
}

// TestVerifyTellsOfAWaitNearTheEnd: under another CA there is no older root to
// go on with; a certificate that waits at the end of its life is wrong.
func TestVerifyTellsOfAWaitNearTheEnd(t *testing.T) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	s := userSite(t, first.manifest(t, first.key, first.cert))
	s.apply(testNow)
	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	s.onePass(testNow)
	for days, wrong := range map[int]bool{2: false, 350: true} {
		report := Verify(s.cfg, s.observe(testNow.AddDate(0, 0, days)))
		ends := slices.ContainsFunc(report.Findings, func(f Finding) bool { return strings.Contains(f.Problem, "its certificate ends on") })
		if ends != wrong {
			t.Errorf("after %d days: %v", days, report.Findings)
		}
	}
}
