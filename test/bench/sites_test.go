package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const example = root + "/examples/quickstart"

// A site is the content of a directory before flowcert's first run, by file name.
type site map[string]string

// job is the example: one Event Processing, two FlinkDeployments, one truststore. Keys are
// what flowcert.yaml says of them; empty: the defaults.
func job(b *testing.B, keys string) site {
	b.Helper()
	s := site{}
	files, err := filepath.Glob(example + "/*.*")
	if err != nil || len(files) == 0 {
		b.Fatalf("no example: %v", err)
	}
	for _, f := range files {
		s[filepath.Base(f)] = read(b, f)
	}
	s["flowcert.yaml"] += keys
	return s
}

// instances is a directory of many Event Processings, each with a session cluster of its own
// where flink is set, and one truststore for all.
func instances(b *testing.B, n int, flink bool, keys string) site {
	b.Helper()
	s := site{"orders-ca.pem": read(b, example+"/orders-ca.pem")}
	var config strings.Builder
	config.WriteString("apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: event-automation\n" +
		"truststores: [{sources: [{name: orders-db, file: orders-ca.pem}]}]\n" + keys + "eventProcessing:\n")
	ep, cluster := read(b, example+"/event-processing.yaml"), read(b, example+"/flink-session.yaml")
	for i := range n {
		name := strings.NewReplacer("my-ep", fmt.Sprintf("ep-%d", i), "ep.apps", fmt.Sprintf("ep-%d.apps", i), "session-cluster-prod", fmt.Sprintf("flink-%d", i))
		fmt.Fprintf(&config, "- {name: ep-%d}\n", i)
		s[fmt.Sprintf("ep-%d.yaml", i)] = name.Replace(ep)
		if flink {
			s[fmt.Sprintf("flink-%d.yaml", i)] = name.Replace(cluster)
		}
	}
	if flink {
		config.WriteString("flinkDeployments:\n")
		for i := range n {
			fmt.Fprintf(&config, "- {name: flink-%d}\n", i)
		}
	}
	s["flowcert.yaml"] = config.String()
	return s
}

// namespaces is a directory of one Event Processing in each of many namespaces, and
// one truststore for all of them: each namespace gets an intermediate and a copy of
// the truststore.
func namespaces(b *testing.B, n int, keys string) site {
	b.Helper()
	s := site{"orders-ca.pem": read(b, example+"/orders-ca.pem")}
	var config strings.Builder
	config.WriteString("apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: event-automation\n" +
		"truststores: [{sources: [{name: orders-db, file: orders-ca.pem}]}]\n" + keys + "eventProcessing:\n")
	ep := read(b, example+"/event-processing.yaml")
	for i := range n {
		fmt.Fprintf(&config, "- {name: my-ep, namespace: team-%d}\n", i)
		s[fmt.Sprintf("team-%d.yaml", i)] = strings.Replace(ep, "name: my-ep\n", fmt.Sprintf("name: my-ep\n  namespace: team-%d\n", i), 1)
	}
	s["flowcert.yaml"] = config.String()
	return s
}

// fresh writes the site into a directory of its own.
func (s site) fresh(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	for name, content := range s {
		write(b, filepath.Join(dir, name), content)
	}
	return dir
}

func emptyDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	return dir
}
