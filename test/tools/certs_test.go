package tools

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const password = "changeit"

// A pair is a certificate and its key in files, made by openssl.
type pair struct {
	cert, key string
	subject   string
}

// makeCert makes a certificate signed by the issuer, by itself without one. A name makes it a leaf.
func makeCert(t testing.TB, subject string, issuer *pair, name string) pair {
	t.Helper()
	dir := t.TempDir()
	made := pair{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), subject: subject}
	extensions := "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
	if name != "" {
		extensions = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n" +
			"subjectAltName=" + name + "\n"
	}
	config := filepath.Join(dir, "openssl.cnf")
	write(t, config, []byte("[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\n"+
		"subjectKeyIdentifier=hash\n"+extensions))
	args := []string{"req", "-x509", "-config", config, "-newkey", "rsa:2048", "-noenc", "-sha256", "-days", "30",
		"-subj", "/CN=" + subject, "-out", made.cert, "-keyout", made.key}
	if issuer != nil {
		args = append(args, "-CA", issuer.cert, "-CAkey", issuer.key)
	}
	run(t, Require(t, "openssl"), args...)
	return made
}

// trustStore returns a truststore with the certificates, made by keytool.
func trustStore(t testing.TB, jdk JDK, roots ...pair) string {
	t.Helper()
	store := filepath.Join(t.TempDir(), "truststore.jks")
	for i, root := range roots {
		run(t, jdk.Keytool(), "-importcert", "-noprompt", "-alias", fmt.Sprint("root-", i), "-file", root.cert,
			"-keystore", store, "-storepass", password)
	}
	return store
}

// keyStore returns a key store with the leaf and its chain, made by openssl.
func keyStore(t testing.TB, leaf pair, chain []byte) string {
	t.Helper()
	dir := t.TempDir()
	chainFile, store := filepath.Join(dir, "chain.pem"), filepath.Join(dir, "keystore.p12")
	write(t, chainFile, chain)
	run(t, Require(t, "openssl"), "pkcs12", "-export", "-in", chainFile, "-inkey", leaf.key, "-name", "server",
		"-out", store, "-passout", "pass:"+password)
	return store
}

// chain returns the PEM of certificates, one after the other.
func chain(t testing.TB, certs ...pair) []byte {
	t.Helper()
	var all []byte
	for _, cert := range certs {
		all = append(all, read(t, cert.cert)...)
	}
	return all
}

func requireClientCert(config *tls.Config) { config.ClientAuth = tls.RequireAnyClientCert }

func run(t testing.TB, path string, args ...string) string {
	t.Helper()
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(path), args[0], err, out)
	}
	return string(out)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
