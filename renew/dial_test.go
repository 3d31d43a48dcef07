package renew

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/pki"
)

// listen serves each connection with the function and returns the address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)
}

// speakTLS answers with TLS; the options change how.
func speakTLS(chain []*x509.Certificate, key crypto.Signer, options ...func(*tls.Config)) func(net.Conn) {
	cert := tls.Certificate{PrivateKey: key}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}}
	for _, o := range options {
		o(cfg)
	}
	return func(conn net.Conn) { _ = tls.Server(conn, cfg).Handshake() }
}

// postgres answers the SSLRequest and goes on with what follows.
func postgres(answer string, next func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		request := make([]byte, 8)
		if _, err := io.ReadFull(conn, request); err != nil || string(request) != "\x00\x00\x00\x08\x04\xd2\x16\x2f" {
			return
		}
		_, _ = io.WriteString(conn, answer)
		if next != nil {
			next(conn)
		}
	}
}

// databaseLeaf is a server's chain for localhost under the CA.
func databaseLeaf(t *testing.T, ca *testCA, name string, from, until time.Time) ([]*x509.Certificate, crypto.Signer) {
	t.Helper()
	key := generate(t)
	leaf, err := pki.NewLeaf(pki.Issuer{Certificate: ca.intermediate, Key: ca.interKey}, pki.LeafRequest{
		CommonName: name, DNSNames: []string{name, "db.example.com"}, Server: true, Key: key, NotBefore: from, NotAfter: until,
	})
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{leaf, ca.intermediate}, key
}

// TestDial asks real servers, good ones and bad ones.
func TestDial(t *testing.T) {
	ca, other := newCA(t, "database CA", testNow.AddDate(-1, 0, 0)), newCA(t, "database CA", testNow.AddDate(-1, 0, 0))
	ago, later := testNow.AddDate(0, -2, 0), testNow.AddDate(0, 2, 0)
	chain, key := databaseLeaf(t, ca, "localhost", ago, later)
	foreign, foreignKey := databaseLeaf(t, other, "localhost", ago, later)
	named, namedKey := databaseLeaf(t, ca, "orders-db.databases.svc", ago, later)
	over, overKey := databaseLeaf(t, ca, "localhost", ago, testNow.AddDate(0, 0, -1))
	early, earlyKey := databaseLeaf(t, ca, "localhost", testNow.AddDate(0, 0, 1), later)
	good := speakTLS(chain, key)
	asked := func(chain []*x509.Certificate, key crypto.Signer) func(net.Conn) {
		return postgres("S", speakTLS(chain, key))
	}
	tls12 := func(c *tls.Config) { c.MaxVersion, c.ClientAuth = tls.VersionTLS12, tls.RequireAnyClientCert }
	tls11 := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }
	for _, tt := range []struct {
		name             string
		protocol         config.Protocol
		serve            func(net.Conn)
		finding, unknown string // a part of the problem
		hint             string
	}{
		{"PostgreSQL that verifies", config.PostgreSQL, asked(chain, key), "", "", ""},
		{"TLS at once that verifies", config.TLS, good, "", "", ""},
		{"wants a client certificate", config.PostgreSQL, postgres("S", speakTLS(chain, key, tls12)), "", "", ""},
		{"another chain", config.PostgreSQL, asked(foreign, foreignKey), "it has another key", "", "bring the CA of the server's certificate into source db"},
		{"another chain, TLS at once", config.TLS, speakTLS(foreign, foreignKey), "no anchor verifies", "", "source db"},
		{"another name", config.PostgreSQL, asked(named, namedKey), `is not for "localhost"`, "", "it is for orders-db.databases.svc, db.example.com: call the server by one of these"},
		{"expired", config.PostgreSQL, asked(over, overKey), "expired on", "", "renew the server's certificate"},
		{"not yet valid", config.TLS, speakTLS(early, earlyKey), "is not valid before", "", "set the clocks right"},
		{"no intermediate", config.PostgreSQL, asked(chain[:1], key), `its issuer "database CA intermediate`, "", `the server sends its own certificate alone; if "database CA intermediate`},
		{"no TLS", config.PostgreSQL, postgres("N", nil), "the server does not offer TLS", "", "ssl = on"},
		{"something else", config.PostgreSQL, postgres("HTTP/1.1 400 Bad Request\r\n", nil), `answers "H" to PostgreSQL's SSLRequest`, "", "protocol"},
		{"OpenSSL, TLS at once, that is asked first", config.PostgreSQL, postgres("\x15\x03\x01", nil), `answers "\x15"`, "", "protocol"},
		{"Go, TLS at once, that is asked first", config.PostgreSQL, good, "", "closes the connection", "protocol"},
		{"not TLS", config.TLS, func(c net.Conn) { _, _ = io.WriteString(c, "220 mail.example.com ESMTP\r\n") }, "does not answer with TLS", "", "protocol"},
		{"not TLS after S", config.PostgreSQL, postgres("S", func(c net.Conn) { _, _ = io.WriteString(c, "garbage and more") }), "does not answer with TLS", "", "protocol"},
		{"closes in the handshake", config.TLS, func(c net.Conn) { _, _ = c.Read(make([]byte, 100)) }, "TLS handshake", "", "protocol"},
		{"TLS 1.1", config.PostgreSQL, postgres("S", speakTLS(chain, key, tls11)), "refuses the TLS handshake", "", "TLS 1.2 or 1.3"},
		{"closes at once", config.PostgreSQL, func(net.Conn) {}, "", "not reachable: ", ""},
		{"closes at the question", config.PostgreSQL, postgres("", nil), "", "not reachable: closes the connection", "log"},
		{"no room", config.PostgreSQL, postgres("E", nil), "", "the server answers with an error", "log"},
		{"silence", config.PostgreSQL, hang, "", "no answer to PostgreSQL's SSLRequest within", "log"},
		{"silence after S", config.PostgreSQL, postgres("S", hang), "", "no TLS handshake within", "log"},
		{"silence, TLS at once", config.TLS, hang, "", "no TLS handshake within", "log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &Report{Endpoints: []Endpoint{{
				Target: "truststore/ea/t", Source: "db", Address: listen(t, tt.serve), Protocol: tt.protocol,
				Trust: []Trust{{Version: "t-1", Anchors: []*x509.Certificate{ca.root}}},
			}}}
			ctx := context.Background()
			if strings.HasPrefix(tt.name, "silence") { // which would last for dialTimeout
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
				defer cancel()
			}
			r.Dial(ctx, testNow)
			holds(t, "findings", r.Findings, tt.finding, tt.hint)
			holds(t, "unknown", r.Unknown, tt.unknown, tt.hint)
		})
	}
}

// hang says nothing until the other side gives up.
func hang(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// holds checks that there is one finding with these words; none where they are
// empty.
func holds(t *testing.T, what string, got []Finding, problem, hint string) {
	t.Helper()
	switch {
	case problem == "" && len(got) > 0:
		t.Errorf("%s: %+v, want none", what, got)
	case problem == "":
	case len(got) != 1 || !strings.Contains(got[0].Problem, problem) || !strings.Contains(got[0].Hint, hint):
		t.Errorf("%s: %+v, want %q with the hint %q", what, got, problem, hint)
	case got[0].Target != "truststore/ea/t":
		t.Errorf("%s: the target is %s", what, got[0].Target)
	}
}

// TestDialNobody: nobody listens, the name is not known, there is no truststore.
func TestDialNobody(t *testing.T) {
	ca := newCA(t, "database CA", testNow.AddDate(-1, 0, 0))
	chain, key := databaseLeaf(t, ca, "localhost", testNow.AddDate(0, -1, 0), testNow.AddDate(0, 1, 0))
	trust := []Trust{{Version: "t-1", Anchors: []*x509.Certificate{ca.root}}}
	for _, tt := range []struct {
		address string
		trust   []Trust
		problem string
	}{
		{"127.0.0.1:1", trust, "connection refused"},
		{"nobody.invalid:5432", trust, "not reachable"},
		{listen(t, speakTLS(chain, key)), nil, "there is no truststore yet to verify it with"},
	} {
		r := &Report{Endpoints: []Endpoint{{Target: "truststore/ea/t", Address: tt.address, Protocol: config.TLS, Trust: tt.trust}}}
		r.Dial(context.Background(), testNow)
		holds(t, "findings", r.Findings, "", "")
		holds(t, "unknown", r.Unknown, tt.problem, "verify")
	}
}

// TestDialEveryVersion: a server is asked once and verified with every truststore
// in use; what one of them does not verify is found.
func TestDialEveryVersion(t *testing.T) {
	ca, other := newCA(t, "database CA", testNow.AddDate(-1, 0, 0)), newCA(t, "another CA", testNow.AddDate(-1, 0, 0))
	chain, key := databaseLeaf(t, ca, "localhost", testNow.AddDate(0, -1, 0), testNow.AddDate(0, 1, 0))
	asked := make(chan struct{}, 10)
	serve := speakTLS(chain, key)
	address := listen(t, func(c net.Conn) {
		asked <- struct{}{}
		serve(c)
	})
	version := func(name string, ca *testCA) Trust {
		return Trust{Version: name, Anchors: []*x509.Certificate{ca.root}}
	}
	r := &Report{Endpoints: []Endpoint{
		{Target: "truststore/a/t", Address: address, Protocol: config.TLS, Trust: []Trust{version("t-1", ca), version("t-2", other)}},
		{Target: "truststore/b/t", Address: address, Protocol: config.TLS, Trust: []Trust{version("t-1", ca)}},
	}}
	r.Dial(context.Background(), testNow)
	if len(r.Findings) != 1 || r.Findings[0].Target != "truststore/a/t" || len(r.Unknown) > 0 || r.Checked != 2 {
		t.Errorf("findings %+v, unknown %+v, checked %d", r.Findings, r.Unknown, r.Checked)
	}
	if len(asked) != 1 {
		t.Errorf("the server was asked %d times", len(asked))
	}
}

// TestEndpoints: every server of a configuration, with the truststores that the
// workloads refer to; what is not dialled is said.
func TestEndpoints(t *testing.T) {
	s := newSite(t, strings.Replace(testConfig, "file: db.pem", "file: db.pem, servers: [{address: 'db.example.com:5432'}, {address: 'q.example.com:443', protocol: tls}]", 1),
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	before := Verify(s.cfg, s.observe(testNow))
	if len(before.Endpoints) != 2 || len(before.Endpoints[0].Trust) != 0 {
		t.Errorf("before there is a truststore: %+v", before.Endpoints)
	}
	s.apply(testNow)
	r := Verify(s.cfg, s.observe(testNow))
	var got []string
	for _, e := range r.Endpoints {
		got = append(got, strings.Join([]string{e.Target, e.Source, e.Address, string(e.Protocol)}, " "))
		if len(e.Trust) != 1 || len(e.Trust[0].Anchors) != 1 {
			t.Errorf("%s: trust %+v", e.Address, e.Trust)
		}
	}
	want := []string{"truststore/ea/ssl-truststore db db.example.com:5432 postgresql", "truststore/ea/ssl-truststore db q.example.com:443 tls"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	r.SkipDial()
	if len(r.Skipped) != 2 || !strings.Contains(r.Skipped[0].Problem, "db.example.com:5432: not dialled") {
		t.Errorf("skipped: %+v", r.Skipped)
	}
}
