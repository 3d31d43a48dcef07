package interop

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// An authority is a CA in files: a database's, made by openssl, or one of flowcert's.
type authority struct{ cert, key string }

// newAuthority makes a CA as the owner of a database would.
func newAuthority(t testing.TB, commonName string) authority {
	t.Helper()
	dir := t.TempDir()
	ca := authority{cert: filepath.Join(dir, "ca.crt"), key: filepath.Join(dir, "ca.key")}
	request(t, ca, nil, "/CN="+commonName, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
	return ca
}

func (a authority) pem(t testing.TB) []byte { return read(t, a.cert) }

// issue signs a server's certificate for the names, as openssl writes them: DNS:x,IP:y.
func (a authority) issue(t testing.TB, names string) (certPEM, keyPEM []byte) {
	t.Helper()
	dir := t.TempDir()
	leaf := authority{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key")}
	request(t, leaf, &a, "/CN=made by openssl", "basicConstraints=critical,CA:FALSE",
		"keyUsage=critical,digitalSignature,keyEncipherment", "extendedKeyUsage=serverAuth", "subjectAltName="+names)
	return read(t, leaf.cert), read(t, leaf.key)
}

// request makes an RSA key and its certificate, signed by the issuer, by itself without one.
func request(t testing.TB, made authority, issuer *authority, subject string, extensions ...string) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "openssl.cnf")
	write(t, config, []byte("[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\nsubjectKeyIdentifier=hash\n"+
		"authorityKeyIdentifier=keyid\n"+strings.Join(extensions, "\n")+"\n"))
	args := []string{"req", "-x509", "-config", config, "-newkey", "rsa:2048", "-noenc", "-sha256", "-days", "30",
		"-subj", subject, "-out", made.cert, "-keyout", made.key}
	if issuer != nil {
		args = append(args, "-CA", issuer.cert, "-CAkey", issuer.key)
	}
	openssl(t, args...)
}

// openssl runs a command of openssl that must succeed.
func openssl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := tryOpenSSL(t, args...)
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func tryOpenSSL(t testing.TB, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tools.Require(t, "openssl"), args...).CombinedOutput()
	return string(out), err
}

// A chain is a certificate and what is sent with it, in files.
type chain struct {
	leaf   string
	others string // "" if there are none
	all    string
}

// chainOf takes the certificates in PEM apart, leaf first. Text around them is passed over.
func chainOf(t testing.TB, data []byte) chain {
	t.Helper()
	var blocks []*pem.Block
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			t.Fatalf("%s among certificates", block.Type)
		}
		blocks = append(blocks, block)
	}
	if len(blocks) == 0 {
		t.Fatal("no certificate")
	}
	dir := t.TempDir()
	c := chain{leaf: filepath.Join(dir, "leaf.crt"), all: filepath.Join(dir, "all.crt")}
	var others bytes.Buffer
	for _, block := range blocks[1:] {
		others.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	first := pem.EncodeToMemory(&pem.Block{Type: blocks[0].Type, Bytes: blocks[0].Bytes})
	write(t, c.leaf, first)
	write(t, c.all, append(first, others.Bytes()...))
	if others.Len() > 0 {
		c.others = filepath.Join(dir, "others.crt")
		write(t, c.others, others.Bytes())
	}
	return c
}

// verify runs openssl verify as strictly as it can, without the machine's own CAs.
func (c chain) verify(t testing.TB, caFile string, more ...string) (string, error) {
	t.Helper()
	args := append([]string{"verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-CAfile", caFile}, more...)
	if c.others != "" {
		args = append(args, "-untrusted", c.others)
	}
	return tryOpenSSL(t, append(args, c.leaf)...)
}

// mustVerify wants the chain to be good for a server, or a client, of each name, and for no other.
func (c chain) mustVerify(t testing.TB, caFile, purpose string, names []string) {
	t.Helper()
	for _, name := range names {
		if out, err := c.verify(t, caFile, "-purpose", purpose, "-verify_hostname", name); err != nil {
			t.Errorf("openssl verify for %s: %v\n%s", name, err, out)
		}
	}
	out, err := c.verify(t, caFile, "-purpose", purpose, "-verify_hostname", "other.example.net")
	if err == nil || !strings.Contains(out, "hostname mismatch") {
		t.Errorf("openssl verify for a name that is not there: %v\n%s", err, out)
	}
}

// mustNotVerify wants a refusal that says why.
func (c chain) mustNotVerify(t testing.TB, caFile, why string, more ...string) {
	t.Helper()
	if out, err := c.verify(t, caFile, more...); err == nil || !strings.Contains(out, why) {
		t.Errorf("openssl verify %v: %v, want %q\n%s", more, err, why, out)
	}
}

// sClient connects with openssl s_client and returns its verdict.
func sClient(t testing.TB, address, name, caFile string, more ...string) error {
	t.Helper()
	args := append([]string{"s_client", "-connect", address, "-servername", name, "-verify_hostname", name,
		"-verify_return_error", "-no-CApath", "-no-CAstore", "-CAfile", caFile, "-brief"}, more...)
	out, err := tryOpenSSL(t, args...)
	if err == nil && !strings.Contains(out, "Verification: OK") {
		err = fmt.Errorf("no verdict")
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
