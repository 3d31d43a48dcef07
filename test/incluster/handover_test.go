package incluster_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/test/double"
)

// TestHandOver makes everything in a directory, gives it to the cluster with kubectl, and lets the daemon take over: it finds nothing to do.
func TestHandOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := double.Start(t, s.Cluster, s.namespace)
	s.write(t, "flowcert.yaml", config)
	documents := strings.SplitN(plain, "---\n", 2)
	s.write(t, "ep.yaml", documents[0])
	s.write(t, "flink.yaml", documents[1])
	r := s.must(t, 0, "apply", "--dir", ".")
	s.kubectl(t, "apply", "--server-side", "-f", filepath.Join(s.dir, "authority"))
	// As it prints it.
	for _, line := range strings.Split(r.stdout, "\n") {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "kubectl" && words[1] == "apply" {
			s.kubectl(t, words[1:]...)
		}
	}
	s.settled(t, d)
	before := len(s.Requests(t))
	if r := s.must(t, 0, "plan"); !strings.Contains(r.stdout, "Nothing to do") {
		t.Errorf("the first plan: %s", r)
	}
	run := s.start(t)
	eventually(t, "it is ready", func() bool { code, _ := run.page(t, "/readyz"); return code == 200 })
	run.terminate(t)
	for _, q := range s.Requests(t)[before:] {
		mine := q.Namespace == s.namespace && strings.HasPrefix(q.UserAgent, "flowcert/")
		if mine && q.Resource != "leases" && q.Resource != "events" && q.Verb != "get" && q.Verb != "list" && q.Verb != "watch" {
			t.Errorf("it wrote: %+v", q)
		}
	}
	s.endedWell(t, d, plain)
	for _, name := range []string{"session", "my-ep"} {
		if n := s.restarts(t, d, name); n != 0 {
			t.Errorf("%s restarted %d times", name, n)
		}
	}

	// A renewal in the cluster, and then back to what it was before all of it.
	s.must(t, 0, "renew", "eventProcessing/"+s.namespace+"/my-ep")
	s.must(t, 0, "apply")
	s.must(t, 0, "revert")
	s.original(t)
}

// kubectl runs it in the site's folder and namespace.
func (s *site) kubectl(t *testing.T, args ...string) {
	t.Helper()
	for i, a := range args {
		if !filepath.IsAbs(a) && i > 0 && args[i-1] == "-f" {
			args[i] = filepath.Join(s.dir, a)
		}
	}
	if out, err := s.Kubectl(t, s.Config, s.namespace, nil, args...); err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
}

// original wants the resources to be what their author wrote, and nothing else.
func (s *site) original(t *testing.T) {
	t.Helper()
	for _, document := range strings.Split(plain, "\n---") {
		want := decode(t, s.expand(document))
		gvr := epGVR
		if want.GetKind() == "FlinkDeployment" {
			gvr = flinkGVR
		}
		have := s.get(t, gvr, want.GetName())
		// Both as JSON has them.
		a, err := want.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		again := &unstructured.Unstructured{}
		if err := again.UnmarshalJSON(a); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again.Object["spec"], have.Object["spec"]) {
			t.Errorf("%s: its specification is\n%v\nand was\n%v", want.GetName(), have.Object["spec"], again.Object["spec"])
		}
		for name := range have.GetAnnotations() {
			if strings.Contains(name, "flowcert") {
				t.Errorf("%s: annotation %s is left", want.GetName(), name)
			}
		}
	}
}

func TestRevertIsExact(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	s.must(t, 0, "apply")
	s.must(t, 0, "renew", "--ca")
	s.must(t, 0, "apply")
	// Somebody puts a specification back to an earlier one of flowcert's, and it is flowcert's still.
	s.must(t, 0, "renew", "eventProcessing/"+s.namespace+"/my-ep")
	old := s.get(t, epGVR, "my-ep").DeepCopy()
	s.must(t, 0, "apply")
	s.change(t, epGVR, "my-ep", "argocd-controller", func(u *unstructured.Unstructured) { u.Object["spec"] = old.Object["spec"] })
	s.must(t, 0, "revert", "--delete-secrets")
	s.original(t)
}
