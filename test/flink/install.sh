#!/bin/sh
# install.sh unpacks the Apache Flink versions of versions.txt, and prints the folder of each.
#
# Flink's own distribution is in the source archive of its Python package: jars, and nothing that Python
# needs to run. What a cluster needs of it goes to flink-VERSION-HASH under the cache that is the first
# argument; if it is there nothing is done. `make e2e` runs it; the package test/flink looks in the same
# folders: change both.
set -eu

cache=${1:?usage: install.sh CACHE}
cd "$(dirname "$0")"
mkdir -p "$cache"
new=
trap '[ -z "$new" ] || rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM

# pip prints a Python that has pip.
pip() {
	for python in python3 /usr/bin/python3; do
		if "$python" -m pip --version >/dev/null 2>&1; then
			printf '%s\n' "$python"
			return
		fi
	done
	printf 'e2etools: missing: pip; on Debian, as root: apt-get install --no-install-recommends python3-pip\n' >&2
	exit 1
}

# unpack VERSION SHA256 FOLDER leaves out the table planner, Python, SQL and the metrics' reporters.
unpack() {
	python=$(pip)
	printf 'e2etools: unpacking Flink %s into %s (a download of some 250 MB)\n' "$1" "$3" >&2
	new=$(mktemp -d "$cache/flink.XXXXXX")
	printf 'apache-flink-libraries==%s --hash=sha256:%s\n' "$1" "$2" >"$new/requirements.txt"
	PIP_ROOT_USER_ACTION=ignore "$python" -m pip download --quiet --disable-pip-version-check --no-input --no-cache-dir \
		--no-deps --no-binary :all: --require-hashes --dest "$new" -r "$new/requirements.txt" </dev/null >&2
	mkdir "$new/flink"
	tar -xzf "$new/apache_flink_libraries-$1.tar.gz" -C "$new/flink" --strip-components=2 --no-same-owner --wildcards \
		'*/deps/lib/flink-dist-*' '*/deps/lib/flink-connector-files-*' '*/deps/lib/log4j-*'
	# The name appears only with everything in it; another may have been quicker.
	[ -d "$3" ] || mv "$new/flink" "$3"
	rm -rf "$new"
	new=
}

while read -r version hash; do
	folder=$cache/flink-$version-$(printf '%.8s' "$hash")
	[ -d "$folder" ] || unpack "$version" "$hash" "$folder"
	printf '%s\n' "$folder"
done <versions.txt
