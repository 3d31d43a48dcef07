package renew

import (
	"strings"
	"testing"
)

func TestIntermediateName(t *testing.T) {
	long := strings.Repeat("x", 63)
	for _, tt := range []struct {
		root, namespace string
		generation      int
		want            string
	}{
		{"ea CA", "ea", 1, "ea CA intermediate ea"},
		{"ea CA", "ea", 2, "ea CA intermediate ea G2"},
		{strings.Repeat("r", 60), "ea", 1, strings.Repeat("r", 48) + " intermediate ea"},
		{"ea CA", long, 3, strings.Repeat("x", 61) + " G3"},
	} {
		got := intermediateName(tt.root, tt.namespace, tt.generation)
		if got != tt.want || len(got) > 64 {
			t.Errorf("%q %q %d: %q (%d), want %q", tt.root, tt.namespace, tt.generation, got, len(got), tt.want)
		}
	}
}
