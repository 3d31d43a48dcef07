package secrets

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/truststore"
)

// Keys of a Secret's data that do not depend on a format.
const (
	CACert   = "ca.crt"
	TLSCert  = "tls.crt"
	TLSKey   = "tls.key"
	Password = "password"
	// TrustPassword opens the truststore beside a key store; the two differ.
	TrustPassword = "truststore-password"
)

// KeyStoreFile and TrustFile are the data keys, and so the file names, of
// stores: the extension follows the format, because readers go by it.
func KeyStoreFile(f truststore.Format) string { return "keystore." + f.Extension() }

// TrustFile is the truststore's data key; see KeyStoreFile.
func TrustFile(f truststore.Format) string { return "truststore." + f.Extension() }

// ErrNoKey is wrapped where a Secret lacks a data key.
var ErrNoKey = errors.New("no key")

// Get returns one value of the Secret.
func (s *Secret) Get(key string) ([]byte, error) {
	v, ok := s.Data[key]
	if !ok {
		return nil, fmt.Errorf("%s: %w %q", s.Ref, ErrNoKey, key)
	}
	return v, nil
}

// Identity is a private key with the chain that a server presents, leaf first,
// and the roots that go with it.
type Identity struct {
	Key   crypto.Signer
	Chain []*x509.Certificate
	Roots []*x509.Certificate
}

// PutIdentity writes an identity in PEM under the given keys.
func (s *Secret) PutIdentity(id Identity, k deploy.DataKeys) error {
	key, err := pki.EncodeKey(id.Key)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Ref, err)
	}
	s.Data[k.CA] = pki.EncodeCertificates(id.Roots...)
	s.Data[k.Certificate] = pki.EncodeCertificates(id.Chain...)
	s.Data[k.Key] = key
	return nil
}

// Identity reads an identity in PEM.
func (s *Secret) Identity(k deploy.DataKeys) (Identity, error) {
	return s.EncryptedIdentity(k, nil)
}

// EncryptedIdentity reads an identity whose key a passphrase may protect; nil
// stands for none.
func (s *Secret) EncryptedIdentity(k deploy.DataKeys, passphrase []byte) (Identity, error) {
	var id Identity
	var err error
	if id.Roots, err = s.certificates(k.CA); err != nil {
		return id, err
	}
	if id.Chain, err = s.certificates(k.Certificate); err != nil {
		return id, err
	}
	pem, err := s.Get(k.Key)
	if err != nil {
		return id, err
	}
	if id.Key, err = pki.ParseKey(pem, passphrase); err != nil {
		return id, fmt.Errorf("%s: key %q: %w", s.Ref, k.Key, err)
	}
	return id, nil
}

func (s *Secret) certificates(key string) ([]*x509.Certificate, error) {
	pem, err := s.Get(key)
	if err != nil {
		return nil, err
	}
	certs, err := pki.ParseCertificates(pem)
	if err != nil {
		return nil, fmt.Errorf("%s: key %q: %w", s.Ref, key, err)
	}
	return certs, nil
}

// DefaultKeys are the data keys of a kubernetes.io/tls Secret.
var defaultKeys = deploy.DataKeys{CA: CACert, Certificate: TLSCert, Key: TLSKey}

// DefaultKeys returns ca.crt, tls.crt and tls.key.
func DefaultKeys() deploy.DataKeys { return defaultKeys }

// identityAlias names the one private key of a key store.
const identityAlias = "server"

// PutStores writes an identity as a key store and a truststore of one format.
func (s *Secret) PutStores(f truststore.Format, id Identity, keyPassword, trustPassword string) error {
	key, err := truststore.EncodeKey(f, truststore.KeyEntry{Alias: identityAlias, Key: id.Key, Chain: id.Chain}, keyPassword)
	if err != nil {
		return fmt.Errorf("%s: key store: %w", s.Ref, err)
	}
	if err := s.PutTrust(f, RootEntries(id.Roots), trustPassword); err != nil {
		return err
	}
	s.Data[KeyStoreFile(f)] = key
	return nil
}

// RootAlias is the alias of the authority's first root in a truststore.
const RootAlias = "ca"

// RootEntries are truststore entries for the authority's roots.
func RootEntries(roots []*x509.Certificate) []truststore.Entry {
	return truststore.Entries([]truststore.Source{{Name: RootAlias, Certificates: roots}})
}

// PutTrust writes a truststore.
func (s *Secret) PutTrust(f truststore.Format, entries []truststore.Entry, password string) error {
	data, err := truststore.EncodeTrust(f, entries, password)
	if err != nil {
		return fmt.Errorf("%s: truststore: %w", s.Ref, err)
	}
	s.Data[TrustFile(f)] = data
	return nil
}

// Stores reads what PutStores wrote.
func (s *Secret) Stores(f truststore.Format, keyPassword, trustPassword string) (Identity, error) {
	store, err := s.open(KeyStoreFile(f), f, keyPassword)
	if err != nil {
		return Identity{}, err
	}
	if len(store.Keys) != 1 {
		return Identity{}, fmt.Errorf("%s: key %q: holds %d private keys, want one", s.Ref, KeyStoreFile(f), len(store.Keys))
	}
	if len(store.Keys[0].Chain) == 0 {
		return Identity{}, fmt.Errorf("%s: key %q: its private key belongs to none of its certificates", s.Ref, KeyStoreFile(f))
	}
	entries, err := s.Trust(f, trustPassword)
	if err != nil {
		return Identity{}, err
	}
	return Identity{Key: store.Keys[0].Key, Chain: store.Keys[0].Chain, Roots: Certificates(entries)}, nil
}

// Trust reads a truststore.
func (s *Secret) Trust(f truststore.Format, password string) ([]truststore.Entry, error) {
	store, err := s.open(TrustFile(f), f, password)
	if err != nil {
		return nil, err
	}
	return store.Trusted, nil
}

func (s *Secret) open(key string, f truststore.Format, password string) (*truststore.Store, error) {
	data, err := s.Get(key)
	if err != nil {
		return nil, err
	}
	store, err := truststore.Open(data, password)
	if err != nil {
		return nil, fmt.Errorf("%s: key %q: %w", s.Ref, key, err)
	}
	if store.Format != f {
		return nil, fmt.Errorf("%s: key %q: is %s inside, not %s", s.Ref, key, store.Format, f)
	}
	return store, nil
}

// Certificates drops the aliases.
func Certificates(entries []truststore.Entry) []*x509.Certificate {
	out := make([]*x509.Certificate, len(entries))
	for i, e := range entries {
		out[i] = e.Certificate
	}
	return out
}
