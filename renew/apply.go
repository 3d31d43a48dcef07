package renew

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// Apply runs the plan's actions in order and fills in the versions that they
// make. Keys are made in parallel, ahead of the actions that need them. done is
// called after each action. A plan with faults is not for this function: the
// caller decides what they stop.
func Apply(ctx context.Context, plan *Plan, store Store, now time.Time, done func(Action)) error {
	if err := store.Prepare(rewritten(plan)); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &runner{store: store, now: now, keys: makeKeys(ctx, plan), root: plan.Root}
	for _, a := range plan.Actions {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.run(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", a.Object(), err)
		}
		done(a)
	}
	return nil
}

func rewritten(plan *Plan) []string {
	var files []string
	for _, a := range plan.Actions {
		if w, ok := a.(*Rewire); ok && w.Resource.File != "" {
			files = append(files, w.Resource.File)
		}
	}
	return files
}

// runner carries out one plan.
type runner struct {
	store Store
	now   time.Time
	keys  map[Action]<-chan keyResult
	roots []*x509.Certificate // made by this plan
	root  string              // fingerprint of the newest one
}

type keyResult struct {
	key crypto.Signer
	err error
}

// makeKeys generates the keys that a plan needs, as many at a time as there are
// processors: with RSA they are nearly all of the work.
func makeKeys(ctx context.Context, plan *Plan) map[Action]<-chan keyResult {
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	keys := map[Action]<-chan keyResult{}
	for _, a := range plan.Actions {
		spec, ok := keySpec(a)
		if !ok {
			continue
		}
		out := make(chan keyResult, 1)
		keys[a] = out
		go func() {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				out <- keyResult{err: ctx.Err()}
				return
			}
			defer func() { <-slots }()
			key, err := pki.GenerateKey(spec)
			out <- keyResult{key, err}
		}()
	}
	return keys
}

func keySpec(a Action) (pki.KeySpec, bool) {
	switch a := a.(type) {
	case *MakeRoot:
		return a.Key, true
	case *MakeIntermediate:
		return a.Key, true
	case *MakeLeaf:
		return a.Key, a.Keep == nil
	}
	return pki.KeySpec{}, false
}

func (r *runner) key(a Action) (crypto.Signer, error) {
	res := <-r.keys[a]
	return res.key, res.err
}

// create writes a new Secret; from then on the version is that Secret.
func (r *runner) create(ctx context.Context, v *Version, s *secrets.Secret) error {
	if err := r.store.CreateSecret(ctx, s); err != nil {
		return err
	}
	v.Secret = s
	return nil
}

// password opens a Secret that an earlier action made.
func (v *Version) password() (string, error) {
	if v.Secret == nil {
		return "", fmt.Errorf("%s of %s was not made", v.Role, v.Target)
	}
	return string(v.Secret.Data[secrets.Password]), nil
}

func (a *MakeRoot) run(ctx context.Context, r *runner) error {
	key, err := r.key(a)
	if err != nil {
		return err
	}
	req := a.Request
	req.Key = key
	cert, err := pki.NewRoot(req)
	if err != nil {
		return err
	}
	s := secrets.New(a.Ref, a.Target, a.Role, r.now)
	id := secrets.Identity{Key: key, Chain: []*x509.Certificate{cert}, Roots: []*x509.Certificate{cert}}
	if err := s.PutIdentity(id, secrets.DefaultKeys()); err != nil {
		return err
	}
	r.roots = append(r.roots, cert)
	r.root = pki.Fingerprint(cert)
	return r.create(ctx, a.Version, s)
}

func (a *MakeIntermediate) run(ctx context.Context, r *runner) error {
	key, err := r.key(a)
	if err != nil {
		return err
	}
	root, id, err := r.issuer(a.Root)
	if err != nil {
		return err
	}
	req := a.Request
	req.Key = key
	cert, err := pki.NewIntermediate(root, req)
	if err != nil {
		return err
	}
	name := secrets.VersionName(a.Prefix, a.For, pki.Fingerprint(cert))
	s := secrets.New(secrets.Ref{Namespace: a.Namespace, Name: name}, a.Target, a.Role, r.now)
	s.Annotations[namespaceAnnotation] = a.For
	chain := secrets.Identity{Key: key, Chain: []*x509.Certificate{cert}, Roots: id.Roots}
	if err := s.PutIdentity(chain, secrets.DefaultKeys()); err != nil {
		return err
	}
	return r.create(ctx, a.Version, s)
}

// issuer opens the Secret of a root or an intermediate.
func (r *runner) issuer(v *Version) (pki.Issuer, secrets.Identity, error) {
	if v.Secret == nil {
		return pki.Issuer{}, secrets.Identity{}, fmt.Errorf("%s of %s was not made", v.Role, v.Target)
	}
	id, err := v.Secret.Identity(secrets.DefaultKeys())
	if passphrase := v.Values[passphraseValue]; passphrase != "" {
		id, err = v.Secret.EncryptedIdentity(secrets.DefaultKeys(), []byte(passphrase))
	}
	if err != nil {
		return pki.Issuer{}, id, err
	}
	return pki.Issuer{Certificate: id.Chain[0], Key: id.Key}, id, nil
}

func (a *MakePassword) run(ctx context.Context, r *runner) error {
	value := a.Value
	if value == "" {
		generated, err := truststore.Password()
		if err != nil {
			return err
		}
		value = generated
	}
	s := secrets.New(a.Ref, a.Target, a.Role, r.now)
	s.Data[a.Key] = []byte(value)
	return r.create(ctx, a.Version, s)
}

func (a *MakeLeaf) run(ctx context.Context, r *runner) error {
	id, err := a.identity(r)
	if err != nil {
		return err
	}
	if refused := MayServe(inUse(a.Edges), Serving{Chain: id.Chain, From: r.now}); a.Keep == nil && len(refused) > 0 {
		return errors.New(refused[0].String())
	}
	s := secrets.New(secrets.Ref{Namespace: a.Namespace, Name: a.FixedName}, a.Target, a.Role, r.now)
	if a.FixedName == "" {
		s.Name = a.name(id)
	}
	if err := a.fill(s, id); err != nil {
		return err
	}
	if a.FixedName != "" {
		s.Immutable = false
		a.keepOthers(s)
		a.Version.Secret = s
		return r.store.UpdateSecret(ctx, s)
	}
	if a.Keep != nil && slices.Contains(a.Spoilt, s.Name) {
		a.Version.Secret = s
		return r.store.UpdateSecret(ctx, s)
	}
	return r.create(ctx, a.Version, s)
}

// ourKeys are the data keys that flowcert writes beside a leaf.
var ourKeys = []string{
	secrets.CACert, secrets.TLSCert, secrets.TLSKey, secrets.Password, secrets.TrustPassword,
	secrets.KeyStoreFile(truststore.JKS), secrets.KeyStoreFile(truststore.PKCS12), secrets.TrustFile(truststore.JKS), secrets.TrustFile(truststore.PKCS12),
}

// keepOthers takes over, into a Secret that is updated in place, what others put
// there, and the chain that it held: it may still be served.
func (a *MakeLeaf) keepOthers(s *secrets.Secret) {
	old := a.Replaces
	if old == nil {
		return
	}
	s.Type = old.Type
	for k, v := range old.Labels {
		if _, ours := s.Labels[k]; !ours {
			s.Labels[k] = v
		}
	}
	for k, v := range old.Annotations {
		if !strings.HasPrefix(k, "flowcert.io/") {
			s.Annotations[k] = v
		}
	}
	for k, v := range old.Data {
		if !slices.Contains(ourKeys, k) {
			s.Data[k] = v
		}
	}
	if chain := old.Data[secrets.TLSCert]; a.Keep == nil && len(chain) > 0 {
		s.Annotations[earlierAnnotation] = string(chain)
	}
}

// identity is the leaf that goes into the Secret: the one that is kept, or a
// new one under the issuer.
func (a *MakeLeaf) identity(r *runner) (secrets.Identity, error) {
	roots := slices.Concat(a.Roots, r.roots)
	if a.Keep != nil {
		return secrets.Identity{Key: a.Keep.Key, Chain: a.Keep.Chain, Roots: roots}, nil
	}
	key, err := r.key(a)
	if err != nil {
		return secrets.Identity{}, err
	}
	issuer, issued, err := r.issuer(a.Issuer)
	if err != nil {
		return secrets.Identity{}, err
	}
	req := a.Request
	req.Key = key
	leaf, err := pki.NewLeaf(issuer, req)
	if err != nil {
		return secrets.Identity{}, err
	}
	above := a.Above
	if above == nil {
		above = issued.Chain
	}
	chain := append([]*x509.Certificate{leaf}, slices.DeleteFunc(slices.Clone(above), pki.IsSelfSigned)...)
	return secrets.Identity{Key: key, Chain: chain, Roots: roots}, check(chain, roots, req, r.now)
}

// check verifies a new leaf as its clients will, before anything is written.
func check(chain, roots []*x509.Certificate, req pki.LeafRequest, now time.Time) error {
	p := pki.JVM()
	if !req.Server {
		p.Usage = x509.ExtKeyUsageClientAuth
	}
	names := append([]string{""}, req.DNSNames...)
	for _, ip := range req.IPAddresses {
		names = append(names, ip.String())
	}
	for _, name := range names {
		if err := pki.VerifyUntil(p, chain, roots, name, now, chain[0].NotAfter); err != nil {
			return fmt.Errorf("the new certificate does not verify for %s: %w", name, err)
		}
	}
	return nil
}

// name is that of a version with this content: everything public in it.
func (a *MakeLeaf) name(id secrets.Identity) string {
	var out []string
	for _, c := range slices.Concat(id.Chain, id.Roots) {
		out = append(out, pki.Fingerprint(c))
	}
	out = append(out, a.Shape.data.CA, a.Shape.data.Certificate, a.Shape.data.Key, string(a.Shape.format))
	for _, f := range a.Shape.also {
		out = append(out, string(f))
	}
	return secrets.VersionName(a.Prefix, out...)
}

// fill writes the leaf into the Secret in its shape.
func (a *MakeLeaf) fill(s *secrets.Secret, id secrets.Identity) error {
	if a.Shape.format == "" {
		if err := s.PutIdentity(id, a.Shape.data); err != nil || len(a.Shape.also) == 0 {
			return err
		}
		return a.fillStores(s, id, a.Shape.also...)
	}
	if a.Shape.onePassword == "" && a.Shape.passwordFrom == nil {
		return a.fillStores(s, id, a.Shape.format)
	}
	password := a.Shape.onePassword
	if password == "" {
		var err error
		if password, err = a.Shape.passwordFrom.password(); err != nil {
			return err
		}
	}
	return s.PutStores(a.Shape.format, id, password, password)
}

// fillStores writes stores with two passwords, which lie beside them.
func (a *MakeLeaf) fillStores(s *secrets.Secret, id secrets.Identity, formats ...truststore.Format) error {
	key, err := orGenerate(a.Shape.keyPassword)
	if err != nil {
		return err
	}
	trust, err := orGenerate(a.Shape.trustPassword)
	if err != nil {
		return err
	}
	s.Data[secrets.Password], s.Data[secrets.TrustPassword] = []byte(key), []byte(trust)
	for _, f := range formats {
		if err := s.PutStores(f, id, key, trust); err != nil {
			return err
		}
	}
	return nil
}

func orGenerate(password string) (string, error) {
	if password != "" {
		return password, nil
	}
	return truststore.Password()
}

func (a *Forget) run(ctx context.Context, r *runner) error {
	return r.store.DeleteSecret(ctx, a.Secret)
}

func (a *MakeTrust) run(ctx context.Context, r *runner) error {
	entries := a.Entries
	if a.NewRoot != nil {
		entries = truststore.Entries(append(slices.Clone(a.Sources), truststore.Source{Name: a.Alias, Certificates: r.roots}))
	}
	password, err := a.password()
	if err != nil {
		return err
	}
	s := secrets.New(secrets.Ref{Namespace: a.Namespace, Name: a.name(entries)}, a.Target, a.Role, r.now)
	s.Annotations[secrets.PasswordAnnotation] = strconv.Itoa(a.PasswordVersion)
	s.Data[secrets.Password] = []byte(password)
	if err := s.PutTrust(a.Format, entries, password); err != nil {
		return err
	}
	if slices.Contains(a.Spoilt, s.Name) {
		// Its name says what it holds; somebody changed it, and it is put right.
		a.Version.Secret = s
		return r.store.UpdateSecret(ctx, s)
	}
	return r.create(ctx, a.Version, s)
}

// name is that of a version with this content.
func (a *MakeTrust) name(entries []truststore.Entry) string {
	public := []string{string(a.Format), strconv.Itoa(a.PasswordVersion)}
	for _, e := range entries {
		public = append(public, e.Alias+"="+pki.Fingerprint(e.Certificate))
	}
	return secrets.VersionName(a.Prefix, public...)
}

func (a *MakeTrust) password() (string, error) {
	if a.PasswordFrom != nil {
		return a.PasswordFrom.password()
	}
	return orGenerate(a.Password)
}

func (a *Rewire) run(ctx context.Context, r *runner) error {
	result := a.Wiring.Edits(a.Resource, r.root)
	if len(result.Conflicts) > 0 {
		return result.Conflicts[0]
	}
	source, err := deploy.Rewrite(a.Resource, result.Edits)
	if err != nil {
		return err
	}
	return r.store.WriteResource(ctx, a.Resource, source)
}
