package parallel

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestInOrderYieldsInOrder(t *testing.T) {
	in := []int{0, 1, 2, 3, 4, 5, 6, 7}
	release := make([]chan struct{}, len(in))
	for i := range release {
		release[i] = make(chan struct{})
	}
	go func() { // the last begun ends first, as far as three at a time permit
		for _, i := range []int{2, 1, 0, 3, 5, 4, 7, 6} {
			close(release[i])
		}
	}()
	var got []int
	for element, double := range InOrder(3, in, func(i int) int { <-release[i]; return 2 * i }) {
		if double != 2*element {
			t.Errorf("%d came with %d", element, double)
		}
		got = append(got, element)
	}
	if !slices.Equal(got, in) {
		t.Errorf("they came as %v", got)
	}
}

func TestInOrderLetsGo(t *testing.T) {
	var begun, ended atomic.Int32
	for range InOrder(2, make([]int, 1000), func(int) int {
		begun.Add(1)
		defer ended.Add(1)
		time.Sleep(10 * time.Millisecond) // so that the loop is left long before all of them are done
		return 0
	}) {
		break
	}
	// What was begun has ended by now, and the rest is never begun.
	if n := begun.Load(); n == 1000 || n != ended.Load() {
		t.Errorf("%d were begun and %d have ended", n, ended.Load())
	}
}

func TestMap(t *testing.T) {
	if got := Map([]int{1, 2, 3}, func(i int) int { return i * i }); !slices.Equal(got, []int{1, 4, 9}) {
		t.Errorf("it returned %v", got)
	}
	if got := Map(nil, func(i int) int { return i }); len(got) != 0 {
		t.Errorf("of nothing it made %v", got)
	}
}
