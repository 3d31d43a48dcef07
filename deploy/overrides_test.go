package deploy

import (
	"strings"
	"testing"
)

// TestOverrides: options that a JVM takes after ours are named, without the
// password in them; options of other kinds are nobody's business.
func TestOverrides(t *testing.T) {
	const at = "spec.authoring.template.pod.spec.containers[name=backend].env[name="
	tests := []struct {
		env  string
		want []string // how the notices begin
	}{
		{"{name: JDK_JAVA_OPTIONS, value: -Xmx1g -Djavax.net.ssl.keyStore=/k}", nil},
		{"{name: JDK_JAVA_OPTIONS, value: -Xmx1g -Djavax.net.ssl.trustStore=/other.jks}", []string{at + "JDK_JAVA_OPTIONS] sets -Djavax.net.ssl.trustStore, which wins"}},
		{"{name: _JAVA_OPTIONS, value: '-Djavax.net.ssl.trustStorePassword=sesame-sesame'}", []string{at + "_JAVA_OPTIONS] sets -Djavax.net.ssl.trustStorePassword, which wins"}},
		{"{name: JDK_JAVA_OPTIONS, value: '@/opt/options'}", []string{at + "JDK_JAVA_OPTIONS] takes options from the file /opt/options"}},
		{"{name: JDK_JAVA_OPTIONS, valueFrom: {secretKeyRef: {name: a, key: b}}}", []string{at + "JDK_JAVA_OPTIONS] takes its value from elsewhere"}},
		{"{name: OTHER, value: '-Djavax.net.ssl.trustStore=/other.jks'}", nil},
	}
	for _, tt := range tests {
		source := epHead + "spec: {authoring: {template: {pod: {spec: {containers: [{name: backend, env: [" + tt.env + "]}]}}}}}\n"
		result := EventProcessing(resource(t, source), EventProcessingWiring{TrustStore: trustStore("v1", "jks")})
		if len(result.Conflicts) > 0 || len(result.Edits) == 0 {
			t.Errorf("%s: %v", tt.env, result.Conflicts)
		}
		if len(result.Notices) != len(tt.want) {
			t.Errorf("%s: notices %q", tt.env, result.Notices)
			continue
		}
		for i, n := range result.Notices {
			if !strings.Contains(n, ": "+tt.want[i]) || strings.Contains(n, "sesame") {
				t.Errorf("%s: notice %q", tt.env, n)
			}
		}
	}
}

// TestMalformedTemplates: where a part of the resource is not what Kubernetes
// wants there, that is said, and not that templates do not merge.
func TestMalformedTemplates(t *testing.T) {
	tests := []struct{ source, want string }{
		{templates("", "{containers: none}", "", ""), "spec.podTemplate.spec.containers[name=flink-main-container]"},
		{templates("", "[]", "", ""), "spec.podTemplate.spec.containers"},
		{templates("", "{volumes: {truststore: {}}}", "", ""), "spec.podTemplate.spec.volumes[name=truststore]"},
		{templates("", "{containers: [{name: flink-main-container}, {name: flink-main-container}]}", "", ""), "spec.podTemplate.spec.containers[name=flink-main-container]"},
	}
	for _, tt := range tests {
		got := refusals(t, tt.source, wiring{flink: &FlinkWiring{TrustStore: trustStore("v1", "jks")}})
		if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) || !strings.Contains(got[0], ": cannot be edited") {
			t.Errorf("%s\ngot %q", tt.source, got)
		}
	}
}
