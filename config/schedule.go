package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A cronField is one of the five fields of a schedule.
type cronField struct {
	name     string
	min, max int
	words    string // three letters each, from min on
}

// Sunday is 0 and 7, as everywhere since Vixie's cron.
var cronFields = [...]cronField{
	{name: "minute", max: 59},
	{name: "hour", max: 23},
	{name: "day of month", min: 1, max: 31},
	{name: "month", min: 1, max: 12, words: "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	{name: "day of week", max: 7, words: "SUNMONTUEWEDTHUFRISAT"},
}

// checkSchedule accepts five cron fields of *, values, ranges a-b, steps */n and a-b/n, and
// lists of these; months and days of the week also by their English three-letter names.
func checkSchedule(s string) error {
	parts := strings.Fields(s)
	if strings.HasPrefix(s, "@") || len(parts) != len(cronFields) {
		return fmt.Errorf(`%s is not five cron fields (minute, hour, day of month, month, day of week), such as "0 2 * * SUN"`, quote(s))
	}
	var sets [len(cronFields)]uint64
	for i, f := range cronFields {
		for _, item := range strings.Split(parts[i], ",") {
			set, err := f.parse(item)
			if err != nil {
				return fmt.Errorf("%s %s: %w", f.name, quote(parts[i]), err)
			}
			sets[i] |= set
		}
	}
	if parts[4] == "*" && !someMonthHas(sets[2], sets[3]) {
		return fmt.Errorf("%s never comes: no such month has that day", quote(s))
	}
	return nil
}

// someMonthHas tells whether one of the days exists in one of the months.
func someMonthHas(days, months uint64) bool {
	longest := [...]int{1: 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	for m := 1; m <= 12; m++ {
		if months>>m&1 == 1 && days&(1<<(longest[m]+1)-1) != 0 {
			return true
		}
	}
	return false
}

// parse is the set of values, as bits, of an item without commas.
func (f cronField) parse(item string) (uint64, error) {
	span, step, stepped := strings.Cut(item, "/")
	first, last := f.min, f.max
	if span != "*" {
		from, to, ranged := strings.Cut(span, "-")
		var err error
		if first, err = f.value(from); err != nil {
			return 0, err
		}
		last = first
		if ranged {
			if last, err = f.value(to); err != nil {
				return 0, err
			}
			if f.max == 7 && last == 0 {
				last = 7 // FRI-SUN
			}
		} else if stepped {
			return 0, errors.New("a step needs * or a range before it, such as */2")
		}
		if first > last {
			return 0, fmt.Errorf("%s ends before it begins", quote(span))
		}
	}
	by := 1
	if stepped {
		var err error
		if by, err = strconv.Atoi(step); err != nil || by < 1 || by > f.max {
			return 0, fmt.Errorf("step %s is not a number from 1 to %d", quote(step), f.max)
		}
	}
	var set uint64
	for v := first; v <= last; v += by {
		set |= 1 << v
	}
	return set, nil
}

// value is a number or a name.
func (f cronField) value(s string) (int, error) {
	if i := strings.Index(f.words, strings.ToUpper(s)); len(s) == 3 && i >= 0 && i%3 == 0 {
		return f.min + i/3, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || int(n) < f.min || int(n) > f.max {
		return 0, fmt.Errorf("%s is not between %d and %d", quote(s), f.min, f.max)
	}
	return int(n), nil
}
