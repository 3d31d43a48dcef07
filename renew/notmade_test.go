package renew

import (
	"context"
	"errors"
	"testing"

	"github.com/flowcert/flowcert/secrets"
)

// unwritable refuses roots, as an API server may refuse any write.
type unwritable struct{ liveDir }

func (s unwritable) CreateSecret(ctx context.Context, secret *secrets.Secret) error {
	if secret.Role() == secrets.RoleRoot {
		return secrets.ErrChanged
	}
	return s.liveDir.CreateSecret(ctx, secret)
}

func TestNothingTrustsARootThatWasNotWritten(t *testing.T) {
	s := quickSite(t)
	if err := s.carryOut(s.livePlan(testNow), unwritable{liveDir{s.store}}, testNow); !errors.Is(err, secrets.ErrChanged) {
		t.Fatal(err)
	}
	for _, secret := range s.observe(testNow).Secrets {
		if secret.Role() != secrets.RolePassword && secret.Role() != secrets.RoleTruststore {
			t.Errorf("%s was made (%s)", secret.Ref, secret.Role())
		}
	}
	if err := s.carryOut(s.livePlan(testNow), liveDir{s.store}, testNow); err != nil {
		t.Fatal(err)
	}
	before := s.secretNames()

	// The same with the root after it: what stays in use gets no root that is not there beside it.
	s.wishRoot(testNow, false)
	if err := s.carryOut(s.livePlan(testNow), unwritable{liveDir{s.store}}, testNow); !errors.Is(err, secrets.ErrChanged) {
		t.Fatal(err)
	}
	if after := s.secretNames(); len(after) != len(before) {
		t.Errorf("there is %v, want %v", after, before)
	}
	if err := s.carryOut(s.livePlan(testNow), liveDir{s.store}, testNow); err != nil {
		t.Fatal(err)
	}
}
