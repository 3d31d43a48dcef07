package renew

import (
	"fmt"
	"slices"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// refuseOthers reports, as a fault of it, every resource of a cluster that was wired
// under an authority which is not this one: two configurations name it. Each would
// issue its certificates anew, and restart it for that, for as long as both run.
func (p *planner) refuseOthers() {
	if !p.state.live() || p.authority.user != nil {
		return // under which CAs of a user's it was wired is not kept
	}
	known := fingerprints(p.once, p.state.versions[slot{p.authority.target, secrets.RoleRoot}])
	for _, c := range p.authority.distrusted {
		known = append(known, pki.Fingerprint(c))
	}
	refuse := func(r deploy.Resource) {
		if r.Root() == "" || slices.Contains(known, r.Root()) || r.Paused() {
			return
		}
		p.fault(r.String(), fmt.Errorf("%s was wired under another authority than %s", r, p.authority.target),
			"if another flowcert looks after it, take it out of one of the two configurations; from a resource that was copied from elsewhere remove the annotation "+deploy.RootAnnotation)
	}
	for _, job := range p.sortedFlinks() {
		refuse(job.resource)
	}
	for _, job := range p.sortedEventProcessing() {
		refuse(job.resource)
	}
}
