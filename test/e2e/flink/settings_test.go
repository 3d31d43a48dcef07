//go:build e2e

package flink

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/flink"
	"github.com/flowcert/flowcert/test/tools"
)

const (
	gcm       = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
	gcm13     = "TLS_AES_128_GCM_SHA256"
	deadSuite = "TLS_RSA_WITH_AES_128_CBC_SHA" // Flink's default before 1.20.4 and 2.2.1
)

// missing is the first of the texts that is not there, "" if all are.
func missing(in string, texts ...string) string {
	for _, text := range texts {
		if !strings.Contains(in, text) {
			return "no " + text
		}
	}
	return ""
}

// TestSettings has clusters form, or not, with other protocols and cipher suites than flowcert's.
func TestSettings(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick, nil)
	for _, test := range []setting{
		{name: "Flink's own default", versions: "1.20 2.2"},
		{name: "a dead suite beside a living one", versions: "1.20", suites: deadSuite + "," + gcm},
		{name: "TLS 1.3", versions: "1.20", protocol: "TLSv1.3", suites: gcm13},
		{name: "Flink's former default", versions: "1.20 2.2", suites: deadSuite,
			taskManager: "No appropriate protocol (protocol is disabled or cipher suites are inappropriate)"},
		{name: "suites of another protocol", versions: "1.20", protocol: "TLSv1.3", suites: gcm, taskManager: "No appropriate protocol"},
		{name: "two protocols", versions: "1.20 2.2 2.3", protocol: "TLSv1.2,TLSv1.3", suites: gcm + "," + gcm13,
			jobManager: "Key 'TLSv1.3' may not be followed by token"},
		{name: "an unknown suite", versions: "1.20", suites: gcm + ",TLS_X", jobManager: "Unable to open BLOB Server"},
	} {
		for version := range strings.FieldsSeq(test.versions) {
			t.Run(version+"/"+test.name, func(t *testing.T) { test.try(t, s, version) })
		}
	}
}

// A setting is what a user may have written.
type setting struct {
	name, versions   string
	protocol, suites string // not set if empty
	jobManager       string // what it says when it ends because of the setting
	taskManager      string // what it says when it cannot join because of it
}

func (x setting) try(t *testing.T, s site, version string) {
	pod := s.pod(t, tools.JDKs(t)[0]).With("security.ssl.algorithms", x.suites, "security.ssl.protocol", x.protocol)
	for _, key := range []string{"security.ssl.algorithms", "security.ssl.protocol"} {
		if pod.Conf[key] == "" {
			delete(pod.Conf, key)
		}
	}
	c := flink.Start(t, flink.Find(t, version), s.name, namespace, pod)
	if x.jobManager != "" {
		<-c.JobManager.Ended()
		if what := missing(c.JobManager.Log(), x.jobManager); what != "" {
			t.Errorf("the JobManager has ended: %s", what)
		}
		return
	}
	tm := c.AddTaskManager(t, pod)
	if x.taskManager != "" {
		flink.Await(t, tm.Background, func() string { return missing(tm.Log(), x.taskManager) })
	} else {
		c.Client(t, s.roots(t)).AwaitTaskManagers(t, tm)
	}
	restTakesTheJVMsProtocols(t, c, s.roots(t))
	tm.Kill()
	c.JobManager.Kill()
}

// restTakesTheJVMsProtocols: whatever security.ssl.protocol and algorithms say, Flink's REST server
// takes what the JVM does.
func restTakesTheJVMsProtocols(t *testing.T, c *flink.Cluster, roots []byte) {
	t.Helper()
	flink.Await(t, c.JobManager, func() string {
		if err := c.Client(t, roots).Get("/overview", nil); err != nil {
			return err.Error()
		}
		return ""
	})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conn, err := tls.Dial("tcp", net.JoinHostPort(c.Address, flink.RESTPort), &tls.Config{
			RootCAs: pool(roots), ServerName: c.Name + "-rest", MinVersion: version, MaxVersion: version,
			CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA}, // of TLS 1.2, and in no list here
		})
		if err != nil {
			t.Errorf("REST with %s: %v", tls.VersionName(version), err)
			continue
		}
		conn.Close()
	}
}

// TestRESTWithClientCertificates: where REST wants client certificates it does apply the cipher suites.
func TestRESTWithClientCertificates(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick, nil)
	for suite, works := range map[string]bool{gcm: true, deadSuite: false} {
		pod := s.pod(t, tools.JDKs(t)[0]).With("security.ssl.rest.authentication-enabled", "true", "security.ssl.algorithms", suite)
		c := flink.Start(t, flink.Find(t, "1.20"), s.name, namespace, pod)
		address := net.JoinHostPort(c.Address, flink.RESTPort)
		flink.Await(t, c.JobManager, func() string { return missing(c.JobManager.Log(), "Rest endpoint listening at") })
		if err := knock(address, podCertificate(t, pod)); (err == nil) != works {
			t.Errorf("REST with %s and a client certificate: %v", suite, err)
		}
		if err := knock(address); !refusal(err) {
			t.Errorf("REST with %s does not refuse a client without a certificate: %v", suite, err)
		}
		c.JobManager.Kill()
	}
}

// withECDSA is a site that also makes stores with an ECDSA key, in a Secret of their own.
func withECDSA(t testing.TB) site {
	t.Helper()
	return newSite(t, `authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: ECDSA, size: 256}}
flinkDeployments: [{name: NAME}]
certificates: [{secretName: flink-ecdsa, dnsNames: [NAME-rest, NAME-rest.`+namespace+`], usages: [server, client], stores: [JKS]}]
`, nil)
}

// ecdsaPod has that Secret mounted, and names it in the keys that begin with the prefix.
func (s site) ecdsaPod(t testing.TB, prefix string) flink.Pod {
	t.Helper()
	const at = "/opt/flink/ecdsa-cert"
	stores := s.secret(t, "flink-ecdsa")
	p := s.pod(t, tools.JDKs(t)[1])
	p.Secrets[at] = stores
	return p.With(prefix+"keystore", at+"/keystore.jks", prefix+"keystore-password", string(stores["password"]),
		prefix+"key-password", string(stores["password"]),
		prefix+"truststore", at+"/truststore.jks", prefix+"truststore-password", string(stores["truststore-password"]))
}

// TestECDSA: a key store with an ECDSA key works where security.ssl.algorithms has suites for it, which those of
// flowcert, and Flink's own, are not.
func TestECDSA(t *testing.T) {
	t.Parallel()
	s := withECDSA(t)
	ecdsa := s.ecdsaPod(t, "security.ssl.")
	c := flink.Start(t, flink.Find(t, "1.20"), s.name, namespace, ecdsa)
	refused := c.AddTaskManager(t, ecdsa)
	flink.Await(t, refused.Background, func() string { return missing(refused.Log(), "handshake_failure") })
	refused.Kill()
	c.JobManager.Kill()

	ecdsa = ecdsa.With("security.ssl.algorithms", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
	c = flink.Start(t, flink.Find(t, "1.20"), s.name, namespace, ecdsa)
	client := c.Client(t, s.roots(t))
	tms := []*flink.TaskManager{c.AddTaskManager(t, ecdsa), c.AddTaskManager(t, ecdsa)}
	client.AwaitTaskManagers(t, tms...)
	client.Run(t, client.Upload(t, "jobs.jar", flink.Jobs(t)), "Count", 2).AwaitProgress(t, 3)
	closedToStrangers(t, c, ecdsa, tms...)
}

// TestChannelsWithStoresOfTheirOwn: security.ssl.rest.* come before security.ssl.*, for REST alone.
func TestChannelsWithStoresOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := withECDSA(t)
	c := flink.Start(t, flink.Find(t, "2.2"), s.name, namespace, s.ecdsaPod(t, "security.ssl.rest."))
	flink.Await(t, c.JobManager, func() string { return missing(c.JobManager.Log(), "Rest endpoint listening at") })
	for port, want := range map[string]x509.PublicKeyAlgorithm{flink.RESTPort: x509.ECDSA, flink.RPCPort: x509.RSA, flink.BlobPort: x509.RSA} {
		var got x509.PublicKeyAlgorithm
		config := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error {
			got = state.PeerCertificates[0].PublicKeyAlgorithm
			return nil
		}}
		// The ports inside refuse this client, but not before they have shown their certificate.
		if conn, err := tls.Dial("tcp", net.JoinHostPort(c.Address, port), config); err == nil {
			conn.Close()
		}
		if got != want {
			t.Errorf("port %s shows an %s certificate, want %s", port, got, want)
		}
	}
}
