package renew

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
	"github.com/flowcert/flowcert/yamledit"
)

// foreignSite is the walking site as somebody else set it up: everything is wired
// and under a CA that nobody has any more, and nothing of it is marked as
// flowcert's. It returns the CA's certificate.
func foreignSite(t *testing.T) (*testSite, *userCA) {
	t.Helper()
	old := makeCA(t, caTemplate("Manual CA"), generate(t), nil)
	s := newSite(t, walkConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": old.manifest(t, old.key, old.cert)})
	s.apply(testNow)
	for _, secret := range Ours(s.observe(testNow)) {
		// Their role stays, so that this test knows how to open them.
		text := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s, annotations: {%s: %s}}\ndata:\n",
			secret.Name, secret.Namespace, secrets.RoleAnnotation, secret.Role())
		for _, key := range secret.Keys() {
			text += fmt.Sprintf("  %s: %s\n", key, base64.StdEncoding.EncodeToString(secret.Data[key]))
		}
		name, err := filepath.Rel(s.dir, secret.File)
		if err != nil {
			t.Fatal(err)
		}
		s.write(name, text)
	}
	for _, r := range s.observe(testNow).resources {
		source := r.Source
		for _, name := range []string{deploy.EditsAnnotation, deploy.RootAnnotation} {
			var err error
			if source, _, err = yamledit.Apply(source, []yamledit.Edit{{Path: yamledit.Path{yamledit.Key("metadata"), yamledit.Key("annotations"), yamledit.Key(name)}, Remove: true}}); err != nil {
				t.Fatal(err)
			}
		}
		s.write(filepath.Base(r.File), string(source))
	}
	if err := os.Remove(filepath.Join(s.dir, "ca.yaml")); err != nil {
		t.Fatal(err)
	}
	s.edit("flowcert.yaml", "authority: {secret: {name: corporate-ca}}", "authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}")
	s.reload()
	return s, old
}

// adopting is plan with --adopt.
func (s *testSite) adopting(now time.Time) *Plan {
	s.t.Helper()
	state := s.observe(now)
	state.Adopt = true
	return NewPlan(s.cfg, state)
}

// adoptUntil runs a pass with --adopt that ends after n writes; false if it ended
// by itself.
func (s *testSite) adoptUntil(n int, now time.Time) bool {
	s.t.Helper()
	plan := s.adopting(now)
	s.noFaults(plan)
	err := Apply(context.Background(), plan, &failing{Store: s.store, left: n}, now, func(Action) {})
	if err != nil && !errors.Is(err, errStopped) {
		s.t.Fatal(err)
	}
	return err != nil
}

// TestWalkThroughAnAdoption takes a site over, stopping after every write, and
// walks on to the end: in every mixture of what ran and what starts every edge
// must hold, and what was trusted is trusted still.
func TestWalkThroughAnAdoption(t *testing.T) {
	s, old := foreignSite(t)
	ran := s.rolledOut(testNow)
	for _, e := range edgesOfWalk {
		if ran.trust[e[0]+" → "+e[1]] == nil || ran.leaves[e[1]] == nil {
			t.Fatalf("the walk does not see the edge %v", e)
		}
	}
	now, stops := testNow, 0
	for round := 0; ; round++ {
		if round == 5 {
			t.Fatal("it never ends")
		}
		now = now.Add(25 * time.Hour)
		for n := 0; s.adoptUntil(n, now); n = 1 {
			s.intact(fmt.Sprintf("round %d, in between", round), now, ran, s.rolledOut(now))
			stops++
		}
		next := s.rolledOut(now)
		s.intact(fmt.Sprintf("round %d", round), now, ran, next)
		for client, anchors := range next.trust {
			if !slices.ContainsFunc(anchors, old.cert.Equal) {
				t.Errorf("round %d: %s has lost the old CA", round, client)
			}
		}
		plan := s.plan(now)
		s.noFaults(plan)
		if len(plan.Actions) > 0 {
			t.Fatalf("round %d: without --adopt there is something left to do: %v", round, objects(plan))
		}
		if round == 0 && len(plan.Waits) == 0 {
			t.Error("nothing waits for the clients")
		}
		ran = next
		s.sayDeployed(now.Add(time.Minute))
		if len(plan.Waits) == 0 {
			break
		}
	}
	for server, chain := range ran.leaves {
		if err := pki.VerifyChain(pki.JVM(), chain, []*x509.Certificate{old.cert}, "", now); err == nil {
			t.Errorf("at the end %s is still under the old CA", server)
		}
	}
	if stops < 10 {
		t.Errorf("stopped %d times only", stops)
	}
}

// TestClientWithoutATruststore: Event Processing verified nothing so far; what it
// gets has to verify what Flink serves until it switches, and afterwards.
func TestClientWithoutATruststore(t *testing.T) {
	s, _ := foreignSite(t)
	for _, r := range s.observe(testNow).resources {
		if r.Kind != deploy.EventProcessingKind {
			continue
		}
		source, _, err := yamledit.Apply(r.Source, []yamledit.Edit{{Path: yamledit.Path{yamledit.Key("spec"), yamledit.Key("flink"), yamledit.Key("tls")}, Remove: true}})
		if err != nil {
			t.Fatal(err)
		}
		s.write(filepath.Base(r.File), string(source))
	}
	s.adoptUntil(100, testNow)
	s.edges(testNow)
	ran, later := s.rolledOut(testNow), testNow.Add(25*time.Hour)
	s.sayDeployed(testNow)
	s.adoptUntil(100, later)
	s.edges(later)
	s.intact("later", later, ran, s.rolledOut(later))
}

// TestAdoptionIsPure: a plan reads, and changes nothing in what it reads.
func TestAdoptionIsPure(t *testing.T) {
	s, _ := foreignSite(t)
	state := s.observe(testNow)
	state.Adopt = true
	first, second := NewPlan(s.cfg, state), NewPlan(s.cfg, state)
	if !slices.Equal(objects(first), objects(second)) {
		t.Errorf("two plans of one state differ:\n%v\n%v", objects(first), objects(second))
	}
	state.Adopt = false
	if plan := NewPlan(s.cfg, state); len(plan.Faults) == 0 {
		t.Error("without --adopt there is no fault")
	}
}

// TestExpiredEntryStays: a JVM does not look at the dates of what it trusts, so
// what an ended CA verifies today would fail without it.
func TestExpiredEntryStays(t *testing.T) {
	ended := caTemplate("Ended CA")
	ended.NotBefore, ended.NotAfter = testNow.AddDate(-9, 0, 0), testNow.AddDate(-1, 0, 0)
	ca := makeCA(t, ended, generate(t), nil)
	store, err := truststore.EncodeTrust(truststore.JKS, []truststore.Entry{{Alias: "ended", Certificate: ca.cert}}, "db-Passw0rd")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, strings.Replace(testConfig, "flinkOperator: {namespace: flink}\n", "", 1), map[string]string{
		"flink.yaml": testFlink,
		"ep.yaml": testEventProcessing + `    template:
      pod:
        spec:
          volumes: [{name: truststore, secret: {secretName: mine}}]
          containers:
          - name: backend
            volumeMounts: [{name: truststore, mountPath: /opt/ibm/sp-backend/certs, readOnly: true}]
            env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: word, key: is}}}, {name: JAVA_TOOL_OPTIONS, value: "-Djavax.net.ssl.trustStore=/opt/ibm/sp-backend/certs/truststore.jks -Djavax.net.ssl.trustStorePassword=$(PASSWORD)"}]
`,
		"mine.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: mine}\ndata: {truststore.jks: " + base64.StdEncoding.EncodeToString(store) + "}\n",
		"word.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: word}\nstringData: {is: db-Passw0rd}\n",
	})
	if err := Apply(context.Background(), s.adopting(testNow), s.store, testNow, func(Action) {}); err != nil {
		t.Fatal(err)
	}
	s.converged(testNow)
	entries, err := s.version(testNow, "truststore/ea/ssl-truststore", secrets.RoleTruststore).Trust(truststore.JKS, "db-Passw0rd")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(entries, func(e truststore.Entry) bool { return e.Alias == "ended" && e.Certificate.Equal(ca.cert) }) {
		t.Errorf("the ended CA is gone: %d entries", len(entries))
	}
}
