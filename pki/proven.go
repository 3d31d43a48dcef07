package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// maxProven bounds what is remembered: some hundred bytes each.
const maxProven = 1 << 13

// proven remembers what crypto/x509 has accepted, by the bytes that it looked at: to verify one signature with RSA 4096
// takes as long as to make a store, and the same intermediate stands above many leaves that are each looked at several
// times. Only what holds for these bytes for ever is remembered, so it may outlive a pass; a refusal is not, because its
// reason is to be told. Whoever alters a parsed certificate may alter none of what crypto/x509 looks at, see relax.
type proven struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]struct{}
}

var (
	paths      proven // whose certificates sign one another, within each other's pathLen and constraints
	signatures proven // of a certificate and the CA above it
)

// Signed reports whether ca's key signed the certificate, and ca is a CA that may sign: what
// [x509.Certificate.CheckSignatureFrom] says. Names and dates are not looked at.
func Signed(ca, cert *x509.Certificate) bool {
	key := keyOf(cert, ca)
	if signatures.has(key) {
		return true
	}
	if cert.CheckSignatureFrom(ca) != nil {
		return false
	}
	signatures.add(key)
	return true
}

// provenPath reports whether this path was verified before, and would be now: its dates and extended key usages are
// looked at each time.
func provenPath(path []*x509.Certificate, usage x509.ExtKeyUsage, at time.Time) bool {
	good := func(c *x509.Certificate) bool {
		return validAt(c, at) && (usage == x509.ExtKeyUsageAny || allowsUsage(c, usage, true))
	}
	return paths.has(keyOf(path...)) && !slices.ContainsFunc(path, func(c *x509.Certificate) bool { return !good(c) })
}

// provePath remembers a path that was verified, and with it the signatures in it.
func provePath(path []*x509.Certificate) {
	paths.add(keyOf(path...))
	for i, ca := range path[1:] {
		signatures.add(keyOf(path[i], ca))
	}
}

// keyOf is a digest of the certificates' bytes, in their order.
func keyOf(certs ...*x509.Certificate) [sha256.Size]byte {
	var all bytes.Buffer
	for _, c := range certs {
		all.Write(binary.BigEndian.AppendUint64(nil, uint64(len(c.Raw))))
		all.Write(c.Raw)
	}
	return sha256.Sum256(all.Bytes())
}

func (p *proven) has(key [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.known[key]
	return ok
}

// add begins anew where it would become too many.
func (p *proven) add(key [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxProven {
		p.known = map[[sha256.Size]byte]struct{}{}
	}
	p.known[key] = struct{}{}
}
