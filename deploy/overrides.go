package deploy

import (
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// laterOptions are the variables whose options a JVM takes after those of
// JAVA_TOOL_OPTIONS, so that theirs win: JDK_JAVA_OPTIONS stands before the
// command line ("The JDK_JAVA_OPTIONS Launcher Environment Variable", java
// command reference), _JAVA_OPTIONS behind it (HotSpot, arguments.cpp).
var laterOptions = []string{"JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"}

// noteOverrides names variables of a container that take the truststore which
// flowcert sets in JAVA_TOOL_OPTIONS away from the JVM again.
func (e *editor) noteOverrides(container yamledit.Path) {
	for _, name := range laterOptions {
		env := under(container, yamledit.Key("env"), yamledit.Item("name", name))
		if v, ok := yamledit.Get(e.resource.Object, under(env, yamledit.Key("valueFrom"))); ok && v != nil {
			e.notice("%s takes its value from elsewhere: where that sets %s, flowcert's truststore is not used; the options of %s win over those of %s",
				env, trustStoreOption, name, javaToolOptions)
			continue
		}
		v, _ := getString(e.resource.Object, under(env, yamledit.Key("value")))
		options, _ := splitOptions(v)
		for _, o := range options {
			switch {
			case strings.HasPrefix(o.name, trustStoreOption):
				e.notice("%s sets %s, which wins over what flowcert sets in %s: flowcert's truststore is not used as it should be; remove the option", env, o.name, javaToolOptions)
			case strings.HasPrefix(o.name, "@"):
				e.notice("%s takes options from the file %s: where it sets %s, flowcert's truststore is not used", env, strings.TrimPrefix(o.name, "@"), trustStoreOption)
			}
		}
	}
}
