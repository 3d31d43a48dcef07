package deploy

import "strings"

// Placeholder reports whether a name, a path or a host holds a word that nobody
// has filled in, as `<jks-secret>` and `ui.<CLUSTER_HOST>` in the vendor's
// samples do: letters first, in angle brackets. Comparisons (a < b > c) and
// closing tags (</a>) are none.
func Placeholder(s string) bool { return placeholderIn(s) != "" }

// placeholderIn returns the first placeholder of s with its brackets.
func placeholderIn(s string) string {
	for {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			return ""
		}
		s = s[open:]
		end := strings.IndexAny(s[1:], "<>\r\n") + 1
		if end > 1 && s[end] == '>' && isLetter(s[1]) && s[end-1] != ' ' {
			return s[:end+1]
		}
		s = s[1:]
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// blank reports whether a free text, such as a password or a list of options,
// counts as unset: it is empty, or nothing but one placeholder. A text that
// holds something like one among other things is the author's.
func blank(s string) bool {
	s = strings.TrimSpace(s)
	return s == "" || placeholderIn(s) == s
}

// unset reports whether the value of a name or a path counts as absent: nothing,
// empty, or with a placeholder in it.
func unset(v any, ok bool) bool {
	if !ok || v == nil {
		return true
	}
	s, isString := v.(string)
	return isString && (s == "" || Placeholder(s))
}

// unsetText is unset for free text.
func unsetText(v any, ok bool) bool {
	if !ok || v == nil {
		return true
	}
	s, isString := v.(string)
	return isString && blank(s)
}
