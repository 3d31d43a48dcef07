package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/flowcert/flowcert/pki"
)

// A validator holds a decoded configuration against its rules. What could not be read has
// its fault already, and stays zero.
type validator struct {
	*report
	*Config
}

// checks run in this order; the faults are sorted by line afterwards.
var checks = []func(*validator){
	(*validator).checkTop,
	(*validator).checkAuthority,
	(*validator).checkDefaults,
	(*validator).checkEventProcessing,
	(*validator).checkFlink,
	(*validator).checkTruststores,
	(*validator).checkMounts,
	(*validator).checkCertificates,
	(*validator).checkLifetimes,
	(*validator).checkSecretNames,
	(*validator).checkEdges,
	(*validator).checkRotation,
}

func validate(c *Config, r *report) {
	v := &validator{r, c}
	for _, check := range checks {
		check(v)
	}
}

func (v *validator) checkTop() {
	switch {
	case v.Namespace == "":
		v.fail("namespace", "is missing; write the namespace of your workloads")
	default:
		v.check("namespace", v.Namespace, pki.CheckLabel)
	}
	v.check("clusterDomain", v.ClusterDomain, checkHost)
	somethingToDo := len(v.EventProcessing) + len(v.FlinkDeployments) + len(v.Certificates) + len(v.Truststores)
	if somethingToDo > 0 || v.FlinkOperator != nil {
		return
	}
	for _, list := range []string{"eventProcessing", "flinkDeployments", "certificates", "truststores"} {
		if v.faulty[list] {
			return
		}
	}
	v.fail("", "nothing to do; name at least one of eventProcessing, flinkDeployments, truststores or certificates")
}

// check reports what a check of one value says.
func (v *validator) check(path, value string, check func(string) error) {
	if err := check(value); err != nil {
		v.fail(path, "%v", err)
	}
}

// name reports a name that is missing or that check refuses.
func (v *validator) name(path, value string, check func(string) error) {
	if value == "" {
		v.fail(path, "is missing")
		return
	}
	v.check(path, value, check)
}

// namespace reports a namespace that the entry gives itself; the default is checked once.
func (v *validator) namespace(entry, value string) {
	if path := entry + ".namespace"; v.given(path) && value != "" {
		v.check(path, value, pki.CheckLabel)
	}
}

// names reports DNS names that no certificate could hold.
func (v *validator) names(path string, names []string, check func(string) error) {
	for i, name := range names {
		v.check(element(path, i), name, check)
	}
}

// unique reports an entry that repeats another one's name in its namespace.
func (v *validator) unique(seen map[Ref]int, path string, ref Ref, line int) {
	if ref.Name == "" {
		return
	}
	if first, ok := seen[ref]; ok {
		v.fail(path, "%s is configured already, on line %d; remove one", quote(ref.String()), first)
		return
	}
	seen[ref] = line
}

// keyRef reports a reference to a data key that is incomplete or badly named.
func (v *validator) keyRef(path, namespace, name, key string) {
	v.namespace(path, namespace)
	v.name(path+".name", name, checkObjectName)
	v.name(path+".key", key, checkDataKey)
}

func (v *validator) secretRef(path string, s *SecretKeyRef) {
	if s != nil && !v.faulty[path] {
		v.keyRef(path, s.Namespace, s.Name, s.Key)
	}
}

// checkDNSName is pki.CheckDNSName, with a remedy for what is another kind of thing.
func checkDNSName(name string) error {
	switch _, err := parseIPAddress(name); {
	case err == nil:
		return fmt.Errorf("%s is an IP address; certificates take these under ipAddresses", quote(name))
	case strings.Contains(name, "/"):
		return errors.New("is a URL; write the host name alone")
	case strings.Contains(name, ":"):
		return errors.New("has a port; write the host name alone")
	}
	return pki.CheckDNSName(name)
}

// checkHost is checkDNSName without wildcards.
func checkHost(name string) error {
	if strings.HasPrefix(name, "*.") || strings.HasPrefix(name, ".") {
		return fmt.Errorf("%s begins with a wildcard or a dot; leave that out", quote(name))
	}
	return checkDNSName(name)
}

// maxObjectName is the longest name of a Secret or ConfigMap (RFC 1123 subdomain, as
// "Object Names and IDs" of the Kubernetes documentation has it).
const maxObjectName = 253

// checkObjectName takes the name of a Secret or ConfigMap. Unlike in DNS, one label of it
// may be longer than 63 characters.
func checkObjectName(name string) error {
	if len(name) > maxObjectName {
		return fmt.Errorf("%s is %d characters long; Kubernetes allows %d", quote(name), len(name), maxObjectName)
	}
	for _, label := range strings.Split(name, ".") {
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return fmt.Errorf("%s is no name for a resource; Kubernetes allows lower-case letters, digits, '-' and '.', "+
				"with a letter or digit at both ends and around each dot", quote(name))
		}
	}
	return nil
}

// checkDataKey takes a key of a Secret's or ConfigMap's data ("Secrets" in the Kubernetes
// documentation).
func checkDataKey(key string) error {
	if len(key) > maxObjectName || strings.HasPrefix(key, "..") || key == "." ||
		strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return fmt.Errorf("%s is no key of a Secret or ConfigMap; letters, digits, '-', '_' and '.' are allowed", quote(key))
	}
	return nil
}

// checkLabelOf is pki.CheckLabel with a shorter limit, and the reason for that.
func checkLabelOf(most int, reason string) func(string) error {
	return func(name string) error {
		if err := pki.CheckLabel(name); err != nil {
			return err
		}
		if len(name) > most {
			return fmt.Errorf("%s is %d characters long, at most %d are possible: %s", quote(name), len(name), most, reason)
		}
		return nil
	}
}

// checkFile takes a file's name without looking for it.
func checkFile(name string) error {
	switch {
	case strings.HasPrefix(name, "~"):
		return errors.New("~ is not expanded here; write the whole path, or one relative to this file")
	case strings.Contains(name, "://"):
		return errors.New("is a URL; download the file and name it here")
	case strings.ContainsAny(name, "\x00\n\r"):
		return errors.New("holds a control character")
	case strings.Contains(name, "-----BEGIN"):
		return errors.New("holds a certificate itself; put it into a file and name that")
	}
	return nil
}
