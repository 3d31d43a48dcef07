package deploy

import (
	"fmt"
	"slices"
	"strings"
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

// protocolProblem says why no current JDK speaks security.ssl.protocol; empty
// if it does. It holds one version (Flink documentation, "SSL Setup").
func protocolProblem(protocol string) string {
	if slices.Contains([]string{"", "TLSv1.2", "TLSv1.3"}, protocol) {
		return ""
	}
	return fmt.Sprintf("%q is not a protocol that a current JDK enables; set TLSv1.2 or TLSv1.3, or remove the key", protocol)
}

// suiteProblem says why none of the suites can work with the protocol; empty if
// one can.
func suiteProblem(suites, protocol string) string {
	if protocol == "" {
		protocol = "TLSv1.2"
	}
	for _, s := range strings.Split(suites, ",") {
		if living(strings.TrimSpace(s), protocol) {
			return ""
		}
	}
	return fmt.Sprintf("has no cipher suite that a current JDK enables for %s and an RSA key", protocol)
}

func living(suite, protocol string) bool {
	if protocol == "TLSv1.3" {
		return slices.Contains(tls13Suites, suite)
	}
	forward := strings.HasPrefix(suite, "TLS_ECDHE_RSA_WITH_") || strings.HasPrefix(suite, "TLS_DHE_RSA_WITH_")
	for _, dead := range []string{"_3DES_", "_DES_", "_RC4_", "_NULL_", "_EXPORT_"} {
		if strings.Contains(suite, dead) {
			return false
		}
	}
	return forward
}
