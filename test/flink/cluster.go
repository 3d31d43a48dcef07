package flink

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowcert/flowcert/test/tools"
)

// Ports of every pod, Flink's defaults where it has one.
const (
	RESTPort           = "8081" // of the JobManager
	RPCPort            = "6123" // of the JobManager
	BlobPort           = "6124" // of the JobManager
	DataPort           = "6121" // of a TaskManager
	TaskManagerRPCPort = "6122"
)

// patience is how long something may take. It is long because it only decides when a test that hangs is
// given up.
const patience = 4 * time.Minute

// A Cluster is a JobManager and its TaskManagers.
type Cluster struct {
	// Name and Namespace are the FlinkDeployment's; the names under which its pods are called come from them.
	Name, Namespace string
	// Address is the JobManager's.
	Address string
	// JobManager is its JVM.
	JobManager *tools.Background

	flink  Distribution
	volume string
	net    byte // its pods are 127.base.net.*
	base   byte
	pods   int
}

// A TaskManager is one of a cluster's.
type TaskManager struct {
	*tools.Background
	ID      string // as REST calls it
	Address string
}

// Start starts a JobManager. It does not wait until it is ready: that is what Client.Await is for.
func Start(t testing.TB, d Distribution, name, namespace string, p Pod) *Cluster {
	t.Helper()
	c := &Cluster{Name: name, Namespace: namespace, flink: d, volume: t.TempDir()}
	c.base, c.net = subnet(t)
	c.Address = c.nextAddress()
	c.JobManager = p.run(t, d, "jobmanager", "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
		c.hosts(c.Address, p), c.volume, c.decided(map[string]string{
			"jobmanager.bind-host": c.Address, "rest.bind-address": c.Address, "rest.bind-port": RESTPort,
			"jobmanager.rpc.port": RPCPort, "blob.server.port": BlobPort, "web.submit.enable": "true",
		}))
	return c
}

// AddTaskManager starts a TaskManager. It does not wait until it has registered.
func (c *Cluster) AddTaskManager(t testing.TB, p Pod) *TaskManager {
	t.Helper()
	address := c.nextAddress()
	tm := &TaskManager{ID: fmt.Sprintf("%s-taskmanager-1-%d", c.Name, c.pods-1), Address: address}
	conf := c.decided(map[string]string{
		"taskmanager.host": address, "taskmanager.bind-host": address, "taskmanager.rpc.port": TaskManagerRPCPort,
		"taskmanager.data.port": DataPort, "taskmanager.resource-id": tm.ID,
	})
	maps.Copy(conf, taskManagerMemory)
	tm.Background = p.run(t, c.flink, "taskmanager", "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
		c.hosts(address, p), c.volume, conf)
	return tm
}

// taskManagerMemory is what Flink's scripts work out of taskmanager.memory.process.size; without the scripts
// a TaskManager wants each of them.
var taskManagerMemory = map[string]string{
	"taskmanager.cpu.cores": "1", "taskmanager.memory.framework.heap.size": "128m", "taskmanager.memory.framework.off-heap.size": "128m",
	"taskmanager.memory.task.heap.size": "64m", "taskmanager.memory.task.off-heap.size": "0b",
	"taskmanager.memory.network.min": "64m", "taskmanager.memory.network.max": "64m", "taskmanager.memory.managed.size": "64m",
	"taskmanager.memory.jvm-metaspace.size": "256m", "taskmanager.memory.jvm-overhead.min": "128m", "taskmanager.memory.jvm-overhead.max": "128m",
}

// decided is what Flink's operator and Kubernetes decide, and what makes tests short.
func (c *Cluster) decided(more map[string]string) map[string]string {
	conf := map[string]string{
		"jobmanager.rpc.address": c.Name + "." + c.Namespace, "rest.address": c.Name + "-rest." + c.Namespace, "rest.port": RESTPort,
		"jobmanager.memory.process.size": "1g", "taskmanager.numberOfTaskSlots": "1",
		"io.tmp.dirs":                      "/opt/flink/tmp",
		"execution.checkpointing.interval": "500 ms", "execution.checkpointing.dir": "file:///opt/flink/volume/flink-cp",
		"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "1000", "restart-strategy.fixed-delay.delay": "1 s",
		"heartbeat.interval": "1 s", "heartbeat.timeout": "20 s",
	}
	maps.Copy(conf, more)
	return conf
}

// hosts is /etc/hosts of a pod: as in a pod, localhost is the pod.
func (c *Cluster) hosts(address string, p Pod) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s localhost\n%s", address, c.Address)
	for _, service := range []string{c.Name, c.Name + "-rest"} {
		fmt.Fprintf(&text, " %[1]s %[1]s.%[2]s %[1]s.%[2]s.svc %[1]s.%[2]s.svc.cluster.local", service, c.Namespace)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Hosts)) {
		fmt.Fprintf(&text, "\n%s %s", p.Hosts[name], name)
	}
	return text.String() + "\n"
}

func (c *Cluster) nextAddress() string {
	c.pods++
	return fmt.Sprintf("127.%d.%d.%d", c.base, c.net, c.pods)
}

var clusters atomic.Uint32

// subnet returns a 127.base.net.* in which nobody has a JobManager: other test binaries run at the same time.
func subnet(t testing.TB) (base, net byte) {
	t.Helper()
	base = byte(1 + os.Getpid()%250)
	var failures error
	for range 50 {
		net = byte(1 + clusters.Add(1)%250)
		err := free(fmt.Sprintf("127.%d.%d.1", base, net))
		if err == nil {
			return base, net
		}
		failures = errors.Join(failures, err)
	}
	t.Fatalf("no address of 127.%d.* is free: %v", base, failures)
	return 0, 0
}

func free(address string) error {
	for _, port := range []string{RESTPort, RPCPort} {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, port))
		if err != nil {
			return err
		}
		listener.Close()
	}
	return nil
}

// Await waits until something is as it should be; it fails the test if the JVM ends before, or after minutes.
// State says what is still missing, "" if nothing is.
func Await(t testing.TB, jvm *tools.Background, state func() string) {
	t.Helper()
	missing := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if missing = state(); missing == "" {
			return
		}
		select {
		case <-jvm.Ended():
			t.Fatalf("a JVM has ended while waiting: %s\n%s", missing, lastLines(jvm.Log()))
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("given up after %v: %s", patience, missing)
}

// lastLines are enough of a log to see why a JVM ended.
func lastLines(log string) string {
	lines := bytes.Split([]byte(log), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-60):], []byte("\n")))
}
