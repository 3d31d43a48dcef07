package truststore

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var formats = []Format{JKS, PKCS12, PEM}

func TestFormat(t *testing.T) {
	for in, want := range map[string]Format{"JKS": JKS, "jks": JKS, "Pkcs12": PKCS12, "pem": PEM} {
		if got, err := ParseFormat(in); err != nil || got != want {
			t.Errorf("ParseFormat(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "p12", "JKS ", "JCEKS"} {
		if got, err := ParseFormat(in); err == nil {
			t.Errorf("ParseFormat(%q) = %q", in, got)
		}
	}
	for f, want := range map[Format]string{JKS: "jks", PKCS12: "p12", PEM: "pem", "": ""} {
		if got := f.Extension(); got != want {
			t.Errorf("%q.Extension() = %q", f, got)
		}
	}
}

func TestEncodeTrustIsStable(t *testing.T) {
	// Two CAs of one subject are two entries: a rotation has them.
	a, b, c := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil), newCA(t, "Other CA", 0, nil)
	entries := []Entry{entry("b", b), entry("a", a), entry("c", c)}
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			first := mustEncodeTrust(t, f, entries, secret)
			for name, same := range map[string][]Entry{
				"again":           entries,
				"another order":   {entries[2], entries[1], entries[0]},
				"a duplicate":     {entries[2], entries[1], entries[0], entries[1], entry("later", a)},
				"upper case":      {entry("B", b), entry("A", a), entry("C", c)},
				"opened and made": mustOpen(t, first, secret).Trusted,
			} {
				if f == PEM && name == "opened and made" {
					continue // PEM has no aliases to sort by
				}
				if !bytes.Equal(first, mustEncodeTrust(t, f, same, secret)) {
					t.Errorf("%s: other bytes", name)
				}
			}
			if f != PEM && bytes.Equal(first, mustEncodeTrust(t, f, entries, secret+"2")) {
				t.Error("the password makes no difference")
			}
			if bytes.Equal(first, mustEncodeTrust(t, f, entries[:2], secret)) {
				t.Error("an entry makes no difference")
			}
			got := mustOpen(t, first, secret)
			want := []Entry{entry("a", a), entry("b", b), entry("c", c)}
			if f == PEM {
				for i := range want {
					want[i].Alias = hexFingerprint(want[i].Certificate)
				}
			}
			if diff := cmp.Diff(&Store{Format: f, Trusted: want}, got, sameContent); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// Other bytes for the same content make a new version of every truststore, and
// so restart every workload: a new version of a library must not slip that in.
func TestEncodeTrustBytes(t *testing.T) {
	data, err := os.ReadFile("testdata/two-cas.pem")
	if err != nil {
		t.Fatal(err)
	}
	entries := mustOpen(t, data, "").Trusted
	entries[0].Alias, entries[1].Alias = "first", "second"
	got := map[Format]string{}
	for _, f := range formats {
		got[f] = fmt.Sprintf("%x", sha256.Sum256(mustEncodeTrust(t, f, entries, secret)))
	}
	want := map[Format]string{
		JKS:    "e52524f782264d3bb767bbbbb8bb9c47d3cdfe0fc258b5224e89e11719696d55",
		PKCS12: "614ed569d7561f26a6f16223ccfa2a2dc4803884e3fdbb1eac54ef2f26e62a94",
		PEM:    "5118c40f5f5bbb4c0e058f882142169efb692c2849ca8b576ffe3d5beb2c4117",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Salts come from content alone: one that came from the password would let
// anybody test guesses cheaply.
func TestContentStream(t *testing.T) {
	a, b := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil)
	read := func(entries ...Entry) []byte {
		buffer := make([]byte, 100)
		if n, err := newContentStream(entries).Read(buffer); n != len(buffer) || err != nil {
			t.Fatalf("Read = %d, %v", n, err)
		}
		return buffer
	}
	first := read(entry("a", a), entry("b", b))
	if !bytes.Equal(first, read(entry("a", a), entry("b", b))) {
		t.Error("not stable")
	}
	if bytes.Equal(first[:32], first[32:64]) {
		t.Error("repeats itself")
	}
	if bytes.Equal(first[96:], make([]byte, 4)) {
		t.Error("does not fill the buffer")
	}
	for name, other := range map[string][]byte{
		"certificate": read(entry("a", a), entry("b", a)),
		"alias":       read(entry("a", a), entry("c", b)),
		"number":      read(entry("a", a)),
	} {
		if bytes.Equal(first[:16], other[:16]) {
			t.Errorf("%s makes no difference", name)
		}
	}
}

func TestEncodeTrustRefuses(t *testing.T) {
	a, b := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil)
	many := make([]Entry, 0, 4000)
	for i := range 4000 {
		c := *a.Certificate
		c.Raw = append(slices.Clone(c.Raw), byte(i), byte(i>>8))
		many = append(many, Entry{Alias: fmt.Sprint("a", i), Certificate: &c})
	}
	tests := []struct {
		name     string
		entries  []Entry
		password string
		want     string
	}{
		{"nothing", nil, secret, "no certificates"},
		{"no certificate", []Entry{{Alias: "a"}}, secret, `alias "a" has no certificate`},
		{"unparsed certificate", []Entry{{Alias: "a", Certificate: &x509.Certificate{}}}, secret, `alias "a" has no certificate`},
		{"no alias", []Entry{entry("", a)}, secret, "no alias"},
		{"one alias for two", []Entry{entry("x", a), entry("x", b)}, secret, `alias "x" names two certificates`},
		{"aliases that differ in case", []Entry{entry("x", a), entry("X", b)}, secret, `alias "x" names two certificates`},
		{"rune of four bytes", []Entry{entry("db😀", a)}, secret, "not printable ASCII"},
		{"rune of two bytes", []Entry{entry("café", a)}, secret, "not printable ASCII"},
		{"line break", []Entry{entry("a\nb", a)}, secret, "not printable ASCII"},
		{"space at the end", []Entry{entry("a ", a)}, secret, "ends with a space"},
		{"long alias", []Entry{entry(strings.Repeat("a", 256), a)}, secret, "too long"},
		{"no password", []Entry{entry("a", a)}, "", "password is empty"},
		{"password with a line break", []Entry{entry("a", a)}, secret + "\n", "line break"},
		{"too large", many, secret, "more than a store may have"},
	}
	for _, tt := range tests {
		for _, f := range formats {
			if f == PEM && strings.Contains(tt.name, "password") {
				continue
			}
			t.Run(tt.name+" "+string(f), func(t *testing.T) {
				out, err := EncodeTrust(f, tt.entries, tt.password)
				checkError(t, err, tt.want)
				if out != nil {
					t.Error("bytes with an error")
				}
			})
		}
	}
	if _, err := EncodeTrust("BKS", []Entry{entry("a", a)}, secret); err == nil {
		t.Error("an unknown format is accepted")
	}
	if _, err := EncodeTrust(PEM, []Entry{entry("a", a)}, ""); err != nil {
		t.Errorf("PEM needs no password: %v", err)
	}
}

// checkError wants an error that holds words and no password.
func checkError(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("error %q, want one with %q", err, words)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("error %q holds the password", err)
	}
}

func TestEncodeKey(t *testing.T) {
	for kind, key := range keyKinds(t) {
		for _, f := range formats {
			t.Run(kind+" "+string(f), func(t *testing.T) {
				want := newKeyEntry(t, "server", key)
				password := secret
				if f == PEM {
					password = ""
				}
				data := mustEncodeKey(t, f, want, password)
				got := mustOpen(t, data, password)
				switch f {
				case PKCS12:
					want.Alias = "1"
				case PEM:
					want.Alias = hexFingerprint(want.Chain[0])
				}
				if diff := cmp.Diff(&Store{Format: f, Keys: []KeyEntry{want}}, got, sameContent); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
				if f != PEM && bytes.Equal(data, mustEncodeKey(t, f, want, password)) {
					t.Error("the same bytes twice: no fresh randomness")
				}
				if f != PEM && bytes.Contains(data, privatePart(t, key)) {
					t.Error("the private key is not encrypted")
				}
			})
		}
	}
}

// privatePart returns bytes of a key that are nowhere in its certificate.
func privatePart(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k.Primes[0].Bytes()
	case *ecdsa.PrivateKey:
		b, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return b
	case ed25519.PrivateKey:
		return k.Seed()
	}
	t.Fatalf("key of type %T", key)
	return nil
}

// A cross certificate has the subject and key of a root that a truststore holds.
func TestEncodeKeyWithCrossCertificate(t *testing.T) {
	g1, g2 := newCA(t, "CA G1", 0, nil), newCA(t, "CA G2", 0, nil)
	cross := sign(t, template("CA G2", 0, true), g2.key, &g1)
	intermediate := newCA(t, "intermediate", 0, &g2)
	key := newKey(t)
	leaf := sign(t, template("leaf", 0, false), key, &intermediate)
	for _, f := range []Format{JKS, PKCS12} {
		chain := []*x509.Certificate{leaf, intermediate.Certificate, cross}
		data := mustEncodeKey(t, f, KeyEntry{Alias: "1", Key: key, Chain: chain}, secret)
		got := mustOpen(t, data, secret)
		if diff := cmp.Diff([]KeyEntry{{Alias: "1", Key: key, Chain: chain}}, got.Keys, sameContent); diff != "" {
			t.Errorf("%s: -want +got\n%s", f, diff)
		}
	}
}

// opaque is a key that does not give its private part away, as in an HSM.
type opaque struct{ crypto.Signer }

func TestEncodeKeyRefuses(t *testing.T) {
	good := newKeyEntry(t, "server", newKey(t))
	other := newCA(t, "Other CA", 0, nil)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*KeyEntry)) KeyEntry {
		k := good
		k.Chain = slices.Clone(k.Chain)
		change(&k)
		return k
	}
	tests := []struct {
		name     string
		entry    KeyEntry
		password string
		want     string
	}{
		{"no alias", with(func(k *KeyEntry) { k.Alias = "" }), secret, "no alias"},
		{"no key", with(func(k *KeyEntry) { k.Key = nil }), secret, "no private key"},
		{"nil RSA key", with(func(k *KeyEntry) { k.Key = (*rsa.PrivateKey)(nil) }), secret, "no private key"},
		{"nil ECDSA key", with(func(k *KeyEntry) { k.Key = (*ecdsa.PrivateKey)(nil) }), secret, "no private key"},
		{"empty Ed25519 key", with(func(k *KeyEntry) { k.Key = ed25519.PrivateKey{} }), secret, "no private key"},
		{"P-521", with(func(k *KeyEntry) { k.Key = p521 }), secret, "P-256 and P-384"},
		{"opaque key", with(func(k *KeyEntry) { k.Key = opaque{k.Key} }), secret, "cannot be stored"},
		{"another key", with(func(k *KeyEntry) { k.Key = newKey(t) }), secret, "does not belong to the key"},
		{"no chain", with(func(k *KeyEntry) { k.Chain = nil }), secret, "no certificate"},
		{"nil in the chain", with(func(k *KeyEntry) { k.Chain[1] = nil }), secret, "certificate 2 of the chain is missing"},
		{"wrong issuer", with(func(k *KeyEntry) { k.Chain[1] = other.Certificate }), secret, "is not the issuer of"},
		{"wrong order", with(func(k *KeyEntry) { slices.Reverse(k.Chain) }), secret, "does not belong to the key"},
		{"no password", good, "", "password is empty"},
		{"password with a space", good, "with space", "white space"},
	}
	for _, tt := range tests {
		for _, f := range []Format{JKS, PKCS12} {
			t.Run(tt.name+" "+string(f), func(t *testing.T) {
				out, err := EncodeKey(f, tt.entry, tt.password)
				checkError(t, err, tt.want)
				if out != nil {
					t.Error("bytes with an error")
				}
			})
		}
	}
	if _, err := EncodeKey(PEM, good, secret); err == nil {
		t.Error("a PEM key store takes a password and does not encrypt")
	}
	if _, err := EncodeKey("BKS", good, secret); err == nil {
		t.Error("an unknown format is accepted")
	}
}
