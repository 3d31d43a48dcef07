package interop

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// keyStoreChain returns, as PEM, the chain in Flink's key store as keytool sees it.
func keyStoreChain(t testing.TB, flink pod) []byte {
	t.Helper()
	store, password := flink.keyStore(t)
	return []byte(keytool(t, tools.JDKs(t)[0], "-list", "-rfc", "-keystore", store, "-storepass", password))
}

// TestStores lists every store with keytool of both JDKs and with openssl.
func TestStores(t *testing.T) {
	for _, format := range []string{"JKS", "PKCS12"} {
		for _, public := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/publicCAs %t", format, public), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, "testdata/site", fmt.Sprintf(`namespace: event-automation
authority: {selfSigned: {key: {algorithm: ECDSA}}}
defaults: {key: {size: 2048}}
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session-cluster-prod, tls: {format: %[1]s}}]
flinkOperator: {namespace: flink-operator}
truststores: [{format: %[1]s, publicCAs: %[2]t, sources: [{name: orders-db, file: orders-ca.pem}, {name: ours, authority: true}]}]
`, format, public), twoAuthorities(t))
				s.apply(t)
				for _, store := range s.stores(t, format, public) {
					if !public || store.public { // the others do not depend on it
						store.check(t)
					}
				}
			})
		}
	}
}

// twoAuthorities are two CAs of one name in a file, as while a database's CA changes.
func twoAuthorities(t testing.TB) []byte {
	t.Helper()
	return append(newAuthority(t, "database CA").pem(t), newAuthority(t, "database CA").pem(t)...)
}

// A store is a file with its password and what has to be in it.
type store struct {
	name, path, password string
	aliases              []string // besides those of public CAs
	key                  bool     // one private key with its chain; else trusted certificates
	public               bool
}

// stores are those of Flink, Event Processing and the operator.
func (s site) stores(t testing.TB, format string, public bool) []store {
	t.Helper()
	g := s.generation(t, "only")
	keyStore, keyPassword := g.flink.keyStore(t)
	trust, trustPassword := g.flink.trustStore()
	if keyPassword == trustPassword {
		t.Error("Flink's key store and truststore have one password")
	}
	ep, name := g.flinkTrust(t, namespace, "my-ep")
	database := g.ep.backend(t).env[0]
	operator := g.operator(t, "flink-operator").options
	databaseAliases := []string{"orders-db", "orders-db-2", "ours"}
	// A PKCS12 key store comes without a friendlyName; Java then calls its one key 1.
	keyAlias := map[string]string{"JKS": "server", "PKCS12": "1"}[format]
	all := []store{
		{"Flink's key store", keyStore, keyPassword, []string{keyAlias}, true, false},
		{"Flink's truststore", trust, trustPassword, []string{"ca"}, false, false},
		{"Event Processing's " + name, option(t, ep.options, "trustStore"), option(t, ep.options, "trustStorePassword"), []string{"ca"}, false, false},
		{"the database truststore", option(t, strings.Fields(database), "trustStore"),
			option(t, strings.Fields(database), "trustStorePassword"), databaseAliases, false, public},
		{"the operator's key store", option(t, operator, "keyStore"), option(t, operator, "keyStorePassword"), []string{"server"}, true, false},
		{"the operator's truststore", option(t, operator, "trustStore"), option(t, operator, "trustStorePassword"), []string{"ca"}, false, false},
	}
	extension := map[string]string{"JKS": ".jks", "PKCS12": ".p12"}[format]
	for _, i := range []int{0, 1, 3} {
		if filepath.Ext(all[i].path) != extension {
			t.Errorf("%s is %s, want %s", all[i].name, filepath.Base(all[i].path), extension)
		}
	}
	return all
}

// option returns the value of -Djavax.net.ssl.NAME=value.
func option(t testing.TB, options []string, name string) string {
	t.Helper()
	for _, o := range options {
		if value, ok := strings.CutPrefix(o, "-Djavax.net.ssl."+name+"="); ok {
			return value
		}
	}
	t.Fatalf("no option %s", name)
	return ""
}

// check lists the store with everything that reads it.
func (s store) check(t testing.TB) {
	t.Helper()
	magic := []byte{0xfe, 0xed, 0xfe, 0xed} // JavaKeyStore.java
	isJKS := bytes.HasPrefix(read(t, s.path), magic)
	if isJKS != strings.HasSuffix(s.path, ".jks") {
		t.Errorf("%s: %s does not hold what its extension says", s.name, filepath.Base(s.path))
	}
	for _, jdk := range tools.JDKs(t) {
		s.checkKeytool(t, jdk)
	}
	if !isJKS {
		s.checkOpenSSL(t)
	}
	if s.public {
		return
	}
	if out, err := tryKeytool(t, tools.JDKs(t)[0], "-list", "-keystore", s.path, "-storepass", "wrong-password"); err == nil ||
		!strings.Contains(out, "password was incorrect") {
		t.Errorf("%s opens with a wrong password: %v, %s", s.name, err, out)
	}
}

func (s store) checkKeytool(t testing.TB, jdk tools.JDK) {
	t.Helper()
	out := keytool(t, jdk, "-list", "-v", "-keystore", s.path, "-storepass", s.password)
	kind, other := "Entry type: trustedCertEntry", "Entry type: PrivateKeyEntry"
	if s.key {
		kind, other = other, kind
		if !strings.Contains(out, "Certificate chain length: 2\n") {
			t.Errorf("%s: on JDK %s there is no chain of two", s.name, jdk.Version)
		}
	}
	entries := strings.Count(out, "Alias name: ")
	switch {
	case strings.Count(out, kind) != entries || strings.Contains(out, other):
		t.Errorf("%s: on JDK %s not every entry is a %s", s.name, jdk.Version, kind)
	case s.public && entries <= 100, !s.public && entries != len(s.aliases):
		t.Errorf("%s: on JDK %s there are %d entries, want %q, public CAs: %t", s.name, jdk.Version, entries, s.aliases, s.public)
	}
	for _, alias := range s.aliases {
		if !strings.Contains(out, "Alias name: "+alias+"\n") {
			t.Errorf("%s: on JDK %s there is no alias %s", s.name, jdk.Version, alias)
		}
	}
}

// checkOpenSSL reads a PKCS12 store with openssl pkcs12.
func (s store) checkOpenSSL(t testing.TB) {
	t.Helper()
	out := openssl(t, "pkcs12", "-in", s.path, "-passin", "pass:"+s.password, "-nokeys")
	certificates := strings.Count(out, "-----BEGIN CERTIFICATE-----")
	switch {
	case s.key && certificates != 2, s.public && certificates <= 100, !s.key && !s.public && certificates != len(s.aliases):
		t.Errorf("%s: openssl pkcs12 finds %d certificates", s.name, certificates)
	}
	for _, alias := range s.aliases {
		if !s.key && !strings.Contains(out, "friendlyName: "+alias+"\n") {
			t.Errorf("%s: openssl pkcs12 finds no friendlyName %s", s.name, alias)
		}
	}
	if out, err := tryOpenSSL(t, "pkcs12", "-in", s.path, "-passin", "pass:wrong-password", "-noout"); err == nil {
		t.Errorf("%s: openssl pkcs12 opens it with a wrong password: %s", s.name, out)
	}
	if s.key {
		s.checkKey(t, out)
	}
}

// checkKey wants the private key to be the first certificate's.
func (s store) checkKey(t testing.TB, certificates string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	write(t, file, []byte(openssl(t, "pkcs12", "-in", s.path, "-passin", "pass:"+s.password, "-nocerts", "-noenc")))
	leaf := exec.CommandContext(t.Context(), tools.Require(t, "openssl"), "x509", "-noout", "-pubkey")
	leaf.Stdin = strings.NewReader(certificates)
	want, err := leaf.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := openssl(t, "pkey", "-in", file, "-pubout"); got != string(want) {
		t.Errorf("%s: the key is not the certificate's", s.name)
	}
}
