package pki

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIsSelfSigned(t *testing.T) {
	w := newWorld(start)
	for name, c := range map[string]struct {
		issuer Issuer
		want   bool
	}{
		"root":           {w.g1, true},
		"intermediate":   {w.i1, false},
		"leaf":           {handmade(Issuer{}, "self", w.from, w.to, serverOf(nil)), true},
		"same name only": {handmade(Issuer{Certificate: withSubject(w.g1.Certificate, "twin"), Key: w.g1.Key}, "twin", w.from, w.to, caOf(nil)), false},
	} {
		if got := IsSelfSigned(c.issuer.Certificate); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if IsSelfSigned(w.cross) {
		t.Error("a cross certificate counts as self-signed")
	}
}

// Databases still have roots signed with SHA-1 or MD5. Signatures on roots do not
// matter: a leaf of theirs verifies.
func TestOldRoots(t *testing.T) {
	for digest, want := range map[string]string{"-sha1": "SHA1-RSA", "-md5": "MD5-RSA"} {
		dir := t.TempDir()
		out, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.pem")
		openssl(t, "req", "-x509", "-newkey", "rsa:2048", digest, "-nodes", "-keyout", keyFile, "-out", out,
			"-subj", "/CN=old database CA", "-addext", "keyUsage=critical,keyCertSign")
		root := must(ParseCertificates(must(os.ReadFile(out))))[0]
		if got := root.SignatureAlgorithm.String(); got != want || !IsSelfSigned(root) {
			t.Errorf("%s: signed with %s, self-signed %v", digest, got, IsSelfSigned(root))
		}
		now := root.NotBefore
		leaf := handmade(Issuer{Certificate: root, Key: must(ParseKey(must(os.ReadFile(keyFile)), nil))}, svc, now, now.Add(day), serverOf(nil)).Certificate
		for _, p := range []Profile{JVM(), OpenSSL(), Go()} {
			if err := VerifyChain(p, certs{leaf}, certs{root}, svc, now); err != nil {
				t.Errorf("%s, %s: %v", digest, p.Name, err)
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	root := makeRoot("root", start, start.Add(year)).Certificate
	path := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(path, EncodeCertificates(root), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool(t, "openssl"), "x509", "-in", path, "-noout", "-fingerprint", "-sha256").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(strings.TrimSpace(string(out)), "=")
	if got := Fingerprint(root); got != strings.ToLower(strings.ReplaceAll(want, ":", "")) {
		t.Errorf("got %s, openssl says %s", got, want)
	}
}

func TestRoots(t *testing.T) {
	w := newWorld(start)
	g1, g2, i2 := w.g1.Certificate, w.g2.Certificate, w.i2.Certificate
	roots, others := Roots(certs{w.l2, g1, i2, g2, w.cross})
	if diff := cmp.Diff([]certs{{g1, g2}, {w.l2, i2, w.cross}}, []certs{roots, others}); diff != "" {
		t.Errorf("Roots (-want +got):\n%s", diff)
	}
}
