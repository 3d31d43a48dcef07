package renew

import (
	"fmt"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// fixedName is a Secret of a fixed name that flowcert is to write.
type fixedName struct {
	slot
	ref  secrets.Ref
	read func(*secrets.Secret) (*adoption, error)
}

// fixedNames lists them: the Flink operator's stores, its webhook's, certificates
// and truststores.
func (p *planner) fixedNames() []fixedName {
	var out []fixedName
	if ns, ok := p.operatorNamespace(); ok {
		k := slot{operatorTarget(ns), secrets.RoleOperatorCert}
		out = append(out, fixedName{k, secrets.Ref{Namespace: ns, Name: config.OperatorCertSecret}, func(s *secrets.Secret) (*adoption, error) {
			return p.readOperatorStores(k, s)
		}})
	}
	if h := p.webhook; h != nil {
		out = append(out, fixedName{h.slot(), h.ref(), func(s *secrets.Secret) (*adoption, error) {
			return p.readWebhookStore(h.slot(), s)
		}})
	}
	for _, c := range p.cfg.Certificates {
		if c.Naming != config.Fixed {
			continue
		}
		k := slot{c.Target().String(), secrets.RoleCertificate}
		out = append(out, fixedName{k, secrets.Ref{Namespace: c.Namespace, Name: c.SecretName}, func(s *secrets.Secret) (*adoption, error) {
			return pemAdoption(k, c.SecretName, s, secrets.DefaultKeys())
		}})
	}
	for _, t := range p.cfg.Truststores {
		if t.Naming != config.Fixed {
			continue
		}
		for _, namespace := range t.Namespaces() {
			k := slot{truststoreTarget(namespace, t.Name), secrets.RoleTruststore}
			out = append(out, fixedName{k, secrets.Ref{Namespace: namespace, Name: t.Name}, func(s *secrets.Secret) (*adoption, error) {
				return p.fixedTruststore(t, k, s)
			}})
		}
	}
	return out
}

// asideOf is what made room under a fixed name; nil: nothing did.
func (p *planner) asideOf(ref secrets.Ref) *secrets.Secret {
	for _, f := range p.fixedNames() {
		if f.ref == ref {
			return p.madeRoom(f)
		}
	}
	return nil
}

// readOperatorStores opens the stores of the Flink operator. It has one password
// for both, in a Secret of its own, which stays as it is: the operator reads it
// once, when it starts.
func (p *planner) readOperatorStores(k slot, s *secrets.Secret) (*adoption, error) {
	ref := secrets.Ref{Namespace: s.Namespace, Name: config.OperatorPasswordSecret}
	holder := p.state.Secrets[ref]
	if holder == nil {
		return nil, p.state.notHere(ref, k.target)
	}
	password := string(holder.Data[secrets.Password])
	id, err := servedFrom(s, secrets.KeyStoreFile(truststore.JKS), password)
	var trust *truststore.Store
	if err == nil {
		trust, err = s.OpenStore(secrets.TrustFile(truststore.JKS), &password)
	}
	if err != nil {
		return nil, Hinted{Err: err, Hint: fmt.Sprintf("bring the stores that the password in %s opens", ref)}
	}
	entries := secrets.Trusts(trust)
	id.Roots = secrets.Certificates(entries)
	return &adoption{slot: k, namespace: s.Namespace, prefix: config.OperatorCertSecret, originals: []*secrets.Secret{s}, entries: entries, identity: id}, nil
}

// readWebhookStore opens the key store from which the Flink operator's webhook
// serves. What lies beside it, as cert-manager has it in PEM, nobody reads.
func (p *planner) readWebhookStore(k slot, s *secrets.Secret) (*adoption, error) {
	ref := secrets.Ref{Namespace: s.Namespace, Name: config.WebhookPasswordSecret}
	holder := p.state.Secrets[ref]
	if holder == nil {
		return nil, p.state.notHere(ref, k.target)
	}
	id, err := servedFrom(s, secrets.KeyStoreFile(truststore.PKCS12), string(holder.Data[secrets.Password]))
	if err != nil {
		return nil, Hinted{Err: err, Hint: fmt.Sprintf("to be taken over it needs %s, with one private key and its chain, which the password in %s (key %q) opens; "+
			"or remove the Secret, and flowcert makes another: no FlinkDeployment can be changed until the webhook has read that", secrets.KeyStoreFile(truststore.PKCS12), ref, secrets.Password)}
	}
	return &adoption{slot: k, namespace: s.Namespace, prefix: config.WebhookCertSecret, originals: []*secrets.Secret{s}, identity: id}, nil
}

// servedFrom is what a server has that reads a key store with one private key.
func servedFrom(s *secrets.Secret, key, password string) (secrets.Identity, error) {
	store, err := s.OpenStore(key, &password)
	switch {
	case err != nil:
		return secrets.Identity{}, err
	case len(store.Keys) != 1 || store.Keys[0].Key == nil || len(store.Keys[0].Chain) == 0:
		return secrets.Identity{}, fmt.Errorf("%s: key %q: holds %d private keys, want one with its chain", s.Ref, key, len(store.Keys))
	}
	return secrets.Identity{Key: store.Keys[0].Key, Chain: store.Keys[0].Chain}, nil
}

// adoptFixed reads somebody else's Secret of a fixed name; nil if there is none.
// Where one made room and a crash came before flowcert's was written, it is read
// from its record.
func (p *planner) adoptFixed(f fixedName) (*adoption, error) {
	s, resumed := p.state.Secrets[f.ref], false
	if s == nil {
		s, resumed = p.madeRoom(f), true
	}
	if s == nil || s.Ours() {
		return nil, nil
	}
	if err := othersOnly(s); err != nil {
		return nil, err
	}
	if s.Immutable && !resumed {
		return nil, Hinted{Err: fmt.Errorf("%s is immutable, and its name is fixed", s.Ref), Hint: "delete it in the cluster before you hand flowcert's over, and take immutable out of the manifest"}
	}
	a, err := f.read(s)
	if err != nil {
		return nil, err
	}
	a.aside, a.resumed = true, resumed
	return a, nil
}

// madeRoom is the Secret in a record of one that made room.
func (p *planner) madeRoom(f fixedName) *secrets.Secret {
	for _, record := range p.state.versions[slot{f.target, secrets.RoleAdopted}] {
		parsed, err := secrets.Parse(record.Data[secrets.ManifestKey])
		if err != nil || record.AdoptedRole() != f.role || record.Namespace != f.ref.Namespace {
			continue
		}
		for _, s := range parsed {
			if s.Name == f.ref.Name {
				s.Namespace = f.ref.Namespace
				return s
			}
		}
	}
	return nil
}

// takenFixed reports, as a fault, that somebody else's Secret has a name that a
// reader knows, and that it is not to be taken over.
func (p *planner) takenFixed(k slot, ref secrets.Ref) bool {
	switch s := p.state.Secrets[ref]; {
	case s == nil || s.Ours():
		return p.taken(k.target, ref)
	case p.state.Adopt:
		return len(p.adopting[k]) == 0 // then that is a fault already
	}
	hint := "rename or remove it; flowcert does not overwrite it"
	for _, f := range p.fixedNames() {
		if f.ref != ref {
			continue
		}
		if a, err := p.adoptFixed(f); err == nil && a != nil {
			hint += adoptHint
		}
	}
	p.fault(k.target, fmt.Errorf("%s is there already, not made by flowcert", ref), hint)
	return true
}
