package interop

import (
	"net/http"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// TestNginx is an ingress that re-encrypts: nginx verifies Event Processing with ca.crt of its Secret, at
// its default depth of one intermediate, before and after a renewal.
func TestNginx(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"{algorithm: RSA, size: 2048}", "{algorithm: ECDSA, size: 256}"} {
		database, other := newAuthority(t, "database CA"), newAuthority(t, "next database CA")
		old, renewed := rotated(t, "JKS", key, database, other)
		for _, server := range []generation{old, renewed} {
			served := server.certificate(t, namespace, "my-ep")
			upstream := tools.StartTLSServer(t, served["tls.crt"], served["tls.key"])
			for _, client := range []generation{old, renewed} {
				ca := client.certificate(t, namespace, "my-ep").file(t, "ca.crt")
				t.Run(key+"/"+client.label+" nginx, "+server.label+" server", func(t *testing.T) {
					get(t, tools.StartNginx(t, upstream, ca, epName, 0), http.StatusOK)
				})
			}
			if server.label == "new" {
				get(t, tools.StartNginx(t, upstream, database.cert, epName, 0), http.StatusBadGateway)
				get(t, tools.StartNginx(t, upstream, served.file(t, "ca.crt"), "other.example.net", 0), http.StatusBadGateway)
			}
		}
	}
}

// get wants a status of nginx.
func get(t testing.TB, url string, want int) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		t.Errorf("status %d, want %d", response.StatusCode, want)
	}
}
