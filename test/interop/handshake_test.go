package interop

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/test/tools"
	"github.com/flowcert/flowcert/truststore"
)

const (
	namespace = "event-automation"
	epName    = "my-ep-ibm-eventprocessing-svc." + namespace + ".svc"
	restName  = "session-cluster-prod-rest"
	dbName    = "orders-db.databases.svc"
)

// A generation is what was there after one apply, before and after a renewal.
type generation struct {
	label string
	state
	flink, ep pod
}

func (s site) generation(t testing.TB, label string) generation {
	t.Helper()
	g := generation{label: label, state: s.read(t)}
	g.flink, g.ep = g.state.flink(t, namespace, "session-cluster-prod"), g.state.eventProcessing(t, namespace, "my-ep")
	own := g.ep.env.text(t, "env", "JAVA_TOOL_OPTIONS", "value") + " " + g.flink.conf["env.java.opts.taskmanager"]
	if !strings.HasPrefix(own, "-Dsite.option=kept ") || !strings.Contains(own, " -XX:+UseParallelGC -XX:ParallelGCThreads=2 ") {
		t.Errorf("the site's own JVM options are gone: %s", own)
	}
	return g
}

// rotationConfig asks for an intermediate that ends before leaves of a year would at the second apply, so
// that the renewal changes the issuer too.
func rotationConfig(format, key string) string {
	return fmt.Sprintf(`namespace: event-automation
authority: {selfSigned: {key: %[2]s, intermediate: {validity: 600d}}}
defaults: {key: %[2]s}
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session-cluster-prod, tls: {format: %[1]s}}]
flinkOperator: {namespace: flink-operator}
truststores:
- format: %[1]s
  sources: [{name: orders-db, file: orders-ca.pem}, {name: ours, authority: true}]
`, format, key)
}

// rotated makes everything 300 days ago and renews it now, when the old leaves have 65 days left and are
// still good. In between the database's CA file was overwritten with another CA.
func rotated(t testing.TB, format, key string, before, after authority) (old, renewed generation) {
	t.Helper()
	s := newSite(t, "testdata/site", rotationConfig(format, key), before.pem(t))
	s.applyAt(t, time.Now().AddDate(0, 0, -300))
	old = s.generation(t, "old")
	s.write(t, "orders-ca.pem", after.pem(t))
	s.apply(t)
	renewed = s.generation(t, "new")
	for _, field := range [][]string{{"spec", "authoring", "tls", "secretName"},
		{"spec", "authoring", "template", "pod", "spec", "volumes", "truststore", "secret", "secretName"}} {
		was := old.object(t, "EventProcessing", namespace, "my-ep").text(t, field...)
		if is := renewed.object(t, "EventProcessing", namespace, "my-ep").text(t, field...); is == was {
			t.Fatalf("%s is still %s after the renewal", strings.Join(field, "."), is)
		}
	}
	if old.flink.conf["kubernetes.secrets"] == renewed.flink.conf["kubernetes.secrets"] {
		t.Fatal("kubernetes.secrets did not change with the renewal")
	}
	was, is := old.certificate(t, namespace, "my-ep"), renewed.certificate(t, namespace, "my-ep")
	if bytes.Equal(read(t, chainOf(t, was["tls.crt"]).others), read(t, chainOf(t, is["tls.crt"]).others)) {
		t.Fatal("the intermediate did not change with the renewal")
	}
	samePasswords(t, old, renewed)
	s.verify(t, 0)
	return old, renewed
}

// samePasswords: a renewal changes names of Secrets and nothing else. The operator reads its password once.
func samePasswords(t testing.TB, old, renewed generation) {
	t.Helper()
	is := maps.Clone(renewed.flink.conf)
	is["kubernetes.secrets"] = old.flink.conf["kubernetes.secrets"]
	if diff := cmp.Diff(old.flink.conf, is); diff != "" {
		t.Errorf("flinkConfiguration (-old +new):\n%s", diff)
	}
	if diff := cmp.Diff(old.ep.env, renewed.ep.env); diff != "" {
		t.Errorf("the backend's environment (-old +new):\n%s", diff)
	}
	const operator = "operator-certificate-password"
	if diff := cmp.Diff(old.secret(t, "flink-operator", operator), renewed.secret(t, "flink-operator", operator)); diff != "" {
		t.Errorf("the operator's password has changed:\n%s", diff)
	}
}

// TestHandshakes is the matrix of old and new clients and servers, with real JVMs on both ends.
func TestHandshakes(t *testing.T) {
	for _, test := range []struct{ format, key string }{
		{"JKS", "{algorithm: RSA, size: 2048}"}, {"PKCS12", "{algorithm: RSA, size: 2048}"},
		{"JKS", "{algorithm: ECDSA, size: 256}"}, {"PKCS12", "{algorithm: ECDSA, size: 384}"},
	} {
		algorithm := strings.Trim(strings.Fields(test.key)[1], ",")
		t.Run(test.format+"/"+algorithm, func(t *testing.T) {
			t.Parallel()
			before, after := newAuthority(t, "database CA"), newAuthority(t, "next database CA")
			old, renewed := rotated(t, test.format, test.key, before, after)
			m := matrix{clients: []generation{old, renewed}, databases: []authority{before, after}}
			m.serve(t, test.format, algorithm)
			for _, jdk := range tools.JDKs(t) {
				m.eventProcessingCallsFlink(t, jdk)
				m.operatorCallsFlink(t, jdk)
				m.flinkCallsFlink(t, jdk)
				m.jobsCallDatabases(t, jdk)
			}
		})
	}
}

// A matrix holds addresses of servers by generation; every client calls all of them.
type matrix struct {
	clients   []generation // old, new
	databases []authority  // their CAs: before, after the change

	rest, internal []string // Flink's endpoints, of both generations on both JDKs
	ep             []string // servers of Event Processing's certificate
	db             []string // of the old and the new CA
}

func (m *matrix) serve(t testing.TB, format, algorithm string) {
	t.Helper()
	for _, g := range m.clients {
		keyStore, password := g.flink.keyStore(t)
		mutual := slices.Concat(g.flink.transport(), []string{tools.ClientAuth}, tools.TrustStore(g.flink.trustStore()))
		ep := g.certificate(t, namespace, "my-ep")
		m.ep = append(m.ep, tools.StartTLSServer(t, ep["tls.crt"], ep["tls.key"]))
		for _, jdk := range tools.JDKs(t) {
			m.rest = append(m.rest, serve(t, jdk, keyStore, password, g.flink.transport()...))
			m.internal = append(m.internal, serve(t, jdk, keyStore, password, mutual...))
			if algorithm == "ECDSA" {
				m.ep = append(m.ep, serveECDSA(t, jdk, ep, format))
			}
		}
	}
	for _, ca := range m.databases {
		cert, key := ca.issue(t, "DNS:"+dbName)
		m.db = append(m.db, tools.StartTLSServer(t, cert, key))
	}
}

// serveECDSA serves Event Processing's ECDSA certificate from a key store. flowcert itself puts only RSA
// keys into key stores so far, Flink's: this one is made of its PEM files with its package truststore.
func serveECDSA(t testing.TB, jdk tools.JDK, ep secret, format string) string {
	t.Helper()
	block, _ := pem.Decode(ep["tls.key"])
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	entry := truststore.KeyEntry{Alias: "server", Key: parsed.(crypto.Signer)}
	for block, rest := pem.Decode(ep["tls.crt"]); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		entry.Chain = append(entry.Chain, cert)
	}
	store, err := truststore.EncodeKey(truststore.Format(format), entry, "correct-Horse7")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keystore."+truststore.Format(format).Extension())
	write(t, path, store)
	return serve(t, jdk, path, "correct-Horse7")
}

// TestStrangerIsNoPod: Flink's internal channel is closed to who has a certificate of another authority, and
// a pod does not call a stranger.
func TestStrangerIsNoPod(t *testing.T) {
	t.Parallel()
	var pods [2]pod
	for i := range pods {
		s := newSite(t, "testdata/site", smallConfig, newAuthority(t, "database CA").pem(t))
		s.apply(t)
		pods[i] = s.generation(t, "only").flink
	}
	ours, stranger := pods[0], pods[1]
	keyStore, password := ours.keyStore(t)
	mutual := slices.Concat(ours.transport(), []string{tools.ClientAuth}, tools.TrustStore(ours.trustStore()))
	for _, jdk := range tools.JDKs(t) {
		target := serve(t, jdk, keyStore, password, mutual...) + "," + restName
		who := func(key, trust pod) client {
			return client{options: slices.Concat(tools.KeyStore(key.keyStore(t)), tools.TrustStore(trust.trustStore()), key.transport())}
		}
		who(ours, ours).handshakes(t, jdk, "pod", works(target, flinkProtocol))
		who(stranger, ours).handshakes(t, jdk, "stranger", fails(target, ""))
		who(ours, stranger).handshakes(t, jdk, "pod that trusts strangers", fails(target, "PKIX path"))
	}
}

// to makes a check of every address under a name.
func to(addresses []string, name string, as func(target, text string) check, text string) []check {
	var checks []check
	for _, address := range addresses {
		checks = append(checks, as(address+","+name, text))
	}
	return checks
}

const (
	noPath   = "PKIX path building failed"
	noTarget = "unable to find valid certification path"
)

// eventProcessingCallsFlink uses the truststore of spec.flink.tls.
func (m *matrix) eventProcessingCallsFlink(t testing.TB, jdk tools.JDK) {
	t.Helper()
	seen := map[string]bool{}
	for _, g := range m.clients {
		trust, name := g.flinkTrust(t, namespace, "my-ep")
		if seen[name] {
			continue // a renewal under the same root leaves it alone
		}
		seen[name] = true
		trust.handshakes(t, jdk, g.label+" Event Processing", slices.Concat(
			to(m.rest, restName, works, flinkProtocol+" "+g.flink.suites()[0]),
			to(m.rest[:1], restName+"."+namespace+".svc.cluster.local", works, "CN="+restName),
			to(m.rest[:1], "jobmanager", fails, "No subject alternative DNS name matching jobmanager"),
			to(m.internal, restName, fails, ""), // it has no certificate to show; what it sees of the refusal varies
			to(m.db, dbName, fails, noPath),     // a root that is not in this truststore
		)...)
	}
}

func (m *matrix) operatorCallsFlink(t testing.TB, jdk tools.JDK) {
	t.Helper()
	for _, g := range m.clients {
		g.operator(t, "flink-operator").handshakes(t, jdk, g.label+" operator", slices.Concat(
			to(m.rest, restName+"."+namespace, works, flinkProtocol), to(m.db, dbName, fails, noTarget))...)
	}
}

// flinkCallsFlink is the internal channel: both ends show and verify certificates.
func (m *matrix) flinkCallsFlink(t testing.TB, jdk tools.JDK) {
	t.Helper()
	for _, g := range m.clients {
		g.flink.internal(t).handshakes(t, jdk, g.label+" Flink", slices.Concat(
			to(m.internal, "10.0.0.7", works, g.flink.suites()[0]), to(m.db, dbName, fails, noTarget))...)
	}
}

// jobsCallDatabases uses the JVM options in the resources. A client of before the change of the
// database's CA refuses a server of after it: that is why the CA comes first.
func (m *matrix) jobsCallDatabases(t testing.TB, jdk tools.JDK) {
	t.Helper()
	for i, g := range m.clients {
		checks := slices.Concat(to(m.db[:1], dbName, works, ""), to(m.ep, epName, works, "CN=my-ep-ibm-eventprocessing-svc"),
			to(m.ep[:1], "other.example.net", fails, "No subject alternative DNS name matching"))
		if i == 0 {
			checks = append(checks, to(m.db[1:], dbName, fails, noPath)...)
		} else {
			checks = append(checks, to(m.db[1:], dbName, works, "")...)
			g.flink.role("jobmanager").handshakes(t, jdk, g.label+" JobManager", checks...)
		}
		g.ep.backend(t).handshakes(t, jdk, g.label+" Event Processing, databases", checks...)
		g.flink.role("taskmanager").handshakes(t, jdk, g.label+" TaskManager", checks...)
	}
}
