package incluster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// proxy stands between flowcert and the API server, and spoils what it is told to.
type proxy struct {
	url string

	mutex     sync.Mutex
	writes    int                            // of Secrets and resources, so far
	before    func(write) int                // an HTTP status to answer with in place of the API server; 0: let it pass
	other     func(*http.Request) int        // the same, for what is no such write
	conflicts int                            // of the lease, still to come
	happened  <-chan struct{}                // see atWrite
	after     func(write)                    // once the API server has done it, before flowcert knows
	shift     func(date time.Time) time.Time // of the API server's clock
}

// write is a request of flowcert's that makes, changes or removes a Secret or a resource.
type write struct {
	n            int // from 1
	method, path string
}

// throughProxy lets flowcert reach the API server by a proxy, with the credentials given.
func (s *site) throughProxy(t *testing.T, config *rest.Config) *proxy {
	t.Helper()
	upstream, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	forward := &httputil.ReverseProxy{
		ErrorLog:       log.New(io.Discard, "", 0), // what breaks is what the tests are about
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		Transport:      transport,
		FlushInterval:  -1, // watches
		ModifyResponse: p.date,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/leases/") && r.Method == http.MethodPut && p.leaseConflicts() {
			refuse(w, http.StatusConflict)
			return
		}
		if !isWrite(r) {
			if status := p.look(r); status != 0 {
				refuse(w, status)
				return
			}
			forward.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		of, status := p.ask(r)
		if status != 0 {
			refuse(w, status)
			return
		}
		// What was sent arrives, also if whoever sent it is gone by then.
		r = r.Clone(context.WithoutCancel(r.Context()))
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		forward.ServeHTTP(answer, r)
		p.tell(of)
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	p.url = server.URL
	s.as(t, &rest.Config{Host: server.URL})
	return p
}

// isWrite leaves the lease and Events out.
func isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/leases") && !strings.Contains(r.URL.Path, "/events.k8s.io/")
}

func (p *proxy) ask(r *http.Request) (write, int) {
	p.mutex.Lock()
	p.writes++
	of, before := write{p.writes, r.Method, r.URL.Path}, p.before
	p.mutex.Unlock()
	if before == nil {
		return of, 0
	}
	return of, before(of)
}

func (p *proxy) look(r *http.Request) int {
	p.mutex.Lock()
	other := p.other
	p.mutex.Unlock()
	if other == nil {
		return 0
	}
	return other(r)
}

func (p *proxy) tell(of write) {
	p.mutex.Lock()
	after := p.after
	p.mutex.Unlock()
	if after != nil {
		after(of)
	}
}

// set changes what the proxy does, from its next request on.
func (p *proxy) set(change func(*proxy)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	change(p)
}

// written counts the writes so far.
func (p *proxy) written() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.writes
}

func (p *proxy) leaseConflicts() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.conflicts--
	return p.conflicts >= 0
}

// conflictsLeft are those of the lease that are still to come; negative: there were more requests.
func (p *proxy) conflictsLeft() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.conflicts
}

// wait waits for what atWrite announced.
func (p *proxy) wait(t *testing.T) {
	t.Helper()
	select {
	case <-p.happened:
	case <-time.After(2 * time.Minute):
		t.Fatal("it never happened")
	}
}

// date is the API server's time, as far as flowcert knows.
func (p *proxy) date(r *http.Response) error {
	p.mutex.Lock()
	shift := p.shift
	p.mutex.Unlock()
	if there, err := http.ParseTime(r.Header.Get("Date")); err == nil && shift != nil {
		r.Header.Set("Date", shift(there).UTC().Format(http.TimeFormat))
	}
	return nil
}

// refuse answers as an API server does.
func refuse(w http.ResponseWriter, status int) {
	reason := map[int]metav1.StatusReason{
		http.StatusConflict: metav1.StatusReasonConflict, http.StatusInternalServerError: metav1.StatusReasonInternalError,
		http.StatusForbidden: metav1.StatusReasonForbidden, http.StatusServiceUnavailable: metav1.StatusReasonServiceUnavailable,
	}[status]
	body, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Message: fmt.Sprintf("the test answers %d", status), Reason: reason, Code: int32(status),
	})
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
