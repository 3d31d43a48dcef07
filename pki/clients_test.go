package pki

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The verdicts of VerifyChain against those of the real clients.

func TestVerifyChainAgainstOpenSSL(t *testing.T) {
	now := time.Now()
	all := newWorld(now).all()
	partial := Profile{Name: "OpenSSL with partial chains", OneCAPerSubject: true}
	deep := Nginx()
	deep.MaxIntermediates = 2
	for _, c := range []struct {
		profile Profile
		args    []string
	}{
		{OpenSSL(), nil},
		{Nginx(), []string{"-verify_depth", "1"}},
		{deep, []string{"-verify_depth", "2"}},
		{partial, []string{"-partial_chain"}},
	} {
		t.Run(c.profile.Name+strings.Join(c.args, ""), func(t *testing.T) {
			t.Parallel()
			report(t, "openssl verify "+strings.Join(c.args, " "), all, opensslVerdicts(t, all, c.args), c.profile, now)
		})
	}
}

// opensslVerdicts runs openssl verify over every case; what it refuses is in the
// result, with the reason.
func opensslVerdicts(t *testing.T, all []verdict, extra []string) map[string]string {
	t.Helper()
	openssl, dir := tool(t, "openssl"), t.TempDir()
	refused := make(map[string]string)
	for i, v := range all {
		leaf, rest, anchors := writeCase(t, dir, i, v)
		args := []string{"verify", "-no-CApath", "-no-CAstore", "-CAfile", anchors, "-purpose", "sslserver"}
		if v.client {
			args[len(args)-1] = "sslclient"
		}
		if len(v.chain) > 1 {
			args = append(args, "-untrusted", rest)
		}
		if v.host != "" {
			args = append(args, hostOption(v.host), v.host)
		}
		out, err := exec.Command(openssl, slices.Concat(args, extra, []string{leaf})...).CombinedOutput()
		if err == nil && !strings.Contains(string(out), ": OK") {
			t.Fatalf("%s: openssl says neither: %s", v.name, out)
		}
		if err != nil {
			if !strings.Contains(string(out), "error ") {
				t.Fatalf("%s: openssl %v: %v: %s", v.name, args, err, out)
			}
			refused[v.name] = opensslReason(string(out))
		}
	}
	return refused
}

func hostOption(host string) string {
	if net.ParseIP(host) != nil {
		return "-verify_ip"
	}
	return "-verify_hostname"
}

func opensslReason(out string) string {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "error ") {
			return strings.TrimSpace(line)
		}
	}
	return out
}

// writeCase writes leaf, rest of the chain and anchors.
func writeCase(t *testing.T, dir string, i int, v verdict) (leaf, rest, anchors string) {
	t.Helper()
	write := func(kind string, data []byte) string {
		name := filepath.Join(dir, fmt.Sprintf("%d-%s.pem", i, kind))
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return write("leaf", EncodeCertificates(v.chain[0])),
		write("rest", EncodeCertificates(v.chain[1:]...)),
		write("anchors", EncodeCertificates(v.anchors...))
}

func TestVerifyChainAgainstJVM(t *testing.T) {
	now := time.Now()
	all := newWorld(now).all()
	for _, java := range jvms(t) {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(java))), func(t *testing.T) {
			report(t, java, all, jvmVerdicts(t, java, all), JVM(), now)
		})
	}
}

// jvms are the java in PATH and every other one that is installed.
func jvms(t *testing.T) []string {
	t.Helper()
	found := []string{tool(t, "java")}
	more, err := filepath.Glob("/usr/lib/jvm/*/bin/java")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, j := range append(found, more...) {
		real, err := filepath.EvalSymlinks(j)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(out, real) {
			out = append(out, real)
		}
	}
	return out
}

// jvmVerdicts asks one JVM about all cases at once.
func jvmVerdicts(t *testing.T, java string, all []verdict) map[string]string {
	t.Helper()
	dir := t.TempDir()
	var list strings.Builder
	for i, v := range all {
		_, _, anchors := writeCase(t, dir, i, v)
		chain := filepath.Join(dir, fmt.Sprintf("%d-chain.pem", i))
		if err := os.WriteFile(chain, EncodeCertificates(v.chain...), 0o600); err != nil {
			t.Fatal(err)
		}
		side, host := "server", v.host
		if v.client {
			side = "client"
		}
		if host == "" {
			host = "-"
		}
		fmt.Fprintf(&list, "%s\t%s\t%s\t%s\t%s\t%s\n", v.name, side, authTypes(v), chain, anchors, host)
	}
	cases := filepath.Join(dir, "cases")
	if err := os.WriteFile(cases, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(java, "-XX:TieredStopAtLevel=1", "--add-exports", "java.base/sun.security.util=ALL-UNNAMED",
		filepath.Join("testdata", "Judge.java"), cases)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", java, err, stderr.String())
	}
	refused, seen := make(map[string]string), 0
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		seen++
		if f[1] == "reject" {
			refused[f[0]] = strings.Join(f[2:], " ")
		}
	}
	if seen != len(all) {
		t.Fatalf("%s judged %d of %d cases: %s", java, seen, len(all), stderr.String())
	}
	return refused
}

// authTypes are the key exchanges that a client may meet with the leaf's key.
func authTypes(v verdict) string {
	switch rsa := v.chain[0].PublicKeyAlgorithm.String() == "RSA"; {
	case v.client && rsa:
		return "RSA"
	case v.client:
		return "EC"
	case rsa:
		return "RSA,ECDHE_RSA,UNKNOWN"
	default:
		return "ECDHE_ECDSA,UNKNOWN"
	}
}
