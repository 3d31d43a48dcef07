package incluster_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/test/tools"
)

// public are data keys whose values anybody may see.
var public = []string{"ca.crt", "tls.crt", "alias"}

// nothingSecret wants no text to hold anything of what is in the namespace's Secrets and is no certificate: passwords and
// passphrases, keys in PEM, stores and all of it in base64; nor a token.
func (s *site) nothingSecret(t *testing.T, texts map[string]string) {
	t.Helper()
	looked := 0
	for _, u := range s.list(t, secretsGVR) {
		data, _, _ := unstructured.NestedStringMap(u.Object, "data")
		for key, value := range data {
			raw, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(public, key) || len(raw) < 8 {
				continue
			}
			for _, piece := range pieces(raw) {
				looked++
				for where, text := range texts {
					if strings.Contains(text, piece) {
						t.Errorf("secret %s: something of key %s is in %s", u.GetName(), key, where)
					}
				}
			}
		}
	}
	if looked < 100 {
		t.Errorf("looked for %d things alone", looked)
	}
	for where, text := range texts {
		if text == "" {
			t.Errorf("%s is empty", where)
		}
		for _, mark := range []string{"PRIVATE KEY", "eyJhbGciOi"} { // what every token begins with
			if strings.Contains(text, mark) {
				t.Errorf("%q is in %s", mark, where)
			}
		}
	}
}

// pieces are what a text must not hold of a value: a word as it is; of what is longer every line; in base64 both.
func pieces(value []byte) []string {
	const length = 40
	var out []string
	text := !bytes.ContainsFunc(value, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) && r != '\n' })
	if text {
		for line := range strings.Lines(string(value)) {
			if line = strings.TrimSpace(line); len(line) >= 8 && !strings.HasPrefix(line, "-----") {
				out = append(out, line)
			}
		}
	}
	encoded := base64.StdEncoding.EncodeToString(value)
	if len(encoded) < length {
		return append(out, strings.TrimRight(encoded, "="))
	}
	for at := 0; at+length <= len(encoded); at += length {
		out = append(out, encoded[at:at+length])
	}
	return out
}

// events is everything that was told in the namespace.
func (s *site) events(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, e := range s.list(t, eventGVR) {
		fmt.Fprintln(&out, e.Object)
	}
	return out.String()
}

const withPassphrase = `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {secret: {name: corporate-ca, passphrase: {secret: {name: corporate-ca-passphrase, key: passphrase}}}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session}]
truststores: [{password: {secret: {name: theirs, key: db}}, sources: [{name: ours, authority: true}]}]
certificates: [{secretName: orders-db-server, dnsNames: [orders-db], stores: [JKS, PKCS12]}]
`

const (
	passphrase    = "Corr3ct-horse-battery"
	theirPassword = "Th3ir-own-password"
)

// encrypted is a CA whose key a passphrase opens.
func (c ca) encrypted(t *testing.T) ca {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tools.Require(t, "openssl"), "pkcs8", "-topk8", "-v2", "aes256", "-passout", "pass:"+passphrase)
	cmd.Stdin = strings.NewReader(c.key)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	c.key = string(out)
	return c
}

// TestNothingSecretIsTold looks through everything that flowcert says, when all goes well and when something is spoilt.
func TestNothingSecretIsTold(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, withPassphrase)
	root := newCA(t, "Corporate root")
	s.Apply(t, s.namespace, root.encrypted(t).manifest())
	s.Apply(t, s.namespace, fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: corporate-ca-passphrase}\nstringData: {passphrase: %s}\n", passphrase))
	s.Apply(t, s.namespace, fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: theirs}\nstringData: {db: %s}\n", theirPassword))
	s.Apply(t, s.namespace, fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: decrypted}\ndata: {tls.key: %s}\n", base64.StdEncoding.EncodeToString([]byte(root.key))))
	s.settled(t, d)
	texts := map[string]string{}
	says := func(args ...string) {
		r := s.run(t, args...)
		where := fmt.Sprintf("what flowcert %s says", strings.Join(args, " "))
		for n := 2; texts[where] != ""; n++ {
			where = fmt.Sprintf("what flowcert %s says (%d)", strings.Join(args, " "), n)
		}
		texts[where] = r.String()
	}
	look := func() {
		for _, args := range [][]string{{"plan"}, {"plan", "-v"}, {"plan", "-o", "json"}, {"verify", "--no-dial", "-v"}, {"verify", "--no-dial", "-o", "json"}, {"status"}, {"status", "-o", "json"}} {
			says(args...)
		}
	}
	look()
	run := s.start(t, "-v")
	eventually(t, "everything is done", func() bool { return s.run(t, "plan").code == 0 })
	look()
	says("renew", "eventProcessing/"+s.namespace+"/my-ep")
	says("apply", "-v")
	says("apply", "-o", "json")

	// What somebody spoils: stores and passwords, the CA's passphrase and key, the resources.
	for name, secret := range s.ours(t) {
		if secret.Target() == "certificate/"+s.namespace+"/orders-db-server" || strings.HasPrefix(name, "session-tls") {
			s.change(t, secretsGVR, name, "somebody", func(u *unstructured.Unstructured) {
				if immutable, _, _ := unstructured.NestedBool(u.Object, "immutable"); !immutable {
					u.Object["stringData"] = map[string]any{"keystore.jks": "Sp0ilt-by-somebody"}
				}
			})
		}
	}
	look()
	for _, spoilt := range []string{"corporate-ca-passphrase", "theirs"} {
		s.spoil(t, spoilt, nil)
		look()
		says("apply", "-v", "--timeout", "20s")
	}
	s.change(t, flinkGVR, "session", "somebody", func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(u.Object, "An0ther-password", "spec", "flinkConfiguration", "security.ssl.keystore-password")
	})
	look()
	says("revert")
	_, texts["the metrics"] = run.page(t, "/metrics")
	run.terminate(t)
	texts["the log"], texts["the Events"] = run.output(), s.events(t)
	s.nothingSecret(t, texts)
	for where, text := range texts {
		for _, word := range []string{passphrase, theirPassword, "Sp0ilt-by-somebody", "An0ther-password"} {
			if strings.Contains(text, word) {
				t.Errorf("%s is in %s", word, where)
			}
		}
	}
}
