package deploy

import (
	"fmt"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// leftoverPlaceholders names what the author still has to fill in. Only the
// placeholder is shown: passwords may stand around it.
func (e *editor) leftoverPlaceholders() {
	spec, ok := e.resource.Object["spec"]
	if !ok {
		return
	}
	set := map[string]bool{}
	for _, edit := range e.edits {
		set[edit.Path.String()] = true
	}
	walkStrings(spec, "spec", func(at, s string) {
		if found := leftover(s); found != "" {
			e.notice("%s still has %s in it: fill it in before you apply the resource", at, found)
		}
	}, func(at string) bool { return set[at] })
}

// leftover is the first placeholder of a string; none in one that holds a file
// of another language (log4j's XML, SQL).
func leftover(s string) string {
	if strings.Contains(s, "</") || strings.Contains(s, "/>") || strings.Contains(strings.TrimSpace(s), "\n") {
		return ""
	}
	return placeholderIn(s)
}

// walkStrings visits every string with its path, except below what skip names.
func walkStrings(v any, at string, visit func(at, s string), skip func(at string) bool) {
	if skip(at) {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			walkStrings(v[k], step(at, yamledit.Key(k)), visit, skip)
		}
	case []any:
		for i, child := range v {
			walkStrings(child, entryPath(at, i, child), visit, skip)
		}
	case string:
		visit(at, v)
	}
}

// entryPath names a list entry as edits do, by name, else by its number from 0.
func entryPath(at string, i int, entry any) string {
	m, _ := entry.(map[string]any)
	if name := text(m["name"]); name != "" {
		return step(at, yamledit.Item("name", name))
	}
	return fmt.Sprintf("%s[%d]", at, i)
}

func step(at string, s yamledit.Step) string {
	next := yamledit.Path{s}.String()
	if strings.HasPrefix(next, "[") {
		return at + next
	}
	return at + "." + next
}
