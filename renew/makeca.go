package renew

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

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
