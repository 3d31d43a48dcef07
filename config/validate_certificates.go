package config

import (
	"fmt"
	"slices"
)

// maxVersionedName leaves room for "-" and ten hex digits.
const maxVersionedName = maxObjectName - len("-0123456789")

func (v *validator) checkCertificates() {
	seen := map[Ref]int{}
	for i, c := range v.Certificates {
		path := element("certificates", i)
		if v.faulty[path] {
			continue
		}
		v.name(path+".secretName", c.SecretName, checkObjectName)
		if c.Naming == Versioned && len(c.SecretName) > maxVersionedName {
			v.fail(path+".secretName", "is %d characters long, at most %d leave room for the version", len(c.SecretName), maxVersionedName)
		}
		v.namespace(path, c.Namespace)
		v.unique(seen, path+".secretName", Ref{c.Namespace, c.SecretName}, c.Line)
		v.names(path+".dnsNames", c.DNSNames, checkDNSName)
		v.checkUsages(path, c)
		once(v, path+".usages", c.Usages)
		once(v, path+".stores", c.Stores)
		if v.given(path + ".key") {
			v.key(path+".key", c.Key, nil)
		}
		v.validity(path+".validity", c.Validity)
	}
}

func (v *validator) checkUsages(path string, c Certificate) {
	if len(c.Usages) == 0 {
		v.fail(path+".usages", "is empty; write server, client or both, or leave it out for server")
		return
	}
	named := len(c.DNSNames)+len(c.IPAddresses) > 0 || v.faulty[path+".dnsNames"] || v.faulty[path+".ipAddresses"]
	if c.HasUsage(UsageServer) && !named {
		v.fail(path, "a server's certificate without a name verifies nowhere; give it dnsNames or ipAddresses")
	}
}

// once reports words that a list holds twice.
func once[T ~string](v *validator, path string, words []T) {
	for i, word := range words {
		if word != "" && slices.Contains(words[:i], word) {
			v.fail(element(path, i), "%s is listed twice; remove one", quote(string(word)))
		}
	}
}

// checkSecretNames reports two entries that would write one Secret, and an entry that
// would write over the user's own. Versioned Secrets of workloads end in a hash.
func (v *validator) checkSecretNames() {
	w := &writers{validator: v, taken: map[Ref]string{}}
	w.readUserSecrets()
	w.readFlinkOperator()
	for i, c := range v.Certificates {
		w.write(Ref{c.Namespace, c.SecretName}, element("certificates", i)+".secretName", "this certificate")
	}
	for i, t := range v.Truststores {
		for _, namespace := range t.Namespaces() {
			at := v.firstGiven(element("truststores", i)+".name", element("truststores", i))
			w.write(Ref{namespace, t.Name}, at, "this truststore")
			if t.Password == nil && t.Name != "" {
				w.write(Ref{namespace, t.Name + "-password"}, at, "this truststore's password")
			}
		}
	}
}

// writers knows whose each Secret is, in words.
type writers struct {
	*validator
	taken map[Ref]string
}

func (w *writers) readUserSecrets() {
	if s := w.Authority.Secret; s != nil {
		w.own(s.Namespace, s.Name, "authority.secret")
		w.ownRef(s.Passphrase, "authority.secret.passphrase")
	}
	for i, t := range w.Truststores {
		w.ownRef(t.Password, element("truststores", i)+".password")
	}
}

func (w *writers) ownRef(s *SecretKeyRef, path string) {
	if s != nil {
		w.own(s.Namespace, s.Name, path)
	}
}

func (w *writers) own(namespace, name, path string) {
	if name != "" {
		w.taken[Ref{namespace, name}] = fmt.Sprintf("of %s on line %d", path, w.line(path))
	}
}

// readFlinkOperator takes the names that the operator's own manifests read.
func (w *writers) readFlinkOperator() {
	f := w.FlinkOperator
	if f == nil || f.Namespace == "" {
		return
	}
	for _, name := range f.Secrets() {
		w.own(f.Namespace, name, "flinkOperator")
	}
}

func (w *writers) write(ref Ref, path, what string) {
	if ref.Name == "" {
		return
	}
	if owner, ok := w.taken[ref]; ok {
		w.fail(path, "%s would be written to Secret %s, which is that %s; choose another name", what, quote(ref.String()), owner)
		return
	}
	w.taken[ref] = fmt.Sprintf("of %s on line %d", path, w.line(path))
}
