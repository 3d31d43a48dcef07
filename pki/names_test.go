package pki

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckDNSName(t *testing.T) {
	a63 := strings.Repeat("a", 63)
	n253 := strings.Join([]string{a63, a63, a63, strings.Repeat("b", 61)}, ".")
	for _, c := range []struct{ name, want string }{
		{"a", ""},
		{"my-ep-svc", ""},
		{"MY-EP.Example.COM", ""},
		{"3com.example", ""},
		{"1.2.3.4.example", ""},
		{"xn--bcher-kva.example", ""},
		{"*.apps.x.com", ""},
		{a63, ""},
		{n253, ""},
		{n253 + "b", "254 characters, at most 253"},
		{a63 + "a.x", "64 characters, at most 63"},
		{"", "empty"},
		{".", "ends in a dot"},
		{"a.", "ends in a dot"},
		{".a", "empty; two dots"},
		{"a..b", "empty; two dots"},
		{"-a.b", "hyphen"},
		{"a-.b", "hyphen"},
		{"a_b.c", `holds "_"`},
		{"a b", `holds " "`},
		{"a\nb", `holds "\n"`},
		{"a\x00b", `holds "\x00"`},
		{"bücher.example", "punycode"},
		{"*", "alone at the front"},
		{"*.com", "at least two labels"},
		{"*.", "at least two labels"},
		{"a.*.com", "alone at the front"},
		{"*a.b.com", "alone at the front"},
		{"*.*.b.com", "alone at the front"},
		{"10.0.0.1", "an IP address"},
		{"fd00::1", "an IP address"},
		{"[fd00::1]", "an IP address"},
		{"a.1", "the last label is a number"},
		{"123", "the last label is a number"},
		{"https://a.b", `holds ":"`},
		{"a.b:443", `holds ":"`},
		{"<namespace>", `holds "<"`},
		{strings.Repeat("a.", 1<<19), "at most 253"},
	} {
		t.Run(shorten(c.name), func(t *testing.T) { wantError(t, CheckDNSName(c.name), c.want) })
	}
	err := CheckDNSName(strings.Repeat("x", 1<<20))
	if err == nil || len(err.Error()) > 1000 {
		t.Errorf("an endless message, or none: %.100v", err)
	}
}

func TestCheckLabel(t *testing.T) {
	for _, c := range []struct{ label, want string }{
		{"a", ""},
		{"my-ep-1", ""},
		{"1st", ""},
		{"123", ""},
		{strings.Repeat("a", 63), ""},
		{strings.Repeat("a", 64), "64 characters, at most 63"},
		{"", "empty name"},
		{"A", "upper case"},
		{"a.b", `holds "."`},
		{"a_b", `holds "_"`},
		{"-a", "hyphen"},
		{"a-", "hyphen"},
		{"ä", "beyond ASCII"},
	} {
		t.Run(c.label, func(t *testing.T) { wantError(t, CheckLabel(c.label), c.want) })
	}
}

func TestEventProcessingNames(t *testing.T) {
	service := []string{
		"my-ep-ibm-eventprocessing-svc",
		"my-ep-ibm-eventprocessing-svc.prod",
		"my-ep-ibm-eventprocessing-svc.prod.svc",
		"my-ep-ibm-eventprocessing-svc.prod.svc.cluster.local",
	}
	hosts := []string{
		"my-ep-ibm-eventprocessing-rt-prod.apps.x.com",
		"my-ep-ibm-eventprocessing-prod.apps.x.com",
	}
	for _, c := range []struct {
		name  string
		api   string
		extra []string
		want  []string
	}{
		{"with an API domain", "apps.x.com", nil, slices.Concat(service, hosts)},
		{"without", "", nil, service},
		{"extra", "", []string{"ep.example.com", "*.ep.example.com"}, append(slices.Clone(service), "ep.example.com", "*.ep.example.com")},
		{"repeated", "apps.x.com", []string{"EP.example.com", "ep.example.com", strings.ToUpper(hosts[1])}, slices.Concat(service, hosts, []string{"EP.example.com"})},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := EventProcessingNames("my-ep", "prod", "cluster.local", c.api, c.extra)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventProcessingNamesRefusals(t *testing.T) {
	n40, n39 := strings.Repeat("a", 40), strings.Repeat("a", 39)
	for _, c := range []struct {
		what, name, namespace, domain, api string
		extra                              []string
		want                               string
	}{
		{"just fits", n39, "ns", "cluster.local", "", nil, ""},
		{"service too long", n40, "ns", "cluster.local", "", nil,
			`label "` + n40 + `-ibm-eventprocessing-svc": 64 characters, at most 63 are allowed in a DNS label; shorten the name by 1 characters`},
		{"host too long", "my-ep", strings.Repeat("n", 40), "cluster.local", "apps.x.com", nil, "shorten the name or the namespace by 6 characters"},
		{"host too long, no API", "my-ep", strings.Repeat("n", 40), "cluster.local", "", nil, ""},
		{"bad name", "My-EP", "ns", "cluster.local", "", nil, "upper case"},
		{"bad namespace", "my-ep", "a.b", "cluster.local", "", nil, "namespace"},
		{"placeholder", "my-ep", "<namespace>", "cluster.local", "", nil, `holds "<"`},
		{"no domain", "my-ep", "ns", "", "", nil, "no cluster domain"},
		{"bad domain", "my-ep", "ns", "cluster..local", "", nil, "DNS name"},
		{"domain with dot", "my-ep", "ns", "cluster.local.", "", nil, "ends in a dot"},
		{"URL for a domain", "my-ep", "ns", "cluster.local", "https://x.com", nil, "DNS name"},
		{"bad extra", "my-ep", "ns", "cluster.local", "", []string{"10.0.0.1"}, "an IP address"},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := EventProcessingNames(c.name, c.namespace, c.domain, c.api, c.extra)
			wantError(t, err, c.want)
		})
	}
}

func TestFlinkNames(t *testing.T) {
	got, err := FlinkNames("session", "prod", "cluster.local")
	want := []string{"session-rest", "session-rest.prod", "session-rest.prod.svc", "session-rest.prod.svc.cluster.local"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("names (-want +got), %v:\n%s", err, diff)
	}
	_, err = FlinkNames(strings.Repeat("f", 59), "prod", "cluster.local")
	wantError(t, err, "64 characters, at most 63 are allowed in a DNS label; shorten the name by 1 characters")
	_, err = FlinkNames("f", "prod", "*.local")
	wantError(t, err, "alone at the front")
}
