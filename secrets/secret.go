// Package secrets keeps what flowcert makes: it turns keys, certificates and
// stores into the data of Kubernetes Secrets and back, marks Secrets as
// flowcert's own, names their versions, and reads and writes them in a
// directory of manifests ([Dir]).
//
// Call [OpenDir], then [Dir.Read] for everything that is there, and
// [Dir.CreateSecret] and [Dir.WriteResource] to change it; [Dir.Lock] comes
// before the first write.
//
// It refuses to overwrite a Secret that exists, a file that changed since it was
// read, a Secret that does not carry flowcert's label, and manifests that cannot
// be told apart.
package secrets

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Labels and annotations of flowcert's Secrets.
const (
	// ManagedLabel marks what is flowcert's (Kubernetes documentation,
	// "Recommended Labels").
	ManagedLabel = "app.kubernetes.io/managed-by"
	ManagedValue = "flowcert"
	// TargetAnnotation says what a Secret is a version of: kind/namespace/name.
	TargetAnnotation = "flowcert.io/target"
	// RoleAnnotation says which of a target's Secrets it is, see Role.
	RoleAnnotation = "flowcert.io/role"
	// CreatedAnnotation is the time of making, RFC 3339.
	CreatedAnnotation = "flowcert.io/created"
	// PasswordAnnotation counts a password's versions: it tells a new one from
	// the old one without telling the password.
	PasswordAnnotation = "flowcert.io/password-version"
)

// Role is what a Secret is for.
type Role string

// The roles of flowcert's Secrets.
const (
	RoleRoot          Role = "root"           // a root's certificate and key
	RoleIntermediate  Role = "intermediate"   // an intermediate's certificate and key
	RoleCertificate   Role = "certificate"    // a service's certificate in PEM
	RoleUICertificate Role = "ui-certificate" // Event Processing's separate UI certificate in PEM
	RoleCA            Role = "ca"             // an intermediate and its key, for cert-manager to sign with
	RoleFlinkTLS      Role = "flink-tls"      // Flink's key store and truststore
	RoleFlinkTrust    Role = "flink-trust"    // Event Processing's copy of Flink's truststore
	RoleTruststore    Role = "truststore"     // a truststore for databases and other servers
	RolePassword      Role = "password"       // a generated password
	RoleOperatorCert  Role = "operator-cert"  // the Flink operator's stores, read by a fixed name
	RoleWebhookCert   Role = "webhook-cert"   // the Flink operator's webhook, read by a fixed name
)

// Ref names a Secret.
type Ref struct{ Namespace, Name string }

func (r Ref) String() string { return "secret " + r.Namespace + "/" + r.Name }

// Secret is a Kubernetes Secret as flowcert reads and writes it.
type Secret struct {
	Ref
	Labels      map[string]string
	Annotations map[string]string
	Type        string // "" is Opaque
	Immutable   bool
	Data        map[string][]byte
	// File is where it stands in a directory; empty for one not written yet.
	File string
	// UID and ResourceVersion say which object, and which state of it, was read from
	// a cluster.
	UID, ResourceVersion string
	// Handed is when a cluster got the data that it holds; zero in a directory, see
	// Since.
	Handed time.Time
}

// Ours reports whether flowcert made the Secret.
func (s *Secret) Ours() bool { return s.Labels[ManagedLabel] == ManagedValue }

// Target and Role say what the Secret is a version of.
func (s *Secret) Target() string { return s.Annotations[TargetAnnotation] }

// Role returns what the Secret is for; empty for somebody else's.
func (s *Secret) Role() Role { return Role(s.Annotations[RoleAnnotation]) }

// ofAuthority reports whether the Secret is the authority's own: no workload needs
// it.
func (s *Secret) ofAuthority() bool {
	return slices.Contains([]Role{RoleRoot, RoleIntermediate, RoleDistrusted}, s.Role())
}

// Created is when flowcert made the Secret; zero if it did not.
func (s *Secret) Created() time.Time {
	t, err := time.Parse(time.RFC3339, s.Annotations[CreatedAnnotation])
	if err != nil {
		return time.Time{}
	}
	return t
}

// New returns a Secret of flowcert's with its label and annotations. Secrets
// that are versions are immutable: they are replaced, never changed.
func New(ref Ref, target string, role Role, created time.Time) *Secret {
	return &Secret{
		Ref:    ref,
		Labels: map[string]string{ManagedLabel: ManagedValue},
		Annotations: map[string]string{
			TargetAnnotation:  target,
			RoleAnnotation:    string(role),
			CreatedAnnotation: created.UTC().Format(time.RFC3339),
		},
		Immutable: true,
		Data:      map[string][]byte{},
	}
}

// hashLength is how many hex digits of a version's content end its name.
const hashLength = 10

// maxVolumeSecret bounds a Secret's name where a pod volume is named after it:
// Flink calls it `<secret>-volume`, a DNS label of at most 63 characters.
const maxVolumeSecret = 63 - len("-volume")

// VersionName names a version after the hash of its public content. The prefix
// is cut where a volume named after the Secret would become too long; the hash
// still tells versions apart, and annotations say whose they are.
func VersionName(prefix string, public ...string) string {
	h := sha256.New()
	for _, p := range public {
		fmt.Fprintf(h, "%d:%s\n", len(p), p)
	}
	return versionPrefix(prefix) + "-" + hex.EncodeToString(h.Sum(nil))[:hashLength]
}

// versionName is what VersionName makes.
var versionName = regexp.MustCompile(fmt.Sprintf(`.-[0-9a-f]{%d}$`, hashLength))

// IsVersionName reports whether a name looks like one that VersionName made.
func IsVersionName(name string) bool { return versionName.MatchString(name) }

// IsVersionOf reports whether VersionName makes such a name of a prefix.
func IsVersionOf(name, prefix string) bool {
	return IsVersionName(name) && name[:len(name)-hashLength-1] == versionPrefix(prefix)
}

func versionPrefix(prefix string) string {
	if limit := maxVolumeSecret - hashLength - 1; len(prefix) > limit {
		prefix = strings.TrimRight(prefix[:limit], "-.")
	}
	return prefix
}

// PendingName is how a plan shows a version that is still to be made.
func PendingName(prefix string) string { return versionPrefix(prefix) + "-(new)" }

// MaxData is how many bytes the values of a Secret may have together (Kubernetes'
// MaxSecretSize): the API server takes no larger one.
const MaxData = 1 << 20

// CheckSize refuses a Secret that no API server would take.
func (s *Secret) CheckSize() error {
	size := 0
	for _, v := range s.Data {
		size += len(v)
	}
	if size > MaxData {
		return fmt.Errorf("%s would hold %d bytes, and a Secret holds at most %d", s.Ref, size, MaxData)
	}
	return nil
}

// Keys lists the Secret's data keys, sorted.
func (s *Secret) Keys() []string {
	out := make([]string, 0, len(s.Data))
	for k := range s.Data {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
