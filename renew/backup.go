package renew

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// authorityRoles are the roles of Secrets that nobody can make again.
var authorityRoles = []secrets.Role{secrets.RoleRoot, secrets.RoleIntermediate, secrets.RoleDistrusted}

// AuthorityTarget names the authority as messages do: authority/namespace/name.
func AuthorityTarget(cfg *config.Config) string { return authorityTarget(cfg) }

// Backup returns what a copy of the authority consists of: the Secret of every
// root and every intermediate that flowcert made for it, roots first, and the list
// of those that are distrusted. It is an error if there is none, or one of them could not be restored from the copy. Of
// a user's CA that is only what flowcert made below it.
func Backup(cfg *config.Config, state *State) ([]*secrets.Secret, error) {
	if err := ourBroken(state, "put it right or back first: what it holds may be the authority's"); err != nil {
		return nil, err
	}
	if err := state.closed(cfg.Namespace); err != nil {
		return nil, closedError(cfg.Namespace, err)
	}
	target := authorityTarget(cfg)
	var out []*secrets.Secret
	for _, role := range authorityRoles {
		out = append(out, state.versions[slot{target, role}]...)
	}
	for _, s := range out {
		if err := checkMember(cfg, s); err != nil {
			return nil, Hinted{Err: err, Hint: "put it back from an earlier backup first: a copy of it would be of no use"}
		}
	}
	if len(rootsIn(out)) == 0 && cfg.Authority.Secret == nil {
		return nil, noRoot(cfg, state)
	}
	if len(out) == 0 {
		ref := secrets.Ref{Namespace: cfg.Authority.Secret.Namespace, Name: cfg.Authority.Secret.Name}
		return nil, Hinted{
			Err:  fmt.Errorf("the CA is yours (%s), and flowcert made nothing below it: there is nothing to export", ref),
			Hint: "keep a copy of the CA's key and its passphrase in the way you do with your other keys",
		}
	}
	slices.SortFunc(out, func(a, b *secrets.Secret) int {
		return cmp.Or(-cmp.Compare(a.Role(), b.Role()), cmp.Compare(generation(a), generation(b)), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// noRoot says why there is no root to copy: it is lost, or there never was one.
func noRoot(cfg *config.Config, state *State) error {
	p := newPlanner(cfg, state)
	if e := p.evidence(); e != nil {
		return p.lost(*e)
	}
	return Hinted{Err: errors.New("there is no certificate authority yet"), Hint: "run flowcert apply first"}
}

// ourBroken is the first file of flowcert's that could not be read, as an error.
func ourBroken(state *State, hint string) error {
	for _, err := range state.Broken {
		var u *secrets.Unreadable
		if errors.As(err, &u) && u.Ours {
			return Hinted{Err: err, Hint: hint}
		}
	}
	return nil
}

// Restoring is what a backup brings back.
type Restoring struct {
	Missing []*secrets.Secret // to be written, in this order
	Present []*secrets.Secret // there already, with the same content
}

// PlanRestore compares a backup with what is there. It is an error, and nothing
// may be written, if a Secret in it is not of the authority that the
// configuration names, is not whole, is there with other content, or if the
// authority has gone on since the backup was made.
func PlanRestore(cfg *config.Config, state *State, saved []*secrets.Secret) (*Restoring, error) {
	if err := ourBroken(state, "move the file out of the directory, then import again"); err != nil {
		return nil, err
	}
	if err := checkSaved(cfg, saved); err != nil {
		return nil, err
	}
	if err := state.closed(cfg.Namespace); err != nil {
		return nil, closedError(cfg.Namespace, err)
	}
	out := &Restoring{}
	var others []string
	for _, s := range saved {
		have, ok := state.Secrets[s.Ref]
		switch {
		case !ok:
			out.Missing = append(out.Missing, s)
		case have.Like(s), s.Role() == secrets.RoleDistrusted: // a list that is here has only grown
			out.Present = append(out.Present, s)
		default:
			others = append(others, s.Ref.String())
		}
	}
	if len(others) > 0 {
		return nil, Hinted{
			Err:  fmt.Errorf("%s is there already, with other content than in the backup", strings.Join(others, ", ")),
			Hint: "what is there is not overwritten; move its file out of the directory first if the backup's is the right one",
		}
	}
	if err := notOlder(cfg, state, out); err != nil {
		return nil, err
	}
	// Until the last root is there nothing is signed; the newest comes first,
	// because an older one alone would be taken for the newest.
	slices.SortFunc(out.Missing, func(a, b *secrets.Secret) int {
		return cmp.Or(cmp.Compare(a.Role(), b.Role()), -cmp.Compare(generation(a), generation(b)), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// checkSaved looks at the backup by itself.
func checkSaved(cfg *config.Config, saved []*secrets.Secret) error {
	for _, s := range saved {
		if err := checkMember(cfg, s); err != nil {
			return err
		}
	}
	roots := rootsIn(saved)
	switch {
	case len(saved) == 0:
		return errors.New("the backup holds no Secret")
	case cfg.Authority.Secret == nil && len(roots) == 0:
		return fmt.Errorf("the backup holds no root of %s", authorityTarget(cfg))
	case cfg.Authority.Secret != nil && len(roots) > 0:
		return Hinted{
			Err:  fmt.Errorf("the backup holds %s, a root that flowcert made, but flowcert.yaml names a CA of yours (authority.secret)", roots[0].Ref),
			Hint: "take authority.secret out of flowcert.yaml if the root of the backup is to sign",
		}
	}
	return nil
}

// checkMember looks at one Secret of a backup: it is flowcert's, of this
// authority, and its key belongs to its certificate.
func checkMember(cfg *config.Config, s *secrets.Secret) error {
	switch target := authorityTarget(cfg); {
	case !s.Ours() || !slices.Contains(authorityRoles, s.Role()):
		return fmt.Errorf("%s is not of an authority that flowcert made", s.Ref)
	case s.Target() != target:
		return Hinted{
			Err:  fmt.Errorf("%s is of %s, but flowcert.yaml is about %s", s.Ref, s.Target(), target),
			Hint: "use the flowcert.yaml of that authority: namespace and authority.name say which it is",
		}
	case s.Namespace != cfg.Namespace:
		return fmt.Errorf("%s does not stand in namespace %s, in which flowcert keeps the authority", s.Ref, cfg.Namespace)
	}
	if s.Role() == secrets.RoleDistrusted {
		_, err := s.Distrusted()
		return err
	}
	id, err := s.Identity(secrets.DefaultKeys())
	if err != nil {
		return err
	}
	if !pki.SameKey(id.Chain[0], id.Key) {
		return fmt.Errorf("%s: the key does not belong to the certificate", s.Ref)
	}
	if !id.Chain[0].IsCA || issuerAmong(append(id.Chain[1:], id.Roots...), id.Chain[0]) == nil && !pki.IsSelfSigned(id.Chain[0]) {
		return fmt.Errorf("%s: %q is not a CA's certificate with its issuer beside it", s.Ref, id.Chain[0].Subject.CommonName)
	}
	return nil
}

// notOlder refuses a backup after which the authority got another root: the
// ones that are missing may have been given up since.
func notOlder(cfg *config.Config, state *State, r *Restoring) error {
	newest := 0
	for _, s := range rootsIn(slices.Concat(r.Missing, r.Present)) {
		newest = max(newest, generation(s))
	}
	roots := state.versions[slot{authorityTarget(cfg), secrets.RoleRoot}]
	for _, s := range roots {
		if generation(s) > newest && len(r.Missing) > 0 {
			return Hinted{
				Err:  fmt.Errorf("%s is newer than every root of the backup: what the backup would bring back (%s) may have been given up since", s.Ref, r.Missing[0].Ref),
				Hint: "import a later backup",
			}
		}
	}
	if cfg.Authority.Secret != nil {
		return nil
	}
	where, root := wiredElsewhere(state.resources, fingerprints(newOpenOnce(), slices.Concat(roots, rootsIn(r.Missing))))
	if where == "" {
		return nil
	}
	return Hinted{
		Err:  fmt.Errorf("%s is wired under the root %s, which neither the backup nor the directory holds: the backup is older, or of another authority", where, root),
		Hint: "import a later backup; without one, take flowcert's work out first (flowcert revert --delete-secrets)",
	}
}

// wiredElsewhere names a resource that was wired under none of the roots, and
// the root's fingerprint; nothing where another resource was wired under one of
// them: the rest then comes from elsewhere.
func wiredElsewhere(resources []deploy.Resource, known []string) (where, root string) {
	for _, r := range resources {
		switch {
		case r.Root() == "" || r.Paused():
		case slices.Contains(known, r.Root()):
			return "", ""
		case where == "":
			where, root = r.Where(), r.Root()
		}
	}
	return where, root
}

// fingerprints of the roots' own certificates, as RootAnnotation holds them.
func fingerprints(once *openOnce, roots []*secrets.Secret) []string {
	var out []string
	for _, s := range roots {
		if id, err := once.openIdentity(s, secrets.DefaultKeys()); err == nil {
			out = append(out, pki.Fingerprint(id.Chain[0]))
		}
	}
	return out
}

func rootsIn(all []*secrets.Secret) []*secrets.Secret {
	return slices.DeleteFunc(slices.Clone(all), func(s *secrets.Secret) bool { return s.Role() != secrets.RoleRoot })
}

// Restore writes what is missing: all of it or, where one Secret cannot be
// written, none.
func Restore(ctx context.Context, store Store, r *Restoring) error {
	if len(r.Missing) == 0 {
		return nil
	}
	if err := store.Prepare(nil); err != nil {
		return err
	}
	for i, s := range r.Missing {
		err := store.CreateSecret(ctx, s)
		if err == nil {
			continue
		}
		for _, written := range r.Missing[:i] {
			err = errors.Join(err, store.DeleteSecret(ctx, written))
		}
		return fmt.Errorf("%s: %w", s.Ref, err)
	}
	return nil
}
