package interop

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/test/tools"
)

// TestVerifyFindsDatabaseFaults: what keeps pgjdbc from a real PostgreSQL, flowcert verify finds and says
// what to do; and what works for one works for the other.
func TestVerifyFindsDatabaseFaults(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "database CA")
	intermediate := authority{cert: filepath.Join(t.TempDir(), "ca.crt"), key: filepath.Join(t.TempDir(), "ca.key")}
	request(t, intermediate, &ca, "/CN=database intermediate", "basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign")
	cert, key := ca.issue(t, "DNS:"+dbName+",DNS:localhost")
	server := tools.StartPostgreSQL(t, cert, key, dbName)
	s := newSite(t, "testdata/site", fmt.Sprintf(databaseConfig, "JKS", fmt.Sprintf(", servers: [{address: 'localhost:%s'}]", server.Port())), ca.pem(t))
	d := database{server: server}
	at := databaseSite{site: s, format: "JKS", url: d.printedURL(t, s.apply(t)), generation: s.generation(t, "JKS")}

	leaf, leafKey := intermediate.issue(t, "DNS:localhost")
	other, otherKey := newAuthority(t, "another CA").issue(t, "DNS:localhost")
	named, namedKey := ca.issue(t, "DNS:"+dbName)
	for _, tt := range []struct {
		name      string
		cert, key []byte
		says      []string // nothing: all is well
		java      string
	}{
		{"in order", cert, key, nil, encrypted},
		{"with its intermediate", slices.Concat(leaf, intermediate.pem(t)), leafKey, nil, encrypted},
		{"without its intermediate", leaf, leafKey, []string{`its issuer "database intermediate" is not among the trusted certificates`,
			`hint: the server sends its own certificate alone; if "database intermediate" is an intermediate, append its certificate`}, "PKIX path"},
		{"another CA", other, otherKey, []string{`its issuer "another CA" is not among the trusted certificates`, "source orders-db"}, "PKIX path"},
		{"another name", named, namedKey, []string{`is not for "localhost"`, "hint: it is for " + dbName + ": call the server by one of these"}, "localhost"},
	} {
		if err := server.Reload(t, tt.cert, tt.key); err != nil {
			t.Fatal(err)
		}
		want := works(at.url, tt.java)
		if len(tt.says) > 0 {
			want = fails(at.url, tt.java)
		}
		at.ep.backend(t).queries(t, tools.JDKs(t)[0], tt.name, []string{server.Hosts}, want)
		s.found(t, tt.name, tt.says)
	}
	if out, _, code := flowcert(t, "verify", "--dir", s.dir, "--now", time.Now().AddDate(0, 0, 40).UTC().Format(time.RFC3339)); code != 1 ||
		!strings.Contains(out, "localhost:"+server.Port()+`: the certificate of "made by openssl" is not for "localhost"`) {
		t.Errorf("in 40 days: exit %d\n%s", code, out)
	}
	if err := server.Reload(t, cert, key); err != nil {
		t.Fatal(err)
	}
	if out, _, code := flowcert(t, "verify", "--dir", s.dir, "--now", time.Now().AddDate(0, 0, 40).UTC().Format(time.RFC3339)); code != 1 ||
		!strings.Contains(out, "localhost:"+server.Port()+`: "made by openssl" expired on `) || !strings.Contains(out, "hint: renew the server's certificate") {
		t.Errorf("in 40 days, by its name: exit %d\n%s", code, out)
	}
	server.TurnTLSOff(t)
	at.ep.backend(t).queries(t, tools.JDKs(t)[0], "no TLS", []string{server.Hosts}, fails(at.url, "The server does not support SSL"))
	s.found(t, "no TLS", []string{"localhost:" + server.Port() + ": the server does not offer TLS", "hint: turn it on: ssl = on"})
}

// found runs flowcert verify, which must say these words; nothing means all is well.
func (s site) found(t *testing.T, what string, words []string) {
	t.Helper()
	code := 0
	if len(words) > 0 {
		code = 1
	}
	out := s.verify(t, code)
	if len(words) == 0 && !strings.Contains(out, "all is well") {
		t.Errorf("%s: %s", what, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("%s: verify does not say %q:\n%s", what, w, out)
		}
	}
}

// TestVerifyDialsTLS: a server that speaks TLS at once, and one that wants client certificates.
func TestVerifyDialsTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "broker CA")
	cert, key := ca.issue(t, "DNS:localhost")
	insist := func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }
	for _, address := range []string{tools.StartTLSServer(t, cert, key), tools.StartTLSServer(t, cert, key, insist)} {
		_, port, _ := strings.Cut(address, ":")
		config := fmt.Sprintf(databaseConfig, "PKCS12", ", servers: [{address: 'localhost:"+port+"', protocol: tls}]")
		s := newSite(t, "testdata/site", config, ca.pem(t))
		s.apply(t)
		s.verify(t, 0)
		s.write(t, "flowcert.yaml", []byte("apiVersion: flowcert.io/v1alpha1\nkind: Config\n"+strings.Replace(config, ", protocol: tls", "", 1)))
		if out, _, code := flowcert(t, "verify", "--dir", s.dir); code == 0 {
			t.Errorf("a TLS server is taken for PostgreSQL:\n%s", out)
		}
	}
}
