package main

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/flowcert/flowcert/deploy"
)

// Whatever a name is, YAML reads it back as that text, and YAML 1.1 does too.
func TestScalar(t *testing.T) {
	for _, s := range []string{
		"my-ep", "on", "NO", "y", "true", "null", "~", "", "123", "1e3", "0x1f", "0o7", "1_000", ".inf", "2020-01-01", "12:30:45", "=", "<<",
		"a: b", "a #b", "- a", "? a", "!a", "&a", "*a", "%a", "@a", "`a", "{a}", "[a]", "a, b", "'a'", `"a"`, `\a`, " a", "a ", "a\nb", "a\tb", "\u2028", "\u0085", "ÄÖ", "\ufeff", strings.Repeat("a b", 100),
	} {
		text := scalar(s)
		var back map[string]any
		if err := yaml.Unmarshal([]byte("name: "+text+"\nnext: 1\n"), &back); err != nil || back["name"] != s || back["next"] != 1 {
			t.Errorf("%q is written %s and read as %#v, %v", s, text, back["name"], err)
		}
		if strings.Contains(text, "\n") {
			t.Errorf("%q is written on several lines", s)
		}
	}
	for _, s := range []string{"on", "NO", "y", "12:30:45"} { // of YAML 1.1
		if text := scalar(s); !strings.ContainsAny(text[:1], `"'`) {
			t.Errorf("%s is not quoted", text)
		}
	}
}

// No name breaks out of a comment.
func TestComment(t *testing.T) {
	got := comment("a\nb\r\u2028c\x1b[1m " + strings.Repeat("word ", 40) + strings.Repeat("x", 200))
	for line := range strings.SplitSeq(strings.TrimSuffix(got, "\n"), "\n") {
		if !strings.HasPrefix(line, "# ") || strings.ContainsAny(line, "\r\u2028\x1b") {
			t.Errorf("line %q", line)
		}
	}
}

func TestSourceName(t *testing.T) {
	for path, want := range map[string]string{
		"orders-ca.pem": "orders-ca", "Orders CA.crt": "orders-ca", "brokers/kafka.ca.pem": "brokers-kafka-ca", "../x.pem": "x",
		"ÄÖ.pem": "ca", strings.Repeat("a", 100) + ".pem": strings.Repeat("a", maxSourceName), "-.pem": "ca",
	} {
		if got := sourceName(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	taken := map[string]bool{}
	for _, want := range []string{"ca", "ca-2", "ca-3"} {
		if got := freeName("ca", taken); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCommonestNamespace(t *testing.T) {
	in := func(namespaces ...string) (all []deploy.Resource) {
		for _, n := range namespaces {
			all = append(all, deploy.Resource{Namespace: n})
		}
		return all
	}
	for _, c := range []struct {
		resources []deploy.Resource
		want      string
		guessed   bool
	}{
		{in("", ""), usualNamespace, true},
		{in("", "", "b"), "b", false},
		{in("b", "a", "b"), "b", false},
		{in("b", "a"), "a", false},
		{in("<NAMESPACE>", "<NAMESPACE>", "a"), "a", false},
		{in("<NAMESPACE>"), usualNamespace, true},
	} {
		if got, guessed := commonest(c.resources); got != c.want || guessed != c.guessed {
			t.Errorf("%v: %s, %v", c.resources, got, guessed)
		}
	}
}

func TestClusterAPIOfHosts(t *testing.T) {
	ep := func(hosts ...string) deploy.Resource {
		var endpoints []any
		for _, h := range hosts {
			endpoints = append(endpoints, map[string]any{"host": h})
		}
		return deploy.Resource{Kind: deploy.EventProcessingKind, Namespace: "ea", Name: "ep",
			Object: map[string]any{"spec": map[string]any{"authoring": map[string]any{"endpoints": endpoints}}}}
	}
	for _, c := range []struct {
		hosts []string
		want  string
	}{
		{[]string{"ep-ibm-eventprocessing-ea.apps.x.com"}, "apps.x.com"},
		{[]string{"ep.example.com", "ep-ibm-eventprocessing-rt-ea.apps.x.com"}, "apps.x.com"},
		{[]string{"ep-ibm-eventprocessing-other.apps.x.com"}, ""},
		{[]string{"ep-ibm-eventprocessing-ea.<CLUSTER>", "ep-ibm-eventprocessing-ea", "ep-ibm-eventprocessing-ea.local"}, ""},
		{[]string{"ep-ibm-eventprocessing-ea.b.com", "ep-ibm-eventprocessing-ea.a.com", "ep-ibm-eventprocessing-rt-ea.b.com"}, "b.com"},
		{nil, ""},
	} {
		if got := clusterAPI([]deploy.Resource{ep(c.hosts...)}); got != c.want {
			t.Errorf("%v: %q, want %q", c.hosts, got, c.want)
		}
	}
}
