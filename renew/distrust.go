package renew

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// A compromised root's certificate may stand where others write: in the file of a
// truststore's source, in the record of what was taken over. It is left out of what
// is made from them. When its own Secret goes, its certificate is put down in a
// Secret of the role distrusted, which stays: otherwise it would be trusted again
// as anybody's CA.

// Distrust puts the certificates of compromised roots down for good.
type Distrust struct {
	Record *secrets.Secret
	Exists bool // it is there already, with fewer certificates
	Names  []string
}

// Object, What, Reason and Disturbs describe the action.

func (a *Distrust) Object() string   { return a.Record.Ref.String() }
func (a *Distrust) What() string     { return "the certificate of " + strings.Join(a.Names, ", ") }
func (a *Distrust) Reason() string   { return "it is compromised, and must not be trusted again" }
func (a *Distrust) Disturbs() string { return "" }

func (a *Distrust) run(ctx context.Context, r *runner) error {
	if a.Exists {
		return r.store.UpdateSecret(ctx, a.Record)
	}
	return r.store.CreateSecret(ctx, a.Record)
}

// readDistrusted reads the roots that were put down; false if they do not read,
// which is a fault.
func (p *planner) readDistrusted() bool {
	a := &p.authority
	for _, s := range p.state.versions[slot{a.target, secrets.RoleDistrusted}] {
		certs, err := s.Distrusted()
		if err != nil {
			p.fault(a.target, err, "put it back from a backup: it says which roots are not to be trusted")
			return false
		}
		a.distrusted = append(a.distrusted, certs...)
	}
	return true
}

// putDown plans that the compromised roots are remembered when their Secrets go.
func (p *planner) putDown() {
	a := &p.authority
	all := appendNew(a.distrusted, certificatesOf(a.lost))
	if len(all) == len(a.distrusted) {
		return
	}
	step := &Distrust{Record: secrets.NewDistrusted(secrets.Ref{Namespace: p.cfg.Namespace, Name: p.cfg.Authority.Name + "-distrusted"}, a.target, all, p.state.Now)}
	for _, c := range all[len(a.distrusted):] {
		step.Names = append(step.Names, fmt.Sprintf("%q", c.Subject.CommonName))
	}
	if p.taken(a.target, step.Record.Ref) {
		return
	}
	step.Exists = p.state.Secrets[step.Record.Ref] != nil
	p.act(step)
}

// isLost reports whether a certificate is that of a compromised root.
func (a authority) isLost(c *x509.Certificate) bool {
	return slices.ContainsFunc(certificatesOf(a.lost), c.Equal) || slices.ContainsFunc(a.distrusted, c.Equal)
}

// givenUp reports whether a certificate is that of a compromised root under which
// no server stands any more that a truststore is for. Where a server cannot be
// looked at only a root that was put down is: that nothing stood under any more.
func (p *planner) givenUp(c *x509.Certificate) bool {
	switch _, hidden := p.hiddenServer(); {
	case !p.authority.isLost(c):
		return false
	case hidden != nil && !slices.ContainsFunc(p.authority.distrusted, c.Equal):
		return false
	}
	return !slices.ContainsFunc(p.faces(), func(f facing) bool { return !p.foreignTo(f)(c) })
}

// withoutLost are a truststore's sources less compromised roots. Where nothing
// would be left they stay: a JVM refuses every connection by an empty truststore. It is
// an error if all of them were put down, because nothing has them in use any more.
func (p *planner) withoutLost(w trustWant) ([]truststore.Source, error) {
	left := len(w.adopted)+len(w.public) > 0 || w.authority != ""
	out := slices.Clone(w.sources)
	for i := range out {
		out[i].Certificates = slices.DeleteFunc(slices.Clone(out[i].Certificates), p.givenUp)
		left = left || len(out[i].Certificates) > 0
	}
	switch {
	case left:
		return out, nil
	case slices.ContainsFunc(allCertificates(w.sources), func(c *x509.Certificate) bool { return !slices.ContainsFunc(p.authority.distrusted, c.Equal) }):
		return w.sources, nil
	}
	return nil, Hinted{
		Err:  errors.New("its sources hold compromised roots alone, which must not be trusted again"),
		Hint: "put there what to trust in their place (flowcert ca prints the authority's root)",
	}
}

// noteDistrusted names where compromised roots stand that flowcert does not write.
func (p *planner) noteDistrusted() {
	for _, c := range appendNew(p.authority.distrusted, certificatesOf(p.authority.lost)) {
		if places := p.placesOf(c); len(places) > 0 {
			p.notice("the compromised root %q stands in %s: take it out there (flowcert ca prints what to trust in its place)", c.Subject.CommonName, strings.Join(places, " and in "))
		}
	}
}

// placesOf says where a certificate stands that truststores are made from.
func (p *planner) placesOf(c *x509.Certificate) []string {
	var out []string
	for i, t := range p.cfg.Truststores {
		for j, source := range t.Sources {
			if slices.ContainsFunc(p.state.Sources[SourceKey{i, j}].Certificates, c.Equal) {
				out = append(out, fmt.Sprintf("%s (source %s of truststore %s)", p.origin(source), source.Name, t.Name))
			}
		}
		if t.PublicCAs.File != "" && slices.ContainsFunc(p.state.PublicCAs[i].Certificates, c.Equal) {
			out = append(out, fmt.Sprintf("%s (publicCAs of truststore %s)", p.cfg.Path(t.PublicCAs.File), t.Name))
		}
	}
	for _, target := range p.targetsOf(secrets.RoleAdopted) {
		for _, s := range p.state.versions[slot{target, secrets.RoleAdopted}] {
			if alias := aliasIn(s, c); alias != "" {
				out = append(out, fmt.Sprintf("%s (key %s%s of %s)", s.File, alias, secrets.TrustSuffix, s.Ref))
			}
		}
	}
	return out
}

// origin names what a source is read from.
func (p *planner) origin(source config.Source) string {
	switch {
	case source.Secret != nil:
		return secrets.Ref{Namespace: source.Secret.Namespace, Name: source.Secret.Name}.String()
	case source.ConfigMap != nil:
		return fmt.Sprintf("configmap %s/%s", source.ConfigMap.Namespace, source.ConfigMap.Name)
	}
	return p.cfg.Path(source.File)
}

// aliasIn is the alias of a certificate in a record of what was taken over; empty
// if it is not in it.
func aliasIn(record *secrets.Secret, c *x509.Certificate) string {
	content, _ := record.Adopted() // one that does not read is a fault elsewhere
	for _, e := range content.Entries {
		if e.Certificate.Equal(c) {
			return e.Alias
		}
	}
	return ""
}

// distrustedGeneration is the highest generation that was put down: a subject is
// not used again.
func (a authority) distrustedGeneration() int {
	last := 0
	for _, c := range a.distrusted {
		last = max(last, nameGeneration(c.Subject.CommonName))
	}
	return last
}

// Subject implements Action.
func (a *Distrust) Subject() string { return a.Record.Target() }
