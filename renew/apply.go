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
	"sync"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/parallel"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// Apply runs the plan's actions in order and fills in the versions that they
// make; where the store takes several writes at a time, leaves that follow each other
// side by side. What goes into Secrets and resources is made in parallel, ahead of the
// actions that write it. done is called after each action. Where the plan isolates its targets, an
// action that fails stops those that need what it makes, and no others. A plan with faults is not for this function: the
// caller decides what they stop.
func Apply(ctx context.Context, plan *Plan, store Store, now time.Time, done func(Action)) error {
	if err := store.Prepare(rewritten(plan), asides(plan)...); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &runner{store: store, opened: plan.opened, now: now, keys: makeKeys(ctx, plan), root: plan.Root, issuers: map[*Version]secrets.Identity{}}
	if err := r.choosePasswords(plan); err != nil {
		return err
	}
	r.ahead = makeAhead(ctx, plan, r)
	r.rewiring = rewireAhead(plan, r)
	var errs []error
	for actions := plan.Actions; len(actions) > 0; {
		n := together(actions, writers(store))
		for a, err := range parallel.InOrder(writers(store), actions[:n], r.carryOut(ctx)) {
			switch {
			case err == nil:
				r.rewiring.done(a, r)
				done(a)
			case errors.Is(err, errNotBegun):
				return errors.Join(append(errs, ctx.Err())...)
			case !plan.Isolate:
				return named(a, err)
			case (len(errs) > 0 || plan.Partial) && errors.Is(err, errNotMade): // follows from an earlier one
			default:
				errs = append(errs, &Failure{a, named(a, err)})
			}
		}
		actions = actions[n:]
	}
	return errors.Join(errs...)
}

// carryOut runs an action, if nothing stops it.
func (r *runner) carryOut(ctx context.Context) func(Action) error {
	return func(a Action) error {
		if ctx.Err() != nil {
			return errNotBegun
		}
		if err := unmade(a, r.ahead.root); err != nil {
			return err
		}
		return a.run(ctx, r)
	}
}

var errNotBegun = errors.New("was not begun")

// writers is how many writes a store takes at a time: a directory one, an API server several.
func writers(store Store) int {
	if s, ok := store.(interface{ Writers() int }); ok {
		return s.Writers()
	}
	return 1
}

// together is how many of the next actions may run side by side: leaves, none of which needs another.
func together(actions []Action, writers int) int {
	n := slices.IndexFunc(actions, func(a Action) bool {
		_, leaf := a.(*MakeLeaf)
		return !leaf
	})
	switch {
	case n < 0 && writers > 1:
		return len(actions)
	case writers > 1:
		return max(n, 1)
	}
	return 1
}

// Failure is an action that failed, where others went on.
type Failure struct {
	Action Action
	Err    error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Failures takes the error of Apply apart, where the plan isolates its targets.
func Failures(err error) []*Failure {
	var one *Failure
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*Failure
		for _, e := range many.Unwrap() {
			out = append(out, Failures(e)...)
		}
		return out
	}
	if errors.As(err, &one) {
		return []*Failure{one}
	}
	return nil
}

// unmade reports what an action needs and an earlier one failed to write, or was left
// out: much of it is made ahead, and nothing may trust, or be signed by, what nobody
// has. root is the root that is still to be made; nil: none.
func unmade(a Action, root *Version) error {
	var needs []*Version
	switch a := a.(type) {
	case *MakeIntermediate:
		needs = []*Version{a.Root}
	case *MakeLeaf:
		needs = []*Version{a.Issuer, a.NewRoot, a.Shape.passwordFrom, a.Shape.trustFrom}
	case *MakeTrust:
		needs = []*Version{a.NewRoot, a.PasswordFrom}
	case *Rewire:
		needs = append(a.Wiring.versions(), root)
	}
	for _, v := range needs {
		if v != nil && v.Secret == nil {
			return fmt.Errorf("%s of %s %w", v.Role, v.Target, errNotMade)
		}
	}
	return nil
}

// errNotMade is the error of an action that needs what an earlier one failed to
// make.
var errNotMade = errors.New("was not made")

// named puts the object in front of an error that does not name it.
func named(a Action, err error) error {
	if strings.HasPrefix(err.Error(), a.Object()) {
		return err
	}
	return fmt.Errorf("%s: %w", a.Object(), err)
}

func rewires(plan *Plan) []*Rewire {
	var out []*Rewire
	for _, a := range plan.Actions {
		if w, ok := a.(*Rewire); ok {
			out = append(out, w)
		}
	}
	return out
}

func rewritten(plan *Plan) []string {
	var files []string
	for _, w := range rewires(plan) {
		if w.Resource.File != "" {
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

	opened    *openOnce
	ahead     *ahead
	rewiring  *rewiring
	passwords map[*Version]string // of the Secrets of their own that the plan makes

	reading sync.Mutex                    // of issuers
	issuers map[*Version]secrets.Identity // made or read so far
}

type keyResult struct {
	key crypto.Signer
	err error
}

// makeKeys generates the keys that a plan needs, as many at a time as there are
// processors, in the order in which they are needed: with RSA they are nearly all
// of the work.
func makeKeys(ctx context.Context, plan *Plan) map[Action]<-chan keyResult {
	type job struct {
		spec pki.KeySpec
		out  chan<- keyResult
	}
	keys := map[Action]<-chan keyResult{}
	jobs := make(chan job, len(plan.Actions))
	for _, a := range plan.Actions {
		if spec, ok := keySpec(a); ok {
			out := make(chan keyResult, 1)
			keys[a] = out
			jobs <- job{spec, out}
		}
	}
	close(jobs)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for j := range jobs {
				if err := ctx.Err(); err != nil {
					j.out <- keyResult{err: err}
					continue
				}
				key, err := pki.GenerateKey(j.spec)
				j.out <- keyResult{key, err}
			}
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

// update writes a Secret in place of another; from then on the version is that Secret. Until then it is not: what needs
// it is left alone.
func (r *runner) update(ctx context.Context, v *Version, s *secrets.Secret) error {
	if err := r.store.UpdateSecret(ctx, s); err != nil {
		return err
	}
	v.Secret = s
	return nil
}

// knows keeps what will sign: it is not read again.
func (r *runner) knows(v *Version, id secrets.Identity) {
	r.reading.Lock()
	defer r.reading.Unlock()
	r.issuers[v] = id
}

// password is what lies in a Secret of its own, which the plan may still have to write.
func (r *runner) password(v *Version) (string, error) {
	if password, ok := r.passwords[v]; ok {
		return password, nil
	}
	return v.password()
}

// password opens a Secret that is there.
func (v *Version) password() (string, error) {
	if v.Secret == nil {
		return "", fmt.Errorf("%s of %s %w", v.Role, v.Target, errNotMade)
	}
	return string(v.Secret.Data[secrets.Password]), nil
}

func (a *MakeRoot) run(ctx context.Context, r *runner) error {
	id, err := r.ahead.identity(a)
	if err != nil {
		return err
	}
	s := secrets.New(a.Ref, a.Target, a.Role, r.now)
	if err := s.PutIdentity(id, secrets.DefaultKeys()); err != nil {
		return err
	}
	if a.CrossBy != nil {
		s.Data[crossKey(a.CrossBy.Secret)] = pki.EncodeCertificates(r.cross)
	}
	return r.create(ctx, a.Version, s)
}

// identity makes the root. From then on the runner has it, and what vouches for it.
func (a *MakeRoot) identity(r *runner, key crypto.Signer) (secrets.Identity, error) {
	req := a.Request
	req.Key = key
	cert, err := pki.NewRoot(req)
	if err != nil {
		return secrets.Identity{}, err
	}
	if a.CrossBy != nil {
		old, _, err := r.issuer(a.CrossBy)
		if err != nil {
			return secrets.Identity{}, err
		}
		if r.cross, err = pki.CrossSign(old, cert, req.NotBefore); err != nil {
			return secrets.Identity{}, err
		}
	}
	r.roots = append(r.roots, cert)
	r.root = pki.Fingerprint(cert)
	return secrets.Identity{Key: key, Chain: []*x509.Certificate{cert}, Roots: []*x509.Certificate{cert}}, nil
}

func (a *MakeIntermediate) run(ctx context.Context, r *runner) error {
	id, err := r.ahead.identity(a)
	if err != nil {
		return err
	}
	name := secrets.VersionName(a.Prefix, a.For, pki.Fingerprint(id.Chain[0]))
	s := secrets.New(secrets.Ref{Namespace: a.Namespace, Name: name}, a.Target, a.Role, r.now)
	s.Annotations[namespaceAnnotation] = a.For
	if err := s.PutIdentity(id, secrets.DefaultKeys()); err != nil {
		return err
	}
	return r.create(ctx, a.Version, s)
}

func (a *MakeIntermediate) identity(r *runner, key crypto.Signer) (secrets.Identity, error) {
	root, id, err := r.issuer(a.Root)
	if err != nil {
		return secrets.Identity{}, err
	}
	req := a.Request
	req.Key = key
	cert, err := pki.NewIntermediate(root, req)
	if err != nil {
		return secrets.Identity{}, err
	}
	return secrets.Identity{Key: key, Chain: append([]*x509.Certificate{cert}, a.Above...), Roots: id.Roots}, nil
}

// issuer opens the Secret of a root or an intermediate, once a run: it signs
// many leaves, and RSA keys are checked when they are read. What the run itself
// made is known.
func (r *runner) issuer(v *Version) (pki.Issuer, secrets.Identity, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	id, ok := r.issuers[v]
	if !ok {
		var err error
		if id, err = readIssuer(v); err != nil {
			return pki.Issuer{}, id, err
		}
		r.issuers[v] = id
	}
	return pki.Issuer{Certificate: id.Chain[0], Key: id.Key}, id, nil
}

func readIssuer(v *Version) (secrets.Identity, error) {
	if v.Secret == nil {
		return secrets.Identity{}, fmt.Errorf("%s of %s %w", v.Role, v.Target, errNotMade)
	}
	if passphrase := v.Values[passphraseValue]; passphrase != "" {
		return v.Secret.EncryptedIdentity(secrets.DefaultKeys(), []byte(passphrase))
	}
	return v.Secret.Identity(secrets.DefaultKeys())
}

// choosePasswords makes those that lie in a Secret of their own: what they open is
// made before that Secret is written.
func (r *runner) choosePasswords(plan *Plan) error {
	r.passwords = map[*Version]string{}
	for _, action := range plan.Actions {
		if a, ok := action.(*MakePassword); ok {
			password, err := orGenerate(a.Value)
			if err != nil {
				return err
			}
			r.passwords[a.Version] = password
		}
	}
	return nil
}

func (a *MakePassword) run(ctx context.Context, r *runner) error {
	s := secrets.New(a.Ref, a.Target, a.Role, r.now)
	s.Immutable = false // people may change it: what it opens is then made anew
	s.Data[a.Key] = []byte(r.passwords[a.Version])
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
	made := <-r.ahead.trust[a]
	if made.err != nil {
		return made.err
	}
	s := made.value
	if a.FixedName != "" {
		a.Version.Values[contentValue] = contentOf(a.entries(r)).digest()
		return r.update(ctx, a.Version, s)
	}
	if a.spoilt(s.Name) != nil {
		// Its name says what it holds; somebody changed it, and it is put right.
		return r.update(ctx, a.Version, s)
	}
	return r.create(ctx, a.Version, s)
}

// entries are the content, a root that this plan has made included.
func (a *MakeTrust) entries(r *runner) []truststore.Entry {
	if a.NewRoot == nil {
		return a.Entries
	}
	return truststore.Entries(append(slices.Clone(a.Sources), truststore.Source{Name: a.Alias, Certificates: r.roots}))
}

// secret is the truststore's, to be written.
func (a *MakeTrust) secret(r *runner) (*secrets.Secret, error) {
	entries := a.entries(r)
	password, err := a.password(r)
	if err != nil {
		return nil, err
	}
	s := secrets.New(secrets.Ref{Namespace: a.Namespace, Name: a.name(entries)}, a.Target, a.Role, r.now)
	s.Annotations[secrets.PasswordAnnotation] = strconv.Itoa(a.PasswordVersion)
	s.Data[secrets.Password] = []byte(password)
	if err := s.PutTrust(a.Format, entries, password); err != nil {
		return nil, err
	}
	if a.FixedName != "" {
		a.inPlace(s)
	} else {
		follow(s, a.Follows)
	}
	if spoilt := a.spoilt(s.Name); spoilt != nil {
		keepMarks(s, spoilt)
	}
	return s, nil
}

// spoilt is the version of that name which is not what its name says; nil: there
// is none.
func (a *MakeTrust) spoilt(name string) *secrets.Secret {
	for _, s := range a.Spoilt {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// inPlace makes the Secret the next state of the one that it replaces.
func (a *MakeTrust) inPlace(s *secrets.Secret) {
	s.Immutable = false
	if a.Replaces != nil {
		keepOthers(s, a.Replaces)
		if a.Replaces.Ours() {
			s.ResourceVersion = a.Replaces.ResourceVersion
		}
	}
	if a.Earlier != "" {
		s.Annotations[earlierTrustAnnotation] = a.Earlier
	}
}

// name is that of a version with this content.
func (a *MakeTrust) name(entries []truststore.Entry) string {
	if a.FixedName != "" {
		return a.FixedName
	}
	public := []string{string(a.Format), strconv.Itoa(a.PasswordVersion)}
	for _, e := range entries {
		public = append(public, e.Alias+"="+pki.Fingerprint(e.Certificate))
	}
	return secrets.VersionName(a.Prefix, public...)
}

func (a *MakeTrust) password(r *runner) (string, error) {
	if a.PasswordFrom == nil {
		return orGenerate(a.Password)
	}
	return r.password(a.PasswordFrom)
}

func (a *Rewire) run(ctx context.Context, r *runner) error {
	var result deploy.Result
	select {
	case result = <-r.rewiring.results[a]:
	case <-ctx.Done():
		return ctx.Err()
	}
	if len(result.Conflicts) > 0 {
		return result.Conflicts[0]
	}
	if len(result.Edits)+len(result.Claims) == 0 {
		return nil
	}
	for _, s := range a.Back {
		if err := r.store.UpdateSecret(ctx, unmarking(s, deployedAnnotation)); err != nil {
			return err
		}
	}
	return r.store.WriteResource(ctx, a.Resource, result.Source)
}
