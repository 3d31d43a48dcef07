package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// patience is how long a part of the control plane may take to start or to stop. It is long because
// it only decides when a test that hangs is given up.
const patience = 2 * time.Minute

// auditPolicy has every request logged once, when it is answered, and a watch when it begins too. No
// body is logged: no Secret's data are.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// launch starts etcd and the API server.
func (c *Cluster) launch(crds []string) error {
	policy := filepath.Join(c.dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	var err error
	if c.output, err = os.Create(filepath.Join(c.dir, "log")); err != nil {
		return err
	}
	server := &envtest.APIServer{CertDir: filepath.Join(c.dir, "certs"), Out: c.output, Err: c.output}
	etcd := &envtest.Etcd{DataDir: filepath.Join(c.dir, "data"), Out: c.output, Err: c.output}
	if server.Path, err = c.wrap("kube-apiserver"); err != nil {
		return err
	}
	if etcd.Path, err = c.wrap("etcd"); err != nil {
		return err
	}
	for _, dir := range []string{server.CertDir, etcd.DataDir} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	server.Configure().
		// Nobody dials it: without it a machine that has no default route cannot run the server.
		Set("advertise-address", "192.0.2.1").
		Set("audit-policy-file", policy).
		Set("audit-log-path", c.audit.path).
		// An answer waits until its request is logged, so that what a test counts is complete.
		Set("audit-log-mode", "blocking")
	c.env = &envtest.Environment{
		ControlPlane:             envtest.ControlPlane{APIServer: server, Etcd: etcd},
		CRDInstallOptions:        envtest.CRDInstallOptions{Paths: crds, ErrorIfPathMissing: true},
		ControlPlaneStartTimeout: patience,
		ControlPlaneStopTimeout:  patience,
	}
	c.Config, err = c.env.Start()
	return err
}

// wrap returns a program that runs the named one, after it has noted its process id, so that tests
// can kill and pause it, and asked the kernel to end it with the test binary: a test binary that is killed or times
// out runs no cleanup, and envtest does neither.
func (c *Cluster) wrap(name string) (string, error) {
	script := fmt.Sprintf(`#!/bin/sh
echo $$ >%s
program=%s
if command -v setpriv >/dev/null; then exec setpriv --pdeathsig KILL "$program" "$@"; fi
exec "$program" "$@"
`, quote(c.pidFile(name)), quote(filepath.Join(c.bin, name)))
	path := filepath.Join(c.dir, name)
	return path, os.WriteFile(path, []byte(script), 0o700)
}

func (c *Cluster) pidFile(name string) string { return filepath.Join(c.dir, name+".pid") }

// quote makes one word of a path for a shell.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// lastLog is the end of what the processes printed.
func (c *Cluster) lastLog() string {
	const enough = 8 << 10
	text, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-enough):])
}
