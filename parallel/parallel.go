// Package parallel does one thing to every element of a list on all processors.
package parallel

import (
	"runtime"
	"sync"
)

// Map calls f for every element, as many at a time as there are processors, and
// returns what it returned in the elements' order.
func Map[T, R any](in []T, f func(T) R) []R {
	out := make([]R, len(in))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(len(in), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := range next {
				out[i] = f(in[i])
			}
		})
	}
	for i := range in {
		next <- i
	}
	close(next)
	workers.Wait()
	return out
}
