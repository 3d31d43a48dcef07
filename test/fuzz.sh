#!/bin/sh
# fuzz.sh DURATION runs every fuzz target of every package for the duration, such as 30s, one after
# the other. An input that breaks a target stays in its package's testdata/fuzz, to be committed.
set -eu

duration=$1
count=0
failed=
for package in $(go list ./...); do
	targets=$(go test -list '^Fuzz' "$package")
	for target in $(printf '%s\n' "$targets" | grep '^Fuzz' || :); do
		printf '%s %s\n' "$package" "$target"
		count=$((count + 1))
		# Minimising an interesting input for Go's default minute would eat the time up.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 10x "$package" || failed="$failed $package.$target"
	done
done
printf '%d fuzz targets\n' "$count"
if [ -n "$failed" ]; then
	printf 'failed:%s\n' "$failed"
	exit 1
fi
