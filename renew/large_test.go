package renew

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// largeCAs are so many CAs of about size bytes each, under distinct names.
func largeCAs(t *testing.T, count, size int) []*x509.Certificate {
	t.Helper()
	var out []*x509.Certificate
	for i := range count {
		template := caTemplate(fmt.Sprintf("Large CA %d", i))
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: make([]byte, size)}}
		out = append(out, makeCA(t, template, generate(t), nil).cert)
	}
	return out
}

// TestLargeTruststore: what a Secret may just hold can be written and read again;
// more is refused beforehand.
func TestLargeTruststore(t *testing.T) {
	for _, format := range []truststore.Format{truststore.JKS, truststore.PKCS12} {
		for _, tt := range []struct {
			size int
			fits bool
		}{{250_000, true}, {270_000, false}} {
			t.Run(fmt.Sprintf("%s of %d", format, 4*tt.size), func(t *testing.T) {
				s := newSite(t, `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: ECDSA, size: 256}}
eventProcessing: [{name: my-ep}]
truststores: [{publicCAs: false, format: `+string(format)+`, sources: [{name: a, file: a.pem}, {name: b, file: b.pem}]}]
`, map[string]string{"ep.yaml": testEventProcessing})
				certs := largeCAs(t, 4, tt.size)
				s.write("a.pem", string(pki.EncodeCertificates(certs[:2]...)))
				s.write("b.pem", string(pki.EncodeCertificates(certs[2:]...)))
				if tt.fits {
					s.apply(testNow)
					return
				}
				faults := s.plan(testNow).Faults
				if len(faults) == 0 || faults[0].Target != "truststore/ea/ssl-truststore" || !strings.Contains(faults[0].Err.Error(), "bytes are more than a store may have") || hintOf(faults[0].Err) == "" {
					t.Errorf("faults %v", faults)
				}
			})
		}
	}
}

// TestLargeAdoption: a truststore whose record no Secret would hold is refused
// beforehand, one that just fits is taken over.
func TestLargeAdoption(t *testing.T) {
	for size, fits := range map[int]bool{180_000: true, 200_000: false} {
		var entries []truststore.Entry
		for i, c := range largeCAs(t, 4, size) {
			entries = append(entries, truststore.Entry{Alias: fmt.Sprintf("ca-%d", i), Certificate: c})
		}
		store, err := truststore.EncodeTrust(truststore.JKS, entries, "db-Passw0rd")
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(t, strings.Replace(testConfig, "flinkOperator: {namespace: flink}\n", "", 1), map[string]string{
			"flink.yaml": testFlink,
			"ep.yaml": testEventProcessing + `    template:
      pod:
        spec:
          volumes: [{name: truststore, secret: {secretName: mine}}]
          containers:
          - name: backend
            volumeMounts: [{name: truststore, mountPath: /opt/ibm/sp-backend/certs, readOnly: true}]
            env: [{name: JAVA_TOOL_OPTIONS, value: "-Djavax.net.ssl.trustStore=/opt/ibm/sp-backend/certs/truststore.jks -Djavax.net.ssl.trustStorePassword=db-Passw0rd"}]
`,
			"mine.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: mine}\ndata: {truststore.jks: " + base64.StdEncoding.EncodeToString(store) + "}\n",
		})
		plan := s.adopting(testNow)
		if !fits {
			if len(plan.Faults) == 0 || !strings.Contains(plan.Faults[0].Err.Error(), "secret ea/mine trusts too much to be recorded") || hintOf(plan.Faults[0].Err) == "" {
				t.Errorf("faults %v", plan.Faults)
			}
			continue
		}
		s.noFaults(plan)
		if err := Apply(context.Background(), plan, s.store, testNow, func(Action) {}); err != nil {
			t.Fatal(err)
		}
		s.converged(testNow)
	}
}

// TestSecretTooLarge: no manifest is written that no API server takes.
func TestSecretTooLarge(t *testing.T) {
	s := quickSite(t)
	large := secrets.New(secrets.Ref{Namespace: "ea", Name: "large"}, "truststore/ea/large", secrets.RoleTruststore, testNow)
	large.Data["a"] = make([]byte, secrets.MaxData+1)
	if err := s.store.CreateSecret(context.Background(), large); err == nil || !strings.Contains(err.Error(), "secret ea/large would hold 1048577 bytes, and a Secret holds at most 1048576") {
		t.Errorf("error %v", err)
	}
	if len(s.files()) != 4 {
		t.Errorf("files %d", len(s.files()))
	}
}
