//go:build e2e

package flink

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowcert/flowcert/test/flink"
	"github.com/flowcert/flowcert/test/tools"
)

const namespace = "event-automation"

// The vendor's sample of a session cluster, where it is there, and the repository's own.
const (
	vendorSample = "../../../../shared/data/samples/flinkdeployment-kubernetes-minimal-production.yaml"
	ownSample    = "../../interop/testdata/site/flink-session.yaml"
)

// A site is a directory as a user has it: flowcert.yaml and a FlinkDeployment.
type site struct {
	dir  string
	name string // of the FlinkDeployment
}

// newSite copies the sample, puts what else there is beside it, by file name, and applies.
// NAME in the configuration stands for the FlinkDeployment's name.
func newSite(t testing.TB, config string, files map[string][]byte) site {
	t.Helper()
	sample, err := os.ReadFile(vendorSample)
	if errors.Is(err, fs.ErrNotExist) {
		sample, err = os.ReadFile(ownSample)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := site{dir: t.TempDir()}
	s.write(t, "flink.yaml", sample)
	s.name = s.resource(t, "flink.yaml").Metadata.Name
	s.write(t, "flowcert.yaml", []byte("apiVersion: flowcert.io/v1alpha1\nkind: Config\nnamespace: "+namespace+"\n"+
		strings.ReplaceAll(config, "NAME", s.name)))
	for name, content := range files {
		s.write(t, name, content)
	}
	s.run(t, "apply")
	return s
}

func (s site) write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a command of flowcert that must succeed.
func (s site) run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, append([]string{args[0], "--dir", s.dir}, args[1:]...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("flowcert %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// renew asks for a renewal and has it made.
func (s site) renew(t testing.TB, args ...string) {
	t.Helper()
	s.run(t, append([]string{"renew"}, args...)...)
	s.run(t, "apply")
}

// roots are the root certificates as flowcert ca prints them.
func (s site) roots(t testing.TB) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "ca", "--dir", s.dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A resource is what is read of a manifest, independently of flowcert's own reader.
type resource struct {
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		FlinkConfiguration map[string]string
		PodTemplate        struct {
			Spec struct {
				Containers []struct {
					Name         string
					VolumeMounts []struct{ Name, MountPath string }
				}
				Volumes []struct {
					Name   string
					Secret *struct {
						SecretName string
						Items      []struct{ Key, Path string }
					}
				}
			}
		}
	}
}

func (s site) resource(t testing.TB, name string) resource {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	var r resource
	if err := yaml.Unmarshal(content, &r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// secret returns the data of a Secret that flowcert wrote.
func (s site) secret(t testing.TB, name string) map[string][]byte {
	t.Helper()
	data := map[string][]byte{}
	for key, encoded := range s.resource(t, filepath.Join("secrets", namespace+"."+name+".yaml")).Data {
		content, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		data[key] = content
	}
	return data
}

// pod is a pod of the FlinkDeployment as it is now, with the Secrets mounted where it says.
func (s site) pod(t testing.TB, jdk tools.JDK) flink.Pod {
	t.Helper()
	r := s.resource(t, "flink.yaml")
	p := flink.Pod{Conf: r.Spec.FlinkConfiguration, Secrets: map[string]map[string][]byte{}, JDK: jdk, Hosts: map[string]string{}}
	for pair := range strings.SplitSeq(p.Conf["kubernetes.secrets"], ",") {
		name, at, ok := strings.Cut(pair, ":")
		if !ok {
			t.Fatalf("kubernetes.secrets: %q is not a secret and a path", pair)
		}
		p.Secrets[at] = s.secret(t, name)
	}
	for _, volume := range r.Spec.PodTemplate.Spec.Volumes {
		if volume.Secret == nil {
			continue
		}
		data, files := s.secret(t, volume.Secret.SecretName), map[string][]byte{}
		for _, item := range volume.Secret.Items {
			content, ok := data[item.Key]
			if !ok {
				t.Fatalf("secret %s has no key %s: the pod would not start", volume.Secret.SecretName, item.Key)
			}
			files[item.Path] = content
		}
		for _, container := range r.Spec.PodTemplate.Spec.Containers {
			for _, mount := range container.VolumeMounts {
				if mount.Name == volume.Name && container.Name == "flink-main-container" {
					p.Secrets[mount.MountPath] = files
				}
			}
		}
	}
	return p
}
