package operator

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// Definitions are the custom resource definitions that belong to the operator: of its chart, if they are in the folder crds beside its
// jars, or else from its own jar.
func Definitions(t testing.TB) [][]byte {
	t.Helper()
	if out := chartDefinitions(t); len(out) > 0 {
		return out
	}
	for _, path := range filepath.SplitList(classPath(t)) {
		if out := definitionsIn(t, path); len(out) > 0 {
			return out
		}
	}
	t.Fatal("no jar of the operator's has its definitions")
	return nil
}

// chartDefinitions are those in the folder crds.
func chartDefinitions(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tools.Operator(t), "crds", "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	return out
}

// definitionsIn are those in a jar.
func definitionsIn(t testing.TB, path string) [][]byte {
	t.Helper()
	jar, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer jar.Close()
	var out [][]byte
	for _, file := range jar.File {
		if ok, _ := filepath.Match("META-INF/fabric8/flink*.flink.apache.org-v1.yml", file.Name); ok {
			out = append(out, content(t, file))
		}
	}
	return out
}

func content(t testing.TB, file *zip.File) []byte {
	t.Helper()
	r, err := file.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
