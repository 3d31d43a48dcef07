package truststore

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEntries(t *testing.T) {
	a, b, c := newCA(t, "CA", 0, nil), newCA(t, "CA", 1, nil), newCA(t, "CA", 2, nil)
	source := func(name string, cas ...authority) Source {
		s := Source{Name: name}
		for _, ca := range cas {
			s.Certificates = append(s.Certificates, ca.Certificate)
		}
		return s
	}
	hex := func(ca authority) string { return hexFingerprint(ca.Certificate) }
	long := strings.Repeat("n", maxName)
	tests := []struct {
		name    string
		sources []Source
		want    map[string]authority
	}{
		{"none", nil, map[string]authority{}},
		{"one", []Source{source("db", a)}, map[string]authority{"db": a}},
		{"several, oldest first in any order", []Source{source("db", c, a, b)}, map[string]authority{"db": a, "db-2": b, "db-3": c}},
		{"upper case is folded", []Source{source("Orders-DB", a)}, map[string]authority{"orders-db": a}},
		{"names that differ in case are one source", []Source{source("DB", b), source("db", a)}, map[string]authority{"db": a, "db-2": b}},
		{"two sources of one name", []Source{source("db", b), source("db", a)}, map[string]authority{"db": a, "db-2": b}},
		{"a number gives way to a name", []Source{source("db", a, b), source("db-2", c)}, map[string]authority{"db": a, "db-2": c, "db-3": b}},
		{"duplicate: first name wins", []Source{source("zeta", a, b), source("alpha", a)}, map[string]authority{"alpha": a, "zeta": b}},
		{"duplicate in one source", []Source{source("db", a, a)}, map[string]authority{"db": a}},
		{"no name", []Source{source("", a, b)}, map[string]authority{hex(a): a, hex(b): b}},
		{"duplicate: a fit name wins", []Source{source("", a), source("zeta", a)}, map[string]authority{"zeta": a}},
		{"name with a space", []Source{source("my db", a)}, map[string]authority{hex(a): a}},
		{"name with a rune of four bytes", []Source{source("db😀", a)}, map[string]authority{hex(a): a}},
		{"name that begins with a hyphen", []Source{source("-db", a)}, map[string]authority{hex(a): a}},
		{"longest name", []Source{source(long, a, b)}, map[string]authority{long: a, long + "-2": b}},
		{"name too long", []Source{source(long+"n", a)}, map[string]authority{hex(a): a}},
		{"nil certificate", []Source{{Name: "db", Certificates: []*x509.Certificate{nil, a.Certificate}}}, map[string]authority{"db": a}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Entries(tt.sources)
			if !slices.IsSortedFunc(got, compareEntries) {
				t.Error("not sorted by alias")
			}
			want := map[string]*x509.Certificate{}
			for alias, ca := range tt.want {
				want[alias] = ca.Certificate
			}
			if diff := cmp.Diff(want, byAlias(t, got), sameCertificate); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if len(got) > 0 {
				mustEncodeTrust(t, JKS, got, secret)
			}
			slices.Reverse(tt.sources)
			if diff := cmp.Diff(got, Entries(tt.sources), sameCertificate); diff != "" {
				t.Errorf("the order of sources matters: -before +after\n%s", diff)
			}
		})
	}
}

func byAlias(t *testing.T, entries []Entry) map[string]*x509.Certificate {
	t.Helper()
	m := map[string]*x509.Certificate{}
	for _, e := range entries {
		if m[e.Alias] != nil {
			t.Errorf("alias %q twice", e.Alias)
		}
		m[e.Alias] = e.Certificate
	}
	return m
}

// A rotation must not rename the CA that stays.
func TestEntriesKeepsAliasWhenCAIsAdded(t *testing.T) {
	old, new := newCA(t, "CA", 0, nil), newCA(t, "CA", 100, nil)
	before := Entries([]Source{{"db", []*x509.Certificate{old.Certificate}}})
	after := Entries([]Source{{"db", []*x509.Certificate{new.Certificate, old.Certificate}}})
	if before[0].Alias != "db" || after[0].Alias != "db" || !after[0].Certificate.Equal(old.Certificate) {
		t.Errorf("before %q, after %q", before[0].Alias, after[0].Alias)
	}
}

func TestDiff(t *testing.T) {
	a, b, c := newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil), newCA(t, "CA", 0, nil)
	old := []Entry{entry("one", a), entry("two", b), entry("again", b)}
	want := []Entry{entry("other-name", a), entry("three", c), {Alias: "empty"}}
	missing, extra := Diff(old, want)
	if diff := cmp.Diff([]Entry{entry("three", c)}, missing, sameCertificate); diff != "" {
		t.Errorf("missing: -want +got\n%s", diff)
	}
	if diff := cmp.Diff([]Entry{entry("two", b)}, extra, sameCertificate); diff != "" {
		t.Errorf("extra: -want +got\n%s", diff)
	}
	if missing, extra := Diff(old, old); missing != nil || extra != nil {
		t.Errorf("a store differs from itself: %v, %v", missing, extra)
	}
}
