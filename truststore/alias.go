package truststore

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Source is a named origin of trusted certificates, such as one database.
type Source struct {
	Name         string
	Certificates []*x509.Certificate
}

// maxName is the length in bytes of the longest source name that becomes an
// alias. It keeps every such alias apart from the 64 digits of a SHA-256.
const maxName = 63

// maxAlias is the length in bytes of the longest alias that is written.
const maxAlias = 255

// Entries names the certificates of sources. Aliases are ASCII, in lower case
// (Java folds them) and unique:
//
//   - The certificates of a source are named name, name-2, name-3, … from the
//     earliest NotBefore on (then by SHA-256), so neither the order in a file
//     nor a newer CA beside the old one renames anything. A number that would
//     give another source's name is left out.
//   - Sources whose names differ only in case are one source.
//   - A name is fit if it has 1 to 63 ASCII letters, digits, '.', '_' and '-'
//     and starts with a letter or digit. Certificates of a source whose name is
//     not fit, the empty one included, get the hexadecimal SHA-256 of the
//     certificate as alias: leave out the name for the public CAs.
//   - A certificate in several sources appears once, under the first name in
//     alphabetical order; names that are not fit come last.
//
// The result is sorted by alias. Nil certificates are passed over.
func Entries(sources []Source) []Entry {
	named, rest := group(sources)
	seen := map[[sha256.Size]byte]bool{}
	var entries []Entry
	for _, name := range slices.Sorted(maps.Keys(named)) {
		number := 1
		for _, c := range byAge(named[name]) {
			if seen[fingerprint(c)] {
				continue
			}
			seen[fingerprint(c)] = true
			var alias string
			alias, number = nextAlias(name, number, named)
			entries = append(entries, Entry{Alias: alias, Certificate: c})
		}
	}
	for _, c := range rest {
		if !seen[fingerprint(c)] {
			seen[fingerprint(c)] = true
			entries = append(entries, Entry{Alias: hexFingerprint(c), Certificate: c})
		}
	}
	slices.SortFunc(entries, compareEntries)
	return entries
}

// group collects the certificates of each fit name, in lower case, and those of
// all other names.
func group(sources []Source) (named map[string][]*x509.Certificate, rest []*x509.Certificate) {
	named = map[string][]*x509.Certificate{}
	for _, s := range sources {
		for _, c := range s.Certificates {
			switch name := strings.ToLower(s.Name); {
			case c == nil:
			case fit(s.Name):
				named[name] = append(named[name], c)
			default:
				rest = append(rest, c)
			}
		}
	}
	return named, rest
}

// fit reports whether a source name can be an alias as it is.
func fit(name string) bool {
	if name == "" || len(name) > maxName || !alphanumeric(name[0]) {
		return false
	}
	for i := range len(name) {
		if !alphanumeric(name[i]) && !strings.ContainsRune("._-", rune(name[i])) {
			return false
		}
	}
	return true
}

func alphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// byAge returns the certificates from the oldest to the newest.
func byAge(certificates []*x509.Certificate) []*x509.Certificate {
	return slices.SortedFunc(slices.Values(certificates), func(a, b *x509.Certificate) int {
		fa, fb := fingerprint(a), fingerprint(b)
		return cmp.Or(a.NotBefore.Compare(b.NotBefore), bytes.Compare(fa[:], fb[:]))
	})
}

// nextAlias returns the alias of the certificate with this number and the number
// to go on with. The names of sources are taken: a source called db-2 keeps its
// alias when db gets a second certificate.
func nextAlias(name string, number int, taken map[string][]*x509.Certificate) (string, int) {
	if number == 1 {
		return name, 2
	}
	for {
		alias := fmt.Sprintf("%s-%d", name, number)
		number++
		if _, ok := taken[alias]; !ok {
			return alias, number
		}
	}
}

func compareEntries(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Alias, b.Alias), bytes.Compare(a.Certificate.Raw, b.Certificate.Raw))
}

// normalise returns the entries as they are written: aliases in lower case,
// sorted, each certificate once under its first alias.
func normalise(entries []Entry) ([]Entry, error) {
	sorted := make([]Entry, 0, len(entries))
	for _, e := range entries {
		if err := checkAlias(e.Alias); err != nil {
			return nil, err
		}
		if e.Certificate == nil || len(e.Certificate.Raw) == 0 {
			return nil, fmt.Errorf("alias %q has no certificate", e.Alias)
		}
		sorted = append(sorted, Entry{Alias: strings.ToLower(e.Alias), Certificate: e.Certificate})
	}
	slices.SortFunc(sorted, compareEntries)

	seen := map[[sha256.Size]byte]bool{}
	unique := sorted[:0]
	for _, e := range sorted {
		if seen[fingerprint(e.Certificate)] {
			continue
		}
		seen[fingerprint(e.Certificate)] = true
		if n := len(unique); n > 0 && unique[n-1].Alias == e.Alias {
			return nil, fmt.Errorf("alias %q names two certificates (Java ignores case in aliases)", e.Alias)
		}
		unique = append(unique, e)
	}
	return unique, nil
}

// checkAlias refuses what Java would not read back: JKS holds aliases in Java's
// modified UTF-8, in which a rune of four bytes makes the whole file unreadable.
func checkAlias(alias string) error {
	switch {
	case alias == "":
		return errors.New("an entry has no alias")
	case len(alias) > maxAlias:
		return fmt.Errorf("an alias of %d characters is too long (%d at most)", len(alias), maxAlias)
	case strings.TrimSpace(alias) != alias:
		return fmt.Errorf("alias %q begins or ends with a space", alias)
	}
	for _, r := range alias {
		if r < ' ' || r > '~' {
			return fmt.Errorf("alias %q has characters that are not printable ASCII", alias)
		}
	}
	return nil
}
