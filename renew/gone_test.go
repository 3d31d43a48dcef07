package renew

import (
	"strings"
	"testing"

	"github.com/flowcert/flowcert/secrets"
)

// What somebody removed is said to be gone, although an earlier version of it is there, which is out of date.
func TestGoneIsTheReason(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	s.edit("ep.yaml", "ep.example.com", "ui.example.com")
	s.secondCA()
	month := testNow.AddDate(0, 1, 0)
	s.apply(month)
	var names []string
	for target, role := range map[string]secrets.Role{
		"eventProcessing/ea/my-ep": secrets.RoleCertificate, "truststore/ea/ssl-truststore": secrets.RoleTruststore,
	} {
		current := s.version(month, target, role)
		names = append(names, current.Name)
		s.deleteAll(current)
		if s.version(month, target, role).Name == current.Name {
			t.Fatal("there is no earlier version")
		}
	}
	plan := s.plan(month)
	s.noFaults(plan)
	for _, name := range names {
		found := false
		for _, a := range plan.Actions {
			found = found || strings.Contains(a.Reason(), name+" is gone")
		}
		if !found {
			t.Errorf("no reason says that %s is gone: %v", name, plan.Actions)
		}
	}
	s.apply(month)
}
