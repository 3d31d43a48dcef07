package pki

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestNamespaceConstraints(t *testing.T) {
	for _, c := range []struct {
		name  string
		api   string
		names []string
		want  []string
		ips   []netip.Prefix
	}{
		{"nothing named", "", nil, []string{"prod", "prod.svc", "prod.svc.cluster.local"}, nil},
		{"API domain", "apps.x.com", nil, []string{"prod", "prod.svc", "prod.svc.cluster.local", "apps.x.com"}, nil},
		{"covered names vanish", "apps.x.com",
			[]string{"a.prod", "a.prod.svc", "a.prod.svc.cluster.local", "ui.apps.x.com", "*.apps.x.com", "a", "A"},
			[]string{"prod", "prod.svc", "prod.svc.cluster.local", "apps.x.com", "a"}, nil},
		{"hosts, sorted", "", []string{"z.example", "b", "*.example.com", "Example.COM", "a.b.example.com"},
			[]string{"prod", "prod.svc", "prod.svc.cluster.local", "b", "example.com", "z.example"}, nil},
		{"a wider name takes over", "apps.x.com", []string{"svc", "x.com"}, []string{"prod", "prod.svc.cluster.local", "svc", "x.com"}, nil},
		{"addresses", "", []string{"10.0.0.2", "10.0.0.1", "10.0.0.2", "fd00::1"},
			[]string{"prod", "prod.svc", "prod.svc.cluster.local"},
			[]netip.Prefix{netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("10.0.0.2/32"), netip.MustParsePrefix("fd00::1/128")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := Constraints{PermittedDNS: c.want, PermittedIPs: c.ips}
			for range 5 {
				rand.Shuffle(len(c.names), func(i, j int) { c.names[i], c.names[j] = c.names[j], c.names[i] })
				got := NamespaceConstraints("prod", "cluster.local", c.api, c.names)
				if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("constraints (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Every name of a namespace's workloads can be signed under its constraints; leaving
// any of them out would break it: they are minimal.
func TestNamespaceConstraintsCoverAllNames(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	ep := must(EventProcessingNames("my-ep", "prod", "cluster.local", "apps.x.com", []string{"ep.example.com", "*.ep.example.org"}))
	names := append(ep, must(FlinkNames("session", "prod", "cluster.local"))...)
	names = append(names, "orders-db.databases.svc")
	c := NamespaceConstraints("prod", "cluster.local", "apps.x.com", names)
	sub := makeIntermediate(root, "sub", &c, start, start.Add(year))
	if _, err := NewLeaf(sub, leafRequest(names...)); err != nil {
		t.Errorf("under its own constraints: %v", err)
	}
	for i, dropped := range c.PermittedDNS {
		less := Constraints{PermittedDNS: slices.Delete(slices.Clone(c.PermittedDNS), i, i+1)}
		sub := makeIntermediate(root, "sub", &less, start, start.Add(year))
		_, err := NewLeaf(sub, leafRequest(names...))
		wantError(t, err, "outside the name constraints")
		if err == nil {
			t.Errorf("%q is not needed", dropped)
		}
	}
}

func TestConstraintsInTheCertificate(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	ips := []netip.Prefix{netip.MustParsePrefix("10.1.2.3/16")}
	for _, c := range []struct {
		name        string
		constraints Constraints
		permitted   string
		excluded    string
	}{
		{"no addresses", Constraints{PermittedDNS: []string{"Prod"}}, "[prod] []", "[0.0.0.0/0 ::/0]"},
		{"some", Constraints{PermittedDNS: []string{"prod"}, PermittedIPs: ips}, "[prod] [10.1.0.0/16]", "[]"},
	} {
		cert := makeIntermediate(root, "sub", &c.constraints, start, start.Add(year)).Certificate
		if got := fmt.Sprint(cert.PermittedDNSDomains, cert.PermittedIPRanges); got != c.permitted {
			t.Errorf("%s: permits %s, want %s", c.name, got, c.permitted)
		}
		if got := fmt.Sprint(cert.ExcludedIPRanges); got != c.excluded {
			t.Errorf("%s: excludes %s, want %s", c.name, got, c.excluded)
		}
		if !cert.PermittedDNSDomainsCritical {
			t.Errorf("%s: not critical", c.name)
		}
	}
}

func TestConstraintsRefused(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	for _, c := range []struct {
		name        string
		constraints Constraints
		want        string
	}{
		{"none permitted", Constraints{}, "without a permitted DNS name"},
		{"wildcard", Constraints{PermittedDNS: []string{"*.apps.x.com"}}, "without the wildcard"},
		{"leading dot", Constraints{PermittedDNS: []string{".x.com"}}, "empty"},
		{"empty name", Constraints{PermittedDNS: []string{""}}, "empty"},
		{"invalid prefix", Constraints{PermittedDNS: []string{"a"}, PermittedIPs: []netip.Prefix{{}}}, "invalid IP prefix"},
		{"mapped prefix", Constraints{PermittedDNS: []string{"a"}, PermittedIPs: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/112")}}, "IPv4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewIntermediate(root, IntermediateRequest{Subject: Subject{CommonName: "sub"}, Key: ecKey(), NotBefore: start, NotAfter: start.Add(year), Constraints: &c.constraints})
			wantError(t, err, c.want)
		})
	}
}

func TestCheckConstraints(t *testing.T) {
	root := makeRoot("root", start, start.Add(year))
	c := Constraints{PermittedDNS: []string{"prod", "apps.x.com"}, PermittedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	sub := makeIntermediate(root, "sub", &c, start, start.Add(year)).Certificate
	for _, n := range []struct {
		name string
		want bool
	}{
		{"prod", true}, {"a.prod", true}, {"A.Prod", true}, {"a.b.prod", true}, {"*.apps.x.com", true},
		{"nonprod", false}, {"x.com", false}, {"*.x.com", false}, {"prod.svc", false}, {"", false},
	} {
		if err := CheckConstraints(sub, []string{n.name}, nil); (err == nil) != n.want {
			t.Errorf("%q: %v, want allowed=%v", n.name, err, n.want)
		}
		if err := CheckConstraints(root.Certificate, []string{n.name}, nil); err != nil {
			t.Errorf("%q under a CA without constraints: %v", n.name, err)
		}
	}
	for addr, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "11.0.0.1": false, "::1": false} {
		if err := CheckConstraints(sub, nil, []netip.Addr{netip.MustParseAddr(addr)}); (err == nil) != want {
			t.Errorf("%s: %v, want allowed=%v", addr, err, want)
		}
	}
}
