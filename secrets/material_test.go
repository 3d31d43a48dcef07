package secrets

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/truststore"
)

func identity(t *testing.T) Identity {
	t.Helper()
	spec := pki.KeySpec{Algorithm: pki.ECDSA, Size: 256}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rootKey, err := pki.GenerateKey(spec)
	if err != nil {
		t.Fatal(err)
	}
	root, err := pki.NewRoot(pki.RootRequest{Subject: pki.Subject{CommonName: "root"}, Key: rootKey, NotBefore: start, NotAfter: start.AddDate(10, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.GenerateKey(spec)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := pki.NewLeaf(pki.Issuer{Certificate: root, Key: rootKey}, pki.LeafRequest{
		CommonName: "a", DNSNames: []string{"a"}, Server: true, Key: key, NotBefore: start, NotAfter: start.AddDate(1, 0, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	return Identity{Key: key, Chain: []*x509.Certificate{leaf}, Roots: []*x509.Certificate{root}}
}

func sameIdentity(t *testing.T, got, want Identity) {
	t.Helper()
	if !pki.SameKey(want.Chain[0], got.Key) || !got.Chain[0].Equal(want.Chain[0]) || !got.Roots[0].Equal(want.Roots[0]) || len(got.Chain) != 1 || len(got.Roots) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestIdentity(t *testing.T) {
	id, keys := identity(t), deploy.DataKeys{CA: "my-ca", Certificate: "my-crt", Key: "my-key"}
	s := newSecret("a", RoleCertificate)
	if err := s.PutIdentity(id, keys); err != nil {
		t.Fatal(err)
	}
	got, err := s.Identity(keys)
	if err != nil {
		t.Fatal(err)
	}
	sameIdentity(t, got, id)
	if _, err := s.Identity(DefaultKeys()); !errors.Is(err, ErrNoKey) {
		t.Errorf("under other keys: %v", err)
	}
	s.Data["my-key"] = []byte("garbage")
	if _, err := s.Identity(keys); err == nil || !strings.Contains(err.Error(), `secret ns/a: key "my-key"`) {
		t.Errorf("%v", err)
	}
	s.Data["my-crt"] = append(s.Data["my-crt"], "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"...)
	if _, err := s.Identity(keys); err == nil || !strings.Contains(err.Error(), `secret ns/a: key "my-crt"`) {
		t.Errorf("%v", err)
	}
}

func TestStores(t *testing.T) {
	id := identity(t)
	for _, format := range []truststore.Format{truststore.JKS, truststore.PKCS12} {
		t.Run(string(format), func(t *testing.T) {
			s := newSecret("a", RoleFlinkTLS)
			if err := s.PutStores(format, id, "key-password", "trust-password"); err != nil {
				t.Fatal(err)
			}
			got, err := s.Stores(format, "key-password", "trust-password")
			if err != nil {
				t.Fatal(err)
			}
			sameIdentity(t, got, id)
			if _, err := s.Stores(format, "trust-password", "key-password"); !errors.Is(err, truststore.ErrPassword) {
				t.Errorf("passwords swapped: %v", err)
			}
			if _, err := s.Trust(format, "wrong-one"); !errors.Is(err, truststore.ErrPassword) {
				t.Errorf("wrong password: %v", err)
			}
			// The extension decides how a reader opens a store: it must not lie.
			other := truststore.PKCS12
			if format == other {
				other = truststore.JKS
			}
			s.Data[TrustFile(other)] = s.Data[TrustFile(format)]
			if _, err := s.Trust(other, "trust-password"); err == nil || !strings.Contains(err.Error(), "inside") {
				t.Errorf("%s in %s: %v", format, TrustFile(other), err)
			}
			delete(s.Data, KeyStoreFile(format))
			if _, err := s.Stores(format, "key-password", "trust-password"); !errors.Is(err, ErrNoKey) {
				t.Errorf("no key store: %v", err)
			}
		})
	}
}
