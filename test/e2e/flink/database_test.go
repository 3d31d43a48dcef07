//go:build e2e

package flink

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/flink"
	"github.com/flowcert/flowcert/test/tools"
	"github.com/flowcert/flowcert/truststore"
)

const (
	dbName     = "orders-db.databases.svc"
	otherName  = "other-db.databases.svc"
	publicName = "api.example.com"
)

// A database is what jobs call: a PostgreSQL server under the CA in the truststore, one whose CA was replaced by
// another of the same name, and an HTTPS endpoint under a CA that the JVM trusts by itself.
type database struct {
	files map[string][]byte // for the site

	good, bad *tools.PostgreSQL
	api       string // its URL
	public    authority
}

func newDatabase(t testing.TB) database {
	t.Helper()
	ca, successor := newAuthority(t, "database CA"), newAuthority(t, "database CA")
	d := database{public: newAuthority(t, "public CA")}
	d.files = map[string][]byte{"orders-ca.pem": ca.pem(), "public.pem": d.public.pem()}
	cert, key := ca.issue(t, dbName)
	d.good = tools.StartPostgreSQL(t, cert, key, dbName)
	d.fill(t, d.good)
	cert, key = successor.issue(t, otherName)
	d.bad = tools.StartPostgreSQL(t, cert, key, otherName)
	d.fill(t, d.bad)
	cert, key = d.public.issue(t, publicName)
	_, port, _ := strings.Cut(tools.StartTLSServer(t, cert, key), ":")
	d.api = "https://" + publicName + ":" + port + "/"
	return d
}

// fill makes a table that jobs read.
func (d database) fill(t testing.TB, server *tools.PostgreSQL) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tools.Require(t, "psql"), "-Xqc",
		"create table orders (item text); insert into orders values ('apples'), ('pears')",
		fmt.Sprintf("host=127.0.0.1 port=%s user=postgres dbname=postgres sslmode=require", server.Port())).CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
}

// truststore is the part of flowcert.yaml. What jobs called before is in publicCAs: a file, or false.
func (d database) truststore(format, publicCAs string) string {
	return fmt.Sprintf("truststores: [{format: %s, publicCAs: %s, sources: [{name: orders-db, file: orders-ca.pem}]}]\n", format, publicCAs)
}

// reachedBy gives the pod the names of the servers, and a JDK that trusts the public CA alone.
func (d database) reachedBy(t testing.TB, p flink.Pod) flink.Pod {
	t.Helper()
	for _, name := range []string{dbName, otherName, publicName} {
		p.Hosts[name] = "127.0.0.1"
	}
	store, err := truststore.EncodeTrust(truststore.JKS, []truststore.Entry{{Alias: "public", Certificate: d.public.cert}}, "changeit")
	if err != nil {
		t.Fatal(err)
	}
	dir := site{dir: t.TempDir()}
	dir.write(t, "cacerts", store)
	cacerts, err := filepath.EvalSymlinks(filepath.Join(p.JDK.Home, "lib", "security", "cacerts"))
	if err != nil {
		t.Fatal(err)
	}
	p.Files = map[string]string{cacerts: filepath.Join(dir.dir, "cacerts")}
	return p
}

// url is as flowcert apply prints it.
func url(server *tools.PostgreSQL, name string) string {
	return fmt.Sprintf("jdbc:postgresql://%s:%s/postgres?sslmode=verify-full&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory&user=postgres",
		name, server.Port())
}

const (
	rows     = "2 orders: apples pears, ssl=t"
	greeting = "hello"
	noPath   = "unable to find valid certification path to requested target"
	// What a JVM says if the truststore has a CA of that name, but with another key.
	noAnchor = "Path does not chain with any of the trust anchors"
)

// jobsReachIt has TaskManagers read the database through the truststore of env.java.opts, and call the
// endpoint that their JVM trusted before.
func (d database) jobsReachIt(t *testing.T, client *flink.Client, jar string) {
	t.Helper()
	ask(t, client, jar, "", url(d.good, dbName), d.api)
	ask(t, client, jar, noAnchor, url(d.bad, otherName))
}

// ask runs a job that calls the URLs and compares how it ends: with all the answers, or with a failure.
func ask(t *testing.T, client *flink.Client, jar, failure string, urls ...string) {
	t.Helper()
	status := client.Run(t, jar, "Ask", 1, urls...).AwaitEnd(t)
	if failure != "" {
		if status.State != "FAILED" || !strings.Contains(status.Failure, failure) {
			t.Errorf("a job that calls %v is %s, want a failure with %q: %s", urls, status.State, failure, status.Failure)
		}
		return
	}
	if status.State != "FINISHED" {
		t.Errorf("a job that calls %v is %s: %s", urls, status.State, status.Failure)
	}
	for _, url := range urls {
		want := greeting
		if strings.HasPrefix(url, "jdbc:") {
			want = rows
		}
		if !strings.Contains(status.Answers, want) {
			t.Errorf("a job that calls %s answers %s, want %q", url, status.Answers, want)
		}
	}
}

// beforeFlowcert is the control: without the options that flowcert sets, the JVM trusts the endpoint and not
// the database.
func (d database) beforeFlowcert(t *testing.T, c *flink.Cluster, client *flink.Client, jar string, p flink.Pod) {
	t.Helper()
	p = p.With("env.java.opts.taskmanager", "")
	tm := c.AddTaskManager(t, p)
	client.AwaitTaskManagers(t, tm)
	ask(t, client, jar, "", d.api)
	ask(t, client, jar, noPath, url(d.good, dbName))
	tm.Kill()
}

// withoutPublicCAs is the other control: with publicCAs: false the endpoint is lost.
func (d database) withoutPublicCAs(t *testing.T, c *flink.Cluster, client *flink.Client, jar string, s site) {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(s.dir, "flowcert.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "flowcert.yaml", []byte(strings.Replace(string(config), "publicCAs: public.pem", "publicCAs: false", 1)))
	s.run(t, "apply")
	tm := c.AddTaskManager(t, d.reachedBy(t, s.pod(t, tools.JDKs(t)[0])))
	client.AwaitTaskManagers(t, tm)
	ask(t, client, jar, "", url(d.good, dbName))
	ask(t, client, jar, noPath, d.api)
}
