package incluster_test

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flowcert/flowcert/secrets"
)

// unwire takes a field of flowcert's away, as a tool does that applies a manifest of its own.
func unwire(u *unstructured.Unstructured) {
	unstructured.RemoveNestedField(u.Object, "spec", "authoring", "tls")
}

func TestResourcesThatSomebodyChanges(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	ep, trust := s.certificateName(t), s.truststoreOf(t, epGVR, "my-ep")
	password := s.flinkConfiguration(t)["security.ssl.keystore-password"]

	s.change(t, epGVR, "my-ep", "somebody", unwire)
	eventually(t, "the certificate is back", func() bool { return s.certificateName(t) == ep })
	s.eventuallyPlanned(t)

	s.change(t, epGVR, "my-ep", "somebody", func(u *unstructured.Unstructured) {
		unstructured.RemoveNestedField(u.Object, "spec", "authoring", "template", "pod", "spec", "volumes")
	})
	eventually(t, "the volume is back", func() bool { return s.truststoreOf(t, epGVR, "my-ep") == trust })
	s.eventuallyPlanned(t)

	s.change(t, flinkGVR, "session", "somebody", func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(u.Object, "wrong", "spec", "flinkConfiguration", "security.ssl.keystore-password")
	})
	eventually(t, "it is refused or put right", func() bool {
		return s.flinkConfiguration(t)["security.ssl.keystore-password"] == password || strings.Contains(run.output(), "msg=refused")
	})
	s.settled(t, d)
	s.change(t, flinkGVR, "session", "somebody", func(u *unstructured.Unstructured) {
		unstructured.RemoveNestedField(u.Object, "spec", "flinkConfiguration", "security.ssl.keystore-password")
	})
	eventually(t, "the password is back", func() bool { return s.flinkConfiguration(t)["security.ssl.keystore-password"] == password })
	s.eventuallyPlanned(t)
	run.terminate(t)
	if !strings.Contains(run.output(), "spec.authoring.tls.secretName does not hold what it should") {
		t.Error("no reason is named")
	}
	s.endedWell(t, d, plain)
}

func TestSomebodyKeepsPuttingItBack(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	ep := s.certificateName(t)
	target := "eventProcessing/" + s.namespace + "/my-ep"
	for range 3 {
		s.settled(t, d)
		s.change(t, epGVR, "my-ep", "argocd-controller", func(u *unstructured.Unstructured) {
			unwire(u)
			_ = unstructured.SetNestedField(u.Object, strings.Repeat("x", len(u.GetResourceVersion())+int(u.GetGeneration())), "spec", "flink", "comment")
		})
		eventually(t, "it is wired again, or held", func() bool {
			return s.certificateName(t) == ep || strings.Contains(run.output(), "has put flowcert's changes back")
		})
	}
	eventually(t, "it is held", func() bool {
		_, page := run.page(t, "/metrics")
		return strings.Contains(page, `flowcert_blocked{reason="gate",target="`+target+`"} 1`)
	})
	if s.certificateName(t) != "" {
		t.Error("it was put right once too often")
	}
	if !strings.Contains(run.output(), "let it leave alone what the field manager flowcert sets") {
		t.Error("it is not told what to do")
	}
	if !strings.Contains(run.output(), `argocd-controller`) {
		t.Error("it is not told who it is")
	}
	eventually(t, "an Event tells of it", func() bool { return s.told(t, "EventProcessing", "my-ep", "Blocked", "argocd-controller") })
	// The others go on.
	before := s.flinkSecret(t)
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	eventually(t, "the other resource is renewed", func() bool { return s.flinkSecret(t) != before })
	// A process that begins anew begins to count anew.
	run.terminate(t)
	s.must(t, 0, "apply")
	s.patch(t, epGVR, "my-ep", `{"spec": {"flink": {"comment": null}}}`)
	s.settled(t, d)
	s.must(t, 0, "apply")
	s.endedWell(t, d, plain)
}

// told reports whether there is an Event with the reason and a word in its note.
func (s *site) told(t *testing.T, kind, name, reason, word string) bool {
	t.Helper()
	for _, e := range s.list(t, eventGVR) {
		about, _, _ := unstructured.NestedStringMap(e.Object, "regarding")
		note, _, _ := unstructured.NestedString(e.Object, "note")
		if about["kind"] == kind && about["name"] == name && e.Object["reason"] == reason && strings.Contains(note, word) {
			return true
		}
	}
	return false
}

// GitOps that puts a resource back to what it was still finds the version of that time.
func TestAnOldVersionIsStillThere(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	old := s.get(t, epGVR, "my-ep")
	ep := s.certificateName(t)
	s.must(t, 0, "renew", "eventProcessing/"+s.namespace+"/my-ep")
	eventually(t, "it is renewed", func() bool { return s.certificateName(t) != ep })
	s.eventuallyPlanned(t)
	renewed := s.certificateName(t)
	s.change(t, epGVR, "my-ep", "argocd-controller", func(u *unstructured.Unstructured) { u.Object["spec"] = old.DeepCopy().Object["spec"] })
	if s.ours(t)[ep] == nil {
		t.Fatal("the old version is gone")
	}
	// Its renewal was asked for, and so it goes to the version that is there already.
	eventually(t, "it refers to the newer version again", func() bool { return s.certificateName(t) == renewed })
	s.eventuallyPlanned(t)
	run.terminate(t)
	if n := len(s.versions(t, secrets.RoleCertificate)); n != 2 {
		t.Errorf("there are %d certificates", n)
	}
	s.endedWell(t, d, plain)
}

// GitOps or a backup that puts a resource back further than versions are kept: what it refers to is gone, and is flowcert's
// all the same.
func TestAnOldVersionIsGone(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	for _, of := range []struct {
		gvr          schema.GroupVersionResource
		target, name string
		version      func() string
	}{
		{epGVR, "eventProcessing", "my-ep", func() string { return s.certificateName(t) }},
		{flinkGVR, "flinkDeployment", "session", func() string { return s.flinkSecret(t) }},
	} {
		old, version := s.get(t, of.gvr, of.name), of.version()
		s.must(t, 0, "renew", of.target+"/"+s.namespace+"/"+of.name)
		eventually(t, "it is renewed", func() bool { return of.version() != version })
		s.eventuallyPlanned(t)
		renewed := of.version()
		s.deleteSecret(t, version)
		s.change(t, of.gvr, of.name, "argocd-controller", func(u *unstructured.Unstructured) { u.Object["spec"] = old.DeepCopy().Object["spec"] })
		eventually(t, "it refers to the newer version again", func() bool { return of.version() == renewed })
		s.eventuallyPlanned(t)
	}
	run.terminate(t)
	s.must(t, 0, "plan")
	s.podsVerify(t, d)
	s.nothingLost(t, plain)
	// A session cluster that cannot start is mended in the middle of its upgrade: of that alone the double complains.
	for _, l := range d.Losses() {
		t.Error("lost:", l)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	s, d, run := watched(t, config)
	s.patch(t, flinkGVR, "session", `{"metadata": {"annotations": {"flowcert.io/pause": "true"}}}`)
	eventually(t, "the pause is noted", func() bool { return strings.Contains(run.output(), "paused by its annotation") })
	before, restarts := s.flinkSecret(t), s.restarts(t, d, "session")
	ep := s.certificateName(t)
	s.deleteSecret(t, before)
	s.deleteSecret(t, ep)
	eventually(t, "the other resource goes on", func() bool { return s.certificateName(t) != ep })
	if s.flinkSecret(t) != before || s.restarts(t, d, "session") != restarts {
		t.Error("something was done to what is paused")
	}
	s.patch(t, flinkGVR, "session", `{"metadata": {"annotations": {"flowcert.io/pause": null}}}`)
	eventually(t, "it goes on", func() bool { return s.flinkSecret(t) != before })
	s.eventuallyPlanned(t)
	run.terminate(t)
	s.endedWell(t, d, plain)
}

func TestEventsMetricsAndHealth(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	release := d.HoldReady(s.namespace, "my-ep")
	run := s.start(t)
	target := "eventProcessing/" + s.namespace + "/my-ep"
	eventually(t, "it rolls out", func() bool {
		_, page := run.page(t, "/metrics")
		return strings.Contains(page, `flowcert_rollouts_in_progress{target="`+target+`"} 1`)
	})
	for _, reason := range []string{"Issued", "RolloutStarted"} {
		eventually(t, reason, func() bool { return s.told(t, "EventProcessing", "my-ep", reason, "") })
	}
	if s.told(t, "EventProcessing", "my-ep", "RolloutFinished", "") {
		t.Error("a rollout that hangs is told to be finished")
	}
	release()
	eventually(t, "it is finished", func() bool { return s.told(t, "EventProcessing", "my-ep", "RolloutFinished", "") })
	s.must(t, 0, "renew", target)
	eventually(t, "it is renewed", func() bool { return s.told(t, "EventProcessing", "my-ep", "Renewed", "its renewal was asked for") })

	// Blocked and refused.
	s.settled(t, d)
	d.EditStatus(t, "FlinkDeployment", s.namespace, "session", func(status map[string]any) { status["error"] = "boom" })
	s.must(t, 0, "renew", "flinkDeployment/"+s.namespace+"/session")
	eventually(t, "it is blocked", func() bool {
		return s.told(t, "FlinkDeployment", "session", "Blocked", "its operator reports an error")
	})
	d.EditStatus(t, "FlinkDeployment", s.namespace, "session", func(status map[string]any) { delete(status, "error") })
	s.change(t, epGVR, "my-ep", "somebody", func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(u.Object, "mine", "spec", "authoring", "tls", "secretName")
		u.SetAnnotations(nil)
	})
	eventually(t, "it is refused", func() bool { return s.told(t, "EventProcessing", "my-ep", "Refused", "not set by flowcert") })
	_, page := run.page(t, "/metrics")
	for _, want := range []string{
		`flowcert_faults{target="` + target + `"} 1`, `flowcert_actions_total{action="issue",result="done"}`,
		`flowcert_certificate_renew_at_timestamp_seconds{namespace="` + s.namespace + `",role="flink-tls"`,
		"\nflowcert_leader 1\n", "\nflowcert_configuration_valid 1\n", "flowcert_last_successful_pass_timestamp_seconds ", "flowcert_pass_duration_seconds_count ", "flowcert_build_info{",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := run.page(t, path); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	s.nothingSecret(t, map[string]string{"the log": run.output(), "the metrics": page, "the Events": s.events(t)})
}

// A daemon that is told to end ends, also in the middle of a write, and gives its lease away.
func TestTerminatedInTheMiddleOfAWrite(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	direct := s.kubeconfig
	p := s.throughProxy(t, s.User(t, s.namespace, account))
	release := make(chan struct{})
	s.atWrite(t, p, 5, func() { <-release })
	run := s.start(t)
	eventually(t, "it is in the middle of a write", func() bool { return p.written() == 5 })
	terminated := make(chan struct{})
	go func() {
		defer close(terminated)
		run.terminate(t)
	}()
	<-terminated
	close(release)
	s.kubeconfig = direct
	if u, err := s.Dynamic.Resource(leaseGVR).Namespace(s.namespace).Get(context.Background(), "flowcert", metav1.GetOptions{}); err != nil {
		t.Error(err)
	} else if holder, _, _ := unstructured.NestedString(u.Object, "spec", "holderIdentity"); holder != "" {
		t.Errorf("%s still holds the lease", holder)
	}
	s.must(t, 0, "apply")
	s.endedWell(t, d, plain)
}
