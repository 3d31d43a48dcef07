package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestCollectLate: the collector is put off, for longer once more is alive, and as before when that is gone.
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

// TestCollectorIsTheUsers: who sets it knows better.
func TestCollectorIsTheUsers(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	before := debug.SetMemoryLimit(-1)
	collectLate()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("the limit is %d, was %d", got, before)
	}
}
