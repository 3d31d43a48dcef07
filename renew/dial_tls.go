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
)

// ErrUnreachable is wrapped where a server could not be asked: what it serves
// is unknown.
var ErrUnreachable = errors.New("not reachable")

const (
	unreachableHint = "run verify where the server can be reached, or with --no-dial"
	silentHint      = "see the server's log, and whether something between here and there holds the connection up"
	protocolHint    = "correct the address, or protocol: postgresql is for servers that are asked for TLS first, tls for those that speak it at once"
)

// dialTimeout bounds one connection, handshake included.
const dialTimeout = 5 * time.Second

// served asks a server for its chain. An error that is not ErrUnreachable would
// befall any client.
func served(ctx context.Context, address string, protocol config.Protocol) ([]*x509.Certificate, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, Hinted{Err: fmt.Errorf("%w: %w", ErrUnreachable, err), Hint: unreachableHint}
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if protocol == config.PostgreSQL {
		if err := requestTLS(conn); err != nil {
			return nil, err
		}
	}
	return presented(ctx, conn, host, protocol)
}

// presented returns what the server presents. The chain is verified afterwards,
// by the profile of the real client. A server that wants a client certificate
// has shown its own by the time it says so.
func presented(ctx context.Context, conn net.Conn, host string, protocol config.Protocol) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	client := tls.Client(conn, &tls.Config{
		ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12,
		VerifyConnection: func(state tls.ConnectionState) error {
			chain = state.PeerCertificates
			return nil
		},
	})
	err := client.HandshakeContext(ctx)
	var plain tls.RecordHeaderError
	var alert *net.OpError
	switch {
	case len(chain) > 0:
		return chain, nil
	case errors.As(err, &plain):
		return nil, Hinted{Err: fmt.Errorf("does not answer with TLS but with %q", plain.RecordHeader[:]), Hint: protocolHint}
	case gaveUp(err):
		return nil, Hinted{Err: fmt.Errorf("%w: no TLS handshake within %s", ErrUnreachable, dialTimeout), Hint: silentHint}
	case errors.As(err, &alert) && alert.Op == "remote error":
		return nil, Hinted{Err: fmt.Errorf("refuses the TLS handshake: %w", alert.Err), Hint: "have the server offer TLS 1.2 or 1.3 with a cipher suite that current clients enable; its log says more"}
	case protocol == config.TLS:
		return nil, Hinted{Err: fmt.Errorf("TLS handshake: %w", err), Hint: protocolHint}
	}
	return nil, Hinted{Err: fmt.Errorf("TLS handshake: %w", err), Hint: "see the server's log"}
}

// gaveUp reports whether it was this end that did not wait any longer.
func gaveUp(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &t) && t.Timeout()
}

// sslRequestCode opens TLS on a PostgreSQL connection (PostgreSQL documentation,
// "Message Formats", SSLRequest).
const sslRequestCode = 80877103

// requestTLS asks a PostgreSQL server for TLS: it answers S or N.
func requestTLS(conn net.Conn) error {
	request := binary.BigEndian.AppendUint32(nil, 8)
	request = binary.BigEndian.AppendUint32(request, sslRequestCode)
	_, err := conn.Write(request)
	answer := make([]byte, 1)
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	switch {
	case gaveUp(err):
		return Hinted{Err: fmt.Errorf("%w: no answer to PostgreSQL's SSLRequest within %s", ErrUnreachable, dialTimeout), Hint: silentHint}
	case errors.Is(err, io.EOF):
		return Hinted{Err: fmt.Errorf("%w: closes the connection at PostgreSQL's SSLRequest", ErrUnreachable), Hint: "see the server's log; or " + protocolHint}
	case err != nil:
		return Hinted{Err: fmt.Errorf("%w: %w", ErrUnreachable, err), Hint: silentHint}
	case answer[0] == 'S':
		return nil
	case answer[0] == 'N':
		return Hinted{Err: errors.New("the server does not offer TLS"), Hint: "turn it on: ssl = on, ssl_cert_file and ssl_key_file in postgresql.conf, then reload"}
	case answer[0] == 'E': // a server that has no room for another connection
		return Hinted{Err: fmt.Errorf("%w: the server answers with an error", ErrUnreachable), Hint: "see the server's log"}
	}
	return Hinted{Err: fmt.Errorf("answers %q to PostgreSQL's SSLRequest, which no PostgreSQL does", answer), Hint: protocolHint}
}
