package renew

import (
	"context"
	"slices"
	"strconv"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

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
