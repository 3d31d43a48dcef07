package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"

	"go.step.sm/crypto/keyutil"
)

// Algorithm is a kind of key, as the configuration spells it.
type Algorithm string

// The algorithms that flowcert makes keys for.
const (
	RSA     Algorithm = "RSA"
	ECDSA   Algorithm = "ECDSA"
	Ed25519 Algorithm = "Ed25519"
)

// Bounds of RSA keys that flowcert makes. Below 2048 bits NIST SP 800-131A calls
// them disallowed and OpenSSL's security level 2 refuses them; above 8192 a
// handshake costs whole seconds of CPU. Steps of 256 are what HSMs and older JVM
// providers accept.
const (
	minRSABits  = 2048
	maxRSABits  = 8192
	rsaBitsStep = 256
)

// KeySpec says what key to make. The zero value is not valid; there is no default
// here: the configuration has one.
type KeySpec struct {
	Algorithm Algorithm `yaml:"algorithm"`
	// Size is in bits: RSA 2048 to 8192 in steps of 256, ECDSA 256 or 384 (the
	// NIST curves), Ed25519 0.
	Size int `yaml:"size"`
}

// Validate tells what is wrong with a key specification, and what is allowed.
func (s KeySpec) Validate() error {
	switch s.Algorithm {
	case RSA:
		if s.Size < minRSABits || s.Size > maxRSABits || s.Size%rsaBitsStep != 0 {
			return fmt.Errorf("RSA key size %d: want %d to %d bits in steps of %d, such as 2048, 3072 or 4096",
				s.Size, minRSABits, maxRSABits, rsaBitsStep)
		}
	case ECDSA:
		if s.Size != 256 && s.Size != 384 {
			return fmt.Errorf("ECDSA key size %d: want 256 or 384", s.Size)
		}
	case Ed25519:
		if s.Size != 0 {
			return fmt.Errorf("Ed25519 key size %d: an Ed25519 key has one size, leave it out", s.Size)
		}
	case "":
		return errors.New("no key algorithm: want RSA, ECDSA or Ed25519")
	default:
		return fmt.Errorf("key algorithm %q: want RSA, ECDSA or Ed25519", string(s.Algorithm))
	}
	return nil
}

// String is how people write it: "RSA 3072", "ECDSA P-256", "Ed25519".
func (s KeySpec) String() string {
	switch s.Algorithm {
	case ECDSA:
		return "ECDSA P-" + strconv.Itoa(s.Size)
	case Ed25519:
		return string(Ed25519)
	default:
		return string(s.Algorithm) + " " + strconv.Itoa(s.Size)
	}
}

// GenerateKey makes a private key from crypto/rand. RSA takes a while: about 40 ms
// for 2048 bits, 350 ms for 4096; call it in parallel where several are needed.
func GenerateKey(s KeySpec) (crypto.Signer, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	kind, curve := "RSA", ""
	switch s.Algorithm {
	case ECDSA:
		kind, curve = "EC", "P-"+strconv.Itoa(s.Size)
	case Ed25519:
		kind, curve = "OKP", "Ed25519"
	}
	key, err := keyutil.GenerateSigner(kind, curve, s.Size)
	if err != nil {
		return nil, fmt.Errorf("make a key %s: %w", s, err)
	}
	return key, nil
}

// SpecOf describes a public key. A size that [KeySpec.Validate] would refuse, such
// as that of a user's P-521 key, is described all the same; an algorithm that
// flowcert does not know is an error.
func SpecOf(pub crypto.PublicKey) (KeySpec, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if k == nil || k.N == nil {
			return KeySpec{}, errors.New("RSA public key without a modulus")
		}
		return KeySpec{RSA, k.N.BitLen()}, nil
	case *ecdsa.PublicKey:
		if k == nil || k.Curve == nil {
			return KeySpec{}, errors.New("ECDSA public key without a curve")
		}
		return KeySpec{ECDSA, k.Curve.Params().BitSize}, nil
	case ed25519.PublicKey:
		return KeySpec{Ed25519, 0}, nil
	default:
		return KeySpec{}, fmt.Errorf("public key of type %T: want RSA, ECDSA or Ed25519", pub)
	}
}

// SameKey reports whether the certificate is for this private key.
func SameKey(cert *x509.Certificate, key crypto.Signer) bool {
	return cert != nil && key != nil && keyutil.Equal(cert.PublicKey, key.Public())
}
