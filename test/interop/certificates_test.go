package interop

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/test/tools"
)

const serverAndClient = "TLS Web Server Authentication, TLS Web Client Authentication"

// TestCertificates looks at every certificate of every variation with openssl and zlint.
func TestCertificates(t *testing.T) {
	for _, v := range variations() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			database := newAuthority(t, "database CA")
			s := v.site(t, database.pem(t))
			from := time.Now()
			s.apply(t)
			period := [2]time.Time{from, time.Now()}
			got := s.read(t)
			ep := got.certificate(t, v.ep.namespace, v.ep.name)
			flink := got.flink(t, v.flink.namespace, v.flink.name)
			root := ep.file(t, "ca.crt")

			v.leaf(t, chainOf(t, ep["tls.crt"]), root, v.ep, "TLS Web Server Authentication", period)
			served := chainOf(t, keyStoreChain(t, flink))
			v.leaf(t, served, root, v.flink, serverAndClient, period)
			served.mustVerify(t, root, "sslclient", v.flink.names)
			v.authorities(t, chainOf(t, ep["tls.crt"]), root, period)
			v.onTheWire(t, ep, root, database)
			ca, _, _ := flowcert(t, "ca", "--dir", s.dir)
			if diff := cmp.Diff(string(ep["ca.crt"]), ca); diff != "" {
				t.Errorf("flowcert ca prints another root (-ca.crt +printed):\n%s", diff)
			}
			lint(t, got.allCertificates(t, flink))
			if v.config == "" { // the quick start has a second FlinkDeployment
				second := instance{namespace: namespace, name: "orders-enrichment", key: v.flink.key, usage: v.flink.usage,
					names: flinkNames(namespace, "orders-enrichment", "cluster.local")}
				v.leaf(t, chainOf(t, keyStoreChain(t, got.flink(t, namespace, second.name))), root, second, serverAndClient, period)
			}
		})
	}
}

func (v variation) site(t testing.TB, ca []byte) site {
	t.Helper()
	if v.config != "" {
		return newSite(t, "testdata/site", v.config, ca, v.words...)
	}
	s := site{dir: t.TempDir()}
	if err := os.CopyFS(s.dir, os.DirFS("../../examples/quickstart")); err != nil {
		t.Fatal(err)
	}
	return s
}

// onTheWire has openssl s_client verify a server of the Secret.
func (v variation) onTheWire(t testing.TB, ep secret, root string, database authority) {
	t.Helper()
	address := tools.StartTLSServer(t, ep["tls.crt"], ep["tls.key"])
	if err := sClient(t, address, v.ep.names[0], root); err != nil {
		t.Error(err)
	}
	if err := sClient(t, address, v.ep.names[0], database.cert); err == nil || !strings.Contains(err.Error(), "certificate verify failed") {
		t.Errorf("s_client with the database's CA: %v", err)
	}
	if err := sClient(t, address, "other.example.net", root); err == nil || !strings.Contains(err.Error(), "ostname mismatch") {
		t.Errorf("s_client for another name: %v", err)
	}
}

// leaf checks a leaf: subject, names, key, dates, extensions, chain.
func (v variation) leaf(t testing.TB, c chain, root string, want instance, purpose string, made [2]time.Time) {
	t.Helper()
	if diff := cmp.Diff("subject=CN="+want.names[0]+v.subject, subject(t, c.leaf)); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
	wantNames := slices.Clone(want.names)
	for i, name := range wantNames {
		wantNames[i] = "DNS:" + name
	}
	if want.email != "" {
		wantNames = append(wantNames, "email:"+want.email)
	}
	if diff := cmp.Diff(sorted(wantNames), sorted(sans(t, c.leaf))); diff != "" {
		t.Errorf("subject alternative names (-want +got):\n%s", diff)
	}
	holds(t, c.leaf, want.key, "X509v3 Basic Constraints: critical CA:FALSE", "X509v3 Key Usage: critical "+want.usage+" X509v3",
		"X509v3 Extended Key Usage: "+purpose+" X509v3", "X509v3 Subject Key Identifier: ", "X509v3 Authority Key Identifier: ")
	dates(t, c.leaf, made, 365)
	var hosts []string
	for _, name := range want.names {
		hosts = append(hosts, strings.Replace(name, "*", "any", 1))
	}
	c.mustVerify(t, root, "sslserver", hosts)
	other := newAuthority(t, "event-automation CA") // the root's name, another key
	c.mustNotVerify(t, other.cert, "unable to get local issuer certificate")
	if v.caCount > 0 {
		alone := chain{leaf: c.leaf}
		alone.mustNotVerify(t, root, "unable to get local issuer certificate")
	}
}

// authorities checks the intermediate and the root of a chain.
func (v variation) authorities(t testing.TB, c chain, root string, made [2]time.Time) {
	t.Helper()
	text := holds(t, root, v.caKey, "X509v3 Basic Constraints: critical CA:TRUE X509v3", "X509v3 Key Usage: critical Certificate Sign, CRL Sign",
		"X509v3 Subject Key Identifier: ")
	if strings.Contains(text, "Name Constraints") {
		t.Error("the root has name constraints, which a JVM does not look at there")
	}
	dates(t, root, made, 3650)
	if got := strings.Count(string(read(t, c.all)), "BEGIN CERTIFICATE"); got != 1+v.caCount {
		t.Fatalf("the chain has %d certificates, want %d", got, 1+v.caCount)
	}
	if v.caCount == 0 {
		return
	}
	text = holds(t, c.others, v.caKey, "X509v3 Basic Constraints: critical CA:TRUE, pathlen:0 X509v3",
		"X509v3 Key Usage: critical Certificate Sign, CRL Sign", "X509v3 Authority Key Identifier: ")
	dates(t, c.others, made, 730)
	got := ""
	if _, after, ok := strings.Cut(text, "X509v3 Name Constraints: critical "); ok {
		got, _, _ = strings.Cut(after, " Signature Algorithm:")
	}
	if diff := cmp.Diff(v.constraints, got); diff != "" {
		t.Errorf("name constraints (-want +got):\n%s", diff)
	}
}

// holds wants parts in what openssl x509 -text prints, white space made single.
func holds(t testing.TB, cert string, parts ...string) string {
	t.Helper()
	text := strings.Join(strings.Fields(openssl(t, "x509", "-in", cert, "-noout", "-text")), " ")
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("openssl x509 -text has no %q:\n%s", part, text)
		}
	}
	return text
}

func subject(t testing.TB, cert string) string {
	t.Helper()
	return strings.TrimSpace(openssl(t, "x509", "-in", cert, "-noout", "-subject", "-nameopt", "RFC2253"))
}

// sans returns the subject alternative names as openssl prints them: DNS:name.
func sans(t testing.TB, cert string) []string {
	t.Helper()
	_, list, _ := strings.Cut(openssl(t, "x509", "-in", cert, "-noout", "-ext", "subjectAltName"), "\n")
	return strings.Split(strings.TrimSpace(list), ", ")
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// dates wants a certificate that was made between the two times, begins five minutes earlier, and ends after
// so many days.
func dates(t testing.TB, cert string, made [2]time.Time, days int) {
	t.Helper()
	var at [2]time.Time
	lines := strings.Fields(strings.ReplaceAll(openssl(t, "x509", "-in", cert, "-noout", "-dates", "-dateopt", "iso_8601"), " ", "T"))
	for i, prefix := range []string{"notBefore=", "notAfter="} {
		var err error
		if at[i], err = time.Parse(time.RFC3339, strings.TrimPrefix(lines[i], prefix)); err != nil {
			t.Fatal(err)
		}
	}
	begin := at[0].Add(5 * time.Minute)
	if begin.Before(made[0].Truncate(time.Second)) || begin.After(made[1]) {
		t.Errorf("it begins at %s, made between %s and %s", at[0], made[0], made[1])
	}
	if got := at[1].Sub(begin); got != time.Duration(days)*24*time.Hour {
		t.Errorf("it ends after %s, want %d days", got, days)
	}
}
