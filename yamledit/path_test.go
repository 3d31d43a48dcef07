package yamledit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPathString(t *testing.T) {
	tests := []struct {
		path Path
		want string
	}{
		{nil, ""},
		{Path{Key("spec")}, "spec"},
		{Path{Key("spec"), Key("a_b-1")}, "spec.a_b-1"},
		{Path{Key("spec"), Key("containers"), Item("name", "backend"), Key("env"), Item("name", "JAVA_TOOL_OPTIONS"), Key("value")},
			"spec.containers[name=backend].env[name=JAVA_TOOL_OPTIONS].value"},
		{Path{Key("spec"), Key("flinkConfiguration"), Key("security.ssl.rest.enabled")}, `spec.flinkConfiguration["security.ssl.rest.enabled"]`},
		{Path{Key("a.b"), Key("c")}, `["a.b"].c`},
		{Path{Key(""), Key("c")}, `[""].c`},
		{Path{Key("a"), Item("mountPath", "/opt")}, `a[mountPath="/opt"]`},
		{Path{Key("a"), Item("x y", "")}, `a["x y"=""]`},
		{Path{Key("größe \"]\n\xff")}, `["größe \"]\n\xff"]`},
	}
	for _, tt := range tests {
		if got := tt.path.String(); got != tt.want {
			t.Errorf("String() = %s, want %s", got, tt.want)
		}
		got, err := ParsePath(tt.want)
		if err != nil {
			t.Errorf("ParsePath(%s): %v", tt.want, err)
		}
		if diff := cmp.Diff(tt.path, got); diff != "" {
			t.Errorf("ParsePath(%s) (-want +got):\n%s", tt.want, diff)
		}
	}
}

func TestParsePathErrors(t *testing.T) {
	tests := []struct{ in, want string }{
		{".a", `path ".a" at byte 0: want a key`},
		{"a.", `path "a." at byte 1: want a key`},
		{"a..b", `path "a..b" at byte 1: want a key`},
		{"a b", `path "a b" at byte 1: want . or [`},
		{"a[b", `path "a[b" at byte 1: want ["key"] or [field=value]`},
		{"a[b]", `path "a[b]" at byte 1: want ["key"] or [field=value]`},
		{"a[b=c", `path "a[b=c" at byte 1: want ]`},
		{"a[]", `path "a[]" at byte 1: want a name or a quoted string`},
		{`a["b]`, `path "a[\"b]" at byte 1: a quoted string does not end`},
		{`a[""=c]`, `path "a[\"\"=c]" at byte 1: the field is empty`},
		{`["a"]b`, `path "[\"a\"]b" at byte 5: want . or [`},
	}
	for _, tt := range tests {
		if _, err := ParsePath(tt.in); err == nil || err.Error() != tt.want {
			t.Errorf("ParsePath(%q): %v, want %s", tt.in, err, tt.want)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"", "a.b", `a["x.y"][n=v].c`, `["a"].b["f"="v\n"]`, "a[b=c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		again, err := ParsePath(p.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("%q -> %s (-first +again):\n%s", s, p, diff)
		}
	})
}
