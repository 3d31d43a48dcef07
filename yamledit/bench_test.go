package yamledit

import (
	"os"
	"testing"
)

func BenchmarkApply(b *testing.B) {
	src, err := os.ReadFile("testdata/flinkdeployment.yaml")
	if err != nil {
		b.Fatal(err)
	}
	edits := workEdits(b)
	for b.Loop() {
		if _, _, err := Apply(src, edits); err != nil {
			b.Fatal(err)
		}
	}
}
