package truststore

import (
	"crypto/x509"
	"slices"
	"sync"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// PublicCAs returns Mozilla's roots for TLS servers, as golang.org/x/crypto's
// x509roots bundle holds them at the version in go.mod. The certificates are
// parsed once and shared: they are not to be changed. They stand in for what a JVM trusted before a truststore of its own took
// the public CAs away. Pass them to [Entries] in a [Source] without a name.
//
// Roots that Mozilla trusts only for certificates issued before some day are
// included: no store format can say so, the JVM's own list and Linux
// distributions hold them without the day, and without them a handshake that
// worked before would fail. At the version of 2026-10-30 it is one of 117.
// A root that crypto/x509 cannot parse is left out; there is none.
func PublicCAs() []*x509.Certificate { return slices.Clone(publicCAs()) }

var publicCAs = sync.OnceValue(func() []*x509.Certificate {
	var certificates []*x509.Certificate
	for root := range bundle.Roots() {
		if c, err := x509.ParseCertificate(root.Certificate); err == nil {
			certificates = append(certificates, c)
		}
	}
	return certificates
})
