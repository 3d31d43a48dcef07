package truststore

import (
	"testing"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func TestPublicCAs(t *testing.T) {
	certificates := PublicCAs()
	count := 0
	for range bundle.Roots() {
		count++
	}
	if len(certificates) != count || count < 100 {
		t.Errorf("%d of %d roots", len(certificates), count)
	}
	entries := Entries([]Source{{Certificates: certificates}})
	if len(entries) != count {
		t.Errorf("%d entries of %d roots", len(entries), count)
	}
	for _, f := range formats {
		got := mustOpen(t, mustEncodeTrust(t, f, entries, secret), secret)
		missing, extra := Diff(got.Trusted, entries)
		if len(missing)+len(extra) > 0 {
			t.Errorf("%s: %d missing, %d extra", f, len(missing), len(extra))
		}
	}
}
