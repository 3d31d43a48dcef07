package interop

import (
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// TestNameConstraints takes the intermediate's key out of its Secret and signs with it, as a thief would.
func TestNameConstraints(t *testing.T) {
	const outside = "permitted subtree violation"
	for _, test := range []struct {
		name, constraints string // of the configuration
		names             string // in the rogue leaf
		host              string
		openssl, jvm      string // why it is refused; "": it is not
	}{
		{"inside", "auto", "DNS:thief." + namespace + ".svc", "thief." + namespace + ".svc", "", ""},
		{"outside", "auto", "DNS:www.example.org", "www.example.org", outside, "name constraints"},
		{"one name outside", "auto", "DNS:" + epName + ",DNS:www.example.org", epName, outside, "name constraints"},
		{"beside a namespace", "auto", "DNS:x." + namespace + "2.svc", "x." + namespace + "2.svc", outside, "name constraints"},
		{"IP address", "auto", "IP:10.0.0.1", "10.0.0.1", "excluded subtree violation", "name constraints"},
		{"IPv6 address", "auto", "IP:fd00::1", "fd00::1", "excluded subtree violation", "name constraints"},
		{"listed", "{permittedDNS: [svc, local, event-automation, apps.example.com, my-ep-ibm-eventprocessing-svc, session-cluster-prod-rest]}",
			"DNS:www.example.org", "www.example.org", outside, "name constraints"},
		{"without constraints", "none", "DNS:www.example.org", "www.example.org", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := strings.Replace(smallConfig, "key: {algorithm: ECDSA, size: 256}",
				"key: {algorithm: ECDSA, size: 256}, nameConstraints: "+test.constraints, 1)
			s := newSite(t, "testdata/site", config, newAuthority(t, "database CA").pem(t))
			s.apply(t)
			got := s.read(t)
			intermediate := got.withPrefix(t, namespace+"/event-automation-intermediate-")
			thief := authority{cert: intermediate.file(t, "tls.crt"), key: intermediate.file(t, "tls.key")}
			cert, key := thief.issue(t, test.names)
			sent := append(cert, intermediate["tls.crt"]...)

			c, root := chainOf(t, sent), intermediate.file(t, "ca.crt")
			out, err := c.verify(t, root, "-purpose", "sslserver")
			if (err == nil) != (test.openssl == "") || !strings.Contains(out, test.openssl) {
				t.Errorf("openssl verify: %v, want %q:\n%s", err, test.openssl, out)
			}
			target := tools.StartTLSServer(t, sent, key) + "," + test.host
			trust, _ := got.flinkTrust(t, namespace, "my-ep")
			for _, jdk := range tools.JDKs(t) {
				trust.handshakes(t, jdk, "client", check{target, test.jvm == "", test.jvm})
			}
		})
	}
}

// TestIntermediateSignsNoAuthority: with the intermediate's key one gets no CA.
func TestIntermediateSignsNoAuthority(t *testing.T) {
	t.Parallel()
	s := newSite(t, "testdata/site", smallConfig, newAuthority(t, "database CA").pem(t))
	s.apply(t)
	intermediate := s.read(t).withPrefix(t, namespace+"/event-automation-intermediate-")
	thief := authority{cert: intermediate.file(t, "tls.crt"), key: intermediate.file(t, "tls.key")}
	dir := t.TempDir()
	sub := authority{cert: dir + "/ca.crt", key: dir + "/ca.key"}
	request(t, sub, &thief, "/CN=sub", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
	cert, _ := sub.issue(t, "DNS:"+epName)
	c := chainOf(t, append(append(cert, sub.pem(t)...), intermediate["tls.crt"]...))
	c.mustNotVerify(t, intermediate.file(t, "ca.crt"), "path length constraint exceeded")
}
