package tools

import (
	"net/http"
	"testing"
)

// TestNginx shows how deep nginx verifies by default, which is what limits an ingress.
func TestNginx(t *testing.T) {
	root, stranger := makeCert(t, "root", nil, ""), makeCert(t, "stranger", nil, "")
	upper := makeCert(t, "upper", &root, "")
	lower := makeCert(t, "lower", &upper, "")
	near, deep := makeCert(t, "near", &upper, "DNS:ep.test"), makeCert(t, "deep", &lower, "DNS:ep.test")
	one := StartTLSServer(t, chain(t, near, upper), read(t, near.key))
	two := StartTLSServer(t, chain(t, deep, lower, upper), read(t, deep.key))
	for _, test := range []struct {
		name, upstream string
		root           pair
		sslName        string
		depth          int
		want           int
	}{
		{"one intermediate", one, root, "ep.test", 0, http.StatusOK},
		{"other root", one, stranger, "ep.test", 0, http.StatusBadGateway},
		{"other name", one, root, "other.test", 0, http.StatusBadGateway},
		{"two intermediates", two, root, "ep.test", 0, http.StatusBadGateway},
		{"two intermediates at depth 2", two, root, "ep.test", 2, http.StatusOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := StartNginx(t, test.upstream, test.root.cert, test.sslName, test.depth)
			response, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != test.want {
				t.Errorf("status %d, want %d", response.StatusCode, test.want)
			}
		})
	}
}
