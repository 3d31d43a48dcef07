package truststore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"software.sslmate.com/src/go-pkcs12"
)

func encodeTrustPKCS12(entries []Entry, password string) ([]byte, error) {
	var named []pkcs12.TrustStoreEntry
	for _, e := range entries {
		named = append(named, pkcs12.TrustStoreEntry{Cert: e.Certificate, FriendlyName: e.Alias})
	}
	return encoderFor(password).WithRand(newContentStream(entries)).EncodeTrustStoreEntries(named, password)
}

func encodeKeyPKCS12(key KeyEntry, password string) ([]byte, error) {
	return encoderFor(password).Encode(key.Key, key.Chain[0], key.Chain[1:], password)
}

// encoderFor derives keys from the password in as many rounds as it needs. Rounds slow down who guesses passwords, and
// nobody guesses one of 32 random characters: it gets the 1000 that RFC 8018 section 4.2 calls the least, because
// rounds are most of the time that a store takes to make. Shorter ones get go-pkcs12's 2048.
func encoderFor(password string) *pkcs12.Encoder {
	if len(password) >= generatedLength {
		return pkcs12.Modern2023.WithIterations(1000)
	}
	return pkcs12.Modern2023
}

// contentStream stands in for crypto/rand where a PKCS12 truststore needs salts
// and an initialisation vector, so that the same content gives the same bytes.
// It is HMAC-SHA-256 of a counter, keyed with a hash of the entries.
//
// The salts then say nothing that the content does not, and certificates are
// public. Stores of different content still have different salts, and so
// different keys under one password. The password takes no part: a salt made
// from it would let anybody test guesses without the rounds of PBKDF2.
// Private keys never come near it.
type contentStream struct {
	mac     hash.Hash
	counter uint64
}

func newContentStream(entries []Entry) *contentStream {
	h := sha256.New()
	h.Write([]byte("flowcert truststore PKCS12 v1"))
	field := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, e := range entries {
		field([]byte(e.Alias))
		field(e.Certificate.Raw)
	}
	return &contentStream{mac: hmac.New(sha256.New, h.Sum(nil))}
}

// Read always fills p, because go-pkcs12 does not look at the count.
func (s *contentStream) Read(p []byte) (int, error) {
	for done := 0; done < len(p); {
		s.mac.Reset()
		s.mac.Write(binary.BigEndian.AppendUint64(nil, s.counter))
		s.counter++
		done += copy(p[done:], s.mac.Sum(nil))
	}
	return len(p), nil
}
