package pki

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Constraints are the name constraints of an intermediate (RFC 5280 4.2.1.10), set
// critical. They stand on intermediates and never on roots: Java ignores them there.
type Constraints struct {
	// PermittedDNS are domains, lower case, without a leading dot or wildcard. Each
	// permits itself and every name below it: "apps.x.com" permits "a.apps.x.com" and
	// "*.apps.x.com". At least one is needed: an absent list would permit every name.
	PermittedDNS []string
	// PermittedIPs are the ranges of IP addresses that may be named. Empty: all IP
	// addresses are excluded.
	PermittedIPs []netip.Prefix
}

func (c Constraints) validate() error {
	if len(c.PermittedDNS) == 0 {
		return errors.New("name constraints without a permitted DNS name; with none, X.509 permits them all")
	}
	for _, name := range c.PermittedDNS {
		if strings.HasPrefix(name, "*") {
			return fmt.Errorf("name constraint %q: write the domain without the wildcard", shorten(name))
		}
		if err := CheckDNSName(name); err != nil {
			return fmt.Errorf("name constraint: %w", err)
		}
	}
	for _, p := range c.PermittedIPs {
		if !p.IsValid() {
			return errors.New("name constraint: invalid IP prefix")
		}
		if p.Addr().Is4In6() {
			return fmt.Errorf("name constraint %s: write it as an IPv4 prefix", p)
		}
	}
	return nil
}

// apply writes the constraints into a template.
func (c Constraints) apply(cert *x509.Certificate) {
	cert.PermittedDNSDomainsCritical = true
	for _, name := range c.PermittedDNS {
		cert.PermittedDNSDomains = append(cert.PermittedDNSDomains, strings.ToLower(name))
	}
	for _, p := range c.PermittedIPs {
		cert.PermittedIPRanges = append(cert.PermittedIPRanges, ipNet(p.Masked()))
	}
	if len(c.PermittedIPs) == 0 {
		// A permitted DNS list says nothing about IP addresses, so they are excluded by name.
		cert.ExcludedIPRanges = []*net.IPNet{
			ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0)),
			ipNet(netip.PrefixFrom(netip.IPv6Unspecified(), 0)),
		}
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// NamespaceConstraints says what the intermediate of a namespace may sign: the
// namespace's Services (below <ns>, <ns>.svc and <ns>.svc.<cluster domain>), the
// hosts of the API domain where there is one, and every name in names: hosts,
// single-label Service names, a wildcard by its domain. An IP address in names is
// permitted as that one address; without any, IP addresses are excluded.
//
// What is covered by another entry is left out, as a permitted "x" covers "a.x". The
// namespace's domains come first, then the API domain, then the rest sorted, so
// the result does not depend on the order of names.
func NamespaceConstraints(namespace, clusterDomain, clusterAPI string, names []string) Constraints {
	fixed := []string{namespace, namespace + ".svc", namespace + ".svc." + clusterDomain}
	if clusterAPI != "" {
		fixed = append(fixed, clusterAPI)
	}
	var named []string
	var c Constraints
	for _, name := range names {
		if addr, err := netip.ParseAddr(name); err == nil {
			addr = addr.Unmap().WithZone("")
			c.PermittedIPs = append(c.PermittedIPs, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		named = append(named, strings.TrimPrefix(name, "*."))
	}
	slices.SortFunc(c.PermittedIPs, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	c.PermittedIPs = slices.Compact(c.PermittedIPs)
	slices.SortFunc(named, func(a, b string) int {
		return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
	})
	c.PermittedDNS = widest(append(fixed, named...))
	return c
}

// widest drops the domains that another one covers, and lowers the case.
func widest(domains []string) []string {
	all := make(map[string]bool, len(domains))
	for _, d := range domains {
		all[strings.ToLower(d)] = true
	}
	covered := func(d string) bool {
		for {
			_, parent, ok := strings.Cut(d, ".")
			if !ok {
				return false
			}
			if all[parent] {
				return true
			}
			d = parent
		}
	}
	var out []string
	for _, d := range domains {
		d = strings.ToLower(d)
		if all[d] && !covered(d) && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// CheckConstraints reports the first name that the CA's name constraints do not
// allow; nil where it has none. It looks at this one certificate, not at those
// above it: [VerifyChain] does.
func CheckConstraints(ca *x509.Certificate, dnsNames []string, ips []netip.Addr) error {
	for _, name := range dnsNames {
		if !allowsDNS(ca, name) {
			return fmt.Errorf("DNS name %q is outside the name constraints of %q (it may sign for %s)",
				name, displayName(ca), list(ca.PermittedDNSDomains))
		}
	}
	for _, ip := range ips {
		if !allowsIP(ca, ip) {
			return fmt.Errorf("IP address %s is outside the name constraints of %q", ip, displayName(ca))
		}
	}
	return nil
}

func list(domains []string) string {
	const most = 8
	if len(domains) == 0 {
		return "other names than that"
	}
	if len(domains) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(domains[:most], ", "), len(domains)-most)
	}
	return strings.Join(domains, ", ")
}

func allowsDNS(ca *x509.Certificate, name string) bool {
	within := func(c string) bool { return dnsWithin(name, c) }
	if len(ca.PermittedDNSDomains) > 0 && !slices.ContainsFunc(ca.PermittedDNSDomains, within) {
		return false
	}
	return !slices.ContainsFunc(ca.ExcludedDNSDomains, func(c string) bool {
		// "*.x" could stand for an excluded "a.x".
		_, parent, _ := strings.Cut(c, ".")
		return within(c) || strings.EqualFold(name, "*."+parent)
	})
}

// dnsWithin: a constraint is met by the same name and by names with labels in front
// of it (RFC 5280 4.2.1.10); with a leading dot, which some CAs write, only by the latter.
func dnsWithin(name, constraint string) bool {
	name, constraint = strings.ToLower(name), strings.ToLower(constraint)
	if constraint == "" || name == constraint {
		return true
	}
	return strings.HasSuffix(name, "."+strings.TrimPrefix(constraint, "."))
}

func allowsIP(ca *x509.Certificate, ip netip.Addr) bool {
	contains := func(n *net.IPNet) bool {
		return (len(n.IP) == net.IPv4len) == ip.Unmap().Is4() && n.Contains(ip.Unmap().AsSlice())
	}
	if len(ca.PermittedIPRanges) > 0 && !slices.ContainsFunc(ca.PermittedIPRanges, contains) {
		return false
	}
	return !slices.ContainsFunc(ca.ExcludedIPRanges, contains)
}

// namesToConstrain adds the common name to the names that constraints bind where no
// SAN of its kind stands beside it: Java does so for every CN that could be a DNS
// name or an IP address (NameConstraintsExtension.verify), OpenSSL for a DNS name
// with a dot (NAME_CONSTRAINTS_check_CN).
func namesToConstrain(cn string, dnsNames []string, ips []netip.Addr) ([]string, []netip.Addr) {
	if addr, err := netip.ParseAddr(cn); err == nil {
		if len(ips) == 0 {
			ips = []netip.Addr{addr}
		}
	} else if len(dnsNames) == 0 && couldBeDNS(cn) {
		dnsNames = []string{cn}
	}
	return dnsNames, ips
}

// couldBeDNS is wider than CheckDNSName: both take numbers, and OpenSSL underscores.
func couldBeDNS(cn string) bool {
	return cn != "" && strings.Trim(strings.ToLower(cn), "abcdefghijklmnopqrstuvwxyz0123456789-._*") == ""
}
