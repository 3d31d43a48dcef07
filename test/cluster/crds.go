package cluster

import (
	"path/filepath"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// definitions returns the files of the custom resource definitions to install: Flink's own where
// ../shared/data/crds has them, our stand-ins where it does not, and stand-ins for Event Processing and
// OpenShift, whose definitions are not public or not worth their size.
func definitions(t testing.TB) []string {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	standIns := filepath.Join(root, "test", "cluster", "testdata", "crds")
	files := []string{filepath.Join(standIns, "ibm.yaml"), filepath.Join(standIns, "openshift.yaml")}
	flink, err := filepath.Glob(filepath.Join(root, "..", "shared", "data", "crds", "*.flink.apache.org-v1.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(flink) == 0 {
		flink = []string{filepath.Join(standIns, "flink.yaml")}
	}
	return append(files, flink...)
}
