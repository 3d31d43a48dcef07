package renew

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
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
	"github.com/flowcert/flowcert/truststore"
)

const (
	testConfig = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session}]
flinkOperator: {namespace: flink}
truststores: [{publicCAs: false, sources: [{name: db, file: db.pem}]}]
`
	testEventProcessing = `apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata:
  name: my-ep
spec:
  flink:
    endpoint: session-rest:8081
  authoring:
    endpoints:
      - name: ui
        host: ep.example.com
`
	testFlink = `apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata:
  name: session
spec:
  flinkConfiguration:
    taskmanager.numberOfTaskSlots: '2'
`
)

// testSite is a directory with a configuration.
type testSite struct {
	t     *testing.T
	dir   string
	cfg   *config.Config
	store *secrets.Dir
}

func newSite(t *testing.T, configuration string, files map[string]string) *testSite {
	t.Helper()
	s := &testSite{t: t, dir: t.TempDir()}
	for name, content := range files {
		s.write(name, content)
	}
	s.write("flowcert.yaml", configuration)
	if _, ok := files["db.pem"]; !ok {
		s.write("db.pem", string(pki.EncodeCertificates(newCA(t, "database CA", testNow.AddDate(-1, 0, 0)).root)))
	}
	s.reload()
	return s
}

func quickSite(t *testing.T) *testSite {
	t.Helper()
	return newSite(t, testConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
}

func (s *testSite) reload() {
	s.t.Helper()
	var err error
	if s.cfg, err = config.Load(filepath.Join(s.dir, "flowcert.yaml")); err != nil {
		s.t.Fatal(err)
	}
	if s.store, err = secrets.OpenDir(s.dir, s.cfg.Namespace); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testSite) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testSite) edit(name, old, new string) {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		s.t.Fatalf("%s does not contain %q:\n%s", name, old, data)
	}
	s.write(name, strings.Replace(string(data), old, new, 1))
}

func (s *testSite) plan(now time.Time) *Plan {
	s.t.Helper()
	return NewPlan(s.cfg, s.observe(now))
}

func (s *testSite) observe(now time.Time) *State {
	s.t.Helper()
	state, err := Observe(context.Background(), s.cfg, s.store, now)
	if err != nil {
		s.t.Fatal(err)
	}
	return state
}

// apply runs a pass that must succeed and leave nothing to do.
func (s *testSite) apply(now time.Time) *Plan {
	s.t.Helper()
	plan := s.plan(now)
	s.noFaults(plan)
	if err := Apply(context.Background(), plan, s.store, now, func(Action) {}); err != nil {
		s.t.Fatal(err)
	}
	s.converged(now)
	return plan
}

func (s *testSite) noFaults(plan *Plan) {
	s.t.Helper()
	for _, f := range plan.Faults {
		s.t.Fatalf("fault of %s: %v", f.Target, f.Err)
	}
}

// converged checks that nothing is left to do and that all of it verifies.
func (s *testSite) converged(now time.Time) {
	s.t.Helper()
	plan := s.plan(now)
	s.noFaults(plan)
	for _, a := range plan.Actions {
		s.t.Errorf("left to do: %s: %s (%s)", a.Object(), a.What(), a.Reason())
	}
	report := Verify(s.cfg, s.observe(now))
	for _, f := range slices.Concat(report.Findings, report.Unknown) {
		s.t.Errorf("verify: %s: %s", f.Target, f.Problem)
	}
}

// files is everything in the directory, by name.
func (s *testSite) files() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, s.dir+"/")] = string(data)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// objects lists what a plan makes and edits.
func objects(plan *Plan) []string {
	var out []string
	for _, a := range plan.Actions {
		out = append(out, a.Object())
	}
	return out
}

func (s *testSite) version(now time.Time, target string, role secrets.Role) *secrets.Secret {
	s.t.Helper()
	for _, i := range s.plan(now).Items {
		if i.Target == target && i.Role == role {
			for ref, secret := range s.observe(now).Secrets {
				if ref.Name == i.Name {
					return secret
				}
			}
		}
	}
	s.t.Fatalf("no %s of %s", role, target)
	return nil
}

func TestFirstPassAndNothingAfter(t *testing.T) {
	s := quickSite(t)
	before := s.files()
	s.plan(testNow)
	if got := s.files(); len(got) != len(before) {
		t.Fatal("a plan wrote something")
	}
	plan := s.apply(testNow)
	if len(plan.Actions) < 10 {
		t.Errorf("only %d actions: %v", len(plan.Actions), objects(plan))
	}
	after := s.files()
	again := s.plan(testNow.Add(30 * 24 * time.Hour))
	if len(again.Actions) > 0 {
		t.Errorf("a month later there is something to do: %v", objects(again))
	}
	for name, content := range s.files() {
		if after[name] != content {
			t.Errorf("%s changed", name)
		}
	}
}

// failing stops a pass at its n-th write.
type failing struct {
	Store
	left int
}

var errStopped = errors.New("stopped here")

func (f *failing) step() error {
	if f.left--; f.left < 0 {
		return errStopped
	}
	return nil
}

func (f *failing) CreateSecret(ctx context.Context, s *secrets.Secret) error {
	return errors.Join(f.step(), f.ifGoing(func() error { return f.Store.CreateSecret(ctx, s) }))
}

func (f *failing) UpdateSecret(ctx context.Context, s *secrets.Secret) error {
	return errors.Join(f.step(), f.ifGoing(func() error { return f.Store.UpdateSecret(ctx, s) }))
}

func (f *failing) DeleteSecret(ctx context.Context, s *secrets.Secret) error {
	return errors.Join(f.step(), f.ifGoing(func() error { return f.Store.DeleteSecret(ctx, s) }))
}

func (f *failing) WriteResource(ctx context.Context, r deploy.Resource, source []byte) error {
	return errors.Join(f.step(), f.ifGoing(func() error { return f.Store.WriteResource(ctx, r, source) }))
}

func (f *failing) ifGoing(write func() error) error {
	if f.left < 0 {
		return nil
	}
	return write()
}

// TestStopAfterEveryWrite stops a first pass and a renewal after every write in
// turn, walks on, and expects the same state, nothing orphaned, and every edge
// intact in between.
func TestStopAfterEveryWrite(t *testing.T) {
	due := testNow.AddDate(0, 10, 0)
	for n := 0; ; n++ {
		s := quickSite(t)
		stopped := s.stopAfter(n, testNow)
		s.edges(testNow)
		s.apply(testNow)
		if got := len(s.observe(testNow).Secrets); got != 10 {
			t.Errorf("stopped after %d writes: %d Secrets at the end, want 10", n, got)
		}
		s.stopAfter(n, due)
		s.edges(due)
		s.apply(due)
		if got := len(s.observe(due).Secrets); got != 12 {
			t.Errorf("renewal stopped after %d writes: %d Secrets at the end, want 12", n, got)
		}
		if !stopped {
			return
		}
	}
}

// stopAfter runs a pass that ends after n writes; false if it ended by itself.
func (s *testSite) stopAfter(n int, now time.Time) bool {
	s.t.Helper()
	plan := s.plan(now)
	s.noFaults(plan)
	err := Apply(context.Background(), plan, &failing{Store: s.store, left: n}, now, func(Action) {})
	if err != nil && !errors.Is(err, errStopped) {
		s.t.Fatal(err)
	}
	return err != nil
}

// edges checks that what Event Processing refers to verifies what Flink refers
// to: pods may restart at any moment and load exactly that.
func (s *testSite) edges(now time.Time) {
	s.t.Helper()
	v := newVerifier(s.cfg, s.observe(now))
	v.asReferred()
	for _, f := range slices.Concat(v.Findings, v.Unknown) {
		s.t.Errorf("in between: %s: %s", f.Target, f.Problem)
	}
}

func TestRenewalChangesOnlyWhatIsDue(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	before := s.files()
	due := testNow.AddDate(0, 10, 0)
	plan := s.plan(due)
	for _, a := range plan.Actions {
		switch a := a.(type) {
		case *MakeLeaf:
			if !strings.Contains(a.Reason(), "it ends on 2031-05-01") {
				t.Errorf("%s: reason %q", a.Object(), a.Reason())
			}
		case *Rewire:
			if len(a.Preview) != 1 {
				t.Errorf("%s: %d edits, want only the reference: %v", a.Object(), len(a.Preview), a.Preview)
			}
		default:
			t.Errorf("%T of %s in a renewal of leaves", a, a.Object())
		}
	}
	s.apply(due)
	for name, content := range before {
		changed := s.files()[name] != content
		if want := name == "ep.yaml" || name == "flink.yaml" || strings.HasSuffix(name, "flink-operator-cert.yaml"); changed != want {
			t.Errorf("%s changed: %v, want %v", name, changed, want)
		}
	}
}

// TestLeafReasons plants one fault at a time and expects the named reason.
func TestLeafReasons(t *testing.T) {
	const ep, flink = "eventProcessing/ea/my-ep", "flinkDeployment/ea/session"
	month := testNow.AddDate(0, 1, 0)
	tests := []struct {
		name, target string
		role         secrets.Role
		plant        func(*testSite)
		now          time.Time
		want         string // the reason, empty for nothing to do
	}{
		{"nothing", ep, secrets.RoleCertificate, func(*testSite) {}, month, ""},
		{"another host", ep, secrets.RoleCertificate, func(s *testSite) { s.edit("ep.yaml", "ep.example.com", "ui.example.com") }, month, "it lacks the name ui.example.com"},
		{"a host less", ep, secrets.RoleCertificate, func(s *testSite) {
			s.edit("ep.yaml", "      - name: ui\n        host: ep.example.com\n", "      - name: ui\n")
		}, month, ""},
		{"ended", ep, secrets.RoleCertificate, func(*testSite) {}, testNow.AddDate(1, 1, 0), "it ended on 2031-05-01"},
		{"key of another", ep, secrets.RoleCertificate, func(s *testSite) {
			s.replaceData(ep, secrets.RoleCertificate, secrets.TLSKey, encodeKey(t))
		}, month, "the key does not belong to the certificate"},
		{"garbage", ep, secrets.RoleCertificate, func(s *testSite) {
			s.replaceData(ep, secrets.RoleCertificate, secrets.TLSCert, []byte("garbage"))
		}, month, "it cannot be read"},
		{"Secret deleted", ep, secrets.RoleCertificate, func(s *testSite) { s.remove(ep, secrets.RoleCertificate) }, month, " is gone"},
		{"store password changed", flink, secrets.RoleFlinkTLS, func(s *testSite) {
			s.replaceData(flink, secrets.RoleFlinkTLS, secrets.Password, []byte("another-password"))
		}, month, "wrong password"},
		{"PKCS12 wanted", flink, secrets.RoleFlinkTLS, func(s *testSite) {
			s.edit("flowcert.yaml", "[{name: session}]", "[{name: session, tls: {format: PKCS12}}]")
			s.reload()
		}, month, "its format is to be PKCS12"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := quickSite(t)
			s.apply(testNow)
			tt.plant(s)
			plan := s.plan(tt.now)
			s.noFaults(plan)
			got := ""
			for _, a := range plan.Actions {
				if leaf, ok := a.(*MakeLeaf); ok && leaf.Target == tt.target && leaf.Role == tt.role {
					got = leaf.Reason()
				}
			}
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("reason %q, want %q", got, tt.want)
			}
			s.apply(tt.now)
		})
	}
}

func (s *testSite) replaceData(target string, role secrets.Role, key string, value []byte) {
	s.t.Helper()
	secret := s.version(testNow, target, role)
	secret.Data[key] = value
	if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testSite) remove(target string, role secrets.Role) {
	s.t.Helper()
	if err := s.store.DeleteSecret(context.Background(), s.version(testNow, target, role)); err != nil {
		s.t.Fatal(err)
	}
}

func encodeKey(t *testing.T) []byte {
	t.Helper()
	pem, err := pki.EncodeKey(generate(t))
	if err != nil {
		t.Fatal(err)
	}
	return pem
}

// TestFormatKeepsTheKey: another format rebuilds the store around the same key,
// so that clients that pinned nothing but the key do not notice.
func TestFormatKeepsTheKey(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	chain := func() *x509.Certificate {
		p := newPlanner(s.cfg, s.observe(testNow))
		id, err := p.storesOf(s.version(testNow, "flinkDeployment/ea/session", secrets.RoleFlinkTLS))
		if err != nil {
			t.Fatal(err)
		}
		return id.Chain[0]
	}
	before := chain()
	s.edit("flowcert.yaml", "[{name: session}]", "[{name: session, tls: {format: PKCS12}}]")
	s.reload()
	s.apply(testNow)
	if !chain().Equal(before) {
		t.Error("the leaf was issued anew")
	}
	if flink := s.files()["flink.yaml"]; !strings.Contains(flink, "keystore.p12") || strings.Contains(flink, "keystore.jks") {
		t.Errorf("the resource does not refer to the other format:\n%s", flink)
	}
}

// TestIssuerNearItsEndIsNotChased: when a user's CA ends soon, renewing leaves
// gains nothing and would restart everything again and again.
func TestIssuerNearItsEndIsNotChased(t *testing.T) {
	for _, own := range []string{"", ", intermediate: {key: {algorithm: ECDSA, size: 256}}"} {
		template := caTemplate("Corporate root")
		template.NotBefore, template.NotAfter = testNow.AddDate(-1, 0, 0), testNow.AddDate(0, 0, 400)
		ca := makeCA(t, template, generate(t), nil)
		s := userSite(t, ca.manifest(t, ca.key, ca.cert))
		s.edit("flowcert.yaml", "{name: corporate-ca}", "{name: corporate-ca"+own+"}")
		s.reload()
		s.apply(testNow)
		late := testNow.AddDate(1, 0, -20) // leaves end in 20 days, the CA 35 days later
		plan := s.plan(late)
		s.noFaults(plan)
		if len(plan.Actions) > 0 {
			t.Errorf("something is chased: %v", objects(plan))
		}
		if !slices.ContainsFunc(plan.Notices, func(n string) bool { return strings.Contains(n, "the CA ends on") }) {
			t.Errorf("nobody is told: %q", plan.Notices)
		}
	}
}

func TestLostRootIsNotMadeAnew(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	root := filepath.Join(s.dir, "authority", "ea.ea-root-g1.yaml")
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	plan := s.plan(testNow)
	if len(plan.Actions) > 0 || len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), "the authority's root is not there") {
		t.Errorf("actions %v, faults %v", objects(plan), plan.Faults)
	}
	// The resources alone, copied elsewhere, still tell that there was one.
	for _, file := range []string{"secrets"} {
		if err := os.RemoveAll(filepath.Join(s.dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	if plan := s.plan(testNow); len(plan.Actions) > 0 || len(plan.Faults) == 0 {
		t.Errorf("without Secrets: actions %v, faults %v", objects(plan), plan.Faults)
	}
}

// TestClockBehind: a clock before the root's beginning is wrong; nothing is
// issued by it.
func TestClockBehind(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	plan := s.plan(testNow.AddDate(0, 0, -2))
	if len(plan.Actions) > 0 || len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), "is not valid before") {
		t.Errorf("actions %v, faults %v", objects(plan), plan.Faults)
	}
}

// TestTrustKeepsWhatServersNeed: a client's truststore does not lose a root while
// a server that it calls may still serve a leaf under it. Both then move: the
// client first, to both roots, then the server.
func TestTrustKeepsWhatServersNeed(t *testing.T) {
	withoutOperator := strings.Replace(testConfig, "flinkOperator: {namespace: flink}\n", "", 1)
	s := newSite(t, withoutOperator, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	stranger := newCA(t, "an earlier authority", testNow.AddDate(-1, 0, 0))
	const ep, flink = "eventProcessing/ea/my-ep", "flinkDeployment/ea/session"
	trust, server := s.version(testNow, ep, secrets.RoleFlinkTrust), s.version(testNow, flink, secrets.RoleFlinkTLS)
	old := []*x509.Certificate{stranger.root}
	if err := trust.PutTrust("JKS", secrets.RootEntries(old), string(trust.Data[secrets.Password])); err != nil {
		t.Fatal(err)
	}
	id := stranger.flinkLeaf(t, testNow.AddDate(0, -1, 0))
	if err := server.PutStores("JKS", id, string(server.Data[secrets.Password]), string(server.Data[secrets.TrustPassword])); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []*secrets.Secret{trust, server} {
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			t.Fatal(err)
		}
	}
	plan := s.plan(testNow)
	s.noFaults(plan)
	for _, a := range plan.Actions {
		switch a := a.(type) {
		case *MakeTrust:
			if a.Target == ep && !slices.ContainsFunc(secrets.Certificates(a.Entries), stranger.root.Equal) {
				t.Error("the client's truststore loses the root of a leaf in use")
			}
		case *MakeLeaf:
			if a.Target == flink && (a.Keep == nil || len(a.Roots) != 2) {
				t.Errorf("Flink gets a leaf before its clients can verify it, or does not get both roots: %d", len(a.Roots))
			}
		}
	}
	if err := Apply(context.Background(), plan, s.store, testNow, func(Action) {}); err != nil {
		t.Fatal(err)
	}
	s.edges(testNow)
	if again := s.plan(testNow); len(again.Actions) > 0 || len(again.Waits) != 1 {
		t.Errorf("after the first step: actions %v, waits %v", objects(again), again.Waits)
	}
	if len(plan.Waits) != 1 || !strings.Contains(plan.Waits[0].For, "still uses trust") {
		t.Errorf("the server's step does not wait, or does not say for what: %v", plan.Waits)
	}
}

// TestDeadEdgeDoesNotBlock: trust that does not verify what is served now cannot
// be broken by a renewal, and must not let the leaf expire for everybody else.
func TestDeadEdgeDoesNotBlock(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	trust := s.version(testNow, "eventProcessing/ea/my-ep", secrets.RoleFlinkTrust)
	stray := secrets.New(secrets.Ref{Namespace: "ea", Name: "my-ep-flink-trust-0123456789"}, trust.Target(), trust.Role(), testNow.Add(-time.Hour))
	stray.Data[secrets.Password] = trust.Data[secrets.Password]
	stranger := newCA(t, "somebody else", testNow.AddDate(-1, 0, 0))
	if err := stray.PutTrust("JKS", secrets.RootEntries([]*x509.Certificate{stranger.root}), string(stray.Data[secrets.Password])); err != nil {
		t.Fatal(err)
	}
	if err := s.store.CreateSecret(context.Background(), stray); err != nil {
		t.Fatal(err)
	}
	due := testNow.AddDate(0, 10, 0)
	if plan := s.plan(due); len(plan.Waits) > 0 {
		t.Errorf("waits: %v", plan.Waits)
	}
	s.apply(due)
}

// TestWish: a renewal that was asked for happens once, for its target alone.
func TestWish(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	const target = "eventProcessing/ea/my-ep"
	if _, err := Wish(s.plan(testNow), s.observe(testNow), "eventProcessing/ea/another"); err == nil || !strings.Contains(hintOf(err), target) {
		t.Errorf("an unknown target: %v, hint %q", err, hintOf(err))
	}
	before := s.version(testNow, target, secrets.RoleCertificate).Name
	marked, err := Wish(s.plan(testNow), s.observe(testNow), target)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range marked {
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			t.Fatal(err)
		}
	}
	plan := s.apply(testNow.Add(time.Hour))
	if len(plan.Actions) != 2 || !strings.Contains(plan.Actions[0].Reason(), "was asked for") {
		t.Errorf("actions: %v", objects(plan))
	}
	if s.version(testNow.Add(time.Hour), target, secrets.RoleCertificate).Name == before {
		t.Error("nothing was renewed")
	}
}

// TestOldVersionsGo: the last three stay, older ones go when the user has said
// that their successors are deployed and the soak time has passed, not before.
func TestOldVersionsGo(t *testing.T) {
	s := quickSite(t)
	now := testNow
	s.apply(now)
	count := func() int {
		return len(s.observe(now).versions[slot{"eventProcessing/ea/my-ep", secrets.RoleCertificate}])
	}
	for range 4 {
		now = now.AddDate(0, 10, 0)
		s.apply(now)
	}
	if got := count(); got != 5 {
		t.Fatalf("%d versions, want all 5: nobody said that anything is deployed", got)
	}
	s.sayDeployed(now.Add(time.Hour))
	if plan := s.plan(now.Add(24 * time.Hour)); len(plan.Actions) > 0 {
		t.Errorf("within the soak time: %v", objects(plan))
	}
	s.apply(now.Add(26 * time.Hour))
	if got := count(); got != 3 {
		t.Errorf("%d versions, want the last 3", got)
	}
	s.apply(now.Add(48 * time.Hour))
	if got := count(); got != 3 {
		t.Errorf("%d versions two days later, want the last 3", got)
	}
}

// TestCertificates: a database's server certificate with stores, in a Secret of
// a fixed name that is updated in place; its key store and PEM files agree.
func TestCertificates(t *testing.T) {
	const more = `certificates:
- {secretName: orders-db-server, namespace: databases, dnsNames: [orders-db, orders-db.databases.svc], ipAddresses: [10.1.2.3], stores: [JKS, PKCS12]}
- {secretName: reader, dnsNames: [reader], usages: [client], naming: versioned, key: {algorithm: Ed25519}}
`
	s := newSite(t, testConfig+more, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	const target = "certificate/databases/orders-db-server"
	db := s.version(testNow, target, secrets.RoleCertificate)
	id, err := db.Identity(secrets.DefaultKeys())
	if err != nil {
		t.Fatal(err)
	}
	jvm := pki.JVM()
	for _, name := range []string{"orders-db", "orders-db.databases.svc", "10.1.2.3"} {
		if err := pki.VerifyChain(jvm, id.Chain, id.Roots, name, testNow); err != nil {
			t.Error(err)
		}
	}
	for _, f := range []truststore.Format{truststore.JKS, truststore.PKCS12} {
		stores, err := db.Stores(f, string(db.Data[secrets.Password]), string(db.Data[secrets.TrustPassword]))
		if err != nil || !stores.Chain[0].Equal(id.Chain[0]) || !sameCertificates(stores.Roots, id.Roots) {
			t.Errorf("%s: %v, or not the certificate of the PEM files", f, err)
		}
	}
	due := testNow.AddDate(0, 10, 0)
	s.apply(due)
	renewed := s.version(due, target, secrets.RoleCertificate)
	if renewed.Name != db.Name || string(renewed.Data[secrets.TLSCert]) == string(db.Data[secrets.TLSCert]) {
		t.Error("the Secret was not renewed in place")
	}
	if string(renewed.Data[secrets.Password]) != string(db.Data[secrets.Password]) {
		t.Error("the password of the stores changed with a renewal")
	}
	// A store that is gone is rebuilt around the same key.
	delete(renewed.Data, "keystore.p12")
	if err := s.store.UpdateSecret(context.Background(), renewed); err != nil {
		t.Fatal(err)
	}
	s.apply(due)
	again := s.version(due, target, secrets.RoleCertificate)
	if string(again.Data[secrets.TLSCert]) != string(renewed.Data[secrets.TLSCert]) || len(again.Data["keystore.p12"]) == 0 {
		t.Error("the store was not rebuilt around the same certificate")
	}
}

// TestCertificateOfSomebodyElse is not overwritten.
func TestCertificateOfSomebodyElse(t *testing.T) {
	s := newSite(t, testConfig+"certificates: [{secretName: db-server, dnsNames: [db]}]\n", map[string]string{
		"ep.yaml": testEventProcessing, "flink.yaml": testFlink,
		"db.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db-server}\nstringData: {tls.crt: theirs}\n",
	})
	plan := s.plan(testNow)
	if len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), "not made by flowcert") {
		t.Errorf("faults: %v", plan.Faults)
	}
}

// TestChangedSource: a CA file that is overwritten in place does not take the old
// CA away; one that was distrusted goes at once.
func TestChangedSource(t *testing.T) {
	s := quickSite(t)
	first := pki.EncodeCertificates(newCA(t, "database CA", testNow.AddDate(-1, 0, 0)).root)
	second := newCA(t, "database CA", testNow.AddDate(0, -1, 0)).root // the same subject
	s.write("db.pem", string(first))
	s.apply(testNow)
	s.write("db.pem", string(pki.EncodeCertificates(second)))
	s.apply(testNow)
	certs := s.trusted()
	if len(certs) != 2 {
		t.Fatalf("%d certificates, want the old and the new one", len(certs))
	}
	firstCert, _ := pki.ParseCertificates(first)
	s.edit("flowcert.yaml", "file: db.pem", "file: db.pem, distrust: ['"+pki.Fingerprint(firstCert[0])+"']")
	s.reload()
	s.apply(testNow)
	if certs := s.trusted(); len(certs) != 1 || !certs[0].Equal(second) {
		t.Errorf("the distrusted CA is still there, or the other is not: %d certificates", len(certs))
	}
}

func (s *testSite) trusted() []*x509.Certificate {
	s.t.Helper()
	p := newPlanner(s.cfg, s.observe(testNow))
	entries, err := p.trustOf(s.version(testNow, "truststore/ea/ssl-truststore", secrets.RoleTruststore))
	if err != nil {
		s.t.Fatal(err)
	}
	return secrets.Certificates(entries)
}

// TestSpoiltTruststoreIsPutRight: the name of a truststore says what it holds,
// so it gets its content back in place and nothing restarts.
func TestSpoiltTruststoreIsPutRight(t *testing.T) {
	for _, key := range []string{secrets.Password, "truststore.jks"} {
		s := quickSite(t)
		s.apply(testNow)
		name := s.version(testNow, "truststore/ea/ssl-truststore", secrets.RoleTruststore).Name
		s.replaceData("truststore/ea/ssl-truststore", secrets.RoleTruststore, key, []byte("garbage-garbage"))
		plan := s.apply(testNow)
		if len(plan.Actions) != 1 || !strings.HasSuffix(plan.Actions[0].Object(), name) {
			t.Errorf("%s spoilt: %v, want only %s", key, objects(plan), name)
		}
	}
}

// TestPasswordsStay: passwords stand in custom resources, so they are kept over
// renewals, and none opens both stores of Flink.
func TestPasswordsStay(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	const target = "flinkDeployment/ea/session"
	before := s.version(testNow, target, secrets.RoleFlinkTLS)
	due := testNow.AddDate(0, 10, 0)
	s.apply(due)
	after := s.version(due, target, secrets.RoleFlinkTLS)
	if before.Name == after.Name {
		t.Fatal("nothing was renewed")
	}
	for _, key := range []string{secrets.Password, secrets.TrustPassword} {
		if string(before.Data[key]) != string(after.Data[key]) || len(after.Data[key]) < 20 {
			t.Errorf("%s changed or is short", key)
		}
	}
	if string(after.Data[secrets.Password]) == string(after.Data[secrets.TrustPassword]) {
		t.Error("one password opens both stores")
	}
}

func TestPausedResourceIsLeftAlone(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	s.edit("flink.yaml", "  annotations:\n", "  annotations:\n    flowcert.io/pause: 'true'\n")
	before := s.files()["flink.yaml"]
	due := testNow.AddDate(0, 10, 0)
	plan := s.plan(due)
	for _, o := range objects(plan) {
		if strings.Contains(o, "session") {
			t.Errorf("planned although paused: %s", o)
		}
	}
	if err := Apply(context.Background(), plan, s.store, due, func(Action) {}); err != nil {
		t.Fatal(err)
	}
	if s.files()["flink.yaml"] != before {
		t.Error("a paused resource was changed")
	}
}

func TestJitterIsStableAndBounded(t *testing.T) {
	s := quickSite(t)
	p := &planner{cfg: s.cfg, state: &State{Now: testNow}}
	leaf := &x509.Certificate{NotBefore: testNow, NotAfter: testNow.AddDate(0, 0, 100)}
	earliest, latest := leaf.NotAfter.Add(-time.Duration(float64(33*24*time.Hour)*1.06)), leaf.NotAfter.AddDate(0, 0, -33)
	seen := map[time.Time]bool{}
	for i := range 50 {
		target := fmt.Sprintf("flinkDeployment/ea/f%d", i)
		at := p.renewAt(target, leaf)
		if at != p.renewAt(target, leaf) || at.Before(earliest) || at.After(latest) {
			t.Errorf("%s is due at %v, want between %v and %v", target, at, earliest, latest)
		}
		seen[at] = true
	}
	if len(seen) < 40 {
		t.Errorf("only %d different times for 50 targets", len(seen))
	}
}

func TestUnsupportedIsRefused(t *testing.T) {
	for _, change := range [][2]string{
		{"authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}", "authority: {secret: {name: my-ca}}"},
		{"truststores:", "edges: [{client: certificate/ea/c, server: eventProcessing/ea/my-ep}]\ncertificates: [{secretName: c, dnsNames: [c]}]\ntruststores:"},
		{"[{name: my-ep}]", "[{name: my-ep, mode: ca}]\nedges: [{client: flinkDeployment/ea/session, server: eventProcessing/ea/my-ep}]"},
	} {
		line := strings.Replace(testConfig, change[0], change[1], 1)
		s := newSite(t, line, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
		if plan := s.plan(testNow); len(plan.Faults) == 0 {
			t.Errorf("%q was taken and left undone", line)
		}
	}
}
