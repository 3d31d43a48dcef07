package kube

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/validate/content"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/yamledit"
)

// named lists Secrets that are looked at although they may not be flowcert's: what the
// configuration and the resources name, and what was taken over. Those without which
// nothing may be done in their namespace are true.
func (s *Store) named(snap *secrets.Snapshot) map[secrets.Ref]bool {
	set := map[secrets.Ref]bool{}
	put := func(namespace string, needed bool, names ...string) {
		for _, name := range names {
			// What cannot be a name names nothing that could be there, and is not to be asked for.
			if ref := (secrets.Ref{Namespace: namespace, Name: name}); len(content.IsPathSegmentName(name)) == 0 {
				set[ref] = set[ref] || needed
			}
		}
	}
	add := func(namespace string, names ...string) { put(namespace, false, names...) }
	for _, ref := range s.cfg.Secrets() {
		put(ref.Namespace, true, ref.Name)
	}
	for _, r := range snap.Resources {
		put(r.Namespace, true, deploy.References(r).Secrets()...)
		add(r.Namespace, deploy.StoreSecrets(r)...)
	}
	adopted := map[string]bool{}
	for ref, secret := range snap.Secrets {
		if originals := secret.Originals(); len(originals) > 0 {
			adopted[ref.Namespace] = true
			add(ref.Namespace, originals...)
		}
	}
	for _, r := range snap.Resources {
		if adopted[r.Namespace] {
			add(r.Namespace, namedBefore(r)...)
		}
	}
	if ns := snap.Live.OperatorNamespace; ns != "" {
		put(ns, true, s.cfg.FlinkOperator.Secrets()...)
	}
	return set
}

func byRef(a, b secrets.Ref) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// namedBy are the Secrets of fields of flowcert's, and those of stores and of their
// passwords, which --adopt and verify open.
func namedBy(r deploy.Resource) []string {
	return slices.Concat(deploy.References(r).Secrets(), deploy.StoreSecrets(r))
}

// namedBefore are those that a resource named before flowcert edited it: revert brings
// them into use again, and refuses what is not there. What cannot be reverted names
// none; revert says why.
func namedBefore(r deploy.Resource) []string {
	source, _, err := deploy.Revert(r)
	if err != nil {
		return nil
	}
	if r.Object, err = yamledit.Decode(source); err != nil {
		return nil
	}
	r.Source = source
	return namedBy(r)
}
