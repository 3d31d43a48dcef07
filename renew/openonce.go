package renew

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/parallel"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// openOnce keeps what a pass has read from Secrets: every edge asks for the stores
// at its ends anew, and to open one takes as long as to verify a chain. What it
// returns is not to be changed. It is for several goroutines, see readAhead.
type openOnce struct {
	mu     sync.Mutex
	stores map[onceKey]onceStores
	trust  map[onceKey]onceTrust
	known  map[string]*x509.Certificate // by their bytes: the same issuers are beside many leaves
	// Of the pass before; nil: this is the first.
	storesBefore map[onceKey]onceStores
	trustBefore  map[onceKey]onceTrust
}

// onceKey is a Secret, and how it was opened: another password, another answer.
type onceKey struct {
	stored
	data       deploy.DataKeys // of an identity in PEM
	format     truststore.Format
	key, trust string
}

// stored is what a Secret holds, as the API server tells it apart (Kubernetes API conventions, "Concurrency Control
// and Consistency"): it outlives a pass. In a directory it is the Secret that this pass has read.
type stored struct {
	uid, resourceVersion string
	secret               *secrets.Secret
}

func storedAs(s *secrets.Secret) stored {
	if s.UID == "" || s.ResourceVersion == "" {
		return stored{secret: s}
	}
	return stored{uid: s.UID, resourceVersion: s.ResourceVersion}
}

type onceStores struct {
	id  secrets.Identity
	err error
}

type onceTrust struct {
	entries []truststore.Entry
	err     error
}

func newOpenOnce() *openOnce {
	return &openOnce{stores: map[onceKey]onceStores{}, trust: map[onceKey]onceTrust{}, known: map[string]*x509.Certificate{}}
}

// next is for the pass after this one. What that pass does not ask for is forgotten.
func (o *openOnce) next() *openOnce {
	out := newOpenOnce()
	if o != nil {
		out.storesBefore, out.trustBefore = o.stores, o.trust
	}
	return out
}

// Opened is what was opened for a plan: certificates and keys, without the Secrets that they came from. Whoever
// keeps the plan itself keeps all that it has read and made.
type Opened struct{ once *openOnce }

// Opened is what the next plan may go on with.
func (p *Plan) Opened() Opened { return Opened{p.opened} }

// Follows lets the plan of a state go on with what was opened for the plan before
// it; the zero value: there was none. The state is not changed by it, only looked at faster.
func (s *State) Follows(before Opened) { s.opened = before.once.next() }

// wrote keeps what is in a Secret that was just written, in all the ways in which it is read.
func (o *openOnce) wrote(s *secrets.Secret, sh shape, id secrets.Identity) {
	if o == nil || s.ResourceVersion == "" || sh.passwordFrom != nil {
		return
	}
	if sh.format == "" {
		o.keep(onceKey{stored: storedAs(s), data: sh.data}, onceStores{id: id})
	}
	key, trust := sh.passwords(s)
	for _, f := range sh.formats() {
		o.keep(onceKey{stored: storedAs(s), format: f, key: key, trust: trust}, onceStores{id: id})
	}
}

// keep shares the certificates with those that were read before.
func (o *openOnce) keep(k onceKey, got onceStores) {
	o.mu.Lock()
	defer o.mu.Unlock()
	got.id.Chain, got.id.Roots = o.shared(got.id.Chain), o.shared(got.id.Roots)
	o.stores[k] = got
}

// openIdentity is [secrets.Secret.Identity], once a pass: RSA keys are checked
// whenever they are read.
func (o *openOnce) openIdentity(s *secrets.Secret, k deploy.DataKeys) (secrets.Identity, error) {
	return o.open(onceKey{stored: storedAs(s), data: k}, func() (secrets.Identity, error) { return s.Identity(k) })
}

// openStores is [secrets.Secret.Stores], once a pass.
func (o *openOnce) openStores(s *secrets.Secret, f truststore.Format, key, trust string) (secrets.Identity, error) {
	k := onceKey{stored: storedAs(s), format: f, key: key, trust: trust}
	return o.open(k, func() (secrets.Identity, error) { return s.Stores(f, key, trust) })
}

func (o *openOnce) open(k onceKey, read func() (secrets.Identity, error)) (secrets.Identity, error) {
	got, ok := o.found(k)
	if ok {
		return got.id, got.err
	}
	got.id, got.err = read()
	o.keep(k, got)
	return got.id, got.err
}

// found is what this pass has read, or the one before.
func (o *openOnce) found(k onceKey) (onceStores, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return carried(k, o.stores, o.storesBefore)
}

// carried is what was read under a key; what only the pass before has read is taken over.
func carried[T any](k onceKey, now, before map[onceKey]T) (T, bool) {
	got, ok := now[k]
	if !ok {
		if got, ok = before[k]; ok {
			now[k] = got
		}
	}
	return got, ok
}

// openTrust is [secrets.Secret.Trust], once a pass.
func (o *openOnce) openTrust(s *secrets.Secret, f truststore.Format, password string) ([]truststore.Entry, error) {
	k := onceKey{stored: storedAs(s), format: f, trust: password}
	got, ok := o.foundTrust(k)
	if ok {
		return got.entries, got.err
	}
	got.entries, got.err = s.Trust(f, password)
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, e := range got.entries {
		got.entries[i].Certificate = o.same(e.Certificate)
	}
	o.trust[k] = got
	return got.entries, got.err
}

// foundTrust is found of a truststore.
func (o *openOnce) foundTrust(k onceKey) (onceTrust, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return carried(k, o.trust, o.trustBefore)
}

// shared puts the certificates that were read before in place of equal ones.
func (o *openOnce) shared(certs []*x509.Certificate) []*x509.Certificate {
	out := make([]*x509.Certificate, len(certs))
	for i, c := range certs {
		out[i] = o.same(c)
	}
	return out
}

func (o *openOnce) same(c *x509.Certificate) *x509.Certificate {
	if same, ok := o.known[string(c.Raw)]; ok {
		return same
	}
	o.known[string(c.Raw)] = c
	return c
}

// readAhead opens, on all processors, what the plan will look at one after the
// other: the keys of a site with RSA take longer to read than all else.
func (p *planner) readAhead() {
	parallel.Map(slices.Concat(slices.Collect(maps.Values(p.state.versions))...), func(s *secrets.Secret) error {
		var err error // of the Secret; whoever asks for it gets it again
		switch role := s.Role(); {
		case role == secrets.RoleRoot || role == secrets.RoleIntermediate:
			_, err = p.once.openIdentity(s, secrets.DefaultKeys())
		case slices.Contains(leafRoles, role):
			_, err = p.identityOf(s)
			p.openBeside(s)
		case role == secrets.RoleTruststore || role == secrets.RoleFlinkTrust:
			_, err = p.trustOf(s)
		}
		return err
	})
}

// openBeside opens the stores beside a certificate's PEM files, see wrongFormat.
func (p *planner) openBeside(s *secrets.Secret) {
	key, trust := shape{}.passwords(s)
	for _, f := range []truststore.Format{truststore.JKS, truststore.PKCS12} {
		if s.Role() == secrets.RoleCertificate && s.Data[secrets.KeyStoreFile(f)] != nil {
			_, _ = p.once.openStores(s, f, key, trust) // who asks for them gets the error again
		}
	}
}

// trustOf reads what a version makes its reader trust: its truststore, whatever
// its format, or the roots beside a certificate in PEM.
func (p *planner) trustOf(s *secrets.Secret) ([]truststore.Entry, error) {
	switch s.Role() {
	case secrets.RoleCertificate, secrets.RoleUICertificate, secrets.RoleCA, secrets.RoleWebhookCert:
		id, err := p.identityOf(s)
		return secrets.RootEntries(id.Roots), err
	}
	password := cmp.Or(string(s.Data[secrets.TrustPassword]), string(s.Data[secrets.Password]))
	if s.Role() == secrets.RoleOperatorCert {
		password, _ = p.operatorPassword(s.Namespace)
	}
	return p.once.openTrust(s, formatOf(s), password)
}

// storesOf opens the key store and the truststore of a version, whatever their
// format.
func (p *planner) storesOf(s *secrets.Secret) (secrets.Identity, error) {
	sh := shape{}
	if s.Role() == secrets.RoleOperatorCert {
		password, ok := p.operatorPassword(s.Namespace)
		if !ok {
			return secrets.Identity{}, fmt.Errorf("its password is not in secret %s/%s", s.Namespace, config.OperatorPasswordSecret)
		}
		sh.onePassword = password
	}
	key, trust := sh.passwords(s)
	return p.once.openStores(s, formatOf(s), key, trust)
}
