package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/install"
	"github.com/flowcert/flowcert/pki"
)

// readsElsewhere lists the Secrets and ConfigMaps in namespaces that are not served: flowcert gets them by
// their names.
func readsElsewhere(cfg *config.Config, served []string) []install.Read {
	found := map[string]*install.Read{}
	in := func(ns string) *install.Read {
		if found[ns] == nil {
			found[ns] = &install.Read{Namespace: ns}
		}
		return found[ns]
	}
	for _, ref := range cfg.Secrets() {
		if r := in(ref.Namespace); !slices.Contains(r.Secrets, ref.Name) {
			r.Secrets = append(r.Secrets, ref.Name)
		}
	}
	for _, t := range cfg.Truststores {
		for _, s := range t.Sources {
			if s.ConfigMap == nil {
				continue
			}
			if r := in(s.ConfigMap.Namespace); !slices.Contains(r.ConfigMaps, s.ConfigMap.Name) {
				r.ConfigMaps = append(r.ConfigMaps, s.ConfigMap.Name)
			}
		}
	}
	var out []install.Read
	for _, ns := range cfg.Namespaces() {
		if r := found[ns]; r != nil && !slices.Contains(served, ns) {
			out = append(out, *r)
		}
	}
	return out
}

// serverPorts lists the ports of the servers that flowcert dials.
func serverPorts(cfg *config.Config) ([]int, error) {
	var out []int
	for _, t := range cfg.Truststores {
		for _, source := range t.Sources {
			for _, server := range source.Servers {
				_, port, err := net.SplitHostPort(server.Address)
				if err != nil {
					return nil, err
				}
				n, err := strconv.Atoi(port)
				if err != nil {
					return nil, fmt.Errorf("port of %s: %w", server.Address, err)
				}
				out = append(out, n)
			}
		}
	}
	return out, nil
}

// maxConfigMap is the most that a ConfigMap holds (Kubernetes documentation, "ConfigMaps").
const maxConfigMap = 1 << 20

// configMapKey is what a file may be called in a ConfigMap (k8s.io/apimachinery, IsConfigMapKey).
var configMapKey = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)

// configMapFiles are the configuration and the CA files that it names, as they have to lie in a pod's folder.
func configMapFiles(cfg *config.Config) (map[string][]byte, error) {
	text, err := os.ReadFile(cfg.File)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{filepath.Base(clusterConfig): text}
	size := len(text)
	for _, file := range namedFiles(cfg) {
		if !configMapKey.MatchString(file) || out[file] != nil {
			return nil, hinted(fmt.Errorf("%s: a ConfigMap cannot hold a file of the name %q", cfg.File, file),
				"put the file beside the configuration, under a name of its own of letters, digits, - . and _")
		}
		content, err := os.ReadFile(cfg.Path(file))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.Path(file), errors.Unwrap(err))
		}
		// What is no certificate has no business in a ConfigMap: a key, above all.
		if _, err := pki.ParseCertificates(content); err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.Path(file), err)
		}
		out[file] = content
		size += len(file) + len(content)
	}
	if size > maxConfigMap {
		return nil, hinted(fmt.Errorf("%s and its files have %d bytes, and a ConfigMap holds %d", cfg.File, size, maxConfigMap),
			"keep large bundles in ConfigMaps of their own, and name them as configMap in the truststore's sources")
	}
	return out, nil
}

// namedFiles lists the files that a configuration names, each once.
func namedFiles(cfg *config.Config) []string {
	var out []string
	add := func(file string) {
		if file != "" && !slices.Contains(out, file) {
			out = append(out, file)
		}
	}
	for _, t := range cfg.Truststores {
		add(t.PublicCAs.File)
		for _, s := range t.Sources {
			add(s.File)
		}
	}
	return out
}
