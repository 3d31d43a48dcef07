package pki

import (
	"bytes"
	"encoding/pem"
	"strings"
	"testing"
)

// FuzzParseCertificates: no panic; what is accepted survives being written and read
// again, and no accepted input holds a private key.
func FuzzParseCertificates(f *testing.F) {
	root := makeRoot("root", start, start.Add(year))
	one := EncodeCertificates(root.Certificate)
	f.Add(one)
	f.Add(append(bytes.Clone(one), one...))
	f.Add(root.Certificate.Raw)
	f.Add(must(EncodeKey(root.Key)))
	f.Add([]byte("# comment\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nA: b\n\nAAAA\n-----END CERTIFICATE-----"))
	f.Add([]byte("0x30\n"))
	f.Add([]byte("-----BEGIN -----\n-----END -----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := ParseCertificates(data)
		if err != nil {
			if certs != nil || err.Error() == "" {
				t.Fatalf("%d certificates with the error %q", len(certs), err)
			}
			return
		}
		if len(certs) == 0 || bytes.Contains(data, []byte("PRIVATE KEY-----\n")) && bytes.Contains(data, []byte("\n-----BEGIN PRIVATE")) {
			t.Fatalf("accepted %q", data)
		}
		again, err := ParseCertificates(EncodeCertificates(certs...))
		if err != nil || len(again) != len(certs) {
			t.Fatalf("%d certificates came back as %d: %v", len(certs), len(again), err)
		}
		for i := range certs {
			if !certs[i].Equal(again[i]) {
				t.Fatal("another certificate came back")
			}
		}
		// Whatever people bring, verifying it must not panic.
		for _, p := range []Profile{JVM(), OpenSSL(), Go(), {NoPartialChains: true}} {
			_ = VerifyUntil(p, certs, certs, "a", start, start.Add(year))
		}
	})
}

// FuzzParseKey: no panic; an accepted key survives, an error shows no passphrase.
func FuzzParseKey(f *testing.F) {
	key := must(EncodeKey(ecKey()))
	f.Add(key, []byte("secret"))
	f.Add(must(EncodeKey(mustKey(KeySpec{Ed25519, 0}))), []byte(""))
	f.Add([]byte(encryptedSeed), []byte("secret"))
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00000000000000000000000000000000\n\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END EC PRIVATE KEY-----\n"), []byte("x"))
	f.Fuzz(func(t *testing.T, data, pass []byte) {
		got, err := ParseKey(data, pass)
		if err != nil {
			if got != nil || len(pass) > 12 && strings.Contains(err.Error(), string(pass)) {
				t.Fatalf("error %q", err)
			}
			return
		}
		if _, err := ParseKey(must(EncodeKey(got)), nil); err != nil {
			t.Fatalf("does not come back: %v", err)
		}
	})
}

// FuzzDecryptPKCS8 reaches behind the PEM and its base64.
func FuzzDecryptPKCS8(f *testing.F) {
	b, _ := pem.Decode([]byte(encryptedSeed))
	f.Add(b.Bytes, []byte("secret"))
	f.Fuzz(func(t *testing.T, der, pass []byte) {
		out, err := decryptPKCS8(der, pass)
		if (out == nil) == (err == nil) && len(out) > 0 {
			t.Fatalf("%d bytes with the error %v", len(out), err)
		}
	})
}

// FuzzCheckDNSName: an accepted name survives a round trip in a certificate, and the
// certificate stands for it.
func FuzzCheckDNSName(f *testing.F) {
	for _, s := range []string{"a", "*.apps.x.com", "A-1.b", "xn--a", "1.2.3.4", "a.1", "a_b", "é", "a..b", "*.*", strings.Repeat("a", 64)} {
		f.Add(s)
	}
	root := makeRoot("root", start, start.Add(year))
	request := leafRequest("x")
	f.Fuzz(func(t *testing.T, name string) {
		if err := CheckLabel(name); err == nil && len(name) > maxLabel {
			t.Fatalf("label %q", name)
		}
		if err := CheckDNSName(name); err != nil {
			return
		}
		request.DNSNames = []string{name}
		leaf, err := NewLeaf(root, request)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != name {
			t.Fatalf("%q came back as %q", name, leaf.DNSNames)
		}
	})
}

// FuzzSubject: an accepted subject comes back from a certificate as it was.
func FuzzSubject(f *testing.F) {
	f.Add("my CA", "MyOrg", "US", "pki@example.com")
	f.Add("a\nb", "{\"isCA\": true}", "us", "a@b")
	f.Add("é", "\x00", "U", "a@*.b.c")
	key := ecKey()
	f.Fuzz(func(t *testing.T, cn, o, c, email string) {
		s := Subject{CommonName: cn, Organization: o, Country: c, EmailAddress: email}
		if s.Validate() != nil || cn == "" {
			return
		}
		root, err := NewRoot(RootRequest{Subject: s, Key: key, NotBefore: start, NotAfter: start.Add(year)})
		if err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		if got := SubjectOf(root.Subject); got != s {
			t.Fatalf("%+v came back as %+v", s, got)
		}
		leaf, err := NewLeaf(Issuer{Certificate: root, Key: key}, LeafRequest{CommonName: "x", Subject: Subject{EmailAddress: email}, Client: true, Key: ecKey(), NotBefore: start, NotAfter: start.Add(day)})
		if err == nil && leaf.IsCA {
			t.Fatal("a CA")
		}
	})
}

// encryptedSeed is a throw-away key; its passphrase is "secret".
const encryptedSeed = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHrMFYGCSqGSIb3DQEFDTBJMCgGCSqGSIb3DQEFDDAbBAi7kZ705MPmlAIBCjAM
BggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQfr8uTnkP01xE8GWxnChIIASBkHp4
BmfeQOM5uOdUo8Agg3jMt13Mk7m23RGlkUkenyaeOGQPBh6u3Z9skiUfQbXIMCpZ
oS1DeCob2x2BhUXj/YbEUNaV17DykwsIRVt7IuDLxKAmZ0rTWiJqoHc2gnSCW9ae
+oE1Jpwmg8nv8wq7DgrS+J6/F9+Hn+UCZ20FKn0oy76oDz164EgPKLKl5F/lmA==
-----END ENCRYPTED PRIVATE KEY-----
`
