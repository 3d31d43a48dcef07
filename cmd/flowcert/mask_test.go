package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/yamledit"
)

func TestMaskLines(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "password: hunter22\nname: x\n", "password: ********\nname: x\n"},
		{"quoted", "a:\n  s3.secret-key: 'hunter22' # note\n  b: \"c\"\n", "a:\n  s3.secret-key: ******** # note\n  b: \"c\"\n"},
		{"escaped quote", `"fs.azure.account.key.me": "a\"hunter22"` + "\nb: 1\n", `"fs.azure.account.key.me": ********` + "\nb: 1\n"},
		{"comment behind", "password: x # password=hunter22\n", "password: ******** # password=********\n"},
		{"comment of its own", "# password: hunter22\na: 1\n", "# password: ********\na: 1\n"},
		{"number", "apiKey: 12345678\n", "apiKey: ********\n"},
		{"boolean", "license.accept: true\nsecret.enabled: 'true'\nrequiresPassword: true\n", "license.accept: true\nsecret.enabled: ********\nrequiresPassword: true\n"},
		{"placeholder", "password: <jks-password>\ntoken: a<b>hunter22\n", "password: <jks-password>\ntoken: ********\n"},
		{"literal", "sasl.jaas.config: |-\n  hunter22\n\n  # hunter22\nnext: 1\n", "sasl.jaas.config: ********\n  ********\n\n  ********\nnext: 1\n"},
		{"folded in a list", "- password: >\n    hunter22\n    hunter22\n- b: 1\n", "- password: ********\n    ********\n    ********\n- b: 1\n"},
		{"literal at the end", "password: |\n  hunter22", "password: ********\n  ********"},
		{"plain on two lines", "password: hunter22\n  hunter22\nb: 1\n", "password: ********\n  ********\nb: 1\n"},
		{"double quoted on two lines", "password: \"hunter22\n  hunter22\"\nb: 1\n", "password: ********\n  ********\nb: 1\n"},
		{"flow", "a: {password: hunter22, b: c, token: 'hunter22'}\nd: 1\n", "a: {password: ********, b: c, token: ********}\nd: 1\n"},
		{"flow on two lines", "a: {password: hunter22\n  hunter22, b: c}\nd: 1\n", "a: {password: ********\n  ********, b: c}\nd: 1\n"},
		{"JSON", "{\n  \"password\": \"hunter22\",\n  \"b\": {\"token\": \"hunter22\"}\n}\n", "{\n  \"password\": ********,\n  \"b\": {\"token\": ********}\n}\n"},
		{"nested configuration", "spec:\n  flinkConfiguration:\n    s3:\n      secret:\n        key: hunter22\n      endpoint: e\n", "spec:\n  flinkConfiguration:\n    s3:\n      secret:\n        key: ********\n      endpoint: e\n"},
		{"environment", "env:\n- name: DB_PASSWORD\n  value: hunter22\n- value: hunter22\n  name: AWS_SECRET_ACCESS_KEY\n- name: A\n  value: b\n",
			"env:\n- name: DB_PASSWORD\n  value: ********\n- value: ********\n  name: AWS_SECRET_ACCESS_KEY\n- name: A\n  value: b\n"},
		{"environment from a Secret", "env:\n- name: DB_PASSWORD\n  valueFrom: {secretKeyRef: {name: s, key: password}}\n", "env:\n- name: DB_PASSWORD\n  valueFrom: {secretKeyRef: {name: s, key: password}}\n"},
		{"names of Secrets", "kubernetes.secrets: a:/b\nvolumes:\n- name: v\n  secret:\n    secretName: s\n    items: [{key: password, path: p}]\nimagePullSecrets:\n- name: r\ncaSecretName: x\n",
			"kubernetes.secrets: a:/b\nvolumes:\n- name: v\n  secret:\n    secretName: s\n    items: [{key: password, path: p}]\nimagePullSecrets:\n- name: r\ncaSecretName: x\n"},
		{"map", "credentials:\n  user: hunter22\n  name: n\n  more:\n  - hunter22\nb: 1\n", "credentials:\n  user: ********\n  name: n\n  more:\n  - ********\nb: 1\n"},
		{"JVM option", "value: -Xmx1g -Djavax.net.ssl.trustStorePassword=hunter22 -Dx=y\n", "value: -Xmx1g -Djavax.net.ssl.trustStorePassword=******** -Dx=y\n"},
		{"arguments", "args: [--db-password, hunter22, --token=hunter22, --user, u]\n", "args: [--db-password, ********, --token=******** --user, u]\n"},
		{"arguments in lines", "args:\n- --password\n- hunter22\n- u\n", "args:\n- --password\n- ********\n- u\n"},
		{"URL", "uri: s3://me:hunter22@host/x\n", "uri: s3://me:********@host/x\n"},
		{"SQL", "query: |\n  CREATE TABLE t WITH ('password' = 'hunter22', 'x' = 'y');\n", "query: |\n  CREATE TABLE t WITH ('password' = ******** 'x' = 'y');\n"},
		{"JAAS under another key", "x: 'Login required username=\"u\" password=\"hunter22\";'\n", "x: 'Login required username=\"u\" password=********\n"},
		{"JSON in a text", "kubectl.kubernetes.io/last-applied-configuration: |\n  {\"a\":{\"b\":1,\"rest.password\":\"hunter22\"}}\n", "kubectl.kubernetes.io/last-applied-configuration: |\n  {\"a\":{\"b\":1,\"rest.password\":********\n"},
		{"alias", "a: &pw hunter22\npassword: *pw\nb: c\n", "a: ********\npassword: ********\nb: c\n"},
		{"anchored and tagged", "password: &p !!str hunter22\nb: c\n", "password: ********\nb: c\n"},
		{"CRLF", "password: hunter22\r\nname: x\r\n", "password: ********\nname: x\n"},
		{"record", "metadata:\n  annotations:\n    flowcert.io/edits: '[{\"was\":\"hunter22\"}]'\n    b: c\n", "metadata:\n  annotations:\n    flowcert.io/edits: (how to take these edits back, 20 bytes)\n    b: c\n"},
		{"not YAML", "password: [hunter22\n", "********\n********"},
		{"a key of several words", "the password: hunter22\nb: c\n", "the password: ********\nb: c\n"},
		{"value is a separator", "password: '}, '\nb: c\n", "password: ********\nb: c\n"},
		{"line separator", "a: \"x\u2028\"\npassword: hunter22\nb: c\n", "a: \"x\u2028\"\npassword: ********\nb: c\n"},
		{"byte order mark", "\ufeffpassword: hunter22\nb: c\n", "password: ********\nb: c\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(maskLines([]byte(tt.in)), "\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got, "hunter22") {
				t.Error("the password shows")
			}
		})
	}
}

// FuzzMaskLines: whatever the manifest, there are as many lines as before, and
// what stands under a sensitive key is not in them.
func FuzzMaskLines(f *testing.F) {
	const canary = "hunter22"
	f.Add("a: 1", "b", "")
	f.Add("# c", "|-\n    x", "\n    y")
	f.Add("{b: c}", "\"x\\\"y", "\"")
	f.Add("a: &x y", "'it''s", "' # z")
	f.Add("---", "&a !!str ", "\n   z")
	f.Fuzz(func(t *testing.T, before, front, behind string) {
		source := []byte(before + "\nspec:\n  s3.secret-key: " + front + canary + behind + "\n  b: c\n")
		lines := maskLines(source)
		if want := bytes.Count(source, []byte("\n")) + 1; len(lines) != want {
			t.Fatalf("%d lines, want %d", len(lines), want)
		}
		obj, err := yamledit.Decode(source)
		if err != nil || strings.Contains(before+front+behind, canary) {
			return
		}
		v, _ := yamledit.Get(obj, yamledit.Path{yamledit.Key("spec"), yamledit.Key("s3.secret-key")})
		if held, _ := v.(string); strings.Contains(held, canary) && !placeholder.MatchString(held) && strings.Contains(strings.Join(lines, "\n"), canary) {
			t.Errorf("%q shows in %q", held, lines)
		}
	})
}

func TestMaskedDiffShowsThatAPasswordChanged(t *testing.T) {
	before := "a: 1\npassword: hunter21\nb: 2\n"
	after := "a: 1\npassword: hunter22\nb: 2\nc: 3\n"
	got := maskedDiff([]byte(before), []byte(after), 10)
	want := []string{"@@ -11,3 +11,4 @@", " a: 1", "-password: ********", "+password: ********", " b: 2", "+c: 3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
