//go:build e2e

package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowcert/flowcert/test/operator"
	"github.com/flowcert/flowcert/yamledit"
)

// templateAuthor writes pod templates, the nasty ones included: lists of unequal length, names that are there twice or not at all, nulls,
// empty lists, scalars where the other has something else.
type templateAuthor struct {
	*rand.Rand
	volumeName, mountPath string // one of those that it uses
}

func (a templateAuthor) oneOf(options ...any) any { return options[a.IntN(len(options))] }

// some is a list of up to n entries.
func (a templateAuthor) some(n int, entry func() any) any {
	switch a.IntN(8) {
	case 0:
		return nil
	case 1:
		return []any{}
	}
	out := []any{}
	for range 1 + a.IntN(n) {
		out = append(out, entry())
	}
	return out
}

// mapping has each field with even odds, and now and then as a null.
func (a templateAuthor) mapping(fields map[string]func() any) map[string]any {
	out := map[string]any{}
	for _, name := range sortedKeys(toAny(fields)) {
		switch a.IntN(9) {
		case 0, 1, 2, 3:
			out[name] = fields[name]()
		case 4:
			out[name] = nil
		}
	}
	return out
}

func toAny(fields map[string]func() any) map[string]any {
	out := map[string]any{}
	for k := range fields {
		out[k] = nil
	}
	return out
}

// free is a mapping with any keys. The API server takes no nulls in one.
func (a templateAuthor) free(names ...string) any {
	fields := map[string]func() any{}
	for _, name := range names {
		fields[name] = a.text
	}
	out := a.mapping(fields)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

// named is a mapping with one of few names, so that names meet; seldom with none.
func (a templateAuthor) named(fields map[string]func() any, names ...any) any {
	out := a.mapping(fields)
	if a.IntN(12) > 0 {
		out["name"] = a.oneOf(names...)
	}
	return out
}

func (a templateAuthor) text() any { return a.oneOf("a", "b", "c") }

func (a templateAuthor) mount() any {
	return a.named(map[string]func() any{
		"mountPath": func() any { return a.oneOf(a.mountPath, "/v", "/w") },
		"subPath":   a.text, "readOnly": func() any { return a.IntN(2) == 0 },
	}, "v", "w", a.volumeName)
}

func (a templateAuthor) volume() any {
	items := func() any {
		return a.some(2, func() any { return a.mapping(map[string]func() any{"key": a.text, "path": a.text}) })
	}
	return a.named(map[string]func() any{
		"emptyDir": func() any { return a.mapping(map[string]func() any{"medium": a.text}) },
		"secret": func() any {
			return a.mapping(map[string]func() any{"secretName": a.text, "items": items, "optional": func() any { return true }})
		},
		"projected": func() any {
			return a.mapping(map[string]func() any{"sources": func() any {
				return a.some(3, func() any {
					return a.mapping(map[string]func() any{
						"secret":    func() any { return a.named(map[string]func() any{"items": items}, "s", "t") },
						"configMap": func() any { return a.named(nil, "s", "t") },
					})
				})
			}})
		},
	}, "v", "w", a.volumeName)
}

func (a templateAuthor) container() any {
	return a.named(map[string]func() any{
		"image": a.text, "args": func() any { return a.some(3, a.text) },
		"env": func() any {
			return a.some(3, func() any {
				return a.named(map[string]func() any{"value": a.text, "valueFrom": func() any {
					return map[string]any{"secretKeyRef": a.named(map[string]func() any{"key": a.text}, "s")}
				}}, "A", "B")
			})
		},
		"ports": func() any {
			return a.some(2, func() any {
				return a.named(map[string]func() any{"containerPort": func() any { return 1 + a.IntN(3) }}, "p", "q")
			})
		},
		"volumeMounts": func() any { return a.some(4, a.mount) },
		"resources":    func() any { return map[string]any{"limits": a.free("cpu", "memory")} },
	}, flinkContainer, "side", "last")
}

func (a templateAuthor) template() any {
	if a.IntN(8) == 0 {
		return nil
	}
	labels := func() any { return a.free("x", "y") }
	return a.mapping(map[string]func() any{
		"metadata": func() any { return a.mapping(map[string]func() any{"labels": labels, "annotations": labels}) },
		"spec":     a.spec, "status": func() any { return nil },
	})
}

func (a templateAuthor) spec() any {
	out := a.mapping(map[string]func() any{
		"serviceAccountName": a.text, "hostNetwork": func() any { return a.IntN(2) == 0 },
		"nodeSelector":     func() any { return a.free("x") },
		"initContainers":   func() any { return a.some(2, a.container) },
		"imagePullSecrets": func() any { return a.some(2, func() any { return a.named(nil, "s", "t") }) },
		"tolerations": func() any {
			return a.some(3, func() any {
				return a.mapping(map[string]func() any{"key": a.text, "effect": a.text, "tolerationSeconds": func() any { return a.IntN(9) }})
			})
		},
		"hostAliases": func() any {
			return a.some(2, func() any {
				return a.mapping(map[string]func() any{"ip": a.text, "hostnames": func() any { return a.some(2, a.text) }})
			})
		},
	})
	// What flowcert writes to is nearly always there.
	out["containers"], out["volumes"] = a.some(4, a.container), a.some(4, a.volume)
	return out
}

// TestOperatorMergesTemplatesSo compares merged with what the Flink operator itself makes of the same templates.
func TestOperatorMergesTemplatesSo(t *testing.T) {
	const cases = 2000
	type question struct {
		Shared any  `json:"shared"`
		Own    any  `json:"own"`
		ByName bool `json:"byName"`
	}
	var questions []question
	var lines []string
	for seed := range uint64(cases) {
		a := templateAuthor{rand.New(rand.NewPCG(seed, 7)), trustVolume, flinkCertsDir}
		q := question{Shared: a.template(), Own: a.template(), ByName: seed%2 == 0}
		questions, lines = append(questions, q), append(lines, encoded(t, q))
	}
	answers := operator.Call(t, "MergePodTemplates", lines)
	differ, nothing := 0, 0
	for i, q := range questions {
		want := asMap(t, answers[i])
		if want["error"] != nil {
			t.Errorf("%s: %v", lines[i], want["error"])
			continue
		}
		if len(want) == 0 {
			nothing++
		}
		obj := asMap(t, encoded(t, map[string]any{"spec": map[string]any{"podTemplate": q.Shared, "jobManager": map[string]any{"podTemplate": q.Own}}}))
		got := asMap(t, encoded(t, merged(obj, "jobManager", q.ByName)))
		if diff := cmp.Diff(asModel(want), asModel(got)); diff != "" {
			if differ++; differ <= 5 {
				t.Errorf("case %d (-operator +flowcert):\n%s\nof %s", i, diff, lines[i])
			}
		}
	}
	if differ > 0 || nothing > cases/5 {
		t.Errorf("%d of %d differ, %d are nothing", differ, cases, nothing)
	}
}

// asModel leaves out what the operator's model adds, and what has nothing in it.
func asModel(template map[string]any) any {
	delete(template, "apiVersion")
	delete(template, "kind")
	return withoutEmptyLists(template)
}

// freeKeys are mappings with any keys. Empty ones are nothing to the operator's model, which makes no difference to the merge; an empty
// object, such as emptyDir, is something.
var freeKeys = map[string]bool{"labels": true, "annotations": true, "nodeSelector": true, "limits": true}

func withoutEmptyLists(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, child := range v {
			c := withoutEmptyLists(child)
			if m, isMap := c.(map[string]any); c == nil || isMap && len(m) == 0 && freeKeys[k] {
				continue
			}
			out[k] = c
		}
		return out
	case []any:
		if len(v) == 0 {
			return nil
		}
		out := make([]any, len(v))
		for i, child := range v {
			out[i] = withoutEmptyLists(child)
		}
		return out
	}
	return v
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func asMap(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// A templated resource is one generated case: what is there, and each candidate for what flowcert might make of it.
type templated struct {
	seed       uint64
	modes      []bool
	candidates []map[string]any // the first is what is there
	refused    bool             // by flowcert: none of the candidates will do
}

// resourceOfTemplates is a FlinkDeployment with generated templates, and the modes in which the operator might merge them.
func resourceOfTemplates(t *testing.T, seed uint64) (map[string]any, []bool) {
	a := templateAuthor{rand.New(rand.NewPCG(seed, 11)), trustVolume, flinkCertsDir}
	if seed%3 > 0 {
		a.volumeName, a.mountPath = "x", "/x"
	}
	conf, modes := map[string]any{}, []bool{false, true}
	if a.IntN(3) > 0 {
		modes = []bool{a.IntN(2) == 0}
		conf[mergeByNameKey] = fmt.Sprint(modes[0])
	}
	return asMap(t, encoded(t, map[string]any{"kind": FlinkDeploymentKind, "metadata": map[string]any{"name": "x"}, "spec": map[string]any{
		"flinkConfiguration": conf, "podTemplate": a.template(), "jobManager": map[string]any{"podTemplate": a.template()},
		"taskManager": map[string]any{"podTemplate": a.template()}}})), modes
}

// TestOperatorMakesTheSamePods has the operator merge what flowcert makes of generated templates: the pods of both roles, in each mode, are those of before
// and ours. Where flowcert refuses, no way to append the entries would do.
func TestOperatorMakesTheSamePods(t *testing.T) {
	const cases = 600
	store := trustStore("v1", "jks")
	var all []templated
	wired, refused := 0, 0
	for seed := range uint64(cases) {
		obj, modes := resourceOfTemplates(t, seed)
		c := templated{seed: seed, modes: modes, candidates: []map[string]any{obj}}
		result := FlinkDeployment(Resource{Kind: FlinkDeploymentKind, Name: "x", Object: obj}, FlinkWiring{TrustStore: store})
		switch {
		case len(result.Conflicts) == 0:
			after, err := yamledit.ApplyObject(obj, result.Edits)
			if err != nil {
				t.Fatal(err)
			}
			c.candidates = append(c.candidates, after)
			wired++
		case strings.HasPrefix(result.Conflicts[0].Problem, "cannot take") && !strings.Contains(encoded(t, obj), trustVolume):
			c.refused = true
			for _, mounts := range []home{sharedHome, roleHome} {
				for _, volumes := range []home{sharedHome, roleHome} {
					c.candidates = append(c.candidates, appended(t, obj, mounts, volumes, store))
				}
			}
			refused++
		default:
			continue // somebody else's
		}
		all = append(all, c)
	}
	if wired < cases/10 || refused < cases/60 {
		t.Errorf("%d of %d are wired, %d refused: the generator is too wild", wired, cases, refused)
	}
	t.Logf("%d of %d are wired, %d refused", wired, cases, refused)
	pods := operatorsPods(t, all)
	for _, c := range all {
		for i := range c.candidates[1:] {
			problem := ""
			for at := range c.modes {
				for _, role := range flinkRoles {
					before, after := pods[podKey{c.seed, 0, at, role}], pods[podKey{c.seed, i + 1, at, role}]
					if !wiredOnce(after, store) {
						problem += fmt.Sprintf("\n%s, by name %v: ours is not there once: %v", role, c.modes[at], after)
					} else if diff := cmp.Diff(compact(withoutOurs(before)), compact(withoutOurs(after))); diff != "" {
						problem += fmt.Sprintf("\n%s, by name %v (-before +after):\n%s", role, c.modes[at], diff)
					}
				}
			}
			switch {
			case !c.refused && problem != "":
				t.Errorf("seed %d:%s", c.seed, problem)
			case c.refused && problem == "":
				t.Errorf("seed %d is refused, but would do as %s", c.seed, encoded(t, c.candidates[i+1]))
			}
		}
	}
}

// podKey names a pod that the operator makes: of a case's candidate, in one of its modes, for a role.
type podKey struct {
	seed            uint64
	candidate, mode int
	role            string
}

// operatorsPods has the operator merge the templates of every candidate.
func operatorsPods(t *testing.T, all []templated) map[podKey]map[string]any {
	t.Helper()
	var podKeys []podKey
	var lines []string
	for _, c := range all {
		for i, obj := range c.candidates {
			for at, byName := range c.modes {
				for _, role := range flinkRoles {
					shared, _ := yamledit.Get(obj, sharedHome[0])
					own, _ := yamledit.Get(obj, keys("spec", role, "podTemplate"))
					podKeys = append(podKeys, podKey{c.seed, i, at, role})
					lines = append(lines, encoded(t, map[string]any{"shared": shared, "own": own, "byName": byName}))
				}
			}
		}
	}
	out := map[podKey]map[string]any{}
	for i, answer := range operator.Call(t, "MergePodTemplates", lines) {
		out[podKeys[i]], _ = asModel(asMap(t, answer)).(map[string]any)
	}
	return out
}

// appended copies a resource with the mount and the volume at the end of the lists of these templates.
func appended(t *testing.T, obj map[string]any, mounts, volumes home, store *TrustStore) map[string]any {
	t.Helper()
	var edits []yamledit.Edit
	for _, root := range mounts {
		edits = append(edits, yamledit.Edit{Path: under(root, under(templateMounts, yamledit.Item("name", trustVolume))...),
			Value: map[string]any{"name": trustVolume, "mountPath": flinkCertsDir, "readOnly": true}})
	}
	for _, root := range volumes {
		edits = append(edits, yamledit.Edit{Path: under(root, under(templateVolumes, yamledit.Item("name", trustVolume))...),
			Value: map[string]any{"name": trustVolume, "secret": map[string]any{"secretName": store.Secret, "items": trustItems(*store)}}})
	}
	after, err := yamledit.ApplyObject(obj, edits)
	if err != nil {
		return obj // a name is there twice: nothing can be appended to it
	}
	return after
}

// wiredOnce looks for the volume and the mount in a pod as the operator made it.
func wiredOnce(pod map[string]any, store *TrustStore) bool {
	volumes, mounts := 0, 0
	for _, v := range mappings(pod, templateVolumes) {
		if secret, _ := v["secret"].(map[string]any); v["name"] == trustVolume && secret["secretName"] == store.Secret {
			volumes++
		}
	}
	for _, m := range mappings(pod, templateMounts) {
		if m["name"] == trustVolume && m["mountPath"] == flinkCertsDir && m["readOnly"] == true {
			mounts++
		}
	}
	return volumes == 1 && mounts == 1
}
