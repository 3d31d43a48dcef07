package deploy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	runningMade = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	ours        = map[string]time.Time{"tls-0000000001": runningMade.Add(-time.Hour), "tls-0000000002": runningMade}
)

// runningFlink is a FlinkDeployment in a cluster that refers to a version.
func runningFlink(secret string, status map[string]any) Resource {
	return Resource{
		Kind: FlinkDeploymentKind, Namespace: "ns", Name: "session", Generation: 2, Status: status,
		Object: map[string]any{"spec": map[string]any{"flinkConfiguration": map[string]any{"kubernetes.secrets": secret + ":/opt/flink/tls-cert"}}},
	}
}

func stable(change map[string]any) map[string]any {
	out := map[string]any{
		"lifecycleState": "STABLE", "jobManagerDeploymentStatus": "READY", "observedGeneration": int64(2),
		"reconciliationStatus": map[string]any{"lastReconciledSpec": "{}", "lastStableSpec": "{}"},
	}
	for k, v := range change {
		out[k] = v
	}
	return out
}

func flinkPod(secret string) Pod {
	return Pod{Namespace: "ns", Name: "session-1", Labels: map[string]string{"app": "session", "type": "flink-native-kubernetes"}, Ready: true, Started: runningMade.Add(time.Minute), Secrets: []string{secret}}
}

func TestFlinkHealth(t *testing.T) {
	pods := Running{Pods: []Pod{flinkPod("tls-0000000002")}}
	tests := []struct {
		name   string
		status map[string]any
		run    Running
		want   Health
	}{
		{"never seen by its operator", map[string]any{}, Running{}, Health{Idle: true}},
		{"suspended", stable(map[string]any{"lifecycleState": "SUSPENDED", "jobManagerDeploymentStatus": "MISSING"}), Running{}, Health{Idle: true}},
		{"healthy", stable(nil), pods, Health{}},
		{"change not seen", stable(map[string]any{"observedGeneration": int64(1)}), pods, Health{Rolling: "its operator has not seen"}},
		{"change begun", stable(map[string]any{"lifecycleState": "UPGRADING"}), pods, Health{Rolling: "its lifecycle state is UPGRADING"}},
		{"JobManager not ready", stable(map[string]any{"jobManagerDeploymentStatus": "DEPLOYING"}), pods, Health{Rolling: "its JobManager is DEPLOYING"}},
		{"rolled back", stable(map[string]any{"lifecycleState": "ROLLED_BACK"}), pods, Health{Failed: "rolled the last change back", Rolling: "ROLLED_BACK"}},
		{"failed", stable(map[string]any{"lifecycleState": "FAILED"}), pods, Health{Unfit: "FAILED"}},
		{"error", stable(map[string]any{"error": "boom"}), pods, Health{Unfit: "reports an error"}},
		{"savepoint", stable(map[string]any{"jobStatus": map[string]any{"savepointInfo": map[string]any{"triggerId": "x"}}}), pods, Health{Unfit: "a savepoint"}},
		{"first deployment", map[string]any{"lifecycleState": "DEPLOYED", "jobManagerDeploymentStatus": "DEPLOYING", "observedGeneration": int64(2),
			"reconciliationStatus": map[string]any{"lastReconciledSpec": "{}"}}, Running{}, Health{Fresh: true, Rolling: "DEPLOYED"}},
		{"an old pod is left", stable(nil), Running{Pods: []Pod{flinkPod("tls-0000000002"), flinkPod("tls-0000000001")}}, Health{Rolling: "still mounts tls-0000000001"}},
		{"a pod leaves", stable(nil), Running{Pods: []Pod{{Namespace: "ns", Name: "x", Labels: flinkPod("").Labels, Leaving: true, Ready: true, Started: runningMade}, flinkPod("tls-0000000002")}}, Health{Rolling: "is still leaving"}},
		{"another's pod", stable(nil), Running{Pods: []Pod{flinkPod("tls-0000000002"), {Namespace: "ns", Name: "x", Labels: map[string]string{"app": "other", "type": "flink-native-kubernetes"}, Secrets: []string{"tls-0000000001"}}}}, Health{}},
		{"a template names the old one", stable(nil), Running{Pods: pods.Pods, Controllers: []Controller{{Kind: "Deployment", Namespace: "ns", Name: "session", PodLabels: flinkPod("").Labels, Replicas: 1, Secrets: []string{"tls-0000000001"}}}}, Health{Rolling: "deployment session still names"}},
		{"an emptied template", stable(nil), Running{Pods: pods.Pods, Controllers: []Controller{{Kind: "ReplicaSet", Namespace: "ns", Name: "session", PodLabels: flinkPod("").Labels, Secrets: []string{"tls-0000000001"}}}}, Health{}},
		{"pods that do not mount it yet", stable(nil), Running{Pods: []Pod{flinkPod("other")}}, Health{Rolling: "no pod mounts tls-0000000002 yet"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := runningFlink("tls-0000000002", tt.status)
			sameHealth(t, HealthOf(r, RunningOf(r, tt.run), ours), tt.want)
		})
	}
}

// sameHealth compares; a clause has to contain what is wanted.
func sameHealth(t *testing.T, got, want Health) {
	t.Helper()
	if got.Idle != want.Idle || got.Fresh != want.Fresh {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, c := range [][2]string{{got.Rolling, want.Rolling}, {got.Unfit, want.Unfit}, {got.Failed, want.Failed}} {
		if (c[1] == "") != (c[0] == "") || !strings.Contains(c[0], c[1]) {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}

func TestApplicationHealth(t *testing.T) {
	r := runningFlink("tls-0000000002", stable(map[string]any{"jobStatus": map[string]any{"state": "RECONCILING"}}))
	r.Object["spec"].(map[string]any)["job"] = map[string]any{"upgradeMode": "savepoint"}
	sameHealth(t, HealthOf(r, Running{}, nil), Health{Rolling: "its job is RECONCILING"})
	r.Status["jobStatus"] = map[string]any{"state": "FAILED"}
	sameHealth(t, HealthOf(r, Running{}, nil), Health{Unfit: "its job is FAILED"})
	r.Status["jobStatus"] = map[string]any{"state": "RUNNING"}
	sameHealth(t, HealthOf(r, Running{}, nil), Health{})
}

func TestEventProcessingHealth(t *testing.T) {
	labels := map[string]string{"app.kubernetes.io/instance": "ep"}
	set := func(change func(*Controller)) Running {
		c := Controller{Kind: "StatefulSet", Namespace: "ns", Name: "ep-sts", PodLabels: labels, Generation: 2, Observed: 2, Replicas: 1, Updated: 1, Ready: 1}
		if change != nil {
			change(&c)
		}
		return Running{Controllers: []Controller{c}, Pods: []Pod{{Namespace: "ns", Name: "ep-sts-0", Labels: labels, Ready: true}}}
	}
	started := func(after time.Duration) Running {
		run := set(nil)
		run.Pods[0].Started = runningMade.Add(after)
		return run
	}
	tests := []struct {
		name  string
		phase string
		run   Running
		want  Health
	}{
		{"never run", "", Running{}, Health{Idle: true}},
		{"runs", "Running", set(nil), Health{}},
		{"pending", "Pending", set(nil), Health{Rolling: "its phase is Pending", Unfit: "has not been Running once"}},
		{"not looked at", "Running", set(func(c *Controller) { c.Observed = 1 }), Health{Rolling: "has not been looked at"}},
		{"rolls", "Running", set(func(c *Controller) { c.Updated = 0 }), Health{Rolling: "is rolling out"}},
		{"does not answer", "Running", set(func(c *Controller) { c.Ready = 0 }), Health{Rolling: "is rolling out"}},
		{"a pod was deleted a moment ago", "Running", Running{Controllers: set(nil).Controllers}, Health{Rolling: "is missing"}},
		{"a pod from before", "Running", started(-time.Second), Health{Rolling: "pod ep-sts-0 may have started before tls-0000000002 was there"}},
		{"a pod to which its operator hands a copy", "Running", started(0), Health{}},
		{"scaled down", "Running", set(func(c *Controller) { c.Replicas, c.Updated, c.Ready = 0, 0, 0 }), Health{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Resource{Kind: EventProcessingKind, Namespace: "ns", Name: "ep", Status: map[string]any{"phase": tt.phase},
				Object: map[string]any{"spec": map[string]any{"authoring": map[string]any{"tls": map[string]any{"secretName": "tls-0000000002"}}}}}
			sameHealth(t, HealthOf(r, RunningOf(r, tt.run), ours), tt.want)
		})
	}
}

func TestLosesState(t *testing.T) {
	session := func(conf map[string]any) Resource {
		return Resource{Kind: FlinkDeploymentKind, Object: map[string]any{"spec": map[string]any{"flinkConfiguration": conf}}}
	}
	job := func(mode string) Resource {
		return Resource{Kind: FlinkDeploymentKind, Object: map[string]any{"spec": map[string]any{"job": map[string]any{"upgradeMode": mode}}}}
	}
	for _, tt := range []struct {
		name  string
		r     Resource
		loses bool
	}{
		{"session without high availability", session(map[string]any{}), true},
		{"session with it", session(map[string]any{"high-availability.type": "kubernetes", "high-availability.storageDir": "s3://x"}), false},
		{"stateless job", job("stateless"), true},
		{"a job whose mode is the default", job(""), true},
		{"savepoint", job("savepoint"), false},
		{"last state", job("last-state"), false},
	} {
		if loses, _ := LosesState(tt.r); (loses != "") != tt.loses {
			t.Errorf("%s: %q", tt.name, loses)
		}
	}
}

func TestMentionsInHistory(t *testing.T) {
	r := Resource{Status: map[string]any{"reconciliationStatus": map[string]any{"lastStableSpec": `{"spec":{"flinkConfiguration":{"kubernetes.secrets":"tls-0000000001:/opt"}}}`}}}
	if !r.MentionsInHistory("tls-0000000001") || r.MentionsInHistory("tls-0000000002") {
		t.Error("what the operator may go back to is not read from its status")
	}
}

// TestNoObservedGeneration: Flink's operator writes it since 1.8; before, what it has seen stands in the specification that it wrote down.
func TestNoObservedGeneration(t *testing.T) {
	for seen, want := range map[int64]Health{1: {Rolling: "has not seen the last change"}, 2: {}} {
		status := stable(nil)
		delete(status, "observedGeneration")
		status["reconciliationStatus"] = map[string]any{"lastStableSpec": "{}",
			"lastReconciledSpec": fmt.Sprintf(`{"spec":{},"resource_metadata":{"apiVersion":"flink.apache.org/v1beta1","metadata":{"generation":%d}}}`, seen)}
		r := runningFlink("tls-0000000002", status)
		r.Generation = 2
		sameHealth(t, HealthOf(r, Running{}, nil), want)
		if r.MidChange() != (seen == 1) {
			t.Errorf("generation 2, seen %d: in the middle of a change: %v", seen, r.MidChange())
		}
	}
}
