package renew

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/secrets"
)

// TestClientThatJoinsAChange: in the middle of a change of CA a client comes that has
// no trust of its own to go by. It must know the root that its server still stands
// under.
func TestClientThatJoinsAChange(t *testing.T) {
	for name, join := range map[string]func(*testSite){
		"the operator's Secret is removed": func(s *testSite) {
			secret := s.observe(testNow).Secrets[secrets.Ref{Namespace: "flink", Name: config.OperatorCertSecret}]
			if err := s.store.DeleteSecret(context.Background(), secret); err != nil {
				t.Fatal(err)
			}
		},
		"an operator is added": func(s *testSite) {
			s.edit("flowcert.yaml", "flinkOperator: {namespace: flink}", "flinkOperator: {namespace: elsewhere}")
		},
		"an EventProcessing is added": func(s *testSite) {
			s.edit("flowcert.yaml", "[{name: my-ep, ui: {}}]", "[{name: my-ep, ui: {}}, {name: late}]")
			s.write("late.yaml", strings.Replace(testEventProcessing, "name: my-ep", "name: late", 1))
		},
		"a FlinkDeployment is added": func(s *testSite) {
			s.edit("flowcert.yaml", "[{name: session}]", "[{name: session}, {name: late}]")
			s.write("late.yaml", strings.Replace(testFlink, "name: session", "name: late", 1))
		},
		"the truststore is renamed": func(s *testSite) {
			s.edit("flowcert.yaml", "- publicCAs: false", "- name: another\n  publicCAs: false")
		},
		"the truststore is renamed, and named by itself": func(s *testSite) {
			s.edit("flowcert.yaml", "- publicCAs: false", "- name: another\n  naming: fixed\n  publicCAs: false")
		},
		"a truststore of a fixed name is renamed": func(s *testSite) {
			s.edit("flowcert.yaml", "- publicCAs: false", "- naming: fixed\n  publicCAs: false")
			s.reload()
			s.apply(testNow.Add(time.Hour))
			s.edit("flowcert.yaml", "- naming: fixed", "- name: another\n  naming: fixed")
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
			second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
			s := newSite(t, walkConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": first.manifest(t, first.key, first.cert)})
			s.apply(testNow)
			ran := s.rolledOut(testNow)
			s.write("ca.yaml", second.manifest(t, second.key, second.cert))
			now := testNow.Add(time.Hour)
			if waits := s.apply(now).Waits; len(waits) == 0 {
				t.Fatal("nothing waits for the new CA to be trusted")
			}
			join(s)
			s.reload()
			s.apply(now) // verify has every client meet its server
			s.intact("joined", now, ran, s.rolledOut(now))
			for range 4 {
				s.sayDeployed(now)
				now = now.Add(25 * time.Hour)
				s.apply(now)
			}
			if waits := s.plan(now).Waits; len(waits) > 0 {
				t.Errorf("it waits for ever: %v", waits)
			}
		})
	}
}

// TestRESTTurnedOff: flowcert.yaml asks for no TLS at Flink's REST endpoint any more,
// which leaves the resource as it is. Those who call it still verify what it serves.
func TestRESTTurnedOff(t *testing.T) {
	for _, tls := range []string{"{rest: false}", "{rest: false, internal: false}"} {
		t.Run(tls, func(t *testing.T) {
			first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
			second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
			s := newSite(t, walkConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": first.manifest(t, first.key, first.cert)})
			s.apply(testNow)
			s.edit("flowcert.yaml", "[{name: session}]", "[{name: session, tls: "+tls+"}]")
			s.reload()
			s.apply(testNow)
			if notices := strings.Join(s.plan(testNow).Notices, "\n"); !strings.Contains(notices, "turn it on, or ") {
				t.Errorf("nobody is told: %s", notices)
			}
			s.write("ca.yaml", second.manifest(t, second.key, second.cert))
			now := testNow
			for range 4 {
				now = now.Add(25 * time.Hour)
				s.apply(now)
				s.sayDeployed(now)
			}
		})
	}
}

// TestFormatWaitsWithTheLeaf: another format is asked for while the certificate waits
// for its clients. The resource goes on naming the files that its Secret has.
func TestFormatWaitsWithTheLeaf(t *testing.T) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	s := newSite(t, walkConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": first.manifest(t, first.key, first.cert)})
	s.apply(testNow)
	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	now := testNow.Add(time.Hour)
	s.apply(now)
	s.edit("flowcert.yaml", "[{name: session}]", "[{name: session, tls: {format: PKCS12}}]")
	s.reload()
	for range 3 {
		s.apply(now) // verify opens the stores that the resource names
		s.sayDeployed(now)
		now = now.Add(25 * time.Hour)
	}
	if !strings.Contains(s.files()["flink.yaml"], "keystore.p12") {
		t.Error("the format never changes")
	}
}

// TestServerOfItsOwnIsNew: a server gets its first certificate, and with it a
// truststore its first root of the authority. Nobody could call that server before,
// so nothing has to wait for what is still loaded.
func TestServerOfItsOwnIsNew(t *testing.T) {
	for _, naming := range []string{"fixed", "versioned"} {
		t.Run(naming, func(t *testing.T) {
			s := quickSite(t)
			s.apply(testNow)
			s.edit("flowcert.yaml", "[{name: db, file: db.pem}]", "[{name: db, file: db.pem}, {name: own, authority: true}]")
			s.write("flowcert.yaml", s.files()["flowcert.yaml"]+"certificates: [{secretName: db-server, dnsNames: [db], naming: "+naming+"}]\n")
			s.reload()
			if waits := s.apply(testNow).Waits; len(waits) > 0 {
				t.Errorf("waits: %v", waits)
			}
		})
	}
}

// TestServerComesDuringAChange: a database gets its first certificate while a client
// may still trust the old CA alone. It may as well be that somebody removed the
// Secret, so the certificate waits, and comes by itself.
func TestServerComesDuringAChange(t *testing.T) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	for _, naming := range []string{"fixed", "versioned"} {
		t.Run(naming, func(t *testing.T) {
			s := newSite(t, strings.Replace(walkConfig, `, servers: [{address: "orders-db:5432"}]`, "", 1),
				map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": first.manifest(t, first.key, first.cert)})
			s.apply(testNow)
			s.write("ca.yaml", second.manifest(t, second.key, second.cert))
			s.edit("flowcert.yaml", "certificates: [", "certificates: [{secretName: late-db, dnsNames: [late-db], naming: "+naming+"}, ")
			s.reload()
			now := testNow
			s.apply(now)
			waits := func() bool {
				return slices.ContainsFunc(s.plan(now).Waits, func(w Wait) bool { return w.Target == "certificate/ea/late-db" })
			}
			if !waits() {
				t.Error("it does not wait")
			}
			for range 3 {
				s.sayDeployed(now)
				now = now.Add(25 * time.Hour)
				s.apply(now)
			}
			if waits() {
				t.Error("it waits for ever")
			}
			s.version(now, "certificate/ea/late-db", secrets.RoleCertificate)
		})
	}
}
