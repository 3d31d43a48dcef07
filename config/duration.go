package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// maxDuration is 100 years: what is longer was mistyped.
const maxDuration = 36525 * day

// Duration is a positive time span in whole seconds.
type Duration time.Duration

// Std is the span as package time knows it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// ParseDuration reads Go's durations and whole days before them: 365d, 12h, 1d12h30m.
// Zero, negative spans, parts of a second and more than 100 years are errors.
func ParseDuration(s string) (Duration, error) {
	d, err := parseSpan(s)
	switch {
	case err != nil:
		return 0, err
	case d <= 0:
		return 0, fmt.Errorf("%s is not longer than zero", quote(s))
	case d > maxDuration:
		return 0, fmt.Errorf("%s is longer than 100 years", quote(s))
	case d%time.Second != 0:
		return 0, fmt.Errorf("%s is not in whole seconds", quote(s))
	}
	return Duration(d), nil
}

func parseSpan(s string) (time.Duration, error) {
	if _, err := strconv.ParseUint(s, 10, 64); err == nil {
		return 0, fmt.Errorf("%s has no unit; write %sd for days (d, h, m, s)", quote(s), s)
	}
	wrong := fmt.Errorf("%s is not a duration; write it like 365d, 12h or 1d12h", quote(s))
	var days time.Duration
	rest := s
	if number, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return 0, wrong
		}
		// One day more than the cap says too long as well as any number would.
		days, rest = time.Duration(min(n, uint64(maxDuration/day)+1))*day, after
		if rest == "" {
			return days, nil
		}
		if rest[0] < '0' || rest[0] > '9' || rest == "0" { // a sign, or what time.ParseDuration takes without a unit
			return 0, wrong
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, wrong
	}
	// One second more than the cap, again: the sum must not overflow.
	return days + min(d, maxDuration+time.Second), nil
}

// String is the shortest form that ParseDuration reads, such as 365d or 1d12h.
func (d Duration) String() string {
	days, rest := time.Duration(d)/day, time.Duration(d)%day
	if days == 0 && rest == 0 {
		return "0s"
	}
	var b strings.Builder
	if days != 0 {
		fmt.Fprintf(&b, "%dd", days)
	}
	if rest != 0 {
		s := rest.String()
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		b.WriteString(s)
	}
	return b.String()
}

// Before is a time before an end: a share of the lifetime, or a span. One of the two is set.
type Before struct {
	Percent  int // 1 to 99
	Duration Duration
}

// ParseBefore reads a whole percentage from 1% to 99%, or what ParseDuration reads.
func ParseBefore(s string) (Before, error) {
	number, ok := strings.CutSuffix(s, "%")
	if !ok {
		d, err := ParseDuration(s)
		return Before{Duration: d}, err
	}
	n, err := strconv.ParseUint(strings.TrimRight(number, " "), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n < 1 || n > 99):
		return Before{}, fmt.Errorf("%s is not between 1%% and 99%%", quote(s))
	case err != nil:
		return Before{}, fmt.Errorf("%s is not a whole percentage; write it like 33%%, or a duration like 30d", quote(s))
	}
	return Before{Percent: int(n)}, nil
}

// Of is the span itself or the share of lifetime. A span is not cut to the lifetime: where
// an issuer's end made a leaf shorter than planned, the result can be longer than its life.
func (b Before) Of(lifetime time.Duration) time.Duration {
	if b.Percent == 0 {
		return time.Duration(b.Duration)
	}
	// Divided first: 99 times a century overflows.
	return lifetime / 100 * time.Duration(b.Percent)
}

// String is what ParseBefore reads.
func (b Before) String() string {
	if b.Percent == 0 {
		return b.Duration.String()
	}
	return strconv.Itoa(b.Percent) + "%"
}
