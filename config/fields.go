package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/truststore"
)

// The fields of each mapping in the file, in the order of its reference.

func (d *decoder) config(c *Config) reader {
	var apiVersion, kind string
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"apiVersion", parsed(d, &apiVersion, checkAPIVersion)},
			field{"kind", parsed(d, &kind, checkKind)},
			field{"namespace", d.text(&c.Namespace)},
			field{"clusterDomain", d.text(&c.ClusterDomain)},
			field{"clusterAPI", parsed(d, &c.ClusterAPI, parseClusterAPI)},
			field{"authority", d.authority(&c.Authority)},
			field{"defaults", d.defaults(&c.Defaults)},
			field{"eventProcessing", list(d, &c.EventProcessing, newEventProcessing, d.eventProcessing)},
			field{"flinkDeployments", list(d, &c.FlinkDeployments, newFlinkDeployment, d.flinkDeployment)},
			field{"flinkOperator", present(&c.FlinkOperator, zero, d.flinkOperator)},
			field{"truststores", list(d, &c.Truststores, newTruststore, d.truststore)},
			field{"certificates", list(d, &c.Certificates, newCertificate, d.certificate)},
			field{"edges", list(d, &c.Edges, zero, d.edge)},
			field{"rotation", d.rotation(&c.Rotation)},
		)
		if apiVersion == "" {
			d.fail("apiVersion", "is missing; write apiVersion: %s", APIVersion)
		}
		if kind == "" {
			d.fail("kind", "is missing; write kind: %s", Kind)
		}
	}
}

func checkAPIVersion(s string) (string, error) {
	if s != APIVersion {
		return "", fmt.Errorf("%s is not known; this flowcert reads %s", quote(s), APIVersion)
	}
	return s, nil
}

func checkKind(s string) (string, error) {
	switch s {
	case Kind:
		return s, nil
	case "EventProcessing", "FlinkDeployment", "FlinkSessionJob", "Secret", "ConfigMap":
		return "", fmt.Errorf("%s is a resource of the cluster, not flowcert's configuration; write kind: %s", s, Kind)
	}
	return "", fmt.Errorf("%s is not known; write kind: %s", quote(s), Kind)
}

// present makes the value of a section whose presence counts. It starts out as fresh makes it.
func present[T any](to **T, fresh func() T, read func(*T) reader) reader {
	return func(n *yaml.Node, path string) {
		value := fresh()
		*to = &value
		read(*to)(n, path)
	}
}

func (d *decoder) authority(a *Authority) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"name", d.text(&a.Name)},
			field{"selfSigned", d.selfSigned(&a.SelfSigned)},
			field{"secret", present(&a.Secret, zero, d.authoritySecret)},
		)
	}
}

func (d *decoder) selfSigned(s *SelfSigned) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"subject", d.subject(&s.Subject)},
			field{"key", d.key(&s.Key)},
			field{"validity", parsed(d, &s.Validity, ParseDuration)},
			field{"intermediate", d.intermediate(&s.Intermediate)},
			field{"nameConstraints", d.nameConstraints(&s.NameConstraints)},
		)
	}
}

func (d *decoder) subject(s *pki.Subject) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"commonName", d.text(&s.CommonName)},
			field{"organization", d.text(&s.Organization)},
			field{"organizationalUnit", d.text(&s.OrganizationalUnit)},
			field{"country", d.text(&s.Country)},
			field{"province", d.text(&s.Province)},
			field{"locality", d.text(&s.Locality)},
			field{"emailAddress", d.text(&s.EmailAddress)},
		)
	}
}

func (d *decoder) key(k *pki.KeySpec) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"algorithm", oneOf(d, &k.Algorithm, pki.RSA, pki.ECDSA, pki.Ed25519)},
			field{"size", d.integer(&k.Size)},
		)
	}
}

// intermediate reads the word none, or the fields.
func (d *decoder) intermediate(i *Intermediate) reader {
	return func(n *yaml.Node, path string) {
		if isText(d.resolve(n)) {
			var word string
			oneOf(d, &word, "none")(n, path)
			if word == "none" {
				*i = Intermediate{None: true}
			}
			return
		}
		d.object(n, path, field{"validity", parsed(d, &i.Validity, ParseDuration)})
	}
}

// nameConstraints reads the words auto and none, or a list.
func (d *decoder) nameConstraints(c *NameConstraints) reader {
	return func(n *yaml.Node, path string) {
		if isText(d.resolve(n)) {
			oneOf(d, &c.Mode, ConstraintsAuto, ConstraintsNone)(n, path)
			return
		}
		c.Mode = ConstraintsList
		d.object(n, path, field{"permittedDNS", texts(d, &c.PermittedDNS, asIs)})
	}
}

// isText tells a word from fields or nothing.
func isText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && !isEmpty(n)
}

func (d *decoder) authoritySecret(s *AuthoritySecret) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"namespace", d.text(&s.Namespace)},
			field{"name", d.text(&s.Name)},
			field{"passphrase", d.hidden(&s.Passphrase)},
			field{"intermediate", present(&s.Intermediate, newUserIntermediate, d.userIntermediate)},
		)
	}
}

func (d *decoder) userIntermediate(i *UserIntermediate) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"key", d.key(&i.Key)},
			field{"validity", parsed(d, &i.Validity, ParseDuration)},
			field{"nameConstraints", d.nameConstraints(&i.NameConstraints)},
		)
	}
}

// hidden reads {secret: {name, key}}: where a password is, never the password.
func (d *decoder) hidden(to **SecretKeyRef) reader {
	return func(n *yaml.Node, path string) {
		if isText(d.resolve(n)) {
			d.fail(path, "is a single value; put it into a Secret and write {secret: {name: …, key: …}}")
			return
		}
		d.object(n, path, field{"secret", present(to, zero, d.secretKeyRef)})
		if *to == nil {
			d.fail(path, "names no Secret; write {secret: {name: …, key: …}} or leave it out")
		}
	}
}

func (d *decoder) secretKeyRef(s *SecretKeyRef) reader {
	return d.keyRef(&s.Namespace, &s.Name, &s.Key)
}

func (d *decoder) configMapKeyRef(c *ConfigMapKeyRef) reader {
	return d.keyRef(&c.Namespace, &c.Name, &c.Key)
}

func (d *decoder) keyRef(namespace, name, key *string) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"namespace", d.text(namespace)},
			field{"name", d.text(name)},
			field{"key", d.text(key)},
		)
	}
}

func (d *decoder) defaults(v *Defaults) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"key", d.key(&v.Key)},
			field{"validity", parsed(d, &v.Validity, ParseDuration)},
			field{"renewBefore", parsed(d, &v.RenewBefore, ParseBefore)},
		)
	}
}

func (d *decoder) eventProcessing(e *EventProcessing) reader {
	return func(n *yaml.Node, path string) {
		e.Line = d.line(path)
		d.object(n, path,
			field{"name", d.text(&e.Name)},
			field{"namespace", d.text(&e.Namespace)},
			field{"mode", oneOf(d, &e.Mode, ModeCertificate, ModeCA)},
			field{"extraDNSNames", texts(d, &e.ExtraDNSNames, asIs)},
			field{"ui", present(&e.UI, zero, d.ui)},
		)
	}
}

func (d *decoder) ui(u *UI) reader {
	return func(n *yaml.Node, path string) {
		u.Line = d.line(path)
		d.object(n, path)
	}
}

func (d *decoder) flinkDeployment(f *FlinkDeployment) reader {
	return func(n *yaml.Node, path string) {
		f.Line = d.line(path)
		d.object(n, path,
			field{"name", d.text(&f.Name)},
			field{"namespace", d.text(&f.Namespace)},
			field{"tls", d.flinkTLS(&f.TLS)},
		)
	}
}

func (d *decoder) flinkTLS(t *FlinkTLS) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"rest", d.boolean(&t.Rest)},
			field{"internal", d.boolean(&t.Internal)},
			field{"format", parsed(d, &t.Format, parseFormat)},
		)
	}
}

// parseFormat is truststore.ParseFormat without PEM, which no JVM property takes.
func parseFormat(s string) (truststore.Format, error) {
	f, err := truststore.ParseFormat(s)
	if err != nil || f == truststore.PEM {
		known := []string{string(truststore.JKS), string(truststore.PKCS12)}
		return "", fmt.Errorf("%s is not a format of Java stores%s; allowed: JKS, PKCS12", quote(s), didYouMean(s, known))
	}
	return f, nil
}

func (d *decoder) flinkOperator(f *FlinkOperator) reader {
	return func(n *yaml.Node, path string) {
		f.Line = d.line(path)
		d.object(n, path,
			field{"namespace", d.text(&f.Namespace)},
			field{"webhook", d.boolean(&f.Webhook)},
		)
	}
}

func (d *decoder) truststore(t *Truststore) reader {
	return func(n *yaml.Node, path string) {
		t.Line = d.line(path)
		d.object(n, path,
			field{"name", d.text(&t.Name)},
			field{"namespace", d.text(&t.Namespace)},
			field{"format", parsed(d, &t.Format, parseFormat)},
			field{"naming", oneOf(d, &t.Naming, Versioned, Fixed)},
			field{"password", d.hidden(&t.Password)},
			field{"publicCAs", d.publicCAs(&t.PublicCAs)},
			field{"sources", list(d, &t.Sources, zero, d.source)},
			field{"mountIn", d.mountIn(&t.MountIn)},
		)
	}
}

// publicCAs reads true, false, or the name of a file.
func (d *decoder) publicCAs(p *PublicCAs) reader {
	return func(n *yaml.Node, path string) {
		s, ok := d.scalar(n, path)
		if !ok || s == "" {
			return
		}
		if on, isBool := boolOf(d.resolve(n)); isBool {
			*p = PublicCAs{Enabled: on}
			return
		}
		if hint := boolHint(s); hint != "" {
			d.fail(path, "%s is neither true, false nor a file%s", quote(s), hint)
			return
		}
		*p = PublicCAs{Enabled: true, File: s}
	}
}

func (d *decoder) source(s *Source) reader {
	return func(n *yaml.Node, path string) {
		s.Line = d.line(path)
		d.object(n, path,
			field{"name", d.text(&s.Name)},
			field{"file", d.text(&s.File)},
			field{"secret", present(&s.Secret, zero, d.secretKeyRef)},
			field{"configMap", present(&s.ConfigMap, zero, d.configMapKeyRef)},
			field{"authority", d.boolean(&s.Authority)},
			field{"servers", list(d, &s.Servers, newServer, d.server)},
			field{"distrust", texts(d, &s.Distrust, parseFingerprint)},
		)
	}
}

func (d *decoder) server(s *Server) reader {
	return func(n *yaml.Node, path string) {
		s.Line = d.line(path)
		d.object(n, path,
			field{"address", parsed(d, &s.Address, checkAddress)},
			field{"protocol", oneOf(d, &s.Protocol, PostgreSQL, TLS)},
		)
	}
}

func (d *decoder) mountIn(m *MountIn) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"eventProcessing", texts(d, &m.EventProcessing, parseRef)},
			field{"flinkDeployments", texts(d, &m.FlinkDeployments, parseRef)},
		)
	}
}

func (d *decoder) certificate(c *Certificate) reader {
	return func(n *yaml.Node, path string) {
		c.Line = d.line(path)
		d.object(n, path,
			field{"secretName", d.text(&c.SecretName)},
			field{"namespace", d.text(&c.Namespace)},
			field{"dnsNames", texts(d, &c.DNSNames, asIs)},
			field{"ipAddresses", texts(d, &c.IPAddresses, parseIPAddress)},
			field{"usages", list(d, &c.Usages, zero, func(u *Usage) reader {
				return oneOf(d, u, UsageServer, UsageClient)
			})},
			field{"stores", texts(d, &c.Stores, parseFormat)},
			field{"naming", oneOf(d, &c.Naming, Versioned, Fixed)},
			field{"key", d.key(&c.Key)},
			field{"validity", parsed(d, &c.Validity, ParseDuration)},
		)
	}
}

func (d *decoder) edge(e *Edge) reader {
	return func(n *yaml.Node, path string) {
		e.Line = d.line(path)
		d.object(n, path,
			field{"client", parsed(d, &e.Client, ParseTarget)},
			field{"server", parsed(d, &e.Server, ParseTarget)},
		)
	}
}

func (d *decoder) rotation(r *Rotation) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"windows", list(d, &r.Windows, newWindow, d.window)},
			field{"hardDeadline", parsed(d, &r.HardDeadline, ParseBefore)},
			field{"soak", parsed(d, &r.Soak, ParseDuration)},
			field{"flink", d.flinkRotation(&r.Flink)},
		)
	}
}

func (d *decoder) window(w *Window) reader {
	return func(n *yaml.Node, path string) {
		w.Line = d.line(path)
		d.object(n, path,
			field{"schedule", parsed(d, &w.Schedule, func(s string) (string, error) { return s, checkSchedule(s) })},
			field{"duration", parsed(d, &w.Duration, ParseDuration)},
			field{"timeZone", parsed(d, &w.TimeZone, checkTimeZone)},
		)
	}
}

func (d *decoder) flinkRotation(f *FlinkRotation) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path,
			field{"allowStateless", d.boolean(&f.AllowStateless)},
			field{"allowSessionWithoutHA", d.boolean(&f.AllowSessionWithoutHA)},
			field{"savepointFirst", d.boolean(&f.SavepointFirst)},
		)
	}
}
