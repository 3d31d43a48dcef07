package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowcert/flowcert/pki"
)

// What a single value stands for. Messages leave out values in which people carry
// passwords: URLs and addresses.

// consolePrefix begins the host name of every OpenShift cluster's console.
const consolePrefix = "console-openshift-console."

// parseClusterAPI takes the apps domain, or the URL of the OpenShift console.
func parseClusterAPI(s string) (string, error) {
	const wanted = "write the apps domain alone, such as apps.clusterapi.com, or the console's URL"
	host := s
	if strings.Contains(s, "://") {
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil:
			return "", errors.New("is not the URL of a console; " + wanted)
		case strings.HasPrefix(u.Hostname(), "api."):
			return "", errors.New("is the URL of the API server; " + wanted)
		case !strings.HasPrefix(strings.ToLower(u.Hostname()), consolePrefix):
			return "", errors.New("is a URL, but not the OpenShift console's (https://" + consolePrefix + "apps.…); " + wanted)
		}
		host = u.Hostname()
	}
	host = strings.TrimPrefix(strings.ToLower(host), consolePrefix)
	switch {
	case strings.HasPrefix(host, "*."):
		return "", errors.New("begins with a wildcard; write the domain without it")
	case strings.ContainsAny(host, "/:@"):
		return "", errors.New("is not a domain; " + wanted)
	}
	return host, pki.CheckDNSName(host)
}

// checkAddress takes host:port.
func checkAddress(s string) (string, error) {
	if strings.Contains(s, "/") {
		return "", errors.New("is a URL; write host:port alone, such as orders-db.databases.svc:5432")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return "", errors.New("is not host:port; write it like orders-db.databases.svc:5432, or [2001:db8::1]:5432")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("port %s is not a number from 1 to 65535", quote(port))
	}
	if _, err := parseIPAddress(host); err == nil {
		return s, nil
	}
	if strings.HasPrefix(host, "*.") {
		return "", errors.New("a wildcard is no address; write one host")
	}
	return s, pki.CheckDNSName(host)
}

// parseFingerprint takes a SHA-256 as openssl and browsers print it.
func parseFingerprint(s string) (string, error) {
	hex := strings.ToLower(strings.ReplaceAll(s, ":", ""))
	if len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%s is not a SHA-256 fingerprint; wanted are 64 hex digits, colons allowed", quote(s))
	}
	return hex, nil
}

// parseIPAddress takes one address that can be dialled.
func parseIPAddress(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil && strings.Contains(s, "/"):
		return netip.Addr{}, fmt.Errorf("%s is a range; write single addresses", quote(s))
	case err != nil:
		return netip.Addr{}, fmt.Errorf("%s is not an IP address; names belong to dnsNames", quote(s))
	case a.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%s has a zone; certificates hold addresses without one", quote(s))
	case a.Unmap().IsUnspecified() || a.IsMulticast():
		return netip.Addr{}, fmt.Errorf("%s is no address of a server", quote(s))
	}
	return a.Unmap(), nil
}

// parseRef takes name or namespace/name; what they are called is for the workloads to say.
func parseRef(s string) (Ref, error) {
	namespace, name, ok := strings.Cut(s, "/")
	if !ok {
		return Ref{Name: s}, nil
	}
	if namespace == "" || name == "" || strings.Contains(name, "/") {
		return Ref{}, fmt.Errorf("%s is neither name nor namespace/name", quote(s))
	}
	return Ref{namespace, name}, nil
}

// String is namespace/name.
func (r Ref) String() string { return r.Namespace + "/" + r.Name }

// TargetKind is a kind of entry, as the configuration and the commands spell it.
type TargetKind string

// The kinds of targets.
const (
	KindEventProcessing TargetKind = "eventProcessing"
	KindFlinkDeployment TargetKind = "flinkDeployment"
	KindCertificate     TargetKind = "certificate"
)

var targetKinds = []string{string(KindEventProcessing), string(KindFlinkDeployment), string(KindCertificate)}

// Target names an entry that has a leaf.
type Target struct {
	Kind            TargetKind
	Namespace, Name string
}

// ParseTarget reads kind/namespace/name. It does not tell whether that is configured: see
// Config.Has.
func ParseTarget(s string) (Target, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return Target{}, fmt.Errorf("%s is not kind/namespace/name, such as certificate/databases/orders-db-server", quote(s))
	}
	if !slices.Contains(targetKinds, parts[0]) {
		return Target{}, fmt.Errorf("kind %s is not known%s; known: %s",
			quote(parts[0]), didYouMean(parts[0], targetKinds), strings.Join(targetKinds, ", "))
	}
	return Target{TargetKind(parts[0]), parts[1], parts[2]}, nil
}

// String is kind/namespace/name.
func (t Target) String() string { return string(t.Kind) + "/" + t.Namespace + "/" + t.Name }

// checkTimeZone takes an IANA name. Local would mean another time on each machine.
func checkTimeZone(s string) (string, error) {
	if _, err := time.LoadLocation(s); err != nil || s == "Local" {
		return "", fmt.Errorf("time zone %s is not known on this machine; write an IANA name such as Europe/London or UTC "+
			"(a bare container needs the package tzdata)", quote(s))
	}
	return s, nil
}
