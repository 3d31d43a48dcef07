package truststore

import "crypto/sha256"

// Diff compares two truststores by certificate. Missing are the entries of want
// whose certificate old has not, extra those of old that want has not, each
// certificate once and in the order given. Aliases are not compared.
func Diff(old, want []Entry) (missing, extra []Entry) {
	return without(want, old), without(old, want)
}

// without returns the entries whose certificate is not among others.
func without(entries, others []Entry) []Entry {
	seen := map[[sha256.Size]byte]bool{}
	for _, e := range others {
		if e.Certificate != nil {
			seen[fingerprint(e.Certificate)] = true
		}
	}
	var result []Entry
	for _, e := range entries {
		if e.Certificate == nil || seen[fingerprint(e.Certificate)] {
			continue
		}
		seen[fingerprint(e.Certificate)] = true
		result = append(result, e)
	}
	return result
}
