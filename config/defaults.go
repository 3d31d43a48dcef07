package config

import (
	"time"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/truststore"
)

// Entries start out with the defaults that depend on nothing else.

func newConfig() *Config {
	return &Config{
		ClusterDomain: "cluster.local",
		Authority: Authority{SelfSigned: SelfSigned{
			Validity:        Duration(3650 * day),
			Intermediate:    Intermediate{Validity: intermediateValidity},
			NameConstraints: NameConstraints{Mode: ConstraintsAuto},
		}},
		Defaults: Defaults{Validity: Duration(365 * day), RenewBefore: Before{Percent: 33}},
		Rotation: Rotation{HardDeadline: Before{Percent: 10}, Soak: Duration(24 * time.Hour)},
	}
}

func newEventProcessing() EventProcessing { return EventProcessing{Mode: ModeCertificate} }

func newFlinkDeployment() FlinkDeployment {
	return FlinkDeployment{TLS: FlinkTLS{Rest: true, Internal: true, Format: truststore.JKS}}
}

func newTruststore() Truststore {
	return Truststore{Format: truststore.JKS, Naming: Versioned, PublicCAs: PublicCAs{Enabled: true}}
}

func newCertificate() Certificate { return Certificate{Naming: Fixed} }

func newServer() Server { return Server{Protocol: PostgreSQL} }

func newWindow() Window { return Window{TimeZone: "UTC"} }

func newUserIntermediate() UserIntermediate {
	return UserIntermediate{Validity: intermediateValidity, NameConstraints: NameConstraints{Mode: ConstraintsAuto}}
}

// intermediateValidity is an intermediate's default lifetime, under whichever root.
const intermediateValidity = Duration(730 * day)

// Default keys. Size 4096 outlives ten years; 3072 is what NIST SP 800-57 asks for beyond
// 2030.
var (
	authorityKey = pki.KeySpec{Algorithm: pki.RSA, Size: 4096}
	leafKey      = pki.KeySpec{Algorithm: pki.RSA, Size: 3072}
)

// fillDefaults sets what depends on other fields.
func fillDefaults(c *Config, r *report) {
	c.fillAuthority(r)
	c.Defaults.Key = completeKey(c.Defaults.Key, leafKey)
	for i := range c.EventProcessing {
		fillText(&c.EventProcessing[i].Namespace, c.Namespace)
	}
	for i := range c.FlinkDeployments {
		fillText(&c.FlinkDeployments[i].Namespace, c.Namespace)
	}
	for i := range c.Certificates {
		c.Certificates[i].fill(c)
	}
	if len(c.Truststores) == 1 {
		fillText(&c.Truststores[0].Name, "ssl-truststore")
	}
	for i := range c.Truststores {
		c.Truststores[i].fill(c, r.given(element("truststores", i)+".mountIn"))
	}
}

func (c *Config) fillAuthority(r *report) {
	a := &c.Authority
	fillText(&a.Name, c.Namespace)
	if a.Secret != nil {
		fillText(&a.Secret.Namespace, c.Namespace)
		fillRef(a.Secret.Passphrase, a.Secret.Namespace)
		if i := a.Secret.Intermediate; i != nil {
			i.Key = completeKey(i.Key, authorityKey)
		}
		if !r.given("authority.selfSigned") {
			a.SelfSigned = SelfSigned{}
		}
		return
	}
	a.SelfSigned.Key = completeKey(a.SelfSigned.Key, authorityKey)
	if a.Name != "" {
		fillText(&a.SelfSigned.Subject.CommonName, a.Name+" CA")
	}
}

func (c *Certificate) fill(all *Config) {
	fillText(&c.Namespace, all.Namespace)
	if c.Usages == nil {
		c.Usages = []Usage{UsageServer}
	}
	c.Key = completeKey(c.Key, all.Defaults.Key)
	if c.Validity == 0 {
		c.Validity = all.Defaults.Validity
	}
}

func (t *Truststore) fill(all *Config, mountInGiven bool) {
	fillText(&t.Namespace, all.Namespace)
	fillRef(t.Password, t.Namespace)
	for i := range t.Sources {
		fillRef(t.Sources[i].Secret, t.Namespace)
		if m := t.Sources[i].ConfigMap; m != nil {
			fillText(&m.Namespace, t.Namespace)
		}
	}
	if !mountInGiven {
		t.MountIn = everywhere(all)
		return
	}
	for i := range t.MountIn.EventProcessing {
		fillText(&t.MountIn.EventProcessing[i].Namespace, t.Namespace)
	}
	for i := range t.MountIn.FlinkDeployments {
		fillText(&t.MountIn.FlinkDeployments[i].Namespace, t.Namespace)
	}
}

func everywhere(c *Config) MountIn {
	var m MountIn
	for _, e := range c.EventProcessing {
		m.EventProcessing = append(m.EventProcessing, Ref{e.Namespace, e.Name})
	}
	for _, f := range c.FlinkDeployments {
		m.FlinkDeployments = append(m.FlinkDeployments, Ref{f.Namespace, f.Name})
	}
	return m
}

// completeKey fills what is missing in a key: from base, or of a size for its algorithm.
func completeKey(k, base pki.KeySpec) pki.KeySpec {
	fillText(&k.Algorithm, base.Algorithm)
	if k.Size != 0 {
		return k
	}
	switch {
	case k.Algorithm == base.Algorithm:
		k.Size = base.Size
	case k.Algorithm == pki.RSA:
		k.Size = leafKey.Size
	case k.Algorithm == pki.ECDSA:
		k.Size = 256
	}
	return k
}

func fillRef(s *SecretKeyRef, namespace string) {
	if s != nil {
		fillText(&s.Namespace, namespace)
	}
}

func fillText[T ~string](to *T, otherwise T) {
	if *to == "" {
		*to = otherwise
	}
}
