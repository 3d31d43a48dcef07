package deploy

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Pod is a pod, as far as flowcert looks at it.
type Pod struct {
	Namespace, Name string
	UID             string
	Labels          map[string]string
	// Started is when the kubelet took it; zero before that.
	Started time.Time
	Ready   bool
	// Pending: no container of it runs yet.
	Pending bool
	// Leaving: it is being deleted. It still serves for a while.
	Leaving bool
	// LeavesBy is when one that is being deleted is to be gone; zero: it stays.
	LeavesBy time.Time
	// Finished: it has ended, and what it mounted is nobody's.
	Finished bool
	// Secrets are those that its volumes name.
	Secrets []string
}

// Controller is what makes pods: a Deployment, a StatefulSet or a ReplicaSet.
type Controller struct {
	Kind            string
	Namespace, Name string
	Labels          map[string]string
	// PodLabels are those of its pods.
	PodLabels map[string]string
	// Generation is that of its specification; Observed the last one that its own
	// controller has seen.
	Generation, Observed int64
	// Replicas are asked for; Updated have the present template; Ready answer.
	Replicas, Updated, Ready int64
	// Secrets are those that its template's volumes name.
	Secrets []string
}

// Running is what a cluster shows beside a resource: the pods that belong to it
// and what makes them.
type Running struct {
	Pods        []Pod
	Controllers []Controller
}

// Labels by which the products mark their pods (Apache Flink documentation,
// "Native Kubernetes"; Event Automation documentation, "Event Processing pods").
const (
	flinkAppLabel  = "app"
	flinkTypeLabel = "type"
	flinkNative    = "flink-native-kubernetes"
	flinkOther     = "flink-standalone-kubernetes"
	instanceLabel  = "app.kubernetes.io/instance"
)

// RunningOf picks what belongs to a resource.
func RunningOf(r Resource, all Running) Running {
	var out Running
	for _, p := range all.Pods {
		if p.Namespace == r.Namespace && !p.Finished && belongs(r, p.Labels) {
			out.Pods = append(out.Pods, p)
		}
	}
	for _, c := range all.Controllers {
		if c.Namespace == r.Namespace && (belongs(r, c.PodLabels) || belongs(r, c.Labels)) {
			out.Controllers = append(out.Controllers, c)
		}
	}
	return out
}

func belongs(r Resource, labels map[string]string) bool {
	if r.Kind == FlinkDeploymentKind {
		kind := labels[flinkTypeLabel]
		return labels[flinkAppLabel] == r.Name && (kind == flinkNative || kind == flinkOther)
	}
	return labels[instanceLabel] == r.Name
}

// Health says whether a resource may be restarted now, and whether its last
// change has reached everything that runs. Each field is a clause; empty: nothing
// is in the way.
type Health struct {
	// Idle: nothing of it runs, because its operator has made nothing of it yet or
	// it is suspended. A change restarts nothing.
	Idle bool
	// Fresh: it runs for the first time, and nothing of it has been stable yet.
	Fresh bool
	// Rolling says what the last change has not reached yet.
	Rolling string
	// Unfit says why it must not be restarted now.
	Unfit string
	// Failed says what ended in a failure that waiting does not mend.
	Failed string
}

// HealthOf judges a resource by its status and its pods. Ours are the versions
// that flowcert made for it, referenced or not, and since when a pod that starts
// finds them.
func HealthOf(r Resource, run Running, ours map[string]time.Time) Health {
	var h Health
	if r.Kind == FlinkDeploymentKind {
		h = flinkHealth(r)
	} else {
		h = eventProcessingHealth(r, run)
	}
	if h.Rolling == "" && !h.Idle {
		h.Rolling = notReached(r, run, ours)
	}
	return h
}

// notReached finds a pod, or what makes pods, that uses another version than the
// one to which the resource refers, and pods that do not answer.
func notReached(r Resource, run Running, ours map[string]time.Time) string {
	refers := References(r).Secrets()
	stale := func(name string) bool {
		_, is := ours[name]
		return is && !slices.Contains(refers, name)
	}
	for _, p := range run.Pods {
		if i := slices.IndexFunc(p.Secrets, stale); i >= 0 {
			return "pod " + p.Name + " still mounts " + p.Secrets[i]
		}
	}
	for _, c := range run.Controllers {
		if i := slices.IndexFunc(c.Secrets, stale); i >= 0 && c.Replicas > 0 {
			return strings.ToLower(c.Kind) + " " + c.Name + " still names " + c.Secrets[i]
		}
	}
	for _, name := range refers {
		made, is := ours[name]
		if !is || mounted(run, name) {
			continue
		}
		if len(run.Pods) > 0 && slices.Contains(References(r).volumes(), name) {
			return "no pod mounts " + name + " yet"
		}
		if p := startedBefore(run.Pods, made); p != "" {
			return "pod " + p + " may have started before " + name + " was there"
		}
	}
	return Unready(run.Pods)
}

func mounted(run Running, secret string) bool {
	return slices.ContainsFunc(run.Pods, func(p Pod) bool { return slices.Contains(p.Secrets, secret) })
}

// startedBefore finds a pod that cannot have read a Secret which its operator
// copies, or hands to it in another way than by a volume.
func startedBefore(pods []Pod, made time.Time) string {
	for _, p := range pods {
		if !p.Started.IsZero() && p.Started.Before(made) {
			return p.Name
		}
	}
	return ""
}

// Unready names a pod that does not answer yet, or will not for long; empty: there
// is none.
func Unready(pods []Pod) string {
	for _, p := range pods {
		switch {
		case p.Leaving:
			return "pod " + p.Name + " is still leaving"
		case !p.Ready:
			return "pod " + p.Name + " is not ready"
		}
	}
	return ""
}

// status reads a field of the resource's status.
func (r Resource) status(names ...string) string {
	v, _ := getString(map[string]any{"status": r.Status}, keys(append([]string{"status"}, names...)...))
	return v
}

// PhaseRunning is what EventProcessing calls itself when it works.
const PhaseRunning = "Running"

// eventProcessingHealth judges by the phase and by what makes the pods: no
// observed generation is documented.
func eventProcessingHealth(r Resource, run Running) Health {
	phase := r.status("phase")
	if phase == "" && len(run.Pods)+len(run.Controllers) == 0 {
		return Health{Idle: true}
	}
	var h Health
	if phase != PhaseRunning {
		h.Unfit = "its phase is " + orNone(phase) + ", and an instance that has not been Running once must not be restarted"
	}
	var sets int64
	for _, c := range run.Controllers {
		if c.Kind == "StatefulSet" {
			sets += c.Replicas
		}
		switch {
		case c.Replicas == 0:
		case c.Observed < c.Generation:
			h.Rolling = strings.ToLower(c.Kind) + " " + c.Name + " has not been looked at since its last change"
		case c.Updated < c.Replicas || c.Ready < c.Replicas:
			h.Rolling = strings.ToLower(c.Kind) + " " + c.Name + " is rolling out"
		}
		if h.Rolling != "" {
			break
		}
	}
	if h.Rolling == "" && phase != PhaseRunning {
		h.Rolling = "its phase is " + orNone(phase)
	}
	if h.Rolling == "" && int64(len(run.Pods)) < sets {
		// Its status may say nothing yet of a pod that was deleted a moment ago.
		h.Rolling = "a pod of its StatefulSet is missing"
	}
	return h
}

// States of a FlinkDeployment (Apache Flink Kubernetes Operator documentation,
// "Custom Resource Reference").
const (
	flinkStable      = "STABLE"
	flinkUpgrading   = "UPGRADING"
	flinkRollingBack = "ROLLING_BACK"
	flinkRolledBack  = "ROLLED_BACK"
	flinkSuspended   = "SUSPENDED"
	flinkFailed      = "FAILED"
	flinkReady       = "READY"
	flinkRunning     = "RUNNING"
)

// flinkHealth judges by the operator's status. observedGeneration is set when an
// upgrade begins, so it alone says nothing about its end.
func flinkHealth(r Resource) Health {
	state, manager := r.status("lifecycleState"), r.status("jobManagerDeploymentStatus")
	fresh := r.status("reconciliationStatus", "lastReconciledSpec") == ""
	if manager == "" || manager == "MISSING" {
		if state == flinkSuspended || fresh && r.status("error") == "" {
			return Health{Idle: true}
		}
	}
	h := Health{Fresh: r.status("reconciliationStatus", "lastStableSpec") == ""}
	if state == flinkRolledBack {
		h.Failed = "its operator rolled the last change back"
	}
	_, session := UpgradeMode(r)
	job := r.status("jobStatus", "state")
	switch {
	case r.Generation > r.observedGeneration():
		h.Rolling = "its operator has not seen the last change"
	case state == flinkFailed, manager == "ERROR":
		h.Unfit = "its lifecycle state is " + orNone(state) + ", its JobManager " + orNone(manager)
	case !session && job == flinkFailed:
		h.Unfit = "its job is FAILED"
	case state != flinkStable:
		h.Rolling = "its lifecycle state is " + orNone(state)
	case manager != flinkReady:
		h.Rolling = "its JobManager is " + orNone(manager)
	case !session && job != flinkRunning:
		h.Rolling = "its job is " + orNone(job)
	}
	if r.status("error") != "" {
		const problem = "its operator reports an error in status.error"
		if h.Rolling != "" {
			h.Rolling += "; " + problem
		} else if h.Unfit == "" {
			h.Unfit = problem
		}
	}
	if pending := r.status("jobStatus", "savepointInfo", "triggerId"); pending != "" && h.Unfit == "" {
		h.Unfit = "a savepoint is being taken"
	}
	return h
}

// MidChange reports whether its operator is in the middle of a change, and another
// one would be a second restart.
func (r Resource) MidChange() bool {
	if r.Kind != FlinkDeploymentKind {
		return false
	}
	state := r.status("lifecycleState")
	return r.Generation > r.observedGeneration() || state == flinkUpgrading || state == flinkRollingBack
}

// observedGeneration is the generation of the specification that its operator
// acted upon last. Flink's operator writes observedGeneration since 1.8, together
// with lastReconciledSpec (ReconciliationStatus of its source), where the number
// stood before and, in 1.15, stands no more.
func (r Resource) observedGeneration() int64 {
	switch n := r.Status["observedGeneration"].(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	var last struct {
		Resource struct {
			Metadata struct {
				Generation int64 `json:"generation"`
			} `json:"metadata"`
		} `json:"resource_metadata"`
	}
	if json.Unmarshal([]byte(r.status("reconciliationStatus", "lastReconciledSpec")), &last) != nil {
		return 0
	}
	return last.Resource.Metadata.Generation
}

// LosesState says what a restart of a FlinkDeployment would throw away; empty:
// nothing. It is about what runs: a suspended job has nothing to lose.
func LosesState(r Resource) (loses string, session bool) {
	mode, session := UpgradeMode(r)
	switch {
	case session && !HighlyAvailable(r):
		return "it is a session cluster without high availability: its jobs would be lost", true
	case !session && mode == "stateless":
		return "its upgradeMode is stateless: the job's state would be thrown away", false
	}
	return "", session
}

// MentionsInHistory reports whether the operator may go back to a specification
// that names the Secret.
func (r Resource) MentionsInHistory(secret string) bool {
	for _, field := range []string{"lastReconciledSpec", "lastStableSpec"} {
		// The specification stands there as JSON in a string; a version's name ends in a
		// hash and is part of no other word.
		if strings.Contains(r.status("reconciliationStatus", field), secret) {
			return true
		}
	}
	return false
}

func orNone(s string) string {
	if s == "" {
		return "not known yet"
	}
	return s
}

// InUpgrade says why the operator of a FlinkDeployment must not be stopped now: it
// is in the middle of a change, or has one to begin. Empty: it is not.
func InUpgrade(r Resource) string {
	if r.Kind != FlinkDeploymentKind || r.Absent {
		return ""
	}
	switch state := r.status("lifecycleState"); {
	case state == flinkUpgrading, state == flinkRollingBack:
		return "its lifecycle state is " + state
	case len(r.Status) > 0 && r.Generation > r.observedGeneration():
		return "its operator has not seen the last change"
	}
	return ""
}
