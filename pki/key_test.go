package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
)

func TestKeySpecValidate(t *testing.T) {
	for _, c := range []struct {
		spec KeySpec
		want string
	}{
		{KeySpec{RSA, 2048}, ""},
		{KeySpec{RSA, 3072}, ""},
		{KeySpec{RSA, 8192}, ""},
		{KeySpec{RSA, 2304}, ""},
		{KeySpec{RSA, 0}, "RSA key size 0: want 2048 to 8192"},
		{KeySpec{RSA, 1024}, "RSA key size 1024: want 2048 to 8192"},
		{KeySpec{RSA, 2049}, "in steps of 256"},
		{KeySpec{RSA, 16384}, "RSA key size 16384"},
		{KeySpec{ECDSA, 256}, ""},
		{KeySpec{ECDSA, 384}, ""},
		{KeySpec{ECDSA, 521}, "want 256 or 384"},
		{KeySpec{ECDSA, 0}, "want 256 or 384"},
		{KeySpec{Ed25519, 0}, ""},
		{KeySpec{Ed25519, 256}, "leave it out"},
		{KeySpec{"", 0}, "no key algorithm"},
		{KeySpec{"rsa", 2048}, `key algorithm "rsa": want RSA, ECDSA or Ed25519`},
	} {
		t.Run(c.spec.String(), func(t *testing.T) { wantError(t, c.spec.Validate(), c.want) })
	}
}

func TestGenerateKey(t *testing.T) {
	for spec, text := range map[KeySpec]string{
		{RSA, 2048}:  "RSA 2048",
		{ECDSA, 256}: "ECDSA P-256",
		{ECDSA, 384}: "ECDSA P-384",
		{Ed25519, 0}: "Ed25519",
	} {
		key, err := GenerateKey(spec)
		if err != nil {
			t.Fatal(err)
		}
		got, err := SpecOf(key.Public())
		if err != nil || got != spec || got.String() != text {
			t.Errorf("made %v (%q), %v, want %v (%q)", got, got, err, spec, text)
		}
	}
	if _, err := GenerateKey(KeySpec{RSA, 512}); err == nil {
		t.Error("made an RSA key of 512 bits")
	}
}

func TestSpecOfOthers(t *testing.T) {
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	if got, err := SpecOf(p521.Public()); err != nil || got != (KeySpec{ECDSA, 521}) {
		t.Errorf("P-521: %v, %v", got, err)
	}
	for _, pub := range []crypto.PublicKey{nil, "key", (*ecdsa.PublicKey)(nil), &ecdsa.PublicKey{}} {
		if got, err := SpecOf(pub); err == nil {
			t.Errorf("%T: got %v, want an error", pub, got)
		}
	}
}

func TestSameKey(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	for _, c := range []struct {
		name string
		cert *x509.Certificate
		key  crypto.Signer
		want bool
	}{
		{"its own", root.Certificate, root.Key, true},
		{"another", root.Certificate, ecKey(), false},
		{"another kind", root.Certificate, rsa2048(), false},
		{"no key", root.Certificate, nil, false},
		{"no certificate", nil, root.Key, false},
	} {
		if got := SameKey(c.cert, c.key); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
