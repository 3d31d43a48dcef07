package renew

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/yamledit"
)

const epTarget = "eventProcessing/ea/my-ep"

// epSite is the quick site with another entry for its instance.
func epSite(t *testing.T, entry string, words ...string) *testSite {
	t.Helper()
	replace := strings.NewReplacer(words...)
	return newSite(t, strings.Replace(testConfig, "{name: my-ep}", entry, 1),
		map[string]string{"ep.yaml": replace.Replace(testEventProcessing), "flink.yaml": testFlink})
}

func (s *testSite) reconfigure(old, new string) {
	s.t.Helper()
	s.edit("flowcert.yaml", old, new)
	s.reload()
}

func (s *testSite) identity(now time.Time, role secrets.Role) secrets.Identity {
	s.t.Helper()
	id, err := newPlanner(s.cfg, s.observe(now)).identityOf(s.version(now, epTarget, role))
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// refs are what the Event Processing resource refers to.
func (s *testSite) refs(now time.Time) deploy.Refs {
	s.t.Helper()
	for _, r := range s.observe(now).resources {
		if r.Kind == deploy.EventProcessingKind {
			return deploy.References(r)
		}
	}
	s.t.Fatal("no EventProcessing")
	return deploy.Refs{}
}

// tls is the manifest's spec.authoring.tls.
func (s *testSite) tls() map[string]any {
	s.t.Helper()
	obj, err := yamledit.Decode([]byte(s.files()["ep.yaml"]))
	if err != nil {
		s.t.Fatal(err)
	}
	v, _ := yamledit.Get(obj, yamledit.Path{yamledit.Key("spec"), yamledit.Key("authoring"), yamledit.Key("tls")})
	m, _ := v.(map[string]any)
	return m
}

// signLike issues a leaf as cert-manager does with the CA that it was given.
func signLike(t *testing.T, ca secrets.Identity, from time.Time) []*x509.Certificate {
	t.Helper()
	leaf, err := pki.NewLeaf(pki.Issuer{Certificate: ca.Chain[0], Key: ca.Key}, pki.LeafRequest{
		CommonName: "my-ep", DNSNames: []string{"anything.example.net"}, Server: true, Key: generate(t),
		NotBefore: from.Add(-backdate), NotAfter: from.AddDate(0, 3, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	return append([]*x509.Certificate{leaf}, slices.DeleteFunc(slices.Clone(ca.Chain), pki.IsSelfSigned)...)
}

// TestModeCA: cert-manager gets a CA that may sign any name and no other CA, with
// the chain up to the root; the instance has no leaf of ours.
func TestModeCA(t *testing.T) {
	s := epSite(t, "{name: my-ep, mode: ca}")
	s.apply(testNow)
	id := s.identity(testNow, secrets.RoleCA)
	ca := id.Chain[0]
	if !ca.IsCA || !ca.MaxPathLenZero || ca.MaxPathLen != 0 || len(ca.PermittedDNSDomains)+len(ca.ExcludedDNSDomains)+len(ca.ExcludedIPRanges) > 0 {
		t.Errorf("pathLen %d, constraints %v %v", ca.MaxPathLen, ca.PermittedDNSDomains, ca.ExcludedIPRanges)
	}
	if len(id.Chain) != 2 || len(id.Roots) != 1 || !id.Chain[1].Equal(id.Roots[0]) {
		t.Errorf("%d certificates in tls.crt, %d in ca.crt; want the CA and its root, and the root", len(id.Chain), len(id.Roots))
	}
	leaf := signLike(t, id, testNow)
	for _, profile := range []pki.Profile{pki.JVM(), pki.OpenSSL(), pki.Nginx()} {
		if err := pki.VerifyChain(profile, leaf, id.Roots, "anything.example.net", testNow); err != nil {
			t.Errorf("%s: %v", profile.Name, err)
		}
	}
	state := s.observe(testNow)
	if n := len(state.versions[slot{epTarget, secrets.RoleCertificate}]); n > 0 {
		t.Error("there is a leaf of ours")
	}
	for _, i := range state.versions[slot{"authority/ea/ea", secrets.RoleIntermediate}] {
		id, err := i.Identity(secrets.DefaultKeys())
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(id.Chain[0].PermittedDNSDomains, "my-ep-ibm-eventprocessing-svc") {
			t.Error("an intermediate permits names that it need not sign")
		}
	}
	refs := s.refs(testNow)
	if refs.CA == "" || refs.Certificate != "" || refs.FlinkTrust == "" || refs.TrustStore == "" || s.tls()["caSecretName"] != refs.CA {
		t.Errorf("wired to %+v, %v", refs, s.tls())
	}
	if file := s.version(testNow, epTarget, secrets.RoleCA).File; !strings.Contains(file, "/secrets/") {
		t.Errorf("%s is not what is handed to the cluster", file)
	}
}

// TestModeCAAlone: an instance without a leaf of ours needs an authority too.
func TestModeCAAlone(t *testing.T) {
	s := newSite(t, "apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: ea\nauthority: {selfSigned: {key: {algorithm: ECDSA, size: 256}, intermediate: none}}\neventProcessing: [{name: my-ep, mode: ca}]\n",
		map[string]string{"ep.yaml": testEventProcessing})
	plan := s.apply(testNow)
	if len(plan.Actions) != 3 {
		t.Errorf("actions %v; want the root, the CA, the wiring", objects(plan))
	}
	if end := s.identity(testNow, secrets.RoleCA).Chain[0].NotAfter; !end.Equal(testNow.Add(signingCAValidity)) {
		t.Errorf("ends on %s", end)
	}
}

// TestModeCARenewal: the CA is renewed like a leaf, under a subject that none had
// before, and somebody is told what cert-manager does not do by itself.
func TestModeCARenewal(t *testing.T) {
	s := epSite(t, "{name: my-ep, mode: ca}")
	s.apply(testNow)
	subjects := map[string]bool{}
	now, first := testNow, s.identity(testNow, secrets.RoleCA)
	for range 4 { // less than the life of the root
		id := s.identity(now, secrets.RoleCA)
		if subjects[id.Chain[0].Subject.CommonName] {
			t.Errorf("the subject %q is there again", id.Chain[0].Subject.CommonName)
		}
		subjects[id.Chain[0].Subject.CommonName] = true
		due := now.Add(500 * 24 * time.Hour)
		plan := s.plan(due)
		notices := strings.Join(plan.Notices, "\n")
		if !slices.ContainsFunc(objects(plan), func(o string) bool { return o == "secret ea/my-ep-ca-(new)" }) {
			t.Fatalf("not renewed: %v", objects(plan))
		}
		if !strings.Contains(notices, "cert-manager keeps the certificates that it signed with the CA of "+s.refs(now).CA) || !strings.Contains(notices, "cmctl renew") {
			t.Errorf("nobody is told about cert-manager: %s", notices)
		}
		s.applyOld(due)
		s.sayDeployed(due)
		now = due.Add(25 * time.Hour)
		s.applyOld(now)
		if notices := strings.Join(s.plan(now).Notices, "\n"); strings.Contains(notices, "cert-manager") {
			t.Errorf("still told after the soak time: %s", notices)
		}
	}
	if err := pki.VerifyChain(pki.OpenSSL(), signLike(t, first, testNow), s.identity(now, secrets.RoleCA).Roots, "", testNow); err != nil {
		t.Errorf("what the first CA signed: %v", err)
	}
}

// applyOld runs a pass that may remove old versions and then ends.
func (s *testSite) applyOld(now time.Time) {
	s.t.Helper()
	plan := s.plan(now)
	s.noFaults(plan)
	if err := Apply(context.Background(), plan, s.store, now, func(Action) {}); err != nil {
		s.t.Fatal(err)
	}
}

// TestModeCANotChased: where a user's CA ends soon a new one under it would gain
// nothing.
func TestModeCANotChased(t *testing.T) {
	template := caTemplate("Corporate root")
	template.NotBefore, template.NotAfter = testNow.AddDate(-1, 0, 0), testNow.AddDate(0, 6, 0)
	ca := makeCA(t, template, generate(t), nil)
	s := caUserSite(t, ca.manifest(t, ca.key, ca.cert))
	s.apply(testNow)
	if end := s.identity(testNow, secrets.RoleCA).Chain[0].NotAfter; !end.Equal(template.NotAfter) {
		t.Fatalf("the CA ends on %s, the user's on %s", day(end), day(template.NotAfter))
	}
	for _, months := range []int{2, 4, 5} {
		for _, a := range s.plan(testNow.AddDate(0, months, 0)).Actions {
			if leaf, ok := a.(*MakeLeaf); ok && leaf.Role == secrets.RoleCA {
				t.Errorf("after %d months: %s (%s)", months, a.Object(), a.Reason())
			}
		}
	}
}

// TestModeCARollover: cert-manager hands one root on, so no cross certificate
// helps its clients: they get the new root first.
func TestModeCARollover(t *testing.T) {
	s := epSite(t, "{name: my-ep, mode: ca}")
	s.apply(testNow)
	first := s.identity(testNow, secrets.RoleCA)
	now := testNow.Add(time.Hour)
	s.wishRoot(now, false)
	s.onePass(now)
	waiting := s.identity(now, secrets.RoleCA)
	if !waiting.Chain[0].Equal(first.Chain[0]) || len(waiting.Roots) != 2 || len(s.plan(now).Waits) != 1 {
		t.Errorf("%q with %d roots, waits %v; want the same CA with both roots", waiting.Chain[0].Subject.CommonName, len(waiting.Roots), s.plan(now).Waits)
	}
	s.sayDeployed(now)
	now = now.Add(25 * time.Hour)
	s.onePass(now)
	next := s.identity(now, secrets.RoleCA)
	if last := next.Chain[len(next.Chain)-1]; next.Chain[0].Equal(first.Chain[0]) || !last.Equal(s.roots(now)[2]) {
		t.Errorf("the chain ends in %q, want the second root", last.Subject.CommonName)
	}
	for _, anchors := range [][]*x509.Certificate{waiting.Roots, next.Roots} {
		for _, id := range []secrets.Identity{first, next} {
			if err := pki.VerifyChain(pki.OpenSSL(), signLike(t, id, now), anchors, "", now); err != nil {
				t.Errorf("what the CA %q signed: %v", id.Chain[0].Subject.CommonName, err)
			}
		}
	}
}

const caUserConfig = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {secret: {name: corporate-ca}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep, mode: ca}]
flinkDeployments: [{name: session}]
`

func caUserSite(t *testing.T, manifest string) *testSite {
	t.Helper()
	return newSite(t, caUserConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": manifest})
}

// TestModeCAUnderUserCA: made under a CA of the user's that has room for it.
func TestModeCAUnderUserCA(t *testing.T) {
	root := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	template := caTemplate("Corporate issuing CA")
	template.MaxPathLen = 1
	issuing := makeCA(t, template, generate(t), root)
	for name, tt := range map[string]struct {
		manifest string
		chain    int
	}{
		"a root":        {root.manifest(t, root.key, root.cert), 2},
		"a subordinate": {issuing.manifest(t, issuing.key, root.cert), 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := caUserSite(t, tt.manifest)
			s.apply(testNow)
			id := s.identity(testNow, secrets.RoleCA)
			if len(id.Chain) != tt.chain || !id.Chain[tt.chain-1].Equal(root.cert) {
				t.Errorf("%d certificates in tls.crt, want %d up to the root", len(id.Chain), tt.chain)
			}
			if err := pki.VerifyChain(pki.OpenSSL(), signLike(t, id, testNow), id.Roots, "", testNow); err != nil {
				t.Error(err)
			}
			if got := id.Chain[0].Subject; got.CommonName != id.Chain[1].Subject.CommonName+" intermediate ea/my-ep" || len(got.Organization) == 0 {
				t.Errorf("subject %s", got)
			}
		})
	}
}

func TestModeCARefusals(t *testing.T) {
	root := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	leavesOnly := caTemplate("Issues leaves")
	leavesOnly.MaxPathLenZero = true
	oneBelow := caTemplate("Root with one CA below")
	oneBelow.MaxPathLen = 1
	narrow := caTemplate("Narrow CA")
	narrow.PermittedDNSDomains, narrow.PermittedDNSDomainsCritical = []string{"session-rest", "ea", "svc", "cluster.local"}, true
	of := func(template x509.Certificate, parent *userCA) string {
		ca := makeCA(t, template, generate(t), parent)
		above := ca
		if parent != nil {
			above = parent
		}
		return ca.manifest(t, ca.key, above.cert)
	}
	for name, tt := range map[string]struct{ manifest, want string }{
		"pathLen":       {of(leavesOnly, root), `mode ca: the pathLen 0 of "Issues leaves" is in the way`},
		"pathLen above": {of(caTemplate("Subordinate"), makeCA(t, oneBelow, generate(t), nil)), `mode ca: the pathLen 1 of "Root with one CA below" is in the way`},
		"constraints":   {of(narrow, root), `mode ca: the name constraints of "Narrow CA" exclude a name that cert-manager has to sign`},
	} {
		t.Run(name, func(t *testing.T) {
			s := caUserSite(t, tt.manifest)
			plan := s.plan(testNow)
			if len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), tt.want) || hintOf(plan.Faults[0].Err) == "" {
				t.Fatalf("faults %v; want %q", plan.Faults, tt.want)
			}
			s.reconfigure(", mode: ca", "")
			if name != "constraints" {
				s.apply(testNow)
			}
		})
	}
}

// TestModeCAThroughACAChange replaces the user's CA: whatever pods loaded as
// ca.crt verifies whatever cert-manager has signed with a CA that it was given.
func TestModeCAThroughACAChange(t *testing.T) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	s := caUserSite(t, first.manifest(t, first.key, first.cert))
	s.apply(testNow)
	ran := s.identity(testNow, secrets.RoleCA)
	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	now := testNow
	for round := range 5 {
		now = now.Add(25 * time.Hour)
		s.applyOld(now)
		next := s.identity(now, secrets.RoleCA)
		for i, trust := range []secrets.Identity{ran, next} {
			for j, signer := range []secrets.Identity{ran, next} {
				if err := pki.VerifyChain(pki.OpenSSL(), signLike(t, signer, now), trust.Roots, "", now); err != nil {
					t.Errorf("round %d: ca.crt %s, CA %s: %v", round, age(i), age(j), err)
				}
			}
		}
		if round == 0 && !next.Chain[0].Equal(ran.Chain[0]) {
			t.Error("the new CA signs before its root is trusted")
		}
		ran = next
		s.sayDeployed(now)
	}
	if err := ran.Chain[0].CheckSignatureFrom(second.cert); err != nil {
		t.Errorf("at the end the CA is not under the new root: %v", err)
	}
	if waits := s.plan(now).Waits; len(waits) > 0 {
		t.Errorf("still waits: %v", waits)
	}
}

// TestUICertificate: a certificate of its own, and the keys that the resource
// names; the ingress finds ca.crt whatever they are.
func TestUICertificate(t *testing.T) {
	const keys = "  authoring:\n    tls:\n      key: server.key\n      ui: {caCertificate: roots.pem, serverCertificate: ui.pem}\n      trustedCertificates:\n      - {secretName: keycloak, certificate: ca.crt}\n"
	s := epSite(t, "{name: my-ep, ui: {}, extraDNSNames: [flows.example.com]}", "  authoring:\n", keys,
		"host: ep.example.com\n", "host: ep.example.com\n      - name: other\n        host: other.example.com\n")
	s.write("keycloak.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: keycloak}\nstringData: {ca.crt: x}\n")
	s.apply(testNow)
	if main := s.identity(testNow, secrets.RoleCertificate).Chain[0]; !slices.Contains(main.DNSNames, "other.example.com") || !slices.Contains(main.DNSNames, "ep.example.com") {
		t.Errorf("the main certificate names %v", main.DNSNames)
	}
	ui := s.identity(testNow, secrets.RoleUICertificate).Chain[0]
	want := []string{
		"my-ep-ibm-eventprocessing-svc", "my-ep-ibm-eventprocessing-svc.ea", "my-ep-ibm-eventprocessing-svc.ea.svc",
		"my-ep-ibm-eventprocessing-svc.ea.svc.cluster.local", "ep.example.com", "flows.example.com",
	}
	if !slices.Equal(ui.DNSNames, want) {
		t.Errorf("the UI's certificate names %v", ui.DNSNames)
	}
	secret := s.version(testNow, epTarget, secrets.RoleUICertificate)
	if got := secret.Keys(); !slices.Equal(got, []string{"ca.crt", "roots.pem", "tls.key", "ui.pem"}) {
		t.Errorf("keys of the UI's Secret: %v", got)
	}
	if got := s.version(testNow, epTarget, secrets.RoleCertificate).Keys(); !slices.Equal(got, []string{"ca.crt", "server.key", "tls.crt"}) {
		t.Errorf("keys of the main Secret: %v", got)
	}
	trusted := fmt.Sprint(s.tls()["trustedCertificates"])
	if trusted != fmt.Sprintf("[map[certificate:ca.crt secretName:keycloak] map[certificate:roots.pem secretName:%s]]", secret.Name) {
		t.Errorf("trusted are %s", trusted)
	}
	s.replaceData(epTarget, secrets.RoleUICertificate, "ca.crt", []byte("spoilt"))
	if reason := s.plan(testNow).Actions[0].Reason(); !strings.Contains(reason, "ca.crt, which the ingress reads") {
		t.Errorf("a spoilt ca.crt: %s", reason)
	}
	plan := s.apply(testNow)
	if len(plan.Actions) != 2 || !s.identity(testNow, secrets.RoleUICertificate).Chain[0].Equal(ui) {
		t.Errorf("a spoilt ca.crt: %v", objects(plan))
	}
}

// TestUIRenewal: both certificates are due together, the entry follows the
// version, and old ones go.
func TestUIRenewal(t *testing.T) {
	s := epSite(t, "{name: my-ep, ui: {}}")
	original := s.files()["ep.yaml"]
	s.apply(testNow)
	before := s.refs(testNow)
	now := testNow
	for range 5 {
		now = now.AddDate(0, 10, 0)
		s.applyOld(now)
		refs := s.refs(now)
		if refs.UI == before.UI || refs.Certificate == before.Certificate || !slices.Equal(refs.Trusted, []string{refs.UI}) {
			t.Errorf("wired to %+v, before %+v", refs, before)
		}
		before = refs
		s.sayDeployed(now)
		now = now.Add(25 * time.Hour)
		s.applyOld(now)
	}
	if n := len(s.observe(now).versions[slot{epTarget, secrets.RoleUICertificate}]); n != keptVersions {
		t.Errorf("%d versions are kept", n)
	}
	reverts, err := Reverts(s.observe(now))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reverts {
		if r.Resource.Kind == deploy.EventProcessingKind && string(r.Source) != original {
			t.Errorf("reverted to\n%s", r.Source)
		}
	}
}

// TestUIOfManyNames: where one intermediate cannot permit every name, the UI's
// certificate finds one that permits its own.
func TestUIOfManyNames(t *testing.T) {
	var instances, manifests []string
	for i := range 2 {
		var endpoints strings.Builder
		for j := range 70 {
			fmt.Fprintf(&endpoints, "      - {name: other, host: a-rather-long-host-name-for-clients-%d.department-%d.example.com}\n", j, i)
		}
		instances = append(instances, fmt.Sprintf("{name: ep-%d, ui: {}}", i))
		manifests = append(manifests, strings.NewReplacer("my-ep", fmt.Sprintf("ep-%d", i), "ep.example.com\n", fmt.Sprintf("ui-%d.example.com\n", i)+endpoints.String()).Replace(testEventProcessing))
	}
	configuration := strings.Replace(testConfig, "{name: my-ep}", strings.Join(instances, ", "), 1)
	s := newSite(t, configuration, map[string]string{"all.yaml": strings.Join(manifests, "---\n"), "flink.yaml": testFlink})
	s.apply(testNow)
}

// TestUIWish: renew asks for all of a target's certificates.
func TestUIWish(t *testing.T) {
	s := epSite(t, "{name: my-ep, ui: {}}")
	s.apply(testNow)
	marked, err := Wish(s.plan(testNow), s.observe(testNow), epTarget)
	if err != nil || len(marked) != 2 {
		t.Fatalf("%d Secrets marked, %v", len(marked), err)
	}
}

// TestModesOneAfterTheOther changes the mode in flowcert.yaml: nothing half is
// left, and what flowcert set for the mode before is gone from the resource.
func TestModesOneAfterTheOther(t *testing.T) {
	s := quickSite(t)
	original := s.files()["ep.yaml"]
	s.apply(testNow)
	now, entry := testNow, "{name: my-ep}"
	for _, next := range []string{"{name: my-ep, mode: ca}", "{name: my-ep, mode: ca, ui: {}}", "{name: my-ep, ui: {}}", "{name: my-ep}", "{name: my-ep, mode: ca}"} {
		now = now.Add(time.Hour)
		s.reconfigure(entry, next)
		entry = next
		s.apply(now)
		refs := s.refs(now)
		ca, ui := strings.Contains(entry, "mode: ca"), strings.Contains(entry, "ui:")
		if (refs.CA != "") != ca || (refs.Certificate != "") == ca || (refs.UI != "") != ui || (len(refs.Trusted) > 0) != ui {
			t.Errorf("%s: wired to %+v", entry, refs)
		}
		reverts, err := Reverts(s.observe(now))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range reverts {
			if r.Resource.Kind == deploy.EventProcessingKind && string(r.Source) != original {
				t.Errorf("%s: reverted to\n%s", entry, r.Source)
			}
		}
	}
}

// TestModeStoppedAfterEveryWrite: a first pass and a change of mode, stopped
// after every write, refer to what is there.
func TestModeStoppedAfterEveryWrite(t *testing.T) {
	for n := 0; ; n++ {
		s := epSite(t, "{name: my-ep, ui: {}}")
		stopped := s.stopAfter(n, testNow)
		s.edges(testNow)
		s.apply(testNow)
		s.reconfigure("{name: my-ep, ui: {}}", "{name: my-ep, mode: ca}")
		later := testNow.Add(time.Hour)
		s.stopAfter(n, later)
		s.edges(later)
		s.apply(later)
		if !stopped {
			return
		}
	}
}

// TestOtherModeIsRefused: before anything is written.
func TestOtherModeIsRefused(t *testing.T) {
	for entry, words := range map[string][2]string{
		"{name: my-ep}":           {"tls: {caSecretName: their-ca}", `"their-ca", the mode in which cert-manager signs with a CA of yours; flowcert.yaml asks for mode certificate`},
		"{name: my-ep, mode: ca}": {"tls: {secretName: theirs}", `"theirs", the mode with a certificate of yours; flowcert.yaml asks for mode ca`},
		"{name: my-ep, ui: {}}":   {"tls: {ui: {secretName: theirs}}", `spec.authoring.tls.ui.secretName: is "theirs"`},
	} {
		s := epSite(t, entry, "  authoring:\n", "  authoring:\n    "+words[0]+"\n")
		plan := s.plan(testNow)
		if len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), words[1]) || hintOf(plan.Faults[0].Err) == "" {
			t.Errorf("%s: %v", entry, plan.Faults)
		}
	}
}

// TestTheirUICertificate stays beside a main certificate of ours.
func TestTheirUICertificate(t *testing.T) {
	s := epSite(t, "{name: my-ep}", "  authoring:\n", "  authoring:\n    tls: {ui: {secretName: theirs}}\n")
	s.write("theirs.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: theirs}\nstringData: {ca.crt: x}\n")
	plan := s.apply(testNow)
	if s.refs(testNow).UI != "theirs" || !strings.Contains(strings.Join(plan.Notices, "\n"), "a UI certificate of yours") {
		t.Errorf("wired to %+v; notices %v", s.refs(testNow), plan.Notices)
	}
}

// TestIngressDepth: a chain that is too deep for the ingress is named, and waits
// for nothing; the annotation makes the edge count.
func TestIngressDepth(t *testing.T) {
	deep := func(name string) string {
		root := makeCA(t, caTemplate(name), generate(t), nil)
		between := makeCA(t, caTemplate(name+" policy"), generate(t), root)
		issuing := makeCA(t, caTemplate(name+" issuing"), generate(t), between)
		return issuing.manifest(t, issuing.key, between.cert, root.cert)
	}
	// Without the ingress there still are Event Processing's own pods, which
	// verify as deep as they need.
	for annotation, tooDeep := range map[string]bool{"": true, "2": false, "0": true} {
		t.Run(annotation, func(t *testing.T) {
			word := "host: ep.example.com\n"
			if annotation != "" {
				word += "        annotations: {nginx.ingress.kubernetes.io/proxy-ssl-verify-depth: '" + annotation + "'}\n"
			}
			s := newSite(t, strings.Replace(userConfig, "{name: my-ep}", "{name: my-ep, ui: {}}", 1), map[string]string{
				"ep.yaml":    strings.Replace(testEventProcessing, "host: ep.example.com\n", word, 1),
				"flink.yaml": testFlink, "ca.yaml": deep("Corporate root"),
			})
			s.applyOld(testNow)
			found := fmt.Sprint(Verify(s.cfg, s.observe(testNow)).Findings)
			if got := strings.Contains(found, "an nginx ingress that re-encrypts to the UI does not accept my-ep-ui-cert-"); got != tooDeep {
				t.Errorf("verify: %s", found)
			}
			notices := strings.Join(s.plan(testNow).Notices, "\n")
			if got := strings.Contains(notices, `proxy-ssl-verify-depth: "2"`); got != tooDeep {
				t.Errorf("named: %v: %s", got, notices)
			}
			s.write("ca.yaml", deep("Corporate root G2"))
			waits := 0
			for _, w := range s.plan(testNow).Waits {
				if w.Target == epTarget {
					waits++
					if fromIngress := strings.Contains(w.For, "the ingress in front of"); fromIngress == tooDeep {
						t.Errorf("waits for %s", w.For)
					}
				}
			}
			if waits != 1 {
				t.Errorf("%d waits, want %d", waits, 1)
			}
		})
	}
}

// TestDeclaredEdges: a client that the configuration names holds a server of any
// kind back until it trusts the new root.
func TestDeclaredEdges(t *testing.T) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root G2"), generate(t), nil)
	const trusting = "truststores: [{publicCAs: false, sources: [{name: ours, authority: true}]}]\n"
	site := func(edges string) *testSite {
		return newSite(t, userConfig+trusting+edges, map[string]string{
			"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": first.manifest(t, first.key, first.cert),
		})
	}
	for edges, want := range map[string]bool{
		"": false,
		"edges: [{client: flinkDeployment/ea/session, server: eventProcessing/ea/my-ep}]\n": true,
	} {
		s := site(edges)
		s.apply(testNow)
		old := s.refs(testNow).Certificate
		s.write("ca.yaml", second.manifest(t, second.key, second.cert))
		plan := s.plan(testNow)
		s.noFaults(plan)
		waits := slices.ContainsFunc(plan.Waits, func(w Wait) bool { return w.Target == epTarget })
		if waits != want {
			t.Errorf("%q: waits %v", edges, plan.Waits)
		}
		now := testNow
		for range 4 {
			now = now.Add(25 * time.Hour)
			s.applyOld(now)
			s.sayDeployed(now)
		}
		if refs := s.refs(now); refs.Certificate == old || len(s.plan(now.Add(25*time.Hour)).Waits) > 0 {
			t.Errorf("%q: does not end: %v", edges, s.plan(now.Add(25*time.Hour)).Waits)
		}
	}
}
