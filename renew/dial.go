package renew

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// Endpoint is a server that can be dialled, and what its clients trust.
type Endpoint struct {
	Target   string // the truststore through which it is reached
	Address  string // host:port
	Protocol config.Protocol
	Anchors  []*x509.Certificate
}

// Endpoints are the servers of every truststore in use.
func Endpoints(cfg *config.Config, state *State) []Endpoint {
	p := newPlanner(cfg, state)
	p.findResources()
	var out []Endpoint
	for _, t := range cfg.Truststores {
		for _, namespace := range t.Namespaces() {
			target := truststoreTarget(namespace, t.Name)
			anchors := p.referencedTrust(t, namespace)
			for _, source := range t.Sources {
				for _, server := range source.Servers {
					out = append(out, Endpoint{Target: target, Address: server.Address, Protocol: server.Protocol, Anchors: anchors})
				}
			}
		}
	}
	return out
}

// referencedTrust is what the workloads of a namespace trust by the truststore.
func (p *planner) referencedTrust(t config.Truststore, namespace string) []*x509.Certificate {
	eps, flinks := p.mounting(t)
	var resources []deploy.Resource
	for _, job := range eps {
		resources = append(resources, job.resource)
	}
	for _, job := range flinks {
		resources = append(resources, job.resource)
	}
	for _, r := range resources {
		s := p.state.Secrets[secrets.Ref{Namespace: namespace, Name: deploy.References(r).TrustStore}]
		if s == nil || r.Namespace != namespace {
			continue
		}
		if entries, err := p.trustOf(s); err == nil {
			return secrets.Certificates(entries)
		}
	}
	return nil
}

// ErrUnreachable is wrapped where a server could not be asked: what it serves
// is unknown.
var ErrUnreachable = errors.New("not reachable")

// Dial asks the server for its chain and verifies it, with its name, as a JVM
// with these anchors would.
func Dial(ctx context.Context, e Endpoint, now time.Time) error {
	host, _, err := net.SplitHostPort(e.Address)
	if err != nil {
		return err
	}
	chain, err := served(ctx, e)
	if err != nil {
		return err
	}
	return pki.VerifyChain(pki.JVM(), chain, e.Anchors, host, now)
}

// dialTimeout bounds one connection, handshake included.
const dialTimeout = 5 * time.Second

func served(ctx context.Context, e Endpoint) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", e.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if e.Protocol == config.PostgreSQL {
		if err := requestTLS(conn); err != nil {
			return nil, err
		}
	}
	host, _, _ := net.SplitHostPort(e.Address)
	// The chain is verified afterwards, by the profile of the real client.
	client := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err := client.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return client.ConnectionState().PeerCertificates, nil
}

// sslRequestCode opens TLS on a PostgreSQL connection (PostgreSQL documentation,
// "Message Formats", SSLRequest).
const sslRequestCode = 80877103

func requestTLS(conn net.Conn) error {
	request := binary.BigEndian.AppendUint32(nil, 8)
	request = binary.BigEndian.AppendUint32(request, sslRequestCode)
	if _, err := conn.Write(request); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if answer[0] != 'S' {
		return errors.New("the server does not offer TLS")
	}
	return nil
}
