package deploy

import "github.com/flowcert/flowcert/yamledit"

// flinkRoles are the sections of a FlinkDeployment that have a pod template of
// their own.
var flinkRoles = []string{"jobManager", "taskManager"}

// merged is the pod template that the Flink operator makes for one role of the
// shared one and the role's own; nil if there is neither. It follows
// FlinkUtils.mergePodTemplates of the Apache Flink Kubernetes operator (main at
// 6e9caeb4, July 2026; unchanged since 1.7), the parts that do not fit together
// in the way they do not fit there.
func merged(obj map[string]any, role string, byName bool) map[string]any {
	shared := template(obj, keys("spec", "podTemplate"))
	own := template(obj, keys("spec", role, "podTemplate"))
	switch {
	case own == nil:
		return shared
	case shared == nil:
		return own
	}
	mergeInto(shared, own, byName)
	return shared
}

// template copies a pod template as the operator's typed model holds it: without
// nulls and empty lists.
func template(obj map[string]any, p yamledit.Path) map[string]any {
	v, _ := yamledit.Get(obj, p)
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	return modelled(m).(map[string]any)
}

func modelled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, child := range v {
			if c := modelled(child); c != nil {
				out[k] = c
			}
		}
		return out
	case []any:
		var out []any
		for _, child := range v {
			out = append(out, modelled(child))
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	return v
}

// mergeInto lays from over to, in place: mappings deeply, two lists by mergeList,
// anything else replaced; but a mapping is not replaced by what is none.
func mergeInto(to, from map[string]any, byName bool) {
	for k, f := range from {
		fromMap, fromIsMap := f.(map[string]any)
		fromList, fromIsList := f.([]any)
		switch t := to[k].(type) {
		case map[string]any:
			if fromIsMap {
				mergeInto(t, fromMap, byName)
			}
			continue
		case []any:
			if fromIsList {
				to[k] = mergeList(t, fromList, byName)
				continue
			}
		}
		to[k] = f
	}
}

// mergeList merges by name where it is told to and every entry of both has one,
// else by position. Scalars at one position stay as they are in the first list.
func mergeList(to, from []any, byName bool) []any {
	if byName && named(to) && named(from) {
		return mergeNamed(to, from)
	}
	for i, f := range from {
		if i >= len(to) {
			to = append(to, f) // and merged with itself: by name, what is in it twice becomes one
		}
		toMap, ok1 := to[i].(map[string]any)
		fromMap, ok2 := f.(map[string]any)
		if ok1 && ok2 {
			mergeInto(toMap, fromMap, byName)
		}
	}
	return to
}

func named(list []any) bool {
	for _, v := range list {
		if m, ok := v.(map[string]any); !ok || m["name"] == nil {
			return false
		}
	}
	return true
}

// mergeNamed keeps one entry a name: of two mounts of one volume in either list
// the last, in the place of the first.
func mergeNamed(to, from []any) []any {
	names, entries := byNames(to)
	fromNames, fromEntries := byNames(from)
	for _, name := range fromNames {
		if was, ok := entries[name]; ok {
			mergeInto(was, fromEntries[name], true)
			continue
		}
		names = append(names, name)
		entries[name] = fromEntries[name]
	}
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = entries[name]
	}
	return out
}

func byNames(list []any) ([]string, map[string]map[string]any) {
	var names []string
	entries := map[string]map[string]any{}
	for _, v := range list {
		m := v.(map[string]any)
		name := text(m["name"])
		if _, ok := entries[name]; !ok {
			names = append(names, name)
		}
		entries[name] = m
	}
	return names, entries
}
