package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestCollectLate: the collector is put off, for longer once more is alive, and as before when that is gone.
func TestCollectLate(t *testing.T) {
	t.Setenv("GOGC", "")
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}()
	collectLate()
	runtime.GC()
	if got := debug.SetMemoryLimit(-1); got != lateLimit {
		t.Fatalf("the limit is %d, want %d", got, lateLimit)
	}
	much := make([]byte, lateLimit)
	until := func(what string, good func(limit int64) bool) {
		deadline := time.Now().Add(time.Minute)
		for !good(debug.SetMemoryLimit(-1)) {
			if time.Now().After(deadline) {
				t.Fatalf("%s the limit is %d", what, debug.SetMemoryLimit(-1))
			}
			runtime.GC() // what is found is looked at a little later
		}
	}
	until("with much alive", func(limit int64) bool { return limit >= lateLimit/4*5 && limit <= 2*lateLimit })
	runtime.KeepAlive(much)
	until("when that is gone", func(limit int64) bool { return limit == lateLimit })
}

// TestLimitFor: never beyond what the user permits.
func TestLimitFor(t *testing.T) {
	const mb = 1 << 20
	for _, tt := range []struct {
		alive      uint64
		most, want int64
	}{
		{0, math.MaxInt64, 44 * mb}, {20 * mb, math.MaxInt64, 44 * mb}, {40*mb + 5, math.MaxInt64, 72 * mb}, {400 * mb, math.MaxInt64, 612 * mb},
		{40 * mb, 96 * mb, 72 * mb}, {80 * mb, 96 * mb, 96 * mb}, {0, 32 * mb, 32 * mb},
	} {
		if got := limitFor(tt.alive, tt.most); got != tt.want {
			t.Errorf("with %d bytes alive and %d permitted it is %d, want %d", tt.alive, tt.most, got, tt.want)
		}
	}
}

// TestCollectorIsTheUsers: who sets it knows better.
func TestCollectorIsTheUsers(t *testing.T) {
	t.Setenv("GOGC", "100")
	before := debug.SetMemoryLimit(-1)
	collectLate()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("the limit is %d, was %d", got, before)
	}
}
