package renew

import (
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// secretsInUse looks into every Secret of ours that something can fail by.
func (v *verifier) secretsInUse() {
	kept := v.items()
	for _, s := range Ours(v.state) {
		switch {
		case kept[s.Name]:
			v.Checked++ // compareItem has reported it
		case s.Role() == secrets.RolePassword:
			v.Checked++
			if err := v.flaw(s); err != nil {
				v.finding(s.Ref.String(), err.Error(), mendHint)
			}
		case s.Role() == secrets.RoleIntermediate:
			v.Checked++
			v.signer(s)
		}
		// What was replaced, or never used, nothing can fail by.
	}
}

// signer looks at an intermediate that signs nothing now: one that has ended did
// its work, one that is damaged is not there when it is needed.
func (v *verifier) signer(s *secrets.Secret) {
	id, err := s.Identity(secrets.DefaultKeys())
	if err == nil && !pki.SameKey(id.Chain[0], id.Key) {
		err = fmt.Errorf("%s: %w", s.Ref, errOtherKey)
	}
	if err != nil {
		v.finding(s.Ref.String(), err.Error(), "put it back from a backup, or remove it: flowcert then makes another one for the next certificate")
	}
}

// flaw is what is wrong with a Secret of ours in itself; nil if nothing is.
func (v *verifier) flaw(s *secrets.Secret) error {
	err, known := v.flaws[s]
	if !known {
		err = v.verifySecret(s)
		if err != nil && !strings.Contains(err.Error(), s.Ref.String()) {
			err = fmt.Errorf("%s: %w", s.Ref, err)
		}
		v.flaws[s] = err
	}
	return err
}

var errOtherKey = errors.New("the key does not belong to the certificate")

// verifySecret opens a Secret of ours and checks what is in it against itself.
func (v *verifier) verifySecret(s *secrets.Secret) error {
	switch s.Role() {
	case secrets.RoleRoot, secrets.RoleIntermediate:
		id, err := s.Identity(secrets.DefaultKeys())
		if err != nil {
			return err
		}
		return v.verifyIdentity(id)
	case secrets.RoleCertificate, secrets.RoleUICertificate, secrets.RoleCA, secrets.RoleWebhookCert:
		id, err := v.identityOf(s)
		if err != nil {
			return err
		}
		if err := v.verifyIdentity(id); err != nil {
			return err
		}
		return v.storesBeside(s, id)
	case secrets.RoleFlinkTLS, secrets.RoleOperatorCert:
		id, err := v.storesOf(s)
		if err != nil {
			return passwordWords(s, err)
		}
		return v.verifyIdentity(id)
	case secrets.RoleTruststore, secrets.RoleFlinkTrust:
		return v.verifyTrust(s)
	case secrets.RolePassword:
		password, err := s.Get(secrets.Password)
		if err == nil {
			err = truststore.CheckPassword(string(password))
		}
		return err
	case secrets.RoleAdopted:
		_, err := s.Adopted()
		return err
	}
	return fmt.Errorf("annotation %s is %q, which flowcert does not write", secrets.RoleAnnotation, s.Role())
}

// passwordWords says of a store that its password does not open whether it is
// the password that looks spoilt.
func passwordWords(s *secrets.Secret, err error) error {
	if !errors.Is(err, truststore.ErrPassword) {
		return err
	}
	for _, key := range []string{secrets.Password, secrets.TrustPassword} {
		password, ok := s.Data[key]
		if problem := truststore.CheckPassword(string(password)); ok && problem != nil {
			return fmt.Errorf("%s: key %q: %w", s.Ref, key, problem)
		}
	}
	return err
}

// storesBeside opens the stores that lie beside a certificate in PEM.
func (v *verifier) storesBeside(s *secrets.Secret, id secrets.Identity) error {
	for _, f := range []truststore.Format{truststore.JKS, truststore.PKCS12} {
		if _, ok := s.Data[secrets.KeyStoreFile(f)]; !ok {
			continue
		}
		sh := shape{}
		if s.Role() == secrets.RoleWebhookCert {
			sh.onePassword, _ = v.passwordIn(secrets.Ref{Namespace: s.Namespace, Name: config.WebhookPasswordSecret})
		}
		key, trust := sh.passwords(s)
		in, err := s.Stores(f, key, trust)
		switch {
		case err != nil:
			return passwordWords(s, err)
		case !in.Chain[0].Equal(id.Chain[0]):
			return fmt.Errorf("key %q holds another certificate than key %q", secrets.KeyStoreFile(f), secrets.TLSCert)
		case !pki.SameKey(in.Chain[0], in.Key):
			return fmt.Errorf("key %q: %w", secrets.KeyStoreFile(f), errOtherKey)
		}
	}
	return nil
}

func (v *verifier) verifyTrust(s *secrets.Secret) error {
	entries, err := v.trustOf(s)
	switch {
	case err != nil:
		return passwordWords(s, err)
	case len(entries) == 0:
		return errors.New("the truststore holds no certificate")
	case !asNamed(s, entries):
		return fmt.Errorf("the truststore does not hold what the Secret's name stands for: somebody took a certificate out of it or put one in (it has %s)", aliases(entries))
	}
	return nil
}

// versionedName is one that ends in a hash of the content.
var versionedName = regexp.MustCompile(`^(.+)-[0-9a-f]{10}$`)

// asNamed reports whether a truststore holds what its Secret's name says, where
// it says something.
func asNamed(s *secrets.Secret, entries []truststore.Entry) bool {
	m := versionedName.FindStringSubmatch(s.Name)
	password, err := strconv.Atoi(s.Annotations[secrets.PasswordAnnotation])
	if m == nil || err != nil {
		return true
	}
	made := MakeTrust{Version: &Version{Prefix: m[1]}, Format: formatOf(s), PasswordVersion: password}
	return made.name(entries) == s.Name
}

func aliases(entries []truststore.Entry) string {
	var own []string
	public := 0
	for _, e := range entries {
		if isPublic(e) {
			public++
		} else {
			own = append(own, e.Alias)
		}
	}
	if public > 0 {
		own = append(own, fmt.Sprintf("%d without a source", public))
	}
	return strings.Join(own, ", ")
}

// dataKeys are those under which the Secret's reader looks.
func (p *planner) dataKeys(s *secrets.Secret) deploy.DataKeys {
	r, ok := p.readers[s.Target()]
	switch {
	case ok && s.Role() == secrets.RoleCertificate:
		return deploy.EventProcessingDataKeys(r)
	case ok && s.Role() == secrets.RoleUICertificate:
		return deploy.EventProcessingUIDataKeys(r)
	}
	return secrets.DefaultKeys()
}

// verifyIdentity checks key, dates and chain as strictly as Java and OpenSSL do,
// for every usage that the leaf has.
func (p *planner) verifyIdentity(id secrets.Identity) error {
	leaf := id.Chain[0]
	switch {
	case !pki.SameKey(leaf, id.Key):
		return errOtherKey
	case p.expired(leaf):
		return fmt.Errorf("the certificate ended on %s", day(leaf.NotAfter))
	case p.state.Now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case twice(id.Chain):
		return errors.New("the chain holds a certificate twice")
	case leaf.IsCA:
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: pool(id.Roots), Intermediates: pool(id.Chain[1:]),
			CurrentTime: p.state.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		return err
	}
	for _, usage := range leaf.ExtKeyUsage {
		for _, profile := range []pki.Profile{pki.JVM(), pki.OpenSSL()} {
			profile.Usage = usage
			if err := pki.VerifyChain(profile, id.Chain, id.Roots, "", p.state.Now); err != nil {
				return fmt.Errorf("%s does not accept it: %w", profile.Name, err)
			}
		}
	}
	return nil
}

func twice(chain []*x509.Certificate) bool {
	for i, c := range chain {
		if slices.ContainsFunc(chain[:i], c.Equal) {
			return true
		}
	}
	return false
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	out := x509.NewCertPool()
	for _, c := range certs {
		out.AddCert(c)
	}
	return out
}
