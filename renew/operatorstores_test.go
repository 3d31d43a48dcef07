package renew

import (
	"strings"
	"testing"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// operatorsPassword is what the Flink operator reads into its environment.
func (s *testSite) operatorsPassword() string {
	s.t.Helper()
	secret := s.observe(testNow).Secrets[secrets.Ref{Namespace: "flink", Name: config.OperatorPasswordSecret}]
	if secret == nil {
		s.t.Fatal("there is no operator-certificate-password")
	}
	return string(secret.Data[secrets.Password])
}

// TestFlinksTruststoreOpensForTheOperator: the Flink client in the operator opens its own truststore with the
// password that stands in the FlinkDeployment (test/e2e/operator).
func TestFlinksTruststoreOpensForTheOperator(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow) // which makes the operator's password too
	const target = "flinkDeployment/ea/session"
	before := s.version(testNow, target, secrets.RoleFlinkTLS)
	if got := string(before.Data[secrets.TrustPassword]); got != s.operatorsPassword() {
		t.Errorf("the truststore of Flink has another password than the operator's")
	}
	if _, err := before.Trust(truststore.JKS, s.operatorsPassword()); err != nil {
		t.Error(err)
	}
	if string(before.Data[secrets.Password]) == s.operatorsPassword() {
		t.Error("the operator's password opens Flink's key store")
	}
}

// TestOperatorComesLater: what runs already is not restarted for the operator's password; the next version has it.
func TestOperatorComesLater(t *testing.T) {
	const operator = "flinkOperator: {namespace: flink}\n"
	s := newSite(t, strings.Replace(testConfig, operator, "", 1), map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	s.apply(testNow)
	const target = "flinkDeployment/ea/session"
	before := s.version(testNow, target, secrets.RoleFlinkTLS)
	s.write("flowcert.yaml", testConfig)
	s.reload()
	for _, o := range objects(s.apply(testNow)) {
		if strings.Contains(o, "session") {
			t.Errorf("planned for the operator's sake: %s", o)
		}
	}
	s.apply(testNow.AddDate(0, 10, 0))
	after := s.version(testNow.AddDate(0, 10, 0), target, secrets.RoleFlinkTLS)
	if before.Name == after.Name || string(after.Data[secrets.TrustPassword]) != s.operatorsPassword() {
		t.Error("the next version has not the operator's password")
	}
}

// TestOperatorHasFlinksFormat: the client opens a file of the name that stands in the FlinkDeployment.
func TestOperatorHasFlinksFormat(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	read := func() *secrets.Secret {
		return s.observe(testNow).Secrets[secrets.Ref{Namespace: "flink", Name: config.OperatorCertSecret}]
	}
	if read().Data[secrets.TrustFile(truststore.PKCS12)] != nil {
		t.Error("it has a PKCS12 store that nothing needs")
	}
	key := read().Data[secrets.KeyStoreFile(truststore.JKS)]
	s.write("flowcert.yaml", strings.Replace(testConfig, "{name: session}", "{name: session, tls: {format: PKCS12}}", 1))
	s.reload()
	s.apply(testNow)
	s.converged(testNow)
	after := read()
	for _, f := range []truststore.Format{truststore.JKS, truststore.PKCS12} {
		if _, err := after.Trust(f, s.operatorsPassword()); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	if key == nil || after.Data[secrets.KeyStoreFile(truststore.JKS)] == nil {
		t.Error("the key store is gone")
	}
}
