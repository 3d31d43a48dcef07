package main

import (
	"crypto/fips140"
	"errors"
)

// checkDigests refuses to open Java's stores where their digests are not to be had:
// each would look damaged, and everything be made anew.
func checkDigests() error {
	if !fips140.Enforced() {
		return nil
	}
	return hinted(errors.New("GODEBUG=fips140=only takes SHA-1 and others away that Java's key stores are made with"),
		"use GODEBUG=fips140=on, which leaves them in place, or none")
}
