//go:build e2e

package flink

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// A browser is a headless Chromium of a user who has imported CA certificates.
type browser struct{ home string }

// newBrowser imports each certificate as its user does (NSS: certutil -t C,,).
func newBrowser(t testing.TB, roots ...[]byte) browser {
	t.Helper()
	b := browser{home: t.TempDir()}
	nss := filepath.Join(b.home, ".pki", "nssdb")
	if err := os.MkdirAll(nss, 0o700); err != nil {
		t.Fatal(err)
	}
	certutil := func(args ...string) {
		out, err := exec.CommandContext(t.Context(), tools.RequireWith(t, "certutil", "run `test/e2etools.sh`"), append(args, "-d", "sql:"+nss)...).CombinedOutput()
		if err != nil {
			t.Fatalf("certutil %v: %v\n%s", args, err, out)
		}
	}
	certutil("-N", "--empty-password")
	for _, root := range roots {
		file := filepath.Join(b.home, "ca.pem")
		if err := os.WriteFile(file, root, 0o600); err != nil {
			t.Fatal(err)
		}
		certutil("-A", "-n", "ca", "-t", "C,,", "-i", file)
	}
	return b
}

var netError = regexp.MustCompile(`ERR_[A-Z_]+`)

// open returns what a page shows, or the browser's error, such as ERR_CERT_AUTHORITY_INVALID. Every host is 127.0.0.1.
func (b browser) open(t testing.TB, url string) (page, refusal string) {
	t.Helper()
	// Root has no sandbox, and a container little shared memory.
	cmd := exec.CommandContext(t.Context(), tools.RequireWith(t, "chromium", "run `test/e2etools.sh`"), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-background-networking", "--user-data-dir="+filepath.Join(b.home, "profile"),
		"--host-resolver-rules=MAP * 127.0.0.1", "--timeout=60000", "--dump-dom", url)
	cmd.Env = append(os.Environ(), "HOME="+b.home, "XDG_CONFIG_HOME="+b.home, "XDG_CACHE_HOME="+b.home)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, messages.String())
	}
	if len(bytes.TrimSpace(out)) == 0 {
		return "", netError.FindString(messages.String())
	}
	return string(out), ""
}
