package secrets

import (
	"crypto/x509"
	"time"

	"github.com/flowcert/flowcert/pki"
)

// RoleDistrusted is the list of an authority's roots that were compromised, public
// certificates alone. It stays when their Secrets go: nobody is to trust them again.
const RoleDistrusted Role = "distrusted"

// NewDistrusted makes such a list.
func NewDistrusted(ref Ref, target string, roots []*x509.Certificate, now time.Time) *Secret {
	s := New(ref, target, RoleDistrusted, now)
	s.Immutable = false // it grows
	s.Data[CACert] = pki.EncodeCertificates(roots...)
	return s
}

// Distrusted reads the list.
func (s *Secret) Distrusted() ([]*x509.Certificate, error) { return s.certificates(CACert) }
