package deploy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/yamledit"
)

// TestMergeInto follows FlinkUtils.mergeInto of the Flink Kubernetes operator,
// line by line; the last cases are its own tests (FlinkUtilsTest.testMergePods,
// testMergePodUsingArrayName).
func TestMergeInto(t *testing.T) {
	tests := []struct {
		name             string
		byName           bool
		shared, own, out string
	}{
		{"only the shared", false, "{a: 1}", "", "{a: 1}"},
		{"only its own", false, "", "{a: 1}", "{a: 1}"},
		{"neither", false, "", "", ""},
		{"deep", false, "{a: {b: 1, c: 2}, d: 3}", "{a: {c: 4, e: 5}, f: 6}", "{a: {b: 1, c: 4, e: 5}, d: 3, f: 6}"},
		{"null says nothing", false, "{a: 1, b: null}", "{a: null, c: null}", "{a: 1}"},
		{"an empty list says nothing", false, "{a: [1]}", "{a: [], b: []}", "{a: [1]}"},
		{"a scalar does not replace a mapping", false, "{a: {b: 1}}", "{a: 2}", "{a: {b: 1}}"},
		{"a list does not replace a mapping", false, "{a: {b: 1}}", "{a: [2]}", "{a: {b: 1}}"},
		{"a mapping replaces a scalar", false, "{a: 2}", "{a: {b: 1}}", "{a: {b: 1}}"},
		{"a scalar replaces a list", false, "{a: [2]}", "{a: 1}", "{a: 1}"},
		{"scalars keep their position's first", false, "{args: [a, b]}", "{args: [c, d, e]}", "{args: [a, b, e]}"},
		{"by position", false, "{v: [{name: a, x: 1}, {name: b}]}", "{v: [{name: c, y: 2}]}", "{v: [{name: c, x: 1, y: 2}, {name: b}]}"},
		{"by position, longer", false, "{v: [{name: a}]}", "{v: [{name: b}, {name: c}]}", "{v: [{name: b}, {name: c}]}"},
		{"by name", true, "{v: [{name: a, x: 1}, {name: b}]}", "{v: [{name: c}, {name: a, y: 2}]}", "{v: [{name: a, x: 1, y: 2}, {name: b}, {name: c}]}"},
		{"by name, nested", true, "{c: [{name: a, m: [{name: x, p: 1}]}]}", "{c: [{name: a, m: [{name: z}, {name: x, q: 2}]}]}", "{c: [{name: a, m: [{name: x, p: 1, q: 2}, {name: z}]}]}"},
		{"by name, two mounts of one volume collapse to the last", true, "{m: [{name: a, p: 1, s: 1}, {name: b}, {name: a, p: 2}]}", "{m: [{name: c, p: 1}, {name: c, q: 2}]}", "{m: [{name: a, p: 2}, {name: b}, {name: c, q: 2}]}"},
		{"by name, twice in an entry appended by position", true, "{c: [{x: 1}]}", "{c: [{y: 2}, {name: s, m: [{name: a, p: 1}, {name: a, q: 2}]}]}", "{c: [{x: 1, y: 2}, {name: s, m: [{name: a, q: 2}]}]}"},
		{"by name, nothing to merge with", true, "{m: [{name: a, p: 1}, {name: a, p: 2}]}", "{x: 1}", "{m: [{name: a, p: 1}, {name: a, p: 2}], x: 1}"},
		{"by name, but one has none", true, "{v: [{name: a}, {x: 1}]}", "{v: [{name: b}]}", "{v: [{name: b}, {x: 1}]}"},
		{"by name, but null", true, "{v: [{name: a}]}", "{v: [{name: null, x: 1}]}", "{v: [{name: a, x: 1}]}"},
		{"by name, scalars", true, "{args: [a]}", "{args: [b, c]}", "{args: [a, c]}"},
		{"testMergePods", false, "{spec: {hostname: pod1 hostname, containers: []}}", "{spec: {hostname: pod2 hostname, containers: [{name: container1}, {name: container2}]}}",
			"{spec: {hostname: pod2 hostname, containers: [{name: container1}, {name: container2}]}}"},
		{"testMergePodUsingArrayName", true,
			"{spec: {hostname: pod1 hostname, containers: [{name: container1}, {name: container2}], volumes: [{name: v1, ephemeral: {}}]}}",
			"{spec: {hostname: pod2 hostname, containers: [{name: container1}, {name: container3}], volumes: [{name: v1, emptyDir: {}}, {name: v2}, {name: v3}]}}",
			"{spec: {hostname: pod2 hostname, containers: [{name: container1}, {name: container2}, {name: container3}], volumes: [{name: v1, ephemeral: {}, emptyDir: {}}, {name: v2}, {name: v3}]}}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			decode := func(s string) map[string]any {
				obj, err := yamledit.Decode([]byte("x: " + s + "\n"))
				if err != nil {
					t.Fatal(err)
				}
				m, _ := obj["x"].(map[string]any)
				return m
			}
			obj := map[string]any{"spec": map[string]any{}}
			if tt.shared != "" {
				obj["spec"].(map[string]any)["podTemplate"] = decode(tt.shared)
			}
			if tt.own != "" {
				obj["spec"].(map[string]any)["jobManager"] = map[string]any{"podTemplate": decode(tt.own)}
			}
			before, err := yamledit.ApplyObject(obj, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(tt.out), merged(obj, "jobManager", tt.byName)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, obj); diff != "" {
				t.Errorf("the resource was changed:\n%s", diff)
			}
		})
	}
}

// templates is a FlinkDeployment of three pod templates, "" for none.
func templates(mode, shared, job, task string) string {
	s := flinkHead + "spec:\n"
	if mode != "" {
		s += "  flinkConfiguration:\n    " + mergeByNameKey + ": " + mode + "\n"
	}
	if shared != "" {
		s += "  podTemplate: {spec: " + shared + "}\n"
	}
	if job != "" {
		s += "  jobManager: {podTemplate: {spec: " + job + "}}\n"
	}
	if task != "" {
		s += "  taskManager: {podTemplate: {spec: " + task + "}}\n"
	}
	return s
}

// TestPodTemplates asserts on the pods that Flink's operator makes of the
// templates before and after: ours is in both roles, and nothing else differs.
func TestPodTemplates(t *testing.T) {
	const (
		main    = "{containers: [{name: flink-main-container, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, emptyDir: {}}]}"
		sidecar = "{containers: [{name: sidecar, image: s}, {name: flink-main-container, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, emptyDir: {}}]}"
		longer  = "{containers: [{name: flink-main-container, volumeMounts: [{name: a, mountPath: /a}, {name: b, mountPath: /b}]}], volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}]}"
		twice   = "{containers: [{name: flink-main-container, volumeMounts: [{name: v, mountPath: /v, subPath: v}, {name: v, mountPath: /w, subPath: w}]}], volumes: [{name: v, emptyDir: {}}]}"
	)
	tests := []struct {
		name              string
		mode              string
		shared, job, task string
		home              string // where ours has to go: shared, roles, mixed; "" a refusal
	}{
		{name: "none", home: "shared"},
		{name: "shared", shared: main, home: "shared"},
		{name: "shared, by name", mode: "'true'", shared: main, home: "shared"},
		{name: "sidecar before ours", shared: sidecar, home: "shared"},
		{name: "containers without ours", shared: "{containers: [{name: sidecar}]}", home: "shared"},
		{name: "no containers", shared: "{serviceAccountName: x, volumes: []}", home: "shared"},
		{name: "roles with other fields", shared: main, job: "{nodeSelector: {a: b}}", task: "{tolerations: [{key: a}]}", home: "shared"},
		{name: "role with the main container, no lists", shared: main, job: "{containers: [{name: flink-main-container, env: [{name: A, value: b}]}]}", home: "shared"},
		{name: "both roles longer than shared", shared: main, job: longer, task: longer, home: "roles"},
		{name: "both roles longer, by position", mode: "'false'", shared: main, job: longer, task: longer, home: "roles"},
		{name: "both roles longer, by name", mode: "true", shared: main, job: longer, task: longer, home: "shared"},
		{name: "roles only", job: longer, task: longer, home: "roles"},
		{name: "one role only, nothing shared", job: longer, home: "roles"},
		{name: "one role longer than shared", shared: main, job: longer, home: ""},
		{name: "one role longer than shared, by name", mode: "'TRUE'", shared: main, job: longer, home: "shared"},
		{name: "one role as long as shared", shared: longer, task: longer, home: "shared"},
		{name: "one role longer in volumes, mounts shared", shared: main, job: "{volumes: [{name: v}, {name: x, emptyDir: {}}]}", task: "{volumes: [{name: v}, {name: y, emptyDir: {}}]}", home: "mixed"},
		{name: "a volume mounted twice, by name, roles without mounts", mode: "'true'", shared: twice, job: "{containers: [{name: flink-main-container, image: x}]}", home: "shared"},
		{name: "a volume mounted twice, roles longer", shared: twice, job: longer, task: longer, home: "roles"},
		{name: "sidecar of a role falls on the main container", shared: main, job: "{containers: [{name: sidecar, image: x}]}", home: ""},
		{name: "the same, by name", mode: "'true'", shared: main, job: "{containers: [{name: sidecar, image: x}]}", home: "shared"},
		{name: "shared sidecar only, role main at its place", shared: "{containers: [{name: sidecar}, {name: other}]}", task: "{containers: [{name: a}, {name: b}, {name: c}]}", home: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source := templates(tt.mode, tt.shared, tt.job, tt.task)
			store := trustStore("v1", "jks")
			w := wiring{flink: &FlinkWiring{TrustStore: store}}
			if tt.home == "" {
				got := refusals(t, source, w)
				if len(got) != 1 || !strings.HasPrefix(got[0], "spec.podTemplate: cannot take the truststore's volume and mount") {
					t.Errorf("got %q", got)
				}
				return
			}
			out := wire(t, source, w)
			before, after := resource(t, source).Object, resource(t, out).Object
			if got := homeOf(after); got != tt.home {
				t.Errorf("ours is in the %s templates, want %s:\n%s", got, tt.home, out)
			}
			modes := []bool{false, true}
			if tt.mode != "" {
				modes = []bool{strings.Contains(strings.ToLower(tt.mode), "true")}
			}
			for _, byName := range modes {
				for _, role := range flinkRoles {
					samePods(t, merged(before, role, byName), merged(after, role, byName), store)
				}
			}
		})
	}
}

// homeOf says where the volume and the mount stand.
func homeOf(obj map[string]any) string {
	found := map[bool]int{}
	for _, root := range append(roleHome, sharedHome...) {
		for _, at := range []yamledit.Path{
			under(root, under(templateVolumes, yamledit.Item("name", trustVolume))...),
			under(root, under(templateMounts, yamledit.Item("name", trustVolume))...),
		} {
			if _, ok := yamledit.Get(obj, at); ok {
				found[len(root) == 2]++
			}
		}
	}
	switch {
	case found[true] == 2 && found[false] == 0:
		return "shared"
	case found[true] == 0 && found[false] == 4:
		return "roles"
	}
	return "mixed"
}

// samePods takes ours out of the pod by hand and compares the rest.
func samePods(t *testing.T, before, after map[string]any, store *TrustStore) {
	t.Helper()
	after, err := yamledit.ApplyObject(after, nil)
	if err != nil {
		t.Fatal(err)
	}
	volume := map[string]any{"name": "truststore", "secret": map[string]any{"secretName": store.Secret,
		"items": []any{map[string]any{"key": store.File, "path": store.File}}}}
	mount := map[string]any{"name": "truststore", "mountPath": "/certs", "readOnly": true}
	spec := after["spec"].(map[string]any)
	takeOne(t, spec, "volumes", volume)
	found := false
	for _, c := range spec["containers"].([]any) {
		if c := c.(map[string]any); c["name"] == "flink-main-container" {
			takeOne(t, c, "volumeMounts", mount)
			found = true
		}
	}
	if !found {
		t.Error("no main container")
	}
	if diff := cmp.Diff(compact(before), compact(after)); diff != "" {
		t.Errorf("the pod differs in other things (-before +after):\n%s", diff)
	}
}

func takeOne(t *testing.T, m map[string]any, key string, want map[string]any) {
	t.Helper()
	list, _ := m[key].([]any)
	var out []any
	n := 0
	for _, v := range list {
		if cmp.Equal(v, any(want)) {
			n++
			continue
		}
		out = append(out, v)
	}
	if n != 1 {
		t.Errorf("%s holds ours %d times: %v", key, n, list)
	}
	if m[key] = out; len(out) == 0 {
		delete(m, key)
	}
}

// TestPodTemplatesLater: ours stays in its home, and what a role's template
// does to it later is refused.
func TestPodTemplatesLater(t *testing.T) {
	w1 := wiring{flink: &FlinkWiring{TrustStore: trustStore("v1", "jks")}}
	w2 := wiring{flink: &FlinkWiring{TrustStore: trustStore("v2", "p12")}}
	const longer = "{containers: [{name: flink-main-container, volumeMounts: [{name: a, mountPath: /a}, {name: b, mountPath: /b}]}], volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}]}"
	for _, source := range []string{templates("", longer, "", ""), templates("", longer, longer, longer), templates("", "", longer, longer)} {
		out := wire(t, source, w1)
		next := rewired(t, out, w2)
		if a, b := homeOf(resource(t, out).Object), homeOf(resource(t, next).Object); a != b || a == "mixed" {
			t.Errorf("from %s to %s", a, b)
		}
		if got := unwired(t, next); got != source {
			t.Errorf("(-want +got):\n%s", cmp.Diff(source, got))
		}
	}
	// By name the shared template would do, but ours is there already.
	byName := wire(t, templates("", "{volumes: [{name: a, emptyDir: {}}]}", longer, longer), w1)
	if home := homeOf(resource(t, byName).Object); home == "shared" {
		t.Errorf("ours is in the %s templates", home)
	}
	byName = strings.Replace(byName, "  flinkConfiguration:\n", "  flinkConfiguration:\n    "+mergeByNameKey+": 'true'\n", 1)
	if got := w1.edits(resource(t, byName)); len(got.Edits) > 0 || len(got.Conflicts) > 0 || !strings.Contains(byName, mergeByNameKey) {
		t.Errorf("ours moves: %v %v", got.Edits, got.Conflicts)
	}
	out := wire(t, templates("", "{volumes: [{name: v, emptyDir: {}}]}", "", ""), w1)
	for _, w := range []wiring{w1, w2} {
		got := refusals(t, out+"  taskManager: {podTemplate: {spec: {volumes: [{name: a}, {name: b, emptyDir: {}}]}}}\n", w)
		if len(got) != 1 || !strings.HasPrefix(got[0], "spec.podTemplate: cannot take") {
			t.Errorf("got %q", got)
		}
	}
}
