package truststore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// samples are one store of every kind that this package writes, and some that it
// only reads, all with the password of the constant secret.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	a, b := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil)
	trust := []Entry{entry("a", a), entry("b", b)}
	key := newKeyEntry(t, "server", newKey(t))
	s := map[string][]byte{
		"trust.jks": mustEncodeTrust(t, JKS, trust, secret),
		"trust.p12": mustEncodeTrust(t, PKCS12, trust, secret),
		"key.jks":   mustEncodeKey(t, JKS, key, secret),
		"key.p12":   mustEncodeKey(t, PKCS12, key, secret),
	}
	for name, encoder := range map[string]*pkcs12.Encoder{"rc2.p12": pkcs12.LegacyRC2, "des.p12": pkcs12.LegacyDES, "pbmac1.p12": pkcs12.Modern2026} {
		var err error
		if s[name], err = encoder.Encode(key.Key, key.Chain[0], key.Chain[1:], secret); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func pemSample(t testing.TB) []byte {
	t.Helper()
	return mustEncodeKey(t, PEM, newKeyEntry(t, "server", newKey(t)), "")
}

func TestOpenWrongPassword(t *testing.T) {
	for name, data := range samples(t) {
		t.Run(name, func(t *testing.T) {
			mustOpen(t, data, secret)
			for _, wrong := range []string{"", "wrong", secret + "\n", strings.ToUpper(secret), "日本語", "é"} {
				store, err := Open(data, wrong)
				if !errors.Is(err, ErrPassword) || store != nil {
					t.Errorf("password %q: %v", wrong, err)
				}
				if err != nil && wrong != "" && wrong != "wrong" && strings.Contains(err.Error(), wrong) {
					t.Errorf("the error %q holds the password", err)
				}
			}
		})
	}
}

// Every start of a file is an error, and so is anything after its end.
func TestOpenTruncated(t *testing.T) {
	for name, data := range samples(t) {
		t.Run(name, func(t *testing.T) {
			for n := range data {
				if _, err := Open(data[:n], secret); err == nil {
					t.Fatalf("the first %d of %d bytes open", n, len(data))
				}
				if _, err := OpenWithoutPassword(data[:n]); err == nil {
					t.Fatalf("the first %d of %d bytes open without password", n, len(data))
				}
			}
			for _, junk := range []string{"\x00", "\n", "more"} {
				longer := append(bytes.Clone(data), junk...)
				if _, err := Open(longer, secret); err == nil {
					t.Errorf("%q at the end is accepted", junk)
				}
			}
		})
	}
	// A PEM file may end after any block; everywhere else it is cut off.
	data := pemSample(t)
	const end = "-----END CERTIFICATE-----"
	for n := range data {
		head := string(data[:n])
		trimmed := strings.TrimRight(head, "\n")
		whole := strings.HasSuffix(trimmed, end) || strings.HasSuffix(trimmed, "-----END PRIVATE KEY-----")
		if _, err := Open(data[:n], ""); (err == nil) != whole {
			t.Fatalf("the first %d of %d bytes: %v", n, len(data), err)
		}
	}
}

// One altered bit is an error or, outside what the checksum covers, harmless; it
// is never a panic.
func TestOpenAltered(t *testing.T) {
	for name, data := range samples(t) {
		t.Run(name, func(t *testing.T) {
			want := mustOpen(t, data, secret)
			altered := bytes.Clone(data)
			for i := range altered {
				altered[i] ^= 0x10
				if got, err := Open(altered, secret); err == nil {
					if diff := cmp.Diff(want, got, sameContent); diff != "" {
						t.Errorf("byte %d: opens with other content\n%s", i, diff)
					}
				}
				_, _ = OpenWithoutPassword(altered)
				altered[i] = data[i]
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	ca := newCA(t, "CA", 0, nil)
	certificate := string(certificatePEM(ca.Certificate))
	block := func(kind string, headers map[string]string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: []byte("some bytes")}))
	}
	jks := "\xfe\xed\xfe\xed"
	tests := []struct{ name, data, want string }{
		{"empty", "", "empty"},
		{"text", "hello", "neither a JKS nor a PKCS12 nor a PEM file"},
		{"DER certificate", string(ca.Certificate.Raw), "openssl x509 -inform DER"},
		{"JCEKS", "\xce\xce\xce\xce\x00\x00\x00\x02", "JCEKS"},
		{"too large", certificate + strings.Repeat(" ", MaxSize), "more than a store may have"},
		{"JKS version 3", jks + "\x00\x00\x00\x03\x00\x00\x00\x00" + strings.Repeat("x", 20), "unknown version 3"},
		{"JKS unknown entry", jks + "\x00\x00\x00\x02\x00\x00\x00\x01" + "\x00\x00\x00\x09\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x00", "unknown kind of entry 9"},
		{"JKS alias in UTF-8 of four bytes", jks + "\x00\x00\x00\x02\x00\x00\x00\x01" + "\x00\x00\x00\x02\x00\x04😀\x00\x00\x00\x00\x00\x00\x00\x00", "modified UTF-8"},
		{"PKCS12 in BER", "\x30\x80\x02\x01\x03\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01", "not in DER"},
		{"PEM cut off", certificate[:len(certificate)-30], "block 1 does not decode"},
		{"PEM with a damaged block before", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n" + certificate, "block 1 does not decode"},
		{"PEM with a damaged block between", certificate + "-----BEGIN CERTIFICATE-----\nMIIB\n" + certificate, "block 2 does not decode"},
		{"PEM with an end too many", certificate + "-----END CERTIFICATE-----\n", "after block 1"},
		{"PEM with an end too many before", "-----END CERTIFICATE-----\n" + certificate, "after block 0"},
		{"PEM indented", certificate + " " + certificate, "block 2 does not begin at the start of its line"},
		{"PEM request", block("CERTIFICATE REQUEST", nil), `"CERTIFICATE REQUEST" is neither`},
		{"PEM public key", block("PUBLIC KEY", nil), `"PUBLIC KEY" is neither`},
		{"PEM bad certificate", block("CERTIFICATE", nil), "cannot read the certificate"},
		{"PEM bad key", block("PRIVATE KEY", nil), "cannot read the private key"},
		{"PEM bad RSA key", block("RSA PRIVATE KEY", nil), "cannot read the private key"},
		{"PEM bad encrypted key", block("ENCRYPTED PRIVATE KEY", nil), "its encryption is malformed"},
		{"PEM key in the old encryption", block("RSA PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}), "openssl pkcs8 -topk8"},
		{"PEM key of 20 KB", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: make([]byte, 20<<10)})), "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open([]byte(tt.data), secret)
			checkError(t, err, tt.want)
		})
	}
}

// A few bytes must not ask for gigabytes: keystore-go alone allocates what a
// length says.
func TestOpenHostileLengths(t *testing.T) {
	head := "\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x01"
	created := strings.Repeat("\x00", 8)
	tests := map[string]string{
		"count of entries":     "\xfe\xed\xfe\xed\x00\x00\x00\x02\xff\xff\xff\xff",
		"length of key":        head + "\x00\x00\x00\x01\x00\x01a" + created + "\x7f\xff\xff\xff",
		"count of chain":       head + "\x00\x00\x00\x01\x00\x01a" + created + "\x00\x00\x00\x00\xff\xff\xff\xff",
		"length of cert":       head + "\x00\x00\x00\x02\x00\x01a" + created + "\x00\x05X.509\x7f\xff\xff\xff",
		"length over 31 bits":  head + "\x00\x00\x00\x02\x00\x01a" + created + "\x00\x05X.509\xff\xff\xff\xff",
		"length of PKCS12":     "\x30\x84\x7f\xff\xff\xff\x02\x01\x03",
		"many empty bags":      string(plainPKCS12(t, bytes.Repeat([]byte{0x30, 0}, 400_000))),
		"many empty blocks":    strings.Repeat("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", 10_000),
		"many empty sequences": strings.Repeat("\x30\x00", 400_000),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Open([]byte(data), secret)
			_, err2 := OpenWithoutPassword([]byte(data))
			runtime.ReadMemStats(&after)
			if err == nil || err2 == nil {
				t.Error("opens")
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
				t.Errorf("%d bytes allocated for a file of %d", n, len(data))
			}
		})
	}
}

// der encodes a value with a tag.
func der(class, tag int, compound bool, content ...[]byte) []byte {
	out, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: compound, Bytes: bytes.Join(content, nil)})
	if err != nil {
		panic(err)
	}
	return out
}

func sequence(content ...[]byte) []byte { return der(0, asn1.TagSequence, true, content...) }
func octets(content ...[]byte) []byte   { return der(0, asn1.TagOctetString, false, content...) }
func explicit(content ...[]byte) []byte { return der(2, 0, true, content...) }

func oid(t testing.TB, id asn1.ObjectIdentifier) []byte {
	t.Helper()
	out, err := asn1.Marshal(id)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// plainPKCS12 makes a file of these bags without checksum or encryption.
func plainPKCS12(t testing.TB, bags []byte) []byte {
	t.Helper()
	data := func(content []byte) []byte { return sequence(oid(t, oidData), explicit(octets(content))) }
	return sequence([]byte{2, 1, 3}, data(sequence(data(sequence(bags)))))
}

// A file that asks for hours of key derivation is refused, not obeyed.
func TestOpenHostileIterations(t *testing.T) {
	key := newKeyEntry(t, "server", newKey(t))
	encode := func(iterations int) []byte {
		data, err := pkcs12.Modern2023.WithIterations(iterations).Encode(key.Key, key.Chain[0], nil, secret)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	data := encode(2048)
	mustOpen(t, data, secret)
	huge := bytes.Replace(data, []byte{0x02, 0x02, 0x08, 0x00}, []byte{0x02, 0x02, 0x7f, 0xff}, 1)
	if _, err := Open(huge, secret); !errors.Is(err, ErrPassword) {
		t.Errorf("32767 iterations are fewer than Java's legacy 50000: %v", err)
	}
	u := newUnlocker(secret)
	if err := u.spend(maxIterations); err != nil {
		t.Error(err)
	}
	for _, n := range []int{1, 0, -1} {
		if err := u.spend(n); err == nil {
			t.Errorf("%d more iterations are accepted", n)
		}
	}
	if err := newUnlocker(secret).derivable(make([]byte, maxSalt+1), 1); err == nil {
		t.Error("a long salt is accepted")
	}
	// In the checksum, the last integer of the file.
	last := bytes.LastIndex(data, []byte{0x02, 0x02, 0x08, 0x00})
	if last != len(data)-4 {
		t.Fatal("the file ends with its checksum's iterations no more")
	}
	data[last+2] = 0x80 // negative
	_, err := Open(data, secret)
	checkError(t, err, "no iterations")
}

// Without password a JKS file shows everything but its keys, an encrypted PKCS12
// file nothing.
func TestOpenWithoutPassword(t *testing.T) {
	for name, data := range samples(t) {
		got, err := OpenWithoutPassword(data)
		if strings.HasSuffix(name, ".p12") {
			if !errors.Is(err, ErrPassword) || got != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := mustOpen(t, data, secret)
		for i := range want.Keys {
			want.Keys[i].Key = nil
		}
		if diff := cmp.Diff(want, got, sameContent); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// A PKCS12 file without password opens with any, as the JDK's own cacerts does.
func TestOpenPasswordless(t *testing.T) {
	a, b := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil)
	data, err := pkcs12.Passwordless.EncodeTrustStoreEntries([]pkcs12.TrustStoreEntry{
		{Cert: a.Certificate, FriendlyName: "One"}, {Cert: b.Certificate, FriendlyName: "two"},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := &Store{Format: PKCS12, Trusted: []Entry{entry("one", a), entry("two", b)}}
	for _, password := range []string{"", secret} {
		if diff := cmp.Diff(want, mustOpen(t, data, password), sameContent); diff != "" {
			t.Errorf("password %q: -want +got\n%s", password, diff)
		}
	}
	got, err := OpenWithoutPassword(data)
	if diff := cmp.Diff(want, got, sameContent); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
}

// In Java the later of two entries with one alias is all there is; go-pkcs12's
// EncodeTrustStore makes such files of two CAs with one subject.
func TestOpenShadowedAlias(t *testing.T) {
	a, b := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil)
	data, err := pkcs12.Modern2023.EncodeTrustStore([]*x509.Certificate{a.Certificate, b.Certificate}, secret)
	if err != nil {
		t.Fatal(err)
	}
	want := &Store{Format: PKCS12, Trusted: []Entry{entry("cn=ca", b)}, Unlisted: []Entry{entry("cn=ca", a)}}
	if diff := cmp.Diff(want, mustOpen(t, data, secret), sameContent); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Every encoder of go-pkcs12 is read, its own decoder being the measure.
func TestOpenAgreesWithGoPKCS12(t *testing.T) {
	for name, encoder := range map[string]*pkcs12.Encoder{
		"LegacyRC2": pkcs12.LegacyRC2, "LegacyDES": pkcs12.LegacyDES,
		"Modern2023": pkcs12.Modern2023, "Modern2026": pkcs12.Modern2026,
	} {
		for kind, key := range keyKinds(t) {
			for _, password := range []string{"", "x", secret, "pässword"} {
				want := newKeyEntry(t, "1", key)
				data, err := encoder.Encode(want.Key, want.Chain[0], want.Chain[1:], password)
				if err != nil {
					t.Fatal(err)
				}
				if _, _, _, err := pkcs12.DecodeChain(data, password); err != nil {
					t.Fatal(err)
				}
				got := mustOpen(t, data, password)
				if diff := cmp.Diff([]KeyEntry{want}, got.Keys, sameContent); diff != "" {
					t.Errorf("%s %s %q: -want +got\n%s", name, kind, password, diff)
				}
			}
		}
	}
}

// Of CAs with one subject, the one whose key identifier fits is the issuer, and
// nothing comes after a root.
func TestOpenFindsIssuer(t *testing.T) {
	right, wrong := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil)
	again := sign(t, template("CA", 1, true), right.key, nil) // the same root, made anew
	key := newKey(t)
	leaf := sign(t, template("leaf", 0, false), key, &right)
	data, err := pkcs12.Modern2023.Encode(key, leaf, []*x509.Certificate{wrong.Certificate, right.Certificate, again}, secret)
	if err != nil {
		t.Fatal(err)
	}
	want := &Store{
		Format:   PKCS12,
		Keys:     []KeyEntry{{"1", key, []*x509.Certificate{leaf, right.Certificate}}},
		Unlisted: []Entry{entry("", wrong), {"", again}},
	}
	if diff := cmp.Diff(want, mustOpen(t, data, secret), sameContent); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestOpenNestedSafeContents(t *testing.T) {
	_, err := Open(plainPKCS12(t, sequence(oid(t, oidSafeContentsBag), explicit(sequence()))), secret)
	checkError(t, err, "inside safe contents")
}

// Some tools derive keys from no bytes at all where the password is empty.
func TestOpenEmptyPasswordAsNoBytes(t *testing.T) {
	message, salt := []byte("message"), []byte("salt")
	checksum := hmac.New(sha256.New, pkcs12Key(sha256.New, forMAC, nil, salt, 3, sha256.Size))
	checksum.Write(message)
	mac := bytes.Join([][]byte{
		sequence(sequence(oid(t, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1})), octets(checksum.Sum(nil))),
		octets(salt), {2, 1, 3},
	}, nil)
	if err := newUnlocker("").verify(mac, message); err != nil {
		t.Error(err)
	}
	if err := newUnlocker("x").verify(mac, message); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
}

// A PBMAC1 checksum with a short key can be forged (RFC 9579, section 9).
func TestOpenShortPBMAC1Key(t *testing.T) {
	data := samples(t)["pbmac1.p12"]
	keySize := []byte{0x02, 0x02, 0x08, 0x00, 0x02, 0x01, 0x20}
	i := bytes.LastIndex(data, keySize)
	if i < 0 {
		t.Fatal("no key length in the checksum's parameters")
	}
	data[i+len(keySize)-1] = 1
	_, err := Open(data, secret)
	checkError(t, err, "key of 1 bytes is refused")
}

// encodeJKS makes a store with the aliases as they are given.
func encodeJKS(t *testing.T, fill func(keystore.KeyStore)) []byte {
	t.Helper()
	store := keystore.New(keystore.WithCaseExactAliases())
	fill(store)
	data, err := storeJKS(store, secret)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func setJKSKey(t *testing.T, store keystore.KeyStore, alias string, pkcs8 []byte, password string) {
	t.Helper()
	if err := store.SetPrivateKeyEntry(alias, keystore.PrivateKeyEntry{PrivateKey: pkcs8}, []byte(password)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenJKSAliases(t *testing.T) {
	ca := newCA(t, "CA", 0, nil)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	data := encodeJKS(t, func(s keystore.KeyStore) {
		// U+1F600 as Java writes it: two surrogates. U+0000: two bytes.
		certificate := keystore.Certificate{Type: "X509", Content: ca.Certificate.Raw}
		err := s.SetTrustedCertificateEntry("DB\xed\xa0\xbd\xed\xb8\x80\xc0\x80é", keystore.TrustedCertificateEntry{Certificate: certificate})
		if err != nil {
			t.Fatal(err)
		}
		setJKSKey(t, s, "KEY\xed\xa0\xbd\xed\xb8\x80", pkcs8, secret)
	})
	got := mustOpen(t, data, secret)
	if got.Trusted[0].Alias != "DB😀\x00é" || got.Keys[0].Alias != "KEY😀" || got.Keys[0].Key == nil {
		t.Errorf("%q, %q", got.Trusted[0].Alias, got.Keys[0].Alias)
	}

	one := mustEncodeTrust(t, JKS, []Entry{entry("a", ca)}, secret)
	twice := append([]byte("\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x02"), bytes.Repeat(one[12:len(one)-20], 2)...)
	_, err = OpenWithoutPassword(append(twice, make([]byte, 20)...))
	checkError(t, err, `two entries have the alias "a"`)
}

func TestOpenJKSKeys(t *testing.T) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	other := encodeJKS(t, func(s keystore.KeyStore) { setJKSKey(t, s, "server", pkcs8, "another") })
	_, err = Open(other, secret)
	checkError(t, err, `private key "server"`)
	if !errors.Is(err, ErrPassword) {
		t.Errorf("another password for the key: %v is not ErrPassword", err)
	}
	if got, err := OpenWithoutPassword(other); err != nil || len(got.Keys) != 1 {
		t.Errorf("another password for the key: without password: %v, %v", got, err)
	}
	none := encodeJKS(t, func(s keystore.KeyStore) { setJKSKey(t, s, "server", []byte("not a key"), secret) })
	_, err = Open(none, secret)
	checkError(t, err, "cannot read the private key")
}

func TestOpenJKSCertificates(t *testing.T) {
	ca := newCA(t, "CA", 0, nil)
	data := mustEncodeTrust(t, JKS, []Entry{entry("a", ca)}, secret)
	_, err := OpenWithoutPassword(bytes.Replace(data, []byte("X.509"), []byte("X.510"), 1))
	checkError(t, err, `unknown kind "X.510"`)

	// Version 1 does not say what kind a certificate is.
	old := bytes.Replace(data, []byte("\x00\x05X.509"), nil, 1)
	old[7] = 1
	got, err := OpenWithoutPassword(old)
	want := &Store{Format: JKS, Trusted: []Entry{entry("a", ca)}}
	if diff := cmp.Diff(want, got, sameContent); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
}

// Too short a key would make keystore-go panic.
func TestOpenJKSShortKey(t *testing.T) {
	for size := range 45 {
		protected := sequence(sequence(oid(t, oidJKSKeyProtector), []byte{5, 0}), octets(make([]byte, size)))
		if err := checkJKSKey(protected); (err == nil) != (size >= 40) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	other := sequence(sequence(oid(t, oidData)), octets(make([]byte, 60)))
	checkError(t, checkJKSKey(other), "unsupported encryption algorithm")
	checkError(t, checkJKSKey([]byte("junk")), "malformed")
}

func TestOpenPEM(t *testing.T) {
	key := newKeyEntry(t, "server", newKey(t))
	root := newCA(t, "CA", 0, nil)
	text := "# orders-db\nsubject=CN = CA\n=====\n"
	leaf, intermediate := string(certificatePEM(key.Chain[0])), string(certificatePEM(key.Chain[1]))
	ca := string(certificatePEM(root.Certificate))
	d := newDir(t)
	d.writeKey(t, "key.pem", key.Key)
	keyPEM := string(d.read(t, "key.pem"))
	alias := hexFingerprint(key.Chain[0])
	trusted := []Entry{entry(hexFingerprint(root.Certificate), root)}
	keys := []KeyEntry{{Alias: alias, Key: key.Key, Chain: key.Chain}}
	tests := []struct {
		name, data string
		want       *Store
	}{
		{"one CA", ca, &Store{Format: PEM, Trusted: trusted}},
		{"the same CA twice", ca + ca, &Store{Format: PEM, Trusted: trusted}},
		{"text around", text + ca + text, &Store{Format: PEM, Trusted: trusted}},
		{"Windows line ends", strings.ReplaceAll(text+ca+ca, "\n", "\r\n"), &Store{Format: PEM, Trusted: trusted}},
		{"byte order mark", "\ufeff" + ca, &Store{Format: PEM, Trusted: trusted}},
		{"no line end", strings.TrimSpace(ca), &Store{Format: PEM, Trusted: trusted}},
		{"key, chain and CA", keyPEM + leaf + intermediate + ca, &Store{Format: PEM, Trusted: trusted, Keys: keys}},
		{"in any order", ca + intermediate + leaf + keyPEM, &Store{Format: PEM, Trusted: trusted, Keys: keys}},
		{"key alone", keyPEM, &Store{Format: PEM, Keys: []KeyEntry{{Alias: "1", Key: key.Key}}}},
	}
	for _, tt := range tests {
		got, err := Open([]byte(tt.data), "")
		if diff := cmp.Diff(tt.want, got, sameContent); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got\n%s", tt.name, err, diff)
		}
	}
}

func TestDetect(t *testing.T) {
	for name, data := range samples(t) {
		want, err := ParseFormat(map[string]string{"jks": "JKS", "p12": "PKCS12"}[name[len(name)-3:]])
		if got, ok := Detect(data); err != nil || !ok || got != want {
			t.Errorf("%s: %q, %t", name, got, ok)
		}
	}
	if got, ok := Detect(pemSample(t)); !ok || got != PEM {
		t.Errorf("PEM: %q, %t", got, ok)
	}
	for _, in := range []string{"", "0", "\x30", "\x30\x82", "\x30\x03\x02\x01", "\x30\x85\x00\x00\x00\x00\x03\x02\x01\x03", "\xfe\xed", "BEGIN"} {
		if got, ok := Detect([]byte(in)); ok {
			t.Errorf("%q: %q", in, got)
		}
	}
	readme, err := os.ReadFile("testdata/make.sh")
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := Detect(readme); ok {
		t.Errorf("a script is %q", got)
	}
}
