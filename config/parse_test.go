package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/truststore"
)

const day24 = Duration(24 * time.Hour)

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatalf("Parse: %v\nof\n%s", err, text)
	}
	checkSchemaAccepts(t, text)
	return c
}

// shortConfig is what the short form means: every default.
func shortConfig() *Config {
	ep, flink := Ref{"event-automation", "my-ep"}, Ref{"event-automation", "session-cluster-prod"}
	return &Config{
		Namespace:     "event-automation",
		ClusterDomain: "cluster.local",
		Authority: Authority{
			Name: "event-automation",
			SelfSigned: SelfSigned{
				Subject:         pki.Subject{CommonName: "event-automation CA"},
				Key:             pki.KeySpec{Algorithm: pki.RSA, Size: 4096},
				Validity:        3650 * day24,
				Intermediate:    Intermediate{Validity: 730 * day24},
				NameConstraints: NameConstraints{Mode: ConstraintsAuto},
			},
		},
		Defaults: Defaults{
			Key:         pki.KeySpec{Algorithm: pki.RSA, Size: 3072},
			Validity:    365 * day24,
			RenewBefore: Before{Percent: 33},
		},
		EventProcessing: []EventProcessing{{
			Namespace: "event-automation", Name: "my-ep", Mode: ModeCertificate, Line: 4,
		}},
		FlinkDeployments: []FlinkDeployment{{
			Namespace: "event-automation", Name: "session-cluster-prod",
			TLS: FlinkTLS{Rest: true, Internal: true, Format: truststore.JKS}, Line: 5,
		}},
		Truststores: []Truststore{{
			Namespace: "event-automation",
			Name:      "ssl-truststore",
			Format:    truststore.JKS,
			Naming:    Versioned,
			PublicCAs: PublicCAs{Enabled: true},
			Sources:   []Source{{Name: "orders-db", File: "orders-ca.pem", Line: 6}},
			MountIn:   MountIn{EventProcessing: []Ref{ep}, FlinkDeployments: []Ref{flink}},
			Line:      6,
		}},
		Rotation: Rotation{HardDeadline: Before{Percent: 10}, Soak: day24},
	}
}

func TestShortFormHasEveryDefault(t *testing.T) {
	if diff := cmp.Diff(shortConfig(), mustParse(t, ShortForm), sameAddr); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// The full example of the design, with every field at its default where it has one, says
// the same as the short form, and a little more.
func TestFullExample(t *testing.T) {
	c, err := Load("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := shortConfig()
	want.Dir, want.File = "testdata", "testdata/full.yaml"
	want.ClusterAPI = "apps.clusterapi.com"
	want.EventProcessing[0].ExtraDNSNames = []string{}
	want.EventProcessing[0].UI = &UI{Line: 22}
	want.EventProcessing[0].Line = 19
	want.FlinkDeployments[0].Line = 24
	want.FlinkOperator = &FlinkOperator{Line: 26}
	store := &want.Truststores[0]
	store.Line = 28
	store.Password = &SecretKeyRef{"event-automation", "truststore-password", "password"}
	store.Sources[0].Line = 34
	store.Sources[0].Servers = []Server{{Address: "orders-db.databases.svc:5432", Protocol: PostgreSQL, Line: 36}}
	store.Sources[0].Distrust = []string{}
	want.Certificates = []Certificate{{
		Namespace:   "event-automation",
		SecretName:  "orders-db-server",
		DNSNames:    []string{"orders-db", "orders-db.databases.svc"},
		IPAddresses: []netip.Addr{},
		Usages:      []Usage{UsageServer},
		Stores:      []truststore.Format{},
		Naming:      Fixed,
		Key:         pki.KeySpec{Algorithm: pki.RSA, Size: 3072},
		Validity:    365 * day24,
		Line:        42,
	}}
	want.Edges = []Edge{{
		Client: Target{KindFlinkDeployment, "event-automation", "session-cluster-prod"},
		Server: Target{KindCertificate, "event-automation", "orders-db-server"},
		Line:   48,
	}}
	want.Rotation.Windows = []Window{}
	if diff := cmp.Diff(want, c, sameAddr); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Everything that differs from its default arrives.
func TestOtherValues(t *testing.T) {
	c := mustParse(t, `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
clusterDomain: k8s.internal
clusterAPI: https://console-openshift-console.apps.ocp.Example.com/k8s/cluster/projects
authority:
  name: corp
  selfSigned:
    subject: {organization: "Müller & Söhne", country: DE, emailAddress: pki@example.com}
    key: {algorithm: ECDSA}
    validity: 7300d
    intermediate: none
    nameConstraints: none
defaults: {key: {algorithm: ECDSA, size: 384}, validity: 90d, renewBefore: 30d}
eventProcessing:
- {name: ep, namespace: other, mode: ca, extraDNSNames: ["*.apps.example.com", ep.example.com], ui: {}}
flinkDeployments:
- {name: flink, tls: {rest: true, internal: false, format: pkcs12}}
flinkOperator: {namespace: flink-operator, webhook: true}
truststores:
- name: a
  format: PKCS12
  naming: fixed
  publicCAs: false
  sources:
  - {name: one, secret: {name: s, key: ca.crt, namespace: databases}, servers: [{address: "[2001:db8::1]:443", protocol: tls}]}
  - {name: two, configMap: {name: m, key: ca.crt}, distrust: ["`+strings.Repeat("AB:", 31)+`AB"]}
  - {name: three, authority: true}
  mountIn: {eventProcessing: [other/ep]}
- {name: b, namespace: other, publicCAs: public.pem, sources: [{name: one, file: /etc/ssl/one.pem}], mountIn: {flinkDeployments: [ea/flink]}}
certificates:
- secretName: gateway
  ipAddresses: ["10.1.2.3", "::ffff:10.1.2.4", "2001:db8::1"]
  usages: [server, client]
  stores: [JKS, PKCS12]
  naming: versioned
  key: {algorithm: Ed25519}
  validity: 45d
- {secretName: reader, usages: [client], key: {size: 256}}
edges: [{client: certificate/ea/reader, server: eventProcessing/other/ep}]
rotation:
  windows: [{schedule: "30 1-5/2 * jan,MAR FRI-SUN", duration: 1d12h, timeZone: Europe/London}, {schedule: "0 2 * * *", duration: 90m}]
  hardDeadline: 5d
  soak: 2d
  flink: {allowStateless: true, allowSessionWithoutHA: true, savepointFirst: true}
`)
	ecdsa := pki.KeySpec{Algorithm: pki.ECDSA, Size: 384}
	want := &Config{
		Namespace:     "ea",
		ClusterDomain: "k8s.internal",
		ClusterAPI:    "apps.ocp.example.com",
		Authority: Authority{Name: "corp", SelfSigned: SelfSigned{
			Subject:         pki.Subject{CommonName: "corp CA", Organization: "Müller & Söhne", Country: "DE", EmailAddress: "pki@example.com"},
			Key:             pki.KeySpec{Algorithm: pki.ECDSA, Size: 256},
			Validity:        7300 * day24,
			Intermediate:    Intermediate{None: true},
			NameConstraints: NameConstraints{Mode: ConstraintsNone},
		}},
		Defaults: Defaults{Key: ecdsa, Validity: 90 * day24, RenewBefore: Before{Duration: 30 * day24}},
		EventProcessing: []EventProcessing{{Namespace: "other", Name: "ep", Mode: ModeCA,
			ExtraDNSNames: []string{"*.apps.example.com", "ep.example.com"}, UI: &UI{Line: 16}, Line: 16}},
		FlinkDeployments: []FlinkDeployment{{Namespace: "ea", Name: "flink", TLS: FlinkTLS{Rest: true, Format: truststore.PKCS12}, Line: 18}},
		FlinkOperator:    &FlinkOperator{Namespace: "flink-operator", Webhook: true, Line: 19},
		Truststores: []Truststore{
			{Namespace: "ea", Name: "a", Format: truststore.PKCS12, Naming: Fixed, Sources: []Source{
				{Name: "one", Secret: &SecretKeyRef{"databases", "s", "ca.crt"}, Line: 26,
					Servers: []Server{{Address: "[2001:db8::1]:443", Protocol: TLS, Line: 26}}},
				{Name: "two", ConfigMap: &ConfigMapKeyRef{"ea", "m", "ca.crt"}, Distrust: []string{strings.Repeat("ab", 32)}, Line: 27},
				{Name: "three", Authority: true, Line: 28},
			}, MountIn: MountIn{EventProcessing: []Ref{{"other", "ep"}}}, Line: 21},
			{Namespace: "other", Name: "b", Format: truststore.JKS, Naming: Versioned, PublicCAs: PublicCAs{Enabled: true, File: "public.pem"},
				Sources: []Source{{Name: "one", File: "/etc/ssl/one.pem", Line: 30}},
				MountIn: MountIn{FlinkDeployments: []Ref{{"ea", "flink"}}}, Line: 30},
		},
		Certificates: []Certificate{
			{Namespace: "ea", SecretName: "gateway", Usages: []Usage{UsageServer, UsageClient},
				IPAddresses: []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("10.1.2.4"), netip.MustParseAddr("2001:db8::1")},
				Stores:      []truststore.Format{truststore.JKS, truststore.PKCS12}, Naming: Versioned,
				Key: pki.KeySpec{Algorithm: pki.Ed25519}, Validity: 45 * day24, Line: 32},
			{Namespace: "ea", SecretName: "reader", Usages: []Usage{UsageClient}, Naming: Fixed,
				Key: pki.KeySpec{Algorithm: pki.ECDSA, Size: 256}, Validity: 90 * day24, Line: 39},
		},
		Edges: []Edge{{Target{KindCertificate, "ea", "reader"}, Target{KindEventProcessing, "other", "ep"}, 40}},
		Rotation: Rotation{
			Windows: []Window{
				{Schedule: "30 1-5/2 * jan,MAR FRI-SUN", Duration: day24 * 3 / 2, TimeZone: "Europe/London", Line: 42},
				{Schedule: "0 2 * * *", Duration: Duration(90 * time.Minute), TimeZone: "UTC", Line: 42},
			},
			HardDeadline: Before{Duration: 5 * day24},
			Soak:         2 * day24,
			Flink:        FlinkRotation{true, true, true},
		},
	}
	if diff := cmp.Diff(want, c, sameAddr); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestUserAuthority(t *testing.T) {
	c := mustParse(t, minimal+`
authority: {secret: {name: corp-ca, passphrase: {secret: {name: corp-ca-passphrase, key: passphrase}}}}
`)
	want := Authority{Name: "ea", Secret: &AuthoritySecret{
		Namespace: "ea", Name: "corp-ca", Passphrase: &SecretKeyRef{"ea", "corp-ca-passphrase", "passphrase"},
	}}
	if diff := cmp.Diff(want, c.Authority); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestIntermediateUnderUserAuthority(t *testing.T) {
	for text, want := range map[string]*UserIntermediate{
		"{name: ca}": nil,
		"{name: ca, intermediate: {}}": {
			Key: pki.KeySpec{Algorithm: pki.RSA, Size: 4096}, Validity: 730 * day24, NameConstraints: NameConstraints{Mode: ConstraintsAuto},
		},
		"{name: ca, intermediate: {validity: 1000d, key: {algorithm: ECDSA}, nameConstraints: none}}": {
			Key: pki.KeySpec{Algorithm: pki.ECDSA, Size: 256}, Validity: 1000 * day24, NameConstraints: NameConstraints{Mode: ConstraintsNone},
		},
		"{name: ca, intermediate: {key: {size: 3072}, nameConstraints: {permittedDNS: [example.com]}}}": {
			Key: pki.KeySpec{Algorithm: pki.RSA, Size: 3072}, Validity: 730 * day24,
			NameConstraints: NameConstraints{Mode: ConstraintsList, PermittedDNS: []string{"example.com"}},
		},
	} {
		got := mustParse(t, minimal+"\nauthority: {secret: "+text+"}").Authority.Secret.Intermediate
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", text, diff)
		}
	}
}

func TestPermittedNames(t *testing.T) {
	c := mustParse(t, minimal+"\nauthority: {selfSigned: {nameConstraints: {permittedDNS: [example.com, svc]}}}\n")
	want := NameConstraints{Mode: ConstraintsList, PermittedDNS: []string{"example.com", "svc"}}
	if diff := cmp.Diff(want, c.Authority.SelfSigned.NameConstraints); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// minimal is a whole configuration of five lines, for tests to add to.
const minimal = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
eventProcessing: [{name: ep}]
flinkDeployments: [{name: flink}]`

// What YAML offers besides plain values.
func TestAcceptedYAML(t *testing.T) {
	for name, text := range map[string]string{
		"byte order mark":             "\ufeff" + minimal,
		"CRLF":                        strings.ReplaceAll(minimal, "\n", "\r\n"),
		"document markers":            "---\n" + minimal + "\n...\n",
		"empty documents around":      "# first\n---\n" + minimal + "\n---\n# last\n",
		"JSON":                        `{"apiVersion": "flowcert.io/v1alpha1", "kind": "Config", "namespace": "ea", "eventProcessing": [{"name": "ep"}], "flinkDeployments": [{"name": "flink"}]}`,
		"absent values":               minimal + "\nclusterAPI:\ntruststores:\nclusterDomain: \"\"\nedges: ~",
		"numbers as names":            strings.Replace(minimal, "{name: ep}", "{name: 123}, {name: ep}", 1),
		"anchors":                     minimal + "\ndefaults: {key: &k {algorithm: RSA, size: 4096}}\nauthority: {selfSigned: {key: *k}}",
		"merged fields, own ones win": minimal + "\ncertificates:\n- &c {secretName: a, dnsNames: [a]}\n- {<<: *c, secretName: b}\n- {<<: [*c], secretName: c}",
	} {
		t.Run(name, func(t *testing.T) {
			c := mustParse(t, text)
			if !slices.Contains(c.Targets(), Target{KindEventProcessing, "ea", "ep"}) || !slices.Contains(c.Targets(), Target{KindFlinkDeployment, "ea", "flink"}) {
				t.Errorf("workloads are %v", c.Workloads())
			}
			if c.ClusterDomain != "cluster.local" {
				t.Errorf("cluster domain is %q", c.ClusterDomain)
			}
		})
	}
}

// A key that gives one of its two fields takes the other from the default key, or a size
// that suits its algorithm.
func TestPartialKeys(t *testing.T) {
	const cert = "\ncertificates: [{secretName: s, dnsNames: [s], key: {%s}}]\ndefaults: {key: {%s}}"
	for _, c := range []struct {
		key, byDefault string
		want           pki.KeySpec
	}{
		{"", "", pki.KeySpec{Algorithm: pki.RSA, Size: 3072}},
		{"size: 2048", "", pki.KeySpec{Algorithm: pki.RSA, Size: 2048}},
		{"algorithm: RSA", "size: 4096", pki.KeySpec{Algorithm: pki.RSA, Size: 4096}},
		{"algorithm: RSA", "algorithm: ECDSA", pki.KeySpec{Algorithm: pki.RSA, Size: 3072}},
		{"algorithm: ECDSA", "", pki.KeySpec{Algorithm: pki.ECDSA, Size: 256}},
		{"algorithm: Ed25519", "", pki.KeySpec{Algorithm: pki.Ed25519}},
		{"size: 384", "algorithm: ECDSA", pki.KeySpec{Algorithm: pki.ECDSA, Size: 384}},
	} {
		got := mustParse(t, minimal+fmt.Sprintf(cert, c.key, c.byDefault)).Certificates[0].Key
		if got != c.want {
			t.Errorf("{%s} with {%s} by default is %v, want %v", c.key, c.byDefault, got, c.want)
		}
	}
}

func TestMergedFields(t *testing.T) {
	c := mustParse(t, minimal+"\ncertificates:\n- &c {secretName: a, dnsNames: [x]}\n- {<<: *c, secretName: b}\n")
	if got := c.Certificates[1]; got.SecretName != "b" || !cmp.Equal(got.DNSNames, []string{"x"}) {
		t.Errorf("got %+v", got)
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flowcert.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(minimal + "\nclusterAPi: x\nrotation: {soak: 0s}\n")
	_, err := Load(path)
	want := path + ":6: clusterAPi: unknown field; did you mean clusterAPI?\n" +
		path + `:7: rotation.soak: "0s" is not longer than zero`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var faults Errors
	if !errors.As(err, &faults) || len(faults) != 2 || faults[1].Line != 7 || faults[1].Field != "rotation.soak" {
		t.Errorf("as Errors: %+v", faults)
	}
	var first *Error
	if !errors.As(err, &first) || first.Line != 6 {
		t.Errorf("as Error: %+v", first)
	}

	write(strings.Repeat("#", maxSize+1))
	if _, err := Load(path); err == nil || err.Error() != path+": larger than 1 MiB; this is no configuration of flowcert" {
		t.Errorf("too large: %v", err)
	}
	if _, err := Load(path + ".not"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Load(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), filepath.Dir(path)) {
		t.Errorf("a folder: %v", err)
	}
}

func TestLoadResolvesFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "flowcert.yaml"), []byte(ShortForm), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(filepath.Join(dir, "flowcert.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		c.Truststores[0].Sources[0].File: filepath.Join(dir, "orders-ca.pem"),
		"../x.pem":                       filepath.Join(filepath.Dir(dir), "x.pem"),
		"/etc/x.pem":                     "/etc/x.pem",
	} {
		if got := c.Path(file); got != want {
			t.Errorf("Path(%q) = %q, want %q", file, got, want)
		}
	}
}

// A reader that fails is not taken for a short file.
func TestParseReadError(t *testing.T) {
	broken := errors.New("broken")
	_, err := Parse(failingReader{broken})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failingReader struct{ err error }

func (r failingReader) Read(p []byte) (int, error) { return copy(p, "namespace: a\n"), r.err }
