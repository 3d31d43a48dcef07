package tools

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
)

const gcm = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"

func TestHandshake(t *testing.T) {
	root, stranger := makeCert(t, "root", nil, ""), makeCert(t, "stranger", nil, "")
	leaf := makeCert(t, "server", &root, "DNS:server.test")
	address := StartTLSServer(t, read(t, leaf.cert), read(t, leaf.key))
	strict := StartTLSServer(t, read(t, leaf.cert), read(t, leaf.key), requireClientCert)
	named := address + ",server.test"
	for _, jdk := range JDKs(t) {
		trusted := TrustStore(trustStore(t, jdk, root), password)
		for _, test := range []struct {
			name   string
			opts   []string
			target string
			want   string // a line of output: its start, and one part of it
			part   string
		}{
			{"trusted", trusted, named, "OK " + named + " TLSv1.3 ", " CN=server"},
			{"fixed", append([]string{Protocols("TLSv1.2"), Ciphers(gcm)}, trusted...), named,
				"OK " + named + " TLSv1.2 " + gcm, "CN=server"},
			{"other root", TrustStore(trustStore(t, jdk, stranger), password), named,
				"FAIL " + named + " javax.net.ssl.SSLHandshakeException: ", "PKIX path"},
			{"other name", trusted, address, "FAIL " + address + " javax.net.ssl.SSLHandshakeException: ", "subject alternative"},
			{"any name", append([]string{NoHostCheck}, trusted...), address, "OK " + address + " ", "CN=server"},
			// Flink's default before FLINK-39022.
			{"dead suite", append([]string{Protocols("TLSv1.2"), Ciphers("TLS_RSA_WITH_AES_128_CBC_SHA")}, trusted...),
				named, "FAIL " + named, "No appropriate protocol"},
			{"wrong password", TrustStore(trustStore(t, jdk, root), "wrong-password"), named, "FAIL " + named, "problem accessing trust store"},
			{"no client certificate", trusted, strict + ",server.test", "FAIL " + strict, ""},
		} {
			t.Run(jdk.Version+"/"+test.name, func(t *testing.T) {
				out, err := RunJava(t, jdk, test.opts, "Handshake", test.target)
				if !strings.HasPrefix(out, test.want) || !strings.Contains(out, test.part) || strings.Count(out, "\n") != 1 {
					t.Errorf("got %q (%v), want %q… with %q", out, err, test.want, test.part)
				}
				if (err == nil) != strings.HasPrefix(test.want, "OK") {
					t.Errorf("err = %v for %q", err, out)
				}
			})
		}
	}
}

func TestHandshakeSeveralTargets(t *testing.T) {
	root := makeCert(t, "root", nil, "")
	leaf := makeCert(t, "server", &root, "DNS:server.test")
	address := StartTLSServer(t, read(t, leaf.cert), read(t, leaf.key))
	jdk := JDKs(t)[0]
	out, err := RunJava(t, jdk, TrustStore(trustStore(t, jdk, root), password), "Handshake",
		address+",other.test", address+",server.test", freeAddress(t))
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if err == nil || len(lines) != 3 || !strings.HasPrefix(lines[0], "FAIL ") ||
		!strings.HasPrefix(lines[1], "OK ") || !strings.Contains(lines[2], "ConnectException") {
		t.Errorf("got %q, %v", lines, err)
	}
}

// TestJavaToolOptions: the options that Event Processing gets are read by a JVM, a developer's are not.
func TestJavaToolOptions(t *testing.T) {
	root := makeCert(t, "root", nil, "")
	leaf := makeCert(t, "server", &root, "DNS:localhost")
	target := strings.Replace(StartTLSServer(t, read(t, leaf.cert), read(t, leaf.key)), "127.0.0.1", "localhost", 1)
	for _, jdk := range JDKs(t) {
		wiring := "JAVA_TOOL_OPTIONS=" + strings.Join(TrustStore(trustStore(t, jdk, root), password), " ")
		if out, err := RunJavaEnv(t, jdk, []string{wiring}, nil, "Handshake", target); err != nil {
			t.Errorf("JDK %s: %q, %v", jdk.Version, out, err)
		}
		name, value, _ := strings.Cut(wiring, "=")
		t.Setenv(name, value)
		if out, err := RunJava(t, jdk, nil, "Handshake", target); err == nil {
			t.Errorf("JDK %s read the developer's JAVA_TOOL_OPTIONS: %q", jdk.Version, out)
		}
	}
}

func TestJVMServer(t *testing.T) {
	root, stranger := makeCert(t, "root", nil, ""), makeCert(t, "stranger", nil, "")
	server, client := makeCert(t, "server", &root, "DNS:server.test"), makeCert(t, "client", &root, "DNS:client.test")
	alien := makeCert(t, "alien", &stranger, "DNS:client.test")
	store := func(leaf pair) string { return keyStore(t, leaf, read(t, leaf.cert)) }
	for _, jdk := range JDKs(t) {
		trust := TrustStore(trustStore(t, jdk, root), password)
		mutual := append([]string{ClientAuth}, trust...)
		for _, test := range []struct {
			name           string
			server, client []string
			ok             bool
		}{
			{"plain", nil, trust, true},
			{"mutual", mutual, append(KeyStore(store(client), password), trust...), true},
			{"mutual without client certificate", mutual, trust, false},
			{"mutual with another root's", mutual, append(KeyStore(store(alien), password), trust...), false},
			{"server's cipher suites", []string{Protocols("TLSv1.2"), Ciphers(gcm)}, trust, true},
			{"no common protocol", []string{Protocols("TLSv1.2")}, append([]string{Protocols("TLSv1.3")}, trust...), false},
		} {
			t.Run(jdk.Version+"/"+test.name, func(t *testing.T) {
				address := StartJVMServer(t, jdk, store(server), password, test.server...)
				out, err := RunJava(t, jdk, test.client, "Handshake", address+",server.test")
				if (err == nil) != test.ok {
					t.Errorf("%q, %v", out, err)
				}
				if slices.Contains(test.server, Ciphers(gcm)) && !strings.Contains(out, "TLSv1.2 "+gcm) {
					t.Errorf("got %q, want %s", out, gcm)
				}
			})
		}
	}
}

func TestJVMServerThatCannotOpenItsStore(t *testing.T) {
	leaf := makeCert(t, "server", nil, "DNS:server.test")
	out, err := RunJava(t, JDKs(t)[0], KeyStore(keyStore(t, leaf, read(t, leaf.cert)), "wrong-password"), "TlsServer")
	if err == nil || !strings.HasPrefix(out, "FAIL ") || !strings.Contains(out, "password") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestTLSServerServesTheChain(t *testing.T) {
	root := makeCert(t, "root", nil, "")
	leaf := makeCert(t, "server", &root, "DNS:server.test")
	address := StartTLSServer(t, chain(t, leaf, root), read(t, leaf.key))
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n := len(conn.ConnectionState().PeerCertificates); n != 2 {
		t.Errorf("%d certificates, want 2", n)
	}
}
