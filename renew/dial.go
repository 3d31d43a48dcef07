package renew

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/pki"
)

// Endpoint is a server that can be dialled, and what its clients trust.
type Endpoint struct {
	Target   string // the truststore through which it is reached
	Source   string // the truststore's source that names it
	Address  string // host:port
	Protocol config.Protocol
	Trust    []Trust // every version that a workload refers to
	// Leaf is what a webhook should present; nil: the server is no webhook.
	Leaf *x509.Certificate
}

// endpoints are the servers of every truststore in use.
func (v *verifier) endpoints() []Endpoint {
	var out []Endpoint
	for _, t := range v.cfg.Truststores {
		for _, namespace := range t.Namespaces() {
			trust := v.referencedTrust(t, namespace)
			for _, source := range t.Sources {
				for _, server := range source.Servers {
					out = append(out, Endpoint{
						Target: truststoreTarget(namespace, t.Name), Source: source.Name,
						Address: server.Address, Protocol: server.Protocol, Trust: trust,
					})
				}
			}
		}
	}
	return out
}

// referencedTrust is what the workloads of a namespace trust by the truststore,
// each version once.
func (v *verifier) referencedTrust(t config.Truststore, namespace string) []Trust {
	var clients []string
	eps, flinks := v.mounting(t)
	for _, job := range eps {
		clients = append(clients, job.target)
	}
	for _, job := range flinks {
		clients = append(clients, job.target)
	}
	var out []Trust
	for _, client := range clients {
		for _, o := range v.jvm[client] {
			known := func(t Trust) bool { return t.Version == o.secret.Name }
			if o.secret.Namespace == namespace && !slices.ContainsFunc(out, known) {
				out = append(out, Trust{Version: o.secret.Name, Anchors: o.trusted})
			}
		}
	}
	return out
}

// dialsAtOnce bounds connections that are open at one time.
const dialsAtOnce = 8

// Dial asks every endpoint for the chain that it serves and verifies it, with
// its name, as a JVM with each truststore in use would. Each server is asked
// once, whoever reaches it.
func (r *Report) Dial(ctx context.Context, now time.Time) {
	var servers []server
	for _, e := range r.Endpoints {
		servers = append(servers, server{e.Address, e.Protocol})
	}
	answers := askAll(ctx, servers)
	for _, e := range r.Endpoints {
		r.Checked++
		a := answers[server{e.Address, e.Protocol}]
		r.heard(e, a.chain, a.err, now)
	}
	r.sort()
}

// server is whom to dial.
type server struct {
	address  string
	protocol config.Protocol
}

// answer is what a server answered.
type answer struct {
	chain []*x509.Certificate
	err   error
}

// askAll dials every server once, some at a time.
func askAll(ctx context.Context, servers []server) map[server]answer {
	answers := map[server]*answer{}
	places := make(chan struct{}, dialsAtOnce)
	var all sync.WaitGroup
	for _, s := range servers {
		if answers[s] != nil {
			continue
		}
		a := &answer{}
		answers[s] = a
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			a.chain, a.err = served(ctx, s.address, s.protocol)
		})
	}
	all.Wait()
	out := map[server]answer{}
	for s, a := range answers {
		out[s] = *a
	}
	return out
}

// SkipDial says of every endpoint that it was not asked.
func (r *Report) SkipDial() {
	for _, e := range r.Endpoints {
		r.skipped(e.Target, e.Address+": not dialled")
	}
	r.sort()
}

// heard judges what a server answered.
func (r *Report) heard(e Endpoint, chain []*x509.Certificate, err error, now time.Time) {
	switch {
	case errors.Is(err, ErrUnreachable):
		r.unknown(e.Target, e.Address+": "+err.Error(), hintOf(err))
		return
	case err != nil:
		r.finding(e.Target, e.Address+": "+err.Error(), hintOf(err))
		return
	case len(e.Trust) == 0:
		r.unknown(e.Target, e.Address+": answers, but there is no truststore yet to verify it with", "run flowcert apply, then verify again")
		return
	case e.Leaf != nil:
		r.heardWebhook(e, chain, now)
		return
	}
	host, _, _ := net.SplitHostPort(e.Address)
	for _, t := range e.Trust {
		if err := pki.VerifyChain(pki.JVM(), chain, t.Anchors, host, now); err != nil {
			r.finding(e.Target, fmt.Sprintf("%s: %v", e.Address, err), serverHint(e, chain, t, host, now))
		}
	}
}

// serverHint is what to do about a chain that does not verify.
func serverHint(e Endpoint, chain []*x509.Certificate, t Trust, host string, now time.Time) string {
	leaf := chain[0]
	switch {
	case leaf.VerifyHostname(host) != nil:
		return fmt.Sprintf("it is for %s: call the server by one of these, in the source's servers and in the URL, or have its certificate made for %s", namesOf(leaf), host)
	case now.After(leaf.NotAfter):
		return "renew the server's certificate, and have the server load it"
	case now.Before(leaf.NotBefore):
		return "set the clocks right, the server's and this one's"
	case len(chain) == 1 && !pki.IsSelfSigned(leaf) && !slices.ContainsFunc(t.Anchors, func(a *x509.Certificate) bool { return a.Subject.String() == leaf.Issuer.String() }):
		return fmt.Sprintf("the server sends its own certificate alone; if %q is an intermediate, append its certificate to the server's certificate file; if not, bring it into source %s", leaf.Issuer.CommonName, e.Source)
	}
	return fmt.Sprintf("bring the CA of the server's certificate into source %s and run flowcert apply, or correct the server", e.Source)
}

// namesOf lists what a certificate is for.
func namesOf(leaf *x509.Certificate) string {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no name at all (it has no SAN)"
	case len(names) > 5:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), len(names)-5)
	}
	return strings.Join(names, ", ")
}
