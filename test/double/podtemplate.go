package double

import "maps"

// merge lays one value over another as the operators lay pod templates over each other: mappings deeply, lists of
// mappings entry by entry. The function says by what two entries are the same; nil means by their position.
func merge(base, over any, same func(map[string]any) string) any {
	switch over := over.(type) {
	case map[string]any:
		under, ok := base.(map[string]any)
		if !ok {
			return over
		}
		out := maps.Clone(under)
		for k, v := range over {
			out[k] = merge(out[k], v, same)
		}
		return out
	case []any:
		under, ok := base.([]any)
		if !ok {
			return over
		}
		return mergeLists(under, over, same)
	case nil:
		return base
	}
	return over
}

func mergeLists(base, over []any, same func(map[string]any) string) []any {
	out := append([]any(nil), base...)
	for i, entry := range over {
		at := i
		if same != nil {
			at = indexOf(out, entry, same)
		}
		if at < len(out) {
			out[at] = merge(out[at], entry, same)
		} else {
			out = append(out, entry)
		}
	}
	return out
}

// indexOf is where the list has an entry that is the same, or the length of the list.
func indexOf(list []any, entry any, same func(map[string]any) string) int {
	wanted, ok := entry.(map[string]any)
	for i := range list {
		have, isMap := list[i].(map[string]any)
		if ok && isMap && same(wanted) != "" && same(have) == same(wanted) {
			return i
		}
	}
	return len(list)
}

// byName is how Flink's operator merges lists where it is told to: two mounts of one volume are the same.
func byName(entry map[string]any) string { return str(entry["name"]) }

// byPlace tells mounts apart by their path, and everything else by its name.
func byPlace(entry map[string]any) string {
	if path := str(entry["mountPath"]); path != "" {
		return path
	}
	return str(entry["name"])
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
