package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// What CheckNamed refuses is what keytool does not read.
func TestCheckNamedAgainstJava(t *testing.T) {
	names := must(asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("db.example.com")}}))
	for name, tt := range map[string]struct {
		subject, issuer string
		names, critical bool
		good            bool
	}{
		"both":                            {subject: "CN", issuer: "CN", good: true},
		"no subject":                      {issuer: "CN"},
		"no subject, names":               {issuer: "CN", names: true},
		"no subject, critical names":      {issuer: "CN", names: true, critical: true, good: true},
		"no issuer":                       {subject: "CN"},
		"neither, critical names":         {names: true, critical: true},
		"a subject and no critical names": {subject: "CN", issuer: "CN", names: true, good: true},
	} {
		t.Run(name, func(t *testing.T) {
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: tt.subject},
				NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
			}
			if tt.names {
				template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: tt.critical, Value: names}}
			}
			key := ecKey()
			parent := &x509.Certificate{Subject: pkix.Name{CommonName: tt.issuer}}
			cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key))))
			if err := CheckNamed(cert); (err == nil) != tt.good {
				t.Errorf("CheckNamed: %v", err)
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "cert.pem")
			if err := os.WriteFile(file, EncodeCertificates(cert), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(tool(t, "keytool"), "-importcert", "-noprompt", "-alias", "a", "-file", file, "-keystore", filepath.Join(dir, "store"), "-storepass", "changeit").CombinedOutput()
			if (err == nil) != tt.good {
				t.Errorf("keytool: %v: %s", err, out)
			}
		})
	}
}
