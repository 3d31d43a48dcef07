// Package parallel does one thing to every element of a list, several at a time.
package parallel

import (
	"iter"
	"runtime"
	"sync"
)

// Map calls f for every element, as many at a time as there are processors, and
// returns what it returned in the elements' order.
func Map[T, R any](in []T, f func(T) R) []R {
	out := make([]R, 0, len(in))
	for _, r := range InOrder(runtime.GOMAXPROCS(0), in, f) {
		out = append(out, r)
	}
	return out
}

// InOrder calls f for every element, n at a time, and yields each element with what f returned, in the elements'
// order, as soon as it is there. Whoever leaves the loop early waits for what was begun; nothing more is.
func InOrder[T, R any](n int, in []T, f func(T) R) iter.Seq2[T, R] {
	return func(yield func(T, R) bool) {
		out := make([]chan R, len(in))
		next := make(chan int)
		left := make(chan struct{})
		var workers sync.WaitGroup
		defer workers.Wait()
		defer close(left)
		for i := range in {
			out[i] = make(chan R, 1)
		}
		for range min(len(in), n) {
			workers.Go(func() {
				for i := range next {
					out[i] <- f(in[i])
				}
			})
		}
		workers.Go(func() {
			defer close(next)
			for i := range in {
				select {
				case next <- i:
				case <-left:
					return
				}
			}
		})
		for i, element := range in {
			if !yield(element, <-out[i]) {
				return
			}
		}
	}
}
