package renew

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// TestVerifyDates plants, in Event Processing's Secret, chains of which one
// certificate is over or not begun yet: leaf, intermediate, root.
func TestVerifyDates(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	const target = "eventProcessing/ea/my-ep"
	healthy := s.version(testNow, target, secrets.RoleCertificate)
	past, future := testNow.AddDate(-1, 0, 0), testNow.AddDate(0, 1, 0)
	good := newCA(t, "a CA", past)
	later := newCA(t, "a CA of tomorrow", future)
	lateIntermediate := newCA(t, "a CA", past)
	lateIntermediate.reissueIntermediate(t, future)
	for _, tt := range []struct {
		name  string
		ca    *testCA
		from  time.Time
		until time.Time
		want  string
	}{
		{"in order", good, testNow.AddDate(0, -1, 0), testNow.AddDate(0, 1, 0), ""},
		{"leaf over", good, testNow.AddDate(0, -2, 0), testNow.AddDate(0, -1, 0), "the certificate ended on "},
		{"leaf not begun", good, future, future.AddDate(0, 1, 0), "the certificate is not valid before "},
		{"intermediate not begun", lateIntermediate, future, future.AddDate(0, 1, 0), "not valid before "},
		{"root not begun", later, future, future.AddDate(0, 1, 0), "not valid before "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			chain, key := databaseLeaf(t, tt.ca, "my-ep", tt.from, tt.until)
			secret := *healthy
			secret.Data = map[string][]byte{}
			if err := secret.PutIdentity(secrets.Identity{Key: key, Chain: chain, Roots: []*x509.Certificate{tt.ca.root}}, secrets.DefaultKeys()); err != nil {
				t.Fatal(err)
			}
			v := newVerifier(s.cfg, s.observe(testNow))
			err := v.flaw(&secret)
			if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestVerifyChainDates looks past a leaf that is valid at certificates above it
// that are not: the leaf's own dates come first otherwise.
func TestVerifyChainDates(t *testing.T) {
	v := newVerifier(quickSite(t).cfg, &State{Now: testNow})
	key := generate(t)
	for _, tt := range []struct {
		name        string
		from, until time.Time // of the intermediate
		want        string
	}{
		{"intermediate over", testNow.AddDate(-2, 0, 0), testNow.AddDate(0, 0, -1), "expired on"},
		{"intermediate not begun", testNow.AddDate(0, 0, 1), testNow.AddDate(1, 0, 0), "is not valid before"},
	} {
		root := makeCA(t, caTemplate("root"), key, nil)
		template := caTemplate("intermediate")
		template.NotBefore, template.NotAfter = tt.from, tt.until
		inter := makeCA(t, template, generate(t), root)
		leafTemplate := x509.Certificate{
			DNSNames: []string{"a.example.com"}, NotBefore: testNow.AddDate(0, -1, 0), NotAfter: testNow.AddDate(0, 1, 0),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		}
		leaf := makeCA(t, leafTemplate, generate(t), inter)
		id := secrets.Identity{Key: leaf.key, Chain: []*x509.Certificate{leaf.cert, inter.cert}, Roots: []*x509.Certificate{root.cert}}
		if err := v.verifyIdentity(id); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestVerifyReportsOnce: what is used in several places is said once, and what is
// about one thing stands together.
func TestVerifyReportsOnce(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	s.remove("truststore/ea/ssl-truststore", secrets.RoleTruststore)
	r := Verify(s.cfg, s.observe(testNow))
	seen, order := map[string]bool{}, map[string]int{}
	for i, f := range r.Findings {
		if seen[f.Target+f.Problem] {
			t.Errorf("said twice: %s: %s", f.Target, f.Problem)
		}
		seen[f.Target+f.Problem] = true
		if last, ok := order[f.Target]; ok && last != i-1 {
			t.Errorf("%s stands in two places", f.Target)
		}
		order[f.Target] = i
	}
	for _, target := range []string{"flinkDeployment/ea/session", "eventProcessing/ea/my-ep"} {
		if !seen[target+"volume truststore refers to "+missing(t, s)+", which flowcert made and which is not there"] {
			t.Errorf("%s: nothing says that its truststore is gone: %+v", target, r.Findings)
		}
	}
}

// missing is the Secret that the resources still refer to.
func missing(t *testing.T, s *testSite) string {
	t.Helper()
	r, err := s.observe(testNow).resource(deploy.FlinkDeploymentKind, "ea", "session")
	if err != nil {
		t.Fatal(err)
	}
	return secrets.Ref{Namespace: "ea", Name: deploy.References(r).TrustStore}.String()
}

// TestVerifyHealthyFormats: what apply writes is as its name says, in every
// format and with public CAs.
func TestVerifyHealthyFormats(t *testing.T) {
	for _, truststore := range []string{
		"{sources: [{name: Db_One, file: db.pem}, {name: ours, authority: true}]}",
		"{format: PKCS12, sources: [{name: Db_One, file: db.pem}, {name: ours, authority: true}]}",
	} {
		certs := string(pki.EncodeCertificates(newCA(t, "first", testNow.AddDate(-1, 0, 0)).root, newCA(t, "second", testNow.AddDate(-1, 0, 0)).root))
		s := newSite(t, strings.Replace(testConfig, "{publicCAs: false, sources: [{name: db, file: db.pem}]}", truststore, 1),
			map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink, "db.pem": certs})
		s.apply(testNow) // which verifies
	}
}
