//go:build unix && !linux

package secrets

// tryUnnamedFile does nothing where the system has no unnamed files.
func tryUnnamedFile(string) error { return nil }
