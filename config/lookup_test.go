package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/pki"
)

func TestMounts(t *testing.T) {
	c := mustParse(t, `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
eventProcessing: [{name: one}, {name: two, namespace: other}]
flinkDeployments: [{name: one}]
truststores:
- name: a
  sources: [{name: x, file: x}]
  mountIn: {eventProcessing: [other/two]}
- name: b
  sources: [{name: x, file: x}]
  mountIn: {flinkDeployments: [one]}
- {name: nowhere, sources: [{name: x, file: x}], mountIn: {}}
`)
	a, b, nowhere := c.Truststores[0], c.Truststores[1], c.Truststores[2]
	for _, check := range []struct {
		what      string
		got, want bool
	}{
		{"a in other/two", a.MountsEventProcessing("other", "two"), true},
		{"a in ea/two", a.MountsEventProcessing("ea", "two"), false},
		{"a in ea/one", a.MountsEventProcessing("ea", "one"), false},
		{"a in flink ea/one", a.MountsFlink("ea", "one"), false},
		{"b in flink ea/one", b.MountsFlink("ea", "one"), true},
		{"b in ea/one", b.MountsEventProcessing("ea", "one"), false},
	} {
		if check.got != check.want {
			t.Errorf("%s: %v", check.what, check.got)
		}
	}
	if diff := cmp.Diff([]string{"other"}, a.Namespaces()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ea"}, nowhere.Namespaces()); diff != "" {
		t.Error(diff)
	}
	want := []Target{{KindEventProcessing, "ea", "one"}, {KindEventProcessing, "other", "two"}, {KindFlinkDeployment, "ea", "one"}}
	if diff := cmp.Diff(want, c.Workloads()); diff != "" {
		t.Error(diff)
	}
}

func TestNamespaces(t *testing.T) {
	c := mustParse(t, `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ns
authority: {secret: {name: ca, namespace: ca, passphrase: {secret: {namespace: pass, name: a, key: b}}}}
eventProcessing: [{name: one, namespace: ep}]
flinkDeployments: [{name: one, namespace: flink}]
flinkOperator: {namespace: operator}
truststores:
- namespace: trust
  password: {secret: {namespace: pw, name: a, key: b}}
  sources:
  - {name: x, secret: {namespace: secret, name: a, key: b}}
  - {name: y, configMap: {namespace: map, name: a, key: b}}
certificates: [{secretName: s, namespace: db, dnsNames: [db]}]
`)
	want := []string{"ca", "db", "ep", "flink", "map", "ns", "operator", "pass", "pw", "secret", "trust"}
	if diff := cmp.Diff(want, c.Namespaces()); diff != "" {
		t.Error(diff)
	}
	for s, want := range map[string]bool{
		"certificate/db/s": true, "certificate/ns/s": false, "eventProcessing/ep/one": true, "flinkDeployment/ep/one": false,
	} {
		target, err := ParseTarget(s)
		if err != nil || target.String() != s || slices.Contains(c.Targets(), target) != want {
			t.Errorf("%s: %v, %v, configured %v", s, target, err, slices.Contains(c.Targets(), target))
		}
	}
	if diff := cmp.Diff([]string{"ns"}, mustParse(t, "{apiVersion: flowcert.io/v1alpha1, kind: Config, namespace: ns, flinkOperator: {}}").Namespaces()); diff != "" {
		t.Error(diff)
	}
}

func TestFlinkKey(t *testing.T) {
	rsa := pki.KeySpec{Algorithm: pki.RSA, Size: 4096}
	if got := (Defaults{Key: rsa}).FlinkKey(); got != rsa {
		t.Errorf("RSA 4096 becomes %v", got)
	}
	want := pki.KeySpec{Algorithm: pki.RSA, Size: 3072}
	if got := (Defaults{Key: pki.KeySpec{Algorithm: pki.ECDSA, Size: 256}}).FlinkKey(); got != want {
		t.Errorf("ECDSA becomes %v, want %v", got, want)
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"name", "namespace", "naming", "mountIn", "ipAddresses"}
	for word, want := range map[string]string{
		"nmae": "name", "NAMESPACE": "namespace", "namspace": "namespace", "mountin": "mountIn", "ipAdresses": "ipAddresses", "mountsIn": "mountIn",
		"x": "", "": "", "completely": "", "nam": "name",
	} {
		if want != "" {
			want = "; did you mean " + want + "?"
		}
		if got := didYouMean(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
