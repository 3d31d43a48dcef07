package renew

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
	"github.com/flowcert/flowcert/yamledit"
)

// Action is one step of a plan.
type Action interface {
	// Object names what is made or changed, as people read it.
	Object() string
	// Subject is the target that the action is for: kind/namespace/name.
	Subject() string
	// What describes the change in a clause.
	What() string
	// Reason says why.
	Reason() string
	// Disturbs says what restarts because of it; empty: nothing.
	Disturbs() string

	run(context.Context, *runner) error
}

// MakeRoot makes a root.
type MakeRoot struct {
	*Version
	Ref     secrets.Ref
	Request pki.RootRequest
	Key     pki.KeySpec
	CrossBy *Version // the root before it, which vouches for it; nil: none does
	Because string
}

// MakeIntermediate makes what signs the leaves of one namespace.
type MakeIntermediate struct {
	*Version
	Namespace string // of its Secret
	For       string // the namespace that it signs for
	Root      *Version
	Above     []*x509.Certificate // what leads from it to a user's root
	Request   pki.IntermediateRequest
	Key       pki.KeySpec
	Because   string
}

// MakePassword writes a password's own Secret.
type MakePassword struct {
	*Version
	Ref     secrets.Ref
	Key     string
	Value   string // empty: generated
	Because string
}

// MakeLeaf issues a leaf and writes the Secret around it.
type MakeLeaf struct {
	*Version
	Namespace string
	FixedName string // of a Secret that is updated in place; empty: a new version
	Replaces  *secrets.Secret
	Taken     []string // names of the versions that are here
	Follows   string   // see follows
	Issuer    *Version
	Above     []*x509.Certificate // what follows the leaf; nil: in the issuer's Secret
	Beyond    []*x509.Certificate // what follows that
	Roots     []*x509.Certificate // trusted beside the leaf
	NewRoot   *Version            // a root that this plan makes
	Cross     bool                // its issuer stands under that root, and so the cross certificate follows
	Keep      *secrets.Identity
	Wish      string // that the leaf which is kept be renewed; not granted yet
	Request   pki.LeafRequest
	CA        *pki.IntermediateRequest // asks for an intermediate in place of a leaf
	Key       pki.KeySpec
	Shape     shape
	Edges     []Edge
	Earlier   string // see earlierTrustAnnotation
	Lost      bool   // see lostChain
	Settled   bool   // nobody serves what stood in the Secret before what is there now
	Because   string
	Renews    bool // there was one before
}

// MakeTrust writes a truststore.
type MakeTrust struct {
	*Version
	Namespace       string
	Format          truststore.Format
	Entries         []truststore.Entry
	Sources         []truststore.Source // what Entries were made of
	NewRoot         *Version            // a root that this plan makes, to be added as Alias
	Alias           string
	Password        string   // empty: see PasswordFrom
	PasswordFrom    *Version // nil: generated
	PasswordVersion int
	Follows         string            // see follows
	Spoilt          []*secrets.Secret // versions that are not what is wanted; of one whose name says so somebody changed the content
	FixedName       string            // of a Secret that is updated in place; empty: a new version
	Replaces        *secrets.Secret
	Earlier         string            // see earlierTrustAnnotation
	ByHand          []deploy.Resource // what a person has to restart for it
	Because         string
}

// Rewire edits a custom resource.
type Rewire struct {
	Resource deploy.Resource
	Wiring   Wiring
	Preview  []yamledit.Edit // with names that are still to be known in place
	Claims   []deploy.Claim  // values of others' that are taken over
	Because  string
	Restarts string
	Back     []*secrets.Secret // see planner.usedAgain
}

// Forget removes a version that nothing can use any more.
type Forget struct {
	Secret  *secrets.Secret
	Because string // empty: it was replaced long ago
}

// Object, What, Reason and Disturbs describe the actions.

func (a *MakeRoot) Object() string         { return a.Ref.String() }
func (a *MakeIntermediate) Object() string { return version(a.Namespace, a.Version) }
func (a *MakePassword) Object() string     { return a.Ref.String() }
func (a *MakeLeaf) Object() string         { return version(a.Namespace, a.Version) }
func (a *MakeTrust) Object() string        { return version(a.Namespace, a.Version) }
func (a *Rewire) Object() string           { return a.Resource.String() }

func (a *Forget) Object() string { return a.Secret.Ref.String() }
func (a *Forget) What() string {
	return fmt.Sprintf("an old %s of %s", a.Secret.Role(), a.Secret.Target())
}
func (a *Forget) Disturbs() string { return "" }
func (a *Forget) Reason() string {
	if a.Because != "" {
		return a.Because
	}
	return fmt.Sprintf("it was replaced, nothing refers to it, and %d newer ones are kept", keptVersions)
}

// Subject of what makes or removes a version is the version's target.

func (v *Version) Subject() string { return v.Target }
func (a *Rewire) Subject() string  { return a.Resource.String() }
func (a *Forget) Subject() string  { return a.Secret.Target() }

// Repairs reports whether a rewrite refers to nothing new: the resource was as it
// should be, and somebody changed it.
func (a *Rewire) Repairs() bool {
	if w, ok := a.Wiring.(*WebhookWiring); ok {
		return w.Theirs // another root is no version with a name of its own
	}
	return len(a.Claims) == 0 && unmade(a, nil) == nil && !a.restartsAlone()
}

// restartsAlone reports whether a rewrite is there to restart a FlinkDeployment,
// because what it mounts has changed in place.
func (a *Rewire) restartsAlone() bool {
	w, ok := a.Wiring.(*FlinkWiring)
	return ok && w.Restart != ""
}

// ActionName is an action's kind in one word, for logs and metrics.
func ActionName(a Action) string {
	switch a.(type) {
	case *MakeRoot, *MakeIntermediate:
		return "make_ca"
	case *MakeLeaf:
		return "issue"
	case *MakeTrust:
		return "make_truststore"
	case *MakePassword:
		return "make_password"
	case *Rewire:
		return "rewire"
	case *Restart:
		return "restart"
	case *Forget:
		return "remove"
	case *RestartPod:
		return "restart_pod"
	}
	return "adopt"
}

func version(namespace string, v *Version) string {
	return secrets.Ref{Namespace: namespace, Name: v.Name()}.String()
}

func (a *MakeRoot) What() string {
	what := fmt.Sprintf("root %q, %s, until %s", a.Request.Subject.CommonName, a.Key, day(a.Request.NotAfter))
	if a.CrossBy != nil {
		what += ", cross-signed by " + a.CrossBy.Name()
	}
	return what
}

func (a *MakeIntermediate) What() string {
	return fmt.Sprintf("intermediate %q, %s, until %s", a.Request.Subject.CommonName, a.Key, day(a.Request.NotAfter))
}

func (a *MakePassword) What() string { return "password" }

func (a *MakeLeaf) What() string {
	switch {
	case a.CA != nil && a.Keep == nil:
		return fmt.Sprintf("intermediate %q for cert-manager to sign with, %s, until %s", a.CA.Subject.CommonName, a.Key, day(a.CA.NotAfter))
	case a.Keep != nil:
		return fmt.Sprintf("the same certificate and key in a new Secret, until %s", day(a.Keep.Chain[0].NotAfter))
	}
	return fmt.Sprintf("certificate for %s, %s, until %s", a.Request.CommonName, a.Key, day(a.Request.NotAfter))
}

func (a *MakeTrust) What() string {
	n := len(a.Entries)
	if a.NewRoot != nil {
		n++
	}
	what := fmt.Sprintf("%s truststore with %d certificates", a.Format, n)
	if n == 1 {
		what = fmt.Sprintf("%s truststore with 1 certificate", a.Format)
	}
	if a.Replaces != nil {
		what += ", in place"
	}
	return what
}

func (a *Rewire) What() string {
	if len(a.Preview) == 1 {
		return "1 field"
	}
	return fmt.Sprintf("%d fields", len(a.Preview))
}

func (a *MakeRoot) Reason() string         { return a.Because }
func (a *MakeIntermediate) Reason() string { return a.Because }
func (a *MakePassword) Reason() string     { return a.Because }
func (a *MakeLeaf) Reason() string         { return a.Because }
func (a *MakeTrust) Reason() string        { return a.Because }
func (a *Rewire) Reason() string           { return a.Because }

func (a *MakeRoot) Disturbs() string         { return "" }
func (a *MakeIntermediate) Disturbs() string { return "" }
func (a *MakePassword) Disturbs() string     { return "" }
func (a *MakeLeaf) Disturbs() string         { return "" }
func (a *MakeTrust) Disturbs() string        { return byHand(a.ByHand) }
func (a *Rewire) Disturbs() string           { return a.Restarts }

// Wiring computes the edits of one resource from the versions it shall use. In
// a plan stand-ins are in place of what is still to be made.
type Wiring interface {
	Edits(r deploy.Resource, root string) deploy.Result
	// versions are what it refers to, nil where to nothing.
	versions() []*Version
}

// EventProcessingWiring is the wiring of an EventProcessing; nil is left alone.
type EventProcessingWiring struct {
	Certificate, CA, UI, FlinkTrust, Trust *Version
	TrustFile                              string
	Adopt                                  bool
}

// Edits implements Wiring.
func (w *EventProcessingWiring) Edits(r deploy.Resource, root string) deploy.Result {
	d := deploy.EventProcessingWiring{Root: root, Adopt: w.Adopt, TrustStore: trustStore(w.Trust, w.TrustFile)}
	if w.Certificate != nil {
		d.Certificate = w.Certificate.Name()
	}
	if w.CA != nil {
		d.CA = w.CA.Name()
	}
	if w.UI != nil {
		d.UI = w.UI.Name()
	}
	if w.FlinkTrust != nil {
		d.FlinkTrust = &deploy.FlinkTrust{Secret: w.FlinkTrust.Name(), PasswordKey: secrets.Password}
	}
	return deploy.EventProcessing(r, d)
}

func (w *EventProcessingWiring) versions() []*Version {
	return []*Version{w.Certificate, w.CA, w.UI, w.FlinkTrust, w.Trust}
}

// FlinkWiring is the wiring of a FlinkDeployment; nil is left alone.
type FlinkWiring struct {
	TLS, Trust *Version
	Config     config.FlinkTLS
	TrustFile  string
	Adopt      bool
	Restart    string   // why it is to restart although nothing else changes; empty: it is not
	Content    *Version // what it restarts for, which the resource is marked with; nil: it is not marked
}

// Edits implements Wiring.
func (w *FlinkWiring) Edits(r deploy.Resource, root string) deploy.Result {
	d := deploy.FlinkWiring{Root: root, Adopt: w.Adopt, Restart: w.Restart != "", TrustStore: trustStore(w.Trust, w.TrustFile)}
	if w.Content != nil {
		d.RestartedFor = cmp.Or(w.Content.Values[contentValue], "(new)")
	}
	if w.TLS != nil {
		format := w.Config.Format
		if w.TLS.Secret != nil {
			format = formatOf(w.TLS.Secret) // another, while what is to replace it waits
		}
		d.TLS = &deploy.FlinkTLS{
			Secret: w.TLS.Name(), Rest: w.Config.Rest, Internal: w.Config.Internal,
			KeyStore: secrets.KeyStoreFile(format), Trust: secrets.TrustFile(format),
			StorePassword: w.TLS.value(secrets.Password), TrustPassword: w.TLS.value(secrets.TrustPassword),
		}
	}
	return deploy.FlinkDeployment(r, d)
}

func (w *FlinkWiring) versions() []*Version { return []*Version{w.TLS, w.Trust, w.Content} }

func trustStore(v *Version, file string) *deploy.TrustStore {
	if v == nil {
		return nil
	}
	return &deploy.TrustStore{Secret: v.Name(), File: file, Password: v.value(secrets.Password)}
}
