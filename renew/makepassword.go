package renew

import (
	"context"
	"fmt"

	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// choosePasswords makes those that lie in a Secret of their own: what they open is
// made before that Secret is written.
func (r *runner) choosePasswords(plan *Plan) error {
	r.passwords = map[*Version]string{}
	for _, action := range plan.Actions {
		if a, ok := action.(*MakePassword); ok {
			password, err := orGenerate(a.Value)
			if err != nil {
				return err
			}
			r.passwords[a.Version] = password
		}
	}
	return nil
}

func (a *MakePassword) run(ctx context.Context, r *runner) error {
	s := secrets.New(a.Ref, a.Target, a.Role, r.now)
	s.Immutable = false // people may change it: what it opens is then made anew
	s.Data[a.Key] = []byte(r.passwords[a.Version])
	return r.create(ctx, a.Version, s)
}

func orGenerate(password string) (string, error) {
	if password != "" {
		return password, nil
	}
	return truststore.Password()
}

// password is what lies in a Secret of its own, which the plan may still have to write.
func (r *runner) password(v *Version) (string, error) {
	if password, ok := r.passwords[v]; ok {
		return password, nil
	}
	return v.password()
}

// password opens a Secret that is there.
func (v *Version) password() (string, error) {
	if v.Secret == nil {
		return "", fmt.Errorf("%s of %s %w", v.Role, v.Target, errNotMade)
	}
	return string(v.Secret.Data[secrets.Password]), nil
}
