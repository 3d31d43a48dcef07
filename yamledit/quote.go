package yamledit

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// ambiguous are the plain scalars that a parser of YAML 1.1 or 1.2 may read as
// something else than a string: https://yaml.org/type/ and YAML 1.2.2,
// section 10.3. Sexagesimal numbers (12:30:45) are among them.
var ambiguous = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`|~|<<|=`,
	`(?i:null|true|false|yes|no|on|off|y|n)`,
	`[-+]?0b[01_]+`,
	`[-+]?0o?[0-7_]+`,
	`[-+]?0x[0-9a-fA-F_]+`,
	`[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?`,
	`[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?`,
	`[-+]?\.(?i:inf|nan)`,
	`[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?`,
}, "|") + `)$`)

// A quoting is a way to write a string on one line.
type quoting int

const (
	plain quoting = iota
	single
	double
)

// write is s in this quoting, false where it cannot be written so.
func (q quoting) write(s string, flow bool) (string, bool) {
	switch q {
	case plain:
		return s, plainSafe(s, flow)
	case single:
		return "'" + strings.ReplaceAll(s, "'", "''") + "'", printable(s)
	}
	return doubleQuoted(s), true
}

// quote writes a string plain if that is safe, else in single quotes, else in
// double quotes.
func quote(s string, flow bool) string {
	for _, q := range []quoting{plain, single} {
		if text, ok := q.write(s, flow); ok {
			return text
		}
	}
	return doubleQuoted(s)
}

// plainSafe says whether every parser reads s, unquoted, as the string s.
func plainSafe(s string, flow bool) bool {
	if ambiguous.MatchString(s) || !printable(s) || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	if strings.IndexByte(",[]{}#&*!|>'\"%@`", s[0]) >= 0 || strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		return false
	}
	if strings.IndexByte("-?:", s[0]) >= 0 && (len(s) == 1 || s[1] == ' ') {
		return false
	}
	if strings.Contains(s, ": ") || strings.Contains(s, " #") || s[len(s)-1] == ':' {
		return false
	}
	return !flow || !strings.ContainsAny(s, ",[]{}:?")
}

// printable says whether s can stand unescaped on one line.
func printable(s string) bool {
	for _, r := range s {
		if !printableRune(r) {
			return false
		}
	}
	return true
}

// printableRune leaves out what YAML 1.2, section 5.1 leaves out, tabs, line
// breaks of any version, and the byte order mark.
func printableRune(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7F && r < 0xA0, r == 0x2028, r == 0x2029, r == 0xFEFF, r >= 0xFFFE && r < 0x10000:
		return false
	}
	return true
}

// doubleQuoted is right in YAML and in JSON.
func doubleQuoted(s string) string {
	return `"` + escaped(s) + `"`
}

func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case printableRune(r):
			b.WriteRune(r)
		default: // all below U+10000
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// runeStart is i, or the start of the rune that i stands in.
func runeStart(s string, i int) int {
	for i > 0 && i < len(s) && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}
