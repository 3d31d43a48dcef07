// Package operator runs the Apache Flink Kubernetes operator for tests: its code from Maven Central, as `make e2e` fetched
// it, in a JVM of its own, on a real API server.
//
//	o, err := operator.Start(t, operator.Options{…})
//	defer o.Stop()
//
// That is version 1.7.0 with Flink 1.17.1 in it, the newest that could be had from there: 1.8.0 to 1.15.0
// were not found (November 2026), and neither was any version of its webhook. Version 1.7.0 takes Flink up to 1.19, writes
// flinkConfiguration as a mapping of texts, and reads the truststore for Flink's REST endpoint where the resource says that it is.
// A later one, with its webhook, can be built from its source (fromsource.sh); the environment variable FLOWCERT_OPERATOR names its
// folder. Tests ask [Since] what it can do.
//
// The JVM finds Secrets under /opt/flink/tls-cert as the operator's container does: it has a mount namespace of
// its own, in which /opt is empty but for them. Who is not root needs a kernel that lets users make such namespaces.
//
// [Call] runs a program of the folder java on the operator's code, without a cluster.
package operator

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowcert/flowcert/test/tools"
)

// MountPath is where the operator's Helm chart mounts flink-operator-cert.
const MountPath = "/opt/flink/tls-cert"

// patience is how long the JVM may take to stop. It only decides when a test that hangs is given up.
const patience = 30 * time.Second

// Options say how the operator runs.
type Options struct {
	KubeConfig string            // path, with a token: the client wants BouncyCastle for an EC key
	Namespace  string            // the operator's own
	Config     map[string]string // what its chart calls defaultConfiguration
	Password   string            // of flink-operator-cert's stores, which versions since OwnStores open by themselves
}

// An Operator is a running one.
type Operator struct {
	process
	mutex sync.Mutex
	hosts map[string]string
}

// Start starts the operator. It watches every namespace.
func Start(t testing.TB, options Options) (*Operator, error) {
	t.Helper()
	o := &Operator{hosts: map[string]string{"localhost": "127.0.0.1"}}
	if err := o.prepare("stores", options.Config); err != nil {
		return nil, err
	}
	if err := o.writeHosts(); err != nil {
		return nil, err
	}
	jvm := tools.JavaCommand(context.Background(), tools.JDKs(t)[0], classPath(t),
		[]string{"-Xmx512m", "-XX:ActiveProcessorCount=2", "-Djdk.net.hosts.file=" + o.hostsFile(),
			"-Dsun.net.inetaddr.ttl=0", "-Dsun.net.inetaddr.negative.ttl=0",
			o.logging()},
		"org.apache.flink.kubernetes.operator.FlinkOperator")
	o.cmd = inMountNamespace(t, jvm, o.Stores())
	o.cmd.Env = append(o.cmd.Env, "KUBECONFIG="+options.KubeConfig, "OPERATOR_NAMESPACE="+options.Namespace,
		"OPERATOR_NAME=flink-kubernetes-operator",
		"OPERATOR_KEYSTORE_PATH="+MountPath+"/keystore.jks", "OPERATOR_TRUSTSTORE_PATH="+MountPath+"/truststore.jks",
		"OPERATOR_KEYSTORE_PASSWORD="+options.Password)
	if err := o.start(); err != nil {
		return nil, err
	}
	return o, nil
}

// inMountNamespace has a command find the folder at MountPath, and nothing else under /opt.
func inMountNamespace(t testing.TB, cmd *exec.Cmd, stores string) *exec.Cmd {
	t.Helper()
	const script = `mount -t tmpfs none /opt && mkdir -p "$0" && mount --bind "$1" "$0" && shift && exec "$@"`
	args := []string{tools.Require(t, "unshare"), "--mount"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	args = append(args, "sh", "-c", script, MountPath, stores)
	cmd.Path, cmd.Args = args[0], append(args, cmd.Args...)
	return cmd
}

// Stores is the folder that the operator sees at MountPath.
func (o *Operator) Stores() string { return filepath.Join(o.dir, "stores") }

func (o *Operator) hostsFile() string { return filepath.Join(o.dir, "hosts") }

// SetHost has the operator find a name at an address; it knows no other names.
func (o *Operator) SetHost(name, address string) error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.hosts[name] = address
	return o.writeHosts()
}

// writeHosts puts the names where the JVM looks, at once: it reads the file whenever it looks a name up.
func (o *Operator) writeHosts() error {
	var lines strings.Builder
	for name, address := range o.hosts {
		fmt.Fprintln(&lines, address, name)
	}
	next := o.hostsFile() + ".next"
	if err := os.WriteFile(next, []byte(lines.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(next, o.hostsFile())
}

// Mount puts files into Stores, and removes what else is there, as the kubelet does with a Secret's volume.
func (o *Operator) Mount(data map[string][]byte) error {
	old, err := os.ReadDir(o.Stores())
	if err != nil {
		return err
	}
	for name, content := range data {
		next := filepath.Join(o.dir, "next")
		if err := os.WriteFile(next, content, 0o600); err != nil {
			return err
		}
		if err := os.Rename(next, filepath.Join(o.Stores(), name)); err != nil {
			return err
		}
	}
	for _, entry := range old {
		if _, ok := data[entry.Name()]; !ok {
			if err := os.Remove(filepath.Join(o.Stores(), entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
