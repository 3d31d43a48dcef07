package deploy

import (
	"fmt"
	"slices"
	"strings"
)

// flinkDefaultSuites and flinkDefaultProtocol are what Flink takes where
// security.ssl.algorithms and security.ssl.protocol are absent (Flink
// documentation, "SSL Setup"). From 1.20.4 and 2.2.1 on its default suites are
// those of livingSuites; a resource does not say which patch it runs.
const (
	flinkDefaultSuites   = "TLS_RSA_WITH_AES_128_CBC_SHA"
	flinkDefaultProtocol = "TLSv1.2"
)

// Protocols that the JDK knows, and those of them that it enables
// (jdk.tls.disabledAlgorithms in java.security of OpenJDK 17.0.21 and 25).
var (
	knownProtocols   = []string{"TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1", "SSLv3", "SSLv2Hello"}
	enabledProtocols = []string{"TLSv1.3", "TLSv1.2"}
)

// tls13Suites are those of TLS 1.3 that the JDK has (JDK Providers
// Documentation, "SunJSSE Cipher Suites").
var tls13Suites = []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}

// livingSuites are cipher suites that every supported JDK enables for the
// protocol (security.ssl.protocol, TLSv1.2 where it is absent).
func livingSuites(protocol string) string {
	if protocol == "TLSv1.3" {
		return "TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384"
	}
	return "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
}

// CipherProblem says why no current JDK completes a handshake with Flink's
// security.ssl.protocol and security.ssl.algorithms, and what to do; both empty
// if one does. Empty settings stand for Flink's defaults. The key is the
// algorithm of the certificate's key, RSA or ECDSA.
//
// Flink splits both at commas and trims nothing (SSLUtils), and the JDK refuses
// a whole list for one name in it that it does not know.
func CipherProblem(protocol, suites, key string) (problem, hint string) {
	if problem := protocolProblem(protocol); problem != "" {
		return "security.ssl.protocol: " + problem, "set TLSv1.2 or TLSv1.3, or remove the key"
	}
	problem = suiteProblem(suites, protocol, key)
	if problem == "" {
		return "", ""
	}
	subject := "security.ssl.algorithms (" + suites + ") "
	if suites == "" {
		subject = "security.ssl.algorithms is not set, and " + flinkDefaultSuites + ", the default of Flink until 1.20.3 and 2.2.0, "
	}
	return subject + problem, "remove the key and run flowcert apply, which sets " + livingSuites(protocol)
}

// protocolProblem says why no current JDK speaks security.ssl.protocol; empty
// if it does.
func protocolProblem(protocol string) string {
	versions := splitSetting(protocol, flinkDefaultProtocol)
	for _, v := range versions {
		if !slices.Contains(knownProtocols, v) {
			return fmt.Sprintf("%q is not a protocol that the JDK knows%s", v, misspelt(v, knownProtocols))
		}
	}
	if !slices.ContainsFunc(versions, func(v string) bool { return slices.Contains(enabledProtocols, v) }) {
		return fmt.Sprintf("%q is not a protocol that a current JDK enables", protocol)
	}
	return ""
}

// ManyProtocols says why a JobManager does not start with a
// security.ssl.protocol that names several, and what to do; both empty if it
// does. It is so with internal TLS only: Flink's RPC takes one protocol, its
// other endpoints a list (FLINK-40727; seen with 1.20.5, 2.2.1 and 2.3.0).
func ManyProtocols(protocol string) (problem, hint string) {
	if len(splitSetting(protocol, flinkDefaultProtocol)) < 2 {
		return "", ""
	}
	return fmt.Sprintf("security.ssl.protocol names several protocols (%s), and Flink's RPC takes one: the JobManager does not start", protocol),
		"set TLSv1.2 or TLSv1.3, or remove the key"
}

// suiteProblem says why none of the suites can work with the protocol and a key
// of the algorithm; empty if one can.
func suiteProblem(suites, protocol, key string) string {
	versions := splitSetting(protocol, flinkDefaultProtocol)
	names := splitSetting(suites, flinkDefaultSuites)
	for _, name := range names {
		if !knownSuite(name) {
			return fmt.Sprintf("has %q, which is not a cipher suite that the JDK knows%s: it refuses the whole list", name, misspelt(name, jdkSuites))
		}
	}
	for _, version := range versions {
		if slices.ContainsFunc(names, func(name string) bool { return living(name, version, key) }) {
			return ""
		}
	}
	return fmt.Sprintf("has no cipher suite that a current JDK enables for %s and an %s key", strings.Join(versions, ","), key)
}

// splitSetting splits as Flink does, without trimming.
func splitSetting(value, otherwise string) []string {
	if value == "" {
		value = otherwise
	}
	parts := strings.Split(value, ",")
	for len(parts) > 1 && parts[len(parts)-1] == "" { // as String.split of Java does
		parts = parts[:len(parts)-1]
	}
	return parts
}

// misspelt says what a name that the JDK takes to the letter may have been meant
// to be.
func misspelt(name string, known []string) string {
	for _, k := range known {
		switch trimmed := strings.TrimSpace(name); {
		case k == trimmed:
			return " (no blanks beside the commas)"
		case strings.EqualFold(k, trimmed):
			return fmt.Sprintf(" (it is written %s)", k)
		}
	}
	return ""
}

// living reports whether the JDK enables a suite for a protocol and a key: what
// jdk.tls.disabledAlgorithms leaves (OpenJDK 17.0.21 and 25; TLS_RSA_* went with
// 11.0.30, 17.0.18 and 21.0.10).
func living(suite, protocol, key string) bool {
	switch protocol {
	case "TLSv1.3":
		return slices.Contains(tls13Suites, suite)
	case "TLSv1.2":
		forward := strings.HasPrefix(suite, "TLS_ECDHE_"+key+"_") || strings.HasPrefix(suite, "TLS_DHE_"+key+"_")
		return forward && !slices.ContainsFunc([]string{"_3DES_", "_RC4_", "_NULL_"}, func(dead string) bool {
			return strings.Contains(suite, dead)
		})
	}
	return false
}

// knownSuite reports whether the JDK takes a name into a list of suites; a suite
// whose name begins with SSL_ goes by TLS_ too.
func knownSuite(name string) bool {
	if slices.Contains(jdkSuites, name) {
		return true
	}
	rest, ok := strings.CutPrefix(name, "TLS_")
	return ok && slices.Contains(jdkSuites, "SSL_"+rest)
}
