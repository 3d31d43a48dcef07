package interop

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	zlintlint "github.com/zmap/zlint/v3/lint"

	"github.com/flowcert/flowcert/test/tools"
)

// allCertificates are the DER of every certificate that flowcert wrote: those in Secrets as PEM, and the
// chains in Flink's and the operator's key stores. What is in truststores is among them, or not flowcert's.
func (s state) allCertificates(t testing.TB, flink pod) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	add := func(from string, data []byte) {
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" {
				found[from+" "+fmt.Sprint(len(rest))] = block.Bytes
			}
		}
	}
	for name, data := range s.secrets {
		for key, value := range data {
			add(name+" "+key, value)
		}
	}
	add("Flink's key store", keyStoreChain(t, flink))
	if data, ok := s.secrets["flink-operator/flink-operator-cert"]; ok {
		password := string(s.secret(t, "flink-operator", "operator-certificate-password")["password"])
		store := data.file(t, "keystore.jks")
		add("the operator's key store", []byte(keytool(t, tools.JDKs(t)[0], "-list", "-rfc", "-keystore", store, "-storepass", password)))
	}
	return found
}

// lint wants no error of zlint's RFC 5280 lints on any certificate.
func lint(t testing.TB, certificates map[string][]byte) {
	t.Helper()
	if len(certificates) < 4 {
		t.Errorf("only %d certificates to lint", len(certificates))
	}
	for _, from := range slices.Sorted(maps.Keys(certificates)) {
		if errors := rfc5280(t, certificates[from]); len(errors) > 0 {
			t.Errorf("%s: zlint: %s", from, strings.Join(errors, "; "))
		}
	}
}

// rfc5280 returns the lints of RFC 5280 that found an error, or could not run.
func rfc5280(t testing.TB, der []byte) []string {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := zlintlint.GlobalRegistry().Filter(zlintlint.FilterOptions{IncludeSources: zlintlint.SourceList{zlintlint.RFC5280}})
	if err != nil || len(registry.Names()) < 50 {
		t.Fatalf("zlint has %d lints of RFC 5280: %v", len(registry.Names()), err)
	}
	var errors []string
	for name, result := range zlint.LintCertificateEx(cert, registry).Results {
		if result.Status >= zlintlint.Error {
			errors = append(errors, fmt.Sprintf("%s: %s %s", name, result.Status, result.Details))
		}
	}
	return sorted(errors)
}

// TestZlintFindsErrors: the lints see what is wrong.
func TestZlintFindsErrors(t *testing.T) {
	made := authority{cert: filepath.Join(t.TempDir(), "crt"), key: filepath.Join(t.TempDir(), "key")}
	request(t, made, nil, "/CN=wrong", "basicConstraints=CA:FALSE,pathlen:3", "keyUsage=keyCertSign")
	block, _ := pem.Decode(bytes.TrimSpace(made.pem(t)))
	if got := rfc5280(t, block.Bytes); !strings.Contains(strings.Join(got, " "), "path_len") {
		t.Errorf("zlint finds %q", got)
	}
}
