package interop

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// TestSplitIntermediates has two instances with so many hosts that their names do not fit into the name
// constraints of one intermediate. Clients take what both serve: large, and still one intermediate each.
func TestSplitIntermediates(t *testing.T) {
	t.Parallel()
	hosts := func(instance string) []string {
		var names []string
		for i := range 110 {
			names = append(names, fmt.Sprintf("flows.%s.site-%03d.example.org", instance, i))
		}
		return names
	}
	config := strings.Replace(smallConfig, "[{name: my-ep}]", fmt.Sprintf("[{name: my-ep, extraDNSNames: [%s]}, {name: other-ep, extraDNSNames: [%s]}]",
		strings.Join(hosts("a"), ", "), strings.Join(hosts("b"), ", ")), 1)
	s := newSite(t, "testdata/site", config, newAuthority(t, "database CA").pem(t))
	second := strings.ReplaceAll(string(read(t, "testdata/site/event-processing.yaml")), "my-ep", "other-ep")
	s.write(t, "other.yaml", []byte(second))
	s.apply(t)
	got := s.read(t)
	served := map[string]secret{"a": got.certificate(t, namespace, "my-ep"), "b": got.certificate(t, namespace, "other-ep")}
	first, other := chainOf(t, served["a"]["tls.crt"]), chainOf(t, served["b"]["tls.crt"])
	if string(read(t, first.others)) == string(read(t, other.others)) {
		t.Fatal("both instances have one intermediate: this test needs more hosts")
	}
	var checks []check
	for instance, data := range served {
		names, root := hosts(instance), data.file(t, "ca.crt")
		chainOf(t, data["tls.crt"]).mustVerify(t, root, "sslserver", names)
		address := tools.StartTLSServer(t, data["tls.crt"], data["tls.key"])
		checks = append(checks, works(address+","+names[0], "CN="), works(address+","+names[109], "CN="))
		get(t, tools.StartNginx(t, address, root, names[7], 0), http.StatusOK)
	}
	trust, _ := got.flinkTrust(t, namespace, "my-ep")
	for _, jdk := range tools.JDKs(t) {
		trust.handshakes(t, jdk, "client", checks...)
	}
	lint(t, got.allCertificates(t, got.flink(t, namespace, "session-cluster-prod")))
}
