package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/yamledit"
)

// cmdExits is `exits N program args…`: the program must end with the code N.
// What flowcert prints must hold no secret of any directory below the script's
// own, must be JSON alone where -o json is given, and must have no colour unless
// the script asks for some.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N program args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if got != want {
		ts.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", got, want, stdout, stderr)
	}
	if leak := findSecret(ts.MkAbs("."), stdout+"\n"+stderr); leak != "" {
		ts.Fatalf("the output holds %s", leak)
	}
	if ts.Getenv("CLICOLOR_FORCE") == "" && strings.Contains(stdout+stderr, "\x1b[") {
		ts.Fatalf("the output is coloured")
	}
	if i := slices.Index(args, "json"); i > 0 && args[i-1] == "-o" && stdout != "" && !json.Valid([]byte(stdout)) {
		ts.Fatalf("standard output is not one JSON value:\n%s", stdout)
	}
	if got == 1 && strings.TrimSpace(stderr) == "" && strings.TrimSpace(stdout) == "" {
		ts.Fatalf("exit code 1 and not a word")
	}
}

// findSecret looks for every password and private key below root in text, and
// says which it found.
func findSecret(root, text string) string {
	found := ""
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || found != "" || filepath.Ext(path) != ".yaml" {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > 1<<20 {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		parsed, err := secrets.Parse(data)
		if err != nil {
			return nil
		}
		for _, s := range parsed {
			for key, value := range s.Data {
				if part := secretPart(value); part != "" && strings.Contains(text, part) {
					found = fmt.Sprintf("what %s keeps under %q", s.Ref, key)
				}
			}
		}
		return nil
	})
	if i := strings.Index(text, "PRIVATE KEY"); i >= 0 {
		found = "a private key in PEM"
	}
	return found
}

var keyInPEM = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(\S+)`)

// secretPart is the part of a Secret's value that must not be seen: a password,
// or a line of a private key; nothing for certificates and stores.
func secretPart(value []byte) string {
	if m := keyInPEM.FindSubmatch(value); m != nil {
		return string(m[1])
	}
	if len(value) < 6 || len(value) > 128 || bytes.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return string(value)
}

// fixture holds examples/quickstart as it is before flowcert has been there:
// somebody may have tried it out in this checkout. quickstart.txtar compares.
var fixture = filepath.Join("testdata", "quickstart")

// copySite makes dir a copy of the fixture.
func copySite(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(fixture)
	if err != nil {
		return err
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(fixture, e.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// cmdSite is `site DIR [FILE]`: a copy of the quick start with a
// configuration whose keys are made quickly, or with the one in FILE.
func cmdSite(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(copySite(dir))
	text := []byte(quickConfig)
	if len(args) > 1 {
		text = []byte(ts.ReadFile(args[1]))
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "flowcert.yaml"), text, 0o644))
}

// quickConfig is that of the quick start but for keys and public CAs.
const quickConfig = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: event-automation
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session-cluster-prod}, {name: orders-enrichment}]
truststores: [{publicCAs: false, sources: [{name: orders-db, file: orders-ca.pem}]}]
`

// fileState is what `unchanged` compares.
type fileState struct {
	mode    fs.FileMode
	size    int64
	changed time.Time
	data    string
}

type snapshotsKey struct{}

func takeSnapshot(ts *testscript.TestScript, dir string) map[string]fileState {
	out := map[string]fileState{}
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s := fileState{mode: info.Mode(), size: info.Size(), changed: info.ModTime()}
		if info.Mode().IsRegular() && info.Size() < 1<<20 {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			s.data = string(data)
		}
		rel, err := filepath.Rel(dir, path)
		out[rel] = s
		return err
	}))
	return out
}

// cmdSnapshot is `snapshot DIR`: it remembers every file in it, with mode and
// time; cmdUnchanged is `unchanged DIR`: nothing has changed since, nothing is
// gone and nothing new.
func cmdSnapshot(ts *testscript.TestScript, _ bool, args []string) {
	all := ts.Value(snapshotsKey{}).(map[string]map[string]fileState)
	all[args[0]] = takeSnapshot(ts, ts.MkAbs(args[0]))
}

func cmdUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	was, ok := ts.Value(snapshotsKey{}).(map[string]map[string]fileState)[args[0]]
	if !ok {
		ts.Fatalf("no snapshot of %s", args[0])
	}
	is := takeSnapshot(ts, ts.MkAbs(args[0]))
	var differences []string
	for path, s := range is {
		switch old, ok := was[path]; {
		case !ok:
			differences = append(differences, path+" is new")
		case old != s:
			differences = append(differences, fmt.Sprintf("%s has changed (%v %v, was %v %v)", path, s.mode, s.changed, old.mode, old.changed))
		}
	}
	for path := range was {
		if _, ok := is[path]; !ok {
			differences = append(differences, path+" is gone")
		}
	}
	slices.Sort(differences)
	if neg != (len(differences) > 0) {
		ts.Fatalf("since the snapshot of %s: %v", args[0], differences)
	}
}

// cmdKept is `kept [-but REGEXP] BEFORE AFTER`: every line of BEFORE stands in
// AFTER, to the byte and in order; only lines that match REGEXP may be others.
func cmdKept(ts *testscript.TestScript, _ bool, args []string) {
	var but *regexp.Regexp
	if args[0] == "-but" {
		but = regexp.MustCompile(args[1])
		args = args[2:]
	}
	after := strings.SplitAfter(ts.ReadFile(args[1]), "\n")
	for _, line := range strings.SplitAfter(ts.ReadFile(args[0]), "\n") {
		i := slices.Index(after, line)
		switch {
		case i >= 0:
			after = after[i+1:]
		case but == nil || !but.MatchString(line):
			ts.Fatalf("%s has lost, or moved, the line %q", args[1], line)
		}
	}
}

// cmdMode is `mode PERM FILE…`: the files have these permissions. FILE may be a
// pattern.
func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.ParseUint(args[0], 8, 12)
	ts.Check(err)
	for _, pattern := range args[1:] {
		paths, err := filepath.Glob(ts.MkAbs(pattern))
		ts.Check(err)
		if len(paths) == 0 {
			ts.Fatalf("no file %s", pattern)
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			ts.Check(err)
			if got := info.Mode().Perm(); got != fs.FileMode(want) {
				ts.Fatalf("%s has mode %o, want %o", path, got, want)
			}
		}
	}
}

// cmdCAFile is `cafile FILE NAME…`: certificates of new CAs, in PEM.
func cmdCAFile(ts *testscript.TestScript, _ bool, args []string) {
	var out []byte
	for _, name := range args[1:] {
		key, err := pki.GenerateKey(pki.KeySpec{Algorithm: pki.ECDSA, Size: 256})
		ts.Check(err)
		now := time.Now()
		cert, err := pki.NewRoot(pki.RootRequest{
			Subject: pki.Subject{CommonName: name}, Key: key, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(20 * 365 * 24 * time.Hour),
		})
		ts.Check(err)
		out = append(out, pki.EncodeCertificates(cert)...)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out, 0o644))
}

// cmdSparse is `sparse FILE BYTES`: a file of zeros of that size.
func cmdSparse(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), nil, 0o644))
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

// cmdSwap is `swap FILE OLD NEW`: the first OLD becomes NEW; \n and \r are line
// breaks.
func cmdSwap(ts *testscript.TestScript, _ bool, args []string) {
	breaks := strings.NewReplacer(`\n`, "\n", `\r`, "\r")
	text, old := ts.ReadFile(args[0]), breaks.Replace(args[1])
	if !strings.Contains(text, old) {
		ts.Fatalf("%s does not hold %q", args[0], old)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, old, breaks.Replace(args[2]), 1)), 0o644))
}

// cmdSubstring is `[!] substring FILE TEXT…`: the file, or stdout or stderr, holds
// each text as it is.
func cmdSubstring(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	for _, want := range args[1:] {
		if strings.Contains(text, want) == neg {
			ts.Fatalf("%s: holds %q is %v:\n%s", args[0], want, !neg, text)
		}
	}
}

// cmdNewer is `newer FILE KEY OLD`: the value at KEY, as yamledit writes paths,
// in FILE is another one than in OLD.
func cmdNewer(ts *testscript.TestScript, neg bool, args []string) {
	path, err := yamledit.ParsePath(args[1])
	ts.Check(err)
	var values []any
	for _, file := range []string{args[0], args[2]} {
		obj, err := yamledit.Decode([]byte(ts.ReadFile(file)))
		ts.Check(err)
		v, ok := yamledit.Get(obj, path)
		if !ok {
			ts.Fatalf("%s: nothing at %s", file, args[1])
		}
		values = append(values, v)
	}
	if (values[0] == values[1]) != neg {
		ts.Fatalf("%s is %v in both files: %v", args[1], values[0], !neg)
	}
}

// cmdSecretOf is `secretof DIR MANIFEST PATH KEY OUT`: it writes to OUT what the
// Secret holds under KEY whose name stands at PATH in MANIFEST.
func cmdSecretOf(ts *testscript.TestScript, _ bool, args []string) {
	path, err := yamledit.ParsePath(args[2])
	ts.Check(err)
	obj, err := yamledit.Decode([]byte(ts.ReadFile(args[1])))
	ts.Check(err)
	name, _ := yamledit.Get(obj, path)
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "secrets", "*."+fmt.Sprint(name)+".yaml"))
	ts.Check(err)
	if len(files) != 1 {
		ts.Fatalf("%d manifests of %v", len(files), name)
	}
	parsed, err := secrets.Parse([]byte(ts.ReadFile(files[0])))
	ts.Check(err)
	value, err := parsed[0].Get(args[3])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[4]), value, 0o600))
}

// cmdWaitFor is `waitfor FILE`: until the file is there.
func cmdWaitFor(ts *testscript.TestScript, _ bool, args []string) {
	for range 3000 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s does not appear", args[0])
}

// cmdJSONKeys is `jsonkeys FILE WANT`: the paths of all fields in the JSON of
// FILE are those in WANT, one a line, sorted.
func cmdJSONKeys(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	set := map[string]bool{}
	fieldPaths(v, "", set)
	var got []string
	for path := range set {
		got = append(got, path)
	}
	slices.Sort(got)
	if want := strings.Fields(ts.ReadFile(args[1])); !slices.Equal(got, want) {
		ts.Fatalf("fields:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func fieldPaths(v any, at string, set map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			set[at+"."+k] = true
			fieldPaths(below, at+"."+k, set)
		}
	case []any:
		for _, below := range v {
			fieldPaths(below, at+"[]", set)
		}
	}
}
