//go:build e2e

package operator

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// configuration is a FlinkDeployment's flinkConfiguration, in whatever form, as Flink reads it.
func (s *site) configuration(t *testing.T, name string) map[string]string {
	t.Helper()
	spec := s.get(t, flinkGVR, s.namespace, name).Object["spec"].(map[string]any)
	conf := map[string]string{}
	flatten(conf, "", spec["flinkConfiguration"])
	return conf
}

// flatten names a value by the keys that lead to it, with dots between them.
func flatten(conf map[string]string, key string, value any) {
	mapping, ok := value.(map[string]any)
	if !ok {
		conf[key] = fmt.Sprint(value)
		return
	}
	for name, child := range mapping {
		flatten(conf, strings.TrimPrefix(key+"."+name, "."), child)
	}
}

// flinkConf reads the configuration among the files that the operator makes for pods: config.yaml, which is YAML, for Flink from 2.0 on
// and flink-conf.yaml, a key and a value a line, before. There is one of the two; without a ConfigMap there is none.
func flinkConf(files map[string]string) (map[string]string, error) {
	conf := map[string]string{}
	for line := range strings.Lines(files["flink-conf.yaml"]) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			conf[key] = value
		}
	}
	var root map[string]any
	if err := yaml.Unmarshal([]byte(files["config.yaml"]), &root); err != nil {
		return nil, fmt.Errorf("config.yaml: %w", err)
	}
	for name, value := range root {
		flatten(conf, name, value)
	}
	return conf, nil
}
