// Package config reads flowcert.yaml: types, strict parsing, defaults and validation.
//
// Call Load with the path of the file, or Parse with its bytes. What comes back is
// complete: every default is filled in, every namespace resolved, every name checked,
// and nothing changes it afterwards. A Config made in any other way was not validated.
//
// Refused are unknown and repeated fields, values of the wrong type, placeholders such as
// <namespace> that nobody replaced, names that Kubernetes or the Flink operator would
// refuse, references to what is not configured, lifetimes that contradict each other, and
// files over 1 MiB. Every fault found is reported, not just the first, each with its line,
// its field and a remedy where one exists; see Errors. The package opens no file but the
// one that Load is given and, for time zones, the machine's time zone database.
package config

import (
	"net/netip"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/truststore"
)

// APIVersion and Kind are what a configuration file says of itself.
const (
	APIVersion = "flowcert.io/v1alpha1"
	Kind       = "Config"
)

// ShortForm is the commonest configuration, complete: what a new file can start from.
const ShortForm = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: event-automation
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session-cluster-prod}]
truststores: [{sources: [{name: orders-db, file: orders-ca.pem}]}]
`

// Config is a whole flowcert.yaml. The Line of an entry is where it stands in the file,
// for messages about it later on.
type Config struct {
	// Namespace is required. It is the default of every namespace below, and that of
	// manifests that name none.
	Namespace string
	// ClusterDomain ends the names of Services; default cluster.local.
	ClusterDomain string
	// ClusterAPI is the domain of the cluster's routes, such as apps.clusterapi.com, also
	// where the file gives the URL of the OpenShift console. Empty: not given.
	ClusterAPI string

	Authority        Authority
	Defaults         Defaults
	EventProcessing  []EventProcessing
	FlinkDeployments []FlinkDeployment
	// FlinkOperator is nil unless its section is there.
	FlinkOperator *FlinkOperator
	Truststores   []Truststore
	Certificates  []Certificate
	Edges         []Edge
	Rotation      Rotation

	// Dir is the folder of the file, as Load was given it; empty from Parse. See Path.
	Dir string
	// File is the file itself, for messages; empty from Parse.
	File string
}

// Authority says who signs: an authority of flowcert's own making, or the user's.
type Authority struct {
	// Name begins the names of the authority's Secrets; default the namespace.
	Name string
	// SelfSigned is how to make an authority. It is the zero value where Secret is set.
	SelfSigned SelfSigned
	// Secret, unless nil, holds the user's CA; flowcert then makes none.
	Secret *AuthoritySecret
}

// SelfSigned is a root and the intermediates under it.
type SelfSigned struct {
	// Subject is the root's; default commonName "<authority name> CA". Leaves take its
	// other fields.
	Subject pki.Subject
	// Key is the kind of the root's and the intermediates' keys; default RSA 4096.
	Key pki.KeySpec
	// Validity is the root's lifetime; default 3650d.
	Validity        Duration
	Intermediate    Intermediate
	NameConstraints NameConstraints
}

// Intermediate is what signs leaves under a self-signed root.
type Intermediate struct {
	// None lets the root itself sign leaves; Validity is then 0.
	None bool
	// Validity is an intermediate's lifetime; default 730d.
	Validity Duration
}

// ConstraintsMode says where an intermediate's name constraints come from.
type ConstraintsMode string

// The modes of name constraints.
const (
	ConstraintsAuto ConstraintsMode = "auto" // from what is configured; the default
	ConstraintsNone ConstraintsMode = "none"
	ConstraintsList ConstraintsMode = "list" // permittedDNS
)

// NameConstraints limit what an intermediate may sign (RFC 5280 section 4.2.1.10).
type NameConstraints struct {
	Mode ConstraintsMode
	// PermittedDNS is set with ConstraintsList alone. An entry covers itself and every
	// name below it.
	PermittedDNS []string
}

// AuthoritySecret names a user's CA: a Secret with ca.crt, tls.crt and tls.key.
type AuthoritySecret struct {
	Namespace string
	Name      string
	// Passphrase opens tls.key; nil: the key is not encrypted.
	Passphrase *SecretKeyRef
	// Intermediate, unless nil, is made under the user's CA and signs leaves; nil: the
	// user's CA signs them itself.
	Intermediate *UserIntermediate
}

// UserIntermediate is an intermediate of flowcert's own making under a user's CA. It needs a
// CA that may sign another one: whose path length constraint, if any, is at least 1.
type UserIntermediate struct {
	// Key is the kind of its key; default RSA 4096.
	Key pki.KeySpec
	// Validity is its lifetime, which ends with the user's CA at the latest; default 730d.
	Validity Duration
	// NameConstraints are of its own, beside those of the user's CA.
	NameConstraints NameConstraints
}

// Defaults hold for every leaf that says nothing else.
type Defaults struct {
	// Key is RSA 3072 by default, RSA or ECDSA. Flink takes RSA only: see FlinkKey.
	Key pki.KeySpec
	// Validity is a leaf's lifetime; default 365d.
	Validity Duration
	// RenewBefore is how long before its end a leaf is renewed; default 33% of its lifetime.
	RenewBefore Before
}

// Mode says how an EventProcessing instance gets its certificates.
type Mode string

// The modes of an EventProcessing instance.
const (
	ModeCertificate Mode = "certificate" // tls.secretName; the default
	ModeCA          Mode = "ca"          // tls.caSecretName: a sub-CA for cert-manager to use
)

// EventProcessing is an instance of IBM Event Processing.
type EventProcessing struct {
	Namespace string
	Name      string
	Mode      Mode
	// ExtraDNSNames join the names that the instance always has.
	ExtraDNSNames []string
	// UI asks for a separate UI certificate; nil: none.
	UI   *UI
	Line int
}

// UI asks for a separate UI certificate. It has no fields yet; its presence counts.
type UI struct{ Line int }

// FlinkDeployment is a session or application cluster.
type FlinkDeployment struct {
	Namespace string
	Name      string
	TLS       FlinkTLS
	Line      int
}

// FlinkTLS says which of Flink's channels are encrypted and in which format its key store
// and truststore are.
type FlinkTLS struct {
	Rest     bool              // default true
	Internal bool              // default true
	Format   truststore.Format // JKS (the default) or PKCS12
}

// FlinkOperator asks for the Secrets that the Flink Kubernetes operator reads.
type FlinkOperator struct {
	// Namespace is the operator's own. Empty: to be found in the cluster.
	Namespace string
	// Webhook asks for the webhook's certificate too; default false.
	Webhook bool
	Line    int
}

// Naming says how a Secret that flowcert writes is named.
type Naming string

// The ways of naming.
const (
	Versioned Naming = "versioned" // immutable, its name ends in a hash of its content
	Fixed     Naming = "fixed"     // one name, updated in place
)

// Truststore is a truststore for the databases and services that workloads call.
type Truststore struct {
	// Namespace is where it belongs; it is copied to every namespace that mounts it.
	Namespace string
	// Name is ssl-truststore by default where there is one truststore only.
	Name   string
	Format truststore.Format // JKS (the default) or PKCS12
	Naming Naming            // default Versioned
	// Password names the user's password; nil: generated once.
	Password *SecretKeyRef
	// PublicCAs keep what the JVM trusted before; on by default.
	PublicCAs PublicCAs
	Sources   []Source
	// MountIn lists the workloads that mount it; default every workload configured.
	MountIn MountIn
	Line    int
}

// PublicCAs are the certificate authorities of the public web.
type PublicCAs struct {
	// Enabled adds them.
	Enabled bool
	// File holds them as PEM; empty: the bundle in flowcert. See Config.Path.
	File string
}

// SecretKeyRef names one data key of a Secret.
type SecretKeyRef struct{ Namespace, Name, Key string }

// ConfigMapKeyRef names one data key of a ConfigMap.
type ConfigMapKeyRef struct{ Namespace, Name, Key string }

// Source is where certificates in a truststore come from. Exactly one of File, Secret,
// ConfigMap and Authority is set.
type Source struct {
	// Name is the alias of its first certificate; the next are name-2, name-3, …
	Name      string
	File      string // see Config.Path
	Secret    *SecretKeyRef
	ConfigMap *ConfigMapKeyRef
	Authority bool // the root certificates of the configured authority
	// Servers are those that the source's certificates vouch for: the edges.
	Servers []Server
	// Distrust lists certificates to drop now: SHA-256 in 64 lower-case hex digits.
	Distrust []string
	Line     int
}

// Protocol says how TLS begins on a connection.
type Protocol string

// The protocols of servers.
const (
	PostgreSQL Protocol = "postgresql" // TLS after an SSLRequest; the default
	TLS        Protocol = "tls"        // TLS at once
)

// Server is a server outside of what is configured here.
type Server struct {
	// Address is host:port, an IPv6 host in brackets.
	Address  string
	Protocol Protocol
	Line     int
}

// Ref names a resource.
type Ref struct{ Namespace, Name string }

// MountIn lists the workloads that mount a truststore.
type MountIn struct {
	EventProcessing  []Ref
	FlinkDeployments []Ref
}

// Usage is an extended key usage of a leaf.
type Usage string

// The usages of a leaf.
const (
	UsageServer Usage = "server"
	UsageClient Usage = "client"
)

// Certificate is any other leaf: a database's server certificate, a gateway's, …
type Certificate struct {
	Namespace   string
	SecretName  string
	DNSNames    []string
	IPAddresses []netip.Addr
	Usages      []Usage             // default server
	Stores      []truststore.Format // JKS, PKCS12: key stores beside the PEM files
	Naming      Naming              // default Fixed
	Key         pki.KeySpec         // default that of Defaults; Ed25519 is allowed here
	Validity    Duration            // default that of Defaults
	Line        int
}

// HasUsage tells whether the certificate is for this usage.
func (c Certificate) HasUsage(u Usage) bool {
	for _, have := range c.Usages {
		if have == u {
			return true
		}
	}
	return false
}

// Edge is a client that verifies a server, beyond the edges that flowcert knows by itself.
type Edge struct {
	Client, Server Target
	Line           int
}

// Rotation says when workloads may be restarted.
type Rotation struct {
	// Windows are the times at which restarts are welcome; none: any time.
	Windows []Window
	// HardDeadline is what is left of a lifetime when windows no longer count; default 10%.
	HardDeadline Before
	// Soak is how long a replaced version is kept and counts as in use; default 24h.
	Soak  Duration
	Flink FlinkRotation
}

// Window is a time that comes again and again.
type Window struct {
	// Schedule is when it opens: five cron fields, minute, hour, day of month, month, day
	// of week.
	Schedule string
	// Duration is how long it stays open.
	Duration Duration
	// TimeZone is an IANA name; default UTC.
	TimeZone string
	Line     int
}

// FlinkRotation allows what may lose a Flink job or its state; nothing by default.
type FlinkRotation struct {
	AllowStateless        bool
	AllowSessionWithoutHA bool
	SavepointFirst        bool
}
