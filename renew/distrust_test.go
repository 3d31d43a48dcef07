package renew

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// untilForgotten applies, rolls out and says so until the compromised roots are
// gone; between the rounds a person does something.
func (s *testSite) untilForgotten(now time.Time, ran running, between func(round int)) (time.Time, running) {
	s.t.Helper()
	for round := range 8 {
		ran = s.walk(now, ran, map[string]int{})
		if plan := s.plan(now); len(plan.Waits) == 0 && !s.observe(now).compromise() {
			return now, ran
		}
		now = now.Add(time.Minute)
		s.sayDeployed(now)
		between(round)
	}
	s.t.Fatalf("it never ends: %v", s.plan(now).Waits)
	return now, ran
}

// forgotten checks that nobody trusts the root, now or in a later life, and that
// nothing of it is left but its name on the list. It ends ten months later.
func (s *testSite) forgotten(now time.Time, lost *x509.Certificate) time.Time {
	s.t.Helper()
	for _, at := range []time.Time{now, now.AddDate(0, 10, 0)} {
		s.onePass(at)
		for edge, anchors := range s.rolledOut(at).trust {
			if slices.ContainsFunc(anchors, lost.Equal) {
				s.t.Errorf("%s: %s trusts the compromised root", day(at), edge)
			}
		}
	}
	for name, content := range s.files() {
		if strings.Contains(name, "ea-root-g1") {
			s.t.Errorf("%s is still there:\n%s", name, content)
		}
	}
	return now.AddDate(0, 10, 0)
}

func noticed(plan *Plan, words string) bool {
	return slices.ContainsFunc(plan.Notices, func(n string) bool { return strings.Contains(n, words) })
}

// TestCompromisedRootInASource: a truststore that somebody fed with the root of
// flowcert's from a file gives it up like the others, and says in which file it is.
func TestCompromisedRootInASource(t *testing.T) {
	s := newSite(t, strings.Replace(testConfig, "{name: db, file: db.pem}", "{name: db, file: db.pem}, {name: own, file: own.pem}", 1),
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "own.pem": string(pki.EncodeCertificates(newCA(t, "stand-in", testNow).root))})
	s.apply(testNow)
	lost := s.roots(testNow)[1]
	s.write("own.pem", string(pki.EncodeCertificates(lost)))
	s.apply(testNow.Add(time.Minute))
	now := testNow.Add(time.Hour)
	s.wishRoot(now, true)
	const words = "own.pem (source own of truststore ssl-truststore): take it out there"
	if !noticed(s.plan(now), words) {
		t.Errorf("nobody is told where the root stands: %v", s.plan(now).Notices)
	}
	now, _ = s.untilForgotten(now, s.rolledOut(now), func(int) {})
	now = s.forgotten(now, lost)
	if !noticed(s.plan(now), words) {
		t.Errorf("nobody is told any more: %v", s.plan(now).Notices)
	}
	s.write("own.pem", string(pki.EncodeCertificates(s.roots(now)[2])))
	s.onePass(now)
	if plan := s.plan(now); noticed(plan, "own.pem") {
		t.Errorf("it is out of the file: %v", plan.Notices)
	}
	if record := s.observe(now).Secrets[secrets.Ref{Namespace: "ea", Name: "ea-distrusted"}]; record == nil || record.Data[secrets.TLSKey] != nil {
		t.Errorf("no list of distrusted roots: %v", record)
	}
}

// TestCompromisedRootIsNeededByAServer: where the file is all that the clients of a
// server trust, the root stays until the server stands under another one, and the
// wait says what to do.
func TestCompromisedRootIsNeededByAServer(t *testing.T) {
	s := newSite(t, strings.NewReplacer("name: db, authority: true", "name: db, file: own.pem", "authority: {secret: {name: corporate-ca}}", "authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}").Replace(walkConfig),
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "own.pem": string(pki.EncodeCertificates(newCA(t, "stand-in", testNow).root))})
	s.onePass(testNow)
	lost := s.roots(testNow)[1]
	s.write("own.pem", string(pki.EncodeCertificates(lost)))
	s.onePass(testNow.Add(time.Minute))
	s.sayDeployed(testNow.Add(time.Minute))
	now := testNow.Add(48 * time.Hour)
	s.onePass(now)
	ran := s.rolledOut(now)
	s.intact("before", now, ran, ran)
	s.wishRoot(now, true)
	now, _ = s.untilForgotten(now, ran, func(round int) {
		if round == 2 { // late, so that the root would have gone if nothing held it
			s.write("own.pem", string(pki.EncodeCertificates(s.roots(now)[2])))
		}
	})
	s.forgotten(now, lost)
}

// TestCompromisedRootAlone: an empty truststore would refuse every connection, so
// the only certificate of one stays, and the wait names the file.
func TestCompromisedRootAlone(t *testing.T) {
	s := newSite(t, testConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	lost := s.roots(testNow)[1]
	s.edit("flowcert.yaml", "{name: db, file: db.pem}", "{name: own, file: own.pem}")
	s.write("own.pem", string(pki.EncodeCertificates(lost)))
	s.reload()
	s.apply(testNow.Add(time.Minute))
	now := testNow.Add(time.Hour)
	s.wishRoot(now, true)
	told := false
	now, _ = s.untilForgotten(now, s.rolledOut(now), func(round int) {
		for _, w := range s.plan(now.Add(time.Duration(round) * time.Minute)).Waits {
			if strings.Contains(w.For, "own.pem (source own of truststore ssl-truststore): put there what to trust") && !told {
				told = true
				s.write("own.pem", string(pki.EncodeCertificates(s.roots(now)[2])))
			}
		}
	})
	if !told {
		t.Error("the wait does not name the file")
	}
	s.forgotten(now, lost)
}

// TestCompromisedRootInARecord: what was taken over from somebody else held the
// root, too.
func TestCompromisedRootInARecord(t *testing.T) {
	s := rolloverSite(t)
	lost := s.roots(testNow)[1]
	k := slot{truststoreTarget("ea", "ssl-truststore"), secrets.RoleTruststore}
	other := newCA(t, "remembered by nobody", testNow.AddDate(-1, 0, 0)).root
	record := secrets.NewAdopted("ea", "ssl-truststore", k.target, k.role, []string{"their-truststore"}, secrets.Adopted{
		Entries: []truststore.Entry{{Alias: "flowcert", Certificate: lost}, {Alias: "other", Certificate: other}},
	}, testNow)
	if err := s.store.CreateSecret(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	s.apply(testNow.Add(time.Minute))
	now := testNow.Add(time.Hour)
	s.wishRoot(now, true)
	now, ran := s.untilForgotten(now, s.rolledOut(now), func(int) {})
	now = s.forgotten(now, lost)
	if !slices.ContainsFunc(ran.trust[walkingEvents+" → "+walkingDatabase], other.Equal) {
		t.Error("what else was taken over is lost")
	}
	if words := "(key flowcert.pem of " + record.Ref.String() + "): take it out there"; !noticed(s.plan(now), words) {
		t.Errorf("nobody is told %q: %v", words, s.plan(now).Notices)
	}
	if s.observe(now).Secrets[record.Ref] == nil {
		t.Error("the record is gone")
	}
}

// TestCompromiseThenAUsersCA: the user answers a compromise with a CA of their own.
// What flowcert had goes all the same, keys and old versions, and nothing soaks.
func TestCompromiseThenAUsersCA(t *testing.T) {
	for name, first := range map[string]bool{"at once": false, "after a root of flowcert's": true} {
		t.Run(name, func(t *testing.T) {
			s := rolloverSite(t)
			lost := s.roots(testNow)[1]
			ran, now := s.rolledOut(testNow), testNow.Add(time.Hour)
			s.wishRoot(now, true)
			if first {
				ran = s.walk(now, ran, map[string]int{})
				now = now.Add(time.Minute)
				s.sayDeployed(now)
			}
			own := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
			s.write("ca.yaml", own.manifest(t, own.key, own.cert))
			s.edit("flowcert.yaml", "selfSigned: {key: {algorithm: ECDSA, size: 256}}", "secret: {name: corporate-ca}")
			s.reload()
			now, ran = s.untilForgotten(now, ran, func(int) {})
			s.forgotten(now, lost)
			for server, chain := range ran.leaves {
				if err := pki.VerifyChain(pki.JVM(), chain, []*x509.Certificate{own.cert}, "", now); err != nil {
					t.Errorf("%s is not under the user's CA: %v", server, err)
				}
			}
			p := newPlanner(s.cfg, s.observe(now))
			for _, secret := range Ours(p.state) {
				if id, err := p.identityOf(secret); err == nil && home(id.Chain, []root{{certificate: lost}}) != nil {
					t.Errorf("%s still stands under the compromised root", secret.Ref)
				}
			}
		})
	}
}

// TestRestoredAfterACompromise: a copy of a compromised root that comes back is not
// trusted, and goes again; a root after it has another name.
func TestRestoredAfterACompromise(t *testing.T) {
	s := rolloverSite(t)
	g1 := s.observe(testNow).Secrets[secrets.Ref{Namespace: "ea", Name: "ea-root-g1"}]
	lost, now := s.roots(testNow)[1], testNow.Add(time.Hour)
	s.wishRoot(now, true)
	now, _ = s.untilForgotten(now, s.rolledOut(testNow), func(int) {})
	list := secrets.Ref{Namespace: "ea", Name: "ea-distrusted"}
	saved, state := s.saved(), s.observe(now)
	delete(state.Secrets, list)
	if r, err := PlanRestore(s.cfg, state, saved); err != nil || len(r.Missing) != 1 || r.Missing[0].Ref != list {
		t.Errorf("a backup does not bring the list back: %v, %v", r, err)
	}
	if err := s.store.CreateSecret(t.Context(), g1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.onePass(now)
	}
	now = s.forgotten(now, lost)
	if roots := s.roots(now); len(roots) != 1 || roots[2] == nil {
		t.Errorf("roots %v, want the second alone", roots)
	}
}

// TestPausedInACompromise: a resource that is held keeps the root, and is named.
func TestPausedInACompromise(t *testing.T) {
	s := rolloverSite(t)
	s.edit("flink.yaml", "    flowcert.io/root", "    "+deploy.PauseAnnotation+": \"true\"\n    flowcert.io/root")
	now := testNow.Add(time.Hour)
	s.wishRoot(now, true)
	for range 5 {
		s.onePass(now)
		now = now.Add(time.Minute)
		s.sayDeployed(now)
	}
	const words = "flinkDeployment/ea/session uses it and is paused: take its annotation flowcert.io/pause away"
	waits := s.plan(now).Waits
	if !slices.ContainsFunc(waits, func(w Wait) bool { return strings.Contains(w.For, words) }) {
		t.Errorf("nobody is told that it is paused: %v", waits)
	}
}
