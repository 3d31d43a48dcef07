package renew

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

func (a *MakeLeaf) run(ctx context.Context, r *runner) error {
	made := <-r.ahead.leaves[a]
	if made.err != nil {
		return made.err
	}
	s := made.value.secret
	if err := a.write(ctx, r, s); err != nil {
		return err
	}
	r.opened.wrote(s, a.Shape, made.value.holds)
	return nil
}

func (a *MakeLeaf) write(ctx context.Context, r *runner, s *secrets.Secret) error {
	if a.Replaces == nil {
		return r.create(ctx, a.Version, s)
	}
	return r.update(ctx, a.Version, s)
}

// secret is the leaf's, to be written.
func (a *MakeLeaf) secret(r *runner, id secrets.Identity) (*secrets.Secret, error) {
	if refused := MayServe(inUse(a.Edges), Serving{Chain: id.Chain, From: r.now}); a.Keep == nil && len(refused) > 0 {
		return nil, errors.New(refused[0].String())
	}
	s := secrets.New(secrets.Ref{Namespace: a.Namespace, Name: a.FixedName}, a.Target, a.Role, r.now)
	if a.FixedName == "" {
		s.Name = a.name(id)
	}
	if err := a.fill(s, id, r); err != nil {
		return nil, err
	}
	if a.FixedName != "" {
		s.Immutable = false
		a.keepEarlier(s)
		return s, nil
	}
	follow(s, a.Follows)
	if a.Wish != "" {
		s.Annotations[wishAnnotation] = a.Wish
	}
	return s, nil
}

// ourKeys are the data keys that flowcert writes beside a leaf.
var ourKeys = []string{
	secrets.CACert, secrets.TLSCert, secrets.TLSKey, secrets.Password, secrets.TrustPassword,
	secrets.KeyStoreFile(truststore.JKS), secrets.KeyStoreFile(truststore.PKCS12), secrets.TrustFile(truststore.JKS), secrets.TrustFile(truststore.PKCS12),
}

// lastApplied is kubectl's copy of a manifest, of a Secret with all that it held.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// keepOthers takes over, into a Secret that is updated in place, what others put
// into the old one.
func keepOthers(s, old *secrets.Secret) {
	s.Type = old.Type
	keepMarks(s, old)
	for k, v := range old.Data {
		if !slices.Contains(ourKeys, k) {
			s.Data[k] = v
		}
	}
}

// keepMarks takes over the labels and annotations of others.
func keepMarks(s, old *secrets.Secret) {
	for k, v := range old.Labels {
		if _, ours := s.Labels[k]; !ours {
			s.Labels[k] = v
		}
	}
	for k, v := range old.Annotations {
		if !strings.HasPrefix(k, "flowcert.io/") && k != lastApplied {
			s.Annotations[k] = v
		}
	}
}

// keepEarlier takes over, into a Secret that is updated in place, what others put
// there, the chain that it held, which may still be served, and what it trusted.
func (a *MakeLeaf) keepEarlier(s *secrets.Secret) {
	old := a.Replaces
	if a.Lost {
		s.Annotations[earlierAnnotation] = lostChain
	}
	if a.Earlier != "" {
		s.Annotations[earlierTrustAnnotation] = a.Earlier
	}
	if old == nil {
		return
	}
	keepOthers(s, old)
	if old.Ours() {
		s.ResourceVersion = old.ResourceVersion // what came into it since is not lost
	}
	earlier := old.Annotations[earlierAnnotation]
	switch chain := chainOrLost(old); {
	case a.Keep != nil:
		for _, k := range []string{earlierAnnotation, deployedAnnotation} {
			if v := old.Annotations[k]; v != "" {
				s.Annotations[k] = v
			}
		}
	case a.Settled || old.Annotations[deployedAnnotation] != "": // nobody serves what was before that
		s.Annotations[earlierAnnotation] = chain
	case chain != "":
		s.Annotations[earlierAnnotation] = chain + strings.ReplaceAll(earlier, chain, "")
	}
	if a.Earlier != "" {
		delete(s.Annotations, deployedAnnotation) // that word was of other trust
	}
}

// identity issues the leaf.
func (a *MakeLeaf) identity(r *runner, key crypto.Signer) (secrets.Identity, error) {
	roots := slices.Concat(a.Roots, r.roots)
	if a.CA != nil {
		return a.signingCA(r, key, roots)
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
		above = issued.Chain[:1]
	}
	if a.Cross && r.cross != nil {
		above = append(slices.Clone(above), r.cross)
	}
	above = slices.DeleteFunc(slices.Concat(above, a.Beyond), pki.IsSelfSigned)
	chain := append([]*x509.Certificate{leaf}, above...)
	return secrets.Identity{Key: key, Chain: chain, Roots: roots}, check(chain, roots, req, r.now)
}

// check verifies a new leaf as its clients will, before anything is written.
func check(chain, roots []*x509.Certificate, req pki.LeafRequest, now time.Time) error {
	p := pki.JVM()
	if !req.Server {
		p.Usage = x509.ExtKeyUsageClientAuth
	}
	if err := pki.VerifyUntil(p, chain, roots, "", now, chain[0].NotAfter); err != nil {
		return fmt.Errorf("the new certificate does not verify: %w", err)
	}
	names := slices.Clone(req.DNSNames)
	for _, ip := range req.IPAddresses {
		names = append(names, ip.String())
	}
	for _, name := range names {
		if err := pki.VerifyHost(p, chain[0], name); err != nil {
			return fmt.Errorf("the new certificate does not verify for %s: %w", name, err)
		}
	}
	return nil
}

// name is that of a version with this content: everything public in it. Where
// another version has it, which was given up or spoilt, a number makes another of it.
func (a *MakeLeaf) name(id secrets.Identity) string {
	var out []string
	for _, c := range slices.Concat(id.Chain, id.Roots) {
		out = append(out, pki.Fingerprint(c))
	}
	out = append(out, a.Shape.data.CA, a.Shape.data.Certificate, a.Shape.data.Key, string(a.Shape.format))
	for _, f := range a.Shape.also {
		out = append(out, string(f))
	}
	name := secrets.VersionName(a.Prefix, out...)
	for n := 2; slices.Contains(a.Taken, name); n++ {
		name = secrets.VersionName(a.Prefix, append(slices.Clone(out), strconv.Itoa(n))...)
	}
	return name
}

// fill writes the leaf into the Secret in its shape.
func (a *MakeLeaf) fill(s *secrets.Secret, id secrets.Identity, r *runner) error {
	if a.Shape.format == "" {
		if err := s.PutIdentity(id, a.Shape.data); err != nil {
			return err
		}
		if a.Shape.ingress {
			s.Data[deploy.IngressCA] = s.Data[a.Shape.data.CA]
		}
	}
	formats := a.Shape.formats()
	switch {
	case len(formats) == 0:
		return nil
	case a.Shape.onePassword == "" && a.Shape.passwordFrom == nil:
		return a.fillStores(s, id, r, formats...)
	}
	password := a.Shape.onePassword
	if password == "" {
		var err error
		if password, err = r.password(a.Shape.passwordFrom); err != nil {
			return err
		}
	}
	for _, f := range formats {
		if err := s.PutStores(f, id, password, password); err != nil {
			return err
		}
	}
	return nil
}

// fillStores writes stores with two passwords, which lie beside them.
func (a *MakeLeaf) fillStores(s *secrets.Secret, id secrets.Identity, r *runner, formats ...truststore.Format) error {
	key, err := orGenerate(a.Shape.keyPassword)
	if err != nil {
		return err
	}
	trust, err := a.trustPassword(r)
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

// trustPassword is that of the truststore beside the leaf.
func (a *MakeLeaf) trustPassword(r *runner) (string, error) {
	if a.Shape.trustFrom != nil {
		return r.password(a.Shape.trustFrom)
	}
	return orGenerate(a.Shape.trustPassword)
}
