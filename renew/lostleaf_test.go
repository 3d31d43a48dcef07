package renew

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

const lostConfig = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkDeployments: [{name: session}]
flinkOperator: {namespace: flink}
truststores:
- publicCAs: false
  sources: [{name: db, authority: true, servers: [{address: "orders-db:5432"}]}]
certificates: [{secretName: orders-db-server, dnsNames: [orders-db]}]
`

var databaseRef = secrets.Ref{Namespace: "ea", Name: "orders-db-server"}

// delete removes a Secret as somebody does with kubectl.
func (s *testSite) deleteRef(ref secrets.Ref) {
	s.t.Helper()
	if err := s.store.DeleteSecret(context.Background(), s.observe(testNow).Secrets[ref]); err != nil {
		s.t.Fatal(err)
	}
}

// trusts reports whether the truststore that is wanted now has the root in it.
func (s *testSite) trusts(state *State, root *x509.Certificate) bool {
	p := newPlanner(s.cfg, state)
	p.run()
	return slices.ContainsFunc(p.roots(slot{truststoreTarget("ea", "ssl-truststore"), secrets.RoleTruststore}, "ea", "db", p.faces()), root.Equal)
}

// TestRemovedCertificate: what the reader of a Secret of a fixed name serves is not
// known when somebody removed it, or spoilt it: its clients keep the old root until
// it has started anew; in a directory until the user's word and the soak time.
func TestRemovedCertificate(t *testing.T) {
	for _, spoilt := range []bool{false, true} {
		s := newSite(t, lostConfig, map[string]string{"flink.yaml": haFlink})
		s.apply(testNow)
		if strings.Contains(s.observe(testNow).Secrets[databaseRef].Annotations[earlierAnnotation], lostChain) {
			t.Error("before the first there is taken to have been another")
		}
		g1, now := s.roots(testNow)[1], testNow.Add(time.Hour)
		s.wishRoot(now, false)
		if spoilt {
			s.replaceData("certificate/ea/orders-db-server", secrets.RoleCertificate, secrets.TLSCert, []byte("garbage"))
		} else {
			s.deleteRef(databaseRef)
		}
		s.apply(now)
		id, err := s.observe(now).Secrets[databaseRef].Identity(secrets.DefaultKeys())
		if err != nil || pki.VerifyChain(pki.JVM(), id.Chain, []*x509.Certificate{s.roots(now)[2]}, "", now) != nil {
			t.Fatalf("it is not made again under the new root (%v)", err)
		}
		// Everything but the database has started anew, and nothing else counts any more.
		started := map[string]time.Time{session: now.Add(time.Hour)}
		look := func(at time.Time, database time.Time) bool {
			state := s.asItRuns(at, started)
			state.Live.Pods = append(state.Live.Pods, deploy.Pod{Namespace: "ea", Name: "orders-db-0", Ready: true, Started: database, Secrets: []string{databaseRef.Name}})
			return s.trusts(state, g1)
		}
		late := now.AddDate(0, 1, 0)
		if !look(late, testNow) {
			t.Errorf("spoilt %v: the old root goes although the database may serve what stands under it", spoilt)
		}
		if look(late, now.Add(kubeletDelay)) {
			t.Errorf("spoilt %v: the old root stays although the database has started anew", spoilt)
		}
		// In a directory.
		if !s.trusts(s.observe(late), g1) {
			t.Errorf("spoilt %v: in a directory the old root goes without the user's word", spoilt)
		}
		s.sayDeployed(late)
		if s.trusts(s.observe(late.Add(25*time.Hour)), g1) {
			t.Errorf("spoilt %v: in a directory the old root stays", spoilt)
		}
	}
}

// TestRemovedCertificateIsRemembered: that it is lost is not forgotten at the next
// renewal, and the compromised root is not either while it may be served.
func TestRemovedCertificateIsRemembered(t *testing.T) {
	s := newSite(t, lostConfig, map[string]string{"flink.yaml": haFlink})
	s.apply(testNow)
	s.deleteRef(databaseRef)
	s.apply(testNow.Add(time.Hour))
	due := testNow.AddDate(0, 10, 0)
	s.apply(due)
	if n := strings.Count(s.observe(due).Secrets[databaseRef].Annotations[earlierAnnotation], lostChain); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	if chains := newPlanner(s.cfg, s.observe(due)).certificateLeaves(s.cfg.Certificates[0]); len(chains) != 2 {
		t.Errorf("%d chains count, want the one of now and the one before", len(chains))
	}
	s.wishRoot(due, true)
	for range 5 {
		due = due.Add(time.Minute)
		s.onePass(due)
	}
	p := newPlanner(s.cfg, s.observe(due))
	p.run()
	if why := waitFor(p.plan, s.authorityTarget()); !strings.Contains(why, "nobody knows what secret ea/orders-db-server held before") || !strings.Contains(why, "apply --deployed") {
		t.Errorf("it waits for %q", why)
	}
}

// TestRemovedStoresOfTheOperator: until the kubelet has brought what was made again,
// the operator goes by what nobody knows.
func TestRemovedStoresOfTheOperator(t *testing.T) {
	s := newSite(t, lostConfig, map[string]string{"flink.yaml": haFlink})
	s.apply(testNow)
	now := testNow.Add(time.Hour)
	s.deleteRef(secrets.Ref{Namespace: "flink", Name: "flink-operator-cert"})
	operator := func(at time.Time) Edge {
		p := newPlanner(s.cfg, s.asItRuns(at, map[string]time.Time{session: testNow}))
		p.run()
		edges := p.edgesTo(p.flinks[session])
		return edges[slices.IndexFunc(edges, func(e Edge) bool { return strings.HasPrefix(e.Client, "flinkOperator/") })]
	}
	if e := operator(now); e.Unseen == nil || !strings.Contains(e.Unseen.why, "is gone") {
		t.Errorf("when it is gone: %v", e)
	}
	s.apply(now)
	if e := operator(now.Add(time.Minute)); e.Unseen == nil || len(e.Trust) != 1 || !strings.Contains(e.Unseen.why, "somebody may have removed it") {
		t.Errorf("while the kubelet may lag: %v", e)
	}
	if e := operator(now.Add(kubeletDelay)); e.Unseen != nil || len(e.Trust) != 1 {
		t.Errorf("afterwards: %v", e)
	}
}

// What nobody serves any more is not remembered in the next state of a Secret of a fixed name: neither a chain that
// nobody knows, nor one after the other until there is no room left.
func TestSettledChainsAreForgotten(t *testing.T) {
	ca := newCA(t, "CA", testNow)
	old := secrets.New(databaseRef, "certificate/ea/orders-db-server", secrets.RoleCertificate, testNow)
	old.Data[secrets.TLSCert] = pki.EncodeCertificates(ca.root)
	old.Annotations[earlierAnnotation] = lostChain + "earlier still\n"
	for _, settled := range []bool{false, true} {
		next := secrets.New(databaseRef, old.Target(), old.Role(), testNow)
		(&MakeLeaf{Replaces: old, Settled: settled}).keepEarlier(next)
		got := next.Annotations[earlierAnnotation]
		if !strings.HasPrefix(got, string(old.Data[secrets.TLSCert])) {
			t.Errorf("settled %v: the chain that is served is not remembered: %q", settled, got)
		}
		if strings.Contains(got, lostChain) == settled || strings.Contains(got, "earlier still") == settled {
			t.Errorf("settled %v: remembered is %q", settled, got)
		}
	}
}
