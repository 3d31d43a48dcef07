package renew

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// wayOut leads to a new CA where the old one's key is gone for good. In a directory the folder goes first: revert
// refuses to work beside a file that it cannot read.
func (p *planner) wayOut() string {
	const next = "take flowcert's work out (flowcert revert --delete-secrets)%s, and apply again: every client then needs the new CA"
	if p.state.live() {
		return fmt.Sprintf(next, ", delete the Secrets of its roots that are left")
	}
	return "move authority/ away, " + fmt.Sprintf(next, "")
}

// damaged is what to do about a root whose Secret is there and of no use.
func (p *planner) damaged() string {
	if p.state.live() {
		return "delete it and bring it back from a backup (flowcert import); without one, " + p.wayOut()
	}
	return "move its manifest away and bring it back from a backup (flowcert import); without one, " + p.wayOut()
}

// copied is what to do about a manifest that knows a root of another site.
const copied = "; from a manifest that was copied from another site, remove its annotation " + deploy.RootAnnotation

// rootless are the roles of Secrets for which there need not have been a root.
var rootless = []secrets.Role{secrets.RolePassword, secrets.RoleTruststore, secrets.RoleAdopted, secrets.RoleDistrusted}

// evidence is something that only a root can have led to. A missing root is then
// a loss, not a beginning.
type evidence struct {
	where string
	roots []string // by their fingerprints, as far as it tells
	hint  string   // what else to do about it
}

// evidence looks for some; nil if there is none.
func (p *planner) evidence() *evidence {
	for _, r := range p.state.resources {
		if r.Root() != "" {
			return &evidence{where: r.Where(), roots: []string{r.Root()}, hint: copied}
		}
	}
	var out *evidence
	for _, s := range Removable(p.state) {
		if slices.Contains(rootless, s.Role()) {
			continue
		}
		if out == nil {
			out = &evidence{where: s.Ref.String()}
		}
		certs, _ := pki.ParseCertificates(s.Data[secrets.CACert]) // a store tells nothing here
		for _, c := range certs {
			out.roots = append(out.roots, pki.Fingerprint(c))
		}
	}
	return out
}

// lost is the error for a root that is gone.
func (p *planner) lost(e evidence) error {
	if err := p.underUsersCA(e.where, e.roots); err != nil {
		return err
	}
	return Hinted{
		Err:  fmt.Errorf("the authority's root is not there, but %s was made under it", e.where),
		Hint: fmt.Sprintf("bring the authority back from a backup (flowcert import), or put the manifest of %s back; without either, %s", p.rootName(1), p.wayOut()) + e.hint,
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
	where, root := wiredElsewhere(managed, fingerprints(p.once, roots))
	if where == "" {
		return nil
	}
	if err := p.underUsersCA(where, []string{root}); err != nil {
		return err
	}
	return Hinted{
		Err:  fmt.Errorf("the authority's newest root is not there: %s was made under another one than %s", where, roots[0].Ref),
		Hint: "bring the authority back from a backup (flowcert import), or put the root's manifest back; without either, " + p.wayOut() + copied,
	}
}

// underUsersCA is the error for what was made under a CA of the user's, which
// flowcert.yaml does not name any more; nil if none is found here. To take that
// for a wish would leave every client without its root.
func (p *planner) underUsersCA(where string, roots []string) error {
	for _, ref := range slices.SortedFunc(maps.Keys(p.state.Secrets), byRef) {
		s := p.state.Secrets[ref]
		if s.Ours() || len(s.Data[secrets.TLSKey]) == 0 {
			continue
		}
		certs, _ := pki.ParseCertificates(slices.Concat(s.Data[secrets.CACert], s.Data[secrets.TLSCert])) // others' may hold anything
		for _, c := range certs {
			if c.IsCA && slices.Contains(roots, pki.Fingerprint(c)) {
				return Hinted{
					Err: fmt.Errorf("%s was made under %q, the CA of %s, but flowcert.yaml asks for a CA of flowcert's own", where, c.Subject.CommonName, ref),
					Hint: fmt.Sprintf("put authority.secret (name: %s) back into flowcert.yaml to go on under that CA; to leave it for one of flowcert's, "+
						"take flowcert's work out (flowcert revert --delete-secrets) and apply again: every client then needs the new CA", ref.Name),
				}
			}
		}
	}
	return nil
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
