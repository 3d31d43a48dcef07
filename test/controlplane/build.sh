#!/bin/sh
# build.sh builds a kube-apiserver, an etcd and a kubectl from the sources that go.mod names, and prints
# the folder they are in.
#
# The folder is named after go.mod, go.sum and this file, under the cache that is the first argument. If it
# is there nothing is built. The first build takes several minutes and about a gigabyte of Go's caches.
# `make tools` runs it; the package test/cluster looks in the same folder: change both.
set -eu

cache=${1:?usage: build.sh CACHE}
cd "$(dirname "$0")"

inputs=$(cat go.mod go.sum build.sh | openssl dgst -sha256 -r | cut -c 1-16)
built=$cache/controlplane-$inputs
mkdir -p "$cache"

# Two builds at once would each take twice as long. Without flock both work all the same.
if command -v flock >/dev/null 2>&1; then
	exec 9>"$cache/controlplane.lock"
	flock 9
fi
if [ -d "$built" ]; then
	printf '%s\n' "$built"
	exit 0
fi

new=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM

# What the API server says it is: clients compare it with themselves.
kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
version=k8s.io/component-base/version
minor=${kubernetes#v*.}
stamp="-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*} -X $version.gitTreeState=clean"

export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly
build() { nice go build -trimpath -ldflags "-s -w $stamp" -o "$new/$1" "$2" >&2; }

printf 'tools: building Kubernetes %s into %s (some minutes)\n' "$kubernetes" "$built" >&2
build etcd go.etcd.io/etcd/server/v3
build kubectl k8s.io/kubernetes/cmd/kubectl
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver

# The name appears only with everything in it; another build may have been quicker.
[ -d "$built" ] || mv "$new" "$built"
printf '%s\n' "$built"
