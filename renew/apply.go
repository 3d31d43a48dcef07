package renew

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"runtime"
	"slices"
	"strconv"
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
	if err := store.Prepare(rewritten(plan), asides(plan)...); err != nil {
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
	cross *x509.Certificate   // with which the root before it vouches for it
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
	if a.CrossBy != nil {
		old, _, err := r.issuer(a.CrossBy)
		if err != nil {
			return err
		}
		if r.cross, err = pki.CrossSign(old, cert, req.NotBefore); err != nil {
			return err
		}
		s.Data[crossKey(a.CrossBy.Secret)] = pki.EncodeCertificates(r.cross)
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
	chain := secrets.Identity{Key: key, Chain: append([]*x509.Certificate{cert}, a.Above...), Roots: id.Roots}
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
	source, err := deploy.Rewrite(a.Resource, result.Edits, result.Claims...)
	if err != nil {
		return err
	}
	return r.store.WriteResource(ctx, a.Resource, source)
}
