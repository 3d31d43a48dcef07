// Package flowcert_test holds what is true of the module as a whole.
package flowcert_test

import (
	"bytes"
	"debug/elf"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	pathpkg "path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/flowcert/flowcert"

// imports says which packages of the module each one may import. Imports point
// one way: pure packages at the bottom, the command on top.
var imports = map[string][]string{
	"backup":       {},
	"parallel":     {},
	"pki":          {},
	"yamledit":     {},
	"truststore":   {"pki"},
	"config":       {"pki", "truststore"},
	"deploy":       {"yamledit"},
	"secrets":      {"deploy", "parallel", "pki", "truststore", "yamledit"},
	"renew":        {"config", "deploy", "parallel", "pki", "secrets", "truststore", "yamledit"},
	"kube":         {"config", "deploy", "parallel", "secrets", "yamledit"},
	"install":      {"yamledit"},
	"daemon":       {"config", "deploy", "renew"},
	"cmd/flowcert": {"backup", "config", "daemon", "deploy", "install", "kube", "pki", "renew", "secrets", "truststore", "yamledit"},
}

// pure packages take bytes and times: they read no file, ask no clock and open
// no connection. What they may import of the standard library is anything else.
var pure = map[string]bool{"backup": true, "parallel": true, "pki": true, "yamledit": true, "truststore": true, "deploy": true, "install": true}

// listed is what go list says of a package.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func goList(t *testing.T) []listed {
	t.Helper()
	out := goRun(t, "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func goRun(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, stderr.Bytes())
	}
	return out
}

// relative is the path below the module; false for other modules' packages.
func relative(path string) (string, bool) { return strings.CutPrefix(path, module+"/") }

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range goList(t) {
		name, ok := relative(p.ImportPath)
		if !ok || strings.HasPrefix(name, "test/") {
			continue
		}
		may, known := imports[name]
		if !known {
			t.Errorf("%s is not in this test's table: say what it may import", name)
		}
		for _, fault := range faults(name, p.Imports, may) {
			t.Error(fault)
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			if other, ok := relative(path); ok && strings.HasPrefix(other, "cmd/") {
				t.Errorf("tests of %s import %s", name, other)
			}
		}
	}
}

// faults names the imports of a package that it must not have.
func faults(name string, have, may []string) []string {
	var out []string
	for _, path := range have {
		other, ours := relative(path)
		switch {
		case ours && !slices.Contains(may, other):
			out = append(out, name+" imports "+other)
		case strings.HasPrefix(path, "k8s.io/") && name != "kube":
			out = append(out, name+" imports "+path+": only kube speaks with a cluster")
		case pure[name] && slices.Contains([]string{"os", "os/exec", "net/http", "path/filepath", "io/ioutil"}, path):
			out = append(out, name+" does no I/O, but imports "+path)
		case path == "text/template" || path == "html/template":
			out = append(out, name+" imports "+path+", which keeps the linker from leaving anything out")
		}
	}
	return out
}

// forTests are modules that only tests need.
var forTests = []string{"github.com/santhosh-tekuri/jsonschema", "github.com/google/go-cmp", "github.com/zmap/",
	"sigs.k8s.io/controller-runtime", "k8s.io/apiextensions-apiserver"}

func TestModulesForTestsAreNotLinked(t *testing.T) {
	linked := string(goRun(t, "list", "-deps", "./cmd/flowcert"))
	if !strings.Contains(linked, "github.com/spf13/cobra\n") {
		t.Fatal("go list names no dependencies")
	}
	for _, m := range forTests {
		if strings.Contains(linked, m) {
			t.Errorf("the program links %s, which is for tests", m)
		}
	}
}

func TestFaultsOfImports(t *testing.T) {
	for _, tt := range []struct {
		name  string
		have  []string
		fault bool
	}{
		{"pki", []string{"crypto/x509", "go.step.sm/crypto/x509util"}, false},
		{"pki", []string{module + "/truststore"}, true},
		{"yamledit", []string{module + "/pki"}, true},
		{"secrets", []string{module + "/renew"}, true},
		{"renew", []string{module + "/cmd/flowcert"}, true},
		{"renew", []string{module + "/test/tools"}, true},
		{"cmd/flowcert", []string{"k8s.io/client-go/rest"}, true},
		{"kube", []string{"k8s.io/client-go/rest"}, false},
		{"pki", []string{"os"}, true},
		{"cmd/flowcert", []string{"text/template"}, true},
	} {
		if got := faults(tt.name, tt.have, imports[tt.name]); len(got) > 0 != tt.fault {
			t.Errorf("%s with %v: %v", tt.name, tt.have, got)
		}
	}
}

// maxBinary is the largest that the stripped binary may be: 30 MB.
const maxBinary = 30_000_000

func TestBinaryIsSmallAndStatic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flowcert")
	goRun(t, "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/flowcert")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxBinary {
		t.Errorf("the stripped binary has %d bytes, more than %d", info.Size(), maxBinary)
	}
	t.Logf("%d bytes", info.Size())
	if runtime.GOOS != "linux" {
		return // other systems have no static programs
	}
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary is not static: it asks for a dynamic linker")
		}
	}
}

// executors are the functions of text/template that run a template: where they
// are linked in, every exported method of every type is kept (20 MB with the
// libraries that we use).
var executors = regexp.MustCompile(`(text|html)/template\.\(\*(Template\)\.Execute|state\)\.walk)`)

func TestNoTemplateExecutor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flowcert")
	goRun(t, "build", "-o", path, "./cmd/flowcert")
	symbols := goRun(t, "tool", "nm", path)
	if !bytes.Contains(symbols, []byte("main.run")) {
		t.Fatal("the binary's symbols cannot be read")
	}
	if found := executors.Find(symbols); found != nil {
		t.Errorf("%s is linked in", found)
	}
}

func TestTemplateExecutorIsRecognised(t *testing.T) {
	for _, symbol := range []string{"text/template.(*Template).Execute", "text/template.(*state).walk", "html/template.(*Template).ExecuteTemplate"} {
		if !executors.MatchString("  4f2a40 T " + symbol + "\n") {
			t.Errorf("%s is not recognised", symbol)
		}
	}
}

func TestLicence(t *testing.T) {
	text, err := os.ReadFile("LICENSE")
	if err != nil || !bytes.Contains(text, []byte("Apache License")) || !bytes.Contains(text, []byte("Version 2.0, January 2004")) {
		t.Errorf("LICENSE: %v", err)
	}
}

// privateKey is a private key in PEM. Tests make theirs, so that none is ever
// found in the repository, by a scanner or by somebody who then uses it.
var privateKey = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{20}`)

// withKeys are files that may hold a key, made for tests only.
var withKeys = map[string]bool{
	"pki/fuzz_test.go": true, // an encrypted key, as a seed
}

func TestNoPrivateKeys(t *testing.T) {
	eachFile(t, func(path string, data []byte) {
		if holdsKey(data) && !withKeys[filepath.ToSlash(path)] {
			t.Errorf("%s holds a private key", path)
		}
	})
}

// maxFile bounds what belongs into the repository.
const maxFile = 1 << 20

// TestNoPrograms keeps what go build leaves behind out of a commit.
func TestNoPrograms(t *testing.T) {
	eachFile(t, func(path string, data []byte) {
		if len(data) > maxFile || bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
			t.Errorf("%s is a program, or has more than %d bytes: remove it", path, maxFile)
		}
	})
}

// eachFile reads every file of the checkout but those of git, of make, and
// of somebody who tried the examples out here: git ignores them.
func eachFile(t *testing.T, check func(path string, data []byte)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".git" || path == "bin" || path == "dist"), d.IsDir() && made(filepath.ToSlash(path)):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		check(path, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// made reports whether flowcert made the folder in an example.
func made(path string) bool {
	ok, err := pathpkg.Match("examples/*/*", path)
	name := pathpkg.Base(path)
	return err == nil && ok && (name == "secrets" || name == "authority")
}

// holdsKey finds keys in PEM, and in PEM in base64, as in a Secret.
func holdsKey(data []byte) bool {
	if privateKey.Match(data) {
		return true
	}
	for shift := range 3 {
		// What stands around it decides the first and the last digits.
		encoded := base64.RawStdEncoding.EncodeToString([]byte("   "[:shift] + "PRIVATE KEY-----"))
		if bytes.Contains(data, []byte(encoded[(shift*8+5)/6:len(encoded)-2])) {
			return true
		}
	}
	return false
}

func TestHoldsKey(t *testing.T) {
	const body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"
	begin, end := "-----BEGIN ", "-----END PRIVATE KEY-----\n"
	for _, kind := range []string{"PRIVATE KEY-----\n", "RSA PRIVATE KEY-----\n", "EC PRIVATE KEY-----\r\n", "ENCRYPTED PRIVATE KEY-----\n"} {
		if !holdsKey([]byte("x\n" + begin + kind + body + "\n" + end)) {
			t.Errorf("%q is not recognised", kind)
		}
	}
	for _, front := range []string{"", "a", "ab"} {
		if !holdsKey([]byte("tls.key: " + base64.StdEncoding.EncodeToString([]byte(front+begin+"PRIVATE KEY-----\n"+body)))) {
			t.Errorf("base64 behind %q is not recognised", front)
		}
	}
	if holdsKey([]byte(begin + "PRIVATE KEY-----\nAAAA\n" + end)) {
		t.Error("a stand-in counts as a key")
	}
}
