package operator

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/flowcert/flowcert/test/tools"
)

// What came with which version of the operator.
const (
	OwnStores           = "1.8.0"  // it reads its own stores and their password: OPERATOR_TRUSTSTORE_PATH, OPERATOR_KEYSTORE_PASSWORD
	ObservedGeneration  = "1.8.0"  // status.observedGeneration
	NewJobIDs           = "1.10.0" // a job has another id after each upgrade with a savepoint
	Flink120            = "1.10.0" // flinkVersion v1_20, and with it today's names of Flink's options
	NestedConfiguration = "1.13.0" // flinkConfiguration in the nested and the mixed form, and flinkVersion v2_0 and later
)

// standalone is the jar of whose version the operator is, whether its own jar has everything in it or not.
var standalone = regexp.MustCompile(`^flink-kubernetes-standalone-([0-9.]+)\.jar$`)

// Version is the operator's.
func Version(t testing.TB) string {
	t.Helper()
	for _, jar := range filepath.SplitList(classPath(t)) {
		if m := standalone.FindStringSubmatch(filepath.Base(jar)); m != nil {
			return m[1]
		}
	}
	t.Fatalf("%s/classpath names no flink-kubernetes-standalone", tools.Operator(t))
	return ""
}

// Since reports whether the operator is of this version or a later one.
func Since(t testing.TB, earliest string) bool {
	t.Helper()
	return version.MustParseGeneric(Version(t)).AtLeast(version.MustParseGeneric(earliest))
}

// Needs leaves the rest of a test out where the operator is of an earlier version, and says in the log what it was about.
func Needs(t testing.TB, earliest, what string) {
	t.Helper()
	if !Since(t, earliest) {
		t.Skipf("this is operator %s, and %s: that is seen with %s or later alone, built by test/operator/fromsource.sh", Version(t), what, earliest)
	}
}

// classPath is the operator's, in the order in which Maven resolved it or its image has it.
func classPath(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tools.Operator(t), "classpath"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
