package renew

import (
	"errors"
	"slices"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/secrets"
)

// Report is what a verification found.
type Report struct {
	// Checked counts the things that were looked at.
	Checked int
	// Findings are wrong.
	Findings []Finding
	// Unknown could not be checked. It is never success.
	Unknown []Finding
	// Due is well today; the next apply has something to do, or waits, or
	// something will stop working at a time that is known.
	Due []Finding
	// Endpoints are the servers that [Report.Dial] asks.
	Endpoints []Endpoint
	// Skipped was not looked at: servers, where the user asked for that, and files
	// of others that do not read and that nothing is known to need.
	Skipped []Finding
}

// Finding is one thing that is wrong, or that could not be checked.
type Finding struct {
	Target  string // what it is about, kind/namespace/name where it has one
	Problem string
	Hint    string // what to do
}

func (r *Report) finding(target, problem, hint string) {
	r.Findings = addFinding(r.Findings, Finding{target, problem, hint})
}

func (r *Report) unknown(target, problem, hint string) {
	r.Unknown = addFinding(r.Unknown, Finding{target, problem, hint})
}

func (r *Report) due(target, problem, hint string) {
	r.Due = addFinding(r.Due, Finding{target, problem, hint})
}

func (r *Report) skipped(target, problem string) {
	r.Skipped = addFinding(r.Skipped, Finding{Target: target, Problem: problem})
}

// addFinding leaves out what is there already: a Secret is used in several
// places.
func addFinding(list []Finding, f Finding) []Finding {
	if slices.Contains(list, f) {
		return list
	}
	return append(list, f)
}

// mendHint is the remedy where a plan has one.
const mendHint = "flowcert plan shows what would mend it"

// verifier gathers a report. It looks at the same things three times: as the
// configuration wants them, each Secret in itself, and as the resources'
// own words have it opened by what runs.
type verifier struct {
	*planner
	*Report
	wanted *Plan
	flaws  map[*secrets.Secret]error // of Secrets in themselves, as far as they were looked at
	jvm    map[string][]opened       // truststores of JVM options, by target
	flink  map[string]*opened        // truststores of spec.flink.tls, by target
	served map[string]flinkStores    // by target
}

// Verify looks into every store, checks every chain, name and reference, and
// compares with what the configuration wants. It opens no connection: call
// [Report.Dial] or [Report.SkipDial] next.
func Verify(cfg *config.Config, state *State) *Report {
	v := newVerifier(cfg, state)
	v.compare()
	v.unread()
	v.secretsInUse()
	v.unmanaged()
	v.asReferred()
	v.meetWebhook()
	v.Endpoints = append(v.endpoints(), v.webhookEndpoints()...)
	v.sort()
	return v.Report
}

func newVerifier(cfg *config.Config, state *State) *verifier {
	v := &verifier{
		planner: newPlanner(cfg, state), Report: &Report{}, wanted: NewPlan(cfg, state),
		flaws: map[*secrets.Secret]error{}, jvm: map[string][]opened{}, flink: map[string]*opened{}, served: map[string]flinkStores{},
	}
	v.findResources()
	v.findWebhook()
	return v
}

// asReferred looks at what runs, or will when the manifests are handed over, by
// the words of the resources alone.
func (v *verifier) asReferred() {
	v.references()
	v.stores()
	v.transport()
	v.meetings()
}

// sort puts together what is about one thing, in the order in which the things
// were come upon.
func (r *Report) sort() {
	for _, list := range []*[]Finding{&r.Findings, &r.Unknown, &r.Due, &r.Skipped} {
		first := map[string]int{}
		for i, f := range *list {
			if _, ok := first[f.Target]; !ok {
				first[f.Target] = i
			}
		}
		slices.SortStableFunc(*list, func(a, b Finding) int { return first[a.Target] - first[b.Target] })
	}
}

func hintOf(err error) string {
	var h interface{ Remedy() string }
	if errors.As(err, &h) {
		return h.Remedy()
	}
	return ""
}

// Ours lists flowcert's own Secrets, sorted by name.
func Ours(state *State) []*secrets.Secret {
	out := Removable(state)
	for _, s := range state.Secrets {
		if s.Ours() && s.Role() == secrets.RoleRoot {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b *secrets.Secret) int {
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	})
	return out
}
