package bench

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/test/manual"
)

// The targets.
const (
	maxRest     = 50 * time.Millisecond // of the job, key generation left out
	minKeyShare = 0.90                  // of the job with RSA keys, by time
	minBusy     = 0.90                  // of the processors, while RSA keys are made
	maxGrowth   = 1.5                   // of the time per instance, from 20 instances to 200, of the time per namespace from 10 to 100
	maxMemory   = 64 << 20              // resident, with 200 instances
)

// runs is how often each thing is measured.
const runs = 5

const ecdsa = `defaults: {key: {algorithm: ECDSA, size: 256}}
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
`

var report bytes.Buffer

// TestMain prints the tables after all that go test has to say.
func TestMain(m *testing.M) {
	note := loadNote()
	code := m.Run()
	if report.Len() > 0 {
		fmt.Printf("\n%s, %d processors\n%s%s", runtime.Version(), runtime.NumCPU(), note, report.String())
	}
	os.Exit(code)
}

// loadNote warns of a machine that is at work already (proc_loadavg(5)).
func loadNote() string {
	var load float64
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	if _, err := fmt.Sscan(string(content), &load); err != nil || load < float64(runtime.NumCPU())/2 {
		return ""
	}
	return fmt.Sprintf("The machine was busy when this began (load %.1f): on an idle one times are shorter.\n", load)
}

// sample is one process.
type sample struct {
	wall, cpu time.Duration
	memory    int64 // resident at its peak, in bytes
}

// median is for what chance has a part in: the search for primes.
func median(all []sample) sample { return inOrder(all)[len(all)/2] }

// fastest is for all else: whatever the machine does besides only makes it slower.
func fastest(all []sample) sample { return inOrder(all)[0] }

func inOrder(all []sample) []sample {
	return slices.SortedFunc(slices.Values(all), func(a, b sample) int { return cmp.Compare(a.wall, b.wall) })
}

// apply runs flowcert apply on a directory.
func (p programs) apply(b *testing.B, program, dir string) sample {
	b.Helper()
	cmd := exec.Command(program, "apply", "--dir", dir)
	cmd.Env = append(os.Environ(), "FLOWCERT_BENCH_KEYS="+p.keys)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		b.Fatalf("flowcert apply: %v\n%s", err, messages.String())
	}
	return sample{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory(cmd.ProcessState)}
}

// memory is the peak of the resident memory. Linux counts in kilobytes (getrusage(2)), and never
// less than this process had when it started the other.
func memory(p *os.ProcessState) int64 {
	peak := p.SysUsage().(*syscall.Rusage).Maxrss
	if runtime.GOOS == "darwin" {
		return peak
	}
	return peak << 10
}

// measured are the runs of one job with one kind of keys.
type measured struct{ byHand, flowcert, ready, unsynced []sample }

// BenchmarkJob measures the whole job against the manual procedure: a directory as the example's, from
// nothing to Secrets. The procedure edits no resource and looks at nothing again.
func BenchmarkJob(b *testing.B) {
	p := build(b)
	for b.Loop() {
		rsa := p.measure(b, "", "CA_KEY=RSA:4096", "LEAF_KEY=RSA:3072", "FLINK_KEY=RSA:3072")
		ec := p.measure(b, ecdsa, "CA_KEY=EC:P-256", "LEAF_KEY=EC:P-256", "FLINK_KEY=RSA:3072")
		busy := p.apply(b, p.flowcert, instances(b, 20, false, "").fresh(b))
		p.reportJob(b, rsa, ec, busy)
	}
}

func (p programs) measure(b *testing.B, keys string, settings ...string) measured {
	b.Helper()
	var m measured
	site := job(b, keys)
	settings = append(settings, "FLINKS=session-cluster-prod orders-enrichment", "HOSTS=ep.apps.example.com", "CLUSTER_API=",
		"DATABASE_CA="+abs(b, filepath.Join(example, "orders-ca.pem")))
	for range runs {
		start := time.Now()
		manual.Run(b, emptyDir(b), settings...)
		m.byHand = append(m.byHand, sample{wall: time.Since(start)})
		m.flowcert = append(m.flowcert, p.apply(b, p.flowcert, site.fresh(b)))
		m.ready = append(m.ready, p.apply(b, p.ready, site.fresh(b)))
		m.unsynced = append(m.unsynced, p.apply(b, p.unsynced, site.fresh(b)))
	}
	return m
}

// signature is the time that one signature of a root or an intermediate takes.
func (p programs) signature(b *testing.B) time.Duration {
	b.Helper()
	key, err := pki.ParseKey([]byte(read(b, filepath.Join(p.keys, "4096-0.pem"))), nil)
	if err != nil {
		b.Fatal(err)
	}
	var all []sample
	for range 4 * runs {
		digest := sha256.Sum256(nil)
		start := time.Now()
		if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
		all = append(all, sample{wall: time.Since(start)})
	}
	return fastest(all).wall
}

func (p programs) reportJob(b *testing.B, rsa, ec measured, busy sample) {
	b.Helper()
	t := newTable("One Event Processing, two FlinkDeployments, one truststore", "RSA 4096, 3072", "ECDSA P-256 (Flink RSA 3072)")
	row := func(name string, f func(measured) string) { t.row(name, f(rsa), f(ec)) }
	row("openssl and keytool by hand, CA and 3 leaves", func(m measured) string { return ms(median(m.byHand).wall) })
	row("flowcert apply, root, intermediate and 3 leaves", func(m measured) string { return ms(median(m.flowcert).wall) })
	row("by hand / flowcert", func(m measured) string {
		return fmt.Sprintf("%.1f times", median(m.byHand).wall.Seconds()/median(m.flowcert).wall.Seconds())
	})
	row("flowcert, RSA keys handed to it", func(m measured) string { return ms(fastest(m.ready).wall) })
	row("  of that, waiting for the disk (fsync)", func(m measured) string { return ms(max(fastest(m.ready).wall-fastest(m.unsynced).wall, 0)) })
	row("  of that, processor time", func(m measured) string { return ms(fastest(m.ready).cpu) })
	t.row("  of that, five signatures with RSA 4096", ms(5*p.signature(b)), "none")
	t.end()

	rest := fastest(rsa.ready).wall
	share := 1 - rest.Seconds()/median(rsa.flowcert).wall.Seconds()
	cores := busy.cpu.Seconds() / busy.wall.Seconds()
	t = newTable("Targets", "measured", "target", "")
	t.target("everything except key generation, RSA", ms(rest), "at most "+ms(maxRest), rest <= maxRest)
	t.target("everything except key generation, ECDSA", ms(fastest(ec.ready).wall), "at most "+ms(maxRest), fastest(ec.ready).wall <= maxRest)
	t.target("key generation's share of the time, RSA", percent(share), "over "+percent(minKeyShare), share > minKeyShare)
	t.target(fmt.Sprintf("processors busy while 22 RSA keys are made, of %d", runtime.NumCPU()), fmt.Sprintf("%.2f", cores),
		"at least "+percent(minBusy), cores >= minBusy*float64(runtime.NumCPU()))
	t.end()
}

// BenchmarkDirectory measures how the time and the memory of a pass grow with the directory. An
// instance is an Event Processing with a session cluster: three Secrets, two resources. RSA keys are
// handed out, or there would be nothing else to see.
func BenchmarkDirectory(b *testing.B) {
	p := build(b)
	for b.Loop() {
		t := newTable("A directory of instances, Event Processing with its FlinkDeployment, RSA keys handed out", "20", "200", "")
		few, many := p.grow(b, instances(b, 20, true, ecdsa)), p.grow(b, instances(b, 200, true, ecdsa))
		t.growth("instance", few, many, 20, 200)
		t.target("resident memory at its peak", mb(few.memory()), mb(many.memory()), many.memory() <= maxMemory)
		t.end()
		fmt.Fprintf(&report, "Targets: with 200 instances at most %.1f times the time per instance of 20; at most %s.\n", maxGrowth, mb(maxMemory))
	}
}

// BenchmarkNamespaces measures how the time of a pass grows with the namespaces that
// one truststore is copied to. There are no RSA keys.
func BenchmarkNamespaces(b *testing.B) {
	p := build(b)
	for b.Loop() {
		t := newTable("A directory of namespaces, Event Processing with a truststore in each", "10", "100", "")
		t.growth("namespace", p.grow(b, namespaces(b, 10, ecdsa)), p.grow(b, namespaces(b, 100, ecdsa)), 10, 100)
		t.end()
		fmt.Fprintf(&report, "Target: with 100 namespaces at most %.1f times the time per namespace of 10.\n", maxGrowth)
	}
}

type grown struct{ first, again []sample }

func (p programs) grow(b *testing.B, site site) (g grown) {
	b.Helper()
	for range runs {
		dir := site.fresh(b)
		g.first = append(g.first, p.apply(b, p.ready, dir))
		g.again = append(g.again, p.apply(b, p.flowcert, dir))
	}
	return g
}

func (g grown) memory() (peak int64) {
	for _, s := range slices.Concat(g.first, g.again) {
		peak = max(peak, s.memory)
	}
	return peak
}

// table is a part of the report.
type table struct{ w *tabwriter.Writer }

func newTable(title string, columns ...string) table {
	t := table{tabwriter.NewWriter(&report, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(&report)
	t.row(title, columns...)
	return t
}

func (t table) row(name string, cells ...string) {
	fmt.Fprintln(t.w, strings.TrimRight(name+"\t"+strings.Join(cells, "\t"), "\t"))
}

// target is a row that ends in a verdict.
func (t table) target(name, x, y string, met bool) {
	verdict := "met"
	if !met {
		verdict = "MISSED"
	}
	t.row(name, x, y, verdict)
}

// growth compares the time that each of few and each of many takes.
func (t table) growth(what string, few, many grown, fewer, more time.Duration) {
	each := func(name string, of func(grown) sample) {
		x, y := of(few).wall/fewer, of(many).wall/more
		t.target(name+", per "+what, ms(x), ms(y), y.Seconds() <= maxGrowth*x.Seconds())
	}
	each("first apply", func(g grown) sample { return fastest(g.first) })
	each("apply again, nothing to do", func(g grown) sample { return fastest(g.again) })
}

func (t table) end() { t.w.Flush() }

func ms(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
}

func mb(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/(1<<20)) }

func percent(f float64) string { return fmt.Sprintf("%.0f %%", f*100) }
