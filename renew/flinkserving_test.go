package renew

import (
	"context"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// A rollout is over when the REST endpoint shows the new certificate, as far as anybody can see it.
func TestFlinkServesBefore(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	old := s.version(testNow, "flinkDeployment/ea/session", secrets.RoleFlinkTLS)
	due := testNow.AddDate(0, 10, 0)
	s.apply(due)
	soon := due.Add(time.Minute)
	state := s.observe(soon)
	versions := state.versions[slot{"flinkDeployment/ea/session", secrets.RoleFlinkTLS}]
	if len(versions) != 2 || versions[0].Name == old.Name {
		t.Fatalf("%d versions", len(versions))
	}
	var flink deploy.Resource
	for _, r := range state.resources {
		if r.Kind == deploy.FlinkDeploymentKind {
			flink = r
		}
	}
	leafOf := func(v *secrets.Secret) *x509.Certificate {
		key, trust := shape{}.passwords(v)
		id, err := v.Stores(formatOf(v), key, trust)
		if err != nil {
			t.Fatal(err)
		}
		return id.Chain[0]
	}
	stranger := newCA(t, "a mesh", testNow).root
	for _, tt := range []struct {
		serves *x509.Certificate
		want   string
	}{
		{nil, ""}, {leafOf(versions[0]), ""}, {leafOf(versions[1]), old.Name}, {stranger, ""},
	} {
		state.serves = map[string]*x509.Certificate{flink.String(): tt.serves}
		if got := state.servesBefore(flink); got != tt.want {
			t.Errorf("with %v it serves %q, want %q", tt.serves, got, tt.want)
		}
	}

	// Everything else says that the rollout is over.
	flink.Status = map[string]any{
		"lifecycleState": "STABLE", "jobManagerDeploymentStatus": "READY", "observedGeneration": int64(0),
		"reconciliationStatus": map[string]any{"lastReconciledSpec": "{}", "lastStableSpec": "{}"},
	}
	state.Live = &secrets.Live{}
	state.serves = map[string]*x509.Certificate{flink.String(): leafOf(versions[1])}
	if h := state.health(flink); !strings.Contains(h.Rolling, "still serves the certificate of "+old.Name) {
		t.Errorf("it is rolling: %q", h.Rolling)
	}
	state.serves = nil
	if h := state.health(flink); h.Rolling != "" {
		t.Errorf("it is rolling: %q", h.Rolling)
	}
}

// Whom nobody waits for is not asked.
func TestFlinkIsAskedWhileItIsNew(t *testing.T) {
	s := quickSite(t)
	s.apply(testNow)
	first := s.observe(testNow)
	s.apply(testNow.AddDate(0, 10, 0))
	for want, state := range map[bool]*State{
		true:  s.observe(testNow.AddDate(0, 10, 0).Add(freshFor / 2)),
		false: s.observe(testNow.AddDate(0, 10, 0).Add(freshFor)),
	} {
		for _, r := range state.resources {
			if r.Kind == deploy.FlinkDeploymentKind && state.freshlyIssued(r) != want {
				t.Errorf("at %s it is new: %v", state.Now, !want)
			}
		}
	}
	for _, r := range first.resources {
		if first.freshlyIssued(r) {
			t.Errorf("%s is asked although it has had one certificate", r)
		}
	}
	// Nobody is there to answer: that says nothing.
	state := s.observe(testNow.AddDate(0, 10, 0).Add(time.Minute))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	state.askFlink(ctx, s.cfg)
	if len(state.serves) != 0 {
		t.Errorf("it serves %v", state.serves)
	}
}
