package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/truststore"
)

// The fields of each mapping in the file, in the order of its reference. What stands here is
// all of it: the parser and the schema for editors (see Schema) are both made from it.

func (d *decoder) config(c *Config) reader {
	var apiVersion, kind string
	top := d.object(
		must("apiVersion", parsed(d, &apiVersion, checkAPIVersion).only(APIVersion), "Version of this file's format."),
		must("kind", parsed(d, &kind, checkKind).only(Kind), "Tells this file from the resources of the cluster."),
		must("namespace", d.text(&c.Namespace).like(label),
			"Namespace of your workloads: the default of every namespace below, and of manifests that name none."),
		may("clusterDomain", d.text(&c.ClusterDomain).like(hostName), "DNS domain of the cluster, which ends the names of Services."),
		may("clusterAPI", parsed(d, &c.ClusterAPI, parseClusterAPI).like(clusterAPI).such("apps.clusterapi.com"),
			"Domain of an OpenShift cluster's routes, such as apps.clusterapi.com, or the URL of its console. "+
				"Event Processing's certificate carries the host names under it. Elsewhere give the hosts in spec.authoring.endpoints of the resource."),
		may("authority", d.authority(&c.Authority), "Who signs the certificates: an authority that flowcert makes, or a CA of yours."),
		may("defaults", d.defaults(&c.Defaults), "What holds for every certificate that says nothing else."),
		may("eventProcessing", list(d, &c.EventProcessing, newEventProcessing, d.eventProcessing),
			"Instances of IBM Event Processing that get a certificate, trust in Flink, and the truststores that they mount."),
		may("flinkDeployments", list(d, &c.FlinkDeployments, newFlinkDeployment, d.flinkDeployment),
			"Flink session and application clusters that get TLS and the truststores that they mount."),
		may("flinkOperator", present(&c.FlinkOperator, zero, d.flinkOperator),
			"Present: makes the Secrets flink-operator-cert and operator-certificate-password, with which the Flink Kubernetes operator "+
				"verifies Flink's REST endpoints. Leave it out if somebody else makes them."),
		may("truststores", list(d, &c.Truststores, newTruststore, d.truststore),
			"Truststores for the databases, brokers and APIs that workloads call. A workload mounts one of them at most."),
		may("certificates", list(d, &c.Certificates, newCertificate, d.certificate),
			"Certificates for anything else: a database's server, a gateway, a client."),
		may("edges", list(d, &c.Edges, zero, d.edge),
			"Clients of a certificate that flowcert does not know by itself: it never renews the server in a way that such a client would refuse."),
		may("rotation", d.rotation(&c.Rotation), "When workloads may be restarted for a renewal, and how long replaced versions are kept."),
	)
	return top.then(func() {
		if apiVersion == "" {
			d.fail("apiVersion", "is missing; write apiVersion: %s", APIVersion)
		}
		if kind == "" {
			d.fail("kind", "is missing; write kind: %s", Kind)
		}
	})
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
	like := fresh()
	return reader{
		read: func(n *yaml.Node, path string) {
			value := fresh()
			*to = &value
			read(*to).read(n, path)
		},
		takes: read(&like).takes,
	}
}

// namespaceOf is the field by which an entry leaves the file's namespace.
func (d *decoder) namespaceOf(namespace *string) field {
	return may("namespace", d.text(namespace).like(label), "Its namespace. Default: that of what it belongs to, in the end the file's.")
}

func (d *decoder) authority(a *Authority) reader {
	return d.object(
		may("name", d.text(&a.Name).like(label), "Begins the names of the authority's Secrets. Default: the file's namespace."),
		may("selfSigned", d.selfSigned(&a.SelfSigned),
			"How to make an authority: a root, and under it an intermediate for each namespace. This is the default; it and secret exclude each other."),
		may("secret", present(&a.Secret, zero, d.authoritySecret),
			"A CA of yours instead: a Secret with its certificate and chain (tls.crt), its key (tls.key) and its root (ca.crt)."),
	)
}

func (d *decoder) selfSigned(s *SelfSigned) reader {
	return d.object(
		may("subject", d.subject(&s.Subject), "Subject of the root. Certificates take all of it but the common name."),
		may("key", d.key(&s.Key), "Key of the root and the intermediates, RSA or ECDSA. Default: "+authorityKey.String()+"."),
		may("validity", parsed(d, &s.Validity, ParseDuration).like(duration), "Lifetime of the root."),
		may("intermediate", d.intermediate(&s.Intermediate), "The intermediates that sign certificates, or none: the root signs them itself."),
		may("nameConstraints", d.nameConstraints(&s.NameConstraints), nameConstraintsWords),
	)
}

const nameConstraintsWords = "What an intermediate may sign. auto: the names of its namespace; none: anything; or a list of domains. Default: auto."

func (d *decoder) subject(s *pki.Subject) reader {
	return d.object(
		may("commonName", d.text(&s.CommonName), "Common name (CN) of the root, at most 60 characters: successors get a number behind it. Default: the authority's name and CA."),
		may("organization", d.text(&s.Organization), "Organization (O)."),
		may("organizationalUnit", d.text(&s.OrganizationalUnit), "Organizational unit (OU)."),
		may("country", d.text(&s.Country).like(country), "Country (C), two letters of ISO 3166."),
		may("province", d.text(&s.Province), "State or province (ST)."),
		may("locality", d.text(&s.Locality), "Locality (L), such as a city."),
		may("emailAddress", d.text(&s.EmailAddress), "E-mail address."),
	)
}

func (d *decoder) key(k *pki.KeySpec) reader {
	return d.object(
		may("algorithm", oneOf(d, &k.Algorithm, pki.RSA, pki.ECDSA, pki.Ed25519),
			"RSA, ECDSA, or (only under certificates) Ed25519, which neither Flink nor every browser takes."),
		may("size", d.integer(&k.Size, 0, 8192), "Bits of an RSA key, 2048 to 8192, or the curve of an ECDSA key, 256 or 384; nothing for Ed25519."),
	)
}

// intermediate reads the word none, or the fields.
func (d *decoder) intermediate(i *Intermediate) reader {
	var word string
	return d.wordOr(
		oneOf(d, &word, "none").then(func() {
			if word == "none" {
				*i = Intermediate{None: true}
			}
		}),
		d.object(may("validity", parsed(d, &i.Validity, ParseDuration).like(duration), "Lifetime of an intermediate.")),
	)
}

// nameConstraints reads the words auto and none, or a list.
func (d *decoder) nameConstraints(c *NameConstraints) reader {
	names := d.object(may("permittedDNS", texts(d, &c.PermittedDNS, asIs, hostName), "Domains that may be signed; each covers itself and every name below it."))
	return d.wordOr(oneOf(d, &c.Mode, ConstraintsAuto, ConstraintsNone), names.first(func() { c.Mode = ConstraintsList }))
}

func (d *decoder) authoritySecret(s *AuthoritySecret) reader {
	return d.object(
		d.namespaceOf(&s.Namespace),
		must("name", d.text(&s.Name).like(objectName), "Name of the Secret."),
		may("passphrase", d.hidden(&s.Passphrase), "Where the passphrase of tls.key is, if the key is encrypted."),
		may("intermediate", present(&s.Intermediate, newUserIntermediate, d.userIntermediate),
			"Present, even empty: flowcert makes an intermediate under your CA, which signs the certificates. Absent: your CA signs them itself."),
	)
}

func (d *decoder) userIntermediate(i *UserIntermediate) reader {
	return d.object(
		may("key", d.key(&i.Key), "Key of the intermediate, RSA or ECDSA. Default: "+authorityKey.String()+"."),
		may("validity", parsed(d, &i.Validity, ParseDuration).like(duration), "Lifetime of the intermediate; it ends with your CA at the latest."),
		may("nameConstraints", d.nameConstraints(&i.NameConstraints), nameConstraintsWords),
	)
}

// hidden reads {secret: {name, key}}: where a password is, never the password.
func (d *decoder) hidden(to **SecretKeyRef) reader {
	fields := d.object(must("secret", present(to, zero, d.secretKeyRef), "The Secret that holds it. It never stands in this file."))
	return reader{
		read: func(n *yaml.Node, path string) {
			if isText(d.resolve(n)) {
				d.fail(path, "is a single value; put it into a Secret and write {secret: {name: …, key: …}}")
				return
			}
			fields.read(n, path)
			if *to == nil {
				d.fail(path, "names no Secret; write {secret: {name: …, key: …}} or leave it out")
			}
		},
		takes: fields.takes,
	}
}

func (d *decoder) secretKeyRef(s *SecretKeyRef) reader {
	return d.keyRef("Secret", &s.Namespace, &s.Name, &s.Key)
}

func (d *decoder) configMapKeyRef(c *ConfigMapKeyRef) reader {
	return d.keyRef("ConfigMap", &c.Namespace, &c.Name, &c.Key)
}

func (d *decoder) keyRef(kind string, namespace, name, key *string) reader {
	return d.object(
		d.namespaceOf(namespace),
		must("name", d.text(name).like(objectName), "Name of the "+kind+"."),
		must("key", d.text(key).like(dataKey), "Data key in the "+kind+"."),
	)
}

func (d *decoder) defaults(v *Defaults) reader {
	return d.object(
		may("key", d.key(&v.Key), "Key of certificates, RSA or ECDSA. Flink takes RSA only and gets "+leafKey.String()+
			" where this is another. Default: "+leafKey.String()+"."),
		may("validity", parsed(d, &v.Validity, ParseDuration).like(duration), "Lifetime of certificates. None outlives its issuer."),
		may("renewBefore", parsed(d, &v.RenewBefore, ParseBefore).like(before),
			"How long before its end a certificate is renewed: a share of its lifetime, or a duration."),
	)
}

func (d *decoder) eventProcessing(e *EventProcessing) reader {
	return d.entry(&e.Line,
		must("name", d.text(&e.Name).like(eventProcessingName), "metadata.name of the EventProcessing resource."),
		d.namespaceOf(&e.Namespace),
		may("mode", oneOf(d, &e.Mode, ModeCertificate, ModeCA),
			"certificate: a certificate of flowcert's (spec.authoring.tls.secretName), which needs no cert-manager. "+
				"ca: a subordinate CA for the operator's cert-manager to sign with (caSecretName)."),
		may("extraDNSNames", texts(d, &e.ExtraDNSNames, asIs, dnsName),
			"Names in the certificate besides those of the Services, of clusterAPI and of the resource's endpoints, which are always there."),
		may("ui", present(&e.UI, zero, d.ui), "Present, written {}: the user interface gets a certificate of its own."),
	)
}

func (d *decoder) ui(u *UI) reader { return d.entry(&u.Line) }

func (d *decoder) flinkDeployment(f *FlinkDeployment) reader {
	return d.entry(&f.Line,
		must("name", d.text(&f.Name).like(flinkName), "metadata.name of the FlinkDeployment resource."),
		d.namespaceOf(&f.Namespace),
		may("tls", d.flinkTLS(&f.TLS), "Which of Flink's channels speak TLS."),
	)
}

func (d *decoder) flinkTLS(t *FlinkTLS) reader {
	return d.object(
		may("rest", d.boolean(&t.Rest), "TLS at the REST endpoint, which Event Processing and the operator call. false leaves it alone."),
		may("internal", d.boolean(&t.Internal), "Mutual TLS between JobManager and TaskManagers. false leaves it alone."),
		may("format", d.format(&t.Format), "Format of the key store and the truststore."),
	)
}

// format reads JKS or PKCS12, in upper or lower case.
func (d *decoder) format(to *truststore.Format) reader {
	return parsed(d, to, parseFormat).like(storeFormat).such(string(truststore.JKS), string(truststore.PKCS12))
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
	return d.entry(&f.Line,
		may("namespace", d.text(&f.Namespace).like(label), "Namespace of the Flink Kubernetes operator. Default: found in a cluster; a directory needs it."),
		may("webhook", d.boolean(&f.Webhook), "Makes the certificate of the operator's webhook too (webhook-server-cert), and sets the caBundle of its two webhook configurations. Leave that to OLM where it installed the operator."),
	)
}

func (d *decoder) truststore(t *Truststore) reader {
	return d.entry(&t.Line,
		may("name", d.text(&t.Name).like(truststoreName), "Begins the names of its Secrets; needed where there are several truststores. Default: ssl-truststore."),
		d.namespaceOf(&t.Namespace),
		may("format", d.format(&t.Format), "Format of the file, truststore.jks or truststore.p12."),
		may("naming", oneOf(d, &t.Naming, Versioned, Fixed),
			"versioned: each content is a Secret of its own, so that a change restarts the workloads. fixed: one Secret, updated in place, for others that read it by its name."),
		may("password", d.hidden(&t.Password), "Where the password is. Default: generated once and kept."),
		may("publicCAs", d.publicCAs(&t.PublicCAs),
			"true keeps what a JVM trusts by itself; false trusts the sources alone; or a PEM file of public CAs. A truststore without them cuts workloads off from public services."),
		must("sources", list(d, &t.Sources, zero, d.source), "Where its certificates come from."),
		may("mountIn", d.mountIn(&t.MountIn), "The workloads that mount it. Default: every one in this file."),
	)
}

// publicCAs reads true, false, or the name of a file.
func (d *decoder) publicCAs(p *PublicCAs) reader {
	return reader{
		read: func(n *yaml.Node, path string) {
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
		},
		takes: shape{Type: anyScalar, Default: p.Enabled},
	}
}

func (d *decoder) source(s *Source) reader {
	return d.entry(&s.Line,
		must("name", d.text(&s.Name).like(alias), "Alias of its certificate in the truststore; several get -2, -3, … behind it."),
		may("file", d.text(&s.File), "A PEM file of CA certificates; a relative name is relative to this file. Give one of file, secret, configMap and authority."),
		may("secret", present(&s.Secret, zero, d.secretKeyRef), "A data key of a Secret with CA certificates in PEM."),
		may("configMap", present(&s.ConfigMap, zero, d.configMapKeyRef), "A data key of a ConfigMap with CA certificates in PEM."),
		may("authority", d.boolean(&s.Authority), "true: the root certificates of the authority above."),
		may("servers", list(d, &s.Servers, newServer, d.server), "Servers with certificates from this source: flowcert verify dials them, and apply prints their JDBC URLs."),
		may("distrust", texts(d, &s.Distrust, parseFingerprint, fingerprint),
			"SHA-256 fingerprints of certificates to drop at once. Without it a replaced CA stays trusted as long as something may need it."),
	)
}

func (d *decoder) server(s *Server) reader {
	return d.entry(&s.Line,
		must("address", parsed(d, &s.Address, checkAddress).like(address).such("orders-db.databases.svc:5432"), "host:port, with an IPv6 host in brackets."),
		may("protocol", oneOf(d, &s.Protocol, PostgreSQL, TLS), "How TLS begins: postgresql asks for it first (SSLRequest), tls begins at once."),
	)
}

func (d *decoder) mountIn(m *MountIn) reader {
	return d.object(
		may("eventProcessing", texts(d, &m.EventProcessing, parseRef, reference), "Names, or namespace/name, of instances under eventProcessing."),
		may("flinkDeployments", texts(d, &m.FlinkDeployments, parseRef, reference), "Names, or namespace/name, of clusters under flinkDeployments."),
	)
}

func (d *decoder) certificate(c *Certificate) reader {
	return d.entry(&c.Line,
		must("secretName", d.text(&c.SecretName).like(objectName), "Name of the Secret: ca.crt, tls.crt, tls.key, and the stores."),
		d.namespaceOf(&c.Namespace),
		may("dnsNames", texts(d, &c.DNSNames, asIs, dnsName), "DNS names of the server. A server needs one, or an IP address; the first is the common name."),
		may("ipAddresses", texts(d, &c.IPAddresses, parseIPAddress, ipAddress), "IP addresses of the server, for clients that call it by these."),
		may("usages", list(d, &c.Usages, zero, func(u *Usage) reader {
			return oneOf(d, u, UsageServer, UsageClient)
		}), "What it is for. Default: [server]."),
		may("stores", list(d, &c.Stores, zero, d.format), "Key stores and truststores to put beside the PEM files."),
		may("naming", oneOf(d, &c.Naming, Versioned, Fixed), "fixed: one Secret, updated in place, for readers that know its name. versioned: a new Secret for each renewal."),
		may("key", d.key(&c.Key), "Its key; Ed25519 is allowed here. Default: that of defaults."),
		may("validity", parsed(d, &c.Validity, ParseDuration).like(duration), "Its lifetime. Default: that of defaults."),
	)
}

func (d *decoder) edge(e *Edge) reader {
	return d.entry(&e.Line,
		must("client", parsed(d, &e.Client, ParseTarget).like(target), "Who verifies, as kind/namespace/name, such as flinkDeployment/event-automation/session-cluster-prod."),
		must("server", parsed(d, &e.Server, ParseTarget).like(target), "Who serves, as kind/namespace/name, such as certificate/databases/orders-db-server."),
	)
}

func (d *decoder) rotation(r *Rotation) reader {
	return d.object(
		may("windows", list(d, &r.Windows, newWindow, d.window), "Times at which restarts are welcome. Default: any time."),
		may("hardDeadline", parsed(d, &r.HardDeadline, ParseBefore).like(before), "What is left of a lifetime when windows no longer count: a share of it, or a duration."),
		may("soak", parsed(d, &r.Soak, ParseDuration).like(duration), "How long a replaced version is kept and counts as in use, from the moment its successor is deployed."),
		may("flink", d.flinkRotation(&r.Flink), "What a restart may cost a Flink job. Nothing is allowed by default."),
	)
}

func (d *decoder) window(w *Window) reader {
	return d.entry(&w.Line,
		must("schedule", parsed(d, &w.Schedule, func(s string) (string, error) { return s, checkSchedule(s) }).like(schedule).such("0 2 * * SUN"),
			"When it opens, as five cron fields: minute, hour, day of month, month, day of week."),
		must("duration", parsed(d, &w.Duration, ParseDuration).like(duration), "How long it stays open, such as 4h."),
		may("timeZone", parsed(d, &w.TimeZone, checkTimeZone).such("Europe/London"), "IANA name of the time zone of schedule."),
	)
}

func (d *decoder) flinkRotation(f *FlinkRotation) reader {
	return d.object(
		may("allowStateless", d.boolean(&f.AllowStateless), "Lets a job with upgradeMode stateless be restarted, which loses its state."),
		may("allowSessionWithoutHA", d.boolean(&f.AllowSessionWithoutHA), "Lets a session cluster without high availability be restarted, which loses the jobs submitted to it."),
		may("savepointFirst", d.boolean(&f.SavepointFirst), "Takes a savepoint of a running job before a restart that could lose its state."),
	)
}
