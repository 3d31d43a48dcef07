package renew

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/secrets"
)

// compare reports what is not as the configuration wants it: damage and what is
// missing as findings, what is due or waits apart.
func (v *verifier) compare() {
	for _, f := range v.wanted.Faults {
		v.finding(f.Target, f.Err.Error(), hintOf(f.Err))
	}
	for _, i := range v.wanted.Items {
		v.compareItem(i)
	}
	for _, a := range v.wanted.Actions {
		switch a := a.(type) {
		case *Rewire:
			if a.restartsAlone() {
				v.due(a.Resource.Where(), "restarts: "+a.Reason(), "")
				continue
			}
			made := func(w *Version) bool { return w != nil && w.Secret == nil }
			if !slices.ContainsFunc(a.Wiring.versions(), made) {
				v.finding(a.Resource.Where(), a.Reason(), mendHint)
			}
		case *Restart:
			v.due(a.Object(), "restarts: "+a.Reason(), "")
		case *MakePassword:
			v.finding(a.Object(), a.Reason(), mendHint)
		}
	}
	for _, w := range v.wanted.Waits {
		v.due(w.Target, "waits: "+w.For, "")
	}
}

// compareItem reports one thing under management. Where its Secret is damaged in
// itself, that says more than why it is to be replaced.
func (v *verifier) compareItem(i Item) {
	s := v.secretOf(i)
	waits := strings.HasPrefix(i.State, "waits")
	switch {
	case i.State == stateToBeMade && i.Due:
		v.due(i.Target, i.Name+": "+i.State, "")
	case i.State == stateToBeMade:
		v.finding(i.Target, i.Name+": there is none yet", mendHint)
	case waits && v.faulty(i.Target): // the fault says why
	case s != nil && v.flaw(s) != nil:
		v.finding(i.Target, v.flaw(s).Error(), mendHint)
	case waits && v.nearDeadline(i):
		v.finding(i.Target, fmt.Sprintf("%s: %s, and its certificate ends on %s", i.Name, i.State, day(i.NotAfter)), "roll the resources out and run flowcert apply --deployed, so that the next step is permitted")
	case i.State == stateOK, waits: // the wait is said with what it waits for
	case i.Due:
		v.due(i.Target, i.Name+": "+i.State, "")
	default:
		v.finding(i.Target, i.Name+": "+i.State, mendHint)
	}
}

// nearDeadline reports whether a certificate is at rotation.hardDeadline of its
// life: what waits then waits for an outage.
func (v *verifier) nearDeadline(i Item) bool {
	left := v.cfg.Rotation.HardDeadline.Of(v.cfg.Defaults.Validity.Std())
	return !i.NotAfter.IsZero() && i.NotAfter.Sub(v.state.Now) < left
}

func (v *verifier) secretOf(i Item) *secrets.Secret {
	for _, s := range v.state.versions[slot{i.Target, i.Role}] {
		if s.Name == i.Name {
			return s
		}
	}
	return nil
}

func (v *verifier) faulty(target string) bool {
	return slices.ContainsFunc(v.wanted.Faults, func(f Fault) bool { return f.Target == target })
}

// unread names the files of others that could not be read; those of ours are
// faults of the plan. A reference that leads nowhere says so too.
func (v *verifier) unread() {
	for _, err := range v.state.Broken {
		var u *secrets.Unreadable
		if errors.As(err, &u) && !u.Ours {
			v.skipped(u.File, "not read: "+err.Error())
		}
	}
}

// unmanaged looks at Secrets of ours that something refers to and that the
// configuration does not keep any more.
func (v *verifier) unmanaged() {
	kept := v.items()
	hint := "something refers to it, and flowcert.yaml does not keep it: add its workload, or take the wiring out"
	if len(kept) == 0 { // nothing could be planned
		hint = "see first to what is wrong with the authority"
	}
	for _, ref := range inOrderOf(v.state.references()) {
		s := v.state.Secrets[ref]
		if s == nil || !s.Ours() || kept[s.Name] {
			continue
		}
		v.Checked++
		if err := v.flaw(s); err != nil {
			v.finding(ref.String(), err.Error(), hint)
		}
	}
}

// items are the names of the Secrets that the plan keeps or replaces.
func (v *verifier) items() map[string]bool {
	out := map[string]bool{}
	for _, i := range v.wanted.Items {
		out[i.Name] = true
	}
	return out
}
