//go:build e2e

package operator

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowcert/flowcert/test/operator"
)

const (
	mainContainer = "flink-main-container"
	generation    = "flinkdeployment.flink.apache.org/generation"
	// taskManagerTemplate is a key of the ConfigMap that Flink makes of a pod template.
	taskManagerTemplate = "taskmanager-pod-template.yaml"
)

// A deployed cluster is what the operator has made of a FlinkDeployment.
type deployed struct {
	name     string
	uid      types.UID // of the Deployment
	replaced int       // how many Deployments of this name were deleted so far
	pod      string    // the JobManager's
	manager  corev1.PodTemplateSpec
	conf     map[string]string
	files    map[string]string // for the JobManager to make TaskManagers of
	wired    references
	newJobID bool // each deployment of an application has another
}

// references are the Secrets that the FlinkDeployment names; empty before it is wired.
type references struct{ tls, trust string }

func (s *site) deployed(t *testing.T, name string) deployed {
	t.Helper()
	u := s.get(t, deploymentGVR, s.namespace, name)
	d := deployed{name: name, uid: u.GetUID(), replaced: s.replaced(t, name), files: map[string]string{},
		newJobID: operator.Since(t, operator.NewJobIDs)}
	var deployment appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &deployment); err != nil {
		t.Fatal(err)
	}
	d.manager = deployment.Spec.Template
	pods, err := s.Dynamic.Resource(podGVR).Namespace(s.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "component=jobmanager,app=" + name})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("%s has %d JobManagers: %v", name, len(pods.Items), err)
	}
	d.pod = pods.Items[0].GetName()
	for _, configMap := range []string{"flink-config-" + name, "pod-template-" + name} {
		u, err := s.Dynamic.Resource(configMapGVR).Namespace(s.namespace).Get(t.Context(), configMap, metav1.GetOptions{})
		if err != nil {
			continue // without templates there is but one
		}
		data, _, _ := unstructured.NestedStringMap(u.Object, "data")
		maps.Copy(d.files, data)
	}
	if d.conf, err = flinkConf(d.files); err != nil {
		t.Fatal(err)
	}
	d.wired = s.references(t, name)
	return d
}

// replaced counts the deletions of a Deployment.
func (s *site) replaced(t *testing.T, name string) int {
	t.Helper()
	n := 0
	for _, r := range s.Requests(t) {
		if r.Verb == "delete" && r.Resource == "deployments" && r.Namespace == s.namespace && r.Name == name && r.Code == 200 {
			n++
		}
	}
	return n
}

// references reads what flowcert wrote into a FlinkDeployment: the last of kubernetes.secrets, and the volume "truststore".
func (s *site) references(t *testing.T, name string) references {
	t.Helper()
	spec := s.get(t, flinkGVR, s.namespace, name).Object["spec"].(map[string]any)
	var r references
	for pair := range strings.SplitSeq(s.configuration(t, name)["kubernetes.secrets"], ",") {
		if secret, at, _ := strings.Cut(pair, ":"); at == operator.MountPath {
			r.tls = secret
		}
	}
	for _, fields := range [][]string{{"podTemplate"}, {"jobManager", "podTemplate"}} {
		volumes, _, _ := unstructured.NestedSlice(spec, append(fields, "spec", "volumes")...)
		for _, v := range volumes {
			if m := v.(map[string]any); m["name"] == "truststore" {
				r.trust, _, _ = unstructured.NestedString(m, "secret", "secretName")
			}
		}
	}
	return r
}

// ofEachDeployment are keys that differ between any two deployments of a cluster.
func ofEachDeployment(key string) bool {
	return strings.HasPrefix(key, "kubernetes.pod-template-file.") || key == "kubernetes.jobmanager.annotations" ||
		strings.HasPrefix(key, "execution.savepoint") || key == "$internal.flink.version"
}

func (d deployed) settings() map[string]string {
	out := maps.Clone(d.conf)
	maps.DeleteFunc(out, func(key, _ string) bool {
		return ofEachDeployment(key) || d.newJobID && key == "$internal.pipeline.job-id"
	})
	return out
}

// differsAsMeant compares a cluster before it was wired with what it is after.
func (d deployed) differsAsMeant(t *testing.T, after deployed) {
	t.Helper()
	if after.wired.tls == "" || after.wired.trust == "" {
		t.Fatalf("it is not wired: %+v", after.wired)
	}
	store := ".jks"
	if d.name == "pkcs12" {
		store = ".p12"
	}
	secret := func(key string) string {
		value := after.conf[key]
		if len(value) < 6 {
			t.Errorf("%s is %q", key, value)
		}
		return value
	}
	options := "-Djavax.net.ssl.trustStore=/certs/truststore.jks -Djavax.net.ssl.trustStorePassword="
	want := d.settings()
	maps.Copy(want, map[string]string{
		"security.ssl.rest.enabled":        "true",
		"security.ssl.internal.enabled":    "true",
		"security.ssl.keystore":            operator.MountPath + "/keystore" + store,
		"security.ssl.truststore":          operator.MountPath + "/truststore" + store,
		"security.ssl.keystore-password":   secret("security.ssl.keystore-password"),
		"security.ssl.key-password":        secret("security.ssl.keystore-password"),
		"security.ssl.truststore-password": secret("security.ssl.truststore-password"),
		"security.ssl.algorithms":          "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"kubernetes.secrets":               joined(d.conf["kubernetes.secrets"], ",", after.wired.tls+":"+operator.MountPath),
	})
	for _, role := range []string{"env.java.opts.jobmanager", "env.java.opts.taskmanager"} {
		_, password, ok := strings.Cut(after.conf[role], options)
		if !ok || len(password) < 6 {
			t.Errorf("%s: %q", role, after.conf[role])
		}
		want[role] = joined(d.conf[role], " ", options+password)
	}
	if diff := cmp.Diff(want, after.settings()); diff != "" {
		t.Errorf("flink-conf.yaml (-want +got):\n%s", diff)
	}
	manager := withoutOurs(t, after.manager, after.wired)
	if d.files[taskManagerTemplate] == "" { // Flink then has no template to give to the JobManager for its TaskManagers
		isTemplate := func(name string) bool { return name == "pod-template-volume" }
		main := &manager.Spec.Containers[0]
		manager.Spec.Volumes = slices.DeleteFunc(manager.Spec.Volumes, func(v corev1.Volume) bool { return isTemplate(v.Name) })
		main.VolumeMounts = slices.DeleteFunc(main.VolumeMounts, func(m corev1.VolumeMount) bool { return isTemplate(m.Name) })
	}
	samePods(t, "JobManager", d.manager, manager)
}

func joined(list, separator, more string) string {
	if list == "" {
		return more
	}
	return list + separator + more
}

// withoutOurs takes the volumes and mounts of flowcert's out of a pod, in which each has to be once.
func withoutOurs(t *testing.T, pod corev1.PodTemplateSpec, wired references) corev1.PodTemplateSpec {
	t.Helper()
	mode := int32(0o644)
	pod = *pod.DeepCopy()
	for _, volume := range []corev1.Volume{
		{Name: wired.tls + "-volume", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: wired.tls, DefaultMode: &mode}}},
		{Name: "truststore", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: wired.trust, DefaultMode: &mode,
			Items: []corev1.KeyToPath{{Key: "truststore.jks", Path: "truststore.jks"}}}}},
	} {
		pod.Spec.Volumes = takeOne(t, pod.Spec.Volumes, volume, func(v corev1.Volume) corev1.Volume {
			if v.Secret != nil && v.Secret.DefaultMode == nil { // the API server fills it in
				v.Secret = v.Secret.DeepCopy()
				v.Secret.DefaultMode = &mode
			}
			return v
		})
	}
	i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == mainContainer })
	if i < 0 {
		t.Fatal("there is no main container")
	}
	mounts := &pod.Spec.Containers[i].VolumeMounts
	for _, mount := range []corev1.VolumeMount{
		{Name: wired.tls + "-volume", MountPath: operator.MountPath},
		{Name: "truststore", MountPath: "/certs", ReadOnly: true},
	} {
		*mounts = takeOne(t, *mounts, mount, func(m corev1.VolumeMount) corev1.VolumeMount { return m })
	}
	return pod
}

// takeOne takes a value out of a list.
func takeOne[T any](t *testing.T, list []T, want T, filledIn func(T) T) []T {
	t.Helper()
	out := slices.DeleteFunc(slices.Clone(list), func(v T) bool { return cmp.Equal(filledIn(v), want) })
	if len(list)-len(out) != 1 {
		t.Errorf("%+v is there %d times: %+v", want, len(list)-len(out), list)
	}
	return out
}

// samePods compares all of two pods but the generation that they were made for.
func samePods(t *testing.T, role string, want, got corev1.PodTemplateSpec) {
	t.Helper()
	want, got = *want.DeepCopy(), *got.DeepCopy()
	delete(want.Annotations, generation)
	delete(got.Annotations, generation)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the %s (-want +got):\n%s", role, diff)
	}
}

// differsInSecrets compares two deployments with other versions of the same Secrets.
func (d deployed) differsInSecrets(t *testing.T, after deployed) {
	t.Helper()
	if d.wired.tls == after.wired.tls {
		t.Errorf("%s still mounts %s", d.name, d.wired.tls)
	}
	rename := func(text string) string {
		return strings.NewReplacer(d.wired.tls, after.wired.tls, d.wired.trust, after.wired.trust).Replace(text)
	}
	want := d.settings()
	for key, value := range want {
		want[key] = rename(value)
	}
	if diff := cmp.Diff(want, after.settings()); diff != "" {
		t.Errorf("%s: flink-conf.yaml (-want +got):\n%s", d.name, diff)
	}
	text, err := json.Marshal(d.manager)
	if err != nil {
		t.Fatal(err)
	}
	var manager corev1.PodTemplateSpec
	if err := json.Unmarshal([]byte(rename(string(text))), &manager); err != nil {
		t.Fatal(err)
	}
	samePods(t, "JobManager of "+d.name, manager, after.manager)
}

// same compares two deployments of one specification.
func (d deployed) same(t *testing.T, after deployed) {
	t.Helper()
	if diff := cmp.Diff(d.settings(), after.settings()); diff != "" {
		t.Errorf("%s: flink-conf.yaml (-want +got):\n%s", d.name, diff)
	}
	samePods(t, "JobManager of "+d.name, d.manager, after.manager)
}

// taskManagers are the pods that Flink makes of deployments.
func taskManagers(t *testing.T, clusters ...deployed) []corev1.PodTemplateSpec {
	t.Helper()
	var folders []string
	for i, c := range clusters {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(i, c.name))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range c.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		folders = append(folders, dir)
	}
	var out []corev1.PodTemplateSpec
	for _, answer := range operator.Call(t, "TaskManagerPod", folders) {
		var pod corev1.Pod
		if err := json.Unmarshal([]byte(answer), &pod); err != nil {
			t.Fatal(err)
		}
		out = append(out, corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec})
	}
	return out
}
