package deploy

import (
	"slices"
	"testing"
)

func TestStoreSecrets(t *testing.T) {
	for source, want := range map[string][]string{
		`apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata: {name: my-ep, namespace: ea}
spec:
  flink:
    tls: {secretName: ep-flink, secretKeyRef: {name: ep-flink-password, key: password}}
  authoring:
    tls: {secretName: my-ep-cert}
    template:
      pod:
        spec:
          containers:
          - name: backend
            env:
            - {name: JAVA_TOOL_OPTIONS, value: -Djavax.net.ssl.trustStore=/stores/t.jks -Djavax.net.ssl.trustStorePassword=changeit}
            - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
            volumeMounts: [{name: stores, mountPath: /stores}]
          volumes:
          - {name: stores, secret: {secretName: their-stores}}
          - {name: else, secret: {secretName: something-else}}
`: {"ep-flink", "ep-flink-password", "their-stores"},
		`apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: session, namespace: ea}
spec:
  flinkConfiguration:
    security.ssl.rest.enabled: "true"
    security.ssl.keystore: /keys/keystore.jks
    security.ssl.truststore: /keys/truststore.jks
    kubernetes.secrets: keys:/keys,other:/other
`: {"keys"},
		`apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata: {name: my-ep, namespace: ea}
spec:
  flink:
    tls: {secretName: <secret>, secretKeyRef: {name: <secret>, key: password}}
`: nil,
	} {
		if got := StoreSecrets(resource(t, source)); !slices.Equal(got, want) {
			t.Errorf("%q, want %q, of\n%s", got, want, source)
		}
	}
}
