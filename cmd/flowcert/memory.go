package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A pass over a usual directory ends before its garbage is worth collecting: the
// collector would be a sixth of its work. So garbage may lie until memory comes
// near lateLimit. Where what is alive comes near it too, that would be all the time:
// half as much again is free for garbage then, beside what the runtime itself takes.
const (
	latePercent = 400
	lateLimit   = 44 << 20
	lateRuntime = 12 << 20
)

// collectLate begins with that. GOMEMLIMIT is the most that the limit becomes; who sets GOGC knows better.
func collectLate() {
	if os.Getenv("GOGC") == "" {
		most := debug.SetMemoryLimit(-1)
		debug.SetGCPercent(latePercent)
		limit := limitFor(0, most)
		debug.SetMemoryLimit(limit)
		watchCollector(limit, most)
	}
}

// watchCollector looks after every collection at what is alive, and sets another limit where there has to be one: a
// sentinel that nothing refers to is found by each.
func watchCollector(limit, most int64) {
	type sentinel [64]byte
	runtime.AddCleanup(new(sentinel), func(int) {
		next := limitFor(alive(), most)
		if next != limit {
			debug.SetMemoryLimit(next)
		}
		watchCollector(next, most)
	}, 0)
}

// limitFor is the limit where so many bytes are alive, in steps of a megabyte: to set one stops everything for a moment.
func limitFor(alive uint64, most int64) int64 {
	return min(max(lateLimit, int64(alive/2*3+lateRuntime)>>20<<20), most)
}

func alive() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
