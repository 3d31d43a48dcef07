package renew

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// walker walks a directory through random changes.
type walker struct {
	*testSite
	rng  *rand.Rand
	now  time.Time
	conf walkConf
	user map[string]string // resources as their author wrote them, by file
	log  []string
	ran  []running // what may still run: a walk's own idea of it
	cas  int

	steady  bool // it rolls out and stops only where that is said
	stops   int  // after so many writes a steady one stops in between; 0: it does not
	userCA  *userCA
	history map[string][][2]string // what a resource's author wrote, and its file, by name

	adopt       bool    // the next pass is one with --adopt
	taking      *theirs // what that takes over
	manual      *userCA
	keeps       map[string][]*x509.Certificate // what was taken over, by who trusts it
	compromised []*x509.Certificate
	userLost    []*x509.Certificate
	backups     [][]*secrets.Secret
}

// TestWalksOfChanges changes one thing after another, at random from fixed seeds:
// after each change a pass does everything, or refuses it with a remedy; verify finds
// nothing, what is loaded and what starts meet in every mixture, nothing of the
// resources' authors is lost, nothing waits for ever and no old version stays. More
// walks: FLOWCERT_WALKS=1-100, forty changes each.
func TestWalksOfChanges(t *testing.T) { walksAtRandom(t, 1, 3, 20, walkChanges) }

// walksAtRandom makes the walks of some seeds, or those that FLOWCERT_WALKS asks for.
func walksAtRandom(t *testing.T, from, to uint64, steps int, changes []change) {
	if s := os.Getenv("FLOWCERT_WALKS"); s != "" {
		steps = 40
		if _, err := fmt.Sscanf(s, "%d-%d", &from, &to); err != nil {
			t.Fatal(err)
		}
	}
	for seed := from; seed <= to; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { walkAtRandom(t, seed, steps, changes) })
	}
}

func walkAtRandom(t *testing.T, seed uint64, steps int, changes []change) {
	w := newWalk(t, seed, func(w *walker) {
		w.addEP()
		w.addFlink()
	})
	for range steps {
		w.change(pick(w.rng, changes...))
		if t.Failed() {
			return
		}
	}
	w.settle()
}

// newWalk is a walk that begins with what first configures.
func newWalk(t *testing.T, seed uint64, first func(*walker)) *walker {
	t.Helper()
	w := &walker{rng: rand.New(rand.NewPCG(seed, 1)), now: testNow, conf: newWalkConf(), user: map[string]string{},
		keeps: map[string][]*x509.Certificate{}, history: map[string][][2]string{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the walk of seed %d:\n%s", seed, strings.Join(w.log, "\n"))
		}
	})
	w.testSite = &testSite{t: t, dir: t.TempDir()}
	w.newUserCA()
	for name, text := range map[string]string{
		"webhooks.yaml": testWebhooks,
		"db.pem":        string(pki.EncodeCertificates(newCA(t, "database CA", testNow.AddDate(-1, 0, 0)).root)),
		"other.pem":     string(pki.EncodeCertificates(newCA(t, "another CA", testNow.AddDate(-1, 0, 0)).root)),
	} {
		w.write(name, text)
	}
	first(w)
	w.write("flowcert.yaml", w.yaml())
	w.reload()
	return w
}

func (w *walker) userTemplate() x509.Certificate {
	w.cas++
	c := caTemplate(fmt.Sprintf("Corporate root %d", w.cas))
	c.NotBefore, c.NotAfter = w.now.AddDate(-1, 0, 0), w.now.AddDate(9, 0, 0)
	return c
}

// newUserCA puts another CA into the user's Secret.
func (w *walker) newUserCA() {
	w.userCA = makeCA(w.t, w.userTemplate(), generate(w.t), nil)
	w.write("ca.yaml", w.userCA.manifest(w.t, w.userCA.key, w.userCA.cert))
}

func (w *walker) yaml() string {
	text, err := json.MarshalIndent(w.conf, "", " ")
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (w *walker) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

// change changes one thing, applies, and looks at everything.
func (w *walker) change(c change) {
	files, conf, was := w.files(), w.yaml(), *w
	was.user, was.keeps = maps.Clone(w.user), maps.Clone(w.keeps)
	back := func() {
		w.restore(files)
		was.log, was.cas = w.log, w.cas
		*w = was
		w.conf = walkConf{}
		if err := json.Unmarshal([]byte(conf), &w.conf); err != nil {
			w.t.Fatal(err)
		}
		w.reload()
	}
	what := c.do(w)
	if what == "" {
		back()
		return
	}
	w.write("flowcert.yaml", w.yaml())
	if _, err := config.Load(filepath.Join(w.dir, "flowcert.yaml")); err != nil {
		w.note("refused by the configuration: %s: %s: %v", c.name, what, err)
		back()
		return
	}
	w.reload()
	w.note("%s %s: %s", w.now.Format(time.DateOnly), c.name, what)
	w.adopt = w.adopt || w.taking != nil
	plan := w.plan(w.now)
	if len(plan.Faults) > 0 {
		for _, f := range plan.Faults {
			w.note("  refused: %s: %v (hint: %s)", f.Target, f.Err, hintOf(f.Err))
			if f.Target == "" || hintOf(f.Err) == "" {
				w.t.Errorf("a refusal names nothing, or no remedy: %q: %v", f.Target, f.Err)
			}
		}
		back()
		return
	}
	w.takeOver(plan)
	w.pass()
	if w.steady {
		return
	}
	if w.rng.IntN(3) == 0 {
		w.rollOut()
	}
	if w.rng.IntN(8) == 0 {
		w.settle()
	}
}

// plan is one with --adopt where that was said.
func (w *walker) plan(now time.Time) *Plan {
	w.t.Helper()
	if w.adopt {
		return w.adopting(now)
	}
	return w.testSite.plan(now)
}

func (w *walker) stopAfter(n int) bool {
	w.t.Helper()
	if w.adopt {
		return w.adoptUntil(n, w.now)
	}
	return w.testSite.stopAfter(n, w.now)
}

// pass applies, stopping once in between, and looks at everything.
func (w *walker) pass() {
	if writes := w.stops; writes > 0 || !w.steady && w.rng.IntN(3) == 0 {
		if !w.steady {
			writes = w.rng.IntN(4)
		}
		w.stopAfter(writes)
		w.note("  stopped in between")
		w.mixed(false)
	}
	for round := 0; ; round++ {
		plan := w.plan(w.now)
		w.noFaults(plan)
		for _, a := range plan.Actions {
			if _, forget := a.(*Forget); !forget && round > 0 {
				w.t.Errorf("left to do: %s: %s (%s)", a.Object(), a.What(), a.Reason())
			}
			w.note("  %s: %s (%s)", a.Object(), a.What(), a.Reason())
		}
		if len(plan.Actions) == 0 || round > 2 {
			for _, wait := range plan.Waits {
				w.note("  waits: %s: %s", wait.Target, wait.For)
			}
			break
		}
		if err := Apply(context.Background(), plan, w.store, w.now, func(Action) {}); err != nil {
			w.t.Fatalf("apply: %v", err)
		}
		w.adopt = false
	}
	w.sound()
	w.mixed(true)
	w.ran = append(w.ran, w.rolledOut(w.now))
	w.keepsTheirs()
	w.keepsTrust()
	for file, text := range w.user {
		w.history[file] = append(w.history[file], [2]string{text, w.files()[file]})
	}
}

// sound wants nothing of verify but what a person has done.
func (w *walker) sound() {
	report := Verify(w.cfg, w.observe(w.now))
	for _, f := range slices.Concat(report.Findings, report.Unknown) {
		if strings.Contains(f.Problem, "spec.flink.endpoint leads to") || strings.Contains(f.Problem+f.Hint, "flowcert.yaml does not keep it") || f.Hint == givenUpHint {
			continue
		}
		w.t.Errorf("verify: %s: %s (hint: %s)", f.Target, f.Problem, f.Hint)
	}
}

// rollOut hands everything to the cluster and says so.
func (w *walker) rollOut() {
	w.ran = []running{w.rolledOut(w.now)}
	w.sayDeployed(w.now)
	for _, m := range DeployedBundles(w.observe(w.now)) {
		if err := w.store.WriteResource(context.Background(), m.Resource, m.Source); err != nil {
			w.t.Fatal(err)
		}
	}
	w.note("  rolled out")
}

// settle rolls out, waits and applies until nothing waits.
func (w *walker) settle() {
	for range 6 {
		w.rollOut()
		w.now = w.now.Add(25 * time.Hour)
		w.note("%s settling", w.now.Format(time.DateOnly))
		w.heed()
		w.pass()
		if w.t.Failed() {
			return
		}
	}
	waits := w.plan(w.now).Waits
	if slices.ContainsFunc(waits, func(wait Wait) bool {
		return strings.Contains(wait.For, "flowcert.yaml does not ask for it any more")
	}) {
		w.note("  given up and in use: %v", waits)
		return
	}
	w.gaveUp()
	w.leaveUserLost()
	if len(waits) > 0 {
		w.t.Errorf("it waits for ever: %v", waits)
	}
	w.tidy()
}

// heed does what a wait asks a person for: to put another root into a file.
func (w *walker) heed() {
	for _, wait := range w.plan(w.now).Waits {
		for _, file := range []string{"db.pem", "other.pem"} {
			if strings.Contains(wait.For, "put there what to trust in its place") && strings.Contains(wait.For, file) {
				w.note("  heeded: %s", file)
				w.write(file, string(pki.EncodeCertificates(newCA(w.t, "database CA", w.now.AddDate(-1, 0, 0)).root)))
			}
		}
	}
}

// tidy wants no version that nothing uses, but the last three of everything.
func (w *walker) tidy() {
	count, referenced := map[string]int{}, w.observe(w.now).references()
	for _, s := range w.observe(w.now).Secrets {
		if s.Ours() && slices.Contains(versionRoles, s.Role()) && !referenced[s.Ref] {
			count[s.Namespace+" "+s.Target()+" "+string(s.Role())]++
		}
	}
	for what, n := range count {
		if n > keptVersions {
			w.t.Errorf("%d versions of %s", n, what)
		}
	}
}

// mixed checks every edge between what may run and what starts now. One that did
// not work before is no edge yet: it has to when everything is written.
func (w *walker) mixed(written bool) {
	now := w.rolledOut(w.now)
	for i, before := range w.ran {
		for key, anchors := range now.trust {
			client, server, _ := strings.Cut(key, " → ")
			worked := w.verifies(client, before.leaves[server], before.trust[key])
			if worked || written {
				w.meets(fmt.Sprintf("new %s, server of %d", key, i), client, before.leaves[server], anchors)
			}
			if worked {
				w.meets(fmt.Sprintf("%s of %d, new server", key, i), client, now.leaves[server], before.trust[key])
			}
		}
	}
}

func (w *walker) verifies(client string, chain, anchors []*x509.Certificate) bool {
	return chain != nil && anchors != nil && pki.VerifyChain(profileOf(client), chain, anchors, "", w.now) == nil
}

func (w *walker) meets(what, client string, chain, anchors []*x509.Certificate) {
	w.t.Helper()
	if chain == nil || anchors == nil || !w.now.Before(chain[0].NotAfter) {
		return
	}
	if err := pki.VerifyChain(profileOf(client), chain, anchors, "", w.now); err != nil {
		w.t.Errorf("%s: %v\n  chain %s\n  anchors %s", what, err, subjects(chain), subjects(anchors))
	}
}

// keepsTheirs takes flowcert's edits out of every resource in mind and compares
// with what its author wrote.
func (w *walker) keepsTheirs() {
	w.t.Helper()
	state := w.observe(w.now)
	for _, r := range state.resources {
		source, kept, err := deploy.Revert(r)
		if err != nil {
			w.t.Errorf("%s: %v", r.File, err)
			continue
		}
		want := w.user[filepath.Base(r.File)]
		if want != "" && string(source) != want {
			w.t.Errorf("%s: not as its author wrote it (kept %v):\n%s\nwant\n%s\nwith edits\n%s", r.File, kept, source, want, r.Source)
		}
	}
}

func (w *walker) file(kind, namespace, name string) string {
	return strings.ToLower(kind) + "-" + namespace + "-" + name + ".yaml"
}

func (w *walker) put(kind, namespace, name, text string) {
	file := w.file(kind, namespace, name)
	if _, there := w.user[file]; there {
		return // it was taken out of flowcert.yaml alone
	}
	w.user[file] = fmt.Sprintf(text, name, namespace)
	w.write(file, w.user[file])
}

// away removes a resource, or only stops keeping it.
func (w *walker) away(kind, namespace, name string) string {
	what := namespace + "/" + name
	if w.rng.IntN(2) == 0 {
		return what + ", out of flowcert.yaml alone"
	}
	file := w.file(kind, namespace, name)
	delete(w.user, file)
	if err := os.Remove(filepath.Join(w.dir, file)); err != nil {
		w.t.Fatal(err)
	}
	return what
}

// editUser changes the one line of a resource that has a key of its author's.
func (w *walker) editUser(kind, key, value string) string {
	var files []string
	for _, f := range slices.Sorted(maps.Keys(w.user)) {
		if strings.HasPrefix(f, strings.ToLower(kind)) {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return ""
	}
	file := pick(w.rng, files...)
	edit := func(text string) string {
		i := strings.Index(text, " "+key)
		j := i + strings.IndexByte(text[i:], '\n')
		return text[:i] + " " + key + value + text[j:]
	}
	w.user[file] = edit(w.user[file])
	w.write(file, edit(w.files()[file]))
	return file + " " + key + value
}

// takeLineOut removes a line that flowcert put into a resource.
func (w *walker) takeLineOut() string {
	var files []string // of what flowcert keeps
	for _, e := range w.conf.EventProcessing {
		files = append(files, w.file("EventProcessing", e.Namespace, e.Name))
	}
	for _, f := range w.conf.FlinkDeployments {
		if f.TLS.Rest && f.TLS.Internal {
			files = append(files, w.file("FlinkDeployment", f.Namespace, f.Name))
		}
	}
	if len(files) == 0 {
		return ""
	}
	file := pick(w.rng, files...)
	lines := strings.SplitAfter(w.files()[file], "\n")
	var ours []int
	for i, l := range lines {
		for _, word := range []string{"secretName: ", "security.ssl", "kubernetes.secrets"} {
			if strings.Contains(l, word) && !strings.Contains(l, deploy.EditsAnnotation) && !strings.Contains(l, "{") && !strings.HasPrefix(strings.TrimSpace(l), "- ") &&
				!strings.Contains(l, "trust") && !strings.HasPrefix(strings.TrimSpace(lines[max(i-1, 0)]), "secret:") && !strings.Contains(lines[max(i-1, 0)], "- ") {
				ours = append(ours, i)
			}
		}
	}
	if len(ours) == 0 {
		return ""
	}
	i := pick(w.rng, ours...)
	line := strings.TrimSpace(lines[i])
	w.write(file, strings.Join(slices.Delete(lines, i, i+1), ""))
	return file + " " + line
}

// renewOne asks for the renewal of something.
func (w *walker) renewOne() string {
	plan := w.plan(w.now)
	var targets []string
	for _, i := range plan.Items {
		if !i.RenewAt.IsZero() {
			targets = append(targets, i.Target)
		}
	}
	if len(targets) == 0 || len(plan.Faults) > 0 {
		return ""
	}
	target := pick(w.rng, targets...)
	marked, err := Wish(plan, w.observe(w.now), target)
	if err != nil {
		w.note("renew %s: %v", target, err)
		return ""
	}
	for _, s := range marked {
		if err := w.store.UpdateSecret(context.Background(), s); err != nil {
			w.t.Fatal(err)
		}
	}
	return target
}

// harm deletes or garbles a Secret that is not the authority's.
func (w *walker) harm(garble bool) string {
	var kept []string
	for _, i := range w.plan(w.now).Items {
		kept = append(kept, i.Name)
	}
	all := slices.DeleteFunc(Removable(w.observe(w.now)), func(s *secrets.Secret) bool {
		return s.Role() == secrets.RoleIntermediate && garble || !slices.Contains(kept, s.Name)
	})
	if len(all) == 0 {
		return ""
	}
	s := pick(w.rng, all...)
	what := s.Ref.String() + " of " + s.Target()
	w.ran = nil // what it held is not known any more
	if !garble {
		if err := w.store.DeleteSecret(context.Background(), s); err != nil {
			w.t.Fatal(err)
		}
		return what
	}
	key := pick(w.rng, s.Keys()...)
	next := *s
	next.Data = maps.Clone(s.Data)
	next.Data[key] = pick(w.rng, []byte("garbage"), nil, bytes.ToUpper(s.Data[key]))
	if next.Data[key] == nil {
		delete(next.Data, key)
	}
	if err := w.store.UpdateSecret(context.Background(), &next); err != nil {
		w.t.Fatal(err)
	}
	return what + " key " + key
}

func (w *walker) restore(files map[string]string) {
	for name := range w.files() {
		if _, ok := files[name]; !ok {
			if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	have := w.files()
	for name, text := range files {
		if have[name] != text {
			w.write(name, text)
		}
	}
}

func subjects(certs []*x509.Certificate) string {
	var out []string
	for _, c := range certs {
		out = append(out, fmt.Sprintf("%q by %q (%s to %s)", c.Subject.CommonName, c.Issuer.CommonName, day(c.NotBefore), day(c.NotAfter)))
	}
	return strings.Join(out, ", ")
}
