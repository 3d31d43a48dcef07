package deploy

import (
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// wordList is a list in one string, in which flowcert's words stand among the
// author's: JVM options, or the pairs of kubernetes.secrets.
type wordList struct {
	split   func(list string) []string
	without func(list string, drop func(word string) bool) string
}

// wordsAt says which kind of list the string at p is, if any.
func wordsAt(p yamledit.Path) (wordList, bool) {
	name := configurationKey(p)
	switch {
	case name == kubernetesSecrets:
		return wordList{splitPairs, withoutPairs}, true
	case name == "env.java.opts", strings.HasPrefix(name, "env.java.opts."),
		len(p) > 1 && p[len(p)-1].Key == "value" && p[len(p)-2] == yamledit.Item("name", javaToolOptions):
		return wordList{optionWords, withoutOptions}, true
	}
	return wordList{}, false
}

func optionWords(list string) []string {
	options, err := splitOptions(list)
	if err != nil {
		return nil
	}
	out := make([]string, len(options))
	for i, o := range options {
		out[i] = o.word()
	}
	return out
}

// withoutOptions takes options out, each with the blanks before it.
func withoutOptions(list string, drop func(string) bool) string {
	options, err := splitOptions(list)
	if err != nil {
		return list
	}
	for i := len(options) - 1; i >= 0; i-- {
		o := options[i]
		if !drop(o.word()) {
			continue
		}
		before, after := strings.TrimRight(list[:o.start], " \t"), list[o.end:]
		if before == "" {
			after = strings.TrimLeft(after, " \t")
		}
		list = before + after
	}
	return list
}

// splitPairs returns the pairs of kubernetes.secrets as secret:path.
func splitPairs(list string) []string {
	var out []string
	for _, s := range strings.Split(list, ",") {
		out = append(out, parsePair(s).word())
	}
	return out
}

func withoutPairs(list string, drop func(string) bool) string {
	var out []string
	for i, s := range strings.Split(list, ",") {
		if drop(parsePair(s).word()) {
			continue
		}
		if i > 0 && len(out) == 0 {
			s = strings.TrimLeft(s, " \t")
		}
		out = append(out, s)
	}
	return strings.Join(out, ",")
}
