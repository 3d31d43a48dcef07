package incluster_test

import (
	"slices"
	"testing"

	"github.com/flowcert/flowcert/pki"
)

const openshift = `
apiVersion: config.openshift.io/v1
kind: Ingress
metadata: {name: cluster}
spec: {domain: apps.openshift.example.com}
`

func TestRoutesOfOpenShift(t *testing.T) {
	s := newSite(t)
	s.write(t, "flowcert.yaml", config)
	s.Apply(t, "", []byte(openshift))
	s.Apply(t, s.namespace, s.expand(plain))
	s.must(t, 0, "apply")
	chain, err := pki.ParseCertificates(s.data(t, "my-ep-cert-", "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "my-ep-ibm-eventprocessing-rt-" + s.namespace + ".apps.openshift.example.com"; !slices.Contains(chain[0].DNSNames, want) {
		t.Errorf("the certificate is not for %s but for %v", want, chain[0].DNSNames)
	}
}
