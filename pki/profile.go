package pki

import "crypto/x509"

// Profile says how strict a client is when it verifies a server's chain. The zero
// value verifies as the RFC allows: any path to any anchor, of any length.
//
// [JVM], [OpenSSL], [Nginx] and [Go] return the clients that flowcert meets; change a
// copy where one is set up otherwise, such as an nginx with another
// proxy_ssl_verify_depth.
type Profile struct {
	Name string // for messages

	// MaxIntermediates bounds the certificates between leaf and anchor, cross
	// certificates included. 0: no bound. Negative: none is allowed.
	MaxIntermediates int

	// NoPartialChains: the chain must end in a self-signed certificate. A subordinate
	// CA alone in the truststore is no anchor.
	NoPartialChains bool

	// OneCAPerSubject: the client builds one chain and does not come back to try
	// another CA of the same subject. See [OpenSSL] for what is modelled.
	OneCAPerSubject bool

	// JVM: the chain is judged as Java's PKIX validator does. See [JVM].
	JVM bool

	// Usage is what the leaf must be good for. 0: server authentication. (The any
	// usage, which is 0 too, is not to be had.)
	Usage x509.ExtKeyUsage
}

func (p Profile) usage() x509.ExtKeyUsage {
	if p.Usage == x509.ExtKeyUsageAny {
		return x509.ExtKeyUsageServerAuth
	}
	return p.Usage
}

// JVM is a Java client of OpenJDK 17 to 25 with the anchors in its truststore.
//
// Modelled after sun.security.validator.PKIXValidator: an anchor's own dates,
// pathLen, name constraints and usages are ignored; those of intermediates count;
// a presented chain in order is cut at the first certificate that is trusted, or
// has the subject and key of a trusted one, and then not built anew; a leaf that is
// itself in the truststore is accepted as it is, even expired. An RSA leaf with a key usage
// needs digitalSignature and keyEncipherment (both kinds of suites), any other
// digitalSignature. The chain must fit Java's limits for a handshake (10
// certificates, 32 KB).
func JVM() Profile { return Profile{Name: "JVM", JVM: true} }

// OpenSSL is a client of libssl 1.1 or 3 with default flags: psql, curl, s_client.
//
// Modelled after build_chain in x509_vfy.c: one chain, at each step the trusted
// issuer first, then a presented one; issuers are found by subject and by what the
// AKI says, without trying the signature; once in the truststore it stays there.
// Approximated: where several certificates of the truststore match, which one
// OpenSSL takes depends on the order in which they were loaded; the chain is
// accepted only if every choice leads to acceptance. The same for presented ones.
func OpenSSL() Profile {
	return Profile{Name: "OpenSSL", NoPartialChains: true, OneCAPerSubject: true}
}

// Nginx is nginx with proxy_ssl_verify on: OpenSSL with proxy_ssl_verify_depth 1,
// its default, which is one intermediate.
func Nginx() Profile {
	p := OpenSSL()
	p.Name, p.MaxIntermediates = "nginx", 1
	return p
}

// Go is a client of crypto/tls.
func Go() Profile { return Profile{Name: "Go"} }
