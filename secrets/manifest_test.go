package secrets

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestEncodeIsWhatKubernetesReads: names of fields as in the API's Secret, data
// in base64, and back again.
func TestEncodeIsWhatKubernetesReads(t *testing.T) {
	s := newSecret("a", RoleTruststore)
	s.Data["bytes"] = []byte{0, 1, 0xff}
	out, err := encode(s)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := yaml.UnmarshalStrict(out, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
		"metadata": map[string]any{
			"name": "a", "namespace": "ns",
			"labels":      map[string]any{"app.kubernetes.io/managed-by": "flowcert"},
			"annotations": map[string]any{"flowcert.io/target": "target", "flowcert.io/role": "truststore", "flowcert.io/created": "2026-01-02T03:04:05Z"},
		},
		"data": map[string]any{"bytes": "AAH/", "password": "cA=="},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	back, err := Parse(out)
	if err != nil || len(back) != 1 {
		t.Fatal(back, err)
	}
	s.Type = "Opaque"
	if diff := cmp.Diff(s, back[0]); diff != "" {
		t.Error(diff)
	}
	if !back[0].Ours() || back[0].Role() != RoleTruststore || back[0].Target() != "target" || !back[0].Created().Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("%+v", back[0])
	}
}

func TestParse(t *testing.T) {
	got, err := Parse([]byte("# nothing\n---\nkind: ConfigMap\n---\n" + `
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: n}
data: {a: "aGVs\nbG8=", b: aGVsbG8=}
stringData: {b: plain}
`))
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if diff := cmp.Diff(map[string][]byte{"a": []byte("hello"), "b": []byte("plain")}, got[0].Data); diff != "" {
		t.Error(diff)
	}
}

func TestVersionName(t *testing.T) {
	a := VersionName("my-ep-cert", "x", "y")
	if a != VersionName("my-ep-cert", "x", "y") || a == VersionName("my-ep-cert", "xy") || a == VersionName("my-ep-cert", "x", "z") {
		t.Error("the name does not follow the content")
	}
	if !strings.HasPrefix(a, "my-ep-cert-") || len(a) != len("my-ep-cert-")+hashLength {
		t.Errorf("%q", a)
	}
	long := VersionName(strings.Repeat("a-very-long-name-", 20), "x")
	if len(long+"-volume") > 63 || strings.Contains(long, "--") {
		t.Errorf("%q is no name for a volume", long)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(secretYAML))
	f.Add([]byte("kind: Secret\nmetadata: {name: a}\ndata: {a: b}\n---\n{}"))
	f.Add([]byte(`{"kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a": 1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := Parse(data)
		if err != nil {
			return
		}
		for _, s := range found {
			if s.Name == "" {
				t.Error("a Secret without a name")
			}
			out, err := encode(s)
			if err != nil {
				t.Fatal(err)
			}
			back, err := Parse(out)
			if err != nil || len(back) != 1 {
				t.Fatalf("%v: %v", s.Ref, err)
			}
			if diff := cmp.Diff(s.Data, back[0].Data); diff != "" {
				t.Error(diff)
			}
		}
	})
}
