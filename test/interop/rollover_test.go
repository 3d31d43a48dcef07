package interop

import (
	"net/http"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// generations makes a site and lets its root be followed by another one, twice; nobody says that anything
// was rolled out.
func generations(t testing.TB, format, key string) []generation {
	t.Helper()
	s := newSite(t, "testdata/site", rotationConfig(format, key), newAuthority(t, "database CA").pem(t))
	s.apply(t)
	out := []generation{s.generation(t, "first")}
	for _, label := range []string{"second", "third"} {
		if stdout, stderr, code := flowcert(t, "renew", "--ca", "--dir", s.dir); code != 0 {
			t.Fatalf("flowcert renew --ca: exit %d\n%s%s", code, stdout, stderr)
		}
		s.apply(t)
		out = append(out, s.generation(t, label))
		samePasswords(t, out[0], out[len(out)-1])
	}
	s.verify(t, 0)
	return out
}

// TestRootRollover is the matrix of clients and servers of three generations of the root, with real JVMs on
// both ends: by the cross certificates every client accepts every server, whichever roots it knows. The
// oldest clients know the first root alone and meet a chain with two cross certificates.
func TestRootRollover(t *testing.T) {
	for _, format := range []string{"JKS", "PKCS12"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			m := matrix{clients: generations(t, format, "{algorithm: RSA, size: 2048}")}
			m.serve(t, format, "RSA")
			for _, jdk := range tools.JDKs(t) {
				m.eventProcessingCallsFlink(t, jdk)
				m.operatorCallsFlink(t, jdk)
				m.flinkCallsFlink(t, jdk)
			}
		})
	}
}

// TestRootRolloverOutsideJava is the same for OpenSSL, and for nginx, which follows one intermediate and so
// knows a new root only by its own: that is why its trust moves first.
func TestRootRolloverOutsideJava(t *testing.T) {
	t.Parallel()
	all := generations(t, "JKS", "{algorithm: ECDSA, size: 256}")
	for i, server := range all {
		served := server.certificate(t, namespace, "my-ep")
		chain := chainOf(t, served["tls.crt"])
		upstream := tools.StartTLSServer(t, served["tls.crt"], served["tls.key"])
		for j, client := range all {
			ca := client.certificate(t, namespace, "my-ep").file(t, "ca.crt")
			openssl(t, "verify", "-purpose", "sslserver", "-verify_hostname", epName, "-CAfile", ca, "-untrusted", chain.others, chain.leaf)
			want := http.StatusOK
			if i > j {
				want = http.StatusBadGateway
			}
			t.Run(client.label+" nginx, "+server.label+" server", func(t *testing.T) {
				get(t, tools.StartNginx(t, upstream, ca, epName, 0), want)
			})
		}
	}
}
