package truststore

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// go-pkcs12 decodes neither friendly names nor a second private key, so PKCS12
// (RFC 7292) is read here; the tests compare with go-pkcs12 where it can.

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}

	oidKeyBag          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedKeyBag  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidSafeContentsBag = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 6}
	oidX509Certificate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}

	oidFriendlyName = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	oidLocalKeyID   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21}
	// oidJavaTrust marks a trusted certificate (OpenJDK, PKCS12KeyStore.java).
	oidJavaTrust = asn1.ObjectIdentifier{2, 16, 840, 1, 113894, 746875, 1, 1}
)

var (
	explicit0   = cryptobyteasn1.Tag(0).ContextSpecific().Constructed()
	implicit0   = cryptobyteasn1.Tag(0).ContextSpecific()
	bmpString   = cryptobyteasn1.Tag(30)
	errNotDER   = errors.New("the file is cut off, damaged or not in DER (for BER: openssl pkcs12 -in FILE -nodes | openssl pkcs12 -export)")
	errNoSecret = fmt.Errorf("%w: the file is encrypted, and none is given", ErrPassword)
)

// looksLikePKCS12 reports whether data starts with a sequence whose first
// element is version 3. A length in BER's indefinite form counts: openPKCS12
// gives the better error.
func looksLikePKCS12(data []byte) bool {
	if len(data) < 2 || data[0] != 0x30 {
		return false
	}
	skip := 2
	if n := int(data[1]); n > 0x80 && n <= 0x84 {
		skip += n & 0x7f
	}
	return len(data) > skip && bytes.HasPrefix(data[skip:], []byte{2, 1, 3})
}

// pfx is the outer structure of a PKCS12 file.
type pfx struct {
	authSafe cryptobyte.String // what the checksum covers
	mac      cryptobyte.String // empty if there is none
}

func parsePFX(data []byte) (pfx, error) {
	var p pfx
	var sequence cryptobyte.String
	var version int
	input := cryptobyte.String(data)
	if !input.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) {
		return p, errNotDER
	}
	if !input.Empty() {
		return p, fmt.Errorf("%d bytes follow the end of the store", len(input))
	}
	if !sequence.ReadASN1Integer(&version) || version != 3 {
		return p, errNotDER
	}
	oid, content, ok := readContentInfo(&sequence)
	if !ok {
		return p, errNotDER
	}
	if !oid.Equal(oidData) {
		return p, fmt.Errorf("a file that is signed instead of having a password (content type %s) is not supported", oid)
	}
	if !content.ReadASN1(&p.authSafe, cryptobyteasn1.OCTET_STRING) || !content.Empty() {
		return p, errNotDER
	}
	var present bool
	if !sequence.ReadOptionalASN1(&p.mac, &present, cryptobyteasn1.SEQUENCE) || !sequence.Empty() {
		return p, errNotDER
	}
	return p, nil
}

// readContentInfo reads SEQUENCE { OID, [0] content }.
func readContentInfo(s *cryptobyte.String) (oid asn1.ObjectIdentifier, content cryptobyte.String, ok bool) {
	var sequence cryptobyte.String
	ok = s.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) &&
		sequence.ReadASN1ObjectIdentifier(&oid) &&
		sequence.ReadASN1(&content, explicit0) && sequence.Empty()
	return oid, content, ok
}

// bag is one certificate or private key and its attributes.
type bag struct {
	certificate *x509.Certificate // nil for a key
	key         foundKey
	alias       string // in lower case, as Java keeps it
	keyID       []byte
	trusted     bool
}

// bagReader collects the bags of a file.
type bagReader struct {
	unlock  *unlocker // nil without password
	bags    []bag
	unnamed int
}

// openPKCS12 reads a PKCS12 file, without what is encrypted if password is nil.
func openPKCS12(data []byte, password *string) (*Store, error) {
	p, err := parsePFX(data)
	if err != nil {
		return nil, err
	}
	r := &bagReader{}
	if password != nil {
		r.unlock = newUnlocker(*password)
		if len(p.mac) > 0 {
			if err := r.unlock.verify(p.mac, p.authSafe); err != nil {
				return nil, err
			}
		}
	}
	if err := r.readSafe(p.authSafe); err != nil {
		return nil, err
	}
	return r.store(), nil
}

// readSafe reads the AuthenticatedSafe: a sequence of contents, each plain or
// encrypted.
func (r *bagReader) readSafe(der cryptobyte.String) error {
	var contents cryptobyte.String
	if !der.ReadASN1(&contents, cryptobyteasn1.SEQUENCE) || !der.Empty() {
		return errNotDER
	}
	for !contents.Empty() {
		oid, content, ok := readContentInfo(&contents)
		if !ok {
			return errNotDER
		}
		var plain cryptobyte.String
		switch {
		case oid.Equal(oidData):
			if !content.ReadASN1(&plain, cryptobyteasn1.OCTET_STRING) || !content.Empty() {
				return errNotDER
			}
		case oid.Equal(oidEncryptedData):
			var err error
			if plain, err = r.decryptContent(content); err != nil {
				return err
			}
		default:
			return fmt.Errorf("content of the type %s is not supported", oid)
		}
		if err := r.readBags(plain); err != nil {
			return err
		}
	}
	return nil
}

// decryptContent decrypts an EncryptedData (RFC 2315, section 13).
func (r *bagReader) decryptContent(content cryptobyte.String) (cryptobyte.String, error) {
	if r.unlock == nil {
		return nil, errNoSecret
	}
	var data, info, ciphertext, parameters cryptobyte.String
	var version int
	var kind, algorithm asn1.ObjectIdentifier
	ok := content.ReadASN1(&data, cryptobyteasn1.SEQUENCE) && content.Empty() &&
		data.ReadASN1Integer(&version) && version == 0 &&
		data.ReadASN1(&info, cryptobyteasn1.SEQUENCE) &&
		info.ReadASN1ObjectIdentifier(&kind) && kind.Equal(oidData) &&
		readAlgorithm(&info, &algorithm, &parameters) &&
		info.ReadASN1(&ciphertext, implicit0) && info.Empty()
	if !ok {
		return nil, errNotDER
	}
	plain, err := r.unlock.decrypt(algorithm, parameters, ciphertext)
	return plain, err
}

// readBags reads a SafeContents.
func (r *bagReader) readBags(der cryptobyte.String) error {
	var bags cryptobyte.String
	if !der.ReadASN1(&bags, cryptobyteasn1.SEQUENCE) || !der.Empty() {
		return errNotDER
	}
	for !bags.Empty() {
		if err := r.readBag(&bags); err != nil {
			return err
		}
	}
	return nil
}

// readBag reads one SafeBag. CRLs and secret keys are passed over.
func (r *bagReader) readBag(s *cryptobyte.String) error {
	var sequence, value, attributes cryptobyte.String
	var kind asn1.ObjectIdentifier
	var present bool
	ok := s.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) &&
		sequence.ReadASN1ObjectIdentifier(&kind) &&
		sequence.ReadASN1(&value, explicit0) &&
		sequence.ReadOptionalASN1(&attributes, &present, cryptobyteasn1.SET) && sequence.Empty()
	if !ok {
		return errNotDER
	}
	b := bag{}
	name, err := b.readAttributes(attributes)
	if err != nil {
		return err
	}
	b.alias = strings.ToLower(name)
	if kind.Equal(oidSafeContentsBag) {
		return errors.New("safe contents inside safe contents are not supported")
	}
	isKey := kind.Equal(oidKeyBag) || kind.Equal(oidShroudedKeyBag)
	if !isKey && !kind.Equal(oidCertBag) {
		return nil
	}
	if name == "" && (isKey || b.trusted) {
		r.unnamed++
		b.alias = strconv.Itoa(r.unnamed)
	}
	switch {
	case kind.Equal(oidCertBag):
		b.certificate, err = readCertBag(value, b.alias)
	case kind.Equal(oidKeyBag):
		b.key.key, err = parsePKCS8(value)
	case r.unlock != nil:
		b.key.key, err = r.unlock.key(value)
	}
	if err != nil {
		if isKey {
			err = fmt.Errorf("private key %q: %w", b.alias, err)
		}
		return err
	}
	r.bags = append(r.bags, b)
	return nil
}

// readAttributes takes what matters to Java from a set of attributes and returns
// the friendly name.
func (b *bag) readAttributes(set cryptobyte.String) (name string, err error) {
	for !set.Empty() {
		var attribute, values cryptobyte.String
		var kind asn1.ObjectIdentifier
		ok := set.ReadASN1(&attribute, cryptobyteasn1.SEQUENCE) &&
			attribute.ReadASN1ObjectIdentifier(&kind) &&
			attribute.ReadASN1(&values, cryptobyteasn1.SET) && attribute.Empty()
		if !ok {
			return "", errNotDER
		}
		var value cryptobyte.String
		switch {
		case kind.Equal(oidFriendlyName):
			if !values.ReadASN1(&value, bmpString) || len(value)%2 != 0 {
				return "", errors.New("a friendly name is malformed")
			}
			name = decodeBMP(value)
		case kind.Equal(oidLocalKeyID):
			if !values.ReadASN1(&value, cryptobyteasn1.OCTET_STRING) {
				return "", errors.New("a local key ID is malformed")
			}
			b.keyID = value
		case kind.Equal(oidJavaTrust):
			b.trusted = true
		}
	}
	return name, nil
}

func readCertBag(value cryptobyte.String, alias string) (*x509.Certificate, error) {
	var sequence, content, der cryptobyte.String
	var kind asn1.ObjectIdentifier
	ok := value.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) && value.Empty() &&
		sequence.ReadASN1ObjectIdentifier(&kind) &&
		sequence.ReadASN1(&content, explicit0) && sequence.Empty() &&
		content.ReadASN1(&der, cryptobyteasn1.OCTET_STRING) && content.Empty()
	if !ok {
		return nil, errNotDER
	}
	if !kind.Equal(oidX509Certificate) {
		return nil, fmt.Errorf("entry %q: its certificate is of the unknown kind %s", alias, kind)
	}
	return parseCertificate(der, alias)
}

// store sorts the bags into what a JVM makes of them.
func (r *bagReader) store() *Store {
	var certificates []*x509.Certificate
	last := map[string]*x509.Certificate{} // the trusted certificate that an alias ends up with
	for _, b := range r.bags {
		if b.certificate != nil {
			certificates = append(certificates, b.certificate)
			if b.trusted {
				last[b.alias] = b.certificate
			}
		}
	}
	store := &Store{}
	used := map[*x509.Certificate]bool{}
	for _, b := range r.bags {
		if b.certificate != nil {
			continue
		}
		b.key.leaf = r.namedLeaf(b)
		chain := b.key.chain(certificates)
		for _, c := range chain {
			used[c] = true
		}
		store.Keys = append(store.Keys, KeyEntry{Alias: b.alias, Key: b.key.key, Chain: chain})
	}
	for _, b := range r.bags {
		switch c := b.certificate; {
		case c == nil:
		case b.trusted && last[b.alias] == c:
			store.Trusted = append(store.Trusted, Entry{Alias: b.alias, Certificate: c})
		case b.trusted || !used[c]:
			store.Unlisted = append(store.Unlisted, Entry{Alias: b.alias, Certificate: c})
		}
	}
	return store
}

// namedLeaf returns the certificate that the file gives to a key, by local key
// ID, or nil.
func (r *bagReader) namedLeaf(key bag) *x509.Certificate {
	i := slices.IndexFunc(r.bags, func(b bag) bool {
		return b.certificate != nil && len(key.keyID) > 0 && bytes.Equal(b.keyID, key.keyID)
	})
	if i < 0 {
		return nil
	}
	return r.bags[i].certificate
}

// decodeBMP decodes a BMPString of even length, without the zero that some tools
// put at its end.
func decodeBMP(b []byte) string {
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		units = append(units, uint16(b[i])<<8|uint16(b[i+1]))
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
}

// readAlgorithm reads an AlgorithmIdentifier. Parameters may be nil.
func readAlgorithm(s *cryptobyte.String, oid *asn1.ObjectIdentifier, parameters *cryptobyte.String) bool {
	var sequence cryptobyte.String
	if !s.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) || !sequence.ReadASN1ObjectIdentifier(oid) {
		return false
	}
	if parameters != nil {
		*parameters = sequence
	}
	return true
}
