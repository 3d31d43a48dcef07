package config

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"365d": 365 * day, "1d12h": 36 * time.Hour, "12h": 12 * time.Hour, "90m": 90 * time.Minute, "1h30m5s": time.Hour + 30*time.Minute + 5*time.Second,
		"1.5h": 90 * time.Minute, "36525d": maxDuration, "0d1h": time.Hour, "1s": time.Second, "1000ms": time.Second, "007d": 7 * day,
	} {
		got, err := ParseDuration(s)
		if err != nil || got.Std() != want {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
		if again, err := ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("%q prints as %q, which is %v, %v", s, got, again, err)
		}
	}
	for s, want := range map[string]string{
		"": "is not a duration", "0": "has no unit; write 0d", "12": "has no unit; write 12d for days", "0s": "is not longer than zero", "0d": "is not longer than zero",
		"-1h": "is not longer than zero", "-1d": "is not a duration", "1d-1h": "is not a duration", "1d+1h": "is not a duration", "1d0": "is not a duration", "1d.5h": "is not a duration", "d": "is not a duration",
		"1.5d": "is not a duration", "1h1d": "is not a duration", "1y": "is not a duration", "2w": "is not a duration", "1 d": "is not a duration", "1d 2h": "is not a duration",
		"36525d1s": "is longer than 100 years", "36526d": "is longer", "99999999999d": "is longer", "99999999999999999999d": "is not a duration",
		"18446744073709551615d": "is longer", "876601h": "is longer", "2562047h": "is longer", "36525d2562047h": "is longer", "9999999h": "is not a duration", "1500ms": "is not in whole seconds", "1ns": "is not in whole seconds",
		"1d1d": "is not a duration", "∞": "is not a duration", "1D": "is not a duration",
	} {
		got, err := ParseDuration(s)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %s", s, got, err, want)
		}
	}
}

func TestDurationString(t *testing.T) {
	for d, want := range map[time.Duration]string{
		365 * day: "365d", 36 * time.Hour: "1d12h", 24 * time.Hour: "1d", 4 * time.Hour: "4h", 90 * time.Minute: "1h30m", 30 * time.Minute: "30m",
		10 * time.Hour: "10h", 20 * time.Second: "20s", time.Hour + 10*time.Second: "1h0m10s", day + time.Minute: "1d1m", 0: "0s",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v prints as %q, want %q", d, got, want)
		}
	}
}

func TestBefore(t *testing.T) {
	for _, c := range []struct {
		s        string
		lifetime time.Duration
		want     time.Duration
	}{
		{"33%", 100 * day, 33 * day},
		{"33 %", 100 * day, 33 * day},
		{"1%", 365 * day, 365 * day / 100},
		{"99%", maxDuration, maxDuration / 100 * 99},
		{"30d", 365 * day, 30 * day},
		{"30d", 10 * day, 30 * day},
	} {
		b, err := ParseBefore(c.s)
		if err != nil {
			t.Errorf("%q: %v", c.s, err)
		}
		if got := b.Of(c.lifetime); got != c.want {
			t.Errorf("%q of %v is %v, want %v", c.s, c.lifetime, got, c.want)
		}
		if again, err := ParseBefore(b.String()); err != nil || again != b {
			t.Errorf("%q prints as %q, which is %v, %v", c.s, b, again, err)
		}
	}
	for _, s := range []string{"", "%", "0%", "100%", "-1%", "1.5%", "1e1%", "%33", "33%%", "33", "99999999999999999999%", "NaN%", "0d"} {
		if b, err := ParseBefore(s); err == nil {
			t.Errorf("%q is accepted as %v", s, b)
		}
	}
}
