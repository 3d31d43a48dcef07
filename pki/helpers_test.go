package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// rsa2048 is made once: RSA keys take their time.
var rsa2048 = sync.OnceValue(func() crypto.Signer { return mustKey(KeySpec{RSA, 2048}) })

func mustKey(s KeySpec) crypto.Signer {
	key, err := GenerateKey(s)
	if err != nil {
		panic(err)
	}
	return key
}

func ecKey() crypto.Signer { return mustKey(KeySpec{ECDSA, 256}) }

// must unwraps what a test needs to succeed before it gets to its point.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// start is the now of tests that no outside program judges.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func makeRoot(cn string, from, to time.Time) Issuer {
	key := ecKey()
	cert := must(NewRoot(RootRequest{Subject: Subject{CommonName: cn, Organization: "Acme", EmailAddress: "pki@example.com"}, Key: key, NotBefore: from, NotAfter: to}))
	return Issuer{Certificate: cert, Key: key}
}

func makeIntermediate(root Issuer, cn string, c *Constraints, from, to time.Time) Issuer {
	key := ecKey()
	cert := must(NewIntermediate(root, IntermediateRequest{Subject: Subject{CommonName: cn}, Key: key, NotBefore: from, NotAfter: to, Constraints: c}))
	return Issuer{Certificate: cert, Key: key}
}

func leafRequest(names ...string) LeafRequest {
	return LeafRequest{
		CommonName: names[0], DNSNames: names, Server: true, Client: true,
		Key: ecKey(), NotBefore: start, NotAfter: start.Add(90 * day),
	}
}

// handmade signs what this package refuses to: certificates of others, as they are.
func handmade(parent Issuer, cn string, from, to time.Time, edit func(*x509.Certificate)) Issuer {
	key := ecKey()
	return handmadeFor(parent, key, cn, from, to, edit)
}

func handmadeFor(parent Issuer, key crypto.Signer, cn string, from, to time.Time, edit func(*x509.Certificate)) Issuer {
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))),
		Subject:      pkix.Name{CommonName: cn},
		NotBefore:    from.UTC().Truncate(time.Second), NotAfter: to.UTC().Truncate(time.Second),
		BasicConstraintsValid: true, MaxPathLen: -1,
		SubjectKeyId: must(keyID(key.Public())),
	}
	edit(template)
	if parent.Certificate == nil {
		parent = Issuer{Certificate: template, Key: key}
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent.Certificate, key.Public(), parent.Key))
	return Issuer{Certificate: must(x509.ParseCertificate(der)), Key: key}
}

// tool finds a program or fails: a check that is skipped is no check.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed; run `make tools`: %v", name, err)
	}
	return path
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %q, want none", err)
	case want != "" && err == nil:
		t.Errorf("got no error, want %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("got error %q, want %q", err, want)
	}
}

// openssl runs it and returns what it writes.
func openssl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(tool(t, "openssl"), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v: %s", args, err, stderr.String())
	}
	return string(out)
}

func makeRootFor(t *testing.T, key crypto.Signer) *x509.Certificate {
	t.Helper()
	cert, err := NewRoot(RootRequest{Subject: Subject{CommonName: "root"}, Key: key, NotBefore: start, NotAfter: start.Add(year)})
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
