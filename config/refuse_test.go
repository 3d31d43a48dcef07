package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A refusal is a file, or a fragment of one, and what its faults say: each of want is part
// of the fault at its position, and there are no others.
type refusal struct {
	name string
	yaml string
	want []string
}

func (r refusal) test(t *testing.T, prefix string) {
	t.Helper()
	c, err := Parse(strings.NewReader(prefix + r.yaml))
	if err == nil {
		t.Fatalf("accepted:\n%s", r.yaml)
	}
	if c != nil {
		t.Error("a configuration beside the error")
	}
	var faults Errors
	if !errors.As(err, &faults) {
		t.Fatalf("not Errors: %v", err)
	}
	if len(faults) != len(r.want) {
		t.Fatalf("%d faults, want %d:\n%v", len(faults), len(r.want), err)
	}
	for i, want := range r.want {
		if !strings.Contains(faults[i].Error(), want) {
			t.Errorf("fault %d is\n  %v\nwant in it\n  %s", i, faults[i], want)
		}
	}
}

// TestRefusedFiles are whole files.
func TestRefusedFiles(t *testing.T) {
	const head = "apiVersion: flowcert.io/v1alpha1\nkind: Config\n"
	for _, r := range []refusal{
		{"empty", "", []string{"line 1: the file is empty; start with:\n\napiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: event-automation\n"}},
		{"comments only", "# nothing\n\n---\n", []string{"line 1: the file is empty; start with:"}},
		{"a list", "\n- a\n", []string{"line 2: the file is a list, wanted fields; start with:"}},
		{"text", "hello\n", []string{"line 1: the file is a single value, wanted fields"}},
		{"two documents", minimal + "\n---\n" + minimal, []string{"line 7: a second document begins; keep one"}},
		{"too large", "# " + strings.Repeat("x", maxSize), []string{"larger than 1 MiB"}},
		{"not UTF-8", minimal + "\n# \xff\n", []string{"line 6: not UTF-8 text; save the file as UTF-8"}},
		{"NUL", minimal + "\nauthority: \x00\n", []string{"line 6: holds a NUL byte"}},
		{"UTF-16", "a\x00p\x00", []string{"line 1: holds a NUL byte"}},
		{"control character", minimal + "\nauthority: \x07\n", []string{"line 6: not valid YAML: control characters are not allowed"}},
		{"tab", "namespace: a\nauthority:\n\tname: x\n", []string{"line 3: not valid YAML: found character that cannot start any token; indent with spaces"}},
		{"tab after a value", "namespace: a\n\tname: x\n", []string{"line 2: not valid YAML: found a tab character that violates indentation; indent with spaces"}},
		{"wrong indentation", "a:\n  - x\n - y\n", []string{"line 3: not valid YAML: did not find expected"}},
		{"unclosed bracket", "a: 1\nb: [1, 2\nc: 3\nd: 4\n", []string{"line 2: not valid YAML: did not find expected ',' or ']'"}},
		{"unclosed quote", "a: 1\nb: \"x\nc: 3\n", []string{"line 2: not valid YAML: found unexpected end of stream"}},
		{"colon in plain text", "a: 1\nb: c: d\n", []string{"line 2: not valid YAML: mapping values are not allowed"}},
		{"unknown anchor", "a: 1\nb: *x\n", []string{"line 2: not valid YAML: unknown anchor 'x' referenced; quote a value that begins with *"}},
		{"wildcard without quotes", "a: 1\nb: [*.apps.x.com]\n", []string{"line 2: not valid YAML: did not find expected alphabetic or numeric character; quote a value that begins with *"}},
		{"fault on the last line without line feed", "a: 1\nb: 2\n}", []string{"line 3: not valid YAML"}},
		{"syntax error in the second document", minimal + "\n---\na: }\n", []string{"line 7: not valid YAML"}},
		{"no header", "namespace: ea\neventProcessing: [{name: ep}]\n", []string{
			"line 1: apiVersion: is missing; write apiVersion: flowcert.io/v1alpha1",
			"line 1: kind: is missing; write kind: Config",
		}},
		{"wrong header", "apiVersion: flowcert.io/v1\nkind: Configuration\nnamespace: ea\neventProcessing: [{name: ep}]\n", []string{
			`line 1: apiVersion: "flowcert.io/v1" is not known; this flowcert reads flowcert.io/v1alpha1`,
			`line 2: kind: "Configuration" is not known; write kind: Config`,
		}},
		{"another kind of file", "apiVersion: events.ibm.com/v1beta1\nkind: EventProcessing\nmetadata: {name: x}\nspec: {}\n", []string{
			`line 1: apiVersion: "events.ibm.com/v1beta1" is not known`,
			"line 1: namespace: is missing",
			"line 1: nothing to do",
			"line 2: kind: EventProcessing is a resource of the cluster, not flowcert's configuration",
			"line 3: metadata: unknown field",
			"line 4: spec: unknown field; known here: apiVersion, kind, namespace, clusterDomain",
		}},
		{"no namespace", head + "eventProcessing: [{name: ep}]\n", []string{"line 1: namespace: is missing; write the namespace of your workloads"}},
		{"empty namespace", head + "namespace: ''\neventProcessing: [{name: ep}]\n", []string{"line 3: namespace: is missing"}},
		{"bad namespace", head + "namespace: Event_Automation\neventProcessing: [{name: ep}]\n", []string{`line 3: namespace: name "Event_Automation": holds upper case`}},
		{"long namespace", head + "namespace: " + strings.Repeat("n", 64) + "\nauthority: {name: x}\neventProcessing: [{name: ep}]\n", []string{"line 3: namespace: name \"nnn"}},
		{"namespace too long for a common name", head + "namespace: " + strings.Repeat("n", 58) + "\neventProcessing: [{name: ep}]\n",
			[]string{"line 3: namespace: the authority's common name \"" + strings.Repeat("n", 58) + ` CA" has 61 characters, at most 60`}},
		{"namespace that YAML takes for null", head + "namespace: ~\neventProcessing: [{name: ep}]\n", []string{"line 3: namespace: is missing"}},
		{"nothing to do", head + "namespace: ea\nauthority: {}\neventProcessing: []\n", []string{"line 1: nothing to do; name at least one of"}},
		{"unreadable list is not nothing", head + "namespace: ea\neventProcessing: ep\n", []string{"line 4: eventProcessing: is a single value, wanted a list"}},
		{"an empty section is not nothing", head + "namespace: ea\ntruststores: {}\n", []string{"line 4: truststores: is a mapping, wanted a list"}},
		{"a stray section", head + "namespace: ea\neventProcessing:\n- name: ep\n  nmae: x\n", []string{"line 6: eventProcessing[0].nmae: unknown field; did you mean name?"}},
	} {
		t.Run(r.name, func(t *testing.T) { r.test(t, "") })
	}
}

// TestRefusedFields are fragments that begin on line 6, after minimal.
func TestRefusedFields(t *testing.T) {
	for _, r := range []refusal{
		{"unknown field", "trustores: []", []string{"line 6: trustores: unknown field; did you mean truststores?"}},
		{"unknown field in another case", "clusterApi: x", []string{"line 6: clusterApi: unknown field; did you mean clusterAPI?"}},
		{"unknown field like none", "webserver: 1", []string{"line 6: webserver: unknown field; known here: apiVersion,"}},
		{"unknown field deep down", "rotation:\n  flink:\n    allowStatless: true", []string{"line 8: rotation.flink.allowStatless: unknown field; did you mean allowStateless?"}},
		{"field name that is no text", "[a]: 1\n? {b: 1}\n: 2", []string{"line 6: a field's name is a list", "line 7: a field's name is a mapping"}},
		{"field name with a line feed", `"a\nb": 1`, []string{`line 6: "a\nb": unknown field`}},
		{"repeated field", "clusterDomain: a\nedges: []\nclusterDomain: b", []string{"line 8: clusterDomain: is given twice, first on line 6; remove one"}},
		{"repeated field of the header", "kind: Config", []string{"line 6: kind: is given twice, first on line 2"}},
		{"repeated nested field", "defaults:\n  validity: 90d\n  validity: 30d", []string{"line 8: defaults.validity: is given twice, first on line 7"}},
		{"merge of text", "authority: {<<: x}", []string{"line 6: authority: << takes an alias of a mapping"}},
		{"merge of itself", "authority: &a\n  name: x\n  <<: *a", []string{"line 8: authority: << takes an alias of a mapping, at most 8 inside one another"}},
		{"empty section", "authority:", []string{"line 6: authority: is empty; leave it out, write {}, or give it fields: name, selfSigned, secret"}},
		{"section that is a list", "rotation: []", []string{"line 6: rotation: is a list, wanted fields: windows, hardDeadline, soak, flink"}},
		{"section that is text", "flinkOperator: true", []string{"line 6: flinkOperator: is a single value, wanted fields: namespace, webhook"}},
		{"list that is text", "truststores: x", []string{"line 6: truststores: is a single value, wanted a list"}},
		{"text that is a list", "clusterDomain: [a]", []string{"line 6: clusterDomain: is a list, wanted a single value"}},
		{"tag", "clusterDomain: !!binary YQ==\nclusterAPI: !Ref x\nauthority: !x {}\nedges: !y []", []string{
			`line 6: clusterDomain: has the tag "!!binary"; write the value without it`,
			`line 7: clusterAPI: has the tag "!Ref"`, `line 8: authority: has the tag "!x"`, `line 9: edges: has the tag "!y"`}},
		{"white space", "clusterDomain: ' cluster.local'", []string{"line 6: clusterDomain: has white space at its start or end"}},
		{"text block", "clusterDomain: |\n  cluster.local\n", []string{"line 6: clusterDomain: has white space at its start or end"}},
		{"empty entry", "edges:\n-\n", []string{"line 7: edges[0]: is empty; remove it or fill it in"}},
		{"entries that are no fields", "certificates: [a]\ntruststores: [{sources: [a], name: x}, [b]]\nrotation: {windows: [c]}\nedges: [d]", []string{
			"line 6: certificates[0]: is a single value, wanted fields: secretName", "line 7: truststores[0].sources[0]: is a single value", "line 7: truststores[1]: is a list",
			"line 8: rotation.windows[0]: is a single value, wanted fields: schedule", "line 9: edges[0]: is a single value, wanted fields: client, server"}},
		{"too many entries", "edges: [" + strings.Repeat("x,", maxEntries+1) + "]", []string{"line 6: edges: has 1001 entries, at most 1000"}},
		{"all faults at once", "clusterDomain: a_b\nrotation:\n  soak: x\n  hardDeadline: 0%\nauthority: {name: A}", []string{
			"line 6: clusterDomain: DNS name", `line 8: rotation.soak: "x" is not a duration`, `line 9: rotation.hardDeadline: "0%" is not between`, "line 10: authority.name: "}},

		{"placeholder", "clusterAPI: <CLUSTER_API>", []string{`line 6: clusterAPI: "<CLUSTER_API>" is a placeholder; replace it`}},
		{"placeholder inside", "truststores: [{sources: [{name: db, file: \"/certs/${DB}.pem\"}]}]", []string{`line 6: truststores[0].sources[0].file: "${DB}" is a placeholder; replace it`}},
		{"placeholder that lost its $", "clusterDomain: '{NAMESPACE}.x'", []string{`line 6: clusterDomain: "{NAMESPACE}" is a placeholder`}},
		{"placeholder without quotes", "clusterDomain: {NAMESPACE}\nclusterAPI: {{ .Values.api }}", []string{"line 6: clusterDomain: is a placeholder in braces", "line 7: clusterAPI: is a placeholder in braces"}},
		{"placeholder in a list", "certificates: [{secretName: s, dnsNames: [a, 'b.<namespace>.svc']}]", []string{`line 6: certificates[0].dnsNames[1]: "<namespace>" is a placeholder`}},

		{"cluster domain", "clusterDomain: cluster.local.", []string{`line 6: clusterDomain: DNS name "cluster.local."`}},
		{"cluster domain with a wildcard", "clusterDomain: '*.cluster.local'", []string{"line 6: clusterDomain: \"*.cluster.local\" begins with a wildcard"}},
		{"API URL", "clusterAPI: https://api.x.com:6443", []string{"line 6: clusterAPI: is the URL of the API server; write the apps domain alone"}},
		{"another URL", "clusterAPI: https://grafana.apps.x.com/d", []string{"line 6: clusterAPI: is a URL, but not the OpenShift console's"}},
		{"URL with a password", "clusterAPI: https://kube:s3cret@console-openshift-console.apps.x.com/", []string{"line 6: clusterAPI: is not the URL of a console"}},
		{"URL that is none", "clusterAPI: 'https://[x'", []string{"line 6: clusterAPI: is not the URL of a console"}},
		{"API with a port", "clusterAPI: apps.x.com:443", []string{"line 6: clusterAPI: is not a domain"}},
		{"API with a wildcard", "clusterAPI: '*.apps.x.com'", []string{"line 6: clusterAPI: begins with a wildcard; write the domain without it"}},
		{"API that is an IP address", "clusterAPI: 10.0.0.1", []string{`line 6: clusterAPI: DNS name "10.0.0.1"`}},
	} {
		t.Run(r.name, func(t *testing.T) { r.test(t, minimal+"\n") })
	}
}

func TestRefusedAuthority(t *testing.T) {
	for _, r := range []refusal{
		{"name", "authority: {name: my.authority}", []string{`line 6: authority.name: name "my.authority"`}},
		{"both", "authority:\n  secret: {name: ca}\n  selfSigned: {}", []string{"line 6: authority: has both selfSigned and secret; keep one"}},
		{"empty secret", "authority:\n  secret:\n", []string{"line 7: authority.secret: is empty"}},
		{"secret without name", "authority: {secret: {}}", []string{"line 6: authority.secret.name: is missing"}},
		{"secret name", "authority: {secret: {name: My_CA, namespace: A}}", []string{
			"line 6: authority.secret.namespace: name \"A\"", `line 6: authority.secret.name: "My_CA" is no name for a resource; Kubernetes allows lower-case`}},
		{"passphrase without secret", "authority: {passphrase: {secret: {name: a, key: b}}}", []string{"line 6: authority.passphrase: unknown field"}},
		{"passphrase in the file", "authority: {secret: {name: ca, passphrase: hunter2}}", []string{
			"line 6: authority.secret.passphrase: is a single value; put it into a Secret and write {secret: {name: …, key: …}}"}},
		{"passphrase names nothing", "authority: {secret: {name: ca, passphrase: {}}}", []string{"line 6: authority.secret.passphrase: names no Secret"}},
		{"passphrase without key", "authority: {secret: {name: ca, passphrase: {secret: {name: x}}}}", []string{"line 6: authority.secret.passphrase.secret.key: is missing"}},
		{"passphrase key", "authority: {secret: {name: ca, passphrase: {secret: {name: x, key: a b}}}}", []string{`passphrase.secret.key: "a b" is no key of a Secret`}},
		{"intermediate under a user's CA in a word", "authority: {secret: {name: ca, intermediate: none}}", []string{
			"line 6: authority.secret.intermediate: is a single value, wanted fields: key, validity, nameConstraints"}},
		{"empty intermediate under a user's CA", "authority:\n  secret:\n    name: ca\n    intermediate:\n", []string{"line 9: authority.secret.intermediate: is empty; leave it out, write {}"}},
		{"unknown field of an intermediate", "authority:\n  secret:\n    name: ca\n    intermediate:\n      lifetime: 1d\n", []string{"line 10: authority.secret.intermediate.lifetime: unknown field"}},
		{"intermediate's key", "authority:\n  secret:\n    name: ca\n    intermediate:\n      key: {algorithm: Ed25519}\n", []string{
			"line 10: authority.secret.intermediate.key.algorithm: Ed25519 is for `certificates` only"}},
		{"size of an intermediate's key", "authority:\n  secret:\n    name: ca\n    intermediate:\n      key: {size: 1024}\n", []string{"line 10: authority.secret.intermediate.key.size: RSA key size 1024"}},
		{"intermediate of minutes", "authority: {secret: {name: ca, intermediate: {validity: 12m}}}\ndefaults: {validity: 10m}", []string{
			"line 6: authority.secret.intermediate.validity: 12m is shorter than an hour", "line 7: defaults.validity: 10m is shorter than an hour"}},
		{"intermediate's constraints", "authority: {secret: {name: ca, intermediate: {nameConstraints: automatic}}}", []string{
			`authority.secret.intermediate.nameConstraints: "automatic" is not allowed here; allowed: auto, none`}},
		{"intermediate's permitted names", "authority: {secret: {name: ca, intermediate: {nameConstraints: {permittedDNS: [.x.com]}}}}", []string{
			`authority.secret.intermediate.nameConstraints.permittedDNS[0]: ".x.com" begins with a wildcard or a dot`}},
		{"intermediate that permits no names", "authority: {secret: {name: ca, intermediate: {nameConstraints: {permittedDNS: []}}}}", []string{
			"authority.secret.intermediate.nameConstraints.permittedDNS: is empty, so nothing could be signed"}},
		{"intermediate shorter than the default leaf, under a user's CA", "authority:\n  secret:\n    name: ca\n    intermediate:\n      validity: 180d\n", []string{
			"line 10: authority.secret.intermediate.validity: a leaf's validity (365d) is longer than that of the intermediate which signs it (180d); " +
				"shorten it or lengthen authority.secret.intermediate.validity"}},
		{"leaf longer than the default intermediate under a user's CA", "authority: {secret: {name: ca, intermediate: {}}}\ndefaults: {validity: 731d}", []string{
			"line 7: defaults.validity: a leaf's validity (731d) is longer than that of the intermediate which signs it (730d)"}},
		{"country", "authority:\n  selfSigned:\n    subject:\n      country: USA\n      organization: ok\n", []string{`line 9: authority.selfSigned.subject.country: "USA": `}},
		{"two parts of the subject", "authority: {selfSigned: {subject: {emailAddress: me, organization: \"a\\x07b\"}}}", []string{
			`line 6: authority.selfSigned.subject.organization: "a\ab": holds the character U+0007`, `line 6: authority.selfSigned.subject.emailAddress: "me": `}},
		{"long common name", "authority: {selfSigned: {subject: {commonName: " + strings.Repeat("c", 61) + "}}}", []string{"line 6: authority.selfSigned.subject.commonName: the authority's common name"}},
		{"long authority name", "authority: {name: " + strings.Repeat("c", 60) + "}", []string{"line 6: authority.name: the authority's common name"}},
		{"Ed25519", "authority: {selfSigned: {key: {algorithm: Ed25519}}}", []string{"line 6: authority.selfSigned.key.algorithm: Ed25519 is for `certificates` only"}},
		{"algorithm in lower case", "authority: {selfSigned: {key: {algorithm: rsa}}}", []string{`key.algorithm: "rsa" is not allowed here; did you mean RSA?; allowed: RSA, ECDSA, Ed25519`}},
		{"root shorter than the intermediate's default", "authority: {selfSigned: {validity: 400d}}", []string{
			"line 6: authority.selfSigned.validity: the intermediate's validity (730d) is longer than the root's (400d)"}},
		{"intermediate longer than root", "authority:\n  selfSigned:\n    validity: 1000d\n    intermediate:\n      validity: 1001d", []string{
			"line 10: authority.selfSigned.intermediate.validity: the intermediate's validity (1001d) is longer than the root's (1000d)"}},
		{"intermediate in another word", "authority: {selfSigned: {intermediate: no}}", []string{`authority.selfSigned.intermediate: "no" is not allowed here; allowed: none`}},
		{"intermediate null", "authority: {selfSigned: {intermediate: }}", []string{"authority.selfSigned.intermediate: is empty"}},
		{"name constraints", "authority: {selfSigned: {nameConstraints: automatic}}", []string{`nameConstraints: "automatic" is not allowed here; allowed: auto, none`}},
		{"no permitted names", "authority: {selfSigned: {nameConstraints: {permittedDNS: []}}}", []string{"nameConstraints.permittedDNS: is empty, so nothing could be signed"}},
		{"bad permitted names", "authority: {selfSigned: {nameConstraints: {permittedDNS: [.x.com, '*.y.com', 10.0.0.1, a_b]}}}", []string{
			`permittedDNS[0]: ".x.com" begins with a wildcard or a dot`, `permittedDNS[1]: "*.y.com" begins`, `permittedDNS[2]: "10.0.0.1" is an IP address`, `permittedDNS[3]: DNS name "a_b"`}},
		{"constraints without an intermediate", "authority: {selfSigned: {intermediate: none, nameConstraints: {permittedDNS: [a]}}}", []string{
			"authority.selfSigned.nameConstraints: are an intermediate's, but intermediate is none"}},
		{"short root", "authority: {selfSigned: {validity: 12m, intermediate: none}}\ndefaults: {validity: 2h}", []string{
			"line 6: authority.selfSigned.validity: 12m is shorter than an hour; days are written like 365d (m is minutes)",
			"line 7: defaults.validity: a leaf's validity (2h) is longer than that of the root which signs it (12m)"}},
	} {
		t.Run(r.name, func(t *testing.T) { r.test(t, minimal+"\n") })
	}
}

func TestRefusedDefaults(t *testing.T) {
	for _, r := range []refusal{
		{"RSA too short", "defaults: {key: {algorithm: RSA, size: 1024}}", []string{"line 6: defaults.key.size: RSA key size 1024: want 2048 to 8192"}},
		{"RSA too long", "defaults: {key: {size: 16384}}", []string{"line 6: defaults.key.size: RSA key size 16384"}},
		{"ECDSA P-521", "defaults: {key: {algorithm: ECDSA, size: 521}}", []string{"line 6: defaults.key.size: ECDSA key size 521: want 256 or 384"}},
		{"size in words", "defaults: {key: {size: big}}", []string{`line 6: defaults.key.size: "big" is not a whole number`}},
		{"size with a fraction", "defaults: {key: {size: 2048.0}}", []string{`line 6: defaults.key.size: "2048.0" is not a whole number`}},
		{"Ed25519", "defaults:\n  key:\n    algorithm: Ed25519", []string{"line 8: defaults.key.algorithm: Ed25519 is for `certificates` only"}},
		{"Ed25519 with a size", "certificates: [{secretName: a, dnsNames: [a], key: {algorithm: Ed25519, size: 256}}]", []string{"certificates[0].key.size: Ed25519 key size 256"}},
		{"no unit", "defaults: {validity: 365}", []string{`line 6: defaults.validity: "365" has no unit; write 365d for days`}},
		{"years", "defaults: {validity: 1y}", []string{`line 6: defaults.validity: "1y" is not a duration; write it like 365d, 12h or 1d12h`}},
		{"a century and a day", "defaults: {validity: 36526d}", []string{`defaults.validity: "36526d" is longer than 100 years`}},
		{"leaf longer than the intermediate", "defaults: {validity: 731d}", []string{
			"line 6: defaults.validity: a leaf's validity (731d) is longer than that of the intermediate which signs it (730d); shorten it or lengthen authority.selfSigned.intermediate.validity"}},
		{"intermediate shorter than the default leaf", "authority: {selfSigned: {intermediate: {validity: 180d}}}", []string{
			"line 6: authority.selfSigned.intermediate.validity: a leaf's validity (365d) is longer than that of the intermediate"}},
		{"root shorter than the default leaf", "authority: {selfSigned: {intermediate: none, validity: 180d}}", []string{
			"line 6: authority.selfSigned.validity: a leaf's validity (365d) is longer than that of the root"}},
		{"a certificate longer than the intermediate", "certificates:\n- secretName: a\n  dnsNames: [a]\n  validity: 900d", []string{
			"line 9: certificates[0].validity: a leaf's validity (900d) is longer"}},
		{"renewBefore 100%", "defaults: {renewBefore: 100%}", []string{`line 6: defaults.renewBefore: "100%" is not between 1% and 99%`}},
		{"renewBefore with a fraction", "defaults: {renewBefore: 33.3%}", []string{`"33.3%" is not a whole percentage; write it like 33%, or a duration like 30d`}},
		{"renewBefore as long as the validity", "defaults: {renewBefore: 90d, validity: 90d}", []string{
			"line 6: defaults.renewBefore: a leaf's validity (90d) is not longer than defaults.renewBefore (90d)"}},
		{"a certificate shorter than renewBefore", "defaults: {renewBefore: 30d}\nrotation: {hardDeadline: 1d}\ncertificates:\n- {secretName: a, dnsNames: [a], validity: 20d}", []string{
			"line 9: certificates[0].validity: a leaf's validity (20d) is not longer than defaults.renewBefore (30d)"}},
		{"hard deadline before renewal", "rotation:\n  hardDeadline: 33%", []string{
			"line 7: rotation.hardDeadline: rotation.hardDeadline (33%) is not shorter than defaults.renewBefore (33%) at a validity of 365d"}},
		{"renewal after the default deadline", "defaults: {renewBefore: 10%}", []string{"line 6: defaults.renewBefore: rotation.hardDeadline (10%) is not shorter"}},
		{"hard deadline too early for a certificate", "rotation: {hardDeadline: 20d}\ncertificates: [{secretName: a, dnsNames: [a], validity: 60d}]", []string{
			"line 6: rotation.hardDeadline: rotation.hardDeadline (20d) is not shorter than defaults.renewBefore (33%) at a validity of 60d"}},
	} {
		t.Run(r.name, func(t *testing.T) { r.test(t, minimal+"\n") })
	}
}

func TestRefusedWorkloads(t *testing.T) {
	const head = "apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: ea\n"
	for _, r := range []refusal{
		{"no name", "eventProcessing: [{}]\nflinkDeployments: [{tls: {}}]", []string{"line 4: eventProcessing[0].name: is missing", "line 5: flinkDeployments[0].name: is missing"}},
		{"names only", "eventProcessing: [my-ep]", []string{"line 4: eventProcessing[0]: is a single value, wanted fields: name, namespace, mode"}},
		{"upper case", "eventProcessing: [{name: My-EP}]\nflinkDeployments: [{name: F_1}]", []string{
			`line 4: eventProcessing[0].name: name "My-EP": holds upper case`, `line 5: flinkDeployments[0].name: name "F_1"`}},
		{"dots", "eventProcessing: [{name: my.ep}]\nflinkDeployments: [{name: f.1}]", []string{"line 4: eventProcessing[0].name: ", "line 5: flinkDeployments[0].name: "}},
		{"long Event Processing", "eventProcessing: [{name: " + strings.Repeat("e", 40) + "}]", []string{
			"is 40 characters long, at most 39 are possible: its Service is named <name>-ibm-eventprocessing-svc, and Kubernetes allows 63"}},
		{"long route", "clusterAPI: apps.x.com\neventProcessing: [{name: " + strings.Repeat("e", 38) + "}]", []string{
			"line 5: eventProcessing[0].name: its route's name \"" + strings.Repeat("e", 38) + `-ibm-eventprocessing-rt-ea" is 64 characters long, DNS allows 63; use a shorter name`}},
		{"long Flink", "flinkDeployments: [{name: " + strings.Repeat("f", 46) + "}]", []string{"is 46 characters long; the Flink operator allows 45"}},
		{"Flink begins with a digit", "flinkDeployments: [{name: 1st}]", []string{`"1st" begins with no letter; the Flink operator wants one`}},
		{"namespace", "eventProcessing: [{name: ep, namespace: a.b}]", []string{`line 4: eventProcessing[0].namespace: name "a.b"`}},
		{"the same twice", "eventProcessing:\n- name: ep\n- name: ep\n  namespace: ea\nflinkDeployments: [{name: f}, {name: f}]", []string{
			`line 6: eventProcessing[1].name: "ea/ep" is configured already, on line 5; remove one`, `line 8: flinkDeployments[1].name: "ea/f" is configured already`}},
		{"Flink names only", "flinkDeployments: [f]", []string{"line 4: flinkDeployments[0]: is a single value, wanted fields: name, namespace, tls"}},
		{"mode", "eventProcessing: [{name: ep, mode: Certificate}]", []string{`line 4: eventProcessing[0].mode: "Certificate" is not allowed here; did you mean certificate?; allowed: certificate, ca`}},
		{"extra names", "eventProcessing:\n- name: ep\n  extraDNSNames:\n  - https://ep.x.com\n  - ep.x.com:443\n  - 10.1.1.1\n  - ep_1\n  - ''\n  - '*.*.x.com'\n", []string{
			"line 7: eventProcessing[0].extraDNSNames[0]: is a URL; write the host name alone", "line 8: eventProcessing[0].extraDNSNames[1]: has a port",
			`line 9: eventProcessing[0].extraDNSNames[2]: "10.1.1.1" is an IP address`, `line 10: eventProcessing[0].extraDNSNames[3]: DNS name "ep_1"`,
			"line 11: eventProcessing[0].extraDNSNames[4]: is empty", "line 12: eventProcessing[0].extraDNSNames[5]: DNS name"}},
		{"empty ui", "eventProcessing:\n- name: ep\n  ui:\n", []string{"line 6: eventProcessing[0].ui: is empty; write {} or leave it out"}},
		{"ui with fields", "eventProcessing:\n- name: ep\n  ui: {secretName: x}\n", []string{"line 6: eventProcessing[0].ui.secretName: unknown field; nothing is to be set here, write {}"}},
		{"ui in a word", "eventProcessing: [{name: ep, ui: true}]", []string{"line 4: eventProcessing[0].ui: is a single value, wanted {}"}},
		{"tls", "flinkDeployments: [{name: f, tls: {rest: yes, internal: 'true', format: PEM}}]", []string{
			`flinkDeployments[0].tls.rest: "yes" is not true or false; write true without quotes`, `flinkDeployments[0].tls.internal: "true" is not true or false; write true without quotes`,
			`flinkDeployments[0].tls.format: "PEM" is not a format of Java stores`}},
		{"off", "flinkDeployments: [{name: f, tls: {rest: off, internal: [true]}}]", []string{`tls.rest: "off" is not true or false; write false without quotes`, "tls.internal: is a list, wanted a single value"}},
		{"format", "flinkDeployments: [{name: f, tls: {format: PKCS11}}]", []string{`"PKCS11" is not a format of Java stores; did you mean PKCS12?; allowed: JKS, PKCS12`}},
		{"operator", "eventProcessing: [{name: ep}]\nflinkOperator: {namespace: A, webhook: 1}", []string{
			`line 5: flinkOperator.webhook: "1" is not true or false`, `line 5: flinkOperator.namespace: name "A"`}},
		{"empty operator", "eventProcessing: [{name: ep}]\nflinkOperator:\n", []string{"line 5: flinkOperator: is empty"}},
	} {
		t.Run(r.name, func(t *testing.T) { r.test(t, head) })
	}
}

func TestRefusedTruststores(t *testing.T) {
	const ok = "sources: [{name: db, file: x}]"
	source := func(s string) string { return "truststores:\n- sources:\n  - " + s }
	for _, r := range []refusal{
		{"no sources", "truststores: [{}]", []string{"line 6: truststores[0].sources: is missing; name at least one"}},
		{"empty sources", "truststores:\n- name: x\n  sources: []", []string{"line 8: truststores[0].sources: is missing"}},
		{"two without names", "truststores: [{" + ok + ", mountIn: {}}, {" + ok + ", mountIn: {}}]", []string{
			"truststores[0].name: is missing; only where there is one truststore its name is ssl-truststore by itself", "truststores[1].name: is missing"}},
		{"name with a dot", "truststores: [{name: ssl.truststore, " + ok + "}]", []string{`line 6: truststores[0].name: name "ssl.truststore"`}},
		{"long name", "truststores: [{name: " + strings.Repeat("t", 53) + ", " + ok + "}]", []string{"is 53 characters long, at most 52 are possible: a version's name has 11 more"}},
		{"the same twice", "truststores:\n- {name: x, " + ok + ", mountIn: {}}\n- {name: x, " + ok + ", mountIn: {}}", []string{`line 8: truststores[1].name: "ea/x" is configured already, on line 7`}},
		{"two in one namespace of a workload", "truststores:\n- {name: x, " + ok + ", mountIn: {eventProcessing: [ep]}}\n- {name: x, namespace: other, " + ok + ", mountIn: {flinkDeployments: [ea/flink]}}", []string{
			`line 8: truststores[1].name: this truststore would be written to Secret "ea/x", which is that of truststores[0].name on line 7; choose another name`}},
		{"two in one workload", "truststores:\n- {name: x, " + ok + "}\n- {name: y, " + ok + ", mountIn: {flinkDeployments: [flink]}}", []string{
			"line 8: truststores[1].mountIn: flinkDeployment/ea/flink would mount two truststores (the other on line 7), and a JVM takes one"}},
		{"two everywhere", "truststores:\n- {name: x, " + ok + "}\n- {name: y, " + ok + "}", []string{"line 8: truststores[1]: eventProcessing/ea/ep would mount two truststores"}},
		{"format", "truststores: [{format: PEM, " + ok + "}]", []string{`truststores[0].format: "PEM" is not a format of Java stores`}},
		{"naming", "truststores: [{naming: version, " + ok + "}]", []string{`truststores[0].naming: "version" is not allowed here; did you mean versioned?`}},
		{"password in the file", "truststores: [{password: hunter2, " + ok + "}]", []string{"truststores[0].password: is a single value; put it into a Secret"}},
		{"password without name and key", "truststores: [{password: {secret: {name, key}}, " + ok + "}]", []string{"password.secret.name: is missing", "password.secret.key: is missing"}},
		{"empty password", "truststores: [{password: , " + ok + "}]", []string{"truststores[0].password: is empty"}},
		{"public CAs in a word", "truststores: [{publicCAs: yes, " + ok + "}]", []string{`truststores[0].publicCAs: "yes" is neither true, false nor a file; write true without quotes`}},
		{"public CAs from a home", "truststores: [{publicCAs: ~/x.pem, " + ok + "}]", []string{"truststores[0].publicCAs: ~ is not expanded here"}},
		{"public CAs in a list", "truststores: [{publicCAs: [x], " + ok + "}]", []string{"truststores[0].publicCAs: is a list, wanted a single value"}},
		{"source without origin", source("name: db"), []string{"line 8: truststores[0].sources[0]: says nowhere where its certificates are; give one of"}},
		{"source with authority false", source("{name: db, authority: false}"), []string{"sources[0]: says nowhere"}},
		{"source with two origins", source("{name: db, file: x, authority: true}"), []string{"line 8: truststores[0].sources[0]: has file and authority; keep one"}},
		{"source with three origins", source("{name: db, file: x, secret: {name: a, key: b}, configMap: {name: a, key: b}}"), []string{"has file and secret and configMap; keep one"}},
		{"source without name", source("{file: x}"), []string{"line 8: truststores[0].sources[0].name: is missing"}},
		{"secret without key", source("{name: db, secret: {name: x}}"), []string{"sources[0].secret.key: is missing"}},
		{"secret namespace", source("{name: db, secret: {name: x, key: k, namespace: A}}"), []string{`sources[0].secret.namespace: name "A"`}},
		{"config map names", source("{name: db, configMap: {name: -x, key: ..x}}"), []string{`configMap.name: "-x" is no name`, `configMap.key: "..x" is no key`}},
		{"empty secret", source("{name: db, secret: }"), []string{"sources[0].secret: is empty"}},
		{"names that are no alias", "truststores:\n- sources:\n  - {name: orders db, file: x}\n  - {name: -db, file: x}\n  - {name: größe, file: x}\n  - {name: " + strings.Repeat("a", 64) + ", file: x}", []string{
			`line 8: truststores[0].sources[0].name: "orders db" cannot be an alias`, "sources[1].name: \"-db\" cannot", "sources[2].name: \"größe\" cannot", "sources[3].name: "}},
		{"names that Java takes for one", "truststores:\n- sources:\n  - {name: db, file: x}\n  - {name: DB, file: y}", []string{`line 9: truststores[0].sources[1].name: "DB" is the name of another source, on line 8`}},
		{"names that Java takes for one, the other way round", "truststores:\n- sources:\n  - {name: DB, file: x}\n  - {name: db, file: y}", []string{`line 9: truststores[0].sources[1].name: "db" is the name of another source, on line 8`}},
		{"files", "truststores:\n- sources:\n  - {name: a, file: ~/x.pem}\n  - {name: b, file: 'https://x/ca.pem'}\n  - {name: c, file: \"a\\nb\"}\n  - {name: d, file: \"-----BEGIN CERTIFICATE-----\"}", []string{
			"sources[0].file: ~ is not expanded here", "sources[1].file: is a URL; download", "sources[2].file: holds a control character", "sources[3].file: holds a certificate itself"}},
		{"servers", source("name: db\n    file: x\n    servers:\n") + "    - {address: orders-db}\n    - {address: 'orders-db:0'}\n    - {address: 'orders-db:65536'}\n    - {address: 'jdbc:postgresql://me:s3cret@orders-db:5432/x'}\n    - {address: ':5432'}\n    - {address: 'a_b:1'}\n    - {}\n    - {address: 'db:1', protocol: postgres}\n    - {address: '*.x.com:1'}", []string{
			"line 11: truststores[0].sources[0].servers[0].address: is not host:port; write it like orders-db.databases.svc:5432",
			`line 12: truststores[0].sources[0].servers[1].address: port "0" is not a number from 1 to 65535`, `port "65536"`,
			"line 14: truststores[0].sources[0].servers[3].address: is a URL; write host:port alone", "is not host:port", `DNS name "a_b"`,
			"line 17: truststores[0].sources[0].servers[6].address: is missing", `servers[7].protocol: "postgres" is not allowed here; did you mean postgresql?`, "servers[8].address: a wildcard is no address"}},
		{"distrust", source("{name: db, file: x, distrust: [abc, '" + strings.Repeat("0g", 32) + "', '" + strings.Repeat("00:", 31) + "']}"), []string{
			`sources[0].distrust[0]: "abc" is not a SHA-256 fingerprint; wanted are 64 hex digits`, "distrust[1]: ", "distrust[2]: "}},
		{"mounted in nothing configured", "truststores:\n- " + ok + "\n  mountIn:\n    eventProcessing: [epp]\n    flinkDeployments: [other/flink, flink, flink, a/b/c]", []string{
			`line 9: truststores[0].mountIn.eventProcessing[0]: "ea/epp" is not configured under eventProcessing; did you mean ea/ep?`,
			`line 10: truststores[0].mountIn.flinkDeployments[3]: "a/b/c" is neither name nor namespace/name`,
			`line 10: truststores[0].mountIn.flinkDeployments[0]: "other/flink" is not configured under flinkDeployments; did you mean ea/flink?`,
			`line 10: truststores[0].mountIn.flinkDeployments[2]: "ea/flink" is listed twice`}},
		{"empty mountIn", "truststores:\n- " + ok + "\n  mountIn:\n", []string{"line 8: truststores[0].mountIn: is empty"}},
		{"over the user's password", "truststores: [{name: x, naming: fixed, password: {secret: {name: x, key: k}}, " + ok + "}]", []string{
			`truststores[0].name: this truststore would be written to Secret "ea/x", which is that of truststores[0].password on line 6`}},
	} {
		t.Run(r.name, func(t *testing.T) { r.test(t, minimal+"\n") })
	}
	// Where a workload's own name could not be read, mountIn is not blamed for it.
	refusal{"", "apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: ea\neventProcessing: [{name: [ep]}]\ntruststores: [{" + ok + ", mountIn: {eventProcessing: [ep]}}]\n",
		[]string{"line 4: eventProcessing[0].name: is a list"}}.test(t, "")
}

func TestRefusedCertificates(t *testing.T) {
	long := strings.Repeat("s", 254)
	for _, r := range []refusal{
		{"no name", "certificates: [{dnsNames: [a]}]", []string{"line 6: certificates[0].secretName: is missing"}},
		{"bad names", "certificates:\n- {secretName: A, dnsNames: [a]}\n- {secretName: a..b, dnsNames: [a]}\n- {secretName: " + long + ", dnsNames: [a]}\n- {secretName: " + long[:243] + ", naming: versioned, dnsNames: [a]}", []string{
			`line 7: certificates[0].secretName: "A" is no name for a resource`, `line 8: certificates[1].secretName: "a..b"`,
			"is 254 characters long; Kubernetes allows 253", "line 10: certificates[3].secretName: is 243 characters long, at most 242 leave room for the version"}},
		{"the same twice", "certificates:\n- {secretName: a, dnsNames: [a]}\n- {secretName: a, namespace: ea, dnsNames: [a]}", []string{`line 8: certificates[1].secretName: "ea/a" is configured already, on line 7`}},
		{"no names to verify", "certificates: [{secretName: a}]", []string{"line 6: certificates[0]: a server's certificate without a name verifies nowhere; give it dnsNames or ipAddresses"}},
		{"unreadable names are not missing", "certificates: [{secretName: a, dnsNames: a}, {secretName: b, ipAddresses: 10.0.0.1}]", []string{"certificates[0].dnsNames: is a single value, wanted a list", "certificates[1].ipAddresses: is a single value"}},
		{"DNS names", "certificates: [{secretName: a, dnsNames: [10.0.0.1, 'a b', '*']}]", []string{
			`dnsNames[0]: "10.0.0.1" is an IP address; certificates take these under ipAddresses`, `dnsNames[1]: DNS name "a b"`, `dnsNames[2]: DNS name "*"`}},
		{"IP addresses", "certificates: [{secretName: a, ipAddresses: [10.0.0.256, 10.0.0.0/8, db, 'fe80::1%eth0', 0.0.0.0, 224.0.0.1]}]", []string{
			`ipAddresses[0]: "10.0.0.256" is not an IP address`, `"10.0.0.0/8" is a range; write single addresses`, `"db" is not an IP address; names belong to dnsNames`,
			"has a zone", `"0.0.0.0" is no address of a server`, `"224.0.0.1" is no address`}},
		{"usages", "certificates:\n- {secretName: a, dnsNames: [a], usages: []}\n- {secretName: b, dnsNames: [a], usages: [serverAuth]}\n- {secretName: c, dnsNames: [a], usages: [server, server]}", []string{
			"line 7: certificates[0].usages: is empty; write server, client or both", `line 8: certificates[1].usages[0]: "serverAuth" is not allowed here; allowed: server, client`,
			`line 9: certificates[2].usages[1]: "server" is listed twice`}},
		{"stores", "certificates: [{secretName: a, dnsNames: [a], stores: [JKS, PEM, jks]}]", []string{`stores[1]: "PEM" is not a format of Java stores`, `stores[2]: "JKS" is listed twice`}},
		{"validity", "certificates: [{secretName: a, dnsNames: [a], validity: 30m}]", []string{"certificates[0].validity: 30m is shorter than an hour"}},
		{"over the user's CA", "authority: {secret: {name: corp-ca}}\ncertificates: [{secretName: corp-ca, dnsNames: [a]}]", []string{
			`line 7: certificates[0].secretName: this certificate would be written to Secret "ea/corp-ca", which is that of authority.secret on line 6; choose another name`}},
		{"over a truststore", "truststores: [{sources: [{name: a, file: b}]}]\ncertificates: [{secretName: ssl-truststore, dnsNames: [a]}]", []string{
			`line 6: truststores[0]: this truststore would be written to Secret "ea/ssl-truststore", which is that of certificates[0].secretName on line 7`}},
		{"over a truststore's password", "truststores: [{name: x, sources: [{name: a, file: b}]}]\ncertificates: [{secretName: x-password, dnsNames: [a]}]", []string{
			`line 6: truststores[0].name: this truststore's password would be written to Secret "ea/x-password"`}},
		{"over the operator's", "flinkOperator: {namespace: ea}\ncertificates: [{secretName: flink-operator-cert, dnsNames: [a]}]", []string{`which is that of flinkOperator on line 6`}},
		{"over the webhook's", "flinkOperator: {namespace: ea, webhook: true}\ncertificates: [{secretName: webhook-server-cert, dnsNames: [a]}]", []string{`which is that of flinkOperator on line 6`}},
	} {
		t.Run(r.name, func(t *testing.T) { r.test(t, minimal+"\n") })
	}
}

func TestRefusedEdges(t *testing.T) {
	const certs = "certificates: [{secretName: s, dnsNames: [s]}, {secretName: c, usages: [client]}]\n"
	for _, r := range []refusal{
		{"no ends", "edges: [{}]", []string{"line 7: edges[0].client: is missing; write kind/namespace/name", "line 7: edges[0].server: is missing"}},
		{"unreadable ends", "edges: [{client: flink, server: certificates/ea/s}, {client: a//b, server: certificate/ea/s}]", []string{
			`edges[0].client: "flink" is not kind/namespace/name, such as`, `edges[0].server: kind "certificates" is not known; did you mean certificate?; known: eventProcessing, flinkDeployment, certificate`,
			`edges[1].client: "a//b" is not kind/namespace/name`}},
		{"unknown ends", "edges:\n- client: flinkDeployment/ea/flnk\n  server: certificate/databases/s", []string{
			`line 8: edges[0].client: "flinkDeployment/ea/flnk" is not configured; did you mean flinkDeployment/ea/flink?`,
			`line 9: edges[0].server: "certificate/databases/s" is not configured; did you mean certificate/ea/s?`}},
		{"an Event Processing that is not there", "edges: [{client: eventProcessing/x/y, server: certificate/ea/s}]", []string{`edges[0].client: "eventProcessing/x/y" is not configured`}},
		{"to itself", "edges: [{client: certificate/ea/s, server: certificate/ea/s}]", []string{"line 7: edges[0]: is from certificate/ea/s to itself"}},
		{"twice", "edges:\n- {client: flinkDeployment/ea/flink, server: certificate/ea/s}\n- {client: flinkDeployment/ea/flink, server: certificate/ea/s}", []string{"line 9: edges[1]: is listed already, on line 8"}},
		{"to a client", "edges: [{client: flinkDeployment/ea/flink, server: certificate/ea/c}]", []string{`edges[0].server: "certificate/ea/c" is for clients only (its usages, line 6); add server to them`}},
	} {
		t.Run(r.name, func(t *testing.T) { r.test(t, minimal+"\n"+certs) })
	}
}

// One mistake is one fault: what only follows from it is not blamed.
func TestNoConsequences(t *testing.T) {
	for _, r := range []refusal{
		{"edge to an unreadable name", "certificates: [{secretName: [x], dnsNames: [x]}]\nedges: [{client: flinkDeployment/ea/flink, server: certificate/ea/x}]", []string{"certificates[0].secretName: is a list"}},
		{"edge to a certificate without usages", "certificates: [{secretName: x, dnsNames: [x], usages: []}]\nedges: [{client: flinkDeployment/ea/flink, server: certificate/ea/x}]", []string{"certificates[0].usages: is empty"}},
		{"mounted in an unreadable list", "flinkDeployments: x\ntruststores: [{sources: [{name: a, file: b}], mountIn: {flinkDeployments: [y]}}]", []string{"line 5: flinkDeployments: is a single value"}},
		{"origin that is unreadable", "truststores: [{sources: [{name: a, file: [b]}]}]", []string{"sources[0].file: is a list"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			prefix := minimal + "\n"
			if strings.HasPrefix(r.yaml, "flinkDeployments") {
				prefix = strings.TrimSuffix(minimal, "flinkDeployments: [{name: flink}]")
			}
			r.test(t, prefix)
		})
	}
}

// What stands right beside a refusal is accepted.
func TestAcceptedLimits(t *testing.T) {
	const source = "sources: [{name: a, file: b}]"
	for name, fragment := range map[string]string{
		"truststore name of 52":         "truststores: [{name: " + strings.Repeat("t", 52) + ", " + source + "}]",
		"a password of the user's":      "truststores: [{name: x, password: {secret: {name: pw, key: k}}, " + source + "}]\ncertificates: [{secretName: x-password, dnsNames: [a]}]",
		"one password for two":          "truststores: [{name: x, password: {secret: {name: pw, key: k}}, " + source + ", mountIn: {}}, {name: y, password: {secret: {name: pw, key: k}}, " + source + ", mountIn: {}}]",
		"leaf as long as its issuers":   "authority: {selfSigned: {validity: 365d, intermediate: {validity: 365d}}}",
		"a leaf of an hour":             "certificates: [{secretName: a, dnsNames: [a], validity: 1h}]",
		"common name of 60":             "authority: {selfSigned: {subject: {commonName: " + strings.Repeat("ü", 60) + "}}}",
		"Secret names of 253":           "certificates: [{secretName: " + strings.Repeat("s", 253) + ", dnsNames: [a]}, {secretName: " + strings.Repeat("s", 242) + ", naming: versioned, dnsNames: [a]}]",
		"long leaves under a user's CA": "authority: {secret: {name: ca}}\ndefaults: {validity: 5000d}",
		"as long as an intermediate":    "authority: {secret: {name: ca, intermediate: {validity: 400d}}}\ndefaults: {validity: 400d}",
		"one Secret name, two spaces":   "certificates: [{secretName: a, dnsNames: [a]}, {secretName: a, namespace: b, dnsNames: [a]}]",
		"ports":                         "truststores: [{sources: [{name: a, file: b, servers: [{address: 'db:1'}, {address: 'db:65535'}, {address: '10.0.0.1:5432'}]}]}]",
		"edge both ways":                "certificates: [{secretName: a, dnsNames: [a], usages: [server, client]}]\nedges: [{client: certificate/ea/a, server: eventProcessing/ea/ep}, {client: eventProcessing/ea/ep, server: certificate/ea/a}]",
		"operator's names elsewhere":    "flinkOperator: {}\ncertificates: [{secretName: flink-operator-cert, dnsNames: [a]}]",
	} {
		t.Run(name, func(t *testing.T) { mustParse(t, minimal+"\n"+fragment) })
	}
	for _, list := range []string{
		"clusterAPI: apps.x.com\neventProcessing: [{name: " + strings.Repeat("e", 37) + "}]",
		"eventProcessing: [{name: " + strings.Repeat("e", 39) + "}]",
		"flinkDeployments: [{name: " + strings.Repeat("f", 45) + "}]",
	} {
		mustParse(t, "apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: ea\n"+list)
	}
}

func TestRefusedRotation(t *testing.T) {
	window := func(schedule string) string {
		return fmt.Sprintf("rotation:\n  windows:\n  - {schedule: %q, duration: 4h}", schedule)
	}
	cases := []refusal{
		{"empty window", "rotation: {windows: [{}]}", []string{"rotation.windows[0].schedule: is missing; write five cron fields", "rotation.windows[0].duration: is missing"}},
		{"time zone", "rotation: {windows: [{schedule: 0 2 * * *, duration: 4h, timeZone: Europe/Londn}]}", []string{`line 6: rotation.windows[0].timeZone: time zone "Europe/Londn" is not known on this machine`}},
		{"local time", "rotation: {windows: [{schedule: 0 2 * * *, duration: 4h, timeZone: Local}]}", []string{`time zone "Local" is not known`}},
		{"soak", "rotation: {soak: -1h}", []string{`rotation.soak: "-1h" is not longer than zero`}},
	}
	for schedule, want := range map[string]string{
		"@daily": "is not five cron fields", "0 2 * *": "is not five cron fields", "0 0 2 * * *": "is not five cron fields",
		"60 2 * * *": `minute "60": "60" is not between 0 and 59`, "0 24 * * *": `hour "24"`, "0 0 0 * *": `day of month "0"`,
		"0 0 * 13 *": `month "13"`, "0 0 * * 8": `day of week "8"`, "0 0 * FOO *": `month "FOO": "FOO" is not between 1 and 12`,
		"0 0 * ANF *": `month "ANF"`, "0 0 * * SUNDAY": `day of week "SUNDAY"`, "5-1 * * * *": `"5-1" ends before it begins`,
		"*/0 * * * *": `step "0" is not a number from 1 to 59`, "*/x * * * *": `step "x"`, "5/2 * * * *": "a step needs * or a range",
		"1,,2 * * * *": `"" is not between`, "1- * * * *": `"" is not between`, "+1 * * * *": `"+1" is not between`, "? * * * *": `"?" is not between`,
		"0 0 30 2 *": "never comes: no such month has that day", "0 0 31 4,JUN,9,11 *": "never comes",
	} {
		cases = append(cases, refusal{schedule, window(schedule), []string{"line 8: rotation.windows[0].schedule: "}}, refusal{schedule + " says why", window(schedule), []string{want}})
	}
	for _, r := range cases {
		t.Run(r.name, func(t *testing.T) { r.test(t, minimal+"\n") })
	}
}

func TestAcceptedSchedules(t *testing.T) {
	for _, s := range []string{"* * * * *", "0 2 * * SUN", "*/15 0-6,22-23 1,15 * mon-fri", "0 0 29 2 *", "0 0 30 2 MON", "0 0 31 * *", "0 0 * * 0-7", "0 0 * * SAT-SUN", "0\t0 * * 7"} {
		if err := checkSchedule(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// No message repeats what people put where a password's Secret should be named, or into URLs.
func TestNoSecretsInErrors(t *testing.T) {
	for _, fragment := range []string{
		"truststores: [{password: hunter2, sources: [{name: a, file: b}]}]",
		"truststores: [{password: [hunter2], sources: [{name: a, file: b}]}]",
		"truststores: [{password: {secret: hunter2}, sources: [{name: a, file: b}]}]",
		"truststores: [{password: !x hunter2, sources: [{name: a, file: b}]}]",
		"authority: {secret: {name: a, passphrase: hunter2}}",
		"authority: {secret: {name: a, passphrase: {secret: [hunter2]}}}",
		"clusterAPI: https://me:hunter2@api.x.com",
		"clusterAPI: https://me:hunter2@console-openshift-console.apps.x.com:x",
		"truststores: [{sources: [{name: a, file: b, servers: [{address: 'postgresql://me:hunter2@db:5432/x'}]}]}]",
		"truststores: [{sources: [{name: a, file: b, servers: [{address: 'me:hunter2@db:5432'}]}]}]",
	} {
		_, err := Parse(strings.NewReader(minimal + "\n" + fragment))
		if err == nil {
			t.Errorf("accepted: %s", fragment)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\nis answered with the secret:\n%v", fragment, err)
		}
	}
}

// Files made to cost memory or time are refused.
func TestHostileFiles(t *testing.T) {
	entries := strings.Repeat("x,", maxEntries)
	bomb := minimal + "\ncertificates: [&c {secretName: a, dnsNames: [" + entries + "]}, " + strings.Repeat("*c,", 500) + "]"
	refusal{"", bomb, []string{"line 6: more than 100000 values"}}.test(t, "")

	var merges strings.Builder
	merges.WriteString(minimal + "\ncertificates:\n- &m0 {" + "secretName: a}\n")
	for i := 1; i <= 8; i++ {
		fmt.Fprintf(&merges, "- &m%d {<<: [%s]}\n", i, strings.Repeat(fmt.Sprintf("*m%d,", i-1), 50))
	}
	if _, err := Parse(strings.NewReader(merges.String())); err == nil || !strings.Contains(err.Error(), "more than 100000 values") {
		t.Errorf("merges: %.300v", err)
	}

	for _, text := range []string{strings.Repeat("[", 20000), strings.Repeat("{a: ", 20000), strings.Repeat("- ", 20000), "a: &a [*a, *a]", "&a {<<: *a}", strings.Repeat("a: 1\n", 200000)} {
		if _, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("accepted %.20q…", text)
		} else if len(err.Error()) > 100_000 {
			t.Errorf("%.20q…: an error of %d bytes", text, len(err.Error()))
		}
	}
}
