package renew

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

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
			p.fault("truststore/"+t.Namespace+"/"+t.Name, err, cmp.Or(RemedyOf(err), "put a password of 6 or more printable characters there"))
			continue
		}
		for _, ns := range namespaces(eps, flinks) {
			p.mountTruststore(i, t, ns, sources, password, from)
		}
	}
}

// mounting are the workloads that mount a truststore, looked for once a pass.
func (p *planner) mounting(t config.Truststore) (eps []*eventProcessingJob, flinks []*flinkJob) {
	target := truststoreTarget(t.Namespace, t.Name)
	m, ok := p.mounts[target]
	if !ok {
		m = p.findMounting(t)
		p.mounts[target] = m
	}
	return m.eps, m.flinks
}

// mounting are workloads by kind, each sorted by target.
type mounting struct {
	eps    []*eventProcessingJob
	flinks []*flinkJob
}

func (p *planner) findMounting(t config.Truststore) (m mounting) {
	listed := func(refs []config.Ref) func(namespace, name string) bool {
		set := map[config.Ref]bool{}
		for _, ref := range refs {
			set[ref] = true
		}
		return func(namespace, name string) bool { return set[config.Ref{Namespace: namespace, Name: name}] }
	}
	inList := listed(t.MountIn.EventProcessing)
	for _, job := range p.sortedEventProcessing() {
		if inList(job.config.Namespace, job.config.Name) {
			m.eps = append(m.eps, job)
		}
	}
	inList = listed(t.MountIn.FlinkDeployments)
	for _, job := range p.sortedFlinks() {
		if inList(job.config.Namespace, job.config.Name) {
			m.flinks = append(m.flinks, job)
		}
	}
	return m
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
		password: password, passwordFrom: from, faces: p.faces(),
		adopted: p.adoptedEntries(slot{truststoreTarget(namespace, t.Name), secrets.RoleTruststore}, namespace, distrusted(t)),
	}
	if s := p.state.Secrets[secrets.Ref{Namespace: t.Namespace, Name: t.Name + "-password"}]; t.Password == nil && s != nil {
		w.passwordMade = s.Created()
	}
	for _, source := range t.Sources {
		if source.Authority {
			w.authority = source.Name
		}
	}
	mounts := p.mountsIn(namespace, t)
	for _, m := range mounts {
		w.referenced = append(w.referenced, m.referenced)
		w.holders = append(w.holders, m.target)
	}
	w.mounts, w.fixed = mounts, t.Naming == config.Fixed
	w.adopted = append(w.adopted, p.adoptedBefore(w, distrusted(t))...)
	var err error
	if w.sources, err = p.withoutLost(w); err == nil {
		err = p.fits(w)
	}
	var v *Version
	if err != nil {
		p.fault(w.target, err, "")
	} else {
		v = p.truststore(w)
	}
	if v == nil {
		// A restart would load what nobody knows.
		for _, m := range mounts {
			p.fault(m.target, fmt.Errorf("its truststore %s has a fault", t.Name), "see truststore/"+namespace+"/"+t.Name)
		}
		return
	}
	for _, m := range mounts {
		if !m.paused && p.single(m.target, *m.trust) {
			*m.trust, *m.file = p.keepsOwn(w, m, v), secrets.TrustFile(t.Format)
		}
	}
}

// fits refuses a truststore that is too large for a Secret.
func (p *planner) fits(w trustWant) error {
	entries, size := truststore.Entries(p.trustSources(w)), 0
	for _, e := range entries {
		size += len(e.Certificate.Raw)
	}
	if size < truststore.MaxSize/2 {
		return nil // far from it: encoding takes its time
	}
	store, err := truststore.EncodeTrust(w.format, entries, maxPassword)
	if err == nil {
		s := &secrets.Secret{
			Ref:  secrets.Ref{Namespace: w.namespace, Name: w.prefix},
			Data: map[string][]byte{secrets.TrustFile(w.format): store, secrets.Password: []byte(maxPassword)},
		}
		err = s.CheckSize()
	}
	if err != nil {
		return Hinted{err, "leave out sources that nobody needs, or public CAs (publicCAs: false)"}
	}
	return nil
}

// maxPassword stands for any password: none may be longer.
var maxPassword = strings.Repeat("x", 128)

// truststore plans it; nil if a fault was found.
func (p *planner) truststore(w trustWant) *Version {
	if w.fixed {
		return p.trustInPlace(w)
	}
	v, step := p.trust(w)
	if step != nil && !(allHeld(w.mounts) && step.isAnother()) {
		p.act(step)
	}
	return v
}

// isAnother tells a version that something would have to switch to from one that is put
// right under its own name.
func (a *MakeTrust) isAnother() bool { return a.Known == "" || a.spoilt(a.Known) == nil }

// allHeld reports whether nothing may switch to another version now: one that is made
// all the same may never be used.
func allHeld(mounts []mount) bool {
	return !slices.ContainsFunc(mounts, func(m mount) bool { return !m.paused })
}

// mount is a workload that mounts a truststore.
type mount struct {
	target     string
	resource   deploy.Resource
	paused     bool
	referenced string // the Secret that it mounts now
	trust      **Version
	file       *string
}

func (p *planner) mountsIn(namespace string, t config.Truststore) []mount {
	var out []mount
	eps, flinks := p.mounting(t)
	for _, job := range eps {
		if job.config.Namespace == namespace {
			out = append(out, mount{job.target, job.resource, p.heldBack(job.resource) != "", deploy.References(job.resource).TrustStore, &job.trust, &job.trustFile})
		}
	}
	for _, job := range flinks {
		if job.config.Namespace == namespace {
			out = append(out, mount{job.target, job.resource, p.heldBack(job.resource) != "", deploy.References(job.resource).TrustStore, &job.trust, &job.trustFile})
		}
	}
	return out
}

// keepsOwn is the version for one workload: the one that it mounts, where that
// will do until it restarts anyway and another workload's restart brings a new
// one.
func (p *planner) keepsOwn(w trustWant, m mount, v *Version) *Version {
	if v.Secret != nil && v.Secret.Name == m.referenced || p.restarting[m.target] {
		return v
	}
	own := p.state.Secrets[secrets.Ref{Namespace: w.namespace, Name: m.referenced}]
	if own == nil || own.Role() != w.role || own.Target() != w.target {
		return v
	}
	w.holders = []string{m.target}
	if p.trustFault(w, own, truststore.Entries(p.trustSources(w))) != "" {
		return v
	}
	return &Version{Target: w.target, Role: w.role, Prefix: w.prefix, Secret: own}
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
		for _, c := range certs {
			if !c.IsCA && !pki.IsSelfSigned(c) {
				p.notice("truststore %s, source %s: %q is a server's own certificate, not a CA: connections fail when that server renews it; better give its issuer %q", t.Name, source.Name, c.Subject.CommonName, c.Issuer.CommonName)
			}
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
	return slices.DeleteFunc(slices.Clone(p.state.PublicCAs[i].Certificates), func(c *x509.Certificate) bool {
		return p.expired(c) || p.givenUp(c)
	})
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
		if ofSource(e.Alias, name) && (strings.EqualFold(e.Alias, name) || !isSource(all, e.Alias)) {
			out = append(out, e.Certificate)
		}
	}
	return out
}

// ofSource reports whether an alias is a source's name, alone or numbered.
func ofSource(alias, name string) bool {
	if strings.EqualFold(alias, name) {
		return true
	}
	i := strings.LastIndexByte(alias, '-')
	if i < 0 || !strings.EqualFold(alias[:i], name) {
		return false
	}
	_, err := strconv.Atoi(alias[i+1:])
	return err == nil
}

func isSource(all []config.Source, name string) bool {
	return slices.ContainsFunc(all, func(s config.Source) bool { return strings.EqualFold(s.Name, name) })
}

// truststorePassword is the user's, or the one that was generated once; from is
// the Secret in which this plan will make one.
func (p *planner) truststorePassword(t config.Truststore) (password string, from *Version, err error) {
	ref := secrets.Ref{Namespace: t.Namespace, Name: t.Name + "-password"}
	key := secrets.Password
	if t.Password != nil {
		ref, key = secrets.Ref{Namespace: t.Password.Namespace, Name: t.Password.Name}, t.Password.Key
	}
	if err := p.state.closed(ref.Namespace); err != nil {
		return "", nil, fmt.Errorf("password: %s: %w", ref, closedError(ref.Namespace, err))
	}
	if s, ok := p.state.Secrets[ref]; ok {
		value, err := s.Get(key)
		if err == nil {
			err = truststore.CheckPassword(string(value))
		}
		if err != nil {
			return "", nil, fmt.Errorf("password: %s: %w", ref, err)
		}
		if t.Password == nil && !s.Ours() {
			p.notice("%s was not made by flowcert; its password is used for truststore %s", ref, t.Name)
		}
		return string(value), nil, nil
	}
	if t.Password != nil {
		return "", nil, fmt.Errorf("password: %s is not there", ref)
	}
	v := &Version{Target: truststoreTarget(t.Namespace, t.Name), Role: secrets.RolePassword, Known: ref.Name}
	step := &MakePassword{Version: v, Ref: ref, Key: secrets.Password, Because: "there is none yet"}
	for _, namespace := range t.Namespaces() {
		if password := p.adoptedPassword(slot{truststoreTarget(namespace, t.Name), secrets.RoleTruststore}); password != "" && step.Value == "" {
			step.Value, step.Because = password, "it is in use, and jobs may name it"
		}
		for _, s := range p.state.versions[slot{truststoreTarget(namespace, t.Name), secrets.RoleTruststore}] {
			if password := usable(s, secrets.Password); password != "" && step.Value == "" {
				step.Value, step.Because = password, "it is gone; the one in use is written again"
			}
		}
	}
	if !p.heldEverywhere(t) {
		p.act(step)
	}
	return step.Value, v.unlessKnown(step.Value), nil
}

// heldEverywhere is allHeld of all namespaces.
func (p *planner) heldEverywhere(t config.Truststore) bool {
	var mounts []mount
	for _, namespace := range t.Namespaces() {
		mounts = append(mounts, p.mountsIn(namespace, t)...)
	}
	return t.Naming != config.Fixed && allHeld(mounts)
}

func (v *Version) unlessKnown(value string) *Version {
	if value != "" {
		return nil
	}
	return v
}
