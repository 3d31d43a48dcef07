package tools

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJDKs(t *testing.T) {
	jdks := JDKs(t)
	if len(jdks) != 2 || jdks[0].Major != 17 || jdks[1].Major < 21 {
		t.Fatalf("JDKs() = %+v, want a 17 and one from 21 on", jdks)
	}
	for _, jdk := range jdks {
		if !executable(jdk.Java()) || !executable(jdk.Keytool()) {
			t.Errorf("JDK %s: java %q or keytool %q cannot be run", jdk.Version, jdk.Java(), jdk.Keytool())
		}
	}
}

func TestFindJDKs(t *testing.T) {
	dir := t.TempDir()
	home := func(name, release string, programs ...string) string {
		home := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(home, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(home, "release"), []byte(release))
		for _, program := range programs {
			if err := os.WriteFile(filepath.Join(home, "bin", program), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return home
	}
	all := []string{"java", "javac", "keytool"}
	homes := []string{
		filepath.Join(dir, "absent"),
		home("no-java", "JAVA_VERSION=\"25.0.9\"\n"),
		home("no-version", "IMPLEMENTOR=\"x\"\n", all...),
		home("17-old", "JAVA_VERSION=\"17.0.15\"\n", all...),
		home("17", "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.21.1\"\nOS_ARCH=\"y\"\n", all...),
		home("17-earlier", "JAVA_VERSION=\"17.0.18\"\n", all...),
		home("17-runtime", "JAVA_VERSION=\"17.0.99\"\n", "java", "keytool"),
		home("21", "JAVA_VERSION=\"21.0.10\"\n", all...),
		home("26", "JAVA_VERSION=\"26-ea\"\n", "java"),
		home("9", "JAVA_VERSION=\"9.0.4\"\n", all...),
	}
	found := findJDKs(homes)
	var versions []string
	for _, jdk := range found {
		versions = append(versions, jdk.Version)
	}
	want := []string{"17.0.15", "17.0.21.1", "17.0.18", "17.0.99", "21.0.10", "26-ea", "9.0.4"}
	if diff := cmp.Diff(want, versions); diff != "" {
		t.Errorf("findJDKs (-want +got):\n%s", diff)
	}
	if jdk, ok := newest(found, isJDK17); !ok || jdk.Version != "17.0.21.1" {
		t.Errorf("newest JDK 17 = %q, %v", jdk.Version, ok)
	}
	if jdk, ok := newest(found, func(j JDK) bool { return j.Major >= 21 }); !ok || jdk.Version != "26-ea" {
		t.Errorf("newest JDK = %q, %v", jdk.Version, ok)
	}
	if jdk, ok := newest(findJDKs(homes[:4]), isJDK17); ok {
		t.Errorf("a JDK 17 from before the end of TLS_RSA_* is taken: %q", jdk.Version)
	}
}
