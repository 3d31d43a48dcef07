package tools

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
)

// StartTLSServer runs a Go HTTPS server with the certificate chain and the key, both PEM, that answers every
// request with "hello". The options change its configuration, as to ask for client certificates. It
// returns its address, host:port.
func StartTLSServer(t testing.TB, certPEM, keyPEM []byte, options ...func(*tls.Config)) string {
	t.Helper()
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	for _, option := range options {
		option(config)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello\n") }),
		// Handshakes fail on purpose here: the client says why.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(tls.NewListener(listener, config)) }()
	return listener.Addr().String()
}
