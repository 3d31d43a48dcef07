package interop

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// deadSuite is what Flink takes where security.ssl.algorithms is not set (SecurityOptions of Flink 1.20).
const deadSuite = "TLS_RSA_WITH_AES_128_CBC_SHA"

// TestFlinkDefaultSuite is the reason why security.ssl.algorithms is set: with Flink's default no current
// JDK connects, as client or as server. Where an administrator lifts the ban the same stores do, so it is
// the suite and not the certificate.
func TestFlinkDefaultSuite(t *testing.T) {
	t.Parallel()
	s := newSite(t, "testdata/site", smallConfig, newAuthority(t, "database CA").pem(t))
	s.apply(t)
	g := s.generation(t, "only")
	trust, _ := g.flinkTrust(t, namespace, "my-ep")
	keyStore, password := g.flink.keyStore(t)
	dead := []string{tools.Protocols(flinkProtocol), tools.Ciphers(deadSuite)}
	lifted := filepath.Join(t.TempDir(), "java.security")
	write(t, lifted, []byte("jdk.tls.disabledAlgorithms=SSLv3, TLSv1, TLSv1.1\n"))
	withDead := slices.Concat(dead, []string{"-Djava.security.properties=" + lifted})
	for _, jdk := range tools.JDKs(t) {
		living := serve(t, jdk, keyStore, password, g.flink.transport()...)
		flinkDefault := serve(t, jdk, keyStore, password, dead...)
		liftedDefault := serve(t, jdk, keyStore, password, withDead...)
		with := func(options []string) client { return client{options: slices.Concat(trust.options, options)} }

		trust.handshakes(t, jdk, "client", works(living+","+restName, g.flink.suites()[0]),
			fails(flinkDefault+","+restName, "Remote host terminated the handshake"))
		with(dead).handshakes(t, jdk, "client of Flink's default", fails(living+","+restName, "No appropriate protocol"),
			fails(liftedDefault+","+restName, "No appropriate protocol"))
		with(withDead).handshakes(t, jdk, "client whose ban was lifted", works(liftedDefault+","+restName, deadSuite))
	}
}
