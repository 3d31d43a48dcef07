// Package deploy knows what flowcert writes into EventProcessing and
// FlinkDeployment resources: which field of which product holds a Secret's
// name, a password or a JVM option, and which value that is already there
// belongs to somebody else.
//
// Call [EventProcessing] or [FlinkDeployment] with the resource as it is and the
// wiring it should have: both return the edits that are missing, or refuse with
// every [Conflict] they find. [Rewrite] carries edits out on the resource's own
// bytes and records in an annotation how to take them back; [Revert] does so.
//
// All of it is pure: objects and bytes in, edits and bytes out. The package
// refuses values that somebody else made in a field that flowcert would set,
// flowcert's own values that somebody changed since, lists whose merge by
// Flink's operator would come out different in anything but flowcert's own
// entries, a configuration key that is present twice, and documents that cannot
// be edited and brought back to the byte. A value such as `<jks-secret>` counts
// as unset.
package deploy

import (
	"fmt"
	"strings"
	"time"

	"github.com/flowcert/flowcert/yamledit"
)

// API groups and kinds of the resources that are edited.
const (
	EventProcessingKind  = "EventProcessing"
	EventProcessingGroup = "events.ibm.com"
	FlinkDeploymentKind  = "FlinkDeployment"
	FlinkDeploymentGroup = "flink.apache.org"
)

// Annotations that flowcert writes into custom resources.
const (
	// EditsAnnotation records what flowcert changed and how to take it back.
	EditsAnnotation = "flowcert.io/edits"
	// RootAnnotation holds the SHA-256 of the newest root that the resource is
	// wired to. A lost authority is noticed by it instead of being made anew.
	RootAnnotation = "flowcert.io/root"
	// RestartedAnnotation tells, in a directory, for which content of what it mounts
	// a FlinkDeployment was last restarted.
	RestartedAnnotation = "flowcert.io/restarted-for"
	// PauseAnnotation set to "true" holds everything on the resource. So does every
	// other word but "false": people write yes, on and True, and mean it.
	PauseAnnotation = "flowcert.io/pause"
)

// Resource is one custom resource as a store holds it.
type Resource struct {
	Group, Kind     string
	Namespace, Name string
	// File and Line say where it stands in a directory; empty in a cluster.
	File     string
	Document int // its place among the documents of File
	Line     int
	// Source is the resource's own text as YAML; of one in a cluster, without status
	// and without what the API server keeps in its metadata.
	Source []byte
	// Object is Source, decoded.
	Object map[string]any

	// What only a cluster knows.

	// Status is the resource's own; nil in a directory.
	Status map[string]any
	// Generation counts changes of the specification.
	Generation int64
	// UID and ResourceVersion say which object, and which state of it, was read.
	UID, ResourceVersion string
	// Writers are its field managers, flowcert and those of subresources left aside,
	// newest first.
	Writers []Writer
	// Versions are the names of flowcert's versions in its namespace, and of what it
	// refers to that is gone and was called like one: whichever of them stands in a
	// field of flowcert's, flowcert may change it.
	Versions []string
	// Absent: it is configured and does not exist yet.
	Absent bool
}

// Writer is a field manager that changed the resource.
type Writer struct {
	Name string
	Time time.Time
}

// String names the resource as commands and messages do: kind/namespace/name.
func (r Resource) String() string { return Target(r.Kind, r.Namespace, r.Name) }

// Target names a thing as commands take it: kind/namespace/name with the kind's
// first letter in lower case; kind/name of what lives in no namespace.
func Target(kind, namespace, name string) string {
	first := min(1, len(kind))
	kind = strings.ToLower(kind[:first]) + kind[first:]
	if namespace == "" {
		return kind + "/" + name
	}
	return kind + "/" + namespace + "/" + name
}

// Paused reports whether the resource asks to be left alone.
func (r Resource) Paused() bool {
	pause := r.annotation(PauseAnnotation)
	return pause != "" && !strings.EqualFold(pause, "false")
}

// Root returns the fingerprint of the root that the resource was last wired to.
func (r Resource) Root() string { return r.annotation(RootAnnotation) }

// RestartedFor is the mark of what the resource was last restarted for.
func (r Resource) RestartedFor() string { return r.annotation(RestartedAnnotation) }

// Unrecorded reports whether the resource was wired by flowcert and has lost the
// record of it.
func (r Resource) Unrecorded() bool { return r.Root() != "" && r.annotation(EditsAnnotation) == "" }

func (r Resource) annotation(name string) string {
	s, _ := getString(r.Object, metadataAnnotation(name))
	return s
}

func metadataAnnotation(name string) yamledit.Path {
	return keys("metadata", "annotations", name)
}

// Conflict is a value in a field of ours that somebody else put there.
type Conflict struct {
	Resource Resource
	Path     yamledit.Path
	Problem  string // what is there, in a clause; never a password
	Hint     string // what to do about it
	// Adoptable: flowcert can take the value over, and what it refers to.
	Adoptable bool
}

func (c Conflict) Error() string {
	return fmt.Sprintf("%s: %s: %s", c.Resource.Where(), c.Path, c.Problem)
}

// Remedy is the hint that belongs to the error.
func (c Conflict) Remedy() string { return c.Hint }

// Where names the resource and, in a directory, its file.
func (r Resource) Where() string {
	if r.File == "" {
		return r.String()
	}
	return fmt.Sprintf("%s: %s", r.File, r)
}

// TrustStore is a truststore that a JVM is pointed at by its system properties
// javax.net.ssl.trustStore and javax.net.ssl.trustStorePassword (JSSE Reference
// Guide, "Customizing the Default Keystores and Truststores").
type TrustStore struct {
	Secret   string // Secret that holds the file
	File     string // the Secret's key, truststore.jks or truststore.p12
	Password string // as truststore.CheckPassword takes it: no character that a shell or the JVM splits at
}

// keys builds a path of map keys.
func keys(names ...string) yamledit.Path {
	p := make(yamledit.Path, len(names))
	for i, n := range names {
		p[i] = yamledit.Key(n)
	}
	return p
}

// under extends a path without sharing its memory.
func under(p yamledit.Path, steps ...yamledit.Step) yamledit.Path {
	return append(append(make(yamledit.Path, 0, len(p)+len(steps)), p...), steps...)
}

func getString(obj map[string]any, p yamledit.Path) (string, bool) {
	v, ok := yamledit.Get(obj, p)
	if !ok || !isScalar(v) {
		return "", false
	}
	return text(v), true
}

// text is a scalar as the products read it: true and "true" are one value. What
// is no scalar, nothing included, has none.
func text(v any) string {
	switch v := v.(type) {
	case nil, map[string]any, []any:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}
