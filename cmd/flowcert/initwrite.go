package main

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
)

// The text of a first configuration: what was found, and in comments what a person would
// want to change. Values are in block style, each on a line of its own, so that a name needs
// no quotes but those that YAML itself asks for.

// text is the whole file.
func (f *finding) text(a *app) string {
	var b strings.Builder
	b.WriteString(comment("What flowcert keeps valid here: certificates, truststores and their wiring. Every other field has a default; " +
		"flowcert schema describes them all for an editor."))
	b.WriteString("apiVersion: " + config.APIVersion + "\nkind: " + config.Kind + "\n\n")
	if f.guessed {
		b.WriteString(comment("No manifest names a namespace: correct this before the first apply, names in certificates depend on it."))
	}
	b.WriteString("namespace: " + scalar(f.namespace) + "\n" + f.clusterText() + f.authorityText())
	b.WriteString(f.list(deploy.EventProcessingKind))
	b.WriteString(f.list(deploy.FlinkDeploymentKind))
	b.WriteString(operatorHint)
	b.WriteString(f.truststores())
	return b.String()
}

// header is the least that goes before an entry.
func (f *finding) header() string {
	text := "apiVersion: " + config.APIVersion + "\nkind: " + config.Kind + "\nnamespace: " + scalar(f.namespace) + "\n"
	if f.clusterAPI != "" {
		text += "clusterAPI: " + scalar(f.clusterAPI) + "\n"
	}
	if f.long {
		text += "authority:\n  name: flowcert\n"
	}
	return text
}

func (f *finding) clusterText() string {
	switch {
	case f.clusterAPI != "":
		return "clusterAPI: " + scalar(f.clusterAPI) + "\n"
	case len(f.of(deploy.EventProcessingKind)) > 0:
		return "\n" + comment("On OpenShift, the domain of the cluster's routes: Event Processing's host names end in it.") +
			"# clusterAPI: apps.clusterapi.com\n"
	}
	return ""
}

func (f *finding) authorityText() string {
	about := "\n" + comment("The CA that flowcert makes. Its subject cannot be changed once it is there.")
	if f.long {
		return about + "authority:\n  name: flowcert  # the namespace, which is the default, makes too long a common name\n"
	}
	return about + "# authority:\n#   selfSigned:\n#     subject:\n#       commonName: " + scalar(f.namespace+" CA") + "\n#       organization: My Organization\n"
}

const operatorHint = `
# Where the Flink operator runs: it verifies Flink with Secrets that flowcert makes there.
# flinkOperator:
#   namespace: flink-operator
`

// listFields are the fields that list the resources of each kind.
var listFields = map[string]string{deploy.EventProcessingKind: "eventProcessing", deploy.FlinkDeploymentKind: "flinkDeployments"}

// list is a list of resources, those that are left out in comments.
func (f *finding) list(kind string) string {
	resources := f.of(kind)
	if len(resources) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n")
	if len(active(resources)) == 0 {
		b.WriteString("# ")
	}
	b.WriteString(listFields[kind] + ":\n")
	for _, r := range resources {
		if r.leftOut != "" {
			b.WriteString(comment("Left out: " + r.leftOut + "."))
			b.WriteString(prefixed("# ", f.entry(r)))
			continue
		}
		if len(r.taken) > 0 {
			b.WriteString(comment("Somebody else set " + some(r.taken, "field") + "; flowcert apply --adopt takes that over."))
		}
		b.WriteString(f.entry(r))
	}
	return b.String()
}

// entry is one resource in its list.
func (f *finding) entry(r foundResource) string {
	text := "- name: " + scalar(r.Name) + "\n"
	if namespace := f.otherNamespace(r); namespace != "" {
		text += "  namespace: " + scalar(namespace) + "\n"
	}
	if r.ca {
		text += "  mode: " + string(config.ModeCA) + "\n"
	}
	if r.shown.UI != "" {
		text += "  ui: {}  # the user interface has a certificate of its own\n"
	}
	if tls := flinkTLSText(r.shown); tls != "" {
		text += "  tls: {" + tls + "}\n"
	}
	return text
}

// flinkTLSText is what differs from the default.
func flinkTLSText(s deploy.Shown) string {
	var parts []string
	if s.RestOff {
		parts = append(parts, "rest: false")
	}
	if s.InternalOff {
		parts = append(parts, "internal: false")
	}
	if s.PKCS12 {
		parts = append(parts, "format: PKCS12")
	}
	return strings.Join(parts, ", ")
}

// truststores is the section of the truststore, in comments where no CA was found.
func (f *finding) truststores() string {
	var b strings.Builder
	b.WriteString("\n" + comment("The CAs of the databases and other servers that jobs and flows call; every workload above mounts them."))
	if mounting := f.mounting(); len(mounting) > 0 {
		b.WriteString(comment("The truststore in " + some(mounting, "workload") + " was made by somebody else: flowcert apply --adopt takes it over and keeps what it trusts."))
	}
	if files := f.sources(); len(files) > 0 {
		b.WriteString("truststores:\n" + truststoreText(files))
	} else {
		b.WriteString(prefixed("# ", "truststores:\n"+truststoreText([]foundFile{{source: "orders-db", path: "orders-ca.pem"}})))
	}
	return b.String()
}

// mounting names the resources whose truststore is somebody else's.
func (f *finding) mounting() []string {
	var names []string
	for _, r := range active(f.resources) {
		if len(r.takenTrust) > 0 {
			names = append(names, r.Name)
		}
	}
	return names
}

// truststoreText is the one truststore of these files.
func truststoreText(files []foundFile) string {
	text := "- sources:\n"
	for i, file := range files {
		text += "  - name: " + scalar(file.source) + "\n    file: " + scalar(file.path) + "\n"
		about := ""
		if i == 0 {
			about = "  # flowcert verify dials them"
		}
		text += `    # servers: [{address: "HOST:5432", protocol: postgresql}]` + about + "\n"
	}
	return text
}

// some is the first of a list, and how many more of these things there are.
func some(all []string, thing string) string {
	const most = 2
	if len(all) <= most {
		return strings.Join(all, " and ")
	}
	return strings.Join(all[:most], ", ") + " and " + plural(len(all)-most, "other "+thing)
}

// scalar is text as YAML takes it for text, on one line.
func scalar(s string) string {
	out, err := yaml.Marshal(s)
	if text := strings.TrimSuffix(string(out), "\n"); err == nil && !strings.Contains(text, "\n") {
		return text
	}
	quoted, _ := json.Marshal(s) // of a string it cannot fail
	return string(quoted)
}

// comment is a sentence in lines that fit a terminal.
func comment(sentence string) string {
	const width = 96
	var b strings.Builder
	line := "#"
	for _, word := range strings.Fields(printable(sentence)) {
		if len(line)+1+len(word) > width && line != "#" {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}

// prefixed puts something before every line.
func prefixed(prefix, text string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	return prefix + strings.Join(lines, prefix) + "\n"
}

// initJSON is what init prints with -o json.
type initJSON struct {
	File       string             `json:"file"` // that was written
	Namespace  string             `json:"namespace"`
	ClusterAPI string             `json:"clusterAPI,omitempty"`
	Resources  []initResourceJSON `json:"resources"`
	Files      []initFileJSON     `json:"files"`
	Notes      []string           `json:"notes"`
	Next       string             `json:"next"` // a command line
}

type initResourceJSON struct {
	Target  string   `json:"target"`
	File    string   `json:"file"`
	Line    int      `json:"line"`
	Taken   []string `json:"taken"` // fields that somebody else set
	LeftOut string   `json:"leftOut,omitempty"`
}

type initFileJSON struct {
	File    string `json:"file"`
	Source  string `json:"source,omitempty"`
	LeftOut string `json:"leftOut,omitempty"`
}

func (f *finding) output(path, next string) initJSON {
	out := initJSON{
		File: path, Namespace: f.namespace, ClusterAPI: f.clusterAPI, Notes: append([]string{}, f.notes()...), Next: next,
		Resources: []initResourceJSON{}, Files: []initFileJSON{},
	}
	for _, r := range f.resources {
		taken := append(append([]string{}, r.taken...), r.takenTrust...)
		out.Resources = append(out.Resources, initResourceJSON{Target: r.String(), File: r.File, Line: r.Line, Taken: taken, LeftOut: r.leftOut})
	}
	for _, file := range f.files {
		out.Files = append(out.Files, initFileJSON{File: file.path, Source: file.source, LeftOut: file.leftOut})
	}
	return out
}
