package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// maxIterations bounds PBKDF2: ten million rounds take a few seconds. OpenSSL writes
// 2048, careful people a million.
const maxIterations = 10_000_000

// errCipher tells how to get a key into a form that is read.
var errCipher = errors.New("encrypted in a way that is not supported; encrypt it anew with openssl pkcs8 -topk8 -v2 aes-256-cbc")

// The structures of RFC 8018 A.2 and A.4, and RFC 5958 section 3.
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2 struct {
		KDF    pkix.AlgorithmIdentifier
		Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// prfs are HMACs with these hashes (RFC 8018 B.1.2); without one it is SHA-1.
var prfs = map[string]func() hash.Hash{
	"":                    sha1.New,
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.13": sha512.New512_256,
	"1.2.840.113549.2.12": sha512.New512_224,
}

type blockCipher struct {
	keySize int
	make    func([]byte) (cipher.Block, error)
}

// ciphers are in CBC mode (RFC 8018 B.2).
var ciphers = map[string]blockCipher{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// decryptPKCS8 opens an ENCRYPTED PRIVATE KEY. It is written here because go.step.sm's
// pemutil panics on a ciphertext that is not whole blocks, and takes every PRF but
// SHA-256 for SHA-1, so that a right passphrase is called wrong.
func decryptPKCS8(der, passphrase []byte) ([]byte, error) {
	var key encryptedKey
	var scheme pbes2
	if err := unmarshalAll(der, &key); err != nil {
		return nil, errors.New("damaged: not an encrypted PKCS #8 key")
	}
	if !key.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errCipher
	}
	if err := unmarshalAll(key.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, errors.New("damaged: its encryption parameters")
	}
	bc, ok := ciphers[scheme.Cipher.Algorithm.String()]
	if !ok {
		return nil, errCipher
	}
	secret, err := deriveKey(scheme.KDF, passphrase, bc.keySize)
	if err != nil {
		return nil, err
	}
	c, err := bc.make(secret)
	if err != nil {
		return nil, fmt.Errorf("decrypt the key: %w", err)
	}
	var iv []byte
	if err := unmarshalAll(scheme.Cipher.Parameters.FullBytes, &iv); err != nil || len(iv) != c.BlockSize() ||
		len(key.Data) == 0 || len(key.Data)%c.BlockSize() != 0 {
		return nil, errors.New("damaged: its ciphertext is not whole blocks")
	}
	out := make([]byte, len(key.Data))
	cipher.NewCBCDecrypter(c, iv).CryptBlocks(out, key.Data)
	return unpad(out, c.BlockSize())
}

func deriveKey(kdf pkix.AlgorithmIdentifier, passphrase []byte, size int) ([]byte, error) {
	if !kdf.Algorithm.Equal(oidPBKDF2) {
		return nil, errCipher
	}
	var p pbkdf2Params
	if err := unmarshalAll(kdf.Parameters.FullBytes, &p); err != nil {
		return nil, errors.New("damaged: its key derivation parameters")
	}
	h, ok := prfs[p.PRF.Algorithm.String()]
	if !ok || p.KeyLength != 0 && p.KeyLength != size {
		return nil, errCipher
	}
	if p.Iterations < 1 || p.Iterations > maxIterations {
		return nil, fmt.Errorf("encrypted with %d PBKDF2 iterations: want 1 to %d", p.Iterations, maxIterations)
	}
	secret, err := pbkdf2.Key(h, string(passphrase), p.Salt, p.Iterations, size)
	if err != nil {
		return nil, fmt.Errorf("derive the key: %w", err)
	}
	return secret, nil
}

// unpad takes off the padding of RFC 8018 6.1.1; a wrong passphrase nearly always
// shows in it.
func unpad(data []byte, size int) ([]byte, error) {
	n := int(data[len(data)-1])
	if n < 1 || n > size {
		return nil, ErrWrongPassphrase
	}
	for _, b := range data[len(data)-n:] {
		if int(b) != n {
			return nil, ErrWrongPassphrase
		}
	}
	return data[:len(data)-n], nil
}

func unmarshalAll(der []byte, v any) error {
	rest, err := asn1.Unmarshal(der, v)
	if err == nil && len(rest) > 0 {
		err = errors.New("trailing bytes")
	}
	return err
}
