package incluster_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const plain = `
apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata: {name: my-ep, labels: {team: streams}, annotations: {example.com/note: "kept: yes"}}
spec:
  license: {accept: true, license: L-AAAA-BBBBBB, use: EventAutomationNonProduction}
  flink: {endpoint: "session-rest:8081"}
  authoring:
    authConfig: {authType: LOCAL}
    storage: {type: ephemeral}
    endpoints: [{name: ui, host: ep.example.com}]
---
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: session, labels: {team: streams}, annotations: {example.com/note: "kept: yes"}}
spec:
  image: flink:1.20
  flinkVersion: v1_20
  serviceAccount: flink
  flinkConfiguration:
    taskmanager.numberOfTaskSlots: "2"
    high-availability.type: kubernetes
    high-availability.storageDir: file:///opt/flink/volume/ha
  jobManager: {replicas: 1, resource: {memory: 2048m, cpu: 0.5}}
  taskManager: {resource: {memory: 2048m, cpu: 0.5}}
`

const config = `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session}]
truststores: [{sources: [{name: orders-db, authority: true}]}]
`

func TestApply(t *testing.T) {
	s := newSite(t)
	s.write(t, "flowcert.yaml", config)
	s.Apply(t, s.namespace, s.expand(plain))

	if r := s.must(t, 2, "plan"); !strings.Contains(r.stdout, "edit eventProcessing/"+s.namespace+"/my-ep") {
		t.Errorf("the plan does not name the instance: %s", r)
	}
	r := s.must(t, 0, "apply")
	t.Log(r)
	ep, flink := s.get(t, epGVR, "my-ep"), s.get(t, flinkGVR, "session")
	name, _, _ := unstructured.NestedString(ep.Object, "spec", "authoring", "tls", "secretName")
	if s.get(t, secretsGVR, name).GetLabels()["app.kubernetes.io/managed-by"] != "flowcert" {
		t.Errorf("secret %s is not marked as flowcert's", name)
	}
	conf, _, _ := unstructured.NestedStringMap(flink.Object, "spec", "flinkConfiguration")
	if conf["taskmanager.numberOfTaskSlots"] != "2" || conf["security.ssl.rest.enabled"] != "true" {
		t.Errorf("the configuration of Flink: %v", conf)
	}

	before := len(s.Requests(t))
	if r := s.must(t, 0, "apply"); !strings.Contains(r.stdout, "Nothing to do") {
		t.Errorf("the second apply: %s", r)
	}
	for _, q := range s.Requests(t)[before:] {
		if q.Namespace == s.namespace && q.Resource != "leases" && q.Verb != "get" && q.Verb != "list" {
			t.Errorf("the second apply wrote: %+v", q)
		}
	}
	s.must(t, 0, "plan")
	s.must(t, 0, "status")

	s.must(t, 0, "revert", "--delete-secrets")
	for _, u := range s.list(t, secretsGVR) {
		if !strings.Contains(u.GetName(), "-root-") && !strings.Contains(u.GetName(), "-intermediate-") {
			t.Errorf("revert left secret %s", u.GetName())
		}
	}
	if _, found, _ := unstructured.NestedMap(s.get(t, epGVR, "my-ep").Object, "spec", "authoring", "tls"); found {
		t.Error("revert left spec.authoring.tls")
	}
}
