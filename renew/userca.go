package renew

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// passphraseValue is the key, in a Version's Values, of the passphrase that opens
// the key of a user's CA.
const passphraseValue = "passphrase"

// userAuthority takes the user's CA from its Secret: ca.crt, tls.crt, tls.key.
// It signs leaves itself, or an intermediate where one is configured. Whatever would make a client refuse a leaf of it is
// refused here, each in its own words.
func (p *planner) userAuthority() {
	a := &p.authority
	ref := secrets.Ref{Namespace: p.cfg.Authority.Secret.Namespace, Name: p.cfg.Authority.Secret.Name}
	secret, ok := p.state.Secrets[ref]
	if !ok {
		p.fault(a.target, fmt.Errorf("%s, the CA, is not there", ref), "put its manifest into the directory, with ca.crt, tls.crt and tls.key")
		return
	}
	v := &Version{Target: a.target, Role: secrets.RoleRoot, Secret: secret, Values: map[string]string{}}
	id, hint, err := p.userIdentity(v)
	if err != nil {
		p.fault(a.target, err, hint)
		return
	}
	path, hint, err := p.userChain(id)
	if err != nil {
		p.fault(a.target, fmt.Errorf("%s: %w", ref, err), hint)
		return
	}
	top := path[len(path)-1]
	a.known, a.newest = true, v
	a.roots = append(a.roots, root{version: v, certificate: top})
	a.user = &issuer{version: v, end: path[0].NotAfter, chain: path[:len(path)-1], proofs: []proof{{path: path}}, certificate: path[0]}
	if len(path) > 1 {
		a.user.proofs[0].depth = 1 // the CA stands between
	}
	for _, c := range path {
		a.user.end = earlier(a.user.end, c.NotAfter)
	}
	p.item(Item{Target: a.target, Role: secrets.RoleRoot, Name: ref.Name, NotAfter: a.user.end, Loaded: "-", State: stateOK})
	if a.user.end.Before(p.state.Now.Add(p.cfg.Defaults.Validity.Std())) {
		p.notice("%s: the CA ends on %s, and every new certificate with it: bring a new one", ref, day(a.user.end))
	}
}

// userChain checks the CA and returns its path: the CA first, its root last.
func (p *planner) userChain(id secrets.Identity) (path []*x509.Certificate, hint string, err error) {
	if hint, err = p.usableCA(id); err != nil {
		return nil, hint, err
	}
	path, err = pathToRoot(id.Chain[0], append(id.Chain[1:], id.Roots...))
	if err != nil {
		return nil, "put every certificate up to the self-signed root into ca.crt: OpenSSL and nginx do not stop at a subordinate CA", err
	}
	for i, c := range path {
		below := i // CAs between this one and a leaf
		if p.intermediateSpec() != nil {
			below++
		}
		switch {
		case p.expired(c):
			return nil, "bring a CA that is valid", fmt.Errorf("%q in its chain ended on %s", c.Subject.CommonName, day(c.NotAfter))
		case (c.MaxPathLen > 0 || c.MaxPathLenZero) && c.MaxPathLen < below && below == 1 && i == 0:
			return nil, "take authority.secret.intermediate out, so that the CA signs leaves itself, or have it issued without that pathLen",
				fmt.Errorf("the pathLen %d of %q is in the way: it may have no CA below it, and flowcert.yaml asks for an intermediate", c.MaxPathLen, c.Subject.CommonName)
		case (c.MaxPathLen > 0 || c.MaxPathLenZero) && c.MaxPathLen < below:
			return nil, "a CA above allows too few CAs below it; have it issued anew", fmt.Errorf("the pathLen %d of %q is in the way: %d of the CAs that lead to a certificate stand below it", c.MaxPathLen, c.Subject.CommonName, below)
		}
		if hint, err := p.understood(c); err != nil {
			return nil, hint, err
		}
		for _, namespace := range p.namespaces() {
			if err := permits(c, p.allNames(namespace)); err != nil {
				return nil, "use a CA whose name constraints permit the names that flowcert needs", fmt.Errorf("the name constraints of %q exclude a name that is needed in namespace %s: %w", c.Subject.CommonName, namespace, err)
			}
		}
	}
	return path, "", nil
}

// userIdentity parses the Secret, with its passphrase where one is configured.
func (p *planner) userIdentity(v *Version) (secrets.Identity, string, error) {
	var passphrase []byte
	if key := p.cfg.Authority.Secret.Passphrase; key != nil {
		ref := secrets.Ref{Namespace: key.Namespace, Name: key.Name}
		s, ok := p.state.Secrets[ref]
		if !ok {
			return secrets.Identity{}, "put its manifest into the directory", fmt.Errorf("the passphrase: %s is not there", ref)
		}
		value, err := s.Get(key.Key)
		if err != nil {
			return secrets.Identity{}, "correct authority.secret.passphrase", fmt.Errorf("the passphrase: %w", err)
		}
		passphrase = value
		v.Values[passphraseValue] = string(value)
	}
	id, err := v.Secret.EncryptedIdentity(secrets.DefaultKeys(), passphrase)
	if errors.Is(err, pki.ErrWrongPassphrase) && bytes.HasSuffix(passphrase, []byte("\n")) {
		return id, "the passphrase in its Secret ends in a line break, which counts: make that Secret without, with printf in place of echo", err
	}
	return id, "the Secret needs ca.crt, tls.crt and tls.key in PEM; an encrypted key needs authority.secret.passphrase", err
}

// usableCA checks the CA certificate itself.
func (p *planner) usableCA(id secrets.Identity) (hint string, err error) {
	ca := id.Chain[0]
	name := ca.Subject.CommonName
	_, edwards := ca.PublicKey.(ed25519.PublicKey)
	switch {
	case !ca.IsCA || !ca.BasicConstraintsValid:
		return "tls.crt has to begin with the certificate of a CA", fmt.Errorf("%q is not a CA", name)
	case ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCertSign == 0:
		return "have the CA issued with the key usage keyCertSign", fmt.Errorf("%q may not sign certificates (key usage)", name)
	case !pki.SameKey(ca, id.Key):
		return "bring the key that belongs to tls.crt", fmt.Errorf("tls.key is the key of another certificate than %q", name)
	case edwards || ca.SignatureAlgorithm == x509.PureEd25519:
		return "use a CA with an RSA or ECDSA key", fmt.Errorf("%q is an Ed25519 CA, which browsers and Flink's TLS do not verify", name)
	case p.expired(ca):
		return "bring a CA that is valid", fmt.Errorf("%q ended on %s", name, day(ca.NotAfter))
	case p.state.Now.Before(ca.NotBefore):
		return "set the clock right, or bring a CA that is valid", fmt.Errorf("%q is not valid before %s", name, ca.NotBefore.UTC().Format(time.RFC3339))
	}
	return "", nil
}

// understood refuses a CA in the path for what would make a client refuse every leaf
// under it.
func (p *planner) understood(ca *x509.Certificate) (hint string, err error) {
	if err := pki.CheckNamed(ca); err != nil {
		return "have it issued with a subject", fmt.Errorf("certificate %s…: %w", pki.Fingerprint(ca)[:16], err)
	}
	if unknown := ca.UnhandledCriticalExtensions; len(unknown) > 0 {
		return "have it issued without that extension, or not critical", fmt.Errorf("%q has the critical extension %s, which clients refuse unless they know it", ca.Subject.CommonName, unknown[0])
	}
	for _, usage := range p.leafUsages() {
		if err := pki.CheckUsage(ca, usage); err != nil {
			return "have it issued without an extended key usage, or with server and client authentication", err
		}
	}
	return "", nil
}

// leafUsages are those that some leaf is configured to have.
func (p *planner) leafUsages() []x509.ExtKeyUsage {
	var out []x509.ExtKeyUsage
	if len(p.cfg.EventProcessing)+len(p.cfg.FlinkDeployments) > 0 {
		out = append(out, x509.ExtKeyUsageServerAuth)
	}
	if len(p.cfg.FlinkDeployments) > 0 || p.cfg.FlinkOperator != nil {
		out = append(out, x509.ExtKeyUsageClientAuth)
	}
	for _, c := range p.cfg.Certificates {
		out = append(out, usages(c)...)
	}
	return out
}

// pathToRoot goes up from a CA to a self-signed root through the certificates
// that were given with it.
func pathToRoot(ca *x509.Certificate, given []*x509.Certificate) ([]*x509.Certificate, error) {
	path := []*x509.Certificate{ca}
	for top := ca; !pki.IsSelfSigned(top); top = path[len(path)-1] {
		next := issuerAmong(given, top)
		if next == nil || len(path) > len(given) {
			return nil, fmt.Errorf("the chain is incomplete: the issuer %q of %q is not in ca.crt or tls.crt", top.Issuer.CommonName, top.Subject.CommonName)
		}
		path = append(path, next)
	}
	return path, nil
}

func issuerAmong(given []*x509.Certificate, c *x509.Certificate) *x509.Certificate {
	for _, candidate := range given {
		if !candidate.Equal(c) && pki.Signed(candidate, c) {
			return candidate
		}
	}
	return nil
}
