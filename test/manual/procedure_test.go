package manual

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/flowcert/flowcert/test/tools"
	"github.com/flowcert/flowcert/truststore"
)

// page shows a configuration that makes flowcert do what the procedure does: its key sizes, lifetime and
// subject.
const page = "../../docs/from-the-manual-procedure.md"

const example = "../../examples/quickstart/"

// theirs is the input of the procedure that corresponds to the configuration.
var theirs = []string{"HOSTS=ep.apps.example.com", "FLINKS=session-cluster-prod"}

// meant are the names that the recipe means, and the host of the instance's endpoint.
var meant = []string{
	"ep.apps.example.com",
	"my-ep-ibm-eventprocessing-event-automation.apps.clusterapi.com",
	"my-ep-ibm-eventprocessing-rt-event-automation.apps.clusterapi.com",
	"my-ep-ibm-eventprocessing-svc",
	"my-ep-ibm-eventprocessing-svc.event-automation",
	"my-ep-ibm-eventprocessing-svc.event-automation.svc",
	"my-ep-ibm-eventprocessing-svc.event-automation.svc.cluster.local",
}

// TestSameAsTheProcedure compares what both make of the same input: the certificates of the CA and of
// Event Processing in all that the recipe says of them, key stores, and the database truststore.
//
// These differ on purpose, and are not compared: flowcert's leaf is signed by an intermediate, which
// servers send along and whose names are constrained; its certificates begin five minutes earlier,
// for clocks that are late; its self-signed root names no issuer's key.
func TestSameAsTheProcedure(t *testing.T) {
	ca, err := filepath.Abs(example + "orders-ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	byHand := t.TempDir()
	Run(t, byHand, append(theirs, "DATABASE_CA="+ca)...)
	ours := site(t)
	hand, flow := manifests(t, byHand), manifests(t, filepath.Join(ours, "secrets"))

	for _, tt := range []struct {
		name, hand, flow string
		ca               bool
	}{
		{"CA", "ca.crt", "ca.crt", true},
		{"Event Processing", "tls.crt", "tls.crt", false},
	} {
		a := certificate(t, find(t, hand, "my-ep-cert")[tt.hand])
		b := certificate(t, find(t, flow, "my-ep-cert-")[tt.flow])
		if diff := cmp.Diff(facts(t, a), facts(t, b)); diff != "" {
			t.Errorf("%s: by hand -, flowcert +\n%s", tt.name, diff)
		}
		if b.IsCA != tt.ca || b.SubjectKeyId == nil {
			t.Errorf("%s: CA %v, subject key id %x", tt.name, b.IsCA, b.SubjectKeyId)
		}
	}
	leaf := certificate(t, find(t, flow, "my-ep-cert-")["tls.crt"])
	if diff := cmp.Diff(meant, slices.Sorted(slices.Values(leaf.DNSNames))); diff != "" {
		t.Errorf("names: %s", diff)
	}

	tls := find(t, flow, "session-cluster-prod-tls-")
	server := keyStore(t, find(t, hand, "session-cluster-prod-tls")["keystore.jks"], "changeit")
	if diff := cmp.Diff(facts(t, server), facts(t, keyStore(t, tls["keystore.jks"], string(tls["password"])))); diff != "" {
		t.Errorf("Flink: by hand -, flowcert +\n%s", diff)
	}
	database := find(t, flow, "ssl-truststore-")
	want := trusted(t, find(t, hand, "ssl-truststore")["truststore.jks"], "changeit")
	if diff := cmp.Diff(want, trusted(t, database["truststore.jks"], string(database["password"]))); diff != "" || len(want) != 1 {
		t.Errorf("database truststore: by hand -, flowcert +\n%s", diff)
	}

	for name, secret := range map[string]data{"by hand": find(t, hand, "my-ep-cert"), "flowcert": find(t, flow, "my-ep-cert-")} {
		for _, host := range meant {
			if out, err := accepts(t, secret, host); err != nil {
				t.Errorf("%s: openssl does not accept it as %s: %s", name, host, out)
			}
		}
	}
}

// TestAsPublished shows what the recipe gets wrong, and that it is noticed: without the $ most of the
// names are not those of the service.
func TestAsPublished(t *testing.T) {
	dir := t.TempDir()
	Run(t, dir, AsPublished, "HOSTS=ep.apps.example.com", "CA_KEY=EC:P-256", "LEAF_KEY=RSA:2048")
	secret := find(t, manifests(t, dir), "my-ep-cert")
	var fail []string
	for _, host := range meant {
		if _, err := accepts(t, secret, host); err != nil {
			fail = append(fail, host)
		}
	}
	want := slices.DeleteFunc(slices.Clone(meant), func(n string) bool { return n == "ep.apps.example.com" || n == "my-ep-ibm-eventprocessing-svc" })
	if diff := cmp.Diff(want, fail); diff != "" {
		t.Errorf("names that the published recipe loses: %s", diff)
	}
	if names := certificate(t, secret["tls.crt"]).DNSNames; !slices.Contains(names, "my-ep-ibm-eventprocessing-svc.{NAMESPACE}.svc") {
		t.Errorf("names: %v", names)
	}
}

// fact is what the recipe says of a certificate.
type fact struct {
	Subject            map[string]string
	Names              []string
	Key                int
	Signature          x509.SignatureAlgorithm
	Days               int
	CA, SelfSigned     bool
	KeyUsage           x509.KeyUsage
	ExtKeyUsage        []x509.ExtKeyUsage
	SubjectKeyID, AKID bool
}

// attributes are those of a subject that have another name than their number here.
var attributes = map[string]string{
	"2.5.4.6": "C", "2.5.4.8": "ST", "2.5.4.7": "L", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.3": "CN", "1.2.840.113549.1.9.1": "emailAddress",
}

func facts(t *testing.T, c *x509.Certificate) fact {
	t.Helper()
	f := fact{
		Subject: map[string]string{}, Names: slices.Sorted(slices.Values(c.DNSNames)), Signature: c.SignatureAlgorithm,
		CA: c.IsCA, SelfSigned: bytes.Equal(c.RawIssuer, c.RawSubject), KeyUsage: c.KeyUsage, ExtKeyUsage: c.ExtKeyUsage, SubjectKeyID: len(c.SubjectKeyId) > 0,
		// From flowcert's root the key of its issuer is left out: it is its own.
		AKID: len(c.AuthorityKeyId) > 0 || c.IsCA,
		// flowcert's certificates begin five minutes back.
		Days: int(c.NotAfter.Sub(c.NotBefore).Round(time.Hour) / (24 * time.Hour)),
	}
	for _, n := range c.Subject.Names {
		f.Subject[attribute(n.Type)], _ = n.Value.(string)
	}
	if key, ok := c.PublicKey.(interface{ Size() int }); ok {
		f.Key = key.Size() * 8
	}
	return f
}

func attribute(id asn1.ObjectIdentifier) string {
	if name, ok := attributes[id.String()]; ok {
		return name
	}
	return id.String()
}

// site is a directory with the example's manifests on which flowcert apply has run.
func site(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"event-processing.yaml", "flink-session.yaml", "orders-ca.pem"} {
		content, err := os.ReadFile(example + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "flowcert.yaml"), config(t), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "../../cmd/flowcert", "apply", "--dir", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("flowcert apply: %v\n%s", err, out)
	}
	return dir
}

// config is the one configuration that the page shows.
func config(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := bytes.Split(text, []byte("\n```"))
	if len(blocks) != 3 || !bytes.HasPrefix(blocks[1], []byte("yaml\n")) {
		t.Fatalf("%s: want one block of code, in YAML", page)
	}
	return bytes.TrimPrefix(append(blocks[1], '\n'), []byte("yaml\n"))
}

// data is the content of a Secret by key.
type data map[string][]byte

// manifests reads the Secrets of a folder, by name.
func manifests(t *testing.T, dir string) map[string]data {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Secrets in %s: %v", dir, err)
	}
	out := map[string]data{}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Metadata struct{ Name string }
			Data     data
		}
		if err := yaml.Unmarshal(content, &m); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out[m.Metadata.Name] = m.Data
	}
	return out
}

// find returns the one Secret of this name, or with this prefix where it ends in a dash. A version's
// name has ten more digits.
func find(t *testing.T, secrets map[string]data, name string) data {
	t.Helper()
	var found []data
	for have, content := range secrets {
		if have == name || strings.HasSuffix(name, "-") && strings.HasPrefix(have, name) && len(have) == len(name)+10 {
			found = append(found, content)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d secrets are called %s, want one", len(found), name)
	}
	return found[0]
}

// certificate is the first of a PEM file.
func certificate(t *testing.T, content []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(content)
	if block == nil {
		t.Fatalf("no certificate in %q", content)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func keyStore(t *testing.T, content []byte, password string) *x509.Certificate {
	t.Helper()
	store, err := truststore.Open(content, password)
	if err != nil || len(store.Keys) != 1 {
		t.Fatalf("%v: %+v", err, store)
	}
	return store.Keys[0].Chain[0]
}

// trusted are the certificates of a truststore by alias.
func trusted(t *testing.T, content []byte, password string) map[string][]byte {
	t.Helper()
	store, err := truststore.Open(content, password)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, e := range store.Trusted {
		out[e.Alias] = e.Certificate.Raw
	}
	return out
}

// accepts asks openssl whether a client that trusts ca.crt accepts what the Secret's server presents.
func accepts(t *testing.T, secret data, host string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for _, key := range []string{"ca.crt", "tls.crt"} {
		if err := os.WriteFile(filepath.Join(dir, key), secret[key], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	chain := filepath.Join(dir, "tls.crt")
	out, err := exec.CommandContext(t.Context(), tools.Require(t, "openssl"), "verify", "-x509_strict", "-purpose", "sslserver",
		"-CAfile", filepath.Join(dir, "ca.crt"), "-untrusted", chain, "-verify_hostname", host, chain).CombinedOutput()
	return string(out), err
}
