package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// A site is a directory as a user has it: flowcert.yaml, resources, the database's CA.
type site struct{ dir string }

// newSite copies a folder of manifests, puts a flowcert.yaml and an orders-ca.pem beside them, and
// replaces words in the manifests, old and new in turn.
func newSite(t testing.TB, from, config string, ca []byte, words ...string) site {
	t.Helper()
	s := site{dir: t.TempDir()}
	replace := strings.NewReplacer(words...)
	manifests, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no manifests in %s: %v", from, err)
	}
	for _, path := range manifests {
		s.write(t, filepath.Base(path), []byte(replace.Replace(string(read(t, path)))))
	}
	s.write(t, "flowcert.yaml", []byte("apiVersion: flowcert.io/v1alpha1\nkind: Config\n"+config))
	s.write(t, "orders-ca.pem", ca)
	return s
}

func (s site) write(t testing.TB, name string, content []byte) {
	t.Helper()
	write(t, filepath.Join(s.dir, name), content)
}

// apply runs flowcert apply, which must succeed, and returns its standard output.
func (s site) apply(t testing.TB, args ...string) string {
	t.Helper()
	stdout, stderr, code := flowcert(t, append([]string{"apply", "--dir", s.dir}, args...)...)
	if code != 0 {
		t.Fatalf("flowcert apply: exit %d\n%s%s", code, stdout, stderr)
	}
	return stdout
}

// applyAt applies as if it were another time.
func (s site) applyAt(t testing.TB, at time.Time) {
	t.Helper()
	s.apply(t, "--now", at.UTC().Format(time.RFC3339), "--simulate")
}

// verify runs flowcert verify and compares its exit code; it returns what was printed.
func (s site) verify(t testing.TB, wantCode int) string {
	t.Helper()
	stdout, stderr, code := flowcert(t, "verify", "--dir", s.dir)
	if code != wantCode {
		t.Errorf("flowcert verify: exit %d, want %d\n%s%s", code, wantCode, stdout, stderr)
	}
	return stdout
}

// A state is what the manifests of a directory say, read independently of flowcert's own reader.
type state struct {
	secrets map[string]secret // by namespace/name
	objects map[string]object // by kind/namespace/name
}

type secret map[string][]byte // data by key

type object map[string]any

type manifest struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Data      map[string][]byte `json:"data"`
	Namespace string            `json:"namespace"` // of flowcert.yaml
}

// read reads every manifest. Each file of these sites is one document.
func (s site) read(t testing.TB) state {
	t.Helper()
	got := state{secrets: map[string]secret{}, objects: map[string]object{}}
	var config manifest
	unmarshal(t, filepath.Join(s.dir, "flowcert.yaml"), &config)
	for _, pattern := range []string{"*.yaml", "secrets/*.yaml", "authority/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			var m manifest
			unmarshal(t, path, &m)
			if m.Metadata.Namespace == "" {
				m.Metadata.Namespace = config.Namespace
			}
			name := m.Metadata.Namespace + "/" + m.Metadata.Name
			if m.Kind == "Secret" {
				got.secrets[name] = m.Data
				continue
			}
			var o object
			unmarshal(t, path, &o)
			got.objects[m.Kind+"/"+name] = o
		}
	}
	return got
}

// unmarshal refuses what kubectl would: a key that is there twice.
func unmarshal(t testing.TB, path string, into any) {
	t.Helper()
	data, err := yaml.YAMLToJSONStrict(read(t, path))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// secret returns a Secret, which must be there.
func (s state) secret(t testing.TB, namespace, name string) secret {
	t.Helper()
	found, ok := s.secrets[namespace+"/"+name]
	if !ok {
		t.Fatalf("secret %s/%s is not there", namespace, name)
	}
	return found
}

// withPrefix returns the one Secret whose name starts so.
func (s state) withPrefix(t testing.TB, prefix string) secret {
	t.Helper()
	var found []secret
	for name, data := range s.secrets {
		if strings.HasPrefix(name, prefix) {
			found = append(found, data)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d secrets are called %s…, want one", len(found), prefix)
	}
	return found[0]
}

// file writes one key of the Secret to a file and returns its path.
func (s secret) file(t testing.TB, key string) string {
	t.Helper()
	data, ok := s[key]
	if !ok {
		t.Fatalf("a secret has no key %q", key)
	}
	path := filepath.Join(t.TempDir(), key)
	write(t, path, data)
	return path
}

// object returns a custom resource, which must be there.
func (s state) object(t testing.TB, kind, namespace, name string) object {
	t.Helper()
	found, ok := s.objects[kind+"/"+namespace+"/"+name]
	if !ok {
		t.Fatalf("%s %s/%s is not there", kind, namespace, name)
	}
	return found
}

// at returns what is under the keys; a key may be the name of an entry of a list. Absent is nil.
func (o object) at(keys ...string) any {
	var v any = map[string]any(o)
	for _, key := range keys {
		switch in := v.(type) {
		case map[string]any:
			v = in[key]
		case []any:
			v = nil
			for _, entry := range in {
				if m, ok := entry.(map[string]any); ok && m["name"] == key {
					v = m
				}
			}
		default:
			return nil
		}
	}
	return v
}

// text returns the string under the keys, which must be there.
func (o object) text(t testing.TB, keys ...string) string {
	t.Helper()
	s, ok := o.at(keys...).(string)
	if !ok {
		t.Fatalf("no string at %s", strings.Join(keys, "."))
	}
	return s
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// smallConfig is the short configuration with keys that are made quickly.
const smallConfig = `namespace: event-automation
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session-cluster-prod}]
truststores: [{sources: [{name: orders-db, file: orders-ca.pem}]}]
`
