#!/bin/sh
# build.sh builds a helm and a promtool from the sources that go.mod names, and prints the folder they are in.
#
# The folder is named after go.mod, go.sum and this file, under the cache that is the first argument. If it
# is there nothing is built. The first build takes a few minutes. `make tools` runs it; the package test/tools looks
# in the same folder: change both.
set -eu

cache=${1:?usage: build.sh CACHE}
cd "$(dirname "$0")"

inputs=$(cat go.mod go.sum build.sh | openssl dgst -sha256 -r | cut -c 1-16)
built=$cache/installtools-$inputs
mkdir -p "$cache"

# Two builds at once would each take twice as long. Without flock both work all the same.
if command -v flock >/dev/null 2>&1; then
	exec 9>"$cache/installtools.lock"
	flock 9
fi
if [ -d "$built" ]; then
	printf '%s\n' "$built"
	exit 0
fi

new=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM

export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly
build() { nice go build -tags remove_all_sd -trimpath -ldflags '-s -w' -o "$new/$1" "$2" >&2; }

printf 'tools: building helm and promtool into %s (some minutes)\n' "$built" >&2
build helm helm.sh/helm/v4/cmd/helm
# Without what finds the servers of a dozen clouds (remove_all_sd) it builds in half the time.
build promtool github.com/prometheus/prometheus/cmd/promtool

# The name appears only with everything in it; another build may have been quicker.
[ -d "$built" ] || mv "$new" "$built"
printf '%s\n' "$built"
