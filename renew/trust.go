package renew

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// trustWant is what a truststore Secret should hold.
type trustWant struct {
	slot
	namespace, prefix string
	format            truststore.Format
	sources           []truststore.Source
	authority         string              // alias of the authority's roots; empty: they are not in it
	public            []*x509.Certificate // kept as they are in a version that has some
	publicExact       bool                // the public ones came from a file: any difference counts
	password          string              // empty: the one in use, or a new one
	passwordFrom      *Version            // the Secret that holds a password still to be made
	referenced        []string
	faces             []facing
}

// facing is an edge of the client and the chains in use at its server.
type facing struct {
	edge   Edge
	leaves [][]*x509.Certificate
}

// trust returns the version to use, existing or planned.
func (p *planner) trust(w trustWant) (*Version, []Action) {
	want := p.entries(w)
	reason := "there is none yet"
	var spoilt []string
	for i, s := range p.trustVersions(w) {
		why := p.trustFault(w, s, want)
		if why == "" {
			p.item(Item{Target: w.target, Role: w.role, Name: s.Name, NotAfter: firstEnd(want), Loaded: loaded(w.referenced, s), State: stateOK})
			return &Version{Target: w.target, Role: w.role, Prefix: w.prefix, Secret: s}, nil
		}
		if i == 0 {
			reason = why
		}
		if w.password == "" && w.passwordFrom == nil {
			w.password = usable(s, secrets.Password)
		}
		spoilt = append(spoilt, s.Name)
	}
	make := &MakeTrust{
		Namespace: w.namespace, Because: reason, Format: w.format, Spoilt: spoilt,
		Entries: want, NewRoot: p.newRootFor(w.authority), Alias: w.authority,
		Password: w.password, PasswordFrom: w.passwordFrom, PasswordVersion: p.passwordVersion(w),
		Version: &Version{Target: w.target, Role: w.role, Prefix: w.prefix, Values: map[string]string{secrets.Password: w.password}},
	}
	if make.NewRoot == nil {
		make.Known = make.name(want)
	}
	p.reasons[make.Version] = reason
	p.item(Item{Target: w.target, Role: w.role, Name: make.Name(), NotAfter: firstEnd(want), Loaded: "-", State: reason})
	return make.Version, []Action{make}
}

// newRootFor is the root of this plan, if the truststore takes the authority's.
func (p *planner) newRootFor(alias string) *Version {
	if alias == "" {
		return nil
	}
	return p.newRoot()
}

// entries is the wanted content, as far as it exists already.
func (p *planner) entries(w trustWant) []truststore.Entry {
	sources := slices.Clone(w.sources)
	if w.authority != "" {
		sources = append(sources, truststore.Source{Name: w.authority, Certificates: p.roots(w)})
	}
	// Without a name: their aliases are their own SHA-256.
	return truststore.Entries(append(sources, truststore.Source{Certificates: w.public}))
}

// roots are the authority's, and as long as a server that the client faces
// still has a leaf in use that they do not verify, those that do.
func (p *planner) roots(w trustWant) []*x509.Certificate {
	want := p.authority.certificates()
	for _, f := range w.faces {
		leaves := map[string][][]*x509.Certificate{f.edge.Server: f.leaves}
		if len(MayTrust([]Edge{f.edge}, want, leaves, p.state.Now)) == 0 {
			continue
		}
		for _, t := range p.trustInUse(w.slot, w.namespace) {
			want = appendNew(want, slices.DeleteFunc(slices.Clone(t.Anchors), p.expired))
		}
	}
	return want
}

// trustVersions lists the versions, those in use first.
func (p *planner) trustVersions(w trustWant) []*secrets.Secret {
	return p.inOrder(leafWant{slot: w.slot, namespace: w.namespace, referenced: w.referenced})
}

// trustFault says why a version is not what is wanted. Content and inputs are
// compared, never encodings.
func (p *planner) trustFault(w trustWant, s *secrets.Secret, want []truststore.Entry) string {
	if _, ok := s.Data[secrets.TrustFile(w.format)]; !ok {
		return "its format is to be " + string(w.format)
	}
	password := string(s.Data[secrets.Password])
	if w.passwordFrom != nil || w.password != "" && w.password != password {
		return "its password has changed"
	}
	have, err := s.Trust(w.format, password)
	if err != nil {
		return fmt.Sprintf("it cannot be read: %v", err)
	}
	missing, extra := truststore.Diff(have, want)
	missing, extra = p.ignoreDrift(w, have, missing, extra)
	switch {
	case len(missing) > 0:
		return fmt.Sprintf("it lacks %s", describe(missing))
	case len(extra) > 0:
		return fmt.Sprintf("it holds %s, which no source has", describe(extra))
	}
	return ""
}

// ignoreDrift leaves out differences that are no reason to restart anything:
// certificates that have ended, and a newer bundle of public ones, which comes
// with the next version.
func (p *planner) ignoreDrift(w trustWant, have, missing, extra []truststore.Entry) (m, e []truststore.Entry) {
	extra = slices.DeleteFunc(slices.Clone(extra), func(x truststore.Entry) bool { return p.expired(x.Certificate) })
	if w.publicExact || len(w.public) > 0 != slices.ContainsFunc(have, isPublic) {
		return missing, extra
	}
	return slices.DeleteFunc(slices.Clone(missing), isPublic), slices.DeleteFunc(extra, isPublic)
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
// password counts on.
func (p *planner) passwordVersion(w trustWant) int {
	last := 0
	for _, s := range p.state.versions[w.slot] {
		n, _ := strconv.Atoi(s.Annotations[secrets.PasswordAnnotation])
		if n > 0 && p.hasPassword(s, w.password) {
			return n
		}
		last = max(last, n)
	}
	return last + 1
}

// hasPassword reports whether a version is one of this password: it lies in it,
// or opens its store. Either may have been spoilt.
func (p *planner) hasPassword(s *secrets.Secret, password string) bool {
	if password == "" || string(s.Data[secrets.Password]) == password {
		return password != ""
	}
	_, err := s.Trust(formatOf(s), password)
	return err == nil
}

// planTruststores makes each truststore in every namespace that mounts it.
func (p *planner) planTruststores() {
	for i, t := range p.cfg.Truststores {
		eps, flinks := p.mounting(t)
		if len(eps)+len(flinks) == 0 {
			continue
		}
		sources, err := p.sources(i, t)
		if err != nil {
			p.fault("truststore/"+t.Namespace+"/"+t.Name, err, "correct the source in flowcert.yaml or what it names")
			continue
		}
		password, from, err := p.truststorePassword(t)
		if err != nil {
			p.fault("truststore/"+t.Namespace+"/"+t.Name, err, "put a password of 6 or more printable characters there")
			continue
		}
		for _, ns := range namespaces(eps, flinks) {
			p.mountTruststore(i, t, ns, sources, password, from)
		}
	}
}

func (p *planner) mounting(t config.Truststore) (eps []*eventProcessingJob, flinks []*flinkJob) {
	for _, job := range p.sortedEventProcessing() {
		if t.MountsEventProcessing(job.config.Namespace, job.config.Name) && !job.resource.Paused() {
			eps = append(eps, job)
		}
	}
	for _, job := range p.sortedFlinks() {
		if t.MountsFlink(job.config.Namespace, job.config.Name) && !job.resource.Paused() {
			flinks = append(flinks, job)
		}
	}
	return eps, flinks
}

func namespaces(eps []*eventProcessingJob, flinks []*flinkJob) []string {
	set := map[string]bool{}
	for _, j := range eps {
		set[j.config.Namespace] = true
	}
	for _, j := range flinks {
		set[j.config.Namespace] = true
	}
	return sorted(set)
}

// mountTruststore plans the truststore in one namespace and hands it to the
// workloads there.
func (p *planner) mountTruststore(i int, t config.Truststore, namespace string, sources []truststore.Source, password string, from *Version) {
	w := trustWant{
		slot:      slot{truststoreTarget(namespace, t.Name), secrets.RoleTruststore},
		namespace: namespace, prefix: t.Name, format: t.Format,
		sources: p.withEarlier(t, namespace, sources), public: p.publicCAs(i), publicExact: t.PublicCAs.File != "",
		password: password, passwordFrom: from,
	}
	for _, source := range t.Sources {
		if source.Authority {
			w.authority = source.Name
		}
	}
	eps, flinks := p.mounting(t)
	for _, job := range eps {
		w.referenced = append(w.referenced, deploy.References(job.resource).TrustStore)
	}
	for _, job := range flinks {
		w.referenced = append(w.referenced, deploy.References(job.resource).TrustStore)
	}
	v, actions := p.trust(w)
	p.plan.Actions = append(p.plan.Actions, actions...)
	for _, job := range eps {
		if job.config.Namespace == namespace && p.single(job.target, job.trust) {
			job.trust, job.trustFile = v, secrets.TrustFile(t.Format)
		}
	}
	for _, job := range flinks {
		if job.config.Namespace == namespace && p.single(job.target, job.trust) {
			job.trust, job.trustFile = v, secrets.TrustFile(t.Format)
		}
	}
}

// single refuses a second truststore: a JVM has one.
func (p *planner) single(target string, have *Version) bool {
	if have != nil {
		p.fault(target, errors.New("two truststores are to be mounted, but a JVM has one"),
			"make them one truststore with the sources of both, or limit one with mountIn")
	}
	return have == nil
}

func truststoreTarget(namespace, name string) string { return "truststore/" + namespace + "/" + name }

// sources are the certificates of a truststore's sources as they are now, less
// ended and distrusted ones.
func (p *planner) sources(i int, t config.Truststore) ([]truststore.Source, error) {
	var out []truststore.Source
	var errs []error
	for j, source := range t.Sources {
		if source.Authority {
			continue
		}
		read := p.state.Sources[SourceKey{i, j}]
		if read.Err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", source.Name, read.Err))
			continue
		}
		certs := p.trusted(source, read.Certificates)
		if len(certs) == 0 {
			errs = append(errs, fmt.Errorf("source %s: every certificate in it has ended or is distrusted", source.Name))
		}
		out = append(out, truststore.Source{Name: source.Name, Certificates: certs})
	}
	if public := p.state.PublicCAs[i]; public.Err != nil {
		errs = append(errs, fmt.Errorf("publicCAs: %w", public.Err))
	}
	return out, errors.Join(errs...)
}

func (p *planner) trusted(source config.Source, certs []*x509.Certificate) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(certs), func(c *x509.Certificate) bool {
		return p.expired(c) || slices.Contains(source.Distrust, pki.Fingerprint(c))
	})
}

func (p *planner) publicCAs(i int) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(p.state.PublicCAs[i].Certificates), p.expired)
}

// withEarlier adds what versions in use hold from a source of the same name: a
// source file that was overwritten does not take the old CA away from servers
// that still use it.
func (p *planner) withEarlier(t config.Truststore, namespace string, now []truststore.Source) []truststore.Source {
	out := slices.Clone(now)
	for _, s := range p.state.versions[slot{truststoreTarget(namespace, t.Name), secrets.RoleTruststore}] {
		entries, err := p.trustOf(s)
		if err != nil || s.Namespace != namespace {
			continue
		}
		for i := range out {
			source := t.Sources[slices.IndexFunc(t.Sources, func(c config.Source) bool { return c.Name == out[i].Name })]
			out[i].Certificates = appendNew(out[i].Certificates, p.trusted(source, fromSource(entries, source.Name, t.Sources)))
		}
	}
	return out
}

// fromSource picks the entries that bear a source's name: name, name-2, ….
func fromSource(entries []truststore.Entry, name string, all []config.Source) []*x509.Certificate {
	var out []*x509.Certificate
	for _, e := range entries {
		owner := e.Alias
		if i := strings.LastIndexByte(e.Alias, '-'); i > 0 && !isSource(all, e.Alias) {
			if _, err := strconv.Atoi(e.Alias[i+1:]); err == nil {
				owner = e.Alias[:i]
			}
		}
		if strings.EqualFold(owner, name) {
			out = append(out, e.Certificate)
		}
	}
	return out
}

func isSource(all []config.Source, name string) bool {
	return slices.ContainsFunc(all, func(s config.Source) bool { return strings.EqualFold(s.Name, name) })
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

// truststorePassword is the user's, or the one that was generated once; from is
// the Secret in which this plan will make one.
func (p *planner) truststorePassword(t config.Truststore) (password string, from *Version, err error) {
	ref := secrets.Ref{Namespace: t.Namespace, Name: t.Name + "-password"}
	key := secrets.Password
	if t.Password != nil {
		ref, key = secrets.Ref{Namespace: t.Password.Namespace, Name: t.Password.Name}, t.Password.Key
	}
	if s, ok := p.state.Secrets[ref]; ok {
		value, err := s.Get(key)
		if err == nil {
			err = truststore.CheckPassword(string(value))
		}
		if err != nil {
			return "", nil, fmt.Errorf("password: %s: %w", ref, err)
		}
		return string(value), nil, nil
	}
	if t.Password != nil {
		return "", nil, fmt.Errorf("password: %s is not there", ref)
	}
	v := &Version{Target: truststoreTarget(t.Namespace, t.Name), Role: secrets.RolePassword, Known: ref.Name}
	make := &MakePassword{Version: v, Ref: ref, Key: secrets.Password, Because: "there is none yet"}
	if earlier := p.state.versions[slot{v.Target, secrets.RoleTruststore}]; len(earlier) > 0 {
		make.Because = "it is gone; the one in use is written again"
		make.Value = string(earlier[0].Data[secrets.Password])
	}
	p.act(make)
	return make.Value, v.unlessKnown(make.Value), nil
}

func (v *Version) unlessKnown(value string) *Version {
	if value != "" {
		return nil
	}
	return v
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
