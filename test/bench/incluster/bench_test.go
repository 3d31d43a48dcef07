// Package incluster measures flowcert against a real API server: `make bench`, or
//
//	go test -run '^$' -bench . -benchtime 1x ./test/bench/incluster -args -ca RSA:4096
//
// What the API server and the processors can do at all is measured in the same run. Nothing here decides whether a
// change is right: figures depend on the machine and on what else it does.
package incluster

import (
	"bytes"
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/flowcert/flowcert/test/tools"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/test/cluster"
)

var (
	caKey = flag.String("ca", "RSA:4096", "key of the CA: RSA:4096, EC:256, …")
	count = flag.Int("certificates", 500, "how many certificates")
	idle  = flag.Duration("idle", time.Minute, "how long the idle daemon is looked at")
)

// Figures of cert-manager 1.21 on two such cores with the same API server, per certificate with JKS and PKCS12 stores and an
// RSA 4096 CA, N = 500, as they were handed down: they were not measured here.
const (
	theirRSA   = 10.0 // certificates a second, RSA 2048, at best
	theirECDSA = 17.0 // P-256, at best
)

// The targets.
const (
	maxWrites    = 1.1             // API writes a certificate
	minOfCrypto  = 0.80            // of what the processors can make, with RSA 2048
	maxMemory    = 64 << 20        // resident
	maxReady     = 3 * time.Second // from the start of the daemon until it is ready
	maxRequests  = 10.0            // a minute, watches and the lease left aside
	maxMillicore = 1.0             // of an idle daemon
	cpuUnderRSA  = 10 * time.Millisecond
	cpuUnderEC   = 3 * time.Millisecond
	timesTheirs  = 10.0
)

var report bytes.Buffer

// program is the binary under test.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	code := tools.WithFlowcert(func(built string) int {
		program = built
		return cluster.Run(m)
	})
	if report.Len() > 0 {
		fmt.Printf("\n%s, %d processors, CA %s, %d certificates with JKS and PKCS12 stores\n%s", runtime.Version(), runtime.NumCPU(), *caKey, *count, report.String())
	}
	os.Exit(code)
}

var secretsGVR = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// bench is one control plane and one flowcert.
type bench struct {
	*cluster.Cluster
	b     *testing.B
	table *tabwriter.Writer
}

func (m bench) row(name string, value, target string, met bool) {
	verdict := ""
	if target != "" {
		if verdict = "met"; !met {
			verdict = "MISSED"
		}
	}
	fmt.Fprintln(m.table, strings.Join([]string{name, value, target, verdict}, "\t"))
}

func BenchmarkCluster(b *testing.B) {
	m := bench{Cluster: cluster.Start(b), b: b, table: tabwriter.NewWriter(&report, 0, 0, 2, ' ', 0)}
	for b.Loop() {
		info, err := os.Stat(program)
		if err != nil {
			b.Fatal(err)
		}
		m.row("binary, stripped", fmt.Sprintf("%d bytes", info.Size()), "at most 30000000", info.Size() <= 30_000_000)
		m.row("API server: creates of plain Secrets, 16 at a time", fmt.Sprintf("%.0f/s", m.ceiling()), "", true)
		m.measure("RSA 2048", pki.KeySpec{Algorithm: pki.RSA, Size: 2048}, theirRSA, 0)
		m.measure("ECDSA P-256", pki.KeySpec{Algorithm: pki.ECDSA, Size: 256}, theirECDSA, timesTheirs)
	}
	m.table.Flush()
}

// ceiling is how many Secrets a second the API server creates, of the size of those that flowcert makes.
func (m bench) ceiling() float64 {
	ns := m.Namespace(m.b)
	const each, workers = 64, 16
	value := strings.Repeat("A", 12<<10)
	var all sync.WaitGroup
	start := time.Now()
	for w := range workers {
		all.Go(func() {
			for i := range each {
				u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "data": map[string]any{"value": value}}}
				u.SetName(fmt.Sprintf("plain-%d-%d", w, i))
				if _, err := m.Dynamic.Resource(secretsGVR).Namespace(ns).Create(m.b.Context(), u, metav1.CreateOptions{}); err != nil {
					m.b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return workers * each / time.Since(start).Seconds()
}

func caSpec(b *testing.B) pki.KeySpec {
	name, size, ok := strings.Cut(*caKey, ":")
	n, err := strconv.Atoi(size)
	if !ok || err != nil {
		b.Fatalf("-ca %s is no key: give RSA:4096 or EC:256", *caKey)
	}
	if name == "EC" {
		return pki.KeySpec{Algorithm: pki.ECDSA, Size: n}
	}
	return pki.KeySpec{Algorithm: pki.RSA, Size: n}
}

// crypto is how many keys and certificates a second all processors make, and nothing else.
func (m bench) crypto(spec pki.KeySpec) float64 {
	key, err := pki.GenerateKey(caSpec(m.b))
	if err != nil {
		m.b.Fatal(err)
	}
	now := time.Now()
	root, err := pki.NewRoot(pki.RootRequest{Subject: pki.Subject{CommonName: "root"}, Key: key, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0)})
	if err != nil {
		m.b.Fatal(err)
	}
	var made atomic.Int64
	var all sync.WaitGroup
	end := time.Now().Add(5 * time.Second)
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for time.Now().Before(end) {
				leaf, err := pki.GenerateKey(spec)
				if err == nil {
					template := &x509.Certificate{SerialNumber: root.SerialNumber, NotAfter: root.NotAfter}
					_, err = x509.CreateCertificate(nil, template, root, leaf.Public(), key)
				}
				if err != nil {
					m.b.Error(err)
					return
				}
				made.Add(1)
			}
		})
	}
	all.Wait()
	return float64(made.Load()) / time.Since(start).Seconds()
}

// configuration asks for n certificates with stores. All their names lie in the namespace, so that the intermediate of the
// first certificate signs the others too: names of one label stand in an intermediate one by one, and 500 of them took
// four intermediates, whose RSA 4096 keys were a quarter of the processor time.
func configuration(ns string, n int, ca, leaf pki.KeySpec) string {
	var out strings.Builder
	fmt.Fprintf(&out, "apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: %s\n", ns)
	fmt.Fprintf(&out, "authority: {selfSigned: {key: {algorithm: %s, size: %d}}}\n", ca.Algorithm, ca.Size)
	fmt.Fprintf(&out, "defaults: {key: {algorithm: %s, size: %d}}\ncertificates:\n", leaf.Algorithm, leaf.Size)
	for i := range n {
		fmt.Fprintf(&out, "- {secretName: server-%d, dnsNames: [server-%d.%s, server-%d.%s.svc], stores: [JKS, PKCS12]}\n", i, i, ns, i, ns)
	}
	return out.String()
}

// used is what a process took.
type used struct {
	wall, cpu time.Duration
	memory    int64
}

// run runs flowcert to its end.
func (m bench) run(dir string, args ...string) used {
	cmd := m.command(dir, args...)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	start := time.Now()
	if err := cmd.Start(); err != nil {
		m.b.Fatal(err)
	}
	done := make(chan struct{})
	peak := make(chan int64)
	go func() {
		most := int64(0)
		for {
			select {
			case <-done:
				peak <- most
				return
			case <-time.After(50 * time.Millisecond):
				most = max(most, resident(cmd.Process.Pid))
			}
		}
	}()
	err := cmd.Wait()
	wall := time.Since(start)
	close(done)
	most := <-peak
	if err != nil {
		m.b.Fatalf("flowcert %v: %v\n%s", args, err, messages.String())
	}
	return used{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), most}
}

func (m bench) command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(dir, "kubeconfig"))
	cmd.Stdout = io.Discard
	return cmd
}

// resident is the peak of a process's resident memory (proc_pid_status(5), VmHWM).
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kilobytes int64
	_, _ = fmt.Sscan(rest, &kilobytes)
	return kilobytes << 10
}

// writes counts what flowcert changed in a namespace since a request, Events and the lease left aside.
func (m bench) writes(ns string, since int) (writes, all int) {
	for _, r := range m.Requests(m.b)[since:] {
		if r.Namespace != ns || !strings.HasPrefix(r.UserAgent, "flowcert/") || r.Resource == "leases" {
			continue
		}
		switch r.Verb {
		case "watch":
		case "get", "list":
			all++
		default:
			all++
			if r.Resource != "events" {
				writes++
			}
		}
	}
	return writes, all
}

func (m bench) measure(name string, spec pki.KeySpec, theirs, times float64) {
	ns, dir := m.Namespace(m.b), m.b.TempDir()
	config, err := os.ReadFile(m.KubeConfig(m.b))
	if err != nil {
		m.b.Fatal(err)
	}
	put(m.b, dir, "kubeconfig", string(config))
	put(m.b, dir, "flowcert.yaml", configuration(ns, 1, caSpec(m.b), spec))
	m.run(dir, "apply") // the CA, whose keys are made once
	put(m.b, dir, "flowcert.yaml", configuration(ns, 1+*count, caSpec(m.b), spec))
	n := float64(*count)
	m.row("", "", "", true)
	limit := m.crypto(spec)
	m.row(name+": keys and signatures, and nothing else", fmt.Sprintf("%.1f/s", limit), "", true)

	before := len(m.Requests(m.b))
	first := m.run(dir, "apply")
	writes, _ := m.writes(ns, before)
	rate := n / first.wall.Seconds()
	if times == 0 { // keys are most of the work
		m.row(name+": apply, under a CA that is there", fmt.Sprintf("%.1f/s, %.2f of that limit", rate, rate/limit), fmt.Sprintf("at least %.2f", minOfCrypto), rate/limit >= minOfCrypto)
	} else {
		m.row(name+": apply, under a CA that is there", fmt.Sprintf("%.1f/s", rate), "", true)
		m.row(name+": beside cert-manager's best", fmt.Sprintf("%.1f times", rate/theirs), fmt.Sprintf("at least %.0f", times), rate/theirs >= times)
		bound := cpuUnderEC
		if caSpec(m.b).Algorithm == pki.RSA {
			bound = cpuUnderRSA
		}
		each := time.Duration(float64(first.cpu) / n)
		m.row(name+": CPU a certificate", each.Round(10*time.Microsecond).String(), "under "+bound.String(), each < bound)
	}
	m.row(name+": API writes a certificate", fmt.Sprintf("%.2f", float64(writes)/n), fmt.Sprintf("at most %.1f", maxWrites), float64(writes)/n <= maxWrites)
	m.row(name+": memory", mb(first.memory), "under 64 MB", first.memory < maxMemory)

	before = len(m.Requests(m.b))
	again := m.run(dir, "apply")
	writes, _ = m.writes(ns, before)
	m.row(name+": apply again", fmt.Sprintf("%s, %d writes", again.wall.Round(time.Millisecond), writes), "0 writes", writes == 0)
	m.daemon(name, ns, dir)

	m.run(dir, "renew", "--ca")
	before = len(m.Requests(m.b))
	all := m.run(dir, "apply")
	writes, _ = m.writes(ns, before)
	m.row(name+": another root, and all certificates under it", fmt.Sprintf("%s, %.2f writes each, %s", all.wall.Round(time.Millisecond), float64(writes)/n, mb(all.memory)), "", true)
}

// daemon measures a daemon that finds everything in place.
func (m bench) daemon(name, ns, dir string) {
	listen := free(m.b)
	before := len(m.Requests(m.b))
	cmd := m.command(dir, "run", "--listen", listen)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		m.b.Fatal(err)
	}
	defer func() { // as Kubernetes ends it: the lease is given up
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			m.b.Errorf("the daemon ended with %v", err)
		}
	}()
	for ready(listen) != nil {
		if time.Since(start) > time.Minute {
			m.b.Fatal("the daemon is not ready within a minute")
		}
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(start)
	time.Sleep(5 * time.Second) // what its first look leads to
	writes, _ := m.writes(ns, before)
	m.row(name+": daemon ready after", fmt.Sprintf("%s, %d writes", took.Round(time.Millisecond), writes), "under 3s, 0 writes", took < maxReady && writes == 0)
	before = len(m.Requests(m.b))
	cpu := cpuOf(cmd.Process.Pid)
	time.Sleep(*idle)
	spent := cpuOf(cmd.Process.Pid) - cpu
	_, requests := m.writes(ns, before)
	perMinute := float64(requests) / idle.Minutes()
	m.row(name+": idle daemon", fmt.Sprintf("%.1f requests a minute", perMinute), "under 10", perMinute < maxRequests)
	millicores := 1000 * spent.Seconds() / idle.Seconds()
	m.row(name+": idle daemon", fmt.Sprintf("%.2f millicores", millicores), "under 1", millicores < maxMillicore)
	m.row(name+": daemon's memory", mb(resident(cmd.Process.Pid)), "under 64 MB", resident(cmd.Process.Pid) < maxMemory)
}

func free(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func ready(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

// cpuOf is the processor time that a process has used (proc_pid_schedstat, in nanoseconds, all threads).
func cpuOf(pid int) time.Duration {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var all time.Duration
	for _, t := range threads {
		var ns int64
		if text, err := os.ReadFile(t); err == nil {
			_, _ = fmt.Sscan(string(text), &ns)
		}
		all += time.Duration(ns)
	}
	return all
}

func put(b *testing.B, dir, name, text string) {
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

func mb(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/(1<<20)) }
