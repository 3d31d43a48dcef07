package operator

import (
	"archive/zip"
	"io"
	"path/filepath"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// Definitions are the custom resource definitions that belong to the operator, from its own jar.
func Definitions(t testing.TB) [][]byte {
	t.Helper()
	jar, err := zip.OpenReader(filepath.Join(tools.Operator(t), "flink-kubernetes-operator-api-"+Version+".jar"))
	if err != nil {
		t.Fatal(err)
	}
	defer jar.Close()
	var out [][]byte
	for _, name := range []string{"flinkdeployments", "flinksessionjobs"} {
		file, err := jar.Open("META-INF/fabric8/" + name + ".flink.apache.org-v1.yml")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	return out
}
