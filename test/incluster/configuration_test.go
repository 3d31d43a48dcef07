package incluster_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mounted is a folder as the kubelet makes it of a ConfigMap: each content in a folder of its own, to which a link leads.
type mounted struct {
	t    *testing.T
	path string
	n    int
}

// put swaps the content, in one step. The configuration and a CA file are links to what the link leads to.
func (m *mounted) put(configuration, ca string) {
	m.t.Helper()
	m.n++
	folder := filepath.Join(m.path, "..content_"+strings.Repeat("x", m.n))
	m.do(os.Mkdir(folder, 0o755))
	m.do(os.WriteFile(filepath.Join(folder, "flowcert.yaml"), []byte(configuration), 0o644))
	m.do(os.WriteFile(filepath.Join(folder, "orders-ca.pem"), []byte(ca), 0o644))
	next := filepath.Join(m.path, "..data_tmp")
	m.do(os.Symlink(filepath.Base(folder), next))
	m.do(os.Rename(next, filepath.Join(m.path, "..data")))
	if m.n == 1 {
		for _, name := range []string{"flowcert.yaml", "orders-ca.pem"} {
			m.do(os.Symlink(filepath.Join("..data", name), filepath.Join(m.path, name)))
		}
		return
	}
	m.do(os.RemoveAll(filepath.Join(m.path, "..content_"+strings.Repeat("x", m.n-1))))
}

func (m *mounted) do(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func TestAConfigurationThatBreaks(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	m := &mounted{t: t, path: t.TempDir()}
	with := strings.Replace(string(s.expand(config)), "authority: true", "file: orders-ca.pem", 1)
	m.put(with, testCA(t, "first"))
	s.dir = m.path
	run := s.start(t)
	eventually(t, "it is ready", func() bool { code, _ := run.page(t, "/readyz"); return code == 200 })
	s.eventuallyPlanned(t)
	trust := func() string { return s.truststoreOf(t, flinkGVR, "session") }
	first := trust()

	m.put("nonsense: true\n"+with, testCA(t, "first"))
	eventually(t, "it is refused", func() bool {
		_, page := run.page(t, "/metrics")
		return strings.Contains(page, "\nflowcert_configuration_valid 0\n")
	})
	// The last good one stays in force.
	name := s.certificateName(t)
	s.deleteSecret(t, name)
	eventually(t, "the certificate is issued anew", func() bool { return s.certificateName(t) != name })
	if n := strings.Count(run.output(), "the new configuration is not used"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	s.settled(t, d)

	m.put(with, testCA(t, "second"))
	eventually(t, "the repaired one is in force, with the CA that came with it", func() bool {
		_, page := run.page(t, "/metrics")
		return strings.Contains(page, "\nflowcert_configuration_valid 1\n") && trust() != first
	})
	s.eventuallyPlanned(t)
	before := trust()
	// A CA file alone.
	m.put(with, testCA(t, "third"))
	eventually(t, "the new CA is trusted", func() bool { return trust() != before })
	s.eventuallyPlanned(t)
	run.terminate(t)
	s.endedWell(t, d, plain)
}
