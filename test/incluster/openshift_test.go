package incluster_test

import (
	"context"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

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
	t.Cleanup(func() { // other tests' clusters are none of OpenShift's
		client := s.Dynamic.Resource(schema.GroupVersionResource{Group: "config.openshift.io", Version: "v1", Resource: "ingresses"})
		if err := client.Delete(context.Background(), "cluster", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	s.grant(t, "--openshift")
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
