//go:build e2e

package operator

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/test/double"
	"github.com/flowcert/flowcert/test/operator"
)

// clusters are the FlinkDeployments of testdata. Their comments say what is special about each.
var clusters = []string{"session", "application", "positions", "names", "pkcs12"}

// nestedClusters are those with configuration that older operators refuse.
var nestedClusters = []string{"nested", "mixed"}

// rollouts is a site with every cluster, an operator that runs them, and what plays their JobManagers.
type rollouts struct {
	*site
	operator *operator.Operator
	jobs     *jobManagers
	clusters []string
}

// TestRollouts follows the clusters from before flowcert to another root. Nothing here could run in another order.
func TestRollouts(t *testing.T) {
	o, ns := realOperator(t)
	s := newSite(t, ns)
	r := &rollouts{s, o, playJobManagers(s, double.StartWithoutOperators(t, s.Cluster, s.namespace)), clusters}
	config := testdata(t, "flowcert.yaml")
	if operator.Since(t, operator.NestedConfiguration) {
		r.clusters = slices.Concat(clusters, nestedClusters)
		config = strings.Replace(config, "- {name: session}", "- {name: session}\n- {name: nested}\n- {name: mixed}", 1)
	} else {
		t.Logf("operator %s refuses nested configuration (TestNestedConfiguration): the clusters %v are left out", operator.Version(t), nestedClusters)
	}
	r.write(t, "flowcert.yaml", config)
	r.givePassword(t, ns)

	// The operator's pod does not start before the Secret that it mounts is there.
	if out := r.flowcert(t, "3", "apply"); !strings.Contains(out, "it does not exist yet") {
		t.Errorf("before there are clusters: %s", out)
	}
	r.mountStores(t)
	r.Apply(t, r.namespace, r.expand("{apiVersion: v1, kind: Secret, metadata: {name: s3-credentials}}"))
	for _, name := range r.clusters {
		manifest := strings.ReplaceAll(testdata(t, name+".yaml"), "PORT", r.jobs.listen(t, o, name))
		r.Apply(t, r.namespace, r.expand(manifest))
	}
	t.Cleanup(func() { r.removeClusters(t) })
	before := r.settled(t)
	for _, name := range r.clusters {
		r.called(t, name, false)
	}

	r.flowcert(t, "0", "apply")
	wired := r.settled(t)
	r.restarted(t, before, wired, r.clusters...)
	for _, name := range r.clusters {
		t.Run(name, func(t *testing.T) {
			r.called(t, name, true)
			before[name].differsAsMeant(t, wired[name])
		})
	}
	var resources []*unstructured.Unstructured
	for _, name := range r.clusters {
		resources = append(resources, r.get(t, flinkGVR, r.namespace, name))
	}
	accepted(t, resources...)
	if got := wired["application"].conf["execution.savepoint.path"]; got != "file:///flink/savepoints/of-"+before["application"].pod {
		t.Errorf("the application goes on from %q", got)
	}

	// Nothing to do, nothing done.
	r.flowcert(t, "0", "apply")
	r.restarted(t, wired, r.settled(t))

	r.flowcert(t, "0", "renew", "flinkDeployment/"+r.namespace+"/names")
	r.flowcert(t, "0", "apply")
	renewed := r.settled(t)
	r.restarted(t, wired, renewed, "names")
	r.called(t, "names", true)
	wired["names"].differsInSecrets(t, renewed["names"])

	r.flowcert(t, "0", "renew", "--ca")
	r.flowcert(t, "0", "apply")
	rolled := r.settled(t)
	r.restarted(t, renewed, rolled, r.clusters...)
	for _, name := range r.clusters {
		r.called(t, name, true)
		renewed[name].differsInSecrets(t, rolled[name])
	}
	// What the operator had loaded until now was from before the new root.
	r.mountStores(t)
	for _, name := range r.clusters {
		r.called(t, name, true)
	}

	r.passwordsShown(t, wired["session"].conf["security.ssl.keystore-password"])
	r.foreignPassword(t)
	r.foreignTrust(t)
	r.mountStores(t)
	for _, name := range r.clusters {
		r.called(t, name, true)
	}

	r.flowcert(t, "0", "revert")
	r.restarted(t, rolled, r.settled(t), r.clusters...)
	reverted := r.settled(t)
	for _, name := range r.clusters {
		before[name].same(t, reverted[name])
	}

	// The JobManagers, which are not there, would make these TaskManagers.
	var all []deployed
	for _, name := range r.clusters {
		all = append(all, before[name], wired[name], rolled[name], reverted[name])
	}
	pods := taskManagers(t, all...)
	for i, name := range r.clusters {
		made := pods[4*i:]
		samePods(t, "TaskManager of "+name+" when wired", made[0], withoutOurs(t, made[1], wired[name].wired))
		samePods(t, "TaskManager of "+name+" after another root", made[0], withoutOurs(t, made[2], rolled[name].wired))
		samePods(t, "TaskManager of "+name+" after a revert", made[0], made[3])
	}
}

// removeClusters leaves the operator nothing to do that another test's endpoints might be asked for.
func (s *site) removeClusters(t *testing.T) {
	all := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace)
	ctx := context.WithoutCancel(t.Context())
	if err := all.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
}

// mountStores puts flink-operator-cert where the operator's chart mounts it.
func (r *rollouts) mountStores(t *testing.T) {
	t.Helper()
	if err := r.operator.Mount(r.secret(t, r.site.operator, "flink-operator-cert")); err != nil {
		t.Fatal(err)
	}
}

// otherStores is a flink-operator-cert of another CA, with this password or, if that is empty, one of its own.
func (r *rollouts) otherStores(t *testing.T, password string) map[string][]byte {
	t.Helper()
	other := newSite(t, r.site.operator)
	other.write(t, "flowcert.yaml", `
apiVersion: flowcert.io/v1alpha1
kind: Config
namespace: NAMESPACE
authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkOperator: {namespace: NAMESPACE}
flinkDeployments: [{name: session}, {name: pkcs12, tls: {format: PKCS12}}]
`)
	if password != "" {
		other.Apply(t, other.namespace, other.expand("{apiVersion: v1, kind: Secret, metadata: {name: operator-certificate-password}, stringData: {password: "+password+"}}"))
	}
	other.flowcert(t, "3", "apply")
	return other.secret(t, other.namespace, "flink-operator-cert")
}

// foreignTrust gives the operator a truststore of another CA, and sees it refuse what the clusters serve.
func (r *rollouts) foreignTrust(t *testing.T) {
	t.Helper()
	// The same password, so that the CA alone is another.
	password := r.secret(t, r.site.operator, "operator-certificate-password")["password"]
	if err := r.operator.Mount(r.otherStores(t, string(password))); err != nil {
		t.Fatal(err)
	}
	r.jobs.taken()
	for _, name := range r.clusters {
		wait(t, name+" to be refused by the operator", func() (bool, string) {
			_, refused := r.jobs.seen()
			return slices.ContainsFunc(refused, func(s string) bool {
				return strings.HasPrefix(s, name+": ") && strings.Contains(s, "certificate")
			}), strings.Join(refused, "\n")
		})
	}
	// A call that had begun before is done by now.
	r.jobs.taken()
	wait(t, "another refusal", func() (bool, string) { _, refused := r.jobs.seen(); return len(refused) > 2*len(r.clusters), "" })
	if calls, _ := r.jobs.taken(); len(calls) > 0 {
		t.Errorf("the operator trusts another CA, and calls: %v", calls)
	}
}

// foreignPassword gives the operator a truststore that does not open with the password that stands in the resources: it does not even dial.
func (r *rollouts) foreignPassword(t *testing.T) {
	t.Helper()
	if err := r.operator.Mount(r.otherStores(t, "")); err != nil {
		t.Fatal(err)
	}
	from := len(r.operator.Log())
	wait(t, "the operator to fail on the password", func() (bool, string) {
		log := r.operator.Log()[from:]
		return strings.Contains(log, "Password verification failed") && strings.Contains(log, "SSLUtils.getTrustManagerFactory"), ""
	})
}

// passwordsShown makes sure of what the operator does with passwords in flinkConfiguration: it prints them in Events.
func (r *rollouts) passwordsShown(t *testing.T, password string) {
	t.Helper()
	wait(t, "an Event that shows a password", func() (bool, string) {
		events, err := r.Dynamic.Resource(eventGVR).Namespace(r.namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		return slices.ContainsFunc(events.Items, func(u unstructured.Unstructured) bool {
			message, _, _ := unstructured.NestedString(u.Object, "message")
			return u.Object["reason"] == "SpecChanged" && strings.Contains(message, password)
		}), ""
	})
}

// called waits until the operator has called a cluster's REST endpoint from now on, over TLS or without.
func (r *rollouts) called(t *testing.T, name string, encrypted bool) {
	t.Helper()
	r.jobs.taken()
	leaf := r.jobs.endpoint(name)
	wait(t, name+" to be called", func() (bool, string) {
		calls, refused := r.jobs.seen()
		return slices.ContainsFunc(calls, func(c call) bool {
			if c.cluster == name && encrypted != (c.leaf != nil) {
				t.Fatalf("%s was called with TLS: %v", name, c.leaf != nil)
			}
			return c.cluster == name && (leaf == nil || c.leaf == leaf.leaf)
		}), strings.Join(refused, "\n")
	})
}

// settled waits until the operator is done with every cluster, and returns what it made.
func (r *rollouts) settled(t *testing.T) map[string]deployed {
	t.Helper()
	out := map[string]deployed{}
	for _, name := range r.clusters {
		r.waitStable(t, name)
		out[name] = r.deployed(t, name)
	}
	return out
}

// restarted checks that the operator has replaced these clusters' Deployments, each once, and no other's.
func (r *rollouts) restarted(t *testing.T, before, after map[string]deployed, names ...string) {
	t.Helper()
	for _, name := range r.clusters {
		want := 0
		if slices.Contains(names, name) {
			want = 1
		}
		if got := after[name].replaced - before[name].replaced; got != want {
			t.Errorf("the Deployment of %s was replaced %d times, want %d", name, got, want)
		}
		if changed := before[name].uid != after[name].uid; changed != (want == 1) {
			t.Errorf("%s has another Deployment: %v", name, changed)
		}
	}
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// secret is the data of a Secret.
func (s *site) secret(t *testing.T, namespace, name string) map[string][]byte {
	t.Helper()
	data, _, err := unstructured.NestedStringMap(s.get(t, secretsGVR, namespace, name).Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for key, text := range data {
		if out[key], err = base64.StdEncoding.DecodeString(text); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// waitStable waits until the operator has brought a FlinkDeployment to its latest specification, without an error.
func (s *site) waitStable(t *testing.T, name string) {
	t.Helper()
	wait(t, name+" to be STABLE", func() (bool, string) {
		u, err := s.Dynamic.Resource(flinkGVR).Namespace(s.namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		status, _, _ := unstructured.NestedMap(u.Object, "status")
		text, _ := json.Marshal(status)
		reconciled, _, _ := unstructured.NestedString(status, "reconciliationStatus", "lastReconciledSpec")
		stable, _, _ := unstructured.NestedString(status, "reconciliationStatus", "lastStableSpec")
		return status["lifecycleState"] == "STABLE" && status["jobManagerDeploymentStatus"] == "READY" && status["error"] == nil &&
			reconciled == stable && observed(status, reconciled) == u.GetGeneration(), string(text)
	})
}

// observed is the generation that the operator has acted upon. Before it wrote observedGeneration it stood in the specification that it wrote down.
func observed(status map[string]any, snapshot string) int64 {
	if n, ok, _ := unstructured.NestedInt64(status, "observedGeneration"); ok {
		return n
	}
	var s struct {
		Resource struct{ Metadata metav1.ObjectMeta } `json:"resource_metadata"`
	}
	_ = json.Unmarshal([]byte(snapshot), &s)
	return s.Resource.Metadata.Generation
}
