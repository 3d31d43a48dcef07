package renew

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/secrets"
)

func TestIntermediateName(t *testing.T) {
	long := strings.Repeat("x", 63)
	for _, tt := range []struct {
		root, namespace string
		generation      int
		want            string
	}{
		{"ea CA", "ea", 1, "ea CA intermediate ea"},
		{"ea CA", "ea", 2, "ea CA intermediate ea G2"},
		{strings.Repeat("r", 60), "ea", 1, strings.Repeat("r", 48) + " intermediate ea"},
		{"ea CA", long, 3, strings.Repeat("x", 61) + " G3"},
	} {
		got := intermediateName(tt.root, tt.namespace, tt.generation)
		if got != tt.want || len(got) > 64 {
			t.Errorf("%q %q %d: %q (%d), want %q", tt.root, tt.namespace, tt.generation, got, len(got), tt.want)
		}
	}
}

// TestManyNames: what does not fit into one intermediate is split over several,
// and every leaf finds the one that permits its names.
func TestManyNames(t *testing.T) {
	var instances, manifests []string
	for i := range 80 {
		instances = append(instances, fmt.Sprintf("{name: ep-%d}", i))
		host := fmt.Sprintf("a-rather-long-host-name-for-browsers-%d.department.example.com", i)
		manifests = append(manifests, strings.NewReplacer("my-ep", fmt.Sprintf("ep-%d", i), "ep.example.com", host).Replace(testEventProcessing))
	}
	configuration := strings.Replace(testConfig, "[{name: my-ep}]", "["+strings.Join(instances, ", ")+"]", 1)
	configuration = strings.Replace(configuration, "defaults: {key: {algorithm: RSA, size: 2048}}", "defaults: {key: {algorithm: ECDSA, size: 256}}", 1)
	s := newSite(t, configuration, map[string]string{"all.yaml": strings.Join(manifests, "---\n"), "flink.yaml": testFlink})
	s.apply(testNow)
	var intermediates []string
	for _, secret := range s.observe(testNow).versions[slot{"authority/ea/ea", secrets.RoleIntermediate}] {
		id, err := secret.Identity(secrets.DefaultKeys())
		if err != nil {
			t.Fatal(err)
		}
		if size := len(id.Chain[0].Raw); size > 8192 {
			t.Errorf("an intermediate has %d bytes", size)
		}
		if slices.Contains(intermediates, id.Chain[0].Subject.CommonName) {
			t.Errorf("two intermediates are called %q", id.Chain[0].Subject.CommonName)
		}
		intermediates = append(intermediates, id.Chain[0].Subject.CommonName)
	}
	if len(intermediates) < 3 {
		t.Errorf("%d intermediates, want two or more for namespace ea and one for flink", len(intermediates))
	}
}

// TestNamesNotPermitted: what no intermediate could sign is refused before the
// authority is made.
func TestNamesNotPermitted(t *testing.T) {
	for _, mode := range []string{"{permittedDNS: [ea, example.org]}"} {
		s := newSite(t, strings.Replace(testConfig, "size: 256}}", "size: 256}, nameConstraints: "+mode+"}", 1), map[string]string{"ep.yaml": testEventProcessing, "flink.yaml": testFlink})
		plan := s.plan(testNow)
		if len(plan.Faults) == 0 || !strings.Contains(plan.Faults[0].Err.Error(), "does not cover") {
			t.Errorf("%s: %v", mode, plan.Faults)
		}
	}
}
