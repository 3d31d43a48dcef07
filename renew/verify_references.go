package renew

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// references looks for Secrets that resources refer to and that are not there;
// those of stores are for stores.
func (v *verifier) references() {
	for _, r := range v.configured() {
		for _, use := range deploy.SecretUses(r) {
			v.Checked++
			v.referred(r, use)
		}
	}
}

// configured are the resources of flowcert.yaml.
func (v *verifier) configured() []deploy.Resource {
	var out []deploy.Resource
	for _, job := range v.sortedEventProcessing() {
		out = append(out, job.resource)
	}
	for _, job := range v.sortedFlinks() {
		out = append(out, job.resource)
	}
	return out
}

// givenUpHint is the remedy of what flowcert.yaml does not ask for any more: no plan
// changes it.
const givenUpHint = "flowcert.yaml does not ask for it any more, so nothing makes it again: put back the Secret or what it is for, or take flowcert's edits out (flowcert revert)"

// referred finds the Secret of a reference. One that flowcert made has to be
// there; one of somebody else's may be in the cluster alone.
func (v *verifier) referred(r deploy.Resource, use deploy.Origin) (*secrets.Secret, bool) {
	ref := secrets.Ref{Namespace: r.Namespace, Name: use.Secret}
	if s, ok := v.state.Secrets[ref]; ok {
		return s, true
	}
	switch {
	case v.brokenSecret(ref): // reported already
	case use.Ours:
		hint := "put it back, or run flowcert apply: it makes another one and refers to that"
		if len(v.wanted.Faults) == 0 && !r.Paused() && !v.mends(r, ref) {
			hint = givenUpHint
		}
		v.finding(r.String(), fmt.Sprintf("%s refers to %s, which flowcert made and which is not there", use.Field, ref), hint)
	case v.state.live():
		v.unknown(r.String(), fmt.Sprintf("%s refers to %s, which does not exist", use.Field, ref), "bring it back, or remove what refers to it")
	default:
		v.unknown(r.String(), fmt.Sprintf("%s refers to %s, which is not in the directory%s", use.Field, ref, v.state.brokenNote()), "it has to be in the cluster already")
	}
	return nil, false
}

// mends reports whether the plan changes a resource, or makes the Secret that it
// refers to.
func (v *verifier) mends(r deploy.Resource, ref secrets.Ref) bool {
	return slices.ContainsFunc(v.wanted.Actions, func(a Action) bool {
		return a.Object() == r.String() || a.Object() == ref.String()
	})
}

// brokenSecret reports whether the Secret's file is where flowcert writes it, and
// does not read.
func (v *verifier) brokenSecret(ref secrets.Ref) bool {
	return slices.ContainsFunc(v.state.Broken, func(err error) bool {
		var u *secrets.Unreadable
		return errors.As(err, &u) && filepath.Base(u.File) == ref.Namespace+"."+ref.Name+".yaml"
	})
}
