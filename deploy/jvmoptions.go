package deploy

import (
	"fmt"
	"path"
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// System properties that point a JVM at its truststore.
const (
	trustStoreOption         = "-Djavax.net.ssl.trustStore"
	trustStorePasswordOption = "-Djavax.net.ssl.trustStorePassword"
	trustStoreTypeOption     = "-Djavax.net.ssl.trustStoreType"
)

// foreignOptionHint says what to do about a truststore that somebody else set.
const foreignOptionHint = "remove the option: flowcert sets it, and its truststore can hold the other's certificates as sources"

// storeTypes are the JVM's names of the formats, by a file's extension.
var storeTypes = map[string]string{".jks": "JKS", ".p12": "PKCS12"}

// option is one token of a JVM option string and where it stands in it.
type option struct {
	start, end  int
	name, value string // -Dname and what follows =, quotes taken off
	equals      bool
}

// word is the token without its quotes.
func (o option) word() string {
	if o.equals {
		return o.name + "=" + o.value
	}
	return o.name
}

// splitOptions finds the tokens of JAVA_TOOL_OPTIONS or env.java.opts.*: words
// between white space; white space within single or double quotes belongs to
// the word (Java documentation, "The JAVA_TOOL_OPTIONS Environment Variable").
func splitOptions(s string) ([]option, error) {
	var out []option
	for i := 0; i < len(s); {
		if isSpace(s[i]) {
			i++
			continue
		}
		start, word := i, strings.Builder{}
		for i < len(s) && !isSpace(s[i]) {
			if s[i] != '"' && s[i] != '\'' {
				word.WriteByte(s[i])
				i++
				continue
			}
			n := strings.IndexByte(s[i+1:], s[i])
			if n < 0 {
				return nil, fmt.Errorf("has a quote that is not closed")
			}
			word.WriteString(s[i+1 : i+1+n])
			i += n + 2
		}
		name, value, equals := strings.Cut(word.String(), "=")
		out = append(out, option{start: start, end: i, name: name, value: value, equals: equals})
	}
	return out, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// setTrustOptions makes the option string at p name the truststore file and its
// password. Every other token keeps its bytes and its place.
func (e *editor) setTrustOptions(p yamledit.Path, file, password string) {
	wanted := []option{{name: trustStoreOption, value: file, equals: true}, {name: trustStorePasswordOption, value: password, equals: true}}
	v, ok := yamledit.Get(e.resource.Object, p)
	if unsetText(v, ok) {
		e.edit(p, wanted[0].word()+" "+wanted[1].word())
		return
	}
	if !isScalar(v) {
		e.conflict(p, "is not a string", "write the JVM options as one string")
		return
	}
	current := text(v)
	if e.adopt {
		e.claimTrustOptions(p, current)
	}
	changed, problem, hint := withOptions(current, wanted, func(o option) bool {
		return e.record.wroteWord(p, o.word())
	})
	switch {
	case problem != "":
		e.somebodyElses(p, problem, hint, hint == foreignOptionHint)
	case changed != current:
		e.edit(p, changed)
	}
	e.storeType(p, current, file)
}

// claimTrustOptions takes over the options at p that name a truststore.
func (e *editor) claimTrustOptions(p yamledit.Path, list string) {
	options, err := splitOptions(list)
	if err != nil {
		return // withOptions refuses it
	}
	var words []string
	for _, o := range options {
		if o.name == trustStoreOption || o.name == trustStorePasswordOption {
			words = append(words, o.word())
		}
	}
	e.claimWords(p, words)
}

// withOptions replaces or appends the wanted options. A value that is not ours
// is a problem, told without showing it.
func withOptions(s string, wanted []option, ours func(option) bool) (changed, problem, hint string) {
	var missing []string
	for _, w := range wanted {
		options, err := splitOptions(s)
		if err != nil {
			return s, err.Error(), "close the quote"
		}
		found := false
		for i := len(options) - 1; i >= 0; i-- { // from the end: earlier offsets stay true
			o := options[i]
			if o.name != w.name {
				continue
			}
			found = true
			if o.value == w.value {
				continue
			}
			open := blank(o.value) || w.name == trustStoreOption && Placeholder(o.value)
			if !open && !ours(o) {
				return s, fmt.Sprintf("sets %s, not by flowcert", w.name), foreignOptionHint
			}
			s = s[:o.start] + w.word() + s[o.end:]
		}
		if !found {
			missing = append(missing, w.word())
		}
	}
	return appendWords(s, missing), "", ""
}

// appendWords puts words behind the last one and keeps the white space after it
// where it is: a block scalar ends in a newline.
func appendWords(s string, words []string) string {
	if len(words) == 0 {
		return s
	}
	body := strings.TrimRight(s, " \t\r\n")
	joined := strings.Join(words, " ")
	if body == "" {
		return joined
	}
	return body + " " + joined + s[len(body):]
}

// storeType reports a type that the author set and that does not fit.
func (e *editor) storeType(p yamledit.Path, s, file string) {
	want := storeTypes[path.Ext(file)]
	options, _ := splitOptions(s)
	for _, o := range options {
		if o.name == trustStoreTypeOption && !strings.EqualFold(o.value, want) {
			e.conflict(p, fmt.Sprintf("sets %s to %q, but %s is %s", trustStoreTypeOption, o.value, file, want),
				"remove "+trustStoreTypeOption+": the JVM finds the type by itself")
		}
	}
}
