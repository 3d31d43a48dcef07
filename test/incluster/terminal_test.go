package incluster_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestApplyOnATerminal: what is done stays, what is waited for is written over and gone at the end.
func TestApplyOnATerminal(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ width, height int }{{80, 24}, {40, 24}, {40, 2}} {
		s, d := running(t, plain, config)
		s.settled(t, d)
		first, second := d.HoldReady(s.namespace, "session"), d.HoldReady(s.namespace, "my-ep")
		o := s.onTerminal(t, size.width, size.height, "apply")
		waits := "waits  flinkDeployment/" + s.namespace + "/session: "
		if size.height == 2 {
			waits = "… and "
		}
		eventually(t, "it says what it waits for", func() bool { return strings.Contains(o.text(), shortened(waits, size.width)) })
		first()
		second()
		o.end(t, 0)
		// Lines that stay are not cut: longer ones go on in the next line.
		text := strings.ReplaceAll(o.text(), "\n", "")
		for _, once := range []string{
			"made   secret " + s.namespace + "/" + s.namespace + "-root-g1: root ", "edited eventProcessing/" + s.namespace + "/my-ep: ", "edited flinkDeployment/" + s.namespace + "/session: ",
			"ready  flinkDeployment/" + s.namespace + "/session", "ready  eventProcessing/" + s.namespace + "/my-ep",
		} {
			if n := strings.Count(text, once); n != 1 {
				t.Errorf("%d columns, %d lines: %q is there %d times", size.width, size.height, once, n)
			}
		}
		if strings.Contains(text, "waits  ") || strings.Contains(text, "… and ") {
			t.Errorf("%d columns, %d lines: what it waited for is still there", size.width, size.height)
		}
		s.endedWell(t, d, plain)
	}
}

// TestWhatIsHeldIsSaid: while one resource rolls out, the terminal also says why another one is not changed yet.
func TestWhatIsHeldIsSaid(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	first, second := d.HoldReady(s.namespace, "session"), d.HoldReady(s.namespace, "my-ep")
	pods := s.Dynamic.Resource(podGVR).Namespace(s.namespace)
	if err := pods.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=session,component=taskmanager"}); err != nil {
		t.Fatal(err)
	}
	o := s.onTerminal(t, 200, 24, "apply")
	eventually(t, "it says what is held", func() bool {
		text := o.text()
		return strings.Contains(text, "waits  eventProcessing/"+s.namespace+"/my-ep: ") &&
			strings.Contains(text, "waits  flinkDeployment/"+s.namespace+"/session: pod session-taskmanager-1-1 is ")
	})
	first()
	second()
	o.end(t, 0)
	s.endedWell(t, d, plain)
}

// shortened is what a line of a terminal has room for.
func shortened(s string, width int) string { return s[:min(len(s), width-2)] }

// TestInterruptedOnATerminal: somebody presses Ctrl-C while it waits. What it was at is said, the lease is given up, and
// another apply goes on.
func TestInterruptedOnATerminal(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	release := d.HoldReady(s.namespace, "session")
	o := s.onTerminal(t, 80, 24, "apply")
	eventually(t, "it waits", func() bool { return strings.Contains(o.text(), "waits  flinkDeployment/") })
	if _, err := o.keyboard.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	o.end(t, 1)
	text := o.text()
	if strings.Contains(text, "waits  ") || strings.Contains(text, "^C") {
		t.Error("what it waited for, or the key, is still there")
	}
	if !strings.HasSuffix(strings.TrimRight(text, "\n"), "\nerror: interrupted\nhint: run flowcert apply again: it goes on from there") {
		t.Error("it does not end with what happened and what next")
	}
	if holder, _, _ := unstructured.NestedString(s.get(t, leaseGVR, "flowcert").Object, "spec", "holderIdentity"); holder != "" {
		t.Errorf("%s still holds the lease", holder)
	}
	release()
	s.must(t, 0, "apply")
	s.endedWell(t, d, plain)
}
