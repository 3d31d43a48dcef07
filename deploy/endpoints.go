package deploy

import (
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// EventProcessingHosts returns spec.authoring.endpoints[].host: names that the
// certificate must carry besides the service's own. A placeholder is no host.
func EventProcessingHosts(r Resource) []string {
	v, _ := yamledit.Get(r.Object, keys("spec", "authoring", "endpoints"))
	entries, _ := v.([]any)
	var hosts []string
	for _, entry := range entries {
		m, _ := entry.(map[string]any)
		if h, ok := m["host"].(string); ok && h != "" && !Placeholder(h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// FlinkEndpoint returns the FlinkDeployment that spec.flink.endpoint of an
// EventProcessing names (`<name>-rest[.<namespace>…]:8081`); ok is false if the
// endpoint is absent, a placeholder, or not of that form.
func FlinkEndpoint(r Resource) (namespace, name string, ok bool) {
	host := FlinkHost(r)
	if host == "" || Placeholder(host) {
		return "", "", false
	}
	service, rest, _ := strings.Cut(host, ".")
	name, ok = strings.CutSuffix(service, "-rest")
	if !ok || name == "" {
		return "", "", false
	}
	namespace, _, _ = strings.Cut(rest, ".")
	if namespace == "" {
		namespace = r.Namespace
	}
	return namespace, name, true
}

// FlinkHost is the host name by which an EventProcessing calls Flink; empty if
// spec.flink.endpoint is.
func FlinkHost(r Resource) string {
	endpoint, _ := getString(r.Object, keys("spec", "flink", "endpoint"))
	endpoint = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(endpoint), "https://"), "http://")
	host, _, _ := strings.Cut(endpoint, "/")
	host, _, _ = strings.Cut(host, ":")
	return host
}
