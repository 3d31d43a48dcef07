package renew

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// wayOut leads to a new CA where the old one's key is gone for good. The folder
// goes first: revert refuses to work beside a file that it cannot read.
const wayOut = "move authority/ away, take flowcert's work out (flowcert revert --delete-secrets), and apply again: every client then needs the new CA"

// damaged is what to do about a root whose Secret is there and of no use.
const damaged = "move its manifest away and bring it back from a backup (flowcert import); without one, " + wayOut

// lost is the error for a root that is gone.
func (p *planner) lost(evidence string) error {
	return Hinted{
		Err:  fmt.Errorf("the authority's root is not there, but %s was made under it", evidence),
		Hint: fmt.Sprintf("bring the authority back from a backup (flowcert import), or put the manifest of %s back; without either, %s", p.rootName(1), wayOut),
	}
}

// lostNewer is the error for roots of which only older ones are left: every
// resource was wired under one that is not here. To go on would be to make that
// generation a second time. Where some are wired under a root that is here, the
// others come from elsewhere.
func (p *planner) lostNewer() error {
	roots := p.state.versions[slot{p.authority.target, secrets.RoleRoot}]
	managed := slices.DeleteFunc(slices.Clone(p.state.resources), func(r deploy.Resource) bool {
		return p.wired[r.String()] == nil && p.flinks[r.String()] == nil
	})
	where, _ := wiredElsewhere(managed, fingerprints(roots))
	if where == "" {
		return nil
	}
	return Hinted{
		Err:  fmt.Errorf("the authority's newest root is not there: %s was made under another one than %s", where, roots[0].Ref),
		Hint: "bring the authority back from a backup (flowcert import), or put its manifest back into authority/; without either, " + wayOut,
	}
}

// noteAbsent names the Secrets that the resources refer to and that are not
// here: git keeps neither secrets/ nor authority/, and a copy of the directory
// may have one without the other. What is made in their place restarts all that
// refers to them.
func (p *planner) noteAbsent() {
	var absent []string
	for _, ref := range inOrderOf(p.state.references()) {
		if p.state.Secrets[ref] == nil && secrets.IsVersionName(ref.Name) {
			absent = append(absent, ref.String())
		}
	}
	if len(absent) == 0 || p.state.live() { // in a cluster the action that makes another says so
		return
	}
	p.notice("the resources refer to Secrets of flowcert's that are not in the directory: %s; new ones would take their place, and what uses them would restart: if secrets/ was left behind when the directory was copied, bring it here first", someOf(absent))
}

// someOf lists a few, and says how many more there are.
func someOf(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
