package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/flowcert/flowcert/secrets"
)

// The API server answers a write with what it keeps: a webhook of the cluster's may have changed it.
func TestWroteRefusesOtherData(t *testing.T) {
	sent := &secrets.Secret{Ref: secrets.Ref{Namespace: "a", Name: "b"}, Immutable: true, Data: map[string][]byte{"k": []byte("v")}}
	answer := secretFor(sent)
	answer.UID, answer.ResourceVersion = "u", "7"
	if err := wrote(sent, answer.DeepCopy()); err != nil || sent.UID != "u" || sent.ResourceVersion != "7" {
		t.Errorf("%v, and it is %s at %s", err, sent.UID, sent.ResourceVersion)
	}
	for name, change := range map[string]func(*corev1.Secret){
		"a value":    func(s *corev1.Secret) { s.Data["k"] = []byte("w") },
		"a key more": func(s *corev1.Secret) { s.Data["l"] = nil },
		"no data":    func(s *corev1.Secret) { s.Data = nil },
	} {
		other := answer.DeepCopy()
		change(other)
		if err := wrote(sent, other); err == nil || !strings.Contains(err.Error(), "a/b: an admission webhook") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretThereAndBack(t *testing.T) {
	s := &secrets.Secret{
		Ref: secrets.Ref{Namespace: "a", Name: "b"}, Type: "kubernetes.io/tls", Immutable: true,
		Labels: map[string]string{"l": "1"}, Annotations: map[string]string{"n": "2"}, Data: map[string][]byte{"k": []byte("v")},
	}
	back := secretFrom(secretFor(s))
	if back.Ref != s.Ref || back.Type != s.Type || !sameData(back, s) || back.Labels["l"] != "1" || back.Annotations["n"] != "2" {
		t.Errorf("it came back as %+v", back)
	}
	if typed := secretFor(&secrets.Secret{}); typed.Type != corev1.SecretTypeOpaque || typed.Immutable != nil {
		t.Errorf("a plain one is sent as %v", typed)
	}
	if empty := secretFrom(&corev1.Secret{}); empty.Data == nil || empty.Labels == nil || empty.Annotations == nil {
		t.Error("maps of an empty one cannot be written to")
	}
}
