#!/bin/sh
# pod.sh runs a JVM in a file system like a pod's: what the machine has, with other files in places.
#
#   unshare --mount sh pod.sh ROOT OPENED... -- TARGET=SOURCE... -- JAVA ARGUMENT...
#
# ROOT is an empty folder. OPENED are folders of the machine in which something new appears, outer ones
# first. Each SOURCE is seen at its TARGET. JVM_OPTS goes onto the command line as Flink's own scripts
# put it there: split at white space. All of it is gone when the JVM ends.
set -eu

root=$1
shift

# open gives the pod a folder of its own with all that the machine's has.
open() {
	mount -t tmpfs -o mode=755 pod "$root$1"
	for entry in "${1%/}"/*; do
		if [ -L "$entry" ]; then
			cp -P "$entry" "$root$entry"
		elif [ -d "$entry" ]; then
			mkdir "$root$entry"
			mount --rbind "$entry" "$root$entry"
		fi
	done
}

while [ "$1" != -- ]; do
	open "$1"
	shift
done
shift
while [ "$1" != -- ]; do
	target=$root${1%%=*} source=${1#*=}
	[ -e "$target" ] || mkdir -p "$target"
	mount --bind "$source" "$target"
	shift
done
shift
java=$1
shift
# shellcheck disable=SC2086 # one option is one word
exec chroot "$root" "$java" $JVM_OPTS "$@"
