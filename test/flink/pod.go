package flink

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

//go:embed pod.sh
var podScript []byte

//go:embed testdata/log4j.properties
var log4j []byte

// A Pod is what a FlinkDeployment says of a pod.
type Pod struct {
	// Conf is spec.flinkConfiguration, flat. What only Kubernetes gives a meaning to is left out:
	// kubernetes.* and high-availability.*.
	Conf map[string]string
	// Secrets are files by the folder in which a Secret is mounted.
	Secrets map[string]map[string][]byte
	// Files replace files of the machine, as the JDK's truststore: path in the pod and here.
	Files map[string]string
	// Hosts are names beside the cluster's, and their addresses.
	Hosts map[string]string
	// JDK is the Java that runs it.
	JDK tools.JDK
	// Options go behind those of Conf, as a user would add them.
	Options string
}

// With returns the pod with more configuration.
func (p Pod) With(keysAndValues ...string) Pod {
	p.Conf = maps.Clone(p.Conf)
	for i := 0; i < len(keysAndValues); i += 2 {
		p.Conf[keysAndValues[i]] = keysAndValues[i+1]
	}
	return p
}

// DefaultOptions are what Flink's own configuration file gives every JVM: from JDK 17 on Flink's
// serializers do not work without.
var DefaultOptions = strings.Join([]string{
	"--add-exports=java.base/sun.net.util=ALL-UNNAMED", "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
	"--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.net=ALL-UNNAMED",
	"--add-opens=java.base/java.io=ALL-UNNAMED", "--add-opens=java.base/java.nio=ALL-UNNAMED",
	"--add-opens=java.base/sun.nio.ch=ALL-UNNAMED", "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
	"--add-opens=java.base/java.text=ALL-UNNAMED", "--add-opens=java.base/java.time=ALL-UNNAMED",
	"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
}, " ")

// jvmOptions are env.java.opts.all and those of the role, in the order of Flink's scripts.
func (p Pod) jvmOptions(role string) string {
	all, ok := p.Conf["env.java.opts.all"]
	if !ok {
		all = DefaultOptions
	}
	var parts []string
	for _, text := range []string{all, p.Conf["env.java.opts."+role], p.Options} {
		if len(text) > 1 && strings.HasPrefix(text, `"`) && strings.HasSuffix(text, `"`) {
			text = text[1 : len(text)-1]
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// run starts a JVM of the pod. Its configuration is the pod's and what is decided here.
func (p Pod) run(t testing.TB, d Distribution, role, mainClass, hosts, volume string, decided map[string]string, args ...string) *tools.Background {
	t.Helper()
	stage := stage{dir: t.TempDir()}
	conf := map[string]string{}
	for key, value := range p.Conf {
		if !strings.HasPrefix(key, "kubernetes.") && !strings.HasPrefix(key, "high-availability") {
			conf[key] = value
		}
	}
	maps.Copy(conf, decided)
	stage.write(t, "conf/"+d.configFile(), configText(conf))
	stage.write(t, "conf/log4j.properties", log4j)
	stage.write(t, "hosts", []byte(hosts))
	stage.write(t, "tmp/.keep", nil)
	for at, files := range p.Secrets {
		for name, content := range files {
			stage.write(t, filepath.Join("secrets", at, name), content)
		}
	}

	mounts := map[string]string{
		"/etc/hosts":        stage.path("hosts"),
		"/opt/flink/lib":    filepath.Join(d.dir, "lib"),
		"/opt/flink/conf":   stage.path("conf"),
		"/opt/flink/tmp":    stage.path("tmp"),
		"/opt/flink/volume": volume,
	}
	for at := range p.Secrets {
		mounts[at] = stage.path(filepath.Join("secrets", at))
	}
	maps.Copy(mounts, p.Files)

	var classPath []string
	for _, jar := range jars(t, d.dir) {
		classPath = append(classPath, "/opt/flink/lib/"+jar)
	}
	classPath = append(classPath, tools.PgJDBC(t))
	line := slices.Concat(unshare(t), []string{"sh", "-s", "--", stage.path("root")}, opened(mounts), []string{"--"})
	if err := os.Mkdir(stage.path("root"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, target := range slices.Sorted(maps.Keys(mounts)) {
		line = append(line, target+"="+mounts[target])
	}
	// Quick to start and small; it leaves nothing in /tmp.
	line = append(line, "--", p.JDK.Java(), "-XX:TieredStopAtLevel=1", "-XX:ActiveProcessorCount=1", "-XX:-UsePerfData", "-Xmx384m",
		"-Djava.io.tmpdir=/opt/flink/tmp", "-Dlog4j.configurationFile=file:/opt/flink/conf/log4j.properties", "-Duser.language=en",
		"-classpath", strings.Join(classPath, ":"), mainClass, "--configDir", "/opt/flink/conf")
	line = append(line, args...)
	cmd := exec.CommandContext(context.Background(), line[0], line[1:]...)
	cmd.Stdin = bytes.NewReader(podScript)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "JVM_OPTS=" + p.jvmOptions(role)}
	return tools.Start(t, cmd, os.Kill)
}

// unshare is the command that gives a program mounts of its own. Root may; others may where the system lets
// them have a user namespace.
func unshare(t testing.TB) []string {
	t.Helper()
	line := []string{tools.Require(t, "unshare"), "--mount"}
	if os.Geteuid() != 0 {
		line = append(line, "--user", "--map-root-user")
	}
	if out, err := exec.Command(line[0], append(line[1:], "true")...).CombinedOutput(); err != nil {
		t.Fatalf("a pod needs mounts of its own, which this user may not have: %v: %s\n"+
			"run the tests as root, in a container with CAP_SYS_ADMIN, or allow unprivileged user namespaces", err, out)
	}
	return line
}

// opened are the folders of the machine that lack a target, outer ones first.
func opened(mounts map[string]string) []string {
	found := map[string]bool{}
	for target := range mounts {
		dir := filepath.Dir(target)
		if _, err := os.Lstat(target); err == nil {
			continue
		}
		for {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				break
			}
			dir = filepath.Dir(dir)
		}
		found[dir] = true
	}
	found["/"] = true
	return slices.Sorted(maps.Keys(found))
}

// configText is one key a line, which is what both of Flink's parsers read.
func configText(conf map[string]string) []byte {
	var text bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		fmt.Fprintf(&text, "%s: %s\n", key, conf[key])
	}
	return text.Bytes()
}

// A stage is a folder of this machine from which a pod is furnished.
type stage struct{ dir string }

func (s stage) path(name string) string { return filepath.Join(s.dir, name) }

func (s stage) write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}
