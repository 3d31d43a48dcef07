package deploy

import (
	"net"
	"strconv"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// uiEndpoint is the name of the endpoint that browsers open (Event Processing
// documentation, "Configuring ingress": spec.authoring.endpoints).
const uiEndpoint = "ui"

// EventProcessingHosts returns spec.authoring.endpoints[].host: names that the
// certificate must carry besides the service's own. A placeholder is no host.
func EventProcessingHosts(r Resource) []string {
	return hosts(mappings(r.Object, keys("spec", "authoring", "endpoints")))
}

// EventProcessingUIHosts returns the hosts of the endpoints named ui; of all of
// them where none has that name.
func EventProcessingUIHosts(r Resource) []string { return hosts(uiEndpoints(r)) }

func uiEndpoints(r Resource) []map[string]any {
	all := mappings(r.Object, keys("spec", "authoring", "endpoints"))
	var named []map[string]any
	for _, m := range all {
		if text(m["name"]) == uiEndpoint {
			named = append(named, m)
		}
	}
	if named == nil {
		return all
	}
	return named
}

func hosts(endpoints []map[string]any) []string {
	var out []string
	for _, m := range endpoints {
		if h, ok := m["host"].(string); ok && h != "" && !Placeholder(h) {
			out = append(out, h)
		}
	}
	return out
}

// verifyDepth says how many intermediates an nginx ingress takes in the chain of
// the server behind it (ingress-nginx documentation, "Annotations").
const verifyDepth = "nginx.ingress.kubernetes.io/proxy-ssl-verify-depth"

// UIVerifyDepth returns the smallest depth to which the annotations of the ui
// endpoints let an ingress verify; ok is false where none says so.
func UIVerifyDepth(r Resource) (depth int, ok bool) {
	for _, m := range uiEndpoints(r) {
		v, _ := yamledit.Get(m, keys("annotations", verifyDepth))
		if n, err := strconv.Atoi(text(v)); err == nil && n >= 0 && (!ok || n < depth) {
			depth, ok = n, true
		}
	}
	return depth, ok
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

// FlinkREST is the address at which the REST endpoint of a FlinkDeployment is called in the cluster, and whether it
// speaks TLS: the Service <name>-rest (Apache Flink documentation, "Native Kubernetes") at rest.port.
func FlinkREST(r Resource, clusterDomain string) (address string, tls bool) {
	c, err := readConf(r)
	if err != nil {
		return "", false
	}
	port, ok := c.get("rest.port")
	if !ok {
		port = "8081"
	}
	return net.JoinHostPort(r.Name+"-rest."+r.Namespace+".svc."+clusterDomain, port), c.isTrue("security.ssl.rest.enabled")
}
