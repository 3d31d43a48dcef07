package renew

import (
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// unseenConfig has a workload of another namespace at either end of an edge: an
// EventProcessing that calls session, and a FlinkDeployment beside a database, both
// of which a truststore in the first namespace is for.
const unseenConfig = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: far-ep, namespace: far}]
flinkDeployments: [{name: session}]
flinkOperator: {namespace: flink}
truststores:
- publicCAs: false
  mountIn: {flinkDeployments: [session]}
  sources: [{name: db, authority: true, servers: [{address: "db.far:5432"}]}]
certificates: [{secretName: db-server, namespace: far, dnsNames: [db.far]}]
`

var farEventProcessing = strings.NewReplacer("name: my-ep", "name: far-ep\n  namespace: far", "session-rest:8081", "session-rest.ea:8081").Replace(testEventProcessing)

const (
	session = "flinkDeployment/ea/session"
	farEP   = "eventProcessing/far/far-ep"
)

// unseenSite has been applied, and everything of it runs.
func unseenSite(t *testing.T, configuration string) *testSite {
	t.Helper()
	s := newSite(t, configuration, map[string]string{"ep.yaml": farEventProcessing, "flink.yaml": haFlink})
	s.apply(testNow)
	return s
}

// running is what the site would be in a cluster in which all of it has run since
// its start.
func (s *testSite) runs(now time.Time) *State {
	s.t.Helper()
	state := s.asItRuns(now, map[string]time.Time{session: testNow, farEP: testNow})
	state.findMissing(s.cfg)
	return state
}

func without(namespace string) func(*State) {
	return func(state *State) { state.close(namespace) }
}

// close takes what a namespace holds out of a state.
func (state *State) close(namespace string) {
	state.Live.Closed[namespace] = errors.New("forbidden")
	maps.DeleteFunc(state.Secrets, func(ref secrets.Ref, _ *secrets.Secret) bool { return ref.Namespace == namespace })
	for k, versions := range state.versions {
		state.versions[k] = slices.DeleteFunc(versions, func(s *secrets.Secret) bool { return s.Namespace == namespace })
	}
	state.resources = slices.DeleteFunc(state.resources, func(r deploy.Resource) bool { return r.Namespace == namespace })
	state.Live.Pods = slices.DeleteFunc(state.Live.Pods, func(p deploy.Pod) bool { return p.Namespace == namespace })
}

// waitFor is what a plan says that a target waits for; empty: for nothing.
func waitFor(plan *Plan, target string) string {
	for _, w := range plan.Waits {
		if w.Target == target {
			return w.For
		}
	}
	return ""
}

// issues reports whether a plan issues a leaf for a target.
func issues(plan *Plan, target string) bool {
	return slices.ContainsFunc(plan.Actions, func(a Action) bool {
		leaf, ok := a.(*MakeLeaf)
		return ok && leaf.Target == target && leaf.Keep == nil
	})
}

// backInFile writes a resource that is taken for a cluster's to its file.
type backInFile struct {
	liveDir
	files *State
}

func (f backInFile) WriteResource(ctx context.Context, r deploy.Resource, source []byte) error {
	there, _ := f.files.Resource(r.String())
	r.File = there.File
	return f.liveDir.WriteResource(ctx, r, source)
}

// goOn carries out pass after pass without what is hidden, and lets all that runs
// elsewhere follow; it returns the last plan.
func (s *testSite) goOn(now time.Time, hide func(*State)) *Plan {
	s.t.Helper()
	for range 6 {
		state := s.asItRuns(now, map[string]time.Time{session: now, farEP: testNow})
		hide(state)
		state.findMissing(s.cfg)
		plan := NewPlan(s.cfg, state)
		if len(plan.Actions) == 0 {
			return plan
		}
		if err := Apply(context.Background(), plan, backInFile{liveDir{s.store}, s.observe(now)}, now, func(Action) {}); err != nil {
			s.t.Fatal(err)
		}
		now = now.Add(10 * time.Minute)
	}
	s.t.Fatal("it comes to no end")
	return nil
}

// TestUnseenClient: a server switches as long as the one root that an unseen client
// may know vouches for the new chain, and not to a chain for which none does.
func TestUnseenClient(t *testing.T) {
	for _, namespace := range []string{"far", "flink"} {
		for _, compromised := range []bool{false, true} {
			s := unseenSite(t, unseenConfig)
			old, g1, now := s.version(testNow, session, secrets.RoleFlinkTLS), s.roots(testNow)[1], testNow.Add(time.Hour)
			served := func() *x509.Certificate {
				id, err := newPlanner(s.cfg, s.observe(now)).storesOf(s.version(now, session, secrets.RoleFlinkTLS))
				if err != nil {
					t.Fatal(err)
				}
				if err := pki.VerifyChain(pki.JVM(), id.Chain, []*x509.Certificate{g1}, "", now); err != nil {
					t.Errorf("without %s, compromised %v: what may know the first root alone does not verify what is served: %v", namespace, compromised, err)
				}
				return id.Chain[0]
			}
			before := served()
			if s.wishRoot(now, compromised); len(s.roots(now)) != 1 {
				t.Fatal("there is another root already")
			}
			plan := s.goOn(now, without(namespace))
			if roots := s.roots(now); len(roots) != 2 {
				t.Errorf("without %s there are %d roots", namespace, len(roots))
			}
			switched := !served().Equal(before)
			if switched == compromised {
				t.Errorf("without %s, compromised %v: it has switched: %v", namespace, compromised, switched)
			}
			why := waitFor(plan, session)
			for _, word := range []string{`may trust nothing but "ea CA" (namespace ` + namespace + " cannot be read)", "bind flowcert's Role", session} {
				if compromised != strings.Contains(why, word) {
					t.Errorf("without %s, compromised %v, it waits for: %s", namespace, compromised, why)
				}
			}
			if old.Name == s.version(now, session, secrets.RoleFlinkTLS).Name {
				t.Errorf("without %s, compromised %v: nothing happened", namespace, compromised)
			}
		}
	}
}

// TestUnseenServer: as long as a server cannot be looked at, its clients lose no
// root, and a new one gets every root.
func TestUnseenServer(t *testing.T) {
	s := unseenSite(t, unseenConfig)
	truststore := slot{truststoreTarget("ea", "ssl-truststore"), secrets.RoleTruststore}
	g1, now := s.roots(testNow)[1], testNow.Add(time.Hour)
	s.wishRoot(now, false)
	s.goOn(now, without("far"))
	due := now.AddDate(0, 10, 0)
	for what, closed := range map[string]bool{"closed": true, "as if it held nothing": false} {
		state := s.runs(due)
		cfg := *s.cfg
		if state.close("far"); !closed {
			delete(state.Live.Closed, "far")
			cfg.Certificates = nil // of which a Secret that is gone would say that nobody knows what is served
		}
		p := newPlanner(&cfg, state)
		p.run()
		if want := p.roots(truststore, "ea", "db", nil); slices.ContainsFunc(want, g1.Equal) != closed {
			t.Errorf("%s: the truststore is to hold %v", what, names(want))
		}
		if fresh := p.kept(slot{"truststore/ea/new", secrets.RoleTruststore}, "ea", "db"); closed != (len(fresh) == 2) {
			t.Errorf("%s: the first one would hold %v", what, names(fresh))
		}
	}
}

func names(certs []*x509.Certificate) []string {
	var out []string
	for _, c := range certs {
		out = append(out, c.Subject.CommonName)
	}
	return out
}

// TestUnseenIsNoReasonToRestart: that a namespace is closed changes nothing
// elsewhere, also where an old root has gone already.
func TestUnseenIsNoReasonToRestart(t *testing.T) {
	s := unseenSite(t, unseenConfig)
	now := testNow.Add(time.Hour)
	s.wishRoot(now, false)
	s.apply(now)
	s.sayDeployed(now)
	due := now.AddDate(0, 10, 0)
	s.apply(due)
	state := s.runs(due)
	state.close("far")
	if plan := NewPlan(s.cfg, state); len(plan.Actions) > 0 {
		t.Errorf("there is something to do: %v", objects(plan))
	}
}

// TestUnseenInACompromise: nothing of a compromised root is removed while something
// that may hold it cannot be looked at, and its clients go on trusting it.
func TestUnseenInACompromise(t *testing.T) {
	s := unseenSite(t, unseenConfig)
	g1, now := s.roots(testNow)[1], testNow.Add(time.Hour)
	s.wishRoot(now, true)
	plan := s.goOn(now, without("far"))
	if why := waitFor(plan, s.authorityTarget()); !strings.Contains(why, `"ea CA" cannot go while certificate/far/db-server may have it (namespace far cannot be read)`) {
		t.Errorf("it waits for %q, faults %v", why, plan.Faults)
	}
	if len(s.roots(now)) != 2 {
		t.Error("the compromised root is gone")
	}
	state := s.runs(now)
	state.close("far")
	if p := newPlanner(s.cfg, state); p.run() == nil || p.givenUp(g1) {
		t.Error("where it stands in a source it is given up")
	}
	entries, err := newPlanner(s.cfg, s.observe(now)).trustOf(s.version(now, truststoreTarget("ea", "ssl-truststore"), secrets.RoleTruststore))
	if err != nil || !slices.ContainsFunc(secrets.Certificates(entries), g1.Equal) {
		t.Errorf("the database's root has left the truststore (%v)", err)
	}
}

func (s *testSite) authorityTarget() string { return authorityTarget(s.cfg) }

// TestMissingWorkload: what is configured and not there for the moment may come
// back as it was: what it had stays, and counts.
func TestMissingWorkload(t *testing.T) {
	s := newSite(t, strings.ReplaceAll(unseenConfig, "namespace: far", "namespace: ea"), map[string]string{
		"ep.yaml": strings.ReplaceAll(farEventProcessing, "namespace: far", "namespace: ea"), "flink.yaml": haFlink,
	})
	s.apply(testNow)
	old := s.version(testNow, "eventProcessing/ea/far-ep", secrets.RoleFlinkTrust)
	now := testNow.Add(time.Hour)
	s.wishRoot(now, true)
	var state *State
	plan := s.goOn(now, func(next *State) {
		state = next
		state.resources = slices.DeleteFunc(state.resources, func(r deploy.Resource) bool { return r.Kind == deploy.EventProcessingKind })
		state.Live.Pods = slices.DeleteFunc(state.Live.Pods, func(p deploy.Pod) bool { return p.Name == "far-ep-0" })
	})
	why := waitFor(plan, session)
	for _, word := range []string{"eventProcessing/ea/far-ep still uses trust " + old.Name, "may come back with it", "take it out of flowcert.yaml"} {
		if issues(plan, session) || !strings.Contains(why, word) {
			t.Errorf("it waits for %q; %v", why, objects(plan))
		}
	}
	p := newPlanner(s.cfg, state)
	if p.retired(old) {
		t.Errorf("%s counts as in nobody's use", old.Name)
	}
}

// TestUnreadWorkload: one that does not parse is a fault, and is neither taken for
// one that is to come nor left out of account.
func TestUnreadWorkload(t *testing.T) {
	s := unseenSite(t, unseenConfig)
	now := testNow.Add(time.Hour)
	s.wishRoot(now, true)
	state := s.runs(now)
	state.Live.Unread = map[string]error{farEP: errors.New(farEP + ": has an alias without an anchor")}
	state.resources = slices.DeleteFunc(state.resources, func(r deploy.Resource) bool { return r.Kind == deploy.EventProcessingKind })
	plan := NewPlan(s.cfg, state)
	if len(plan.Faults) == 0 || !strings.Contains(plan.Faults[0].Err.Error(), "alias") || issues(plan, session) {
		t.Errorf("faults %v, %v", plan.Faults, objects(plan))
	}
	if _, err := Reverts(state); err == nil {
		t.Error("it could be reverted in part")
	}
}

// TestVersionThatIsGone: what a client has loaded is not known where its Secret was
// removed: it may know the root of today alone.
func TestVersionThatIsGone(t *testing.T) {
	for _, spoilt := range []bool{false, true} {
		s := unseenSite(t, unseenConfig)
		now := testNow.Add(time.Hour)
		s.wishRoot(now, true)
		gone := s.version(testNow, farEP, secrets.RoleFlinkTrust)
		state := s.runs(now)
		word := "is gone"
		if spoilt {
			word = "is spoilt"
			gone.Data = map[string][]byte{"truststore.jks": []byte("garbage"), "password": []byte("changeit")}
			state.Secrets[gone.Ref] = gone
			state.versions[slot{farEP, secrets.RoleFlinkTrust}] = []*secrets.Secret{gone}
		} else {
			delete(state.Secrets, gone.Ref)
			delete(state.versions, slot{farEP, secrets.RoleFlinkTrust})
		}
		p := newPlanner(s.cfg, state)
		p.run()
		i := slices.IndexFunc(p.edgesTo(p.flinks[session]), func(e Edge) bool { return e.Client == farEP })
		if u := p.edgesTo(p.flinks[session])[i].Unseen; u == nil || !strings.Contains(u.why, gone.Name+", by which it verifies, "+word) {
			t.Errorf("it is to be known what %s trusts: %v", farEP, u)
		}
	}
}

// TestOperatorThatIsUnseen: the password of its stores is not made up.
func TestOperatorThatIsUnseen(t *testing.T) {
	s := newSite(t, unseenConfig, map[string]string{"ep.yaml": farEventProcessing, "flink.yaml": haFlink})
	s.apply(testNow)
	state := s.runs(testNow)
	delete(state.versions, slot{session, secrets.RoleFlinkTLS})
	state.close("flink")
	plan := NewPlan(s.cfg, state)
	if why := waitFor(plan, session); issues(plan, session) || !strings.Contains(why, "password of the Flink operator's stores") {
		t.Errorf("it waits for %q; %v", why, objects(plan))
	}
}

// TestClosedHome: of an authority whose own namespace cannot be read nothing is
// signed, also where its CA is the user's and stands elsewhere.
func TestClosedHome(t *testing.T) {
	s := unseenSite(t, unseenConfig)
	due := testNow.AddDate(0, 10, 0)
	state := s.runs(due)
	state.close("ea")
	if plan := NewPlan(s.cfg, state); len(plan.Actions) > 0 {
		t.Errorf("there is something to do: %v", objects(plan))
	}
	for what, err := range map[string]error{
		"ca":     second(Roots(s.cfg, state)),
		"renew":  second(WishRoot(s.cfg, state, false)),
		"export": second(Backup(s.cfg, state)),
		"revert": second(Reverts(state)),
	} {
		if err == nil || !strings.Contains(err.Error(), "namespace ea cannot be read") || RemedyOf(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestTheirTruststore: somebody gave a client another truststore in the middle of a
// change of CA: what is in it is not flowcert's to know.
func TestTheirTruststore(t *testing.T) {
	s := unseenSite(t, unseenConfig)
	state := s.runs(testNow)
	theirs := &secrets.Secret{Ref: secrets.Ref{Namespace: "far", Name: "theirs"}, Data: map[string][]byte{"truststore.jks": []byte("?")}}
	state.Secrets[theirs.Ref] = theirs
	for i, r := range state.resources {
		if r.Kind == deploy.EventProcessingKind {
			tls := r.Object["spec"].(map[string]any)["flink"].(map[string]any)["tls"].(map[string]any)
			tls["secretName"] = theirs.Name
			state.resources[i] = r
		}
	}
	p := newPlanner(s.cfg, state)
	p.run()
	edges := p.edgesTo(p.flinks[session])
	i := slices.IndexFunc(edges, func(e Edge) bool { return e.Client == farEP })
	if u := edges[i].Unseen; u == nil || !strings.Contains(u.why, "secret far/theirs, which is somebody else's") {
		t.Errorf("the edge is like any other: %v", u)
	}
}
