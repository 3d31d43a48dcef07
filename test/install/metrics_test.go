package install

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowcert/flowcert/daemon"
)

// metrics are those that the daemon gives out, but Go's own.
func metrics(t *testing.T) []string {
	t.Helper()
	described := make(chan *prometheus.Desc, 1000)
	daemon.NewMetrics("v1.0.0", "go1.26").Registry.Describe(described)
	close(described)
	name := regexp.MustCompile(`fqName: "(flowcert_[a-z_]+)"`)
	var out []string
	for d := range described {
		if m := name.FindStringSubmatch(d.String()); m != nil {
			out = append(out, m[1])
		}
	}
	if len(out) < 10 {
		t.Fatalf("the daemon has only the metrics %v", out)
	}
	return out
}

// TestMetricsExist: the alert rules and the dashboard ask for no metric that is not there, and no metric is there that
// nobody looks at.
func TestMetricsExist(t *testing.T) {
	metrics := metrics(t)
	used := map[string]bool{}
	word := regexp.MustCompile(`\bflowcert_[a-z_]+`)
	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		text := string(read(t, filepath.Join(root, "install", "monitoring", name)))
		for _, found := range word.FindAllString(text, -1) {
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
	unmarshal(t, read(t, filepath.Join(root, "install", "monitoring", "dashboard.json")), &dashboard)
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
