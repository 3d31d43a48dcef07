package install_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// metrics are those that the daemon gives out.
var metrics = []string{
	"flowcert_actions_total",
	"flowcert_blocked",
	"flowcert_build_info",
	"flowcert_certificate_not_after_timestamp_seconds",
	"flowcert_certificate_renew_at_timestamp_seconds",
	"flowcert_faults",
	"flowcert_last_successful_pass_timestamp_seconds",
	"flowcert_leader",
	"flowcert_pass_duration_seconds",
	"flowcert_pass_failures_total",
	"flowcert_rollouts_in_progress",
}

// TestMetricsExist: the alert rules and the dashboard ask for no metric that is not there, and no metric is there that
// nobody looks at.
func TestMetricsExist(t *testing.T) {
	used := map[string]bool{}
	word := regexp.MustCompile(`\bflowcert_[a-z_]+`)
	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		text, err := os.ReadFile(filepath.Join("monitoring", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range word.FindAllString(string(text), -1) {
			metric := strings.TrimSuffix(found, "_bucket") // of a histogram
			used[metric] = true
			if !slices.Contains(metrics, metric) {
				t.Errorf("%s asks for %s, which is no metric", name, found)
			}
		}
	}
	for _, metric := range metrics {
		if !used[metric] {
			t.Errorf("neither the alert rules nor the dashboard have %s", metric)
		}
	}
}

// TestDashboard: panels do not lie on each other, and each has a title, a query and the data source of the variable.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("monitoring", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID    string
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct {
				Expr       string
				Datasource struct{ UID string }
			}
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range dashboard.Panels {
		if p.Title == "" || len(p.Targets) == 0 || ids[p.ID] {
			t.Errorf("panel %d %q: %d queries", p.ID, p.Title, len(p.Targets))
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			if q.Expr == "" || q.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q asks %q of %q", p.Title, q.Expr, q.Datasource.UID)
			}
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x > 23 {
					t.Fatalf("panel %q lies on %q, or beside the page", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	if dashboard.UID != "flowcert" || len(ids) < 8 {
		t.Errorf("dashboard %q has %d panels", dashboard.UID, len(ids))
	}
}
