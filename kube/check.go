package kube

import (
	"fmt"

	"github.com/flowcert/flowcert/secrets"
)

// CheckWritable has nothing to find out: whether a write is permitted the API
// server says when it is made.
func (s *Store) CheckWritable([]string) error { return nil }

// CheckOwn refuses a Secret that is not flowcert's.
func (s *Store) CheckOwn(secret *secrets.Secret) error {
	if !secret.Ours() {
		return fmt.Errorf("%s %w", secret.Ref, errNotOurs)
	}
	return nil
}

// CheckPutBack refuses a record that holds no manifest.
func (s *Store) CheckPutBack(record *secrets.Secret, ref secrets.Ref) error {
	if len(record.Data[secrets.ManifestKey]) == 0 {
		return fmt.Errorf("%s: no key %q, from which %s would come back", record.Ref, secrets.ManifestKey, ref)
	}
	return nil
}
