package double

import (
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMerge(t *testing.T) {
	for _, tt := range []struct {
		name             string
		same             func(map[string]any) string
		base, over, want string
	}{
		{"maps", nil, "{a: {b: 1, c: 2}}", "{a: {c: 3}, d: 4}", "{a: {b: 1, c: 3}, d: 4}"},
		{"nothing over", nil, "{a: 1}", "", "{a: 1}"},
		{"nothing under", nil, "", "{a: 1}", "{a: 1}"},
		{"lists by position", nil, "{l: [{name: a, x: 1}, {name: b}]}", "{l: [{name: c, y: 2}]}", "{l: [{name: c, x: 1, y: 2}, {name: b}]}"},
		{"longer list by position", nil, "{l: [1]}", "{l: [2, 3]}", "{l: [2, 3]}"},
		{"lists by name", byName, "{l: [{name: a, x: 1}, {name: b}]}", "{l: [{name: b, y: 2}, {name: c}]}",
			"{l: [{name: a, x: 1}, {name: b, y: 2}, {name: c}]}"},
		{"mounts by name", byName, "{l: [{name: v, mountPath: /a}]}", "{l: [{name: v, mountPath: /b}]}", "{l: [{name: v, mountPath: /b}]}"},
		{"mounts by place", byPlace, "{l: [{name: v, mountPath: /a}]}", "{l: [{name: v, mountPath: /b}]}",
			"{l: [{name: v, mountPath: /a}, {name: v, mountPath: /b}]}"},
	} {
		if got, want := merge(parse(t, tt.base), parse(t, tt.over), tt.same), parse(t, tt.want); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
	}
}

func TestRestarts(t *testing.T) {
	const base = "{flinkConfiguration: {a: b, kubernetes.operator.x: y}, job: {upgradeMode: savepoint, parallelism: 1}, image: i}"
	for _, tt := range []struct {
		change string
		want   bool
	}{
		{base, false},
		{"{flinkConfiguration: {a: b, kubernetes: {operator: {x: z}}, parallelism.default: '4', job.autoscaler.enabled: 'true'}, job: {upgradeMode: last-state, parallelism: 1}, image: i}", false},
		{"{flinkConfiguration: {a: c, kubernetes.operator.x: y}, job: {upgradeMode: savepoint, parallelism: 1}, image: i}", true},
		{"{flinkConfiguration: {a: b, kubernetes.secrets: 's:/p'}, job: {upgradeMode: savepoint, parallelism: 1}, image: i}", true},
		{"{flinkConfiguration: {a: b}, job: {upgradeMode: savepoint, parallelism: 2}, image: i}", true},
		{"{flinkConfiguration: {a: b}, job: {upgradeMode: savepoint, parallelism: 1}, image: i, restartNonce: 1}", true},
	} {
		if got := restarts(parse(t, base).(map[string]any), parse(t, tt.change).(map[string]any)); got != tt.want {
			t.Errorf("%s restarts: %v, want %v", tt.change, got, tt.want)
		}
	}
}
