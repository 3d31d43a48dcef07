//go:build e2e

package flink

import (
	"crypto/tls"
	"errors"
	"net"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/test/flink"
	"github.com/flowcert/flowcert/truststore"
)

// verifiesREST: the endpoint is called with the CA alone, and refused without it and under another.
func verifiesREST(t *testing.T, c *flink.Cluster, roots []byte) {
	t.Helper()
	var overview struct {
		Version string `json:"flink-version"`
	}
	if err := c.Client(t, roots).Get("/overview", &overview); err != nil || overview.Version == "" {
		t.Errorf("REST with the CA alone: %v", err)
	}
	for what, others := range map[string][]byte{"without a CA": nil, "with another CA": newAuthority(t, "stranger").pem()} {
		err := c.Client(t, others).Get("/overview", nil)
		var refused *tls.CertificateVerificationError
		if !errors.As(err, &refused) {
			t.Errorf("REST %s: %v, want a refusal of the certificate", what, err)
		}
	}
	for _, name := range []string{"", "." + c.Namespace, "." + c.Namespace + ".svc", "." + c.Namespace + ".svc.cluster.local"} {
		if err := served(c, roots, c.Name+"-rest"+name); err != nil {
			t.Errorf("REST by the name %s-rest%s: %v", c.Name, name, err)
		}
	}
	if err := served(c, roots, "jobmanager"); err == nil {
		t.Error("REST is accepted under a name that is not its own")
	}
}

// served verifies what REST serves under a name.
func served(c *flink.Cluster, roots []byte, name string) error {
	conn, err := tls.Dial("tcp", net.JoinHostPort(c.Address, flink.RESTPort), &tls.Config{RootCAs: pool(roots), ServerName: name})
	if err == nil {
		conn.Close()
	}
	return err
}

// closedToStrangers: the ports between Flink's own processes want a certificate of this authority.
func closedToStrangers(t *testing.T, c *flink.Cluster, p flink.Pod, tms ...*flink.TaskManager) {
	t.Helper()
	own, stranger := podCertificate(t, p), newAuthority(t, "stranger").pair(t)
	addresses := map[string]string{
		"JobManager RPC": net.JoinHostPort(c.Address, flink.RPCPort), "JobManager blobs": net.JoinHostPort(c.Address, flink.BlobPort),
	}
	for _, tm := range tms {
		addresses[tm.ID+" RPC"] = net.JoinHostPort(tm.Address, flink.TaskManagerRPCPort)
		addresses[tm.ID+" data"] = net.JoinHostPort(tm.Address, flink.DataPort)
	}
	for what, address := range addresses {
		if err := knock(address, own); err != nil {
			t.Errorf("%s refuses its own: %v", what, err)
		}
		if err := knock(address); err == nil {
			t.Errorf("%s accepts a client without a certificate", what)
		}
		if err := knock(address, stranger); err == nil {
			t.Errorf("%s accepts a stranger", what)
		}
	}
}

// knock shows a certificate, and is nil if the server took it: with TLS 1.2 the handshake does not end before.
func knock(address string, certificates ...tls.Certificate) error {
	config := &tls.Config{
		// Who the server is does not matter: only whom it lets in.
		InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(certificates) == 0 {
				return new(tls.Certificate), nil
			}
			return &certificates[0], nil
		},
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", address, config)
	if err == nil {
		conn.Close()
	}
	return err
}

// podCertificate is what a pod shows: its key store's.
func podCertificate(t testing.TB, p flink.Pod) tls.Certificate {
	t.Helper()
	at := p.Conf["security.ssl.keystore"]
	store, err := truststore.Open(p.Secrets[path.Dir(at)][path.Base(at)], p.Conf["security.ssl.keystore-password"])
	if err != nil {
		t.Fatal(err)
	}
	entry := store.Keys[0]
	pair := tls.Certificate{PrivateKey: entry.Key}
	for _, cert := range entry.Chain {
		pair.Certificate = append(pair.Certificate, cert.Raw)
	}
	return pair
}

// issuers are the subjects of the chain that a pod shows, but for the leaf's.
func issuers(t testing.TB, p flink.Pod) string {
	t.Helper()
	at := p.Conf["security.ssl.keystore"]
	store, err := truststore.Open(p.Secrets[path.Dir(at)][path.Base(at)], p.Conf["security.ssl.keystore-password"])
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, cert := range store.Keys[0].Chain[1:] {
		names = append(names, cert.Subject.CommonName+" by "+cert.Issuer.CommonName)
	}
	return strings.Join(names, ", ")
}
