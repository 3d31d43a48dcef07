package kube

import (
	"cmp"
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// there leaves out those that are not there, where they are many: every certificate that is still to be made is looked
// for, in case somebody else has that name, and the names of all Secrets in its namespace are a page or two. What cannot
// be listed is asked for one by one, and the answers say why.
func (s *Store) there(ctx context.Context, named []secrets.Ref) []secrets.Ref {
	count := map[string]int{}
	for _, ref := range named {
		count[ref.Namespace]++
	}
	listed := map[string]map[string]bool{}
	for ns, n := range count {
		if n <= pageSize {
			continue
		}
		if names, err := s.names(ctx, ns); err == nil {
			listed[ns] = names
		}
	}
	return slices.DeleteFunc(named, func(ref secrets.Ref) bool {
		names, ok := listed[ref.Namespace]
		return ok && !names[ref.Name]
	})
}

// names are those of all Secrets in a namespace, whoever made them. Nothing but their metadata is read.
func (s *Store) names(ctx context.Context, ns string) (map[string]bool, error) {
	names := map[string]bool{}
	for options := (metav1.ListOptions{Limit: pageSize}); ; {
		page, err := s.metadata(ctx, ns, options)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			names[item.Name] = true
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return names, nil
		}
	}
}

func (s *Store) metadata(ctx context.Context, ns string, o metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return s.client.metadata.Resource(secretResource).Namespace(ns).List(ctx, o)
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
