//go:build e2e

package flink

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowcert/flowcert/test/flink"
	"github.com/flowcert/flowcert/test/tools"
)

const processing = `authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
truststores: [{sources: [{name: orders-db, file: orders-ca.pem}]}]
eventProcessing: [{name: my-ep, ui: {}}]
flinkDeployments: [{name: NAME}]
`

const eventProcessing = `apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata:
  name: my-ep
spec:
  license: {accept: true, use: EventAutomationProduction}
  flink:
    endpoint: NAME-rest:8081
  authoring:
    endpoints:
    - name: ui
      host: ep.apps.example.com
`

const databaseHost = "orders-db.example.com"

// TestEventProcessing is a user's browser at the UI of Event Processing, which has no public image: a stand-in
// (testdata/Backend.java) is started as the backend's container is documented to be. What it calls and what calls it
// is real: Flink, PostgreSQL, nginx as an ingress that re-encrypts at its default depth, Chromium.
func TestEventProcessing(t *testing.T) {
	t.Parallel()
	database := newAuthority(t, "orders database CA")
	cert, key := database.issue(t, databaseHost)
	postgres := tools.StartPostgreSQL(t, cert, key)
	s := newSite(t, processing, map[string][]byte{"orders-ca.pem": database.pem(), "ep.yaml": []byte(eventProcessing)})
	cluster := flink.Start(t, flink.Find(t, "1.20"), s.name, namespace, s.pod(t, tools.JDKs(t)[0]))
	flink.Await(t, cluster.JobManager, func() string {
		if err := cluster.Client(t, s.roots(t)).Get("/overview", nil); err != nil {
			return err.Error()
		}
		return ""
	})
	ep := s.instance(t, "ep.yaml")
	backend := s.startBackend(t, ep, cluster, postgres)
	ingress := func(trust map[string][]byte) string {
		dir := t.TempDir()
		stage(t, dir, ep.ui)
		stage(t, filepath.Join(dir, "trust"), trust)
		return tools.StartIngress(t, backend.ui, filepath.Join(dir, "trust", "ca.crt"), "my-ep-ibm-eventprocessing-svc."+namespace+".svc",
			filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	}
	at := ingress(ep.ui)

	t.Run("a browser with the CA", func(t *testing.T) {
		page, refusal := newBrowser(t, s.roots(t)).open(t, "https://ep.apps.example.com:"+at)
		for _, want := range []string{`"flink-version":"1.20`, "PostgreSQL", "ssl=t"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page does not say %s (%s): %s", want, refusal, page)
			}
		}
	})
	t.Run("a browser without it", func(t *testing.T) {
		if page, refusal := newBrowser(t).open(t, "https://ep.apps.example.com:"+at); refusal != "ERR_CERT_AUTHORITY_INVALID" {
			t.Errorf("it says %q and shows %q", refusal, page)
		}
	})
	t.Run("a browser at another host", func(t *testing.T) {
		if page, refusal := newBrowser(t, s.roots(t)).open(t, "https://ep.example.com:"+at); refusal != "ERR_CERT_COMMON_NAME_INVALID" {
			t.Errorf("it says %q and shows %q", refusal, page)
		}
	})
	t.Run("an ingress with another CA", func(t *testing.T) {
		other := ingress(map[string][]byte{"ca.crt": database.pem()})
		if page, _ := newBrowser(t, s.roots(t)).open(t, "https://ep.apps.example.com:"+other); !strings.Contains(page, "502 Bad Gateway") {
			t.Errorf("it shows %q", page)
		}
	})
	t.Run("the backend", func(t *testing.T) {
		_, port, err := net.SplitHostPort(backend.server)
		if err != nil {
			t.Fatal(err)
		}
		page, refusal := newBrowser(t, s.roots(t)).open(t, "https://my-ep-ibm-eventprocessing-svc."+namespace+".svc.cluster.local:"+port)
		if !strings.Contains(page, "ssl=t") {
			t.Errorf("it says %q and shows %q", refusal, page)
		}
	})
	t.Run("a backend without the truststore", func(t *testing.T) {
		plain := ep
		plain.options = ""
		without := s.startBackend(t, plain, cluster, postgres)
		_, port, err := net.SplitHostPort(without.server)
		if err != nil {
			t.Fatal(err)
		}
		page, _ := newBrowser(t, s.roots(t)).open(t, "https://my-ep-ibm-eventprocessing-svc."+namespace+".svc:"+port)
		if !strings.Contains(page, "flink-version") || !strings.Contains(page, "PKIX path building failed") {
			t.Errorf("it shows %q", page)
		}
	})
}

// instance is what an EventProcessing gives its pod.
type instance struct {
	server, ui map[string][]byte // the Secrets that it serves
	flinkTrust []byte            // spec.flink.tls
	flinkKey   string            // the password of that
	options    string            // the backend's JAVA_TOOL_OPTIONS
	mounts     map[string]map[string][]byte
	endpoint   string // of Flink
}

// instance reads a manifest independently of flowcert's own reader.
func (s site) instance(t testing.TB, file string) instance {
	t.Helper()
	var ep struct {
		Spec struct {
			Flink struct {
				Endpoint string
				TLS      struct {
					SecretName   string
					SecretKeyRef struct{ Name, Key string }
				}
			}
			Authoring struct {
				TLS struct {
					SecretName          string
					UI                  struct{ SecretName string }
					TrustedCertificates []struct{ SecretName, Certificate string }
				}
				Template struct {
					Pod struct {
						Spec struct {
							Containers []struct {
								Name         string
								Env          []struct{ Name, Value string }
								VolumeMounts []struct{ Name, MountPath string }
							}
							Volumes []struct {
								Name   string
								Secret struct {
									SecretName string
									Items      []struct{ Key, Path string }
								}
							}
						}
					}
				}
			}
		}
	}
	content, err := os.ReadFile(filepath.Join(s.dir, file))
	if err == nil {
		err = yaml.Unmarshal(content, &ep)
	}
	if err != nil {
		t.Fatal(err)
	}
	tls, trust := ep.Spec.Authoring.TLS, ep.Spec.Flink.TLS
	if len(tls.TrustedCertificates) != 1 || tls.TrustedCertificates[0].SecretName != tls.UI.SecretName {
		t.Errorf("trustedCertificates are %v, want the UI's Secret %s", tls.TrustedCertificates, tls.UI.SecretName)
	}
	made := instance{
		server: s.secret(t, tls.SecretName), ui: s.secret(t, tls.UI.SecretName), flinkTrust: s.secret(t, trust.SecretName)["truststore.jks"],
		flinkKey: string(s.secret(t, trust.SecretKeyRef.Name)[trust.SecretKeyRef.Key]), mounts: map[string]map[string][]byte{}, endpoint: ep.Spec.Flink.Endpoint,
	}
	volumes := map[string]map[string][]byte{}
	for _, v := range ep.Spec.Authoring.Template.Pod.Spec.Volumes {
		data := s.secret(t, v.Secret.SecretName)
		volumes[v.Name] = map[string][]byte{}
		for _, item := range v.Secret.Items {
			volumes[v.Name][item.Path] = data[item.Key]
		}
	}
	for _, c := range ep.Spec.Authoring.Template.Pod.Spec.Containers {
		if c.Name != "backend" {
			continue
		}
		for _, e := range c.Env {
			if e.Name == "JAVA_TOOL_OPTIONS" {
				made.options = e.Value
			}
		}
		for _, m := range c.VolumeMounts {
			made.mounts[m.MountPath] = volumes[m.Name]
		}
	}
	return made
}

//go:embed testdata/Backend.java
var backendSource []byte

// backend is a stand-in that runs, and the addresses at which it serves.
type backend struct{ server, ui string }

// inPod runs a command with a folder mounted where the backend's container has it, and another /etc/hosts: its
// arguments are the place, the folder, the file, and the command.
const inPod = `set -eu
mount -t tmpfs pod /opt
mkdir -p "$1"
mount --bind "$2" "$1"
mount --bind "$3" /etc/hosts
shift 3
exec "$@"
`

func (s site) startBackend(t testing.TB, ep instance, cluster *flink.Cluster, postgres *tools.PostgreSQL) backend {
	t.Helper()
	const certs = "/opt/ibm/sp-backend/certs"
	dir := t.TempDir()
	if len(ep.mounts) != 1 || ep.mounts[certs] == nil {
		t.Fatalf("the backend has mounts at %v, want one at %s", ep.mounts, certs)
	}
	stage(t, filepath.Join(dir, "certs"), ep.mounts[certs])
	stage(t, filepath.Join(dir, "server"), ep.server)
	stage(t, filepath.Join(dir, "ui"), ep.ui)
	flinkHost, _, err := net.SplitHostPort(ep.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	stage(t, dir, map[string][]byte{
		"flink.jks": ep.flinkTrust, "Backend.java": backendSource,
		"hosts": fmt.Appendf(nil, "127.0.0.1 localhost %s\n%s %s\n", databaseHost, cluster.Address, flinkHost),
	})
	url := fmt.Sprintf("jdbc:postgresql://%s:%s/postgres?user=postgres&sslmode=verify-full&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory", databaseHost, postgres.Port())
	line := append(flink.Unshare(t), "sh", "-c", inPod, "pod", certs, filepath.Join(dir, "certs"), filepath.Join(dir, "hosts"),
		tools.JDKs(t)[0].Java(), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-classpath", tools.PgJDBC(t), filepath.Join(dir, "Backend.java"),
		filepath.Join(dir, "server"), filepath.Join(dir, "ui"), ep.endpoint, filepath.Join(dir, "flink.jks"), ep.flinkKey, url)
	cmd := exec.CommandContext(context.Background(), line[0], line[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "JAVA_TOOL_OPTIONS=" + ep.options}
	jvm := tools.Start(t, cmd, os.Kill)
	var b backend
	flink.Await(t, jvm, func() string {
		for lines := bufio.NewScanner(strings.NewReader(jvm.Log())); lines.Scan(); {
			switch what, port, _ := strings.Cut(lines.Text(), " "); what {
			case "backend":
				b.server = "127.0.0.1:" + port
			case "ui":
				b.ui = "127.0.0.1:" + port
				return ""
			}
		}
		return "the backend does not serve yet"
	})
	return b
}

// stage writes files into a folder.
func stage(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
