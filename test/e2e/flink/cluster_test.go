//go:build e2e

package flink

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/flink"
	"github.com/flowcert/flowcert/test/tools"
)

// quick has keys that are made in no time.
const quick = `authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkDeployments: [{name: NAME}]
`

// A history is what pods mount in the course of a site's life, and the roots of each time.
type history struct {
	site
	first, renewed, rolled flink.Pod
	firstCA, rolledCA      []byte // as flowcert ca prints them
}

// newHistory applies, renews the certificate under the same root, and then renews the root.
func newHistory(t testing.TB, s site, jdk tools.JDK) history {
	t.Helper()
	h := history{site: s, first: s.pod(t, jdk), firstCA: s.roots(t)}
	s.renew(t, "flinkDeployment/"+namespace+"/"+s.name)
	h.renewed = s.pod(t, jdk)
	s.renew(t, "--ca")
	h.rolled, h.rolledCA = s.pod(t, jdk), s.roots(t)
	if at := h.first.Conf["kubernetes.secrets"]; at == h.renewed.Conf["kubernetes.secrets"] || at == h.rolled.Conf["kubernetes.secrets"] {
		t.Fatal("a renewal did not change the Secret that is mounted")
	}
	for _, later := range []flink.Pod{h.renewed, h.rolled} {
		conf := maps.Clone(later.Conf)
		conf["kubernetes.secrets"] = h.first.Conf["kubernetes.secrets"]
		if !maps.Equal(conf, h.first.Conf) {
			t.Error("a renewal changed flinkConfiguration beyond the name of a Secret")
		}
	}
	if chain := issuers(t, h.rolled); !strings.Contains(chain, "CA G2 by ") {
		t.Fatalf("the new chain has no cross certificate: %s", chain)
	}
	if bytes.Equal(h.firstCA, h.rolledCA) {
		t.Fatal("the root did not change")
	}
	return h
}

// TestVersionsSideBySide has a job run across TaskManagers with three versions of the stores: the JobManager's
// own, the next one under the same root, and one under the next root, which the JobManager does not know.
func TestVersionsSideBySide(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := newHistory(t, newSite(t, quick+d.truststore("JKS", "public.pem"), d.files), tools.JDKs(t)[0])
	h.first, h.renewed, h.rolled = d.reachedBy(t, h.first), d.reachedBy(t, h.renewed), d.reachedBy(t, h.rolled)
	c := flink.Start(t, flink.Find(t, "1.20"), h.name, namespace, h.first)
	client := c.Client(t, h.firstCA)
	tms := []*flink.TaskManager{c.AddTaskManager(t, h.first), c.AddTaskManager(t, h.renewed), c.AddTaskManager(t, h.rolled)}
	client.AwaitTaskManagers(t, tms...)
	jar := client.Upload(t, "jobs.jar", flink.Jobs(t))

	job := client.Run(t, jar, "Count", len(tms))
	job.AwaitProgress(t, 3)
	if hosts := job.Hosts(t); len(hosts) != len(tms) {
		t.Errorf("the job runs on %v, want all of %d TaskManagers", hosts, len(tms))
	}
	verifiesREST(t, c, h.firstCA)
	closedToStrangers(t, c, h.first, tms[0], tms[2])
	job.Cancel(t)

	for _, tm := range tms[1:] {
		tm.Kill()
	}
	d.jobsReachIt(t, client, jar)
	tms[0].Kill()
	d.beforeFlowcert(t, c, client, jar, h.first)
	d.withoutPublicCAs(t, c, client, jar, h.site)
}

// TestJobManagerFirst is the other order, on PKCS12 stores and Flink 2: the JobManager has the next root's
// stores, a TaskManager still the first ones.
func TestJobManagerFirst(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	config := "flinkDeployments: [{name: NAME, tls: {format: PKCS12}}]\n" + d.truststore("PKCS12", "public.pem")
	h := newHistory(t, newSite(t, config, d.files), tools.JDKs(t)[0])
	for _, key := range []string{"keystore", "truststore"} {
		if at := h.first.Conf["security.ssl."+key]; !strings.HasSuffix(at, ".p12") {
			t.Errorf("security.ssl.%s is %s, want PKCS12", key, at)
		}
	}
	typed := []string{}
	for _, channel := range []string{"internal", "rest"} {
		typed = append(typed, "security.ssl."+channel+".keystore-type", "PKCS12", "security.ssl."+channel+".truststore-type", "PKCS12")
	}
	c := flink.Start(t, flink.Find(t, "2.2"), h.name, namespace, h.rolled)
	client := c.Client(t, h.firstCA) // of before the new root
	tms := []*flink.TaskManager{c.AddTaskManager(t, d.reachedBy(t, h.first)), c.AddTaskManager(t, d.reachedBy(t, h.rolled).With(typed...))}
	client.AwaitTaskManagers(t, tms...)
	jar := client.Upload(t, "jobs.jar", flink.Jobs(t))

	job := client.Run(t, jar, "Count", len(tms))
	job.AwaitProgress(t, 3)
	if hosts := job.Hosts(t); len(hosts) != len(tms) {
		t.Errorf("the job runs on %v, want both TaskManagers", hosts)
	}
	verifiesREST(t, c, h.firstCA)
	verifiesREST(t, c, newestOf(t, h.rolledCA))
	closedToStrangers(t, c, h.rolled, tms...)
	job.Cancel(t)
	d.jobsReachIt(t, client, jar)
}
