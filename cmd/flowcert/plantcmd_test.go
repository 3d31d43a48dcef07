package main

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	keystore "github.com/pavlo-v-chernykh/keystore-go/v4"
	"github.com/rogpeppe/go-internal/testscript"
	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// Commands that look into the Secret manifests that flowcert wrote, and spoil
// them as people and machines do.

// oneMatch is the one file that matches the pattern.
func oneMatch(ts *testscript.TestScript, pattern string) string {
	paths, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	if len(paths) != 1 {
		ts.Fatalf("%d files match %s, want one", len(paths), pattern)
	}
	return paths[0]
}

// cmdGetData is `getdata MANIFEST KEY FILE`: a value of a Secret's data goes to
// FILE. MANIFEST may be a pattern.
func cmdGetData(ts *testscript.TestScript, _ bool, args []string) {
	path := oneMatch(ts, args[0])
	parsed, err := secrets.Parse([]byte(ts.ReadFile(path)))
	ts.Check(err)
	value, err := parsed[0].Get(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), value, 0o644))
}

// cmdPutData is `putdata MANIFEST KEY [FILE]`: the value becomes what is in FILE;
// without FILE the key goes.
func cmdPutData(ts *testscript.TestScript, _ bool, args []string) {
	path := oneMatch(ts, args[0])
	line := regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(args[1]) + `: .*\n`)
	text, now := ts.ReadFile(path), ""
	if !line.MatchString(text) {
		ts.Fatalf("%s has no key %s", path, args[1])
	}
	if len(args) > 2 {
		now = "  " + args[1] + ": " + base64.StdEncoding.EncodeToString([]byte(ts.ReadFile(args[2]))) + "\n"
	}
	ts.Check(os.WriteFile(path, []byte(line.ReplaceAllLiteralString(text, now)), 0o644))
}

// cmdSwapKey is `swapkey MANIFEST KEY`: the key store under KEY gets another
// private key beside the certificates that it has. The package truststore refuses
// to make such a store.
func cmdSwapKey(ts *testscript.TestScript, _ bool, args []string) {
	parsed, err := secrets.Parse([]byte(ts.ReadFile(oneMatch(ts, args[0]))))
	ts.Check(err)
	password := string(parsed[0].Data[secrets.Password])
	store, err := truststore.Open(parsed[0].Data[args[1]], password)
	ts.Check(err)
	key, err := pki.GenerateKey(pki.KeySpec{Algorithm: pki.RSA, Size: 2048})
	ts.Check(err)
	data, err := withKey(store.Format, key, store.Keys[0].Chain, password)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("swapped.store"), data, 0o644))
	cmdPutData(ts, false, []string{args[0], args[1], "swapped.store"})
}

// withKey is a key store with a key and a chain that need not belong together.
func withKey(f truststore.Format, key crypto.Signer, chain []*x509.Certificate, password string) ([]byte, error) {
	if f == truststore.PKCS12 {
		return pkcs12.Modern2023.Encode(key, chain[0], chain[1:], password)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	entry := keystore.PrivateKeyEntry{PrivateKey: der}
	for _, c := range chain {
		entry.CertificateChain = append(entry.CertificateChain, keystore.Certificate{Type: "X509", Content: c.Raw})
	}
	store := keystore.New()
	if err := store.SetPrivateKeyEntry("server", entry, []byte(password)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = store.Store(&out, []byte(password))
	return out.Bytes(), err
}

// cmdEdit is `edit FILE s/REGEXP/REPLACEMENT/` or `edit FILE /REGEXP//` for every
// match; a slash in either is written \/.
func cmdEdit(ts *testscript.TestScript, _ bool, args []string) {
	parts := strings.Split(strings.ReplaceAll(strings.TrimPrefix(args[1], "s"), `\/`, "\x00"), "/")
	if len(parts) != 4 {
		ts.Fatalf("usage: edit FILE s/REGEXP/REPLACEMENT/")
	}
	re, err := regexp.Compile("(?m)" + strings.ReplaceAll(parts[1], "\x00", "/"))
	ts.Check(err)
	text := ts.ReadFile(args[0])
	if !re.MatchString(text) {
		ts.Fatalf("%s has nothing that matches %s", args[0], parts[1])
	}
	text = re.ReplaceAllString(text, strings.NewReplacer("\x00", "/", `\n`, "\n").Replace(parts[2]))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// cmdForeign is `foreign SITE OTHER KEY PASSWORD`: the session cluster's store
// under KEY becomes the other site's, under the password that it had here.
func cmdForeign(ts *testscript.TestScript, _ bool, args []string) {
	const pattern = "/secrets/*.session-cluster-prod-tls-*.yaml"
	read := func(site string) map[string][]byte {
		parsed, err := secrets.Parse([]byte(ts.ReadFile(oneMatch(ts, site+pattern))))
		ts.Check(err)
		return parsed[0].Data
	}
	here, there := read(args[0]), read(args[1])
	store, err := truststore.Open(there[args[2]], string(there[args[3]]))
	ts.Check(err)
	var data []byte
	if len(store.Keys) > 0 {
		data, err = truststore.EncodeKey(store.Format, store.Keys[0], string(here[args[3]]))
	} else {
		data, err = truststore.EncodeTrust(store.Format, store.Trusted, string(here[args[3]]))
	}
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("foreign.store"), data, 0o644))
	cmdPutData(ts, false, []string{args[0] + pattern, args[2], "foreign.store"})
}

// cmdLater is `later DAYS SITE`: flowcert applies as if it were so many days later.
func cmdLater(ts *testscript.TestScript, _ bool, args []string) {
	days, err := strconv.Atoi(args[0])
	ts.Check(err)
	at := time.Now().AddDate(0, 0, days).UTC().Format(time.RFC3339)
	ts.Check(ts.Exec("flowcert", "apply", "--dir", args[1], "--now", at, "--simulate"))
}
