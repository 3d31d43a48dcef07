package renew

import (
	"fmt"
	"strings"
	"testing"
)

const manyCertificates = `apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: ea
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}%s}}
defaults: {key: {algorithm: ECDSA, size: 256}}
certificates:
`

// TestHowManyIntermediates: an intermediate lists the names that lie outside its namespace, and only as many as fit.
func TestHowManyIntermediates(t *testing.T) {
	for _, tt := range []struct {
		name, constraints, host string
		want                    int
	}{
		{"names in the namespace", "", "a-server-with-a-rather-long-name-%d.ea.svc", 1},
		{"hosts below one domain", "", "host-%d.example.com", 3},
		{"any name", ", nameConstraints: none", "host-%d.example.com", 1},
		{"a list", ", nameConstraints: {permittedDNS: [example.com]}", "host-%d.example.com", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conf := fmt.Sprintf(manyCertificates, tt.constraints)
			for i := range 600 {
				conf += fmt.Sprintf("- {secretName: s%d, dnsNames: ["+tt.host+"]}\n", i, i)
			}
			s := newSite(t, conf, nil)
			plan := s.plan(testNow)
			s.noFaults(plan)
			made := 0
			for _, a := range plan.Actions {
				if _, ok := a.(*MakeIntermediate); ok {
					made++
				}
			}
			if made != tt.want {
				t.Errorf("%d intermediates, want %d", made, tt.want)
			}
			s.apply(testNow)
			s.converged(testNow)
		})
	}
}

// TestClientWithoutName: Java holds the common name of a certificate without DNS names against the constraints above it, and
// the intermediate that is there may not permit it.
func TestClientWithoutName(t *testing.T) {
	conf := fmt.Sprintf(manyCertificates, "") + "- {secretName: server, dnsNames: [server.ea.svc]}\n"
	s := newSite(t, conf, nil)
	s.apply(testNow)
	s.write("flowcert.yaml", conf+"- {secretName: flink-client, usages: [client]}\n")
	s.reload()
	plan := s.apply(testNow)
	s.noFaults(plan)
	var made []string
	for _, a := range plan.Actions {
		made = append(made, a.What())
	}
	if all := strings.Join(made, "\n"); !strings.Contains(all, "intermediate") || !strings.Contains(all, "flink-client") {
		t.Errorf("it was made: %s", all)
	}
	s.converged(testNow)
}

// TestNamesNotPermittedAreTheAuthoritys: the fault is the authority's.
func TestNamesNotPermittedAreTheAuthoritys(t *testing.T) {
	s := newSite(t, strings.Replace(testConfig, "{selfSigned: {", "{selfSigned: {nameConstraints: {permittedDNS: [elsewhere]}, ", 1),
		map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
	for _, f := range s.plan(testNow).Faults {
		if f.Target != "authority/ea/ea" {
			t.Errorf("%v is said of %q", f.Err, f.Target)
		}
	}
	if len(s.plan(testNow).Faults) == 0 {
		t.Error("nothing is refused")
	}
}
