package incluster_test

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/test/double"
)

// withCertificate has a Secret of a fixed name besides.
const withCertificate = config + `certificates: [{secretName: orders-db-server, dnsNames: [orders-db], key: {algorithm: ECDSA, size: 256}}]
`

// watched is a site on which the daemon has done everything.
func watched(t *testing.T, configuration string) (*site, *double.Double, *daemon) {
	t.Helper()
	s, d := running(t, plain, configuration)
	s.settled(t, d)
	run := s.start(t)
	eventually(t, "it is ready", func() bool { code, _ := run.page(t, "/readyz"); return code == 200 })
	s.eventuallyPlanned(t)
	return s, d, run
}

func TestSecretsThatSomebodySpoils(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, withCertificate)
	trust := s.oneOf(t, secrets.RoleTruststore)
	ep, flink := s.certificateName(t), s.flinkSecret(t)
	password := string(s.oneOf(t, secrets.RolePassword).Data[secrets.Password])

	// A truststore comes back as it was, under its name.
	s.deleteSecret(t, trust.Name)
	eventually(t, "the truststore is back", func() bool { return s.ours(t)[trust.Name] != nil })
	s.spoil(t, trust.Name, func(u *unstructured.Unstructured) { // all but the password
		u.SetLabels(with(u.GetLabels(), "team", "payments"))
		u.SetAnnotations(with(u.GetAnnotations(), "backup.example.com/keep", "yes"))
		_ = unstructured.SetNestedField(u.Object, base64.StdEncoding.EncodeToString([]byte(password)), "data", secrets.Password)
	})
	eventually(t, "the truststore is whole again", func() bool {
		have := s.ours(t)[trust.Name]
		return have != nil && string(have.Data["truststore.jks"]) == string(trust.Data["truststore.jks"])
	})
	if have := s.ours(t)[trust.Name]; have.Labels["team"] != "payments" || have.Annotations["backup.example.com/keep"] != "yes" {
		t.Errorf("what others wrote on it is gone: %v, %v", have.Labels, have.Annotations)
	}
	// A password that is gone is written again.
	s.deleteSecret(t, "ssl-truststore-password")
	eventually(t, "the password is back", func() bool {
		have := s.ours(t)["ssl-truststore-password"]
		return have != nil && string(have.Data[secrets.Password]) == password
	})
	// A leaf is issued anew, under another name.
	s.spoil(t, ep, nil)
	eventually(t, "there is another certificate", func() bool { return s.certificateName(t) != ep })
	s.deleteSecret(t, flink)
	eventually(t, "there is another key store", func() bool { return s.flinkSecret(t) != flink })
	// What is read by a fixed name is mended in place.
	server := func() *secrets.Secret { return s.ours(t)["orders-db-server"] }
	s.spoil(t, "orders-db-server", nil)
	eventually(t, "the database's certificate is whole", func() bool {
		have := server()
		if have == nil {
			return false
		}
		_, err := have.Identity(secrets.DefaultKeys())
		return err == nil
	})
	s.eventuallyPlanned(t)
	run.terminate(t)
	s.dropSpoilt(t, ep)
	s.endedWell(t, d, plain)
	if n := s.restarts(t, d, "session"); n != 2 { // once for the wiring, once for the key store
		t.Errorf("the session cluster restarted %d times", n)
	}
}

// with is a copy of labels or annotations with one more.
func with(m map[string]string, key, value string) map[string]string {
	out := maps.Clone(m)
	out[key] = value
	return out
}

// dropSpoilt removes what a test has spoilt and nothing uses any more: flowcert keeps it as a version that was in use.
func (s *site) dropSpoilt(t *testing.T, name string) {
	t.Helper()
	if s.ours(t)[name] != nil {
		s.deleteSecret(t, name)
	}
}

func TestSecretsThatAreNotFlowcertsAnyMore(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	trust := s.oneOf(t, secrets.RoleTruststore).Name
	s.spoil(t, trust, func(u *unstructured.Unstructured) {
		u.SetLabels(nil)
		u.SetAnnotations(nil)
	})
	eventually(t, "it is refused", func() bool {
		return strings.Contains(run.output(), "secret "+s.namespace+"/"+trust+" is there already, not made by flowcert")
	})
	// Nothing restarts that would load it; and nobody else's Secret is touched.
	s.must(t, 0, "renew", "eventProcessing/"+s.namespace+"/my-ep")
	eventually(t, "the certificate waits", func() bool {
		_, page := run.page(t, "/metrics")
		return strings.Contains(page, `flowcert_faults{target="eventProcessing/`+s.namespace+`/my-ep"} 1`)
	})
	if r := s.run(t, "apply"); r.code != 1 || s.restarts(t, d, "my-ep") != 1 || s.get(t, secretsGVR, trust).GetLabels() != nil {
		t.Errorf("it went on, after %d restarts: %s", s.restarts(t, d, "my-ep"), r)
	}
	s.deleteSecret(t, trust)
	eventually(t, "the truststore is back", func() bool { return s.ours(t)[trust] != nil })
	s.eventuallyPlanned(t)
	run.terminate(t)
	if n := s.restarts(t, d, "my-ep"); n != 2 {
		t.Errorf("it restarted %d times", n)
	}
	s.endedWell(t, d, plain)
}

func TestAPasswordThatSomebodySpoils(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	whole := s.oneOf(t, secrets.RolePassword)
	s.change(t, secretsGVR, whole.Name, "somebody", func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(u.Object, "Cg==", "data", secrets.Password)
	})
	eventually(t, "it is refused", func() bool { return strings.Contains(run.output(), "password: "+whole.Ref.String()) })
	if n := s.restarts(t, d, "session"); n != 1 {
		t.Errorf("the session cluster restarted %d times", n)
	}
	s.deleteSecret(t, whole.Name)
	s.eventuallyPlanned(t)
	run.terminate(t)
	if have := s.oneOf(t, secrets.RolePassword); string(have.Data[secrets.Password]) != string(whole.Data[secrets.Password]) {
		t.Error("the password is another one")
	}
	s.endedWell(t, d, plain)
}

func TestARootThatSomebodySpoils(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	root := s.get(t, secretsGVR, s.oneOf(t, secrets.RoleRoot).Name)
	back := func() {
		s.deleteSecret(t, root.GetName())
		u := root.DeepCopy()
		u.SetResourceVersion("")
		u.SetUID("")
		s.create(t, secretsGVR, u)
	}
	s.spoil(t, root.GetName(), nil)
	eventually(t, "it is refused", func() bool { return strings.Contains(run.output(), "refused") })
	s.must(t, 1, "plan")
	back()
	s.eventuallyPlanned(t)
	s.deleteSecret(t, root.GetName())
	eventually(t, "no other root is made", func() bool { return strings.Contains(run.output(), "the authority's root is not there") })
	s.create(t, secretsGVR, func() *unstructured.Unstructured {
		u := root.DeepCopy()
		u.SetResourceVersion("")
		u.SetUID("")
		return u
	}())
	s.eventuallyPlanned(t)
	run.terminate(t)
	if n := len(s.versions(t, secrets.RoleRoot)); n != 1 {
		t.Errorf("there are %d roots", n)
	}
	if n := s.restarts(t, d, "session") + s.restarts(t, d, "my-ep"); n != 2 {
		t.Errorf("there were %d restarts beyond the wiring", n-2)
	}
	s.endedWell(t, d, plain)
}

func TestAResourceThatIsDeletedDuringItsRollout(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	for _, which := range []struct {
		kind, name string
		document   int
	}{{"flinkDeployment", "session", 1}, {"eventProcessing", "my-ep", 0}} {
		release := d.HoldReady(s.namespace, which.name)
		s.must(t, 0, "renew", which.kind+"/"+s.namespace+"/"+which.name)
		target := which.kind + "/" + s.namespace + "/" + which.name
		eventually(t, "it rolls out", func() bool {
			_, page := run.page(t, "/metrics")
			return strings.Contains(page, `flowcert_rollouts_in_progress{target="`+target+`"} 1`)
		})
		gvr := flinkGVR
		if which.document == 0 {
			gvr = epGVR
		}
		s.delete(t, gvr, which.name)
		eventually(t, "it is missed", func() bool {
			_, page := run.page(t, "/metrics")
			return strings.Contains(page, `flowcert_blocked{reason="absent",target="`+target+`"} 1`)
		})
		release()
		s.Apply(t, s.namespace, s.expand(strings.Split(plain, "---")[which.document]))
		s.settled(t, d)
		s.eventuallyPlanned(t)
	}
	run.terminate(t)
	s.endedWell(t, d, plain)
	if !strings.Contains(run.output(), "gone before it was rolled out") {
		t.Error("it is not told that it is gone")
	}
}

// What a resource refers to is gone, and nothing of it can start any more: there is nothing to wait for.
func TestPodsThatWaitForWhatIsGone(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	s.must(t, 0, "apply")
	ep, flink := s.certificateName(t), s.flinkSecret(t)
	s.deleteSecret(t, ep)
	s.deleteSecret(t, flink)
	isFlink := func(u unstructured.Unstructured) bool { return u.GetLabels()["app"] == "session" }
	for _, pod := range s.list(t, podGVR) {
		if isFlink(pod) {
			s.delete(t, podGVR, pod.GetName())
		}
	}
	eventually(t, "the pods are there again, and cannot start", func() bool {
		return slices.ContainsFunc(s.list(t, podGVR), func(u unstructured.Unstructured) bool {
			phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
			return isFlink(u) && phase == "Pending"
		})
	})
	d.EditStatus(t, "EventProcessing", s.namespace, "my-ep", func(status map[string]any) { status["phase"] = "Pending" })
	s.must(t, 0, "apply")
	if s.certificateName(t) == ep || s.flinkSecret(t) == flink {
		t.Error("it still refers to what is gone")
	}
	s.settled(t, d)
	s.podsVerify(t, d)
	for _, l := range d.Losses() {
		t.Error("lost:", l)
	}
}
