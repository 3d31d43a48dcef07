package interop

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/test/tools"
)

// TestCipherVerdicts: each list of suites that flowcert calls dead fails on the JDKs here, and each that it
// calls fine works: every suite that the JDK has, alone, for every protocol, and lists as people write them.
func TestCipherVerdicts(t *testing.T) {
	t.Parallel()
	s := newSite(t, "testdata/site", smallConfig, newAuthority(t, "database CA").pem(t))
	s.apply(t)
	g := s.generation(t, "only")
	stores := slices.Concat(tools.KeyStore(g.flink.keyStore(t)), tools.TrustStore(g.flink.trustStore()))
	for _, jdk := range tools.JDKs(t) {
		settings := cipherSettings(allSuites(t, jdk))
		release := slot()
		out, err := tools.RunJava(t, jdk, stores, "Suites", settings...)
		release()
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if err != nil || len(lines) != len(settings) {
			t.Fatalf("JDK %s: %d results, want %d: %v", jdk.Version, len(lines), len(settings), err)
		}
		counted := map[bool]int{}
		for i, setting := range settings {
			protocol, suites, _ := strings.Cut(setting, "|")
			problem, _ := deploy.CipherProblem(protocol, suites, "RSA")
			works := strings.HasPrefix(lines[i], "OK ")
			if works != (problem == "") {
				t.Errorf("JDK %s: %s\nflowcert says: %q", jdk.Version, lines[i], problem)
			}
			counted[works]++
		}
		if counted[true] < 30 || counted[false] < 200 {
			t.Errorf("JDK %s: %d settings work and %d do not, which is too few of one", jdk.Version, counted[true], counted[false])
		}
	}
}

// allSuites are the names that the JDK knows, with nothing disabled.
func allSuites(t *testing.T, jdk tools.JDK) []string {
	t.Helper()
	defer slot()()
	lifted := filepath.Join(t.TempDir(), "java.security")
	write(t, lifted, []byte("jdk.tls.disabledAlgorithms=\n"))
	out, err := tools.RunJava(t, jdk, []string{"-Djava.security.properties=" + lifted}, "Suites")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(out)
}

// cipherSettings are protocols|suites, both never empty: the JVM has no defaults of Flink's.
func cipherSettings(all []string) []string {
	const good, other = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"
	var out []string
	for _, suite := range slices.Concat(all, []string{"TLS_RSA_WITH_RC4_128_MD5", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_NULL_MD5"}) {
		for _, protocol := range []string{"TLSv1.2", "TLSv1.3", "TLSv1.2,TLSv1.3"} {
			out = append(out, protocol+"|"+suite)
		}
	}
	for _, suites := range []string{
		good + "," + other, "TLS_RSA_WITH_AES_128_CBC_SHA," + good, good + ",", good + ", " + other, " " + good, good + ",," + other,
		strings.ToLower(good), "ECDHE-RSA-AES128-GCM-SHA256", good + ",TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256", "TLS_X",
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_256_GCM_SHA384",
	} {
		for _, protocol := range []string{"TLSv1.2", "TLSv1.3", "TLSv1.2,TLSv1.3", "TLSv1,TLSv1.2", "TLSv1.2,"} {
			out = append(out, protocol+"|"+suites)
		}
	}
	for _, protocol := range []string{"TLS", "TLSv1", "TLSv1.1", "SSLv3", "SSLv2Hello", "tlsv1.2", "TLSv1.2, TLSv1.3", " TLSv1.2", "TLSv1,TLSv1.1"} {
		out = append(out, protocol+"|"+good)
	}
	return out
}
