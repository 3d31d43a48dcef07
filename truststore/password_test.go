package truststore

import (
	"strings"
	"testing"
)

func TestPassword(t *testing.T) {
	seen := map[string]bool{}
	used := map[rune]bool{}
	for range 500 {
		p, err := Password()
		if err != nil {
			t.Fatal(err)
		}
		if len(p) != 32 || strings.Trim(p, alphabet) != "" || !strings.Contains(letters, p[:1]) {
			t.Fatalf("password %q", p)
		}
		if err := CheckPassword(p); err != nil {
			t.Fatal(err)
		}
		if seen[p] {
			t.Fatal("one password twice")
		}
		seen[p] = true
		for _, r := range p {
			used[r] = true
		}
	}
	if len(used) != len(alphabet) {
		t.Errorf("%d of %d characters in use", len(used), len(alphabet))
	}
}

func TestCheckPassword(t *testing.T) {
	tests := []struct{ password, want string }{
		{"changeit", ""},
		{"sixsix", ""},
		{"a!%+,-./:=@^_Z9", ""},
		{strings.Repeat("a", 128), ""},
		{"", "empty"},
		{"five5", "fewer than 6"},
		{strings.Repeat("a", 129), "more than 128"},
		{"changeit\n", "ends with a line break"},
		{"changeit\r\n", "ends with a line break"},
		{"change\nit", "white space"},
		{"change it", "white space"},
		{"change\tit", "white space"},
		{"change\x00it", "control character"},
		{"change\x7fit", "control character"},
		{`change"it`, "quotation mark"},
		{"change'it", "quotation mark"},
		{"chängeit", "not ASCII"},
		{"change😀it", "not ASCII"},
		{"change\xffit", "not ASCII"},
		{"change$it", "shell"},
		{"change`it", "shell"},
		{"change;it", "shell"},
		{`change\it`, "shell"},
		{"change#it", "shell"},
		{"change{a,b}", "shell"},
		{"change*it", "shell"},
	}
	for _, tt := range tests {
		err := CheckPassword(tt.password)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%q: %v", tt.password, err)
		case tt.want != "" && err == nil:
			t.Errorf("%q is accepted", tt.password)
		case tt.want != "" && !strings.Contains(err.Error(), tt.want):
			t.Errorf("%q: %v, want an error with %q", tt.password, err, tt.want)
		case tt.want != "" && tt.password != "" && strings.Contains(err.Error(), tt.password):
			t.Errorf("%q is in the error", tt.password)
		}
	}
}
