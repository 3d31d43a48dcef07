package daemon

import (
	"testing"
	"time"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func TestPausesGrowAndEnd(t *testing.T) {
	f, now := failing{}, start
	last := time.Duration(0)
	for range 20 {
		again := f.failed("x", time.Time{}, now)
		pause := again.Sub(now)
		if pause <= 0 || pause > lastPause {
			t.Fatalf("a pause of %s", pause)
		}
		if !f.waiting(again.Add(-time.Millisecond))["x"] || f.waiting(again)["x"] {
			t.Errorf("at %s it is not told whether x waits", again)
		}
		last, now = pause, again
	}
	if last < lastPause/2 {
		t.Errorf("the last pause is %s only", last)
	}
	f.succeeded("x")
	if again := f.failed("x", time.Time{}, now); again.Sub(now) > firstPause {
		t.Errorf("after a success the first pause is %s", again.Sub(now))
	}
}

func TestPausesAreSmallBesideWhatIsLeft(t *testing.T) {
	f := failing{}
	for range 20 {
		f.failed("x", start.Add(time.Hour), start)
	}
	if again := f.failed("x", start.Add(time.Hour), start); again.Sub(start) > time.Hour/share {
		t.Errorf("with an hour left it pauses for %s", again.Sub(start))
	}
}

func TestAFailingTargetLeavesOthersAlone(t *testing.T) {
	f := failing{}
	f.failed("x", time.Time{}, start)
	f.failed(wholePass, time.Time{}, start)
	if w := f.waiting(start); len(w) != 1 || !w["x"] {
		t.Errorf("waiting are %v", w)
	}
	if f.next().IsZero() {
		t.Error("nothing would be tried again")
	}
}

func TestAPauseOfAClockThatWasWrong(t *testing.T) {
	f := failing{}
	f.failed("x", time.Time{}, start.AddDate(0, 1, 0))
	if f.waiting(start)["x"] {
		t.Error("x waits for a month")
	}
}

func TestWhatIsDoneIsNotTriedAgain(t *testing.T) {
	f := failing{}
	f.failed(target, time.Time{}, start)
	f.failed("gone", time.Time{}, start)
	f.keep(rewire(""))
	if f[target] == nil || f["gone"] != nil {
		t.Errorf("still failing: %v", f)
	}
}
