package renew

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

const userConfig = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {secret: {name: corporate-ca}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session}]
`

// userCA is a CA as a user has it.
type userCA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// makeCA signs a CA certificate from a template; a nil parent signs itself.
func makeCA(t *testing.T, template x509.Certificate, key crypto.Signer, parent *userCA) *userCA {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.BasicConstraintsValid = true
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = testNow.AddDate(-1, 0, 0), testNow.AddDate(9, 0, 0)
	}
	if template.KeyUsage == 0 {
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	signer, above := key, &template
	if parent != nil {
		signer, above = parent.key, parent.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, above, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &userCA{cert, key}
}

func caTemplate(name string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: name, Organization: []string{"Corporation"}}, IsCA: true}
}

// manifest is the user's Secret.
func (ca *userCA) manifest(t *testing.T, key crypto.Signer, chain ...*x509.Certificate) string {
	t.Helper()
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return caManifest(pki.EncodeCertificates(ca.cert), keyPEM, pki.EncodeCertificates(chain...))
}

func caManifest(cert, key, chain []byte) string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: corporate-ca}\ndata:\n  tls.crt: %s\n  tls.key: %s\n  ca.crt: %s\n", b64(cert), b64(key), b64(chain))
}

func userSite(t *testing.T, manifest string) *testSite {
	t.Helper()
	return newSite(t, userConfig, map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "ca.yaml": manifest})
}

func TestUserCA(t *testing.T) {
	root := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	between := makeCA(t, caTemplate("Corporate policy CA"), generate(t), root)
	constrained := caTemplate("Corporate issuing CA")
	constrained.PermittedDNSDomains = []string{"ea", "svc", "cluster.local", "example.com", "session-rest", "my-ep-ibm-eventprocessing-svc"}
	constrained.PermittedDNSDomainsCritical = true
	issuing := makeCA(t, constrained, generate(t), between)
	rsaKey, err := pki.GenerateKey(pki.KeySpec{Algorithm: "RSA", Size: 2048})
	if err != nil {
		t.Fatal(err)
	}
	rsaRoot := makeCA(t, caTemplate("RSA root"), rsaKey, nil)
	for name, tt := range map[string]struct {
		manifest string
		chain    int // certificates that a server sends, without an intermediate of ours
		root     *x509.Certificate
	}{
		"a root":                       {root.manifest(t, root.key, root.cert), 1, root.cert},
		"an RSA root":                  {rsaRoot.manifest(t, rsaRoot.key, rsaRoot.cert), 1, rsaRoot.cert},
		"a constrained subordinate":    {issuing.manifest(t, issuing.key, between.cert, root.cert), 3, root.cert},
		"its chain in any order":       {issuing.manifest(t, issuing.key, root.cert, between.cert), 3, root.cert},
		"a subordinate below the root": {between.manifest(t, between.key, root.cert), 2, root.cert},
	} {
		for _, own := range []string{"", ", intermediate: {key: {algorithm: ECDSA, size: 256}}", ", intermediate: {nameConstraints: none, key: {algorithm: ECDSA, size: 256}}"} {
			t.Run(name+own, func(t *testing.T) { testUserCA(t, tt.manifest, own, tt.chain, tt.root) })
		}
	}
}

// testUserCA applies a site under a user's CA, whose intermediate, if it has
// one, is of our making.
func testUserCA(t *testing.T, manifest, own string, chain int, root *x509.Certificate) {
	s := userSite(t, manifest)
	s.edit("flowcert.yaml", "{name: corporate-ca}", "{name: corporate-ca"+own+"}")
	s.reload()
	s.apply(testNow)
	if own != "" {
		chain++
	}
	id, err := s.version(testNow, "eventProcessing/ea/my-ep", secrets.RoleCertificate).Identity(secrets.DefaultKeys())
	if err != nil {
		t.Fatal(err)
	}
	if len(id.Chain) != chain || len(id.Roots) != 1 || !id.Roots[0].Equal(root) {
		t.Errorf("%d certificates sent, %d roots; want %d and the user's root", len(id.Chain), len(id.Roots), chain)
	}
	if constrained := len(id.Chain) > 1 && id.Chain[1].PermittedDNSDomainsCritical; own != "" && constrained == strings.Contains(own, "none") {
		t.Errorf("the intermediate is constrained: %v", constrained)
	}
	for _, profile := range []pki.Profile{pki.JVM(), pki.OpenSSL()} {
		if err := pki.VerifyChain(profile, id.Chain, id.Roots, "ep.example.com", testNow); err != nil {
			t.Errorf("%s: %v", profile.Name, err)
		}
	}
	if len(id.Chain[0].Subject.Organization) == 0 {
		t.Error("the leaf does not take the organization of the CA")
	}
	if plan := s.plan(testNow.AddDate(0, 1, 0)); len(plan.Actions) > 0 {
		t.Errorf("a month later: %v", objects(plan))
	}
}

func TestUserCAEncryptedKey(t *testing.T) {
	root := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	der, err := x509.MarshalECPrivateKey(root.key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 the form in which older openssl versions write an encrypted key
	block, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", der, []byte("open sesame"), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	certs := pki.EncodeCertificates(root.cert)
	s := userSite(t, caManifest(certs, pem.EncodeToMemory(block), certs))
	if plan := s.plan(testNow); len(plan.Faults) == 0 || !strings.Contains(plan.Faults[0].Err.Error(), "passphrase") {
		t.Errorf("without a passphrase: %v", plan.Faults)
	}
	s.edit("flowcert.yaml", "{name: corporate-ca}", "{name: corporate-ca, passphrase: {secret: {name: opener, key: word}}}")
	s.write("opener.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: opener}\nstringData: {word: wrong}\n")
	s.reload()
	if plan := s.plan(testNow); len(plan.Faults) == 0 || strings.Contains(fmt.Sprint(plan.Faults), "wrong\"") {
		t.Errorf("with a wrong passphrase: %v", plan.Faults)
	}
	s.edit("opener.yaml", "word: wrong", `word: "open sesame\n"`)
	s.reload()
	if plan := s.plan(testNow); len(plan.Faults) == 0 || !strings.Contains(hintOf(plan.Faults[0].Err), "ends in a line break") {
		t.Errorf("with a line break after the passphrase: %v", plan.Faults)
	}
	s.edit("opener.yaml", `word: "open sesame\n"`, "word: open sesame")
	s.apply(testNow)
}

func TestUserCARefusals(t *testing.T) {
	root := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	sub := makeCA(t, caTemplate("Corporate issuing CA"), generate(t), root)
	other := makeCA(t, caTemplate("Other root"), generate(t), nil)
	leaf := caTemplate("server.example.com")
	leaf.IsCA, leaf.KeyUsage = false, x509.KeyUsageDigitalSignature
	noSign := caTemplate("CA that may not sign")
	noSign.KeyUsage = x509.KeyUsageCRLSign
	ended := caTemplate("Ended CA")
	ended.NotBefore, ended.NotAfter = testNow.AddDate(-3, 0, 0), testNow.AddDate(0, 0, -1)
	early := caTemplate("Early CA")
	early.NotBefore, early.NotAfter = testNow.AddDate(0, 0, 1), testNow.AddDate(3, 0, 0)
	narrow := caTemplate("Narrow CA")
	narrow.PermittedDNSDomains, narrow.PermittedDNSDomainsCritical = []string{"example.org"}, true
	odd := caTemplate("Odd CA")
	odd.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4, 5}, Critical: true, Value: []byte{5, 0}}}
	mail := caTemplate("Mail CA")
	mail.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	servers := caTemplate("Servers' CA")
	servers.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	nameless := caTemplate("")
	nameless.Subject = pkix.Name{}
	short := caTemplate("Root for leaves only")
	short.MaxPathLenZero = true
	shortRoot := makeCA(t, short, generate(t), nil)
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	edCA := makeCA(t, caTemplate("Edwards CA"), edKey, nil)

	of := func(ca *userCA) string { return ca.manifest(t, ca.key, ca.cert) }
	tests := map[string]struct{ manifest, want string }{
		"not a CA":             {of(makeCA(t, leaf, generate(t), nil)), `"server.example.com" is not a CA`},
		"may not sign":         {of(makeCA(t, noSign, generate(t), nil)), "may not sign certificates"},
		"ended":                {of(makeCA(t, ended, generate(t), nil)), `"Ended CA" ended on 2030-04-30`},
		"not yet valid":        {of(makeCA(t, early, generate(t), nil)), `"Early CA" is not valid before`},
		"key of another":       {root.manifest(t, other.key, root.cert), "tls.key is the key of another certificate"},
		"incomplete chain":     {sub.manifest(t, sub.key, sub.cert), `the chain is incomplete: the issuer "Corporate root"`},
		"chain of another":     {sub.manifest(t, sub.key, other.cert), "the chain is incomplete"},
		"constraints":          {of(makeCA(t, narrow, generate(t), nil)), `name constraints of "Narrow CA" exclude a name`},
		"ended above":          {subOf(t, makeCA(t, ended, generate(t), nil)), `"Ended CA" in its chain ended`},
		"pathLen of a root":    {subOf(t, shortRoot), "the pathLen 0 of \"Root for leaves only\" is in the way: 1 of"},
		"pathLen":              {subOfSub(t, shortRoot), "the pathLen 0 of \"Root for leaves only\" is in the way"},
		"Ed25519":              {of(edCA), "is an Ed25519 CA"},
		"critical extension":   {of(makeCA(t, odd, generate(t), nil)), `"Odd CA" has the critical extension 1.2.3.4.5`},
		"usage":                {of(makeCA(t, mail, generate(t), nil)), `"Mail CA" is not for server authentication (extended key usage)`},
		"usage of a client":    {of(makeCA(t, servers, generate(t), nil)), `"Servers' CA" is not for client authentication (extended key usage)`},
		"usage above":          {subOf(t, makeCA(t, mail, generate(t), nil)), `"Mail CA" is not for server authentication`},
		"no name":              {of(makeCA(t, nameless, generate(t), nil)), "its issuer has no name, and Java reads no store that holds it"},
		"no key":               {"apiVersion: v1\nkind: Secret\nmetadata: {name: corporate-ca}\nstringData: {ca.crt: x}\n", "corporate-ca"},
		"garbage certificate":  {caManifest([]byte("garbage"), []byte("x"), pki.EncodeCertificates(root.cert)), "tls.crt"},
		"key where a CA is":    {caManifest(encodeKey(t), encodeKey(t), pki.EncodeCertificates(root.cert)), "private key"},
		"Secret is not there":  {"apiVersion: v1\nkind: Secret\nmetadata: {name: another}\n", "secret ea/corporate-ca, the CA, is not there"},
		"Secret without a key": {"apiVersion: v1\nkind: Secret\nmetadata: {name: corporate-ca}\n", `no key "ca.crt"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := userSite(t, tt.manifest)
			before := len(s.files())
			plan := s.plan(testNow)
			if len(plan.Actions) > 0 || len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Err.Error(), tt.want) {
				t.Fatalf("actions %v, faults %v; want %q", objects(plan), plan.Faults, tt.want)
			}
			if hintOf(plan.Faults[0].Err) == "" {
				t.Error("no remedy")
			}
			if len(s.files()) != before {
				t.Error("something was written")
			}
		})
	}
}

// TestIntermediateUnderUserCARefused: a CA that may have none below it.
func TestIntermediateUnderUserCARefused(t *testing.T) {
	short := caTemplate("Root for leaves only")
	short.MaxPathLenZero = true
	ca := makeCA(t, short, generate(t), nil)
	s := userSite(t, ca.manifest(t, ca.key, ca.cert))
	s.noFaults(s.plan(testNow))
	s.edit("flowcert.yaml", "{name: corporate-ca}", "{name: corporate-ca, intermediate: {}}")
	s.reload()
	faults := s.plan(testNow).Faults
	if len(faults) != 1 || !strings.Contains(faults[0].Err.Error(), "it may have no CA below it, and flowcert.yaml asks for an intermediate") || !strings.Contains(hintOf(faults[0].Err), "take authority.secret.intermediate out") {
		t.Errorf("faults %v", faults)
	}
}

// subOf is a subordinate of a CA, given with it.
func subOf(t *testing.T, parent *userCA) string {
	t.Helper()
	sub := makeCA(t, caTemplate("Subordinate"), generate(t), parent)
	return sub.manifest(t, sub.key, parent.cert)
}

func subOfSub(t *testing.T, parent *userCA) string {
	t.Helper()
	middle := makeCA(t, caTemplate("Middle"), generate(t), parent)
	sub := makeCA(t, caTemplate("Subordinate"), generate(t), middle)
	return sub.manifest(t, sub.key, middle.cert, parent.cert)
}

// TestUserCAReplaced: a CA that cannot be cross-signed is trusted first, by every
// client; the leaves wait for that and say so.
func TestUserCAReplaced(t *testing.T) {
	first := makeCA(t, caTemplate("Corporate root"), generate(t), nil)
	second := makeCA(t, caTemplate("Corporate root"), generate(t), nil) // of the same name
	s := userSite(t, first.manifest(t, first.key, first.cert))
	s.apply(testNow)
	s.write("ca.yaml", second.manifest(t, second.key, second.cert))
	plan := s.plan(testNow)
	s.noFaults(plan)
	for _, a := range plan.Actions {
		if leaf, ok := a.(*MakeLeaf); ok && leaf.Target == "flinkDeployment/ea/session" && leaf.Keep == nil {
			t.Error("Flink gets a leaf that its clients do not trust yet")
		}
	}
	if len(plan.Waits) == 0 {
		t.Fatal("nothing waits")
	}
	if err := Apply(context.Background(), plan, s.store, testNow, func(Action) {}); err != nil {
		t.Fatal(err)
	}
	s.edges(testNow)
	state := s.observe(testNow)
	p := newPlanner(s.cfg, state)
	entries, err := p.trustOf(s.version(testNow, "eventProcessing/ea/my-ep", secrets.RoleFlinkTrust))
	if err != nil || len(entries) != 2 {
		t.Errorf("the client trusts %d roots, want both (%v)", len(entries), err)
	}
	// Nobody has said that it is deployed: no time makes the next step safe.
	if again := s.plan(testNow.Add(48 * time.Hour)); len(again.Actions) > 0 || len(again.Waits) == 0 {
		t.Errorf("after the first step: %v, waits %v", objects(again), again.Waits)
	}
	if !strings.Contains(plan.Waits[0].For, "apply --deployed") {
		t.Errorf("the wait does not say what to do: %s", plan.Waits[0].For)
	}

	// Said too early, the soak time still holds it.
	s.sayDeployed(testNow.Add(time.Hour))
	if again := s.plan(testNow.Add(2 * time.Hour)); len(again.Actions) > 0 || len(again.Waits) == 0 || !strings.Contains(again.Waits[0].For, "until 2030-05-02T13:00:00Z") {
		t.Errorf("within the soak time: %v, waits %v", objects(again), again.Waits)
	}
	// Time alone does nothing where nobody said so: see the plan before.
	later := testNow.Add(26 * time.Hour)
	s.apply(later)
	if waits := s.plan(later).Waits; len(waits) > 0 {
		t.Errorf("still waits: %v", waits)
	}
	flink := s.version(later, "flinkDeployment/ea/session", secrets.RoleFlinkTLS)
	id, err := newPlanner(s.cfg, s.observe(later)).storesOf(flink)
	if err != nil || id.Chain[0].CheckSignatureFrom(second.cert) != nil {
		t.Errorf("Flink's leaf is not under the new CA (%v)", err)
	}
	s.edges(later)
}

func (s *testSite) sayDeployed(now time.Time) {
	s.t.Helper()
	for _, secret := range Deployed(s.observe(now)) {
		if err := s.store.UpdateSecret(context.Background(), secret); err != nil {
			s.t.Fatal(err)
		}
	}
}
