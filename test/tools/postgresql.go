package tools

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A PostgreSQL is a running server. Any user may connect to any database without a password, over
// TLS only: user postgres, database postgres.
type PostgreSQL struct {
	// Address is host:port; the host is 127.0.0.1.
	Address string
	// Hosts is the JVM option by which localhost and the extra hosts, and no other names, are 127.0.0.1.
	// For psql say host=NAME hostaddr=127.0.0.1.
	Hosts string

	owner   *owner
	process *process
}

// Port returns the port of Address.
func (p *PostgreSQL) Port() string {
	_, port, _ := net.SplitHostPort(p.Address) // we made the address
	return port
}

// StartPostgreSQL runs a PostgreSQL server that serves the certificate chain with the key, both PEM. The
// extra hosts are names by which a JVM reaches it with the option Hosts.
func StartPostgreSQL(t testing.TB, certPEM, keyPEM []byte, extraHosts ...string) *PostgreSQL {
	t.Helper()
	bin := PostgreSQLBin(t)
	who := newOwner(t)
	data := filepath.Join(who.dir, "data")
	initdb := who.command(t.Context(), filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres",
		"--auth=trust", "--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	// Without a line for plain connections they are refused.
	who.write(t, filepath.Join(data, "pg_hba.conf"), []byte("hostssl all all 127.0.0.1/32 trust\n"))
	who.write(t, tlsSwitch(data), []byte("ssl = on\n"))
	who.write(t, who.certFile(), certPEM)
	who.write(t, who.keyFile(), keyPEM)

	p := &PostgreSQL{owner: who, Hosts: Hosts(t, extraHosts...)}
	p.process, p.Address = onFreePort(t, func(address string) (*process, func() bool) {
		_, port, _ := net.SplitHostPort(address)
		cmd := who.command(context.Background(), filepath.Join(bin, "postgres"), "-D", data,
			"-c", "listen_addresses=127.0.0.1", "-c", "port="+port, "-c", "unix_socket_directories=",
			"-c", "ssl_cert_file="+who.certFile(), "-c", "ssl_key_file="+who.keyFile(),
			"-c", "fsync=off", "-c", "logging_collector=off", "-c", "log_destination=stderr")
		server := startProcess(t, cmd, syscall.SIGINT) // a fast shutdown
		return server, func() bool { return strings.Contains(server.log.String(), "ready to accept connections") }
	})
	return p
}

// Reload puts other files in place, has the server read them and waits until it serves the new chain.
// PostgreSQL keeps what it had if the new pair is bad: then Reload returns what the server said.
func (p *PostgreSQL) Reload(t testing.TB, certPEM, keyPEM []byte) error {
	t.Helper()
	p.owner.write(t, p.owner.certFile(), certPEM)
	p.owner.write(t, p.owner.keyFile(), keyPEM)
	before := len(p.process.log.String())
	if err := p.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	var refusal error
	err := p.process.await(func() bool {
		// In this order: a connection made after this line of the log is answered after the reload.
		if !strings.Contains(p.process.log.String()[before:], "received SIGHUP") {
			return false
		}
		served, err := servedChain(p.Address)
		log := p.process.log.String()[before:]
		if strings.Contains(log, "SSL configuration was not reloaded") {
			refusal = fmt.Errorf("the server keeps its old certificate: %s", log)
			return true
		}
		return err == nil && bytes.Equal(served, chainOf(certPEM))
	})
	return errors.Join(err, refusal)
}

// tlsSwitch is the file that is read after postgresql.conf, by which ALTER SYSTEM works too.
func tlsSwitch(data string) string { return filepath.Join(data, "postgresql.auto.conf") }

// TurnTLSOff has the server speak no TLS any more, and waits until it does not.
func (p *PostgreSQL) TurnTLSOff(t testing.TB) {
	t.Helper()
	p.owner.write(t, tlsSwitch(filepath.Join(p.owner.dir, "data")), []byte("ssl = off\n"))
	if err := p.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := p.process.await(func() bool {
		_, err := servedChain(p.Address)
		return err != nil && strings.Contains(err.Error(), "refuses TLS")
	}); err != nil {
		t.Fatal(err)
	}
}

// servedChain returns the DER of the chain that a PostgreSQL server sends, one certificate after the other.
func servedChain(address string) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	// SSLRequest: its length and a code (PostgreSQL documentation, Message Formats).
	request := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), 80877103)
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	if answer[0] != 'S' {
		return nil, fmt.Errorf("the server refuses TLS: %q", answer)
	}
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // to see what is there, not to trust it
	if err := client.Handshake(); err != nil {
		return nil, err
	}
	var chain []byte
	for _, cert := range client.ConnectionState().PeerCertificates {
		chain = append(chain, cert.Raw...)
	}
	return chain, nil
}

// chainOf returns the DER of the certificates in a PEM, one after the other.
func chainOf(certPEM []byte) []byte {
	var chain []byte
	for block, rest := pem.Decode(certPEM); block != nil; block, rest = pem.Decode(rest) {
		chain = append(chain, block.Bytes...)
	}
	return chain
}

// An owner is the user who runs PostgreSQL, and that user's folder. PostgreSQL refuses to run as root,
// and to read a key that others may read.
type owner struct {
	dir      string
	uid, gid int
	other    bool // not who runs the tests
}

// newOwner makes the folder. It is not in t.TempDir, which only who runs the tests can enter.
func newOwner(t testing.TB) *owner {
	t.Helper()
	dir, err := os.MkdirTemp("", "flowcert-postgresql-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the database: %v", err)
		}
	})
	who := &owner{dir: dir}
	if os.Geteuid() != 0 {
		return who
	}
	who.other = true
	if who.uid, who.gid, err = lookupUser("postgres"); err != nil {
		t.Fatalf("PostgreSQL does not run as root: %v: %s", err, remedy)
	}
	who.own(t, dir)
	return who
}

func (o *owner) certFile() string { return filepath.Join(o.dir, "server.crt") }
func (o *owner) keyFile() string  { return filepath.Join(o.dir, "server.key") }

// command returns a command that runs as the owner, in the owner's folder, with messages in English.
func (o *owner) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = o.dir
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "HOME=" + o.dir}
	if o.other {
		runAs(cmd, o.uid, o.gid)
	}
	return cmd
}

// write writes a file of the owner's that nobody else may read.
func (o *owner) write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	o.own(t, path)
}

func (o *owner) own(t testing.TB, path string) {
	t.Helper()
	if !o.other {
		return
	}
	if err := os.Chown(path, o.uid, o.gid); err != nil {
		t.Fatal(err)
	}
}
