package deploy

import (
	"strings"
	"testing"
)

// The interoperability tests hold every verdict against real JVMs; these are the
// cases that people write, and the words they get.
func TestCipherProblem(t *testing.T) {
	const good = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
	for _, tt := range []struct{ protocol, suites, key, want string }{
		{"", good, "RSA", ""},
		{"TLSv1.2", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "RSA", ""},
		{"TLSv1.3", "TLS_AES_128_GCM_SHA256", "RSA", ""},
		{"TLSv1.2,TLSv1.3", "TLS_AES_128_GCM_SHA256", "RSA", ""},
		{"TLSv1,TLSv1.2", good, "RSA", ""},
		{"", "SSL_RSA_WITH_RC4_128_MD5,TLS_RSA_WITH_3DES_EDE_CBC_SHA," + good, "RSA", ""},
		{"", good + ",", "RSA", ""},
		{"", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDSA", ""},

		{"", "", "RSA", "is not set, and TLS_RSA_WITH_AES_128_CBC_SHA, the default of Flink until 1.20.3 and 2.2.0, has no cipher suite that a current JDK enables for TLSv1.2"},
		{"TLSv1.3", "", "RSA", "enables for TLSv1.3"},
		{"TLSv1.3", good, "RSA", "security.ssl.algorithms (" + good + ") has no cipher suite that a current JDK enables for TLSv1.3 and an RSA key"},
		{"", "TLS_AES_128_GCM_SHA256", "RSA", "enables for TLSv1.2"},
		{"", good, "ECDSA", "and an ECDSA key"},
		{"", good + ", TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "RSA", `" TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", which is not a cipher suite that the JDK knows (no blanks beside the commas): it refuses the whole list`},
		{"", strings.ToLower(good), "RSA", "(it is written " + good + ")"},
		{"", good + ",,TLS_AES_128_GCM_SHA256", "RSA", `has "", which is not`},
		{"", "ECDHE-RSA-AES128-GCM-SHA256", "RSA", "is not a cipher suite that the JDK knows: it"},
		{"TLSv1.1", good, "RSA", `security.ssl.protocol: "TLSv1.1" is not a protocol that a current JDK enables`},
		{"TLS", good, "RSA", `"TLS" is not a protocol that the JDK knows`},
		{"TLSv1.2, TLSv1.3", good, "RSA", `" TLSv1.3" is not a protocol that the JDK knows (no blanks`},
		{"tlsv1.2", good, "RSA", "(it is written TLSv1.2)"},
	} {
		problem, hint := CipherProblem(tt.protocol, tt.suites, tt.key)
		if (tt.want == "") != (problem == "") || !strings.Contains(problem, tt.want) {
			t.Errorf("%q, %q, %s: %q, want %q", tt.protocol, tt.suites, tt.key, problem, tt.want)
		}
		if (problem == "") != (hint == "") {
			t.Errorf("%q, %q: problem %q, hint %q", tt.protocol, tt.suites, problem, hint)
		}
	}
}

func TestManyProtocols(t *testing.T) {
	for protocol, many := range map[string]bool{"": false, "TLSv1.2": false, "TLSv1.3": false, "TLSv1.2,TLSv1.3": true, "TLSv1.2,": false} {
		problem, hint := ManyProtocols(protocol)
		if (problem != "") != many || (hint != "") != many {
			t.Errorf("%q: problem %q, hint %q", protocol, problem, hint)
		}
	}
}
