package config

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/flowcert/flowcert/pki"
)

// Path is where a file named in the configuration is: a relative name is relative to the
// configuration's own folder.
func (c *Config) Path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(c.Dir, file)
}

// Workloads lists every EventProcessing instance and FlinkDeployment, in the file's order.
func (c *Config) Workloads() []Target {
	var all []Target
	for _, e := range c.EventProcessing {
		all = append(all, e.Target())
	}
	for _, f := range c.FlinkDeployments {
		all = append(all, f.Target())
	}
	return all
}

// Targets lists the workloads and the certificates: everything that has a leaf.
func (c *Config) Targets() []Target {
	all := c.Workloads()
	for _, cert := range c.Certificates {
		all = append(all, cert.Target())
	}
	return all
}

// Namespaces lists every namespace that flowcert reads or writes in, sorted.
func (c *Config) Namespaces() []string {
	set := map[string]bool{c.Namespace: true}
	for _, t := range c.Targets() {
		set[t.Namespace] = true
	}
	for _, t := range c.Truststores {
		set[t.Namespace] = true
		for _, s := range t.Sources {
			if s.Secret != nil {
				set[s.Secret.Namespace] = true
			}
			if s.ConfigMap != nil {
				set[s.ConfigMap.Namespace] = true
			}
		}
		if t.Password != nil {
			set[t.Password.Namespace] = true
		}
	}
	if s := c.Authority.Secret; s != nil {
		set[s.Namespace] = true
		if s.Passphrase != nil {
			set[s.Passphrase.Namespace] = true
		}
	}
	if c.FlinkOperator != nil {
		set[c.FlinkOperator.Namespace] = true
	}
	delete(set, "") // an operator that is still to be found
	return slices.Sorted(maps.Keys(set))
}

// Served lists the namespaces in which flowcert looks for what runs and for Secrets
// of its own, sorted. The others of Namespaces hold what is only read by name.
func (c *Config) Served() []string {
	set := map[string]bool{c.Namespace: true}
	for _, t := range c.Targets() {
		set[t.Namespace] = true
	}
	for _, t := range c.Truststores {
		set[t.Namespace] = true
	}
	if c.FlinkOperator != nil {
		set[c.FlinkOperator.Namespace] = true
	}
	delete(set, "")
	return slices.Sorted(maps.Keys(set))
}

// Secrets lists the Secrets that the configuration names, and those that flowcert
// writes under a fixed name: whoever made them, they are looked at.
func (c *Config) Secrets() []Ref {
	var out []Ref
	add := func(k *SecretKeyRef) {
		if k != nil {
			out = append(out, Ref{k.Namespace, k.Name})
		}
	}
	if s := c.Authority.Secret; s != nil {
		out = append(out, Ref{s.Namespace, s.Name})
		add(s.Passphrase)
	}
	for _, t := range c.Truststores {
		add(t.Password)
		if t.Password == nil { // where flowcert keeps it, there may be somebody else's
			out = append(out, Ref{t.Namespace, t.Name + "-password"})
		}
		for _, s := range t.Sources {
			add(s.Secret)
		}
		if t.Naming == Fixed {
			for _, namespace := range t.Namespaces() {
				out = append(out, Ref{namespace, t.Name})
			}
		}
	}
	for _, cert := range c.Certificates {
		out = append(out, Ref{cert.Namespace, cert.SecretName})
	}
	if o := c.FlinkOperator; o != nil && o.Namespace != "" {
		for _, name := range o.Secrets() {
			out = append(out, Ref{o.Namespace, name})
		}
	}
	return out
}

// Secrets are the names of those that the Flink operator's pods read, and that
// flowcert writes: with Webhook the webhook's too. Nil stands for no such section.
func (o *FlinkOperator) Secrets() []string {
	if o == nil || !o.Webhook {
		return OperatorSecrets()
	}
	return append(OperatorSecrets(), WebhookCertSecret, WebhookPasswordSecret)
}

// OperatorSecrets are those that the Flink operator's deployment reads by these names
// (Event Automation documentation, "Configuring Flink": operator certificates).
func OperatorSecrets() []string { return []string{OperatorCertSecret, OperatorPasswordSecret} }

// The Flink operator's Secrets: its key store and truststore, and their password.
const (
	OperatorCertSecret     = "flink-operator-cert"
	OperatorPasswordSecret = "operator-certificate-password"
)

// The Secrets of the Flink operator's webhook: its certificate with the key store
// that it loads, and that store's password (Flink Kubernetes Operator, Helm chart,
// templates controller/deployment.yaml and webhook/secret.yaml).
const (
	WebhookCertSecret     = "webhook-server-cert"
	WebhookPasswordSecret = "flink-operator-webhook-secret"
)

// FlinkKey is the kind of key for Flink's leaves: the default where that is RSA, else
// RSA 3072, because Flink's cipher suites are for RSA.
func (d Defaults) FlinkKey() pki.KeySpec {
	if d.Key.Algorithm == pki.RSA {
		return d.Key
	}
	return leafKey
}

// Target names the instance.
func (e EventProcessing) Target() Target {
	return Target{KindEventProcessing, e.Namespace, e.Name}
}

// Target names the deployment.
func (f FlinkDeployment) Target() Target {
	return Target{KindFlinkDeployment, f.Namespace, f.Name}
}

// Target names the certificate by its Secret.
func (c Certificate) Target() Target {
	return Target{KindCertificate, c.Namespace, c.SecretName}
}

// MountsEventProcessing tells whether the instance mounts the truststore.
func (t Truststore) MountsEventProcessing(namespace, name string) bool {
	return slices.Contains(t.MountIn.EventProcessing, Ref{namespace, name})
}

// MountsFlink tells whether the FlinkDeployment mounts the truststore.
func (t Truststore) MountsFlink(namespace, name string) bool {
	return slices.Contains(t.MountIn.FlinkDeployments, Ref{namespace, name})
}

// Namespaces lists where the truststore is needed, sorted: every namespace that mounts it,
// or its own if none does.
func (t Truststore) Namespaces() []string {
	set := map[string]bool{}
	for _, ref := range slices.Concat(t.MountIn.EventProcessing, t.MountIn.FlinkDeployments) {
		set[ref.Namespace] = true
	}
	if len(set) == 0 {
		return []string{t.Namespace}
	}
	return slices.Sorted(maps.Keys(set))
}

// At is where an entry with this Line stands, for messages: file:line.
func (c *Config) At(line int) string {
	return fmt.Sprintf("%s:%d", cmp.Or(c.File, "flowcert.yaml"), line)
}
