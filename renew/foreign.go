package renew

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// foreignOfEventProcessing reads what an EventProcessing uses and others made.
func (p *planner) foreignOfEventProcessing(job *eventProcessingJob) (found []*adoption, faults []error) {
	if p.heldBack(job.resource) != "" {
		return nil, nil
	}
	g := &gathering{p: p, resource: job.resource}
	certificate, ca, ui := deploy.ForeignTLS(job.resource)
	if certificate != "" && job.config.Mode == config.ModeCertificate {
		g.add(g.certificate(slot{job.target, secrets.RoleCertificate}, job.config.Name+"-cert", certificate, deploy.EventProcessingDataKeys(job.resource)))
	}
	if ca != "" && job.config.Mode == config.ModeCA {
		g.add(g.certificate(slot{job.target, secrets.RoleCA}, job.config.Name+"-ca", ca, secrets.DefaultKeys()))
	}
	if ui != "" && job.config.UI != nil {
		g.add(g.certificate(slot{job.target, secrets.RoleUICertificate}, job.config.Name+"-ui-cert", ui, deploy.EventProcessingUIDataKeys(job.resource)))
	}
	if file, ok := deploy.ForeignFlinkTrust(job.resource); ok && p.flinkOf(job) != nil {
		g.add(g.truststore(slot{job.target, secrets.RoleFlinkTrust}, job.config.Name+"-flink-trust", file))
	}
	if t := p.truststoreOf(func(t config.Truststore) bool { return t.MountsEventProcessing(job.config.Namespace, job.config.Name) }); t != nil {
		g.truststores(*t)
	}
	return g.found, g.faults
}

// foreignOfFlink is the same for a FlinkDeployment.
func (p *planner) foreignOfFlink(job *flinkJob) (found []*adoption, faults []error) {
	if p.heldBack(job.resource) != "" {
		return nil, nil
	}
	g := &gathering{p: p, resource: job.resource}
	stores, conflicts := deploy.ForeignFlinkTLS(job.resource, deploy.FlinkTLS{Rest: job.config.TLS.Rest, Internal: job.config.TLS.Internal})
	g.conflicts(conflicts)
	for _, s := range stores {
		g.add(g.flinkStores(slot{job.target, secrets.RoleFlinkTLS}, job.config.Name+"-tls", s))
	}
	if t := p.flinkTruststore(job); t != nil {
		g.truststores(*t)
	}
	return g.found, g.faults
}

func (p *planner) flinkTruststore(job *flinkJob) *config.Truststore {
	return p.truststoreOf(func(t config.Truststore) bool { return t.MountsFlink(job.config.Namespace, job.config.Name) })
}

// truststoreOf is the configured truststore that a workload mounts.
func (p *planner) truststoreOf(mounts func(config.Truststore) bool) *config.Truststore {
	for i := range p.cfg.Truststores {
		if mounts(p.cfg.Truststores[i]) {
			return &p.cfg.Truststores[i]
		}
	}
	return nil
}

// gathering collects what one resource uses.
type gathering struct {
	p        *planner
	resource deploy.Resource
	found    []*adoption
	faults   []error
}

func (g *gathering) add(a *adoption, err error) {
	if err != nil {
		g.faults = append(g.faults, err)
		return
	}
	g.found = append(g.found, a)
}

func (g *gathering) conflicts(conflicts []deploy.Conflict) {
	for _, c := range conflicts {
		g.faults = append(g.faults, c)
	}
}

// secret finds one that the resource refers to. One that is not there may hold
// what nobody else knows.
func (g *gathering) secret(name string) (*secrets.Secret, error) {
	ref := secrets.Ref{Namespace: g.resource.Namespace, Name: name}
	s := g.p.state.Secrets[ref]
	if s == nil {
		s = g.p.asideOf(ref)
	}
	if s == nil {
		return nil, g.p.state.notHere(ref, g.resource.String())
	}
	return s, othersOnly(s)
}

// notHere asks for a Secret that is in the cluster alone, or nowhere.
func (s *State) notHere(ref secrets.Ref, user string) error {
	if s.live() {
		return Hinted{
			Err:  fmt.Errorf("%s, which %s uses, does not exist: what it trusts would be lost", ref, user),
			Hint: "bring it back, or remove what refers to it to give it up",
		}
	}
	return Hinted{
		Err:  fmt.Errorf("%s, which %s uses, is not in the directory%s: what it trusts would be lost", ref, user, s.brokenNote()),
		Hint: fmt.Sprintf("put it there: kubectl get secret %s -n %s -o yaml > %s.yaml (it may hold a key: keep it out of git)", ref.Name, ref.Namespace, ref.Name),
	}
}

// othersOnly refuses what cannot be taken over: flowcert's own, and what
// cert-manager keeps.
func othersOnly(s *secrets.Secret) error {
	if s.Ours() {
		return Hinted{
			Err:  fmt.Errorf("%s is flowcert's own, but the record of the field that refers to it is gone", s.Ref),
			Hint: fmt.Sprintf("put the annotation %s back into the resource", deploy.EditsAnnotation),
		}
	}
	mark := s.CertManager()
	if mark == "" {
		return nil
	}
	remove := "delete the Certificate that makes it"
	if name := s.Certificate(); name != "" {
		remove = fmt.Sprintf("kubectl delete certificate %s -n %s", name, s.Namespace)
	}
	return Hinted{
		Err:  fmt.Errorf("%s is made by cert-manager (%s), which would write it back and go on renewing it", s.Ref, mark),
		Hint: remove + ", take cert-manager's annotations and labels off the manifest, and run again with --adopt; or leave this one out of flowcert.yaml",
	}
}

// password reads what the resource says a store's password is; nil: nothing.
func (g *gathering) password(from deploy.Password) (*string, error) {
	switch {
	case from.Value != "":
		return &from.Value, nil
	case from.Secret == "":
		return nil, nil
	}
	s, err := g.secret(from.Secret)
	if err != nil {
		return nil, err
	}
	value, err := s.Get(from.Key)
	if err != nil {
		return nil, Hinted{Err: fmt.Errorf("the password: %w", err), Hint: "correct the reference, or the Secret"}
	}
	password := string(value)
	return &password, nil
}

// certificate reads a Secret with a certificate in PEM.
func (g *gathering) certificate(k slot, prefix, name string, keys deploy.DataKeys) (*adoption, error) {
	s, err := g.secret(name)
	if err != nil {
		return nil, err
	}
	return pemAdoption(k, prefix, s, keys)
}

func pemAdoption(k slot, prefix string, s *secrets.Secret, keys deploy.DataKeys) (*adoption, error) {
	id, err := s.LooseIdentity(keys)
	if err != nil {
		return nil, Hinted{Err: err, Hint: "nothing can serve that: mend the Secret, or remove what refers to it to give it up"}
	}
	return &adoption{slot: k, namespace: s.Namespace, prefix: prefix, originals: []*secrets.Secret{s},
		identity: id, entries: secrets.RootEntries(id.Roots)}, nil
}

// open opens a store with the password that the resource has for it.
func (g *gathering) open(f deploy.ForeignStore) (*secrets.Secret, *truststore.Store, string, error) {
	s, err := g.secret(f.Secret)
	if err != nil {
		return nil, nil, "", err
	}
	password, err := g.password(f.Password)
	if err != nil {
		return nil, nil, "", err
	}
	key, err := storeKey(s, f)
	if err != nil {
		return nil, nil, "", err
	}
	store, err := s.OpenStore(key, password)
	switch {
	case errors.Is(err, truststore.ErrPassword) && password == nil:
		return nil, nil, "", Hinted{Err: fmt.Errorf("%s: %s names no password for it: %w", s.Ref, f.Path, err), Hint: "write the password beside the store's path, as the JVM needs it, too"}
	case errors.Is(err, truststore.ErrPassword):
		return nil, nil, "", Hinted{Err: fmt.Errorf("%w: the password of %s does not open it", err, f.Path), Hint: "correct the password in the resource, or bring the Secret that belongs to it"}
	case err != nil:
		return nil, nil, "", Hinted{Err: err, Hint: "bring a store that Java opens, or remove what refers to it to give it up"}
	case password == nil:
		return s, store, "", nil
	}
	return s, store, *password, nil
}

// storeKey is the data key of a store: the one that the resource names, or the
// only one that is a store.
func storeKey(s *secrets.Secret, f deploy.ForeignStore) (string, error) {
	if f.Key != "" {
		return f.Key, nil
	}
	var keys []string
	for _, key := range s.Keys() {
		if kind, ok := truststore.Detect(s.Data[key]); ok && kind != truststore.PEM && (f.Seen == nil || slices.Contains(f.Seen, key)) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 1 {
		return keys[0], nil
	}
	return "", Hinted{
		Err:  fmt.Errorf("%s holds %d stores (%s), and nothing says which of them is the truststore", s.Ref, len(keys), strings.Join(keys, ", ")),
		Hint: "name the one file in the items of the volume",
	}
}

// truststore reads a Secret with a truststore.
func (g *gathering) truststore(k slot, prefix string, f deploy.ForeignStore) (*adoption, error) {
	s, store, password, err := g.open(f)
	if err != nil {
		return nil, err
	}
	a := &adoption{slot: k, namespace: s.Namespace, prefix: prefix, originals: []*secrets.Secret{s}, entries: secrets.Trusts(store), password: password}
	g.noteUnlisted(s, store)
	key, _ := storeKey(s, f)
	return a, alone(s, f, a, key)
}

// noteUnlisted names certificates that are in the file and that no JVM trusts.
func (g *gathering) noteUnlisted(s *secrets.Secret, store *truststore.Store) {
	if n := len(store.Unlisted); n > 0 {
		g.p.notice("%s holds %d certificates without the mark by which Java trusts them: they are not taken over", s.Ref, n)
	}
}

// alone refuses a Secret that pods see more of than the stores that are taken
// over: flowcert's Secret in its place would take that away. Copies in PEM of what
// is recorded are not missed.
func alone(s *secrets.Secret, f deploy.ForeignStore, a *adoption, taken ...string) error {
	if !f.Replaced {
		return nil
	}
	for _, key := range s.Keys() {
		if slices.Contains(taken, key) || f.Seen != nil && !slices.Contains(f.Seen, key) {
			continue
		}
		kind, ok := truststore.Detect(s.Data[key])
		if !ok || kind == truststore.PEM && a.holds(s.Data[key]) {
			continue
		}
		return Hinted{
			Err:  fmt.Errorf("%s holds %s besides %s, and pods would not see it any more", s.Ref, key, strings.Join(taken, " and ")),
			Hint: "put it into a Secret of its own, mounted elsewhere; or, if nobody reads it, name the one file in the items of the volume",
		}
	}
	return nil
}

// holds reports whether every certificate of a PEM file is recorded.
func (a *adoption) holds(pem []byte) bool {
	certs, err := pki.ParseCertificates(pem)
	if err != nil {
		_, err = pki.ParseKey(pem, nil)
		return err == nil // a key of one's own, which flowcert does not lose
	}
	for _, c := range certs {
		known := slices.ContainsFunc(a.identity.Chain, c.Equal) || slices.ContainsFunc(a.entries, func(e truststore.Entry) bool { return e.Certificate.Equal(c) })
		if !known {
			return false
		}
	}
	return true
}

// flinkStores reads the key store and truststore of a channel of Flink's.
func (g *gathering) flinkStores(k slot, prefix string, f deploy.ForeignFlinkStores) (*adoption, error) {
	s, store, _, err := g.open(f.KeyStore)
	if err != nil {
		return nil, err
	}
	t, trust, _, err := g.open(f.Trust)
	if err != nil {
		return nil, err
	}
	if len(store.Keys) != 1 || store.Keys[0].Key == nil {
		return nil, Hinted{
			Err:  fmt.Errorf("%s: key %q: holds %d private keys, want one", s.Ref, f.KeyStore.Key, len(store.Keys)),
			Hint: "Flink serves one of them: leave that one alone in the key store",
		}
	}
	entries := secrets.Trusts(trust)
	a := &adoption{slot: k, namespace: s.Namespace, prefix: prefix, originals: []*secrets.Secret{s}, entries: entries,
		identity: secrets.Identity{Key: store.Keys[0].Key, Chain: store.Keys[0].Chain, Roots: secrets.Certificates(entries)}}
	taken := []string{f.KeyStore.Key}
	if t == s {
		taken = append(taken, f.Trust.Key)
	} else {
		a.originals = append(a.originals, t)
		if err := alone(t, f.Trust, a, f.Trust.Key); err != nil {
			return nil, err
		}
	}
	return a, alone(s, f.KeyStore, a, taken...)
}

// truststores reads what the resource's JVMs trust.
func (g *gathering) truststores(t config.Truststore) {
	files, conflicts := deploy.ForeignTrustStores(g.resource)
	g.conflicts(conflicts)
	for _, f := range files {
		a, err := g.truststore(slot{truststoreTarget(g.resource.Namespace, t.Name), secrets.RoleTruststore}, t.Name, f)
		if a != nil && t.Naming == config.Fixed && f.Secret == t.Name {
			a.aside, a.resumed = true, g.p.state.Secrets[a.originals[0].Ref] == nil
		}
		g.add(a, err)
	}
}

// fixedTruststore reads a truststore that has the fixed name of one of ours: as a
// workload here opens it, or, where none mounts it, by itself.
func (p *planner) fixedTruststore(t config.Truststore, k slot, s *secrets.Secret) (*adoption, error) {
	for _, m := range p.mountsIn(s.Namespace, t) {
		files, _ := deploy.ForeignTrustStores(m.resource)
		for _, f := range files {
			if f.Secret == s.Name {
				g := &gathering{p: p, resource: m.resource}
				return g.truststore(k, t.Name, f)
			}
		}
	}
	key, err := storeKey(s, deploy.ForeignStore{Secret: s.Name})
	if err != nil {
		return nil, err
	}
	var password *string
	if own := usable(s, secrets.Password); own != "" {
		password = &own
	}
	store, err := s.OpenStore(key, password)
	if err != nil {
		return nil, Hinted{Err: err, Hint: "put the password that opens it beside it, under the key " + secrets.Password}
	}
	return &adoption{slot: k, namespace: s.Namespace, prefix: t.Name, originals: []*secrets.Secret{s}, entries: secrets.Trusts(store), password: string(s.Data[secrets.Password])}, nil
}

// otherPath refuses another file name than jobs may know: they name the path of
// the truststore beside the JVM's option.
func (p *planner) otherPath(job *flinkJob) []error {
	t := p.flinkTruststore(job)
	if t == nil || p.heldBack(job.resource) != "" {
		return nil
	}
	var faults []error
	files, _ := deploy.ForeignTrustStores(job.resource)
	want := secrets.TrustFile(t.Format)
	for _, f := range files {
		if f.File == "" || !f.Replaced || f.File == want {
			continue
		}
		hint := fmt.Sprintf("mount it as %s first (items: [{key: %s, path: %s}]), and name it so in the options and in jobs", want, f.Key, want)
		for _, format := range []truststore.Format{truststore.JKS, truststore.PKCS12} {
			if secrets.TrustFile(format) == f.File {
				hint = fmt.Sprintf("set format: %s for truststore %s in flowcert.yaml", format, t.Name)
			}
		}
		faults = append(faults, Hinted{
			Err:  fmt.Errorf("%s: %s: the truststore's file is %s, and flowcert would make %s: jobs that name it would not find it", job.resource.Where(), f.Path, f.File, want),
			Hint: hint,
		})
	}
	return faults
}
