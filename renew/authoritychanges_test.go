package renew

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// The changes of a walk that ends and begins authorities: compromise, another CA,
// adoption, backups, the way back. See authoritywalk_test.go.

var authorityChanges = []change{
	{"add EventProcessing", (*walker).addEP},
	{"remove EventProcessing", (*walker).removeEP},
	{"add FlinkDeployment", (*walker).addFlink},
	{"remove FlinkDeployment", (*walker).removeFlink},
	{"EventProcessing ui", func(w *walker) string {
		return w.withEP(func(e *walkEP) {
			if e.UI = nil; w.rng.IntN(2) == 0 {
				e.UI = &struct{}{}
			}
		})
	}},
	{"EventProcessing mode", func(w *walker) string {
		return w.withEP(func(e *walkEP) { e.Mode = pick(w.rng, "", "", "ca", "certificate") })
	}},
	{"Flink tls", func(w *walker) string {
		return w.withFlink(func(f *walkFlink) {
			f.TLS = pick(w.rng, walkTLS{true, true, "JKS"}, walkTLS{true, true, "PKCS12"}, walkTLS{true, false, "JKS"}, walkTLS{false, false, "JKS"})
		})
	}},
	{"Flink operator", func(w *walker) string {
		w.conf.FlinkOperator = pick(w.rng, nil, &walkOperator{"flink", false}, &walkOperator{"flink", true})
		return fmt.Sprintf("%+v", w.conf.FlinkOperator)
	}},
	{"add certificate", (*walker).addCertificate},
	{"truststore", (*walker).changeTruststore},
	{"source", (*walker).changeSource},
	{"another CA in a file", func(w *walker) string {
		file := pick(w.rng, "db.pem", "other.pem")
		w.write(file, string(pki.EncodeCertificates(newCA(w.t, "database CA", w.now.AddDate(-1, 0, 0)).root)))
		return file
	}},
	{"authority", (*walker).changeAuthority},
	{"authority", (*walker).changeAuthority},
	{"authority", (*walker).changeAuthority},
	{"renew", (*walker).renewOne},
	{"renew --ca", func(w *walker) string { return w.wishAnother(false) }},
	{"renew --ca --compromised", func(w *walker) string { return w.wishAnother(true) }},
	{"renew --ca --compromised", func(w *walker) string { return w.wishAnother(true) }},
	{"the user's CA is compromised", (*walker).loseUsersCA},
	{"the root in a file", (*walker).rootInFile},
	{"distrust", (*walker).distrustOne},
	{"adopt", (*walker).adoptSite},
	{"adopt", (*walker).adoptSite},
	{"adopt", (*walker).adoptSite},
	{"adopt a certificate", (*walker).adoptCertificate},
	{"originals removed", (*walker).removeOriginals},
	{"export", (*walker).export},
	{"import", func(w *walker) string { return w.importBackup(false) }},
	{"authority/ lost, and imported", func(w *walker) string { return w.importBackup(true) }},
	{"an old root's file comes back", (*walker).oldRootBack},
	{"revert", (*walker).revertAll},
	{"a resource's file from git", (*walker).fromGit},
	{"time", func(w *walker) string {
		w.now = w.now.Add(pick(w.rng, hours(1), hours(2), hours(25), hours(30*24), hours(100*24)))
		return w.now.Format("2006-01-02")
	}},
	{"a Secret deleted", func(w *walker) string { return w.harm(false) }},
}

// wishAnother asks for another root.
func (w *walker) wishAnother(compromised bool) string {
	marked, err := WishRoot(w.cfg, w.observe(w.now), compromised)
	if err != nil {
		return ""
	}
	for _, s := range marked {
		if id, err := s.Identity(secrets.DefaultKeys()); compromised && err == nil {
			w.compromised = append(w.compromised, id.Chain[0])
		}
		if err := w.store.UpdateSecret(context.Background(), s); err != nil {
			w.t.Fatal(err)
		}
	}
	return fmt.Sprint(secretNames(marked))
}

// loseUsersCA puts another CA of the user's in the place of one that is compromised,
// as the operator's guide says.
func (w *walker) loseUsersCA() string {
	if _, own := w.conf.Authority["secret"]; !own {
		return ""
	}
	w.userLost = append(w.userLost, w.userCA.cert)
	w.newUserCA()
	w.conf.Rotation = &walkRotation{"1m"}
	return w.userCA.cert.Subject.CommonName
}

// rootInFile feeds a source with flowcert's own root, as people do.
func (w *walker) rootInFile() string {
	roots, err := Roots(w.cfg, w.observe(w.now))
	if err != nil || len(roots) == 0 {
		return ""
	}
	file := pick(w.rng, "db.pem", "other.pem")
	w.write(file, string(pki.EncodeCertificates(roots...)))
	return file
}

// distrustOne gives up a certificate that was taken over.
func (w *walker) distrustOne() string {
	if len(w.conf.Truststores) == 0 {
		return ""
	}
	t := &w.conf.Truststores[0]
	for _, key := range slices.Sorted(maps.Keys(w.keeps)) {
		if !strings.HasSuffix(key, " truststore") || len(t.Sources) == 0 || t.Sources[0].Authority {
			continue
		}
		c := pick(w.rng, w.keeps[key]...)
		if strings.HasPrefix(c.Subject.CommonName, "ea CA") {
			return "" // it may stand in the truststore as the authority's, too
		}
		t.Sources[0].Distrust = append(t.Sources[0].Distrust, pki.Fingerprint(c))
		return c.Subject.CommonName
	}
	return ""
}

// theirs is something that was set up by hand.
type theirs struct {
	w         *walker
	namespace string
	ca        *userCA
	running   running
	trusts    map[string]map[string][]*x509.Certificate // by Secret: who goes by it, and what it trusts
}

func (w *walker) byHand(namespace string) *theirs {
	return &theirs{
		w: w, namespace: namespace, ca: w.manualCA(), trusts: map[string]map[string][]*x509.Certificate{},
		running: nothingRuns(),
	}
}

// secret writes a manifest as kubectl does.
func (s *theirs) secret(name string, data map[string][]byte) {
	text := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\ndata:\n", name, s.namespace)
	for _, k := range slices.Sorted(maps.Keys(data)) {
		text += fmt.Sprintf("  %s: %s\n", k, base64.StdEncoding.EncodeToString(data[k]))
	}
	s.w.write("theirs/"+s.namespace+"."+name+".yaml", text)
}

func (s *theirs) store(format truststore.Format, password string, entries ...truststore.Entry) []byte {
	out, err := truststore.EncodeTrust(format, entries, password)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return out
}

// leaf makes a server's certificate under the CA that nobody has any more.
func (s *theirs) leaf(names ...string) truststore.KeyEntry {
	key, err := pki.GenerateKey(pki.KeySpec{Algorithm: "RSA", Size: 2048})
	if err != nil {
		s.w.t.Fatal(err)
	}
	leaf, err := pki.NewLeaf(pki.Issuer{Certificate: s.ca.cert, Key: s.ca.key}, pki.LeafRequest{
		CommonName: names[0], DNSNames: names, Server: true, Client: true, Key: key, NotBefore: s.w.now.Add(-backdate), NotAfter: s.w.now.AddDate(1, 0, 0),
	})
	if err != nil {
		s.w.t.Fatal(err)
	}
	return truststore.KeyEntry{Alias: "server", Key: key, Chain: []*x509.Certificate{leaf}}
}

func (s *theirs) pem(name string, leaf truststore.KeyEntry) {
	key, err := pki.EncodeKey(leaf.Key)
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.secret(name, map[string][]byte{"ca.crt": pki.EncodeCertificates(s.ca.cert), "tls.crt": pki.EncodeCertificates(leaf.Chain...), "tls.key": key})
}

func (s *theirs) trusted(secret, who string, certs ...*x509.Certificate) {
	if s.trusts[secret] == nil {
		s.trusts[secret] = map[string][]*x509.Certificate{}
	}
	s.trusts[secret][who] = certs
}

const (
	handMadeEP = `# Set up by hand.
apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata:
  name: @NAME@
  namespace: @NS@
spec:
  flink:
    endpoint: @FLINK@-rest.@FLINKNS@:8081
    tls:
      secretName: @NAME@-flink
      secretKeyRef:
        name: @NAME@-flink-password
        key: password
  authoring:
    tls:
      secretName: @NAME@-by-hand   # made with openssl
    endpoints:
      - name: ui
        host: @NAME@.apps.example.com
@TRUST@`
	handMadeEPTrust = `    template:
      pod:
        spec:
          containers:
            - name: backend
              env:
                - name: JAVA_TOOL_OPTIONS
                  value: '-Xmx512m -Djavax.net.ssl.trustStore=/opt/ibm/sp-backend/certs/truststore.@EXT@ -Djavax.net.ssl.trustStorePassword=db-Passw0rd'
              volumeMounts:
                - mountPath: /opt/ibm/sp-backend/certs
                  name: truststore
                  readOnly: true
          volumes:
            - name: truststore
              secret:
                secretName: @STORE@
`
	handMadeFlink = `# Set up by hand.
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata:
  name: @NAME@
  namespace: @NS@
spec:
  flinkConfiguration:
    security.ssl.rest.enabled: 'true'
    security.ssl.internal.enabled: 'true'
    security.ssl.truststore: /opt/flink/tls-cert/truststore.@TLS@
    security.ssl.truststore-password: flink-Passw0rd
    security.ssl.keystore: /opt/flink/tls-cert/keystore.@TLS@
    security.ssl.keystore-password: flink-Passw0rd
    security.ssl.key-password: flink-Passw0rd
    kubernetes.secrets: '@NAME@-tls:/opt/flink/tls-cert'
@TRUST@`
	handMadeFlinkTrust = `    env.java.opts.taskmanager: -XX:+UseParallelGC -Djavax.net.ssl.trustStore=/certs/truststore.@EXT@ -Djavax.net.ssl.trustStorePassword=db-Passw0rd
    env.java.opts.jobmanager: -Djavax.net.ssl.trustStore=/certs/truststore.@EXT@ -Djavax.net.ssl.trustStorePassword=db-Passw0rd
  podTemplate:
    spec:
      containers:
        - name: flink-main-container
          volumeMounts:
            - name: truststore
              mountPath: /certs
              readOnly: true
      volumes:
        - name: truststore
          secret:
            secretName: @STORE@
`
)

// adoptSite takes over workloads that somebody set up by hand.
func (w *walker) adoptSite() string {
	s := w.byHand(w.namespace())
	ep, flink := pick(w.rng, "my-ep", "ep-two"), pick(w.rng, "fa", "fb")
	withEP, withFlink := w.rng.IntN(4) > 0, w.rng.IntN(4) > 0
	if _, there := w.user[w.file("EventProcessing", s.namespace, ep)]; there {
		withEP = false
	}
	if _, there := w.user[w.file("FlinkDeployment", s.namespace, flink)]; there {
		withFlink = false
	}
	if !withEP && !withFlink {
		return ""
	}
	format := pick(w.rng, truststore.JKS, truststore.PKCS12)
	store := ""
	if len(w.conf.Truststores) > 0 {
		format = truststore.Format(w.conf.Truststores[0].Format)
	} else if w.rng.IntN(2) == 0 {
		w.conf.Truststores = []walkTrust{{Name: "ssl-truststore", Namespace: "ea", Format: string(format), Naming: pick(w.rng, "fixed", "versioned"), PublicCAs: pick[any](w.rng, true, false), Sources: []walkSource{{Name: "db", File: "db.pem"}}}}
	}
	if len(w.conf.Truststores) > 0 && w.rng.IntN(4) > 0 {
		store = s.truststore(format, pick(w.rng, "ssl-truststore", "their-trust"))
	}
	if withFlink {
		s.addFlink(flink, store, format, pick(w.rng, truststore.JKS, truststore.JKS, truststore.PKCS12))
	}
	if withEP {
		s.addEP(ep, flink, store, format)
	}
	w.taking = s
	return fmt.Sprintf("%s: EventProcessing %s %v, FlinkDeployment %s %v, truststore %q %s", s.namespace, ep, withEP, flink, withFlink, store, format)
}

// truststore writes one with certificates that nobody remembers; empty if its name
// is taken.
func (s *theirs) truststore(format truststore.Format, name string) string {
	w := s.w
	if w.observe(w.now).Secrets[secrets.Ref{Namespace: s.namespace, Name: name}] != nil {
		return ""
	}
	db, err := pki.ParseCertificates([]byte(w.files()["db.pem"]))
	if err != nil {
		w.t.Fatal(err)
	}
	all := append(db[:1:1], newCA(w.t, "remembered by nobody", w.now.AddDate(-1, 0, 0)).root)
	if len(w.compromised) > 0 && w.rng.IntN(2) == 0 {
		all = append(all, pick(w.rng, w.compromised...))
	}
	if roots, err := Roots(w.cfg, w.observe(w.now)); err == nil && len(roots) > 0 && w.rng.IntN(3) == 0 {
		all = appendNew(all, roots[:1])
	}
	var entries []truststore.Entry
	for i, c := range all {
		entries = append(entries, truststore.Entry{Alias: pick(w.rng, "legacy ca", "flowcert", "db", "own", "kafka [prod]") + fmt.Sprintf(" %d", i), Certificate: c})
	}
	s.secret(name, map[string][]byte{secrets.TrustFile(format): s.store(format, "db-Passw0rd", entries...)})
	s.trusts[name] = map[string][]*x509.Certificate{"": all}
	return name
}

func (s *theirs) fill(text, trust, name, flink, store string, format, tls truststore.Format) string {
	if store == "" {
		trust = ""
	}
	return strings.NewReplacer("@NAME@", name, "@NS@", s.namespace, "@FLINK@", flink, "@FLINKNS@", s.namespace, "@STORE@", store, "@EXT@", format.Extension(), "@TLS@", tls.Extension()).Replace(strings.Replace(text, "@TRUST@", trust, 1))
}

func (s *theirs) place(kind, name, text string) {
	file := s.w.file(kind, s.namespace, name)
	s.w.user[file] = text
	s.w.write(file, text)
}

func (s *theirs) addFlink(name, store string, format, tls truststore.Format) {
	w := s.w
	leaf := s.leaf(name+"-rest", name+"-rest."+s.namespace, name+"-rest."+s.namespace+".svc", name+"-rest."+s.namespace+".svc.cluster.local")
	keys, err := truststore.EncodeKey(tls, leaf, "flink-Passw0rd")
	if err != nil {
		w.t.Fatal(err)
	}
	trust := truststore.Entry{Alias: "ca", Certificate: s.ca.cert}
	s.secret(name+"-tls", map[string][]byte{secrets.KeyStoreFile(tls): keys, secrets.TrustFile(tls): s.store(tls, "flink-Passw0rd", trust)})
	s.place("FlinkDeployment", name, s.fill(handMadeFlink, handMadeFlinkTrust, name, "", store, format, tls))
	w.conf.FlinkDeployments = append(w.conf.FlinkDeployments, walkFlink{Name: name, Namespace: s.namespace, TLS: walkTLS{true, true, string(tls)}})
	target := deploy.Target(deploy.FlinkDeploymentKind, s.namespace, name)
	s.running.leaves[target] = leaf.Chain
	s.running.trust[target+" → "+target] = []*x509.Certificate{s.ca.cert}
	s.trusted(name+"-tls", target+" tls", s.ca.cert)
	s.trusted(store, target+" truststore", s.trusts[store][""]...)
}

func (s *theirs) addEP(name, flink, store string, format truststore.Format) {
	w := s.w
	service := name + "-ibm-eventprocessing-svc"
	s.pem(name+"-by-hand", s.leaf(service, service+"."+s.namespace, service+"."+s.namespace+".svc", service+"."+s.namespace+".svc.cluster.local", name+".apps.example.com"))
	s.secret(name+"-flink", map[string][]byte{"truststore.jks": s.store(truststore.JKS, "ep-Passw0rd", truststore.Entry{Alias: "ca", Certificate: s.ca.cert})})
	s.secret(name+"-flink-password", map[string][]byte{"password": []byte("ep-Passw0rd")})
	s.place("EventProcessing", name, s.fill(handMadeEP, handMadeEPTrust, name, flink, store, format, format))
	w.conf.EventProcessing = append(w.conf.EventProcessing, walkEP{Name: name, Namespace: s.namespace})
	target := deploy.Target(deploy.EventProcessingKind, s.namespace, name)
	called := deploy.Target(deploy.FlinkDeploymentKind, s.namespace, flink)
	if s.running.leaves[called] != nil {
		s.running.trust[target+" → "+called] = []*x509.Certificate{s.ca.cert}
	}
	s.trusted(name+"-flink", target+" flink-trust", s.ca.cert)
	s.trusted(store, target+" truststore", s.trusts[store][""]...)
}

// adoptCertificate takes over a database's certificate.
func (w *walker) adoptCertificate() string {
	c := w.certificate(pick(w.rng, "ea", "eb", "databases"), pick(w.rng, "orders-db", "gateway"))
	c.Naming, c.Usages = "fixed", nil
	return w.adoptThe(c)
}

func (w *walker) adoptThe(c walkCert) string {
	if len(c.DNSNames) == 0 || w.observe(w.now).Secrets[secrets.Ref{Namespace: c.Namespace, Name: c.SecretName}] != nil ||
		slices.ContainsFunc(w.conf.Certificates, func(o walkCert) bool { return o.SecretName == c.SecretName && o.Namespace == c.Namespace }) {
		return ""
	}
	s := w.byHand(c.Namespace)
	leaf := s.leaf(c.DNSNames...)
	s.pem(c.SecretName, leaf)
	s.running.leaves["certificate/"+c.Namespace+"/"+c.SecretName] = leaf.Chain
	w.conf.Certificates = append(w.conf.Certificates, c)
	w.taking = s
	return fmt.Sprintf("%+v", c)
}

// manualCA is the CA of what was set up by hand: now and then that of a CA which
// flowcert signs with too.
func (w *walker) manualCA() *userCA {
	if w.manual == nil || w.rng.IntN(3) == 0 {
		w.manual = makeCA(w.t, w.userTemplate(), generate(w.t), nil)
	}
	if _, own := w.conf.Authority["secret"]; own && w.rng.IntN(3) == 0 {
		return w.userCA
	}
	return w.manual
}

// removeOriginals removes by hand what a note says may be removed.
func (w *walker) removeOriginals() string {
	var gone []string
	state := w.observe(w.now)
	for _, n := range w.plan(w.now).Notices {
		for ref, s := range state.Secrets {
			if strings.HasPrefix(n, ref.String()+" may be removed by hand") {
				if err := os.Remove(s.File); err != nil {
					w.t.Fatal(err)
				}
				gone = append(gone, ref.String())
			}
		}
	}
	slices.Sort(gone)
	return strings.Join(gone, ", ")
}

func (w *walker) export() string {
	saved, err := Backup(w.cfg, w.observe(w.now))
	if err != nil {
		return ""
	}
	w.backups = append(w.backups, saved)
	return secretNames(saved)
}

// importBackup brings a backup back; lost says that authority/ went before.
func (w *walker) importBackup(lost bool) string {
	if len(w.backups) == 0 {
		return ""
	}
	saved := pick(w.rng, w.backups...)
	if lost {
		if err := os.RemoveAll(filepath.Join(w.dir, "authority")); err != nil {
			w.t.Fatal(err)
		}
		w.reload()
	}
	r, err := PlanRestore(w.cfg, w.observe(w.now), saved)
	if err == nil {
		err = Restore(context.Background(), w.store, r)
	}
	if err != nil {
		w.note("import: %v", err)
		return ""
	}
	return secretNames(r.Missing) + " " // nothing, too, is something
}

// oldRootBack copies a root's file back that was compromised and is gone.
func (w *walker) oldRootBack() string {
	there := w.observe(w.now).Secrets
	for _, saved := range w.backups {
		for _, s := range saved {
			if s.Role() != secrets.RoleRoot || there[s.Ref] != nil {
				continue
			}
			id, err := s.Identity(secrets.DefaultKeys())
			if err != nil || !slices.ContainsFunc(w.compromised, id.Chain[0].Equal) {
				continue
			}
			if err := w.store.CreateSecret(context.Background(), s); err != nil {
				w.t.Fatal(err)
			}
			return s.Ref.String()
		}
	}
	return ""
}

// revertAll takes flowcert out, and begins again under another authority. The
// clients change all at once.
func (w *walker) revertAll() string {
	if w.rng.IntN(3) > 0 {
		return ""
	}
	state := w.observe(w.now)
	reverts, err := Reverts(state)
	var back []PutBack
	if err == nil {
		back, err = PutBacks(state)
	}
	if err == nil {
		err = Restorable(w.cfg, state, reverts, back)
	}
	if err == nil {
		var referred string
		if referred, err = StillReferred(state, reverts, back...); referred != "" {
			w.t.Errorf("revert: %s", referred)
		}
	}
	if err != nil {
		w.note("revert: %v (hint: %s)", err, hintOf(err))
		if hintOf(err) == "" {
			w.t.Errorf("revert: no remedy: %v", err)
		}
		return ""
	}
	for _, r := range reverts {
		if err := w.store.WriteResource(context.Background(), r.Resource, r.Source); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, b := range back {
		if err := w.store.PutBack(context.Background(), b.Record, b.Ref); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, s := range Removable(state) {
		if slices.ContainsFunc(back, func(b PutBack) bool { return b.Ref == s.Ref }) {
			continue
		}
		if err := w.store.DeleteSecret(context.Background(), s); err != nil {
			w.t.Fatal(err)
		}
	}
	for file, text := range w.user {
		if got := w.files()[file]; got != text {
			w.t.Errorf("reverted, %s is not as its author wrote it:\n%s\nwant\n%s", file, got, text)
		}
	}
	w.ran, w.adopt, w.history = nil, true, map[string][][2]string{}
	w.changeAuthority()
	w.keeps = map[string][]*x509.Certificate{} // what is adopted now is counted anew
	return fmt.Sprint(w.conf.Authority)
}

// fromGit brings an earlier text of a resource back.
func (w *walker) fromGit() string {
	var files []string
	for _, f := range slices.Sorted(maps.Keys(w.history)) {
		if _, there := w.user[f]; there {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return ""
	}
	file := pick(w.rng, files...)
	text := pick(w.rng, w.history[file]...)
	if text[0] != w.user[file] || text[1] == w.files()[file] {
		return ""
	}
	w.write(file, text[1])
	w.ran = []running{w.rolledOut(w.now)} // what that breaks, it breaks
	return file
}
