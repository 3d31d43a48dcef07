package renew

import (
	"crypto/sha1" // by which Flink pins certificates
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/deploy"
)

// transport looks at settings by which handshakes of Flink fail although every
// store is in order.
func (v *verifier) transport() {
	for _, job := range v.sortedFlinks() {
		s := v.served[job.target]
		if !s.channels.Rest.TLS && !s.channels.Internal.TLS {
			continue
		}
		v.ciphers(job, s)
		v.pinned(job, s.channels.Rest, s.rest)
		v.pinned(job, s.channels.Internal, s.internal)
		if s.channels.Rest.TLS && s.channels.Rest.ClientAuth {
			v.clientAuth(job)
		}
	}
}

// ciphers looks at protocols and cipher suites. Flink applies both between its
// own processes, and to REST where that wants client certificates; otherwise REST
// takes what the JVM takes (FLINK-39969; seen with 1.20.5, 2.2.1 and 2.3.0).
func (v *verifier) ciphers(job *flinkJob, s flinkStores) {
	v.Checked++
	settings := deploy.FlinkCipherSettings(job.resource)
	problem, hint := deploy.CipherProblem(settings.Protocol, settings.Suites, keyAlgorithm(s))
	internal := s.channels.Internal.TLS
	switch {
	case problem == "" && internal:
		if problem, hint = deploy.ManyProtocols(settings.Protocol); problem != "" {
			v.finding(job.target, problem, hint)
		}
	case problem == "":
	case settings.Unknown != "":
		v.unknown(job.target, "whether a handshake finds a cipher suite: "+settings.Unknown, "try it, or leave the choice to the JDK's own settings")
	case internal:
		v.finding(job.target, "every TLS handshake between Flink's pods fails: "+problem, hint)
	case s.channels.Rest.ClientAuth:
		v.finding(job.target, "every TLS handshake of Flink's REST endpoint fails: "+problem, hint)
	default:
		v.unknown(job.target, "whether Flink's REST endpoint will go on with the JVM's own cipher suites, as Flink 1.20 to 2.3 do: "+problem, hint)
	}
}

// keyAlgorithm is that of the certificate served; flowcert gives Flink RSA.
func keyAlgorithm(s flinkStores) string {
	for _, l := range []*opened{s.rest.key, s.internal.key} {
		if l != nil && l.chain[0].PublicKeyAlgorithm == x509.ECDSA {
			return "ECDSA"
		}
	}
	return "RSA"
}

// pinned compares cert.fingerprint with the certificate in use: Flink then
// trusts that certificate and does not look at the truststore.
func (v *verifier) pinned(job *flinkJob, c deploy.FlinkChannel, stores channelStores) {
	if !c.TLS || len(c.Pinned) == 0 || stores.key == nil {
		return
	}
	v.Checked++
	sum := sha1.Sum(stores.key.chain[0].Raw)
	served := hex.EncodeToString(sum[:])
	const hint = "remove the key: the truststore decides, and renewals need no change of it"
	if slices.Contains(c.Pinned, served) {
		v.due(job.target, c.PinnedField+" pins the certificate in use: handshakes fail from its renewal on", hint)
		return
	}
	v.finding(job.target, fmt.Sprintf("%s pins %s, but the certificate in use (%s) has %s: Flink's own handshakes fail",
		c.PinnedField, strings.Join(c.Pinned, ","), stores.key.secret.Ref, served), hint)
}

// clientAuth: Event Processing has no field for a client certificate.
func (v *verifier) clientAuth(job *flinkJob) {
	for _, ep := range v.sortedEventProcessing() {
		v.Checked++
		if v.flinkOf(ep) == job {
			v.finding(job.target, "security.ssl.rest.authentication-enabled shuts "+ep.target+" out: it calls this endpoint and has no client certificate",
				"remove the key; who may reach the endpoint is for a network policy")
		}
	}
}
