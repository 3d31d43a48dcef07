package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestCollectLate: the collector is put off, and not any more once more is alive
// than it is put off for.
func TestCollectLate(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
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
	alive := make([]byte, lateLimit)
	deadline := time.Now().Add(time.Minute)
	for debug.SetMemoryLimit(-1) == lateLimit && time.Now().Before(deadline) {
		runtime.GC() // what is found is looked at a little later
	}
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("with %d bytes alive the limit is %d", len(alive), got)
	}
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("with %d bytes alive garbage may grow to %d %%", len(alive), got)
	}
	runtime.KeepAlive(alive)
}

// TestCollectorIsTheUsers: who sets it knows better.
func TestCollectorIsTheUsers(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	before := debug.SetMemoryLimit(-1)
	collectLate()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("the limit is %d, was %d", got, before)
	}
}
