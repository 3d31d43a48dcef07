package truststore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/test/tools"
)

const secret = "correct-Horse7"

var day = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// authority is a CA that tests sign with.
type authority struct {
	*x509.Certificate
	key crypto.Signer
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newCA makes a CA that is valid from the given day of 2026 on, signed by itself
// if issuer is nil.
func newCA(t testing.TB, name string, from int, issuer *authority) authority {
	t.Helper()
	key := newKey(t)
	return authority{sign(t, template(name, from, true), key, issuer), key}
}

func template(name string, from int, ca bool) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	c := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             day.AddDate(0, 0, from),
		NotAfter:              day.AddDate(10, 0, 0),
		BasicConstraintsValid: true,
		IsCA:                  ca,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
	if ca {
		c.KeyUsage = x509.KeyUsageCertSign
	}
	return c
}

func sign(t testing.TB, c *x509.Certificate, key crypto.Signer, issuer *authority) *x509.Certificate {
	t.Helper()
	parent, signer := c, key
	if issuer != nil {
		parent, signer = issuer.Certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// newKeyEntry makes a leaf for key under a root and an intermediate.
func newKeyEntry(t testing.TB, alias string, key crypto.Signer) KeyEntry {
	t.Helper()
	root := newCA(t, alias+" root", 0, nil)
	intermediate := newCA(t, alias+" intermediate", 0, &root)
	leaf := sign(t, template(alias+" leaf", 0, false), key, &intermediate)
	return KeyEntry{Alias: alias, Key: key, Chain: []*x509.Certificate{leaf, intermediate.Certificate}}
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// keyKinds are the kinds of keys that flowcert issues.
func keyKinds(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"RSA": rsaKey(), "P-256": newKey(t), "P-384": p384, "Ed25519": ed}
}

func entry(alias string, c authority) Entry {
	return Entry{Alias: alias, Certificate: c.Certificate}
}

func mustEncodeTrust(t testing.TB, f Format, entries []Entry, password string) []byte {
	t.Helper()
	out, err := EncodeTrust(f, entries, password)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustEncodeKey(t testing.TB, f Format, key KeyEntry, password string) []byte {
	t.Helper()
	out, err := EncodeKey(f, key, password)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustOpen(t testing.TB, data []byte, password string) *Store {
	t.Helper()
	store, err := Open(data, password)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// sameContent compares certificates by their bytes, and private keys as such.
var sameContent = cmp.Options{
	cmp.Comparer(func(a, b *x509.Certificate) bool { return a.Equal(b) }),
	cmp.Comparer(func(a, b KeyEntry) bool {
		if (a.Key == nil) != (b.Key == nil) || a.Alias != b.Alias || !cmp.Equal(a.Chain, b.Chain, sameCertificate) {
			return false
		}
		type equaler interface{ Equal(crypto.PrivateKey) bool }
		return a.Key == nil || a.Key.(equaler).Equal(b.Key)
	}),
}

var sameCertificate = cmp.Comparer(func(a, b *x509.Certificate) bool { return a.Equal(b) })

// dir writes files for the tools under test.
type dir string

func newDir(t testing.TB) dir { return dir(t.TempDir()) }

func (d dir) path(name string) string { return filepath.Join(string(d), name) }

func (d dir) write(t testing.TB, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(d.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return d.path(name)
}

func (d dir) read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(d.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (d dir) writeKey(t testing.TB, name string, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return d.write(t, name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (d dir) writeCertificate(t testing.TB, name string, certificates ...*x509.Certificate) string {
	t.Helper()
	var data []byte
	for _, c := range certificates {
		data = append(data, certificatePEM(c)...)
	}
	return d.write(t, name, data)
}

// run runs a tool and returns what it prints.
func run(t testing.TB, path string, args ...string) string {
	t.Helper()
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", path, args, err, out)
	}
	return string(out)
}

func openssl(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, tools.Require(t, "openssl"), args...)
}

// keytool runs the keytool of a JDK in English.
func keytool(t testing.TB, jdk tools.JDK, args ...string) string {
	t.Helper()
	return run(t, jdk.Keytool(), append([]string{"-J-Duser.language=en"}, args...)...)
}

func name(jdk tools.JDK) string { return fmt.Sprintf("JDK %d", jdk.Major) }
