package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
)

// A Request is what the API server logged of a request that it has answered, or of a watch that has begun.
type Request struct {
	// User is the name that RBAC knows: UserName gives a ServiceAccount's.
	User, UserAgent string
	// Verb is RBAC's: get, list, watch, create, update, patch, delete, deletecollection; of a request that is not for a resource it is
	// the method in lower case.
	Verb                 string
	Group, Resource      string
	Subresource          string
	Namespace, Name, URI string
	Code                 int // of HTTP
	Received             time.Time
}

// markers are requests by which Requests knows that the log is complete.
const markers = "/healthz?marker="

// Requests returns every request since the control plane started, in the order in which they were answered. Who
// wants to know of one test's looks for the name of a user that is the test's own.
func (c *Cluster) Requests(t testing.TB) []Request {
	t.Helper()
	// The server logs a request when it has answered it, which is about when the client knows: once this one
	// is logged, those before it are.
	marker := markers + string(uuid.NewUUID())
	if err := c.core.RESTClient().Get().RequestURI(marker).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		requests, found, err := c.audit.read(marker)
		if err != nil {
			t.Fatal(err)
		}
		if found {
			return requests
		}
		if time.Now().After(deadline) {
			t.Fatal("the API server does not write its audit log")
		}
	}
}

// An auditLog is the API server's, as far as it was read. Its zero value but for the path is the start of it.
type auditLog struct {
	path string

	mu       sync.Mutex
	offset   int64
	requests []Request
	at       map[string]int // index of a request by the id of its audit events
}

// An event is an audit event, as far as tests need it: audit.k8s.io/v1.
type event struct {
	AuditID    string
	RequestURI string
	Verb       string
	UserAgent  string
	User       struct{ Username string }
	ObjectRef  struct {
		Resource, Namespace, Name, APIGroup, Subresource string
	}
	ResponseStatus           struct{ Code int }
	RequestReceivedTimestamp time.Time
}

// read reads what is new in the log, and returns all requests but those for markers. It says whether the marker is among them.
func (l *auditLog) read(marker string) ([]Request, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	added, err := readFrom(l.path, l.offset)
	if err != nil {
		return nil, false, err
	}
	// The last line may still be incomplete.
	added = added[:bytes.LastIndexByte(added, '\n')+1]
	l.offset += int64(len(added))
	for line := range bytes.Lines(added) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, false, err
		}
		l.add(e)
	}
	var out []Request
	found := false
	for _, r := range l.requests {
		switch {
		case r.URI == marker:
			found = true
		case !strings.HasPrefix(r.URI, markers):
			out = append(out, r)
		}
	}
	return out, found, nil
}

// add notes a request once: a watch has an event at its beginning and one at its end.
func (l *auditLog) add(e event) {
	if l.at == nil {
		l.at = map[string]int{}
	}
	if i, ok := l.at[e.AuditID]; ok {
		l.requests[i].Code = e.ResponseStatus.Code
		return
	}
	l.at[e.AuditID] = len(l.requests)
	l.requests = append(l.requests, Request{
		User: e.User.Username, UserAgent: e.UserAgent, Verb: e.Verb,
		Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Subresource: e.ObjectRef.Subresource,
		Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name, URI: e.RequestURI,
		Code: e.ResponseStatus.Code, Received: e.RequestReceivedTimestamp,
	})
}

// readFrom reads a file from an offset to its end. A file that is not there is empty.
func readFrom(path string, offset int64) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.NewSectionReader(file, offset, 1<<62-offset))
}
