package truststore

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// maxIterations bounds the rounds of key derivation that one file may ask
	// for, in all: what the JDK allows for a single one (PKCS12KeyStore,
	// MAX_ITERATION_COUNT). That is seconds; a hostile file could ask for hours.
	maxIterations = 5_000_000

	maxSalt = 1024
)

var (
	oidPBMAC1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// digests are the hashes of the checksum, by their own OID.
var digests = map[string]func() hash.Hash{
	"1.3.14.3.2.26":          sha1.New,
	"2.16.840.1.101.3.4.2.4": sha256.New224,
	"2.16.840.1.101.3.4.2.1": sha256.New,
	"2.16.840.1.101.3.4.2.2": sha512.New384,
	"2.16.840.1.101.3.4.2.3": sha512.New,
}

// prfs are the hashes of PBKDF2 and PBMAC1, by the OID of their HMAC.
var prfs = map[string]func() hash.Hash{
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

// blockCipher is a cipher in CBC mode and the length of its key in bytes.
type blockCipher struct {
	keySize   int
	blockSize int
	make      func(key []byte) (cipher.Block, error)
}

// pbes2Ciphers are the ciphers of PBES2 (RFC 8018, appendix B.2).
var pbes2Ciphers = map[string]blockCipher{
	"2.16.840.1.101.3.4.1.2":  {16, aes.BlockSize, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.BlockSize, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.BlockSize, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.BlockSize, des.NewTripleDESCipher},
}

// pkcs12Ciphers are the old ciphers with SHA-1 (RFC 7292, appendix C) that Java
// wrote before 8u301, 11.0.12 and 17, and OpenSSL before 3.0.
var pkcs12Ciphers = map[string]blockCipher{
	"1.2.840.113549.1.12.1.3": {24, des.BlockSize, des.NewTripleDESCipher},
	"1.2.840.113549.1.12.1.5": {16, rc2BlockSize, newRC2},
	"1.2.840.113549.1.12.1.6": {5, rc2BlockSize, newRC2},
}

// unlocker holds the password of one file, and how much work it still accepts.
type unlocker struct {
	password   string // as PBES2 and PBMAC1 take it
	bmp        []byte // as the older algorithms take it (RFC 7292, appendix B.1)
	iterations int    // left
}

func newUnlocker(password string) *unlocker {
	u := &unlocker{password: password, iterations: maxIterations}
	for _, unit := range utf16.Encode([]rune(password)) {
		u.bmp = append(u.bmp, byte(unit>>8), byte(unit))
	}
	u.bmp = append(u.bmp, 0, 0)
	return u
}

func (u *unlocker) spend(iterations int) error {
	if iterations < 1 {
		return errors.New("its key derivation has no iterations")
	}
	if iterations > u.iterations {
		return fmt.Errorf("its key derivation takes over %d iterations in all", maxIterations)
	}
	u.iterations -= iterations
	return nil
}

// verify checks the file's checksum, and with it the password.
func (u *unlocker) verify(mac, message cryptobyte.String) error {
	var info, parameters, want, salt cryptobyte.String
	var algorithm asn1.ObjectIdentifier
	iterations := 1
	ok := mac.ReadASN1(&info, cryptobyteasn1.SEQUENCE) &&
		readAlgorithm(&info, &algorithm, &parameters) &&
		info.ReadASN1(&want, cryptobyteasn1.OCTET_STRING) && info.Empty() &&
		mac.ReadASN1(&salt, cryptobyteasn1.OCTET_STRING) &&
		(mac.Empty() || mac.ReadASN1Integer(&iterations)) && mac.Empty()
	if !ok {
		return errNotDER
	}
	if algorithm.Equal(oidPBMAC1) {
		return u.verifyPBMAC1(parameters, message, want)
	}
	newHash := digests[algorithm.String()]
	if newHash == nil {
		return fmt.Errorf("unsupported checksum algorithm %s", algorithm)
	}
	if err := u.derivable(salt, iterations); err != nil {
		return err
	}
	check := func() bool {
		key := pkcs12Key(newHash, forMAC, u.bmp, salt, iterations, newHash().Size())
		return sameMAC(newHash, key, message, want)
	}
	if check() {
		return nil
	}
	if u.password == "" {
		// Some tools take the empty password for no bytes at all.
		u.bmp = nil
		if check() {
			return nil
		}
	}
	return fmt.Errorf("%w, or the file is damaged", ErrPassword)
}

// verifyPBMAC1 checks the checksum of RFC 9579, which OpenSSL 3.4 and Java 26 can
// write. A shorter key than 20 bytes would let anybody forge it (section 9).
func (u *unlocker) verifyPBMAC1(parameters, message, want cryptobyte.String) error {
	var sequence, kdfParameters cryptobyte.String
	var kdf, mac asn1.ObjectIdentifier
	ok := parameters.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) &&
		readAlgorithm(&sequence, &kdf, &kdfParameters) &&
		readAlgorithm(&sequence, &mac, nil) && sequence.Empty()
	if !ok {
		return errNotDER
	}
	newHash := prfs[mac.String()]
	if newHash == nil {
		return fmt.Errorf("unsupported checksum algorithm %s", mac)
	}
	p, err := parsePBKDF2(kdf, kdfParameters)
	if err != nil {
		return err
	}
	if p.keySize < 20 || p.keySize > sha512.Size {
		return fmt.Errorf("a checksum with a key of %d bytes is refused", p.keySize)
	}
	key, err := u.pbkdf2(p, p.keySize)
	if err != nil {
		return err
	}
	if !sameMAC(newHash, key, message, want) {
		return fmt.Errorf("%w, or the file is damaged", ErrPassword)
	}
	return nil
}

func sameMAC(newHash func() hash.Hash, key, message, want []byte) bool {
	m := hmac.New(newHash, key)
	m.Write(message)
	return hmac.Equal(m.Sum(nil), want)
}

// key decrypts an EncryptedPrivateKeyInfo (RFC 5958, section 3).
func (u *unlocker) key(der []byte) (crypto.Signer, error) {
	var sequence, ciphertext, parameters cryptobyte.String
	var algorithm asn1.ObjectIdentifier
	input := cryptobyte.String(der)
	ok := input.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) && input.Empty() &&
		readAlgorithm(&sequence, &algorithm, &parameters) &&
		sequence.ReadASN1(&ciphertext, cryptobyteasn1.OCTET_STRING) && sequence.Empty()
	if !ok {
		return nil, errors.New("its encryption is malformed")
	}
	plain, err := u.decrypt(algorithm, parameters, ciphertext)
	if err != nil {
		return nil, err
	}
	return parsePKCS8(plain)
}

// decrypt decrypts what must be one DER sequence, as bags and private keys are.
// Where the file has no checksum, its padding and its structure are all that
// shows a wrong password; the padding alone fits by chance once in 256 times.
func (u *unlocker) decrypt(algorithm asn1.ObjectIdentifier, parameters cryptobyte.String, ciphertext []byte) ([]byte, error) {
	plain, err := u.decryptBytes(algorithm, parameters, ciphertext)
	if err != nil {
		return nil, err
	}
	input := cryptobyte.String(plain)
	if !input.SkipASN1(cryptobyteasn1.SEQUENCE) || !input.Empty() {
		return nil, errNonsense
	}
	return plain, nil
}

var errNonsense = fmt.Errorf("%w: what it decrypts to makes no sense", ErrPassword)

// decryptBytes decrypts with PBES2 or an old PKCS12 algorithm.
func (u *unlocker) decryptBytes(algorithm asn1.ObjectIdentifier, parameters cryptobyte.String, ciphertext []byte) ([]byte, error) {
	if algorithm.Equal(oidPBES2) {
		return u.decryptPBES2(parameters, ciphertext)
	}
	c, ok := pkcs12Ciphers[algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("unsupported encryption algorithm %s", algorithm)
	}
	var sequence, salt cryptobyte.String
	var iterations int
	ok = parameters.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) &&
		sequence.ReadASN1(&salt, cryptobyteasn1.OCTET_STRING) &&
		sequence.ReadASN1Integer(&iterations) && sequence.Empty()
	if !ok {
		return nil, errNotDER
	}
	if err := u.derivable(salt, iterations); err != nil {
		return nil, err
	}
	key := pkcs12Key(sha1.New, forKey, u.bmp, salt, iterations, c.keySize)
	iv := pkcs12Key(sha1.New, forIV, u.bmp, salt, iterations, c.blockSize)
	return c.decrypt(key, iv, ciphertext)
}

func (u *unlocker) decryptPBES2(parameters cryptobyte.String, ciphertext []byte) ([]byte, error) {
	var sequence, kdfParameters, cipherParameters, iv cryptobyte.String
	var kdf, algorithm asn1.ObjectIdentifier
	ok := parameters.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) &&
		readAlgorithm(&sequence, &kdf, &kdfParameters) &&
		readAlgorithm(&sequence, &algorithm, &cipherParameters) && sequence.Empty()
	if !ok {
		return nil, errNotDER
	}
	c, known := pbes2Ciphers[algorithm.String()]
	if !known {
		return nil, fmt.Errorf("unsupported encryption algorithm %s", algorithm)
	}
	if !cipherParameters.ReadASN1(&iv, cryptobyteasn1.OCTET_STRING) || len(iv) != c.blockSize {
		return nil, errNotDER
	}
	p, err := parsePBKDF2(kdf, kdfParameters)
	if err != nil {
		return nil, err
	}
	if p.keySize != 0 && p.keySize != c.keySize {
		return nil, errNotDER
	}
	key, err := u.pbkdf2(p, c.keySize)
	if err != nil {
		return nil, err
	}
	return c.decrypt(key, iv, ciphertext)
}

// pbkdf2Parameters are PBKDF2-params (RFC 8018, appendix A.2).
type pbkdf2Parameters struct {
	salt       cryptobyte.String
	iterations int
	keySize    int // 0 if absent
	prf        func() hash.Hash
}

func parsePBKDF2(kdf asn1.ObjectIdentifier, parameters cryptobyte.String) (pbkdf2Parameters, error) {
	p := pbkdf2Parameters{prf: sha1.New}
	if !kdf.Equal(oidPBKDF2) {
		return p, fmt.Errorf("unsupported key derivation %s", kdf)
	}
	var sequence cryptobyte.String
	ok := parameters.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) &&
		sequence.ReadASN1(&p.salt, cryptobyteasn1.OCTET_STRING) &&
		sequence.ReadASN1Integer(&p.iterations)
	if ok && sequence.PeekASN1Tag(cryptobyteasn1.INTEGER) {
		ok = sequence.ReadASN1Integer(&p.keySize)
	}
	if ok && !sequence.Empty() {
		var prf asn1.ObjectIdentifier
		ok = readAlgorithm(&sequence, &prf, nil) && sequence.Empty()
		if p.prf = prfs[prf.String()]; ok && p.prf == nil {
			return p, fmt.Errorf("unsupported key derivation with %s", prf)
		}
	}
	if !ok {
		return p, errNotDER
	}
	return p, nil
}

func (u *unlocker) pbkdf2(p pbkdf2Parameters, size int) ([]byte, error) {
	if err := u.derivable(p.salt, p.iterations); err != nil {
		return nil, err
	}
	return pbkdf2.Key(p.prf, u.password, p.salt, p.iterations, size)
}

func (u *unlocker) derivable(salt []byte, iterations int) error {
	if len(salt) > maxSalt {
		return fmt.Errorf("its salt of %d bytes is too long", len(salt))
	}
	return u.spend(iterations)
}

// decrypt decrypts and removes the padding (RFC 8018, section 6.1.1).
func (c blockCipher) decrypt(key, iv, ciphertext []byte) ([]byte, error) {
	if len(ciphertext) == 0 || len(ciphertext)%c.blockSize != 0 {
		return nil, errNotDER
	}
	block, err := c.make(key)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, ciphertext)
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > c.blockSize ||
		!bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, errNonsense
	}
	return plain[:len(plain)-padding], nil
}

// What a key of pkcs12Key is for (RFC 7292, appendix B.3).
const (
	forKey = 1
	forIV  = 2
	forMAC = 3
)

// pkcs12Key derives a key as RFC 7292, appendix B.2 has it; the names are the
// RFC's.
func pkcs12Key(newHash func() hash.Hash, id byte, password, salt []byte, iterations, size int) []byte {
	h := newHash()
	v := h.BlockSize()
	d := bytes.Repeat([]byte{id}, v)
	i := append(fill(salt, v), fill(password, v)...)
	var key []byte
	for {
		h.Reset()
		h.Write(d)
		h.Write(i)
		a := h.Sum(nil)
		for range iterations - 1 {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		key = append(key, a...)
		if len(key) >= size {
			return key[:size]
		}
		b := fill(a, v)[:v]
		for j := 0; j < len(i); j += v {
			addOne(i[j:j+v], b)
		}
	}
}

// fill repeats b up to the next multiple of v bytes.
func fill(b []byte, v int) []byte {
	if len(b) == 0 {
		return nil
	}
	size := (len(b) + v - 1) / v * v
	return bytes.Repeat(b, size/len(b)+1)[:size]
}

// addOne sets x to x + b + 1, both big-endian and of one length, without carry
// out.
func addOne(x, b []byte) {
	carry := 1
	for k := len(x) - 1; k >= 0; k-- {
		carry += int(x[k]) + int(b[k])
		x[k] = byte(carry)
		carry >>= 8
	}
}
