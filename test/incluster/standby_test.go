package incluster_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// withOthers trusts one more CA.
var withOthers = strings.Replace(config, "authority: true}", "authority: true}, {name: others, file: others.pem}", 1)

// TestStandbyWithAnOldConfiguration: the configuration changes while a daemon stands by. When it takes over it goes by what the
// configuration is now, and takes nothing back.
func TestStandbyWithAnOldConfiguration(t *testing.T) {
	t.Parallel()
	s, d, leader := watched(t, config)
	standby := s.start(t)
	eventually(t, "the other one stands by", func() bool { return strings.Contains(standby.output(), "standing by") })
	s.write(t, "others.pem", testCA(t, "Others"))
	s.write(t, "flowcert.yaml", withOthers)
	trust := s.truststoreOf(t, flinkGVR, "session")
	eventually(t, "the CA is trusted", func() bool { return s.truststoreOf(t, flinkGVR, "session") != trust })
	s.eventuallyPlanned(t)
	leader.terminate(t)
	s.takesNothingBack(t, standby)
	standby.terminate(t)
	s.endedWell(t, d, plain)
}

// TestTheLeaseIsLostAfterAChangeOfTheConfiguration: a daemon that has the lease again goes by the last good configuration, and
// not by that of its start.
func TestTheLeaseIsLostAfterAChangeOfTheConfiguration(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	s.write(t, "others.pem", testCA(t, "Others"))
	s.write(t, "flowcert.yaml", withOthers)
	trust := s.truststoreOf(t, flinkGVR, "session")
	eventually(t, "the CA is trusted", func() bool { return s.truststoreOf(t, flinkGVR, "session") != trust })
	s.eventuallyPlanned(t)
	s.write(t, "flowcert.yaml", withOthers+"nonsense: true\n")
	eventually(t, "it is refused", func() bool { return strings.Contains(run.output(), "the new configuration is not used") })

	s.change(t, leaseGVR, "flowcert", "somebody", func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(u.Object, "somebody", "spec", "holderIdentity")
	})
	eventually(t, "it notices", func() bool { return strings.Contains(run.output(), "the lease was lost") })
	s.leaseEnds(t)
	before := s.truststoreOf(t, flinkGVR, "session")
	eventually(t, "it has looked again", func() bool {
		return strings.Count(run.output(), "the new configuration is not used") == 2 && s.leads(t, run)
	})
	s.spoilsAndMends(t)
	if have := s.truststoreOf(t, flinkGVR, "session"); have != before {
		t.Errorf("it went back to the configuration of its start: %s", run.output())
	}
	s.write(t, "flowcert.yaml", withOthers)
	s.takesNothingBack(t, run)
	run.terminate(t)
	s.endedWell(t, d, plain)
}

// leads reports whether a daemon holds the lease.
func (s *site) leads(t *testing.T, d *daemon) bool {
	_, page := d.page(t, "/metrics")
	return strings.Contains(page, "\nflowcert_leader 1\n")
}

// spoilsAndMends waits until a pass has been made from now on.
func (s *site) spoilsAndMends(t *testing.T) {
	t.Helper()
	name := s.certificateName(t)
	s.deleteSecret(t, name)
	eventually(t, "the certificate is issued anew", func() bool { return s.certificateName(t) != name })
}

// takesNothingBack wants a daemon that leads from now on to leave the truststore as it is.
func (s *site) takesNothingBack(t *testing.T, d *daemon) {
	t.Helper()
	trust := s.truststoreOf(t, flinkGVR, "session")
	eventually(t, "it leads", func() bool { return s.leads(t, d) })
	s.spoilsAndMends(t)
	s.eventuallyPlanned(t)
	if have := s.truststoreOf(t, flinkGVR, "session"); have != trust {
		t.Errorf("it took the truststore back, from %s to %s", trust, have)
	}
}
