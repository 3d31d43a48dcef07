package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A pass over a usual directory ends before its garbage is worth collecting: the
// collector would be a sixth of its work. So garbage may lie until memory comes
// near lateLimit, and from there on it is collected as often as it takes. Where
// what is alive comes near it too, that would be all the time; the collector
// then does as it always does.
const (
	latePercent = 400
	lateLimit   = 48 << 20
	lateAlive   = lateLimit / 6 * 5
)

// collectLate begins with that. Who sets GOGC or GOMEMLIMIT knows better.
func collectLate() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(latePercent)
		debug.SetMemoryLimit(lateLimit)
		watchCollector()
	}
}

// watchCollector looks after every collection at what is alive: a sentinel that
// nothing refers to is found by each.
func watchCollector() {
	type sentinel [64]byte
	runtime.AddCleanup(new(sentinel), func(int) {
		alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(alive)
		if alive[0].Value.Uint64() <= lateAlive {
			watchCollector()
			return
		}
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	}, 0)
}
