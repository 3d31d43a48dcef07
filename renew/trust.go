package renew

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// trustWant is what a truststore Secret should hold.
type trustWant struct {
	slot
	namespace, prefix string
	fixed             bool // its Secret bears the prefix alone and is updated in place
	format            truststore.Format
	sources           []truststore.Source
	authority         string              // alias of the authority's roots; empty: they are not in it
	public            []*x509.Certificate // kept as they are in a version that has some
	publicExact       bool                // the public ones came from a file: any difference counts
	password          string              // empty: the one in use, or a new one
	passwordFrom      *Version            // the Secret that holds a password still to be made
	passwordMade      time.Time           // when flowcert generated the password; zero: it is the user's, or not known
	referenced        []string
	holders           []string // resources that restart with a new version
	faces             []facing
	adopted           []truststore.Entry // of truststores that were taken over
	mounts            []mount            // what mounts one of a fixed name
}

// facing is an edge of the client and the chains in use at its server.
type facing struct {
	edge   Edge
	leaves [][]*x509.Certificate
}

// trust returns the version to use, existing or planned; nil where somebody else's
// Secret has its name, which is a fault.
func (p *planner) trust(w trustWant) (*Version, *MakeTrust) {
	sources := p.trustSources(w)
	want := truststore.Entries(sources)
	reason := cmp.Or(p.takesPlaceOf(w.slot), p.noneYet(w.namespace, w.referenced))
	var spoilt []*secrets.Secret
	var names []string
	for i, s := range p.trustVersions(w) {
		why := p.trustFault(w, s, want)
		if s.Annotations[deployedAnnotation] != "" && !w.fixed && !slices.Contains(w.referenced, s.Name) {
			why = cmp.Or(why, "it was given up") // its word must not hold for another life
		}
		if why == "" {
			p.item(Item{Target: w.target, Role: w.role, Name: s.Name, NotAfter: firstEnd(want), Loaded: p.loaded(w.referenced, s), State: stateOK})
			v := &Version{Target: w.target, Role: w.role, Prefix: w.prefix, Secret: s}
			if i > 0 {
				p.reasons[v] = reason
			}
			return v, nil
		}
		if i == 0 {
			reason = cmp.Or(p.gone(w.namespace, w.referenced), why)
		}
		if w.password == "" && w.passwordFrom == nil {
			w.password = usable(s, secrets.Password)
		}
		spoilt, names = append(spoilt, s), append(names, s.Name)
	}
	step := &MakeTrust{
		Namespace: w.namespace, Because: reason, Format: w.format, Spoilt: spoilt,
		Entries: want, Sources: sources, NewRoot: p.newRootFor(w.authority), Alias: w.authority,
		Password: w.password, PasswordFrom: w.passwordFrom, PasswordVersion: p.passwordVersion(w),
		Follows: p.follows(names, w.referenced),
		Version: &Version{Target: w.target, Role: w.role, Prefix: w.prefix, Values: map[string]string{secrets.Password: w.password}},
	}
	if w.fixed {
		step.FixedName, step.Known, step.Replaces = w.prefix, w.prefix, p.state.Secrets[w.ref()]
	} else if step.NewRoot == nil {
		step.Known = step.name(want)
		if p.taken(w.target, secrets.Ref{Namespace: w.namespace, Name: step.Known}) {
			return nil, nil
		}
	}
	p.reasons[step.Version] = reason
	item := Item{Target: w.target, Role: w.role, Name: step.Name(), Loaded: "-", State: stateToBeMade}
	if have := p.trustVersions(w); len(have) > 0 {
		item.Name, item.Loaded, item.State = have[0].Name, p.loaded(w.referenced, have[0]), reason
		if entries, err := p.trustOf(have[0]); err == nil {
			item.NotAfter = firstEnd(entries)
			// What it holds is whole; its sources say that it should hold other.
			item.Due = true
		}
	}
	p.item(item)
	return step.Version, step
}

// newRootFor is the root of this plan, if the truststore takes the authority's.
func (p *planner) newRootFor(alias string) *Version {
	if alias == "" {
		return nil
	}
	return p.newRoot()
}

// trustSources are what the wanted content comes from, as far as it exists.
func (p *planner) trustSources(w trustWant) []truststore.Source {
	sources := slices.Clone(w.sources)
	if w.authority != "" {
		roots := p.roots(w.slot, w.namespace, w.authority, w.faces)
		sources = append(sources, truststore.Source{Name: w.authority, Certificates: slices.DeleteFunc(roots, w.adoptedAlone(p.authority.certificates()))})
	}
	sources = append(sources, adoptedSources(w.adopted, allCertificates(sources))...)
	// Without a name: their aliases are their own SHA-256.
	return append(sources, truststore.Source{Certificates: w.public})
}

// roots are the authority's, and as long as a server that the client faces
// still has a leaf in use that they do not verify, those that the client has.
func (p *planner) roots(client slot, namespace, alias string, faces []facing) []*x509.Certificate {
	want := appendNew(p.wanted(), p.kept(client, namespace, alias))
	for _, f := range faces {
		if f.leaves = p.failing(f, want); len(f.leaves) == 0 {
			continue
		}
		// A client that had no truststore of its own takes what its server's peers had.
		for _, t := range append(p.trustInUse(client, namespace), p.adoptedBeside(f.edge.Server)...) {
			want = appendNew(want, slices.DeleteFunc(slices.Clone(t.Anchors), p.foreignTo(f)))
		}
		if f.leaves = p.failing(f, want); len(f.leaves) > 0 {
			want = appendNew(want, slices.DeleteFunc(p.rootsBeside(f.edge.Server), p.foreignTo(f)))
		}
	}
	return want
}

// failing are the leaves in use at the server that the anchors do not verify. What
// they verify needs no other root, be it one that vouches for theirs.
func (p *planner) failing(f facing, anchors []*x509.Certificate) [][]*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(f.leaves), func(chain []*x509.Certificate) bool {
		return len(MayTrust([]Edge{f.edge}, anchors, map[string][][]*x509.Certificate{f.edge.Server: {chain}}, p.state.Now)) == 0
	})
}

// adoptedBeside is what was trusted beside the leaf of a server that was taken over.
func (p *planner) adoptedBeside(server string) []Trust {
	var out []Trust
	for _, role := range leafRoles {
		out = append(out, p.adoptedTrust(slot{server, role}, "")...)
	}
	return out
}

// rootsBeside are those that lie beside the leaves of a server: a client that is new,
// or whose own trust somebody removed, has nowhere else to learn which older root
// the server still stands under.
func (p *planner) rootsBeside(server string) []*x509.Certificate {
	var out []*x509.Certificate
	for _, role := range leafRoles {
		for _, s := range p.state.versions[slot{server, role}] {
			if id, err := p.identityOf(s); err == nil {
				out = appendNew(out, id.Roots)
			}
		}
	}
	return out
}

// foreignTo tells anchors that have ended, or are put down as distrusted, or that
// verify none of the leaves in use at the server: a truststore holds others for
// other servers.
func (p *planner) foreignTo(f facing) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool {
		return p.expired(c) || slices.ContainsFunc(p.authority.distrusted, c.Equal) || !slices.ContainsFunc(f.leaves, func(chain []*x509.Certificate) bool {
			return pki.VerifyChain(f.edge.Profile, chain, []*x509.Certificate{c}, "", p.state.Now) == nil
		})
	}
}

// trustVersions lists the versions, those in use first.
func (p *planner) trustVersions(w trustWant) []*secrets.Secret {
	return p.inOrder(leafWant{slot: w.slot, namespace: w.namespace, referenced: w.referenced})
}

// trustFault says why a version is not what is wanted. Content and inputs are
// compared, never encodings.
func (p *planner) trustFault(w trustWant, s *secrets.Secret, want []truststore.Entry) string {
	switch isFixed := s.Name == w.prefix; {
	case w.fixed && !isFixed:
		return "naming is fixed now"
	case isFixed && !w.fixed:
		return "naming is versioned now"
	}
	if _, ok := s.Data[secrets.TrustFile(w.format)]; !ok {
		return "its format is to be " + string(w.format)
	}
	password := string(s.Data[secrets.Password])
	if w.passwordFrom != nil || w.password != "" && w.password != password {
		return "its password has changed"
	}
	have, err := p.once.openTrust(s, w.format, password)
	if err != nil {
		return fmt.Sprintf("it cannot be read: %v", err)
	}
	return p.entriesFault(w, have, want)
}

// entriesFault says why a content is not what is wanted.
func (p *planner) entriesFault(w trustWant, have, want []truststore.Entry) string {
	missing, extra := truststore.Diff(have, want)
	missing, extra = p.ignoreDrift(w, have, missing, extra)
	switch {
	case w.authority != "" && p.authority.pending() && !p.mayLackNewest(w.holders, secrets.Certificates(have)):
		return "it lacks the new root"
	case len(missing) > 0:
		return fmt.Sprintf("it lacks %s", describe(missing))
	case len(extra) > 0:
		return fmt.Sprintf("it holds %s, which no source has", describe(extra))
	}
	return ""
}

// ignoreDrift leaves out differences that are no reason to restart anything:
// certificates that have ended; and as long as nothing restarts anyway, roots
// that are not needed any more, a root that an older one vouches for, and a
// newer bundle of public ones.
func (p *planner) ignoreDrift(w trustWant, have, missing, extra []truststore.Entry) (m, e []truststore.Entry) {
	extra = slices.DeleteFunc(slices.Clone(extra), func(x truststore.Entry) bool {
		return p.expired(x.Certificate) || w.authority != "" && ofSource(x.Alias, w.authority) && !p.authority.isLost(x.Certificate) && p.canWait(w.holders)
	})
	missing = slices.DeleteFunc(slices.Clone(missing), func(x truststore.Entry) bool {
		newest := p.authority.signing()
		return w.authority != "" && newest != nil && x.Certificate.Equal(newest.certificate) && p.mayLackNewest(w.holders, secrets.Certificates(have))
	})
	drift := func(x truststore.Entry) bool {
		return isPublic(x) && !p.authority.isLost(x.Certificate) && p.canWait(w.holders)
	}
	if w.publicExact || len(w.public) > 0 != slices.ContainsFunc(have, isPublic) {
		return missing, extra
	}
	return slices.DeleteFunc(missing, drift), slices.DeleteFunc(extra, drift)
}

// isPublic tells public certificates by their alias, their own SHA-256: they
// have no source whose name they could bear.
func isPublic(e truststore.Entry) bool {
	return strings.EqualFold(e.Alias, pki.Fingerprint(e.Certificate))
}

func describe(entries []truststore.Entry) string {
	var names []string
	for _, e := range entries {
		names = append(names, fmt.Sprintf("%q", e.Certificate.Subject.String()))
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

// passwordVersion is that of the version which the password opens; another
// password counts on. One that flowcert generated is told by the time at which it
// did: where the versions are lost, a name is not given to another content.
func (p *planner) passwordVersion(w trustWant) int {
	last := 0
	for _, s := range p.state.versions[w.slot] {
		n, _ := strconv.Atoi(s.Annotations[secrets.PasswordAnnotation])
		if n > 0 && p.hasPassword(s, w.password) {
			return n
		}
		last = max(last, n)
	}
	switch {
	case w.password == "":
		return max(last+1, int(p.state.Now.Unix()))
	case !w.passwordMade.IsZero():
		return max(last+1, int(w.passwordMade.Unix()))
	}
	return last + 1
}

// hasPassword reports whether a version is one of this password: it lies in it,
// or opens its store. Either may have been spoilt.
func (p *planner) hasPassword(s *secrets.Secret, password string) bool {
	if password == "" || string(s.Data[secrets.Password]) == password {
		return password != ""
	}
	_, err := p.once.openTrust(s, formatOf(s), password)
	return err == nil
}

func appendNew(have, more []*x509.Certificate) []*x509.Certificate {
	out := slices.Clone(have)
	for _, c := range more {
		if !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

// firstEnd is when the first certificate of a truststore ends, public ones left
// aside: the time by which somebody has to bring a new one.
func firstEnd(entries []truststore.Entry) (end time.Time) {
	for _, e := range entries {
		if !isPublic(e) && (end.IsZero() || e.Certificate.NotAfter.Before(end)) {
			end = e.Certificate.NotAfter
		}
	}
	return end
}
