// Package renew is the life of everything that flowcert keeps: it looks at what
// is there, decides what has to change and why, and carries that out.
//
// Call [Observe], [NewPlan] and [Apply], in this order. Observe does all the
// reading; NewPlan is pure, without I/O, clock, randomness or keys; Apply runs the
// plan's actions in order. A pass after a crash observes again and plans the
// rest: no phase is kept anywhere.
//
// It refuses to guess. A lost authority is not made anew, somebody else's value
// is not overwritten, and a step that an edge forbids (see [Edge]) waits and
// says for what.
package renew

import (
	"context"
	"errors"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// Store is where Secrets and custom resources are: a directory of manifests
// ([secrets.Dir]) or a cluster.
type Store interface {
	// Read returns everything that is there. What cannot be read is named in the
	// snapshot, not left out silently.
	Read(ctx context.Context) (*secrets.Snapshot, error)
	// Prepare is called once before the first write, with the files of the
	// resources that will be rewritten and the Secrets that will be set aside.
	Prepare(files []string, aside ...*secrets.Secret) error
	// CreateSecret refuses a name that is taken (secrets.ErrExists).
	CreateSecret(ctx context.Context, s *secrets.Secret) error
	// UpdateSecret replaces a Secret that is read by a fixed name. Of an immutable one
	// only the annotations are others, or it is a truststore that somebody spoilt, which
	// a cluster has to delete and make again.
	UpdateSecret(ctx context.Context, s *secrets.Secret) error
	// SetAside puts what somebody else's Secret is into a Secret of ours, record, and
	// makes room for one of ours with its name.
	SetAside(ctx context.Context, old, record *secrets.Secret) error
	// DeleteSecret removes a Secret of ours.
	DeleteSecret(ctx context.Context, s *secrets.Secret) error
	// WriteResource puts source in place of r.Source and refuses if that is no
	// longer what is there (secrets.ErrChanged).
	WriteResource(ctx context.Context, r deploy.Resource, source []byte) error
}

// Hinted is an error that comes with a remedy: what to run or change next.
type Hinted struct {
	Err  error
	Hint string
}

func (h Hinted) Error() string { return h.Err.Error() }
func (h Hinted) Unwrap() error { return h.Err }

// Remedy returns the hint.
func (h Hinted) Remedy() string { return h.Hint }

// RemedyOf is the hint that an error, or one that it wraps, comes with; empty
// without one.
func RemedyOf(err error) string {
	var h interface{ Remedy() string }
	if errors.As(err, &h) {
		return h.Remedy()
	}
	return ""
}
