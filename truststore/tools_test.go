package truststore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/test/tools"
)

// listed is what keytool -list -v says of one entry.
type listed struct {
	kind   string // trustedCertEntry or PrivateKeyEntry
	sha256 string // of the certificate, or of the leaf
	chain  string // number of certificates, for a key
}

// list runs keytool -list -v and returns the entries by alias.
func list(t *testing.T, jdk tools.JDK, path, password string) map[string]listed {
	t.Helper()
	out := keytool(t, jdk, "-list", "-v", "-keystore", path, "-storepass", password)
	entries := map[string]listed{}
	for part := range strings.SplitSeq(out, "Alias name: ") {
		var e listed
		alias, _, _ := strings.Cut(part, "\n")
		for line := range strings.Lines(part) {
			line = strings.TrimSpace(line)
			if v, ok := strings.CutPrefix(line, "Entry type: "); ok {
				e.kind = v
			}
			if v, ok := strings.CutPrefix(line, "Certificate chain length: "); ok {
				e.chain = v
			}
			if v, ok := strings.CutPrefix(line, "SHA256: "); ok && e.sha256 == "" {
				e.sha256 = strings.ToLower(strings.ReplaceAll(v, ":", ""))
			}
		}
		if e.kind != "" {
			entries[alias] = e
		}
	}
	return entries
}

func listedTrust(entries []Entry) map[string]listed {
	m := map[string]listed{}
	for _, e := range entries {
		m[e.Alias] = listed{kind: "trustedCertEntry", sha256: hexFingerprint(e.Certificate)}
	}
	return m
}

// keytool is the measure of what a JVM sees: the entries and their aliases.
func TestKeytoolListsTrust(t *testing.T) {
	a, b, c := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil), newCA(t, "Other", 0, nil)
	entries := []Entry{entry("orders-db", a), entry("orders-db-2", b), entry("debian:other.pem [x]", c)}
	for _, f := range []Format{JKS, PKCS12} {
		path := newDir(t).write(t, "truststore."+f.Extension(), mustEncodeTrust(t, f, entries, secret))
		for _, jdk := range tools.JDKs(t) {
			t.Run(string(f)+" "+name(jdk), func(t *testing.T) {
				t.Parallel()
				if diff := cmp.Diff(listedTrust(entries), list(t, jdk, path, secret), cmp.AllowUnexported(listed{})); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		}
	}
}

// All public CAs, under their SHA-256, in the formats and JVMs.
func TestKeytoolListsPublicCAs(t *testing.T) {
	entries := Entries([]Source{{Certificates: PublicCAs()}})
	for i, f := range []Format{JKS, PKCS12} {
		path := newDir(t).write(t, "truststore", mustEncodeTrust(t, f, entries, secret))
		jdks := tools.JDKs(t)
		jdk := jdks[i%len(jdks)]
		if diff := cmp.Diff(listedTrust(entries), list(t, jdk, path, secret), cmp.AllowUnexported(listed{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", f, diff)
		}
	}
}

func TestKeytoolListsKey(t *testing.T) {
	for kind, key := range keyKinds(t) {
		for _, f := range []Format{JKS, PKCS12} {
			e := newKeyEntry(t, "Server", key)
			d := newDir(t)
			path := d.write(t, "keystore", mustEncodeKey(t, f, e, secret))
			alias := map[Format]string{JKS: "server", PKCS12: "1"}[f]
			want := map[string]listed{alias: {"PrivateKeyEntry", hexFingerprint(e.Chain[0]), "2"}}
			for _, jdk := range tools.JDKs(t) {
				t.Run(kind+" "+string(f)+" "+name(jdk), func(t *testing.T) {
					t.Parallel()
					if diff := cmp.Diff(want, list(t, jdk, path, secret), cmp.AllowUnexported(listed{})); diff != "" {
						t.Errorf("-want +got\n%s", diff)
					}
					// To export the key keytool must decrypt it.
					out := d.path(fmt.Sprint("out", jdk.Major))
					keytool(t, jdk, "-importkeystore", "-srckeystore", path, "-srcstorepass", secret,
						"-destkeystore", out, "-deststorepass", "another", "-deststoretype", "PKCS12")
					got := mustOpen(t, d.read(t, fmt.Sprint("out", jdk.Major)), "another")
					if diff := cmp.Diff([]KeyEntry{{alias, key, e.Chain}}, got.Keys, sameContent); diff != "" {
						t.Errorf("-want +got\n%s", diff)
					}
				})
			}
		}
	}
}

func TestOpenSSLReadsPKCS12(t *testing.T) {
	d := newDir(t)
	e := newKeyEntry(t, "server", rsaKey())
	path := d.write(t, "key.p12", mustEncodeKey(t, PKCS12, e, secret))
	got := mustOpen(t, []byte(openssl(t, "pkcs12", "-in", path, "-passin", "pass:"+secret, "-nodes")), "")
	e.Alias = hexFingerprint(e.Chain[0])
	if diff := cmp.Diff([]KeyEntry{e}, got.Keys, sameContent); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	ca := newCA(t, "CA", 0, nil)
	path = d.write(t, "trust.p12", mustEncodeTrust(t, PKCS12, []Entry{entry("orders-db", ca)}, secret))
	out := openssl(t, "pkcs12", "-in", path, "-passin", "pass:"+secret, "-nokeys")
	if !strings.Contains(out, "friendlyName: orders-db") || !strings.Contains(out, string(certificatePEM(ca.Certificate))) {
		t.Errorf("openssl prints\n%s", out)
	}
}

// What people have made with keytool opens, with the aliases that keytool shows.
func TestOpenMadeByKeytool(t *testing.T) {
	d := newDir(t)
	a, b := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil)
	d.writeCertificate(t, "a.pem", a.Certificate)
	d.writeCertificate(t, "b.pem", b.Certificate)
	jdks := tools.JDKs(t)
	kinds := []struct {
		name string
		args []string
	}{
		{"JKS", []string{"-storetype", "JKS"}},
		{"PKCS12", []string{"-storetype", "PKCS12"}},
		{"legacy PKCS12", []string{"-storetype", "PKCS12", "-J-Dkeystore.pkcs12.legacy"}},
	}
	for i, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			jdk := jdks[i%len(jdks)]
			file := d.path(fmt.Sprint("store", i))
			common := append([]string{"-keystore", file, "-storepass", secret, "-noprompt"}, kind.args...)
			with := func(args ...string) { keytool(t, jdk, append(args, common...)...) }
			with("-importcert", "-alias", "Orders DB", "-file", d.path("a.pem"))
			with("-importcert", "-alias", "second", "-file", d.path("b.pem"))
			with("-genkeypair", "-alias", "RSA-Key", "-keyalg", "RSA", "-dname", "CN=rsa")
			with("-genkeypair", "-alias", "ec", "-keyalg", "EC", "-groupname", "secp384r1", "-dname", "CN=ec")
			with("-genkeypair", "-alias", "ed", "-keyalg", "Ed25519", "-dname", "CN=ed")

			data := d.read(t, fmt.Sprint("store", i))
			got := mustOpen(t, data, secret)
			if len(got.Unlisted) > 0 {
				t.Errorf("unlisted: %v", got.Unlisted)
			}
			seen := listedTrust(got.Trusted)
			for _, k := range got.Keys {
				if k.Key == nil || !certifies(k.Chain[0], k.Key) {
					t.Errorf("key %q does not belong to its leaf", k.Alias)
				}
				seen[k.Alias] = listed{"PrivateKeyEntry", hexFingerprint(k.Chain[0]), fmt.Sprint(len(k.Chain))}
			}
			if len(seen) != 5 {
				t.Errorf("%d entries, want 5", len(seen))
			}
			if diff := cmp.Diff(list(t, jdk, file, secret), seen, cmp.AllowUnexported(listed{})); diff != "" {
				t.Errorf("-keytool +Open\n%s", diff)
			}
			if _, err := Open(data, "wrong-password"); !errors.Is(err, ErrPassword) {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
}

// What people have made with openssl opens.
func TestOpenMadeByOpenSSL(t *testing.T) {
	d := newDir(t)
	e := newKeyEntry(t, "server", rsaKey())
	d.writeKey(t, "key.pem", e.Key)
	d.writeCertificate(t, "leaf.pem", e.Chain[0])
	d.writeCertificate(t, "chain.pem", e.Chain[1])
	d.writeCertificate(t, "all.pem", e.Chain...)
	withKey := []string{"-inkey", d.path("key.pem"), "-in", d.path("leaf.pem"), "-certfile", d.path("chain.pem"), "-name", "My Server"}
	want := func(alias string) *Store {
		return &Store{Format: PKCS12, Keys: []KeyEntry{{alias, e.Key, e.Chain}}}
	}
	tests := []struct {
		name string
		args []string
		want *Store
	}{
		{"key and chain", withKey, want("my server")},
		{"legacy", slices.Concat(withKey, []string{"-legacy"}), want("my server")},
		{"3DES", slices.Concat(withKey, []string{"-legacy", "-descert"}), want("my server")},
		{"AES-128 and SHA-512", slices.Concat(withKey, []string{"-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC", "-macalg", "sha512"}), want("my server")},
		{"plain", slices.Concat(withKey, []string{"-keypbe", "NONE", "-certpbe", "NONE"}), want("my server")},
		{"plain and no checksum", slices.Concat(withKey, []string{"-keypbe", "NONE", "-certpbe", "NONE", "-nomac"}), want("my server")},
		{"encrypted and no checksum", slices.Concat(withKey, []string{"-nomac"}), want("my server")},
		{"no name", withKey[:len(withKey)-2], want("1")},
		{"no keys", []string{"-nokeys", "-in", d.path("all.pem")}, &Store{Format: PKCS12, Unlisted: []Entry{{"", e.Chain[0]}, {"", e.Chain[1]}}}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := fmt.Sprint("store", i)
			openssl(t, slices.Concat([]string{"pkcs12", "-export", "-out", d.path(file), "-passout", "pass:" + secret}, tt.args)...)
			data := d.read(t, file)
			if diff := cmp.Diff(tt.want, mustOpen(t, data, secret), sameContent); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			_, err := Open(data, "wrong-password")
			if plain := strings.HasPrefix(tt.name, "plain and no"); errors.Is(err, ErrPassword) == plain {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
}

// Java trusts nothing in what openssl -nokeys makes, and so does Open.
func TestKeytoolListsNothingOfNoKeys(t *testing.T) {
	d := newDir(t)
	ca := newCA(t, "CA", 0, nil)
	d.writeCertificate(t, "ca.pem", ca.Certificate)
	openssl(t, "pkcs12", "-export", "-nokeys", "-in", d.path("ca.pem"), "-name", "ca", "-out", d.path("store"), "-passout", "pass:"+secret)
	for _, jdk := range tools.JDKs(t) {
		if got := list(t, jdk, d.path("store"), secret); len(got) > 0 {
			t.Errorf("%s lists %v", name(jdk), got)
		}
	}
	if got := mustOpen(t, d.read(t, "store"), secret); len(got.Trusted) != 0 || len(got.Unlisted) != 1 {
		t.Errorf("trusted %v, unlisted %v", got.Trusted, got.Unlisted)
	}
}

// Encrypted PEM keys as openssl pkcs8 makes them.
func TestOpenEncryptedPEMKey(t *testing.T) {
	d := newDir(t)
	e := newKeyEntry(t, "server", newKey(t))
	d.writeKey(t, "key.pem", e.Key)
	d.writeCertificate(t, "chain.pem", e.Chain...)
	for _, args := range [][]string{{"-v2", "aes-256-cbc"}, {"-v2", "des3"}, {"-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"}, {"-v1", "PBE-SHA1-3DES"}} {
		openssl(t, slices.Concat([]string{"pkcs8", "-topk8", "-in", d.path("key.pem"), "-out", d.path("enc.pem"), "-passout", "pass:" + secret}, args)...)
		data := append(d.read(t, "enc.pem"), d.read(t, "chain.pem")...)
		want := &Store{Format: PEM, Keys: []KeyEntry{{hexFingerprint(e.Chain[0]), e.Key, e.Chain}}}
		if diff := cmp.Diff(want, mustOpen(t, data, secret), sameContent); diff != "" {
			t.Errorf("%v: -want +got\n%s", args, diff)
		}
		for i := range 600 { // the padding alone fits once in 256 times
			if _, err := Open(data, fmt.Sprint("wrong", i)); !errors.Is(err, ErrPassword) {
				t.Fatalf("%v: wrong password: %v", args, err)
			}
		}
		want.Keys[0].Key = nil
		got, err := OpenWithoutPassword(data)
		if diff := cmp.Diff(want, got, sameContent); err != nil || diff != "" {
			t.Errorf("%v: %v, -want +got\n%s", args, err, diff)
		}
	}
}

// The JVM's own CAs open: a PKCS12 file without password or, on Debian, JKS.
func TestOpenCacerts(t *testing.T) {
	for _, jdk := range tools.JDKs(t) {
		data := dir(jdk.Home).read(t, "lib/security/cacerts")
		store := mustOpen(t, data, "changeit")
		if len(store.Trusted) < 50 || len(store.Unlisted) > 0 {
			t.Errorf("%s: %d trusted, %d unlisted", name(jdk), len(store.Trusted), len(store.Unlisted))
		}
		again, err := OpenWithoutPassword(data)
		if diff := cmp.Diff(store, again, sameContent); err != nil || diff != "" {
			t.Errorf("%s: without password: %v, -want +got\n%s", name(jdk), err, diff)
		}
	}
}
