package secrets

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestArchive(t *testing.T) {
	first := New(Ref{"ea", "ea-root-g1"}, "authority/ea/ea", RoleRoot, time.Unix(1_800_000_000, 0))
	first.Data = map[string][]byte{TLSKey: []byte("key\n"), "cross-g0.crt": {0, 1, 255}}
	first.Labels["team"] = "orders"
	first.Annotations["note"] = "of two\nlines: --- #"
	second := New(Ref{"ea", "ea-intermediate-0123456789"}, "authority/ea/ea", RoleIntermediate, time.Unix(1_800_000_000, 0))
	second.Type = "kubernetes.io/tls"
	data, err := Archive([]*Secret{first, second})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseArchive(append([]byte("# about it\n"), data...))
	if err != nil {
		t.Fatal(err)
	}
	first.Type = "Opaque"
	if diff := cmp.Diff([]*Secret{first, second}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !got[0].Like(first) || got[0].Like(second) {
		t.Error("Like does not compare what they say")
	}
	first.Data["more"] = nil
	if got[0].Like(first) {
		t.Error("another key of data does not count")
	}
}

func TestParseArchiveRefuses(t *testing.T) {
	const good = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: ea}\n"
	tests := []struct{ text, want string }{
		{"kind: Secret\nmetadata: {name: a, namespace: ea}\n", "is not a Secret"},
		{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ea}\n", "is not a Secret"},
		{good + "---\n" + good, "is there twice"},
		{good + "stringData: {a: b}\n", `field "stringData" does not belong there`},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: ea, uid: x}\n", `field "uid" does not belong there`},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: ea, labels: {a: 1}}\n", "is not a string"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: ea, annotations: []}\n", "annotations is not a map"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n", "empty"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {namespace: ea}\n", "metadata.name is missing"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: ../../a, namespace: ea}\n", "../../a"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: ../ea}\n", "../ea"},
		{good + "data: {a: '***'}\n", "is not base64"},
		{good + "kind: Secret\n", "document at line 1"},
		{good + "---\nwords\n", "document at line 4"},
	}
	for _, tt := range tests {
		if got, err := ParseArchive([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngot %v, %v", tt.text, got, err)
		}
	}
}
