package renew

import (
	"fmt"
	"slices"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/yamledit"
)

// PutBack is somebody else's manifest that made room for a Secret of flowcert's
// and comes back at a revert.
type PutBack struct {
	Record *secrets.Secret
	Ref    secrets.Ref
	was    *secrets.Secret
}

// PutBacks lists the manifests that made room and are not back.
func PutBacks(state *State) ([]PutBack, error) {
	var out []PutBack
	for _, record := range Removable(state) {
		text, ok := record.Data[secrets.ManifestKey]
		if record.Role() != secrets.RoleAdopted || !ok {
			continue
		}
		parsed, err := secrets.Parse(text)
		if err != nil || len(parsed) != 1 {
			return nil, Hinted{Err: fmt.Errorf("%s: key %q does not hold one Secret", record.Ref, secrets.ManifestKey), Hint: "put it back from a backup"}
		}
		was := parsed[0]
		was.Namespace = record.Namespace
		if now := state.Secrets[was.Ref]; now == nil || now.Ours() {
			out = append(out, PutBack{record, was.Ref, was})
		}
	}
	return out, nil
}

// Restorable refuses to bring a Secret of somebody else's into use again that is
// not there, does not open, or does not verify any more.
func Restorable(cfg *config.Config, state *State, reverts []Reverted, back []PutBack) error {
	p, err := afterRevert(cfg, state, reverts, back)
	if err != nil {
		return err
	}
	for _, r := range reverts {
		if r.Resource.Group == deploy.AdmissionGroup {
			continue // it refers to no Secret
		}
		if !p.state.wasAdopted(p.state.foreignNames(p.restored(r.Resource)), r.Resource.Namespace) {
			continue
		}
		found, faults := p.foreignOf(r.Resource.String())
		if len(faults) > 0 {
			return faults[0]
		}
		for _, a := range found {
			if err := p.stillVerifies(a); err != nil {
				return err
			}
		}
	}
	for _, f := range p.fixedNames() {
		if !slices.ContainsFunc(back, func(b PutBack) bool { return b.Ref == f.ref }) {
			continue
		}
		a, err := p.adoptFixed(f)
		if err == nil && a != nil {
			err = p.stillVerifies(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// afterRevert is the planner of the state that a revert would lead to.
func afterRevert(cfg *config.Config, state *State, reverts []Reverted, back []PutBack) (*planner, error) {
	after := *state
	after.resources = slices.Clone(state.resources)
	for _, r := range reverts {
		obj, err := yamledit.Decode(r.Source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Resource.Where(), err)
		}
		for i := range after.resources {
			if sameDocument(after.resources[i], r.Resource) {
				after.resources[i].Source, after.resources[i].Object = r.Source, obj
			}
		}
	}
	after.Secrets = map[secrets.Ref]*secrets.Secret{}
	for ref, s := range state.Secrets {
		after.Secrets[ref] = s
	}
	for _, b := range back {
		after.Secrets[b.Ref] = b.was
	}
	p := newPlanner(cfg, &after)
	p.findResources()
	p.findWebhook()
	return p, nil
}

// sameDocument tells two readings of one resource. In a cluster there are no files,
// in a directory one name may stand in two of them.
func sameDocument(a, b deploy.Resource) bool {
	return a.File == b.File && a.Document == b.Document && a.String() == b.String()
}

// restored is the resource as it is after the revert.
func (p *planner) restored(r deploy.Resource) deploy.Resource {
	i := slices.IndexFunc(p.state.resources, func(o deploy.Resource) bool { return sameDocument(o, r) })
	return p.state.resources[i]
}

// foreignOf is what a configured workload uses and others made.
func (p *planner) foreignOf(target string) ([]*adoption, []error) {
	if job := p.flinks[target]; job != nil {
		return p.foreignOfFlink(job)
	}
	if job := p.wired[target]; job != nil {
		return p.foreignOfEventProcessing(job)
	}
	return nil, nil
}

// wasAdopted reports whether flowcert took one of the Secrets over.
func (s *State) wasAdopted(names []string, namespace string) bool {
	for k, versions := range s.versions {
		for _, record := range versions {
			if k.role == secrets.RoleAdopted && record.Namespace == namespace &&
				slices.ContainsFunc(names, func(name string) bool { return slices.Contains(record.Originals(), name) }) {
				return true
			}
		}
	}
	return false
}

// stillVerifies refuses a certificate that has ended, or that what stands beside
// it verified when it was taken over and does not verify now.
func (p *planner) stillVerifies(a *adoption) error {
	chain := a.identity.Chain
	if len(chain) == 0 {
		return nil
	}
	const hint = "put a valid certificate into that Secret first, or keep what flowcert made"
	s := a.originals[0]
	if p.expired(chain[0]) {
		return Hinted{Err: fmt.Errorf("%s: its certificate ended on %s, and %s would serve it again", s.Ref, day(chain[0].NotAfter), a.target), Hint: hint}
	}
	profile := pki.JVM()
	if usages := chain[0].ExtKeyUsage; len(usages) > 0 {
		profile.Usage = usages[0]
	}
	err := pki.VerifyChain(profile, chain, a.identity.Roots, "", p.state.Now)
	if err == nil || len(a.identity.Roots) == 0 {
		return nil
	}
	for _, record := range p.state.versions[slot{a.target, secrets.RoleAdopted}] {
		if slices.Contains(record.Originals(), s.Name) && pki.VerifyChain(profile, chain, a.identity.Roots, "", record.Created()) == nil {
			return Hinted{Err: fmt.Errorf("%s: what stands beside its certificate does not verify it any more: %w", s.Ref, err), Hint: hint}
		}
	}
	return nil
}
