package double

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// generationAnnotation names the generation of the FlinkDeployment that a JobManager Deployment was made for.
const generationAnnotation = "flinkdeployment.flink.apache.org/generation"

// What the operator fills in where a resource leaves it out.
const (
	flinkImage   = "flink.example.com/stand-in:1"
	flinkVersion = "v1_20"
)

// A flinkDeployment is a resource that the operator works on.
type flinkDeployment struct {
	key
	object *unstructured.Unstructured
	spec   map[string]any
	conf   map[string]string
	status flinkStatus
	last   snapshot // decoded from the status
}

// flinkStatus is what the operator writes, as its definition has it.
type flinkStatus struct {
	JobManagerDeploymentStatus string               `json:"jobManagerDeploymentStatus,omitempty"`
	JobStatus                  jobStatus            `json:"jobStatus"`
	Error                      string               `json:"error,omitempty"`
	LifecycleState             string               `json:"lifecycleState,omitempty"`
	ObservedGeneration         int64                `json:"observedGeneration,omitempty"`
	ReconciliationStatus       reconciliationStatus `json:"reconciliationStatus"`
}

type jobStatus struct {
	JobID                string `json:"jobId,omitempty"`
	JobName              string `json:"jobName,omitempty"`
	State                string `json:"state,omitempty"`
	UpgradeSavepointPath string `json:"upgradeSavepointPath,omitempty"`
	StartTime            string `json:"startTime,omitempty"`
	UpdateTime           string `json:"updateTime,omitempty"`
}

type reconciliationStatus struct {
	State                   string `json:"state,omitempty"`
	LastReconciledSpec      string `json:"lastReconciledSpec,omitempty"`
	LastStableSpec          string `json:"lastStableSpec,omitempty"`
	ReconciliationTimestamp int64  `json:"reconciliationTimestamp,omitempty"`
}

// A snapshot is what lastReconciledSpec and lastStableSpec hold, as JSON.
type snapshot struct {
	Spec     map[string]any   `json:"spec"`
	Metadata snapshotMetadata `json:"resource_metadata"`
}

type snapshotMetadata struct {
	APIVersion string `json:"apiVersion"`
	Metadata   struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	FirstDeployment bool `json:"firstDeployment"`
}

// flink does the operator's next step for a FlinkDeployment. Each step ends in one write, which queues the next.
func (d *Double) flink(ctx context.Context, u *unstructured.Unstructured) error {
	if filled, err := d.fillIn(ctx, u); filled || err != nil {
		return err
	}
	f, err := readFlink(u)
	if err != nil {
		return err
	}
	d.pause(ctx)
	if f.status.LifecycleState == "" {
		f.status.LifecycleState, f.status.ObservedGeneration = "CREATED", u.GetGeneration()
		return d.writeFlink(ctx, f)
	}
	if f.status.LifecycleState != "CREATED" && u.GetGeneration() > f.seen() {
		return d.specChanged(ctx, f)
	}
	switch f.status.LifecycleState {
	case "CREATED", "UPGRADING":
		return d.deploy(ctx, f, f.now())
	case "DEPLOYED":
		return d.comeUp(ctx, f)
	case "ROLLING_BACK":
		return d.rollBack(ctx, f)
	default:
		_, err := d.taskManagers(ctx, f)
		return err
	}
}

// seen is the generation of the spec that was acted upon, or is being.
func (f *flinkDeployment) seen() int64 {
	if f.status.LifecycleState == "UPGRADING" {
		return f.status.ObservedGeneration
	}
	return f.last.Metadata.Metadata.Generation
}

// now is a snapshot of what the resource wants.
func (f *flinkDeployment) now() snapshot {
	s := snapshot{Spec: f.spec}
	s.Metadata.APIVersion = f.object.GetAPIVersion()
	s.Metadata.Metadata.Generation = f.object.GetGeneration()
	s.Metadata.FirstDeployment = f.status.ReconciliationStatus.LastReconciledSpec == ""
	return s
}

// fillIn writes into the spec what a user may leave to the operator.
func (d *Double) fillIn(ctx context.Context, u *unstructured.Unstructured) (bool, error) {
	spec, _ := u.Object["spec"].(map[string]any)
	filled := false
	for field, value := range map[string]string{"image": flinkImage, "flinkVersion": flinkVersion} {
		if str(spec[field]) == "" {
			if err := unstructured.SetNestedField(u.Object, value, "spec", field); err != nil {
				return false, err
			}
			filled = true
		}
	}
	if !filled {
		return false, nil
	}
	_, err := d.dynamic.Resource(resources["FlinkDeployment"]).Namespace(u.GetNamespace()).Update(ctx, u, metav1.UpdateOptions{})
	return true, err
}

func readFlink(u *unstructured.Unstructured) (*flinkDeployment, error) {
	f := &flinkDeployment{key: keyOf(u), object: u}
	f.spec, _ = u.Object["spec"].(map[string]any)
	f.conf = configuration(f.spec)
	if status, ok := u.Object["status"].(map[string]any); ok {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(status, &f.status); err != nil {
			return nil, err
		}
	}
	var err error
	f.last, err = readSnapshot(f.status.ReconciliationStatus.LastReconciledSpec)
	return f, err
}

func readSnapshot(text string) (snapshot, error) {
	var s snapshot
	if text == "" {
		return s, nil
	}
	err := json.Unmarshal([]byte(text), &s)
	return s, err
}

func (s snapshot) String() string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // it came as JSON
	}
	return string(data)
}

// writeFlink writes the status, all of it: what EditStatus put there lasts until the operator's next step.
func (d *Double) writeFlink(ctx context.Context, f *flinkDeployment) error {
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&f.status)
	if err != nil {
		return err
	}
	f.object.Object["status"] = status
	_, err = d.dynamic.Resource(resources["FlinkDeployment"]).Namespace(f.namespace).UpdateStatus(ctx, f.object, metav1.UpdateOptions{})
	return err
}

// specChanged begins an upgrade, if the change is one that restarts. The generation is observed now, at the start.
func (d *Double) specChanged(ctx context.Context, f *flinkDeployment) error {
	generation := f.object.GetGeneration()
	if !restarts(f.last.Spec, f.spec) && f.status.LifecycleState != "UPGRADING" {
		wasStable := f.status.ReconciliationStatus.LastStableSpec == f.status.ReconciliationStatus.LastReconciledSpec
		next := f.now().String()
		f.status.ReconciliationStatus.LastReconciledSpec = next
		if wasStable {
			f.status.ReconciliationStatus.LastStableSpec = next
		}
		f.status.ObservedGeneration = generation
		return d.writeFlink(ctx, f)
	}
	if refusal := f.refusal(); refusal != "" {
		if f.status.Error == refusal {
			return nil
		}
		f.status.Error = refusal
		return d.writeFlink(ctx, f)
	}
	during, losses := f.status.LifecycleState, f.losses()
	if f.status.ReconciliationStatus.LastStableSpec == "" {
		during = "" // nothing of it has ever worked: a change costs nothing
	}
	f.status.ObservedGeneration = generation
	f.status.LifecycleState, f.status.ReconciliationStatus.State = "UPGRADING", "UPGRADING"
	f.status.JobManagerDeploymentStatus, f.status.Error = "MISSING", ""
	f.stopJob()
	if err := d.writeFlink(ctx, f); err != nil {
		return err
	}
	d.noteUpgrade(f.key, during, losses)
	return nil
}

// noteUpgrade keeps what a restart has cost, and whether it came at a bad moment.
func (d *Double) noteUpgrade(k key, during string, losses []string) {
	switch during {
	case "UPGRADING", "DEPLOYED", "ROLLING_BACK":
		d.fault(k, "the spec was changed while "+during)
	}
	for _, loss := range losses {
		d.lose(k, loss)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.memory.restarts[k]++
	delete(d.memory.rollingBack, k)
}

// refusal is what the operator's validation says of an upgrade, "" if it may be.
func (f *flinkDeployment) refusal() string {
	switch {
	case f.spec["job"] == nil || f.highAvailability():
	case f.upgradeMode() == "last-state":
		return "Job could not be upgraded with last-state while HA disabled"
	case f.upgradeMode() == "savepoint" && f.status.JobStatus.State != "RUNNING":
		return "Job is not running and HA metadata is not available: the upgrade needs it"
	}
	return ""
}

func (f *flinkDeployment) upgradeMode() string {
	job, _ := f.spec["job"].(map[string]any)
	if mode := str(job["upgradeMode"]); mode != "" {
		return mode
	}
	return "stateless"
}

func (f *flinkDeployment) highAvailability() bool {
	kind := f.conf["high-availability.type"]
	if kind == "" {
		kind = f.conf["high-availability"] // its name until Flink 1.17
	}
	return kind != "" && kind != "NONE" && kind != "none" && f.conf["high-availability.storageDir"] != ""
}

// losses are what a restart costs.
func (f *flinkDeployment) losses() []string {
	switch {
	case f.spec["job"] == nil && !f.highAvailability():
		return []string{"jobs lost: a session cluster without high availability was restarted"}
	case f.spec["job"] != nil && f.upgradeMode() == "stateless":
		return []string{"state lost: a stateless job was restarted"}
	}
	return nil
}

// stopJob is what an upgrade does to the job of an application cluster. A savepoint is taken of a job that runs.
func (f *flinkDeployment) stopJob() {
	if f.spec["job"] == nil {
		return
	}
	running := f.status.JobStatus.State == "RUNNING"
	f.status.JobStatus.UpgradeSavepointPath = ""
	switch {
	case f.upgradeMode() == "stateless":
		f.status.JobStatus.State = "CANCELED"
	case f.upgradeMode() == "savepoint" && running:
		f.status.JobStatus.State = "FINISHED"
		f.status.JobStatus.UpgradeSavepointPath = f.conf["execution.checkpointing.savepoint-dir"] + "/savepoint-" + hashOf(f.last)
	default:
		f.status.JobStatus.State = "RECONCILING"
	}
	f.status.JobStatus.UpdateTime = millis()
}

func millis() string { return fmt.Sprint(time.Now().UnixMilli()) }

// deploy makes the JobManager's Deployment once all of the old one is gone.
func (d *Double) deploy(ctx context.Context, f *flinkDeployment, want snapshot) error {
	generation := want.Metadata.Metadata.Generation
	there, gone, err := d.teardown(ctx, f, generation)
	if err != nil || !gone || f.status.LifecycleState == "UPGRADING" && d.isHeld(d.wishes.heldUpgrade, f.key) {
		return err // what goes, and the release, queue the resource again
	}
	next := d.takeFate(f.key)
	if !there {
		if err := d.createJobManager(ctx, f, want, next != fate{}); apierrors.IsInvalid(err) {
			return d.refuse(ctx, f, err)
		} else if err != nil {
			d.setFate(f.key, next)
			return err
		}
	}
	f.status.ObservedGeneration = generation
	f.status.LifecycleState, f.status.JobManagerDeploymentStatus, f.status.Error = "DEPLOYED", "DEPLOYING", next.failure
	f.status.ReconciliationStatus.State = "DEPLOYED"
	f.status.ReconciliationStatus.LastReconciledSpec = want.String()
	f.status.ReconciliationStatus.ReconciliationTimestamp = time.Now().UnixMilli()
	if next.failure != "" {
		f.status.JobManagerDeploymentStatus = "ERROR"
	}
	f.startJob()
	d.mu.Lock()
	d.memory.rollingBack[f.key] = next.back
	d.mu.Unlock()
	err = d.writeFlink(ctx, f)
	if err != nil {
		d.setFate(f.key, next) // the next try is the same deployment
	}
	return err
}

// startJob is what a deployment does to the job of an application cluster.
func (f *flinkDeployment) startJob() {
	if f.spec["job"] == nil {
		return
	}
	f.status.JobStatus.State = "RECONCILING"
	f.status.JobStatus.JobName, f.status.JobStatus.JobID = f.name, hashOf(f.name)
	f.status.JobStatus.StartTime, f.status.JobStatus.UpdateTime = millis(), millis()
}

// refuse notes that the API server does not take what the resource makes.
func (d *Double) refuse(ctx context.Context, f *flinkDeployment, cause error) error {
	if f.status.Error == cause.Error() {
		return nil
	}
	f.status.JobManagerDeploymentStatus, f.status.Error = "MISSING", cause.Error()
	return d.writeFlink(ctx, f)
}

// teardown removes the Deployment of another generation with its pods. It reports whether that of this generation is
// there, and whether nothing of another is left.
func (d *Double) teardown(ctx context.Context, f *flinkDeployment, generation int64) (there, gone bool, err error) {
	deployment, err := d.apps.Deployments(f.namespace).Get(ctx, f.name, metav1.GetOptions{})
	if err == nil && deployment.Annotations[generationAnnotation] == fmt.Sprint(generation) {
		return true, true, nil
	}
	if err == nil {
		uid := deployment.UID
		err = d.apps.Deployments(f.namespace).Delete(ctx, f.name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return false, false, err
	}
	pods, err := d.flinkPods(ctx, f)
	return false, len(pods) == 0, err
}

func (d *Double) flinkPods(ctx context.Context, f *flinkDeployment) ([]corev1.Pod, error) {
	list, err := d.core.Pods(f.namespace).List(ctx, metav1.ListOptions{LabelSelector: "type=" + flinkType + ",app=" + f.name})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// comeUp follows the JobManager until it is ready, and then calls the resource stable.
func (d *Double) comeUp(ctx context.Context, f *flinkDeployment) error {
	d.mu.Lock()
	back := d.memory.rollingBack[f.key]
	d.mu.Unlock()
	if back {
		f.status.LifecycleState, f.status.ReconciliationStatus.State = "ROLLING_BACK", "ROLLING_BACK"
		f.status.Error = "Deployment is not ready within the configured timeout, rolling back."
		f.status.JobManagerDeploymentStatus = "MISSING"
		return d.writeFlink(ctx, f)
	}
	up, err := d.advance(ctx, f)
	if err != nil || !up {
		return err
	}
	f.status.LifecycleState = "STABLE"
	f.status.ReconciliationStatus.LastStableSpec = f.status.ReconciliationStatus.LastReconciledSpec
	return d.writeFlink(ctx, f)
}

// rollBack deploys the last stable spec.
func (d *Double) rollBack(ctx context.Context, f *flinkDeployment) error {
	stable, err := readSnapshot(f.status.ReconciliationStatus.LastStableSpec)
	if err != nil {
		return err
	}
	there, gone, err := d.teardown(ctx, f, stable.Metadata.Metadata.Generation)
	if err != nil || !gone {
		return err
	}
	if !there {
		return d.createJobManager(ctx, f, stable, false)
	}
	up, err := d.advance(ctx, f)
	if err != nil || !up {
		return err
	}
	f.status.LifecycleState, f.status.ReconciliationStatus.State = "ROLLED_BACK", "ROLLED_BACK"
	return d.writeFlink(ctx, f)
}

// advance gets the JobManager one step further, DEPLOYING, DEPLOYED_NOT_READY, READY, and with it the job. It reports
// whether the last step is about to be written.
func (d *Double) advance(ctx context.Context, f *flinkDeployment) (up bool, err error) {
	deployment, err := d.apps.Deployments(f.namespace).Get(ctx, f.name, metav1.GetOptions{})
	if err != nil || !available(deployment) {
		return false, err
	}
	switch f.status.JobManagerDeploymentStatus {
	case "ERROR":
		return false, nil
	case "DEPLOYED_NOT_READY":
	default:
		f.status.JobManagerDeploymentStatus = "DEPLOYED_NOT_READY"
		return false, d.writeFlink(ctx, f)
	}
	areReady, err := d.taskManagers(ctx, f)
	// A job runs on TaskManagers; a session cluster is ready without.
	if err != nil || f.spec["job"] != nil && !areReady {
		return false, err
	}
	f.status.JobManagerDeploymentStatus = "READY"
	if f.spec["job"] != nil {
		f.status.JobStatus.State, f.status.JobStatus.UpdateTime = "RUNNING", millis()
	}
	return true, nil
}

func available(deployment *appsv1.Deployment) bool {
	return deployment.Status.ObservedGeneration == deployment.Generation &&
		deployment.Status.AvailableReplicas >= *deployment.Spec.Replicas
}
