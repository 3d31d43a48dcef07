package install

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowcert/flowcert/test/tools"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, messages, err := try(t, filepath.Join(tools.InstallTools(t), "promtool"), args...)
	if err != nil {
		t.Errorf("promtool %v: %v\n%s%s", args, err, out, messages)
	}
}

func TestAlerts(t *testing.T) {
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", filepath.Join(root, "install", "monitoring", "alerts.yaml"))
	promtool(t, "test", "rules", filepath.Join("testdata", "alerts_test.yaml"))
}

// TestEveryAlertIsTested: each is seen to fire.
func TestEveryAlertIsTested(t *testing.T) {
	var rules struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	if err := yaml.Unmarshal(read(t, filepath.Join(root, "install", "monitoring", "alerts.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	tests := string(read(t, filepath.Join("testdata", "alerts_test.yaml")))
	for _, r := range rules.Groups[0].Rules {
		if !strings.Contains(tests, "alertname: "+r.Alert+"\n    exp_alerts:") {
			t.Errorf("nothing tests that %s fires", r.Alert)
		}
	}
}

// TestDashboardQueries: Prometheus reads every query.
func TestDashboardQueries(t *testing.T) {
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(read(t, filepath.Join(root, "install", "monitoring", "dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	var rules []map[string]string
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			rules = append(rules, map[string]string{
				"record": fmt.Sprintf("query:%d", len(rules)), "expr": strings.ReplaceAll(q.Expr, "$namespace", ".*"),
			})
		}
	}
	file, err := yaml.Marshal(map[string]any{"groups": []map[string]any{{"name": "queries", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", write(t, filepath.Join(t.TempDir(), "queries.yaml"), string(file)))
	if len(rules) < 10 {
		t.Errorf("the dashboard has %d queries", len(rules))
	}
}
