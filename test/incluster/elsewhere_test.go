package incluster_test

import (
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/test/cluster"
	"github.com/flowcert/flowcert/test/double"
)

// TestASecretElsewhere: the CA of a source is in a namespace where flowcert may read that Secret by its name alone. It
// watches it there, and asks for nothing that it is refused.
func TestASecretElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	elsewhere := s.in(s.Namespace(t))
	secret := func(ca string) []byte {
		return []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: kafka-ca}\nstringData:\n  ca.crt: |\n    " + strings.ReplaceAll(strings.TrimSpace(ca), "\n", "\n    ") + "\n")
	}
	s.Apply(t, elsewhere.namespace, secret(newCA(t, "Kafka").certificate))
	s.write(t, "flowcert.yaml", strings.ReplaceAll(config, "authority: true}", "secret: {namespace: "+elsewhere.namespace+", name: kafka-ca, key: ca.crt}}"))
	s.grant(t, "--configmap-from", filepath.Join(s.dir, "flowcert.yaml"))
	d := double.Start(t, s.Cluster, s.namespace)
	s.Apply(t, s.namespace, s.expand(plain))
	s.settled(t, d)
	run := s.start(t)
	eventually(t, "it is ready", func() bool { code, _ := run.page(t, "/readyz"); return code == 200 })
	s.eventuallyPlanned(t)
	before := s.oneOf(t, secrets.RoleTruststore).Name
	renewed := newCA(t, "Kafka 2").certificate
	elsewhere.change(t, secretsGVR, "kafka-ca", "somebody", func(u *unstructured.Unstructured) {
		u.Object["stringData"] = map[string]any{"ca.crt": renewed}
	})
	eventually(t, "the truststore follows", func() bool { return s.oneOf(t, secrets.RoleTruststore).Name != before })
	run.terminate(t)

	watched := false
	for _, q := range s.Requests(t) {
		if q.User != cluster.UserName(s.namespace, account) {
			continue
		}
		if q.Code == 403 && q.Resource != "ingresses" {
			t.Errorf("it asked for what it is not granted: %+v", q)
		}
		watched = watched || q.Verb == "watch" && q.Resource == "secrets" && q.Namespace == elsewhere.namespace
	}
	if !watched {
		t.Error("it does not watch the Secret")
	}
}
