package truststore

import (
	"encoding/hex"
	"testing"
)

// RFC 2268, section 5: the vectors whose effective key length is the key's.
func TestRC2(t *testing.T) {
	for _, tt := range []struct{ key, plain, cipher string }{
		{"ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49"},
		{"3000000000000000", "1000000000000001", "30649edf9be7d2c2"},
		{"88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"},
	} {
		key, _ := hex.DecodeString(tt.key)
		in, _ := hex.DecodeString(tt.plain)
		block, err := newRC2(key)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, rc2BlockSize)
		block.Encrypt(out, in)
		if got := hex.EncodeToString(out); got != tt.cipher {
			t.Errorf("%s: encrypts to %s, want %s", tt.key, got, tt.cipher)
		}
		block.Decrypt(out, out)
		if got := hex.EncodeToString(out); got != tt.plain {
			t.Errorf("%s: decrypts to %s, want %s", tt.key, got, tt.plain)
		}
	}
	for _, size := range []int{0, 129} {
		if _, err := newRC2(make([]byte, size)); err == nil {
			t.Errorf("a key of %d bytes is accepted", size)
		}
	}
}
