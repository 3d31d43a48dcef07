package truststore

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// Rounds are for passwords that somebody could guess. The last integer of a file is that of its checksum (RFC 7292
// section 4, MacData), and every derivation has as many.
func TestRounds(t *testing.T) {
	generated, err := Password()
	if err != nil {
		t.Fatal(err)
	}
	key := newKeyEntry(t, "server", newKey(t))
	for password, want := range map[string]uint16{generated: 1000, strings.Repeat("x", generatedLength-1): 2048, "changeit": 2048} {
		data, err := EncodeKey(PKCS12, key, password)
		if err != nil {
			t.Fatal(err)
		}
		rounds := binary.BigEndian.AppendUint16([]byte{0x02, 0x02}, want)
		if !bytes.HasSuffix(data, rounds) || bytes.Count(data, rounds) < 3 {
			t.Errorf("a password of %d characters is not derived from in %d rounds", len(password), want)
		}
	}
}
