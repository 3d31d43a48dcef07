package renew

import (
	"github.com/flowcert/flowcert/deploy"
)

// rewiring makes the edits of resources in the background, each as soon as the
// versions that it refers to are written: their names, and the passwords in them,
// are known then.
type rewiring struct {
	waits   map[*Version][]*Rewire // for a version
	missing map[*Rewire]int        // how many versions each waits for
	results map[*Rewire]chan deploy.Result
	slots   slots
}

// rewireAhead begins with those that wait for nothing. Call done after every
// action.
func rewireAhead(plan *Plan, r *runner) *rewiring {
	w := &rewiring{
		waits: map[*Version][]*Rewire{}, missing: map[*Rewire]int{}, results: map[*Rewire]chan deploy.Result{},
		slots: r.ahead.slots,
	}
	made := map[*Version]bool{} // by this plan
	for _, action := range plan.Actions {
		if v := makes(action); v != nil {
			made[v] = true
		}
	}
	for _, rewire := range rewires(plan) {
		w.results[rewire] = make(chan deploy.Result, 1)
		needed := map[*Version]bool{}
		for _, v := range append(rewire.Wiring.versions(), r.ahead.root) {
			if made[v] && !needed[v] {
				needed[v] = true
				w.waits[v] = append(w.waits[v], rewire)
			}
		}
		if w.missing[rewire] = len(needed); len(needed) == 0 {
			w.begin(rewire, r)
		}
	}
	return w
}

// makes is the version that an action makes; nil if it makes none.
func makes(action Action) *Version {
	switch action := action.(type) {
	case *MakeRoot:
		return action.Version
	case *MakeIntermediate:
		return action.Version
	case *MakePassword:
		return action.Version
	case *MakeLeaf:
		return action.Version
	case *MakeTrust:
		return action.Version
	}
	return nil
}

// done says that an action has run.
func (w *rewiring) done(action Action, r *runner) {
	v := makes(action)
	if v == nil {
		return
	}
	for _, rewire := range w.waits[v] {
		if w.missing[rewire]--; w.missing[rewire] == 0 {
			w.begin(rewire, r)
		}
	}
}

func (w *rewiring) begin(rewire *Rewire, r *runner) {
	root, result := r.root, w.results[rewire]
	go func() {
		defer w.slots.take()()
		result <- rewire.Wiring.Edits(rewire.Resource, root)
	}()
}
