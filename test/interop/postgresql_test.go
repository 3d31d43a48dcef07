package interop

import (
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// databaseConfig trusts the database's CA and flowcert's own. Event Processing's certificate is for
// localhost too, where flowcert verify dials PostgreSQL.
const databaseConfig = `namespace: event-automation
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep, extraDNSNames: [localhost]}]
flinkDeployments: [{name: session-cluster-prod}]
truststores:
- format: %s
  sources:
  - {name: orders-db, file: orders-ca.pem%s}
  - {name: ours, authority: true}
`

var jdbcURL = regexp.MustCompile(`(?m)^ +(jdbc:postgresql://\S+)$`)

// database is a PostgreSQL with what flowcert wrote for its clients.
type database struct {
	server *tools.PostgreSQL
	sites  []databaseSite // one a format of the truststore
	ca     authority
}

type databaseSite struct {
	site
	generation
	format string
	url    string // as flowcert printed it, DATABASE filled in
}

// TestPostgreSQL has pgjdbc and psql verify a real server, its chain and its name, with what flowcert wrote.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	var d database
	t.Run("up", func(up *testing.T) {
		d.start(t, up)
		d.underItsCA(up)
		d.underAnotherCA(up)
		d.underOurs(up)
	})
	for _, s := range d.sites { // the server has stopped with the subtest
		if out := s.verify(t, 3); !strings.Contains(out, "connection refused") {
			t.Errorf("flowcert verify does not say that the server is down:\n%s", out)
		}
	}
}

// start runs the server for the test up, and makes what outlives it for t.
func (d *database) start(t, up *testing.T) {
	up.Helper()
	d.ca = newAuthority(t, "database CA")
	cert, key := d.ca.issue(t, "DNS:"+dbName+",DNS:localhost")
	d.server = tools.StartPostgreSQL(up, cert, key, dbName, epName, "wrong.databases.svc")
	for _, format := range []string{"JKS", "PKCS12"} {
		servers := fmt.Sprintf(", servers: [{address: 'localhost:%s'}]", d.server.Port())
		s := newSite(t, "testdata/site", fmt.Sprintf(databaseConfig, format, servers), d.ca.pem(t))
		d.sites = append(d.sites, databaseSite{
			site: s, format: format, url: d.printedURL(t, s.apply(t)), generation: s.generation(t, format),
		})
	}
}

// printedURL is the one JDBC URL that apply printed, with the database and the user filled in.
func (d *database) printedURL(t *testing.T, printed string) string {
	t.Helper()
	found := jdbcURL.FindAllStringSubmatch(printed, -1)
	if len(found) != 1 {
		t.Fatalf("flowcert printed %d JDBC URLs, want one:\n%s", len(found), printed)
	}
	url := strings.Replace(found[0][1], "/DATABASE?", "/postgres?", 1)
	if !strings.Contains(url, "localhost:"+d.server.Port()+"/postgres?") {
		t.Fatalf("the URL is %s", url)
	}
	return url + "&user=postgres"
}

// under is the URL with another name of the server.
func (s databaseSite) under(host string) string { return strings.Replace(s.url, "localhost", host, 1) }

// queries runs pgjdbc with the options of Event Processing and of Flink, on both JDKs.
func (d *database) queries(t *testing.T, s databaseSite, checks ...check) {
	t.Helper()
	for _, jdk := range tools.JDKs(t) {
		s.ep.backend(t).queries(t, jdk, s.format+" Event Processing", []string{d.server.Hosts}, checks...)
		s.flink.role("taskmanager").queries(t, jdk, s.format+" TaskManager", []string{d.server.Hosts}, checks...)
	}
}

const encrypted = "1 ssl=t TLSv1.3"

func (d *database) underItsCA(t *testing.T) {
	for _, s := range d.sites {
		d.queries(t, s, works(s.url, encrypted), works(s.under(dbName), encrypted),
			fails(s.under("wrong.databases.svc"), "wrong.databases.svc"))
		if out := s.verify(t, 0); !strings.Contains(out, "all is well") {
			t.Errorf("flowcert verify:\n%s", out)
		}
	}
	d.psql(t, d.ca.cert, dbName, "")
	d.psql(t, d.ca.cert, "wrong.databases.svc", "does not match host name")
	ours := d.sites[0].certificate(t, namespace, "my-ep").file(t, "ca.crt")
	d.psql(t, ours, dbName, "certificate verify failed")
	d.unfilledURL(t)
}

// unfilledURL: where no server is configured, flowcert prints a pattern.
func (d *database) unfilledURL(t *testing.T) {
	s := newSite(t, "testdata/site", fmt.Sprintf(databaseConfig, "JKS", ""), d.ca.pem(t))
	found := jdbcURL.FindStringSubmatch(s.apply(t))
	if found == nil {
		t.Fatal("flowcert printed no JDBC URL")
	}
	url := strings.NewReplacer("HOST:5432", net.JoinHostPort(dbName, d.server.Port()), "DATABASE", "postgres").Replace(found[1])
	pod := s.read(t).eventProcessing(t, namespace, "my-ep")
	pod.backend(t).queries(t, tools.JDKs(t)[0], "pattern", []string{d.server.Hosts}, works(url+"&user=postgres", encrypted))
}

func (d *database) underAnotherCA(t *testing.T) {
	cert, key := newAuthority(t, "database CA").issue(t, "DNS:"+dbName+",DNS:localhost") // the same name, another key
	if err := d.server.Reload(t, cert, key); err != nil {
		t.Fatal(err)
	}
	for _, s := range d.sites {
		d.queries(t, s, fails(s.url, "PKIX path"), fails(s.under(dbName), "PKIX path"))
		if out := s.verify(t, 1); !strings.Contains(out, "localhost:"+d.server.Port()) {
			t.Errorf("flowcert verify does not name the server:\n%s", out)
		}
	}
	d.psql(t, d.ca.cert, dbName, "certificate verify failed")
}

// underOurs has PostgreSQL serve the certificate of Event Processing's Secret.
func (d *database) underOurs(t *testing.T) {
	for _, s := range d.sites {
		ours := s.certificate(t, namespace, "my-ep")
		if err := d.server.Reload(t, ours["tls.crt"], ours["tls.key"]); err != nil {
			t.Fatal(err)
		}
		d.queries(t, s, works(s.under(epName), encrypted), works(s.url, encrypted), fails(s.under(dbName), dbName))
		s.verify(t, 0)
		d.psql(t, ours.file(t, "ca.crt"), epName, "")
		d.psql(t, ours.file(t, "ca.crt"), dbName, "does not match host name")
		d.psql(t, d.ca.cert, epName, "certificate verify failed")
		if err := sClient(t, d.server.Address, epName, ours.file(t, "ca.crt"), "-starttls", "postgres"); err != nil {
			t.Error(err)
		}
	}
}

// psql connects with sslmode=verify-full; failure is a part of its message, "" if it has to work.
func (d *database) psql(t *testing.T, rootFile, host, failure string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tools.Require(t, "psql"), "-XAtc", "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
		fmt.Sprintf("host=%s hostaddr=127.0.0.1 port=%s user=postgres dbname=postgres sslmode=verify-full sslrootcert=%s",
			host, d.server.Port(), rootFile))
	cmd.Env = []string{"LC_ALL=C", "HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	switch {
	case failure == "" && (err != nil || string(out) != "t\n"):
		t.Errorf("psql to %s: %v, %s", host, err, out)
	case failure != "" && (err == nil || !strings.Contains(string(out), failure)):
		t.Errorf("psql to %s: %v, want %q, got %s", host, err, failure, out)
	}
}
