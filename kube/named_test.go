package kube

import (
	"strings"
	"testing"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// A name that no object can have is not asked for: the API server's client refuses it, and with it everything else.
func TestNamedLeavesOutWhatIsNoName(t *testing.T) {
	cfg, err := config.Parse(strings.NewReader("apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: ea\nflinkDeployments: [{name: session}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	mounting := func(name, mounts string) deploy.Resource {
		return deploy.Resource{
			Group: deploy.FlinkDeploymentGroup, Kind: deploy.FlinkDeploymentKind, Namespace: "ea", Name: name,
			Object: map[string]any{"spec": map[string]any{"flinkConfiguration": map[string]any{
				"kubernetes.secrets": mounts, "security.ssl.rest.keystore": "/tls/keystore.jks", "security.ssl.keystore": "/tls/keystore.jks",
			}}},
		}
	}
	s := &Store{cfg: cfg}
	named := s.named(&secrets.Snapshot{Live: &secrets.Live{}, Resources: []deploy.Resource{
		mounting("session", "session-tls:/tls"), mounting("other", "other/ns:/tls"), mounting("third", "..:/tls"), mounting("fourth", "a%b:/tls"),
	}})
	if _, ok := named[secrets.Ref{Namespace: "ea", Name: "session-tls"}]; !ok {
		t.Errorf("session-tls is not among %v", named)
	}
	for ref := range named {
		if strings.ContainsAny(ref.Name, "/%") || ref.Name == ".." || ref.Name == "" {
			t.Errorf("%q is asked for", ref.Name)
		}
	}
}
