#!/bin/sh
# build.sh fetches the Apache Flink Kubernetes operator with everything that it needs, and prints the folder of its jars,
# in which the file "classpath" has them in Maven's order.
#
# The folder is named after pom.xml, SHA256SUMS and this file, under the cache that is the first argument. If it is there
# nothing is fetched. Maven's own repository keeps another copy. `make e2e` runs it; the package test/operator looks in
# the same folder: change both.
set -eu

cache=${1:?usage: build.sh CACHE}
cd "$(dirname "$0")"

inputs=$(cat pom.xml SHA256SUMS build.sh | openssl dgst -sha256 -r | cut -c 1-16)
built=$cache/operator-$inputs
if [ -d "$built" ]; then
	printf '%s\n' "$built"
	exit 0
fi
command -v mvn >/dev/null 2>&1 || {
	printf 'e2etools: missing: Maven; on Debian, as root: apt-get install --no-install-recommends maven\n' >&2
	exit 1
}
mkdir -p "$cache"
new=$(mktemp -d "$cache/operator.XXXXXX")
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM

printf 'e2etools: fetching the Flink Kubernetes operator into %s\n' "$built" >&2
# -C: what does not have the checksum that its repository names is refused; ours are looked at after.
mvn -q -B -C -Dstyle.color=never -f pom.xml \
	dependency:copy-dependencies "-DoutputDirectory=$new" \
	dependency:build-classpath "-Dmdep.prefix=$built" "-Dmdep.outputFile=$new/classpath" </dev/null >&2
sums=$PWD/SHA256SUMS
(cd "$new" && sha256sum --quiet --strict -c "$sums") >&2

# The name appears only with everything in it; another may have been quicker.
[ -d "$built" ] || mv "$new" "$built"
printf '%s\n' "$built"
