package pki

import (
	"errors"
	"fmt"
	"strings"
)

// EventProcessingNames lists the DNS names of an Event Processing instance, in the
// order of IBM's documentation ("Configuring TLS", user-provided certificates):
// the Service in its four forms, the rt and ui hosts under the cluster's API
// domain, then extra. Without clusterAPI the two hosts are left out. Duplicates
// are dropped. A label that gets longer than 63 characters is an error that says
// by how much, and what to change.
func EventProcessingNames(name, namespace, clusterDomain, clusterAPI string, extra []string) ([]string, error) {
	what := fmt.Sprintf("Event Processing %s/%s", namespace, name)
	names, err := serviceNames(name, "-ibm-eventprocessing-svc", namespace, clusterDomain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if clusterAPI != "" {
		for _, kind := range []string{"-ibm-eventprocessing-rt-", "-ibm-eventprocessing-"} {
			host := name + kind + namespace
			if over := len(host) - maxLabel; over > 0 {
				return nil, fmt.Errorf("%s: %w; shorten the name or the namespace by %d characters, or leave clusterAPI out and set the hosts of spec.authoring.endpoints",
					what, tooLong(host), over)
			}
			names = append(names, host+"."+clusterAPI)
		}
	}
	names, err = checkNames(append(names, extra...))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return names, nil
}

// FlinkNames lists the DNS names of a Flink deployment's REST Service: what the
// operator, Event Processing and the pods of the deployment dial.
func FlinkNames(name, namespace, clusterDomain string) ([]string, error) {
	names, err := serviceNames(name, "-rest", namespace, clusterDomain)
	if err == nil {
		names, err = checkNames(names)
	}
	if err != nil {
		return nil, fmt.Errorf("FlinkDeployment %s/%s: %w", namespace, name, err)
	}
	return names, nil
}

// serviceNames are the four forms in which a Service is dialled. All four must
// stand in the certificate: none of them matches another, wildcards neither.
func serviceNames(name, suffix, namespace, clusterDomain string) ([]string, error) {
	if err := CheckLabel(name); err != nil {
		return nil, err
	}
	if err := CheckLabel(namespace); err != nil {
		return nil, fmt.Errorf("namespace: %w", err)
	}
	if clusterDomain == "" {
		return nil, errors.New("no cluster domain, such as cluster.local")
	}
	service := name + suffix
	if over := len(service) - maxLabel; over > 0 {
		return nil, fmt.Errorf("%w; shorten the name by %d characters", tooLong(service), over)
	}
	return []string{
		service,
		service + "." + namespace,
		service + "." + namespace + ".svc",
		service + "." + namespace + ".svc." + clusterDomain,
	}, nil
}

func tooLong(label string) error {
	return &labelError{label, fmt.Sprintf("%d characters, at most %d are allowed in a DNS label", len(label), maxLabel)}
}

// checkNames checks each name and drops repeated ones; case does not count.
func checkNames(names []string) ([]string, error) {
	seen := make(map[string]bool, len(names))
	var out []string
	for _, name := range names {
		if err := CheckDNSName(name); err != nil {
			return nil, err
		}
		if key := strings.ToLower(name); !seen[key] {
			seen[key] = true
			out = append(out, name)
		}
	}
	return out, nil
}
