package renew

import (
	"os"
	"slices"
	"testing"

	"github.com/flowcert/flowcert/secrets"
)

// TestVerifyOfWhatWasGivenUp: a Secret that somebody removed is not made again where
// flowcert.yaml does not ask for it any more, and the hint does not say so.
func TestVerifyOfWhatWasGivenUp(t *testing.T) {
	for _, giveUp := range []bool{false, true} {
		s := quickSite(t)
		s.apply(testNow)
		for _, secret := range s.observe(testNow).Secrets {
			if secret.Role() == secrets.RoleFlinkTLS {
				if err := os.Remove(secret.File); err != nil {
					t.Fatal(err)
				}
			}
		}
		if giveUp {
			s.edit("flowcert.yaml", "[{name: session}]", "[{name: session, tls: {rest: false, internal: false}}]")
			s.reload()
		}
		findings := Verify(s.cfg, s.observe(testNow)).Findings
		given := slices.ContainsFunc(findings, func(f Finding) bool { return f.Target == "flinkDeployment/ea/session" && f.Hint == givenUpHint })
		if given != giveUp {
			t.Errorf("given up: %v; findings %v", giveUp, findings)
		}
	}
}
