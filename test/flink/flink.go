// Package flink starts real Apache Flink clusters: a JobManager and TaskManagers, each a JVM in a file
// system of its own in which a FlinkDeployment's Secrets are mounted where it says.
//
// `make e2e` installs the versions of versions.txt; Find returns one of them. Start starts a JobManager,
// AddTaskManager a TaskManager; both take a Pod, so that two may have different versions of the stores. They
// listen on addresses of 127.0.0.0/8 only, and end with the test. Client speaks Flink's REST API.
//
// It is for tests only. What is missing fails the test with the command that installs it.
package flink

import (
	"bufio"
	_ "embed"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

//go:embed versions.txt
var versions string

// A Distribution is an unpacked Flink.
type Distribution struct {
	Version string // 1.20.5
	dir     string
}

// Find returns the Flink whose version begins so, such as 1.20. It fails the test if there is none.
func Find(t testing.TB, version string) Distribution {
	t.Helper()
	for lines := bufio.NewScanner(strings.NewReader(versions)); lines.Scan(); {
		full, hash, _ := strings.Cut(lines.Text(), " ")
		if !strings.HasPrefix(full+".", version+".") {
			continue
		}
		dir := filepath.Join(tools.Cache(t), "flink-"+full+"-"+hash[:8])
		if len(jars(t, dir)) == 0 {
			t.Fatalf("Flink %s is missing in %s: run `test/e2etools.sh`", full, dir)
		}
		return Distribution{full, dir}
	}
	t.Fatalf("versions.txt has no Flink %s", version)
	return Distribution{}
}

// jars are the file names of lib.
func jars(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "lib", "*.jar"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	return names
}

// configFile is the name and the form of the configuration: Flink 2 has read YAML alone since it began.
func (d Distribution) configFile() string {
	if strings.HasPrefix(d.Version, "1.") {
		return "flink-conf.yaml"
	}
	return "config.yaml"
}
