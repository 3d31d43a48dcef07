package tools

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// verifyFull is the URL by which pgjdbc verifies with the JVM's truststore.
const verifyFull = "jdbc:postgresql://%s:%s/postgres?user=postgres" +
	"&sslmode=verify-full&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory"

func TestPostgreSQL(t *testing.T) {
	root, stranger := makeCert(t, "root", nil, ""), makeCert(t, "stranger", nil, "")
	leaf := makeCert(t, "db", &root, "DNS:orders-db.databases.svc")
	server := StartPostgreSQL(t, read(t, leaf.cert), read(t, leaf.key), "orders-db.databases.svc", "other-db")
	for _, jdk := range JDKs(t) {
		trusted, untrusted := trustStore(t, jdk, root), trustStore(t, jdk, stranger)
		for _, test := range []struct{ name, store, host, url, want, part string }{
			{"verify-full", trusted, "orders-db.databases.svc", verifyFull, "OK 1 ssl=t TLSv1.3\n", ""},
			{"other root", untrusted, "orders-db.databases.svc", verifyFull, "FAIL ", "PKIX path"},
			{"other name", trusted, "other-db", verifyFull, "FAIL ", "other-db"},
			{"plain", trusted, "orders-db.databases.svc", "jdbc:postgresql://%s:%s/postgres?user=postgres&sslmode=disable",
				"FAIL ", "no encryption"},
		} {
			t.Run(jdk.Version+"/"+test.name, func(t *testing.T) {
				opts := append(TrustStore(test.store, password), server.Hosts)
				out, err := RunJava(t, jdk, opts, "Jdbc", fmt.Sprintf(test.url, test.host, server.Port()))
				if !strings.HasPrefix(out, test.want) || !strings.Contains(out, test.part) {
					t.Errorf("got %q (%v), want %q… with %q", out, err, test.want, test.part)
				}
				if (err == nil) != strings.HasPrefix(test.want, "OK") {
					t.Errorf("err = %v for %q", err, out)
				}
			})
		}
	}
	psql(t, server, root, "orders-db.databases.svc", "t")
	psql(t, server, stranger, "orders-db.databases.svc", "certificate verify failed")
	psql(t, server, root, "other-db", "does not match host name")
}

func TestPostgreSQLReload(t *testing.T) {
	first, second := makeCert(t, "first root", nil, ""), makeCert(t, "second root", nil, "")
	old, renewed := makeCert(t, "old", &first, "DNS:db"), makeCert(t, "new", &second, "DNS:db")
	server := StartPostgreSQL(t, read(t, old.cert), read(t, old.key))
	psql(t, server, first, "db", "t")

	if err := server.Reload(t, read(t, renewed.cert), read(t, old.key)); err == nil {
		t.Error("a key that is not the certificate's is reported as loaded")
	}
	psql(t, server, first, "db", "t")
	if err := server.Reload(t, read(t, old.cert), read(t, renewed.key)); err == nil {
		t.Error("a key that is not the served certificate's is reported as loaded")
	}
	if err := server.Reload(t, chain(t, renewed, second), read(t, renewed.key)); err != nil {
		t.Error(err)
	}
	psql(t, server, second, "db", "t")
	psql(t, server, first, "db", "certificate verify failed")
}

// psql connects with verify-full and looks for the text in what psql prints.
func psql(t *testing.T, server *PostgreSQL, root pair, host, want string) {
	t.Helper()
	cmd := exec.Command(Require(t, "psql"), "-XAtc", "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
		fmt.Sprintf("host=%s hostaddr=127.0.0.1 port=%s user=postgres dbname=postgres sslmode=verify-full sslrootcert=%s",
			host, server.Port(), root.cert))
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	if want == "t" {
		if string(out) != "t\n" || err != nil {
			t.Errorf("psql to %s: %q, %v", host, out, err)
		}
	} else if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("psql to %s: %q, %v, want %q", host, out, err, want)
	}
}
