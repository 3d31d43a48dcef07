package pki

import (
	"crypto"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"go.step.sm/crypto/keyutil"
)

var handedOut struct {
	sync.Mutex
	count map[int]int
}

// readyKey stands in for keyutil.GenerateSigner: RSA keys come from files, in turn. Others are made;
// they take no time.
func readyKey(kind, curve string, size int) (crypto.Signer, error) {
	if kind != "RSA" {
		return keyutil.GenerateSigner(kind, curve, size)
	}
	files, err := filepath.Glob(filepath.Join(os.Getenv("FLOWCERT_BENCH_KEYS"), fmt.Sprintf("%d-*.pem", size)))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no ready key of %d bits: %w", size, err)
	}
	handedOut.Lock()
	if handedOut.count == nil {
		handedOut.count = map[int]int{}
	}
	n := handedOut.count[size]
	handedOut.count[size]++
	handedOut.Unlock()
	pem, err := os.ReadFile(files[n%len(files)])
	if err != nil {
		return nil, err
	}
	return ParseKey(pem, nil)
}
