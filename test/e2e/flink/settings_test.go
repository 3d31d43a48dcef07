//go:build e2e

package flink

import (
	"crypto/tls"
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
	for _, version := range []string{"1.20", "2.2"} {
		for _, test := range []struct {
			name, protocol, suites string
			jobManager             string // what it says when it ends because of the setting
			taskManager            string // what it says when it cannot join because of it
		}{
			{name: "Flink's own default"},
			{name: "a dead suite beside a living one", suites: deadSuite + "," + gcm},
			{name: "TLS 1.3", protocol: "TLSv1.3", suites: gcm13},
			{name: "Flink's former default", suites: deadSuite, taskManager: "No appropriate protocol (protocol is disabled or cipher suites are inappropriate)"},
			{name: "suites of another protocol", protocol: "TLSv1.3", suites: gcm, taskManager: "No appropriate protocol"},
			{name: "two protocols", protocol: "TLSv1.2,TLSv1.3", suites: gcm + "," + gcm13, jobManager: "Could not create actor system"},
			{name: "an unknown suite", suites: gcm + ",TLS_X", jobManager: "Unable to open BLOB Server"},
		} {
			t.Run(version+"/"+test.name, func(t *testing.T) {
				pod := s.pod(t, tools.JDKs(t)[0]).With("security.ssl.algorithms", test.suites, "security.ssl.protocol", test.protocol)
				for _, key := range []string{"security.ssl.algorithms", "security.ssl.protocol"} {
					if pod.Conf[key] == "" {
						delete(pod.Conf, key)
					}
				}
				c := flink.Start(t, flink.Find(t, version), s.name, namespace, pod)
				if test.jobManager != "" {
					<-c.JobManager.Ended()
					if what := missing(c.JobManager.Log(), test.jobManager); what != "" {
						t.Errorf("the JobManager has ended: %s", what)
					}
					return
				}
				client, tm := c.Client(t, s.roots(t)), c.AddTaskManager(t, pod)
				defer tm.Kill()
				defer c.JobManager.Kill()
				if test.taskManager != "" {
					flink.Await(t, tm.Background, func() string { return missing(tm.Log(), test.taskManager) })
					client.AwaitTaskManagers(t) // none: REST answers all the same
					restTakesTheJVMsProtocols(t, c, s.roots(t))
					return
				}
				client.AwaitTaskManagers(t, tm)
				restTakesTheJVMsProtocols(t, c, s.roots(t))
			})
		}
	}
}

// restTakesTheJVMsProtocols: whatever security.ssl.protocol and algorithms say, Flink's REST server
// takes what the JVM does.
func restTakesTheJVMsProtocols(t *testing.T, c *flink.Cluster, roots []byte) {
	t.Helper()
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

// TestECDSA: a key store with an ECDSA key works where security.ssl.algorithms has suites for it, which those of
// flowcert, and Flink's own, are not.
func TestECDSA(t *testing.T) {
	t.Parallel()
	s := newSite(t, `authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: ECDSA, size: 256}}
flinkDeployments: [{name: NAME}]
certificates: [{secretName: flink-ecdsa, dnsNames: [NAME-rest, NAME-rest.`+namespace+`], usages: [server, client], stores: [JKS]}]
`, nil)
	rsa := s.pod(t, tools.JDKs(t)[1])
	ecdsa := rsa.With()
	stores := s.secret(t, "flink-ecdsa")
	for at := range ecdsa.Secrets {
		ecdsa.Secrets[at] = stores
	}
	for key, value := range map[string]string{
		"keystore-password": "password", "key-password": "password", "truststore-password": "truststore-password",
	} {
		ecdsa.Conf["security.ssl."+key] = string(stores[value])
	}
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
