package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"go.step.sm/crypto/pemutil"
)

// Bounds of what is parsed as a key. RSA with 16384 bits takes 12 KB of PEM; larger
// ones take minutes to check.
const (
	maxKeyPEM  = 64 << 10
	maxKeyDER  = 16 << 10
	maxKeyBits = 16384
)

// Errors of [ParseKey] that callers tell apart.
var (
	ErrNoKey             = errors.New("holds no private key")
	ErrPassphraseMissing = errors.New("the key is encrypted and needs a passphrase")
	ErrWrongPassphrase   = errors.New("wrong passphrase, or a damaged key")
)

// ParseKey reads exactly one private key in PEM: PKCS #8, plain or encrypted (PBES2
// with PBKDF2), PKCS #1, SEC1 (an EC PARAMETERS block may stand before it), the
// latter two also with OpenSSL's old encryption. passphrase is used as it is, line
// ends included, and ignored where the key is not encrypted. RSA below 2048 bits
// and keys that are not RSA, ECDSA (P-256, P-384, P-521) or Ed25519 are refused.
func ParseKey(data []byte, passphrase []byte) (crypto.Signer, error) {
	b, err := oneKey(data)
	if err != nil {
		return nil, err
	}
	der, err := decrypt(b, passphrase)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", b.line, err)
	}
	encrypted := isEncrypted(b)
	key, err := parseKeyDER(b.Type, der)
	if err != nil && encrypted {
		// Padding shows a wrong passphrase only in 255 of 256 cases.
		return nil, fmt.Errorf("line %d: %w", b.line, ErrWrongPassphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", b.line, err)
	}
	return key, nil
}

// oneKey finds the only key among the blocks, and refuses what else there is.
func oneKey(data []byte) (block, error) {
	if len(data) > maxKeyPEM {
		return block{}, fmt.Errorf("%d bytes, at most %d are read for a key", len(data), maxKeyPEM)
	}
	if isDER(data) || looksLikeKey(data) {
		return block{}, fmt.Errorf("%w in PEM: it is DER or a store; convert it with openssl pkey -inform DER", ErrNoKey)
	}
	blocks, err := scanPEM(data)
	if errors.Is(err, ErrNoCertificate) {
		return block{}, fmt.Errorf("%w in PEM: it is not text", ErrNoKey)
	}
	if err != nil {
		return block{}, err
	}
	var keys []block
	for _, b := range blocks {
		switch {
		case b.isPrivateKey():
			keys = append(keys, b)
		case b.Type == "EC PARAMETERS":
		default:
			return block{}, fmt.Errorf("line %d: a %q block where only a private key belongs", b.line, shorten(b.Type))
		}
	}
	switch len(keys) {
	case 0:
		return block{}, ErrNoKey
	case 1:
		return keys[0], nil
	default:
		return block{}, fmt.Errorf("holds %d private keys, want one", len(keys))
	}
}

func isEncrypted(b block) bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["Proc-Type"] == "4,ENCRYPTED"
}

func decrypt(b block, passphrase []byte) ([]byte, error) {
	switch {
	case !isEncrypted(b):
		return b.Bytes, nil
	case len(passphrase) == 0:
		return nil, ErrPassphraseMissing
	case b.Type == "ENCRYPTED PRIVATE KEY":
		return decryptPKCS8(b.Bytes, passphrase)
	}
	der, err := pemutil.DecryptPEMBlock(b.Block, passphrase)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, ErrWrongPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt the key: %w", plain(err))
	}
	return der, nil
}

func parseKeyDER(kind string, der []byte) (crypto.Signer, error) {
	if len(der) > maxKeyDER {
		return nil, fmt.Errorf("a key of %d bytes, at most %d are read", len(der), maxKeyDER)
	}
	var key any
	var err error
	switch kind {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(der)
	case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(der)
	default:
		return nil, fmt.Errorf("a %q block; convert it with openssl pkey or ssh-keygen -m PKCS8", shorten(kind))
	}
	if err != nil {
		return nil, fmt.Errorf("damaged or unknown key: %w", plain(err))
	}
	return signer(key)
}

func signer(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if n := k.N.BitLen(); n < minRSABits || n > maxKeyBits {
			return nil, fmt.Errorf("RSA key of %d bits: want %d to %d", n, minRSABits, maxKeyBits)
		}
		return k, nil
	case *ecdsa.PrivateKey:
		if k.Curve.Params().BitSize < 256 {
			return nil, fmt.Errorf("ECDSA key on %s: want P-256 or larger", k.Curve.Params().Name)
		}
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	default:
		return nil, errors.New("not a key that signs: want RSA, ECDSA or Ed25519")
	}
}

// EncodeKey writes a key as an unencrypted PKCS #8 "PRIVATE KEY" block, which OpenSSL,
// Java and PostgreSQL all read.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key of type %T: %w", key, plain(err))
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
