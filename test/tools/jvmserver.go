package tools

import (
	"context"
	"os"
	"regexp"
	"slices"
	"testing"
)

var listening = regexp.MustCompile(`(?m)^LISTENING (\d+)$`)

// StartJVMServer runs a JVM's HTTPS server with a key store, by -Djavax.net.ssl.keyStore and
// keyStorePassword; the type is left to the JVM. For mutual TLS pass ClientAuth and TrustStore(…)
// among the options. It returns its address, host:port, and fails the test if the JVM cannot open the
// stores.
func StartJVMServer(t testing.TB, jdk JDK, keyStore, password string, jvmOpts ...string) string {
	t.Helper()
	options := slices.Concat(KeyStore(keyStore, password), jvmOpts)
	cmd := javaCommand(context.Background(), t, jdk, options, "TlsServer")
	// The server ends when its standard input does: with this process, whatever becomes of it.
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	server := startProcess(t, cmd, os.Kill)
	var port string
	err := server.await(func() bool {
		match := listening.FindStringSubmatch(server.log.String())
		if match != nil {
			port = match[1]
		}
		return match != nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port
}
