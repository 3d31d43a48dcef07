package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/flowcert/flowcert/renew"
)

// What -o json prints. Names and types are a contract: fields may be added,
// never changed. Lists are never null; times are RFC 3339 in UTC.

// passJSON is what plan, apply and status print.
type passJSON struct {
	Actions []actionJSON `json:"actions,omitzero"` // plan: what would be done
	Done    []actionJSON `json:"done,omitzero"`    // apply: what was done
	Items   []itemJSON   `json:"items,omitzero"`   // apply, status: what is under management
	Waits   []waitJSON   `json:"waits"`
	Rolling []waitJSON   `json:"rolling,omitempty"` // resources whose last change has not reached all that runs
	Unfit   []waitJSON   `json:"unfit,omitempty"`   // resources that do not work
	Notices []string     `json:"notices"`
	Faults  []faultJSON  `json:"faults"` // why nothing was done
}

type actionJSON struct {
	Action   string `json:"action"` // make, edit, restart, adopt or remove
	Object   string `json:"object"`
	What     string `json:"what"`
	Reason   string `json:"reason"`
	Restarts string `json:"restarts,omitempty"`
	File     string `json:"file,omitempty"` // of an edit
}

type waitJSON struct {
	Target string `json:"target"`
	For    string `json:"for"`
}

type faultJSON struct {
	Target  string `json:"target"`
	Problem string `json:"problem"`
	Hint    string `json:"hint,omitempty"`
}

type itemJSON struct {
	Target   string     `json:"target"`
	Role     string     `json:"role"`
	Secret   string     `json:"secret"`
	NotAfter *time.Time `json:"notAfter,omitempty"`
	RenewAt  *time.Time `json:"renewAt,omitempty"`
	Loaded   string     `json:"loaded"`
	State    string     `json:"state"`
}

// json reports whether output is for programs.
func (a *app) json() bool { return a.output == "json" }

// printJSON writes data for programs.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func passOutput(plan *renew.Plan) passJSON {
	out := passJSON{Waits: []waitJSON{}, Notices: append([]string{}, plan.Notices...), Faults: []faultJSON{}}
	for _, w := range plan.Waits {
		out.Waits = append(out.Waits, waitJSON{w.Target, w.For})
	}
	for _, r := range plan.Rolling {
		out.Rolling = append(out.Rolling, waitJSON{r.Target, r.For})
	}
	for _, u := range plan.Unfit {
		out.Unfit = append(out.Unfit, waitJSON{u.Target, u.For})
	}
	for _, f := range plan.Faults {
		out.Faults = append(out.Faults, faultJSON{Target: f.Target, Problem: f.Err.Error(), Hint: renew.RemedyOf(f.Err)})
	}
	return out
}

func planOutput(plan *renew.Plan) passJSON {
	out := passOutput(plan)
	out.Actions = actionsOutput(plan.Actions)
	return out
}

func applyOutput(plan *renew.Plan, done []actionJSON) passJSON {
	out := statusOutput(plan)
	out.Done = done
	return out
}

func statusOutput(plan *renew.Plan) passJSON {
	out := passOutput(plan)
	out.Items = []itemJSON{}
	for _, i := range plan.Items {
		out.Items = append(out.Items, itemJSON{
			Target: i.Target, Role: string(i.Role), Secret: i.Name, NotAfter: optional(i.NotAfter), RenewAt: optional(i.RenewAt),
			Loaded: i.Loaded, State: strings.TrimSpace(i.State),
		})
	}
	return out
}

func actionsOutput(actions []renew.Action) []actionJSON {
	out := []actionJSON{}
	for _, action := range actions {
		j := actionJSON{Action: verbOf(action).todo, Object: action.Object(), What: action.What(), Reason: action.Reason(), Restarts: action.Disturbs()}
		if r, ok := action.(*renew.Rewire); ok {
			j.File = r.Resource.File
		}
		out = append(out, j)
	}
	return out
}

// optional is the time to the second; nil for none.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}
