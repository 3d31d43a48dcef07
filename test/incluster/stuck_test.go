package incluster_test

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var setsGVR = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}

// TestAPodThatWaitsForAVersionThatIsGone: a version is removed between a rollout's beginning and the start of its pod.
// The pod never starts, and its StatefulSet does not replace it, although the template is right again.
func TestAPodThatWaitsForAVersionThatIsGone(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, config)
	s.settled(t, d)
	s.must(t, 0, "apply")
	const gone = "my-ep-cert-0123456789"
	refer := func(from, to string) {
		s.change(t, setsGVR, "my-ep-ibm-ep-sts", "somebody", func(u *unstructured.Unstructured) {
			volumes, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "volumes")
			for _, v := range volumes {
				if secret, ok := v.(map[string]any)["secret"].(map[string]any); ok && secret["secretName"] == from {
					secret["secretName"] = to
				}
			}
			if err := unstructured.SetNestedSlice(u.Object, volumes, "spec", "template", "spec", "volumes"); err != nil {
				t.Fatal(err)
			}
		})
	}
	name := s.certificateName(t)
	refer(name, gone)
	eventually(t, "its pod waits", func() bool {
		return slices.ContainsFunc(s.list(t, podGVR), func(u unstructured.Unstructured) bool {
			phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
			return phase == "Pending" && mounts(u, gone)
		})
	})
	refer(gone, name)
	r := s.must(t, 0, "apply", "--timeout", "1m")
	t.Log(r)
	s.endedWell(t, d, plain)
}

// mounts reports whether a pod has a Secret among its volumes.
func mounts(pod unstructured.Unstructured, secret string) bool {
	volumes, _, _ := unstructured.NestedSlice(pod.Object, "spec", "volumes")
	return slices.ContainsFunc(volumes, func(v any) bool {
		name, _, _ := unstructured.NestedString(v.(map[string]any), "secret", "secretName")
		return name == secret
	})
}

// TestAPodThatWaitsWhileATruststoreSettles: a certificate is removed, and the pod that had loaded it goes, within the minutes
// in which nothing restarts because a truststore of a fixed name has changed. What is down is not left so.
func TestAPodThatWaitsWhileATruststoreSettles(t *testing.T) {
	t.Parallel()
	s, d := running(t, plain, fixedConfig)
	s.write(t, "others.pem", newCA(t, "Others").certificate)
	s.Apply(t, s.namespace, newCA(t, "Corporate root").manifest())
	s.settled(t, d)
	s.must(t, 0, "apply")
	s.timePasses(t, "ssl-truststore", "orders-db-server")
	s.write(t, "others.pem", newCA(t, "Others 2").certificate)
	s.writesInPlace(t)

	name := s.certificateName(t)
	s.deleteSecret(t, name)
	if r := s.run(t, "apply", "--timeout", "5s"); r.code != 1 || s.certificateName(t) != name {
		t.Errorf("what runs is restarted twice: %s", r)
	}
	s.delete(t, podGVR, "my-ep-ibm-ep-sts-0")
	eventually(t, "its pod waits", func() bool {
		return slices.ContainsFunc(s.list(t, podGVR), func(u unstructured.Unstructured) bool {
			phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
			return phase == "Pending" && mounts(u, name)
		})
	})
	s.run(t, "apply", "--timeout", "10s")
	if s.certificateName(t) == name {
		t.Error("it is down, and left so")
	}
	s.settled(t, d)
	s.timePasses(t, "ssl-truststore", "orders-db-server")
	s.must(t, 0, "apply")
	s.edges(t, d, "at the end")
	s.must(t, 0, "plan")
	well(t, d)
}
