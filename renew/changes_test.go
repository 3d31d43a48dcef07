package renew

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/pki"
)

// The changes of a random walk: what a platform engineer does to flowcert.yaml and
// to the manifests beside it. See changewalk_test.go.

// walkConf is a flowcert.yaml, written as JSON, which YAML contains.
type walkConf struct {
	APIVersion       string         `json:"apiVersion"`
	Kind             string         `json:"kind"`
	Namespace        string         `json:"namespace"`
	ClusterDomain    string         `json:"clusterDomain,omitempty"`
	ClusterAPI       string         `json:"clusterAPI,omitempty"`
	Authority        map[string]any `json:"authority"`
	Defaults         walkDefaults   `json:"defaults"`
	EventProcessing  []walkEP       `json:"eventProcessing"`
	FlinkDeployments []walkFlink    `json:"flinkDeployments"`
	FlinkOperator    *walkOperator  `json:"flinkOperator,omitempty"`
	Truststores      []walkTrust    `json:"truststores"`
	Certificates     []walkCert     `json:"certificates"`
	Rotation         *walkRotation  `json:"rotation,omitempty"`
}

type walkRotation struct {
	Soak string `json:"soak"`
}

type walkKey struct {
	Algorithm string `json:"algorithm"`
	Size      int    `json:"size,omitempty"`
}

type walkDefaults struct {
	Key      walkKey `json:"key"`
	Validity string  `json:"validity"`
}

type walkEP struct {
	Name          string    `json:"name"`
	Namespace     string    `json:"namespace"`
	Mode          string    `json:"mode,omitempty"`
	ExtraDNSNames []string  `json:"extraDNSNames,omitempty"`
	UI            *struct{} `json:"ui,omitempty"`
}

type walkFlink struct {
	Name      string  `json:"name"`
	Namespace string  `json:"namespace"`
	TLS       walkTLS `json:"tls"`
}

type walkTLS struct {
	Rest     bool   `json:"rest"`
	Internal bool   `json:"internal"`
	Format   string `json:"format"`
}

type walkOperator struct {
	Namespace string `json:"namespace"`
	Webhook   bool   `json:"webhook"`
}

type walkTrust struct {
	Name      string       `json:"name"`
	Namespace string       `json:"namespace"`
	Format    string       `json:"format"`
	Naming    string       `json:"naming"`
	PublicCAs any          `json:"publicCAs"`
	Sources   []walkSource `json:"sources"`
}

type walkSource struct {
	Name      string       `json:"name"`
	File      string       `json:"file,omitempty"`
	Authority bool         `json:"authority,omitempty"`
	Distrust  []string     `json:"distrust,omitempty"`
	Servers   []walkServer `json:"servers,omitempty"`
}

type walkServer struct {
	Address string `json:"address"`
}

type walkCert struct {
	Namespace   string   `json:"namespace"`
	SecretName  string   `json:"secretName"`
	DNSNames    []string `json:"dnsNames,omitempty"`
	IPAddresses []string `json:"ipAddresses,omitempty"`
	Usages      []string `json:"usages,omitempty"`
	Stores      []string `json:"stores,omitempty"`
	Naming      string   `json:"naming"`
	Key         *walkKey `json:"key,omitempty"`
	Validity    string   `json:"validity,omitempty"`
}

func newWalkConf() walkConf {
	return walkConf{
		APIVersion: "flowcert.io/v1alpha1", Kind: "Config", Namespace: "ea",
		Authority: map[string]any{"selfSigned": map[string]any{"key": walkKey{"ECDSA", 256}}},
		Defaults:  walkDefaults{Key: walkKey{"RSA", 2048}, Validity: "365d"},
	}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// some is a random part of a list.
func some[T any](r *rand.Rand, of ...T) []T {
	var out []T
	for _, v := range of {
		if r.IntN(2) == 0 {
			out = append(out, v)
		}
	}
	return out
}

const (
	walkingEP = `# an instance
apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata:
  name: %[1]s
  namespace: %[2]s
  annotations: {team: orders}
spec:
  license: {accept: true} # agreed
  flink:
    endpoint: fa-rest.ea:8081
  authoring:
    endpoints:
      - name: ui
        host: %[1]s.apps.example.com
    storage:
      type: persistent-claim
`
	walkingFlink = `# a cluster
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata:
  name: %[1]s
  namespace: %[2]s
spec:
  flinkConfiguration:
    license.accept: 'true'
    env.java.opts.taskmanager: -XX:+UseParallelGC # ours
    taskmanager.numberOfTaskSlots: '2'
  podTemplate:
    spec:
      containers:
        - name: flink-main-container
          volumeMounts:
            - name: flink-volume
              mountPath: /opt/flink/volume
      volumes:
        - name: flink-volume
          persistentVolumeClaim:
            claimName: ibm-flink-pvc
  jobManager:
    replicas: 1
`
)

// change is one thing that somebody does. It returns words for it; empty: there was
// nothing to do it to.
type change struct {
	name string
	do   func(*walker) string
}

var walkChanges = []change{
	{"add EventProcessing", (*walker).addEP},
	{"remove EventProcessing", (*walker).removeEP},
	{"EventProcessing mode", func(w *walker) string {
		return w.withEP(func(e *walkEP) { e.Mode = pick(w.rng, "", "ca", "certificate") })
	}},
	{"EventProcessing ui", func(w *walker) string {
		return w.withEP(func(e *walkEP) {
			if e.UI != nil {
				e.UI = nil
			} else {
				e.UI = &struct{}{}
			}
		})
	}},
	{"EventProcessing extra names", func(w *walker) string {
		return w.withEP(func(e *walkEP) { e.ExtraDNSNames = some(w.rng, "ep.corp.example", "ep", "*.ep.example.net") })
	}},
	{"EventProcessing host", func(w *walker) string {
		return w.editUser("EventProcessing", "host: ", pick(w.rng, "one.apps.example.com", "two.example.org", "three.apps.cluster.test"))
	}},
	{"EventProcessing endpoint", func(w *walker) string {
		return w.editUser("EventProcessing", "endpoint: ", pick(w.rng, "fa-rest.ea:8081", "fb-rest.ea:8081", "fa-rest.eb.svc:8081", "elsewhere:8081"))
	}},
	{"add FlinkDeployment", (*walker).addFlink},
	{"remove FlinkDeployment", (*walker).removeFlink},
	{"Flink tls", func(w *walker) string {
		return w.withFlink(func(f *walkFlink) {
			f.TLS = pick(w.rng, walkTLS{true, true, "JKS"}, walkTLS{true, true, "PKCS12"}, walkTLS{true, false, "JKS"}, walkTLS{false, true, "JKS"}, walkTLS{false, false, "JKS"})
		})
	}},
	{"Flink operator", func(w *walker) string {
		w.conf.FlinkOperator = pick(w.rng, nil, &walkOperator{"flink", false}, &walkOperator{"flink", true}, &walkOperator{"ea", false})
		return fmt.Sprintf("%+v", w.conf.FlinkOperator)
	}},
	{"add certificate", (*walker).addCertificate},
	{"add certificate", (*walker).addCertificate},
	{"remove certificate", func(w *walker) string {
		if len(w.conf.Certificates) == 0 {
			return ""
		}
		i := w.rng.IntN(len(w.conf.Certificates))
		name := w.conf.Certificates[i].SecretName
		w.conf.Certificates = slices.Delete(w.conf.Certificates, i, i+1)
		return name
	}},
	{"change certificate", func(w *walker) string {
		if len(w.conf.Certificates) == 0 {
			return ""
		}
		c := &w.conf.Certificates[w.rng.IntN(len(w.conf.Certificates))]
		next := w.certificate(c.Namespace, c.SecretName)
		switch w.rng.IntN(6) {
		case 0:
			c.DNSNames = next.DNSNames
		case 1:
			c.IPAddresses = next.IPAddresses
		case 2:
			c.Stores = next.Stores
		case 3:
			c.Naming = next.Naming
		case 4:
			c.Key, c.Validity = next.Key, next.Validity
		case 5:
			c.Usages = next.Usages
		}
		return fmt.Sprintf("%+v", *c)
	}},
	{"truststore", (*walker).changeTruststore},
	{"truststore", (*walker).changeTruststore},
	{"source", (*walker).changeSource},
	{"source", (*walker).changeSource},
	{"another CA in a file", func(w *walker) string {
		file := pick(w.rng, "db.pem", "other.pem")
		w.write(file, string(pki.EncodeCertificates(newCA(w.t, "database CA", w.now.AddDate(-1, 0, 0)).root)))
		return file
	}},
	{"default key", func(w *walker) string {
		w.conf.Defaults.Key = pick(w.rng, walkKey{"RSA", 2048}, walkKey{"ECDSA", 256}, walkKey{"ECDSA", 384})
		return fmt.Sprint(w.conf.Defaults.Key)
	}},
	{"default validity", func(w *walker) string {
		w.conf.Defaults.Validity = pick(w.rng, "365d", "90d", "700d", "1000d", "180d")
		return w.conf.Defaults.Validity
	}},
	{"authority", (*walker).changeAuthority},
	{"clusterAPI", func(w *walker) string {
		w.conf.ClusterAPI = pick(w.rng, "", "apps.cluster.test", "https://console-openshift-console.apps.example.com")
		return w.conf.ClusterAPI + " "
	}},
	{"clusterDomain", func(w *walker) string {
		w.conf.ClusterDomain = pick(w.rng, "", "cluster.local", "corp.local", "k8s.example.com")
		return w.conf.ClusterDomain + " "
	}},
	{"renew", (*walker).renewOne},
	{"renew --ca", func(w *walker) string {
		if _, own := w.conf.Authority["secret"]; own || len(w.roots(w.now)) == 0 {
			return ""
		}
		w.wishRoot(w.now, false)
		return "asked for"
	}},
	{"time", func(w *walker) string {
		w.now = w.now.Add(pick(w.rng, time.Hour, 25*time.Hour, 30*24*time.Hour, 60*24*time.Hour))
		return w.now.Format(time.DateOnly)
	}},
	{"time", func(w *walker) string {
		w.now = w.now.Add(pick(w.rng, 40*24*time.Hour, 100*24*time.Hour, 59*24*time.Hour))
		return w.now.Format(time.DateOnly)
	}},
	{"a line of flowcert's taken out", (*walker).takeLineOut},
	{"a Secret deleted", func(w *walker) string { return w.harm(false) }},
	{"a Secret garbled", func(w *walker) string { return w.harm(true) }},
}

func (w *walker) namespace() string { return pick(w.rng, "ea", "ea", "eb") }

func (w *walker) addEP() string {
	e := walkEP{Name: pick(w.rng, "my-ep", "ep-two"), Namespace: w.namespace()}
	if slices.ContainsFunc(w.conf.EventProcessing, func(o walkEP) bool { return o.Name == e.Name && o.Namespace == e.Namespace }) {
		return ""
	}
	w.conf.EventProcessing = append(w.conf.EventProcessing, e)
	w.put("EventProcessing", e.Namespace, e.Name, walkingEP)
	return e.Namespace + "/" + e.Name
}

func (w *walker) addFlink() string {
	f := walkFlink{Name: pick(w.rng, "fa", "fb"), Namespace: w.namespace(), TLS: walkTLS{true, true, "JKS"}}
	if slices.ContainsFunc(w.conf.FlinkDeployments, func(o walkFlink) bool { return o.Name == f.Name && o.Namespace == f.Namespace }) {
		return ""
	}
	w.conf.FlinkDeployments = append(w.conf.FlinkDeployments, f)
	w.put("FlinkDeployment", f.Namespace, f.Name, walkingFlink)
	return f.Namespace + "/" + f.Name
}

func (w *walker) removeEP() string {
	if len(w.conf.EventProcessing) == 0 {
		return ""
	}
	i := w.rng.IntN(len(w.conf.EventProcessing))
	e := w.conf.EventProcessing[i]
	w.conf.EventProcessing = slices.Delete(w.conf.EventProcessing, i, i+1)
	return w.away("EventProcessing", e.Namespace, e.Name)
}

func (w *walker) removeFlink() string {
	if len(w.conf.FlinkDeployments) == 0 {
		return ""
	}
	i := w.rng.IntN(len(w.conf.FlinkDeployments))
	f := w.conf.FlinkDeployments[i]
	w.conf.FlinkDeployments = slices.Delete(w.conf.FlinkDeployments, i, i+1)
	return w.away("FlinkDeployment", f.Namespace, f.Name)
}

func (w *walker) withEP(edit func(*walkEP)) string {
	if len(w.conf.EventProcessing) == 0 {
		return ""
	}
	e := &w.conf.EventProcessing[w.rng.IntN(len(w.conf.EventProcessing))]
	edit(e)
	return fmt.Sprintf("%+v", *e)
}

func (w *walker) withFlink(edit func(*walkFlink)) string {
	if len(w.conf.FlinkDeployments) == 0 {
		return ""
	}
	f := &w.conf.FlinkDeployments[w.rng.IntN(len(w.conf.FlinkDeployments))]
	edit(f)
	return fmt.Sprintf("%+v", *f)
}

func (w *walker) addCertificate() string {
	c := w.certificate(pick(w.rng, "ea", "ea", "eb", "databases", "flink"), pick(w.rng, "orders-db", "gateway", "kafka-client", "reader"))
	if slices.ContainsFunc(w.conf.Certificates, func(o walkCert) bool { return o.SecretName == c.SecretName && o.Namespace == c.Namespace }) {
		return ""
	}
	w.conf.Certificates = append(w.conf.Certificates, c)
	return fmt.Sprintf("%+v", c)
}

func (w *walker) certificate(namespace, name string) walkCert {
	c := walkCert{Namespace: namespace, SecretName: name, Naming: pick(w.rng, "fixed", "fixed", "versioned"), Stores: some(w.rng, "JKS", "PKCS12"), Validity: pick(w.rng, "", "", "200d", "800d")}
	c.Usages = pick(w.rng, nil, []string{"client"}, []string{"server", "client"})
	c.Key = pick(w.rng, nil, &walkKey{"ECDSA", 256}, &walkKey{"RSA", 2048}, &walkKey{Algorithm: "Ed25519"})
	c.DNSNames = some(w.rng, name, name+"."+namespace+".svc", name+".corp.example", "db.example.com", "*.example.org")
	c.IPAddresses = some(w.rng, "10.0.0.1", "2001:db8::7")
	if w.rng.IntN(3) > 0 {
		c.IPAddresses = nil
	}
	if len(c.DNSNames)+len(c.IPAddresses) == 0 {
		c.Usages = []string{"client"}
	}
	return c
}

func (w *walker) changeTruststore() string {
	if len(w.conf.Truststores) == 0 {
		w.conf.Truststores = []walkTrust{{Name: pick(w.rng, "ssl-truststore", "trust-two"), Namespace: w.namespace(), Format: "JKS", Naming: "versioned", PublicCAs: false, Sources: []walkSource{{Name: "db", File: "db.pem"}}}}
		return fmt.Sprintf("%+v", w.conf.Truststores)
	}
	t := &w.conf.Truststores[0]
	switch w.rng.IntN(6) {
	case 0:
		w.conf.Truststores = nil
		return "none"
	case 1:
		t.Format = pick(w.rng, "JKS", "PKCS12")
	case 2:
		t.Naming = pick(w.rng, "fixed", "versioned")
	case 3:
		t.PublicCAs = pick[any](w.rng, true, false, "other.pem")
	case 4:
		t.Name = pick(w.rng, "ssl-truststore", "trust-two")
	case 5:
		t.Namespace = w.namespace()
	}
	return fmt.Sprintf("%+v", *t)
}

func (w *walker) changeSource() string {
	if len(w.conf.Truststores) == 0 {
		return ""
	}
	t := &w.conf.Truststores[0]
	s := walkSource{Name: pick(w.rng, "db", "own", "third")}
	switch w.rng.IntN(3) {
	case 0:
		s.Authority = true
		if len(w.conf.Certificates) > 0 && w.rng.IntN(2) == 0 {
			if names := w.conf.Certificates[0].DNSNames; len(names) > 0 && !slices.Equal(w.conf.Certificates[0].Usages, []string{"client"}) && !strings.HasPrefix(names[0], "*") {
				s.Servers = []walkServer{{names[0] + ":5432"}}
			}
		}
	default:
		s.File = pick(w.rng, "db.pem", "other.pem")
	}
	i := slices.IndexFunc(t.Sources, func(o walkSource) bool { return o.Name == s.Name })
	switch {
	case i < 0:
		t.Sources = append(t.Sources, s)
	case len(t.Sources) > 1 && w.rng.IntN(2) == 0:
		t.Sources = slices.Delete(t.Sources, i, i+1)
	default:
		t.Sources[i] = s
	}
	return fmt.Sprintf("%+v", t.Sources)
}

// walkNames cover every name in these walks.
var walkNames = []string{
	"svc", "local", "com", "org", "net", "test", "example", "ea", "eb", "flink", "fa-rest", "fb-rest", "my-ep-ibm-eventprocessing-svc", "ep-two-ibm-eventprocessing-svc",
	"flink-operator", "flink-operator-webhook-service", "ep", "orders-db", "gateway", "kafka-client", "reader",
}

func (w *walker) changeAuthority() string {
	constraints := pick[any](w.rng, "auto", "auto", "none", map[string]any{"permittedDNS": walkNames})
	key := pick(w.rng, walkKey{"ECDSA", 256}, walkKey{"ECDSA", 384}, walkKey{"RSA", 2048})
	switch w.rng.IntN(8) {
	case 0:
		w.conf.Authority = map[string]any{"secret": map[string]any{"name": "corporate-ca"}}
	case 1:
		w.conf.Authority = map[string]any{"secret": map[string]any{"name": "corporate-ca", "intermediate": map[string]any{"key": key, "nameConstraints": constraints}}}
	case 2:
		w.newUserCA()
		return "another CA of the user's"
	case 3:
		w.conf.Authority = map[string]any{"selfSigned": map[string]any{"key": key, "intermediate": "none"}}
	default:
		w.conf.Authority = map[string]any{"selfSigned": map[string]any{
			"key": key, "validity": pick(w.rng, "3650d", "1500d"), "nameConstraints": constraints, "intermediate": map[string]any{"validity": pick(w.rng, "730d", "400d")},
		}}
	}
	text, _ := json.Marshal(w.conf.Authority)
	return string(text)
}
