package truststore

import (
	"os"
	"testing"
)

// FuzzOpen wants no panic, no more memory than the file explains, and stores that
// hold together: what opens with its parts in place can be encoded and opened
// again.
func FuzzOpen(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data, secret)
		f.Add(data, "")
	}
	f.Add(pemSample(f), "")
	if data, err := os.ReadFile("testdata/two-cas.pem"); err == nil {
		f.Add(data, "")
	}
	f.Add(plainPKCS12(f, sequence(oid(f, oidSafeContentsBag), explicit(sequence()))), "")
	f.Add([]byte("\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x01a00000000\x7f\xff\xff\xff"), secret)
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		if len(data) > 1<<16 {
			return
		}
		if store, err := OpenWithoutPassword(data); err == nil {
			checkStore(t, store)
		}
		if store, err := Open(data, password); err == nil {
			checkStore(t, store)
		}
	})
}

func checkStore(t *testing.T, store *Store) {
	t.Helper()
	for _, e := range append(store.Trusted, store.Unlisted...) {
		if e.Certificate == nil {
			t.Fatalf("alias %q without certificate", e.Alias)
		}
	}
	for _, k := range store.Keys {
		for i, c := range k.Chain {
			if c == nil {
				t.Fatalf("key %q: certificate %d is nil", k.Alias, i)
			}
		}
	}
	if len(store.Trusted) == 0 {
		return
	}
	source := Source{Name: "fuzz"}
	for _, e := range store.Trusted {
		source.Certificates = append(source.Certificates, e.Certificate)
	}
	entries := Entries([]Source{source})
	for _, format := range []Format{JKS, PKCS12} {
		out, err := EncodeTrust(format, entries, secret)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Open(out, secret)
		if err != nil {
			t.Fatal(err)
		}
		if missing, extra := Diff(again.Trusted, entries); len(missing)+len(extra) > 0 {
			t.Fatalf("%s: %d missing, %d extra", format, len(missing), len(extra))
		}
	}
}

// FuzzUnlock reaches what a checksum keeps FuzzOpen from: decryption parameters
// and bags in a file without one.
func FuzzUnlock(f *testing.F) {
	e := newKeyEntry(f, "server", newKey(f))
	for _, data := range samples(f) {
		if p, err := parsePFX(data); err == nil {
			f.Add([]byte(p.authSafe))
		}
	}
	ca := sequence(oid(f, oidCertBag), explicit(sequence(oid(f, oidX509Certificate), explicit(octets(e.Chain[1].Raw)))))
	f.Add([]byte(sequence(sequence(oid(f, oidData), explicit(octets(sequence(ca)))))))
	f.Fuzz(func(t *testing.T, safe []byte) {
		r := &bagReader{unlock: newUnlocker(secret)}
		r.unlock.iterations = 100_000 // enough for Java's legacy, and fast
		if err := r.readSafe(safe); err == nil {
			checkStore(t, r.store())
		}
	})
}

// FuzzEntries wants aliases that every format takes, whatever the names.
func FuzzEntries(f *testing.F) {
	a, b, c := newCA(f, "CA", 0, nil), newCA(f, "CA", 1, nil), newCA(f, "CA", 2, nil)
	f.Add("db", "db-2")
	f.Add("DB", "db")
	f.Add("", "a😀")
	f.Fuzz(func(t *testing.T, one, two string) {
		sources := []Source{{Name: one}, {Name: two}}
		for i, ca := range []authority{a, b, c} {
			sources[i%2].Certificates = append(sources[i%2].Certificates, ca.Certificate)
		}
		entries := Entries(sources)
		if len(entries) != 3 {
			t.Fatalf("%d entries of 3", len(entries))
		}
		if _, err := EncodeTrust(JKS, entries, secret); err != nil {
			t.Fatal(err)
		}
	})
}
