package truststore

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode/utf16"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	jksMagic   = []byte{0xfe, 0xed, 0xfe, 0xed}
	jceksMagic = []byte{0xce, 0xce, 0xce, 0xce}
)

const (
	jksKeyTag   = 1
	jksTrustTag = 2

	jksDigestSize = 20 // SHA-1

	// x509Type is how Java names certificates: keystore-go's examples write
	// "X509", which the JDK takes as an alias and others do not.
	x509Type = "X.509"
)

func encodeTrustJKS(entries []Entry, password string) ([]byte, error) {
	store := keystore.New(keystore.WithOrderedAliases())
	for _, e := range entries {
		err := store.SetTrustedCertificateEntry(e.Alias, keystore.TrustedCertificateEntry{
			CreationTime: e.Certificate.NotBefore, // a clock would change the bytes on every run
			Certificate:  keystore.Certificate{Type: x509Type, Content: e.Certificate.Raw},
		})
		if err != nil {
			return nil, fmt.Errorf("alias %q: %w", e.Alias, err)
		}
	}
	return storeJKS(store, password)
}

func encodeKeyJKS(key KeyEntry, password string) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key.Key)
	if err != nil {
		return nil, fmt.Errorf("alias %q: %w", key.Alias, err)
	}
	var chain []keystore.Certificate
	for _, c := range key.Chain {
		chain = append(chain, keystore.Certificate{Type: x509Type, Content: c.Raw})
	}
	store := keystore.New()
	err = store.SetPrivateKeyEntry(key.Alias, keystore.PrivateKeyEntry{
		CreationTime:     key.Chain[0].NotBefore,
		PrivateKey:       der,
		CertificateChain: chain,
	}, []byte(password))
	if err != nil {
		return nil, fmt.Errorf("alias %q: %w", key.Alias, err)
	}
	return storeJKS(store, password)
}

func storeJKS(store keystore.KeyStore, password string) ([]byte, error) {
	var out bytes.Buffer
	if err := store.Store(&out, []byte(password)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// jksEntry is one entry as it stands in the file.
type jksEntry struct {
	tag          uint32
	name         string // as in the file: Java's modified UTF-8
	alias        string
	encryptedKey []byte
	certificates []*x509.Certificate
}

// openJKS reads a JKS store, without its private keys if password is nil.
func openJKS(data []byte, password *string) (*Store, error) {
	entries, err := walkJKS(data)
	if err != nil {
		return nil, err
	}
	unlock := func(jksEntry) (KeyEntry, error) { return KeyEntry{}, nil }
	if password != nil {
		if unlock, err = unlockJKS(data, *password); err != nil {
			return nil, err
		}
	}
	store := &Store{}
	for _, e := range entries {
		if e.tag == jksTrustTag {
			store.Trusted = append(store.Trusted, Entry{Alias: e.alias, Certificate: e.certificates[0]})
			continue
		}
		key, err := unlock(e)
		if err != nil {
			return nil, fmt.Errorf("private key %q: %w", e.alias, err)
		}
		key.Alias, key.Chain = e.alias, e.certificates
		store.Keys = append(store.Keys, key)
	}
	return store, nil
}

// unlockJKS checks the store's digest and returns what decrypts its keys. Only
// call it after walkJKS has proved the structure: keystore-go allocates whatever
// a length field asks for.
func unlockJKS(data []byte, password string) (func(jksEntry) (KeyEntry, error), error) {
	secret, ok := latin1(password)
	if !ok {
		return nil, fmt.Errorf("%w: it has characters outside Latin-1, which is not supported here", ErrPassword)
	}
	store := keystore.New(keystore.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(data), secret); err != nil {
		// The structure is sound, so the digest is what did not match.
		return nil, fmt.Errorf("%w, or the file is damaged", ErrPassword)
	}
	return func(e jksEntry) (KeyEntry, error) {
		if err := checkJKSKey(e.encryptedKey); err != nil {
			return KeyEntry{}, err
		}
		plain, err := store.GetPrivateKeyEntry(e.name, secret)
		if err != nil {
			return KeyEntry{}, fmt.Errorf("%w: the key does not open with the store's password", ErrPassword)
		}
		key, err := parsePKCS8(plain.PrivateKey)
		return KeyEntry{Key: key}, err
	}, nil
}

// latin1 returns one byte for each character, which is what keystore-go widens
// to Java's two.
func latin1(s string) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}

// oidJKSKeyProtector is Sun's proprietary encryption of JKS keys.
var oidJKSKeyProtector = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}

// checkJKSKey refuses what would make keystore-go's decryption panic: a key
// shorter than its salt and digest.
func checkJKSKey(der []byte) error {
	var sequence, key cryptobyte.String
	var oid asn1.ObjectIdentifier
	input := cryptobyte.String(der)
	ok := input.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) && input.Empty()
	ok = ok && readAlgorithm(&sequence, &oid, nil)
	ok = ok && sequence.ReadASN1(&key, cryptobyteasn1.OCTET_STRING) && sequence.Empty()
	switch {
	case !ok:
		return errors.New("its encryption is malformed")
	case !oid.Equal(oidJKSKeyProtector):
		return fmt.Errorf("unsupported encryption algorithm %s", oid)
	case len(key) < 2*jksDigestSize:
		return errors.New("it is too short")
	}
	return nil
}

// walkJKS reads the structure of a JKS file (OpenJDK, JavaKeyStore.java) and its
// certificates. It allocates no more than the file is long.
func walkJKS(data []byte) ([]jksEntry, error) {
	s := cryptobyte.String(data)
	var magic []byte
	var version, count uint32
	if !s.ReadBytes(&magic, len(jksMagic)) || !s.ReadUint32(&version) || !s.ReadUint32(&count) {
		return nil, errCutOff
	}
	if version != 1 && version != 2 {
		return nil, fmt.Errorf("unknown version %d", version)
	}
	var entries []jksEntry
	seen := map[string]bool{}
	for range count {
		e, err := readJKSEntry(&s, version)
		if err != nil {
			return nil, fmt.Errorf("entry %d of %d: %w", len(entries)+1, count, err)
		}
		if seen[e.name] {
			return nil, fmt.Errorf("two entries have the alias %q", e.alias)
		}
		seen[e.name] = true
		entries = append(entries, e)
	}
	switch {
	case len(s) < jksDigestSize:
		return nil, errCutOff
	case len(s) > jksDigestSize:
		return nil, fmt.Errorf("%d bytes follow the end of the store", len(s)-jksDigestSize)
	}
	return entries, nil
}

var errCutOff = errors.New("the file is cut off or damaged")

func readJKSEntry(s *cryptobyte.String, version uint32) (jksEntry, error) {
	var e jksEntry
	var name cryptobyte.String
	var created uint64
	if !s.ReadUint32(&e.tag) || !s.ReadUint16LengthPrefixed(&name) || !s.ReadUint64(&created) {
		return e, errCutOff
	}
	e.name = string(name)
	var err error
	if e.alias, err = decodeModifiedUTF8(name); err != nil {
		return e, err
	}
	count := uint32(1)
	switch e.tag {
	case jksTrustTag:
	case jksKeyTag:
		if !readUint32Prefixed(s, &e.encryptedKey) || !s.ReadUint32(&count) {
			return e, errCutOff
		}
	default:
		return e, fmt.Errorf("unknown kind of entry %d", e.tag)
	}
	for range count {
		c, err := readJKSCertificate(s, version, e.alias)
		if err != nil {
			return e, err
		}
		e.certificates = append(e.certificates, c)
	}
	return e, nil
}

func readJKSCertificate(s *cryptobyte.String, version uint32, alias string) (*x509.Certificate, error) {
	kind := cryptobyte.String(x509Type)
	if version == 2 && !s.ReadUint16LengthPrefixed(&kind) {
		return nil, errCutOff
	}
	var der []byte
	if !readUint32Prefixed(s, &der) {
		return nil, errCutOff
	}
	if k := string(kind); k != x509Type && k != "X509" {
		return nil, fmt.Errorf("entry %q: its certificate is of the unknown kind %q", alias, k)
	}
	return parseCertificate(der, alias)
}

// readUint32Prefixed reads a 32-bit length and as many bytes, without a copy.
func readUint32Prefixed(s *cryptobyte.String, out *[]byte) bool {
	var length uint32
	return s.ReadUint32(&length) && s.ReadBytes(out, int(length))
}

// decodeModifiedUTF8 decodes what Java's DataOutput.writeUTF writes: U+0000 in
// two bytes, and characters beyond U+FFFF as two surrogates of three bytes each.
func decodeModifiedUTF8(in []byte) (string, error) {
	var units []uint16
	for i := 0; i < len(in); {
		b := in[i]
		size := 1
		switch {
		case b&0x80 == 0:
			units = append(units, uint16(b))
		case b&0xe0 == 0xc0 && continues(in[i+1:], 1):
			size = 2
			units = append(units, uint16(b&0x1f)<<6|uint16(in[i+1]&0x3f))
		case b&0xf0 == 0xe0 && continues(in[i+1:], 2):
			size = 3
			units = append(units, uint16(b&0x0f)<<12|uint16(in[i+1]&0x3f)<<6|uint16(in[i+2]&0x3f))
		default:
			return "", errors.New("its alias is not in Java's modified UTF-8, so Java does not read this file")
		}
		i += size
	}
	return string(utf16.Decode(units)), nil
}

// continues reports whether in starts with n continuation bytes.
func continues(in []byte, n int) bool {
	if len(in) < n {
		return false
	}
	for _, b := range in[:n] {
		if b&0xc0 != 0x80 {
			return false
		}
	}
	return true
}
