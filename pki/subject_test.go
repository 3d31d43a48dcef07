package pki

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSubjectValidate(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, c := range []struct {
		name    string
		subject Subject
		want    string
	}{
		{"empty", Subject{}, ""},
		{"full", Subject{"my CA", "MyOrg", "MyOU", "US", "New York", "New York", "pki@example.com"}, ""},
		{"other scripts", Subject{CommonName: "証明書 CA", Locality: "Zürich"}, ""},
		{"quotes and JSON", Subject{CommonName: `x", "isCA": true, "y": "`, Organization: `{{ .Token }} / CN=evil`}, ""},
		{"CN of 64", Subject{CommonName: long(64)}, ""},
		{"CN of 65", Subject{CommonName: long(65)}, "65 characters, at most 64"},
		{"O of 65", Subject{Organization: long(65)}, "organization"},
		{"OU of 65", Subject{OrganizationalUnit: long(65)}, "organizationalUnit"},
		{"L of 128", Subject{Locality: long(128)}, ""},
		{"L of 129", Subject{Locality: long(129)}, "at most 128"},
		{"ST of 129", Subject{Province: long(129)}, "province"},
		{"e-mail of 255", Subject{EmailAddress: strings.Repeat("a", 250) + "@b.cd"}, ""},
		{"e-mail of 256", Subject{EmailAddress: strings.Repeat("a", 251) + "@b.cd"}, "at most 255"},
		{"e-mail beyond ASCII", Subject{EmailAddress: "ä@b.cd"}, "only ASCII"},
		{"e-mail without host", Subject{EmailAddress: "me"}, "want an address"},
		{"e-mail with blanks", Subject{EmailAddress: "a b@c.de"}, "want an address"},
		{"e-mail in quotes", Subject{EmailAddress: `"a b"@c.de`}, "want an address"},
		{"e-mail, two dots", Subject{EmailAddress: "a..b@c.de"}, "want an address"},
		{"e-mail at an address", Subject{EmailAddress: "a@10.0.0.1"}, "want an address"},
		{"two e-mails", Subject{EmailAddress: "a@b.cd,e@f.gh"}, "want an address"},
		{"country of 3", Subject{Country: "USA"}, "at most 2"},
		{"country of 1", Subject{Country: "U"}, "two letters"},
		{"country of digits", Subject{Country: "12"}, "two letters"},
		{"country beyond ASCII", Subject{Country: "ÄÖ"}, "two letters"},
		{"newline", Subject{CommonName: "a\nCN=b"}, "U+000A"},
		{"NUL", Subject{Organization: "a\x00b"}, "U+0000"},
		{"escape", Subject{Locality: "\x1b[31m"}, "U+001B"},
		{"bidi mark", Subject{CommonName: "a\u202eb"}, "U+202E"},
		{"not UTF-8", Subject{CommonName: "a\xff"}, "not UTF-8"},
		{"blank in front", Subject{CommonName: " a"}, "blank"},
		{"blank behind", Subject{CommonName: "a "}, "blank"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, c.subject.Validate(), c.want) })
	}
}

// A subject comes out with the bytes that the manual procedure's openssl makes.
func TestSubjectBytesAreOpenSSLs(t *testing.T) {
	s := Subject{"my-ep CA", "MyOrg", "MyOU", "US", "New York", "New York City", "pki@example.com"}
	dir := t.TempDir()
	out := filepath.Join(dir, "ca.pem")
	cmd := exec.Command(tool(t, "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-utf8", "-keyout", filepath.Join(dir, "key.pem"), "-out", out,
		"-subj", "/C=US/ST=New York/L=New York City/O=MyOrg/OU=MyOU/emailAddress=pki@example.com/CN=my-ep CA")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, text)
	}
	theirs := must(ParseCertificates(must(os.ReadFile(out))))[0]
	ours := must(NewRoot(RootRequest{Subject: s, Key: ecKey(), NotBefore: start, NotAfter: start.Add(year)}))
	if !bytes.Equal(ours.RawSubject, theirs.RawSubject) {
		t.Errorf("subject differs from openssl's:\n got %x\nwant %x", ours.RawSubject, theirs.RawSubject)
	}
	if diff := cmp.Diff(s, SubjectOf(theirs.Subject)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if got, want := s.String(), "C=US, ST=New York, L=New York City, O=MyOrg, OU=MyOU, emailAddress=pki@example.com, CN=my-ep CA"; got != want {
		t.Errorf("String: %q, want %q", got, want)
	}
}

// What looks like syntax somewhere is only text in a certificate.
func TestSubjectInjection(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	for _, cn := range []string{
		`x", "isCA": true, "basicConstraints": {"isCA": true}, "y": "`, `{{ .Insecure.CR }}`, `a/CN=b`, `a, CN=b`, `a+O=b`, "a\\nb", "${HOME}",
	} {
		r := leafRequest("my-ep")
		r.CommonName, r.Subject = cn, Subject{Organization: cn}
		leaf, err := NewLeaf(root, r)
		if err != nil {
			t.Fatal(err)
		}
		if leaf.IsCA || leaf.Subject.CommonName != cn || len(leaf.Subject.Names) != 2 || leaf.Subject.Organization[0] != cn {
			t.Errorf("%q came out as %v (CA: %v)", cn, leaf.Subject.Names, leaf.IsCA)
		}
	}
	for _, cn := range []string{"a\nb", "a\x00b", "a\rb"} {
		r := leafRequest("my-ep")
		r.CommonName = cn
		_, err := NewLeaf(root, r)
		wantError(t, err, "not printable")
	}
}
